//! Selectors, pages, collections, and tables.

use super::{Kubectl, Operation, config_map};
use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("label-selector", label_selector),
    ("field-selector", field_selector),
    ("paging", paging),
    ("delete-collection", delete_collection),
    ("table", table),
];

fn label_selector(kubectl: &Kubectl) -> Result<Value> {
    for (name, tier) in [("tier-one", "gold"), ("tier-two", "silver"), ("tier-three", "bronze")] {
        kubectl.make(name, &json!({"tier": tier, "set": "tiers"}))?;
    }
    let listed = |selector: &str| kubectl.names(&["get", "cm", "-l", selector]);
    Ok(json!({"equal": listed("tier=gold")?, "in": listed("tier in (gold,silver)")?, "not": listed("set=tiers,tier!=gold")?,
        "absent": listed("set,!tier")?}))
}

fn field_selector(kubectl: &Kubectl) -> Result<Value> {
    let listed = kubectl.names(&["get", "cm", "--field-selector=metadata.name=settings"])?;
    let refused = kubectl.refused(&["get", "cm", "--field-selector=data.a=b"], &Value::Null)?;
    Ok(json!({"names": listed, "refused": refused}))
}

fn paging(kubectl: &Kubectl) -> Result<Value> {
    let item = |number| config_map(&format!("page-{number:02}"), &json!({}), &json!({"page": "yes"}));
    let items: Vec<Value> = (0..25).map(item).collect();
    kubectl.with(&["create", "-f", "-"], &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    Ok(json!({"seen": kubectl.names(&["get", "cm", "-l", "page=yes", "--chunk-size=10"])?.len()}))
}

/// `kubectl delete -l` deletes one by one.
fn delete_collection(kubectl: &Kubectl) -> Result<Value> {
    kubectl.tell(&["delete", "--raw", "/api/v1/namespaces/team/configmaps?labelSelector=page%3Dyes"])?;
    Ok(json!({"left": kubectl.names(&["get", "cm", "-l", "page=yes"])?.len(), "others": !kubectl.is_gone("cm", "settings")?}))
}

fn table(kubectl: &Kubectl) -> Result<Value> {
    let told = kubectl.tell(&["get", "cm", "settings"])?;
    Ok(json!({"columns": told.lines().next().context("a header")?.split_whitespace().collect::<Vec<_>>()}))
}
