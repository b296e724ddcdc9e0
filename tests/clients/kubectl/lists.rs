//! Selectors, pages, collections, and tables.

use super::{Kubectl, Operation, at, config_map};
use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("label-selector", label_selector),
    ("field-selector", field_selector),
    ("paging", paging),
    ("list-exact", list_exact),
    ("continue-expired", continue_expired),
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

fn list_exact(kubectl: &Kubectl) -> Result<Value> {
    kubectl.make("exact-old", &json!({"exact": "yes"}))?;
    let path = "/api/v1/namespaces/team/configmaps?labelSelector=exact%3Dyes";
    let now = kubectl.raw(path)?;
    let version = at(&now, "/metadata/resourceVersion").as_str().context("a version")?;
    kubectl.make("exact-new", &json!({"exact": "yes"}))?;
    let then = kubectl.raw(&format!("{path}&resourceVersion={version}&resourceVersionMatch=Exact"))?;
    let mut told: Vec<&Value> =
        at(&then, "/items").as_array().context("items")?.iter().map(|item| at(item, "/metadata/name")).collect();
    told.sort_by_key(|name| name.as_str());
    Ok(json!({"then": told, "now": kubectl.names(&["get", "cm", "-l", "exact=yes"])?}))
}

fn continue_expired(kubectl: &Kubectl) -> Result<Value> {
    for number in 0..3 {
        kubectl.make(&format!("leaf-{number}"), &json!({"leaf": "yes"}))?;
    }
    let path = "/api/v1/namespaces/team/configmaps?labelSelector=leaf%3Dyes&limit=1";
    let page = kubectl.raw(path)?;
    let token = at(&page, "/metadata/continue").as_str().context("a token")?;
    kubectl.tell(&["delete", "cm", "leaf-1"])?;
    kubectl.control("expire")?;
    let told = kubectl.refused(&["get", "--raw", &format!("{path}&continue={token}")], &Value::Null)?;
    Ok(json!({"reason": told["reason"]}))
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
