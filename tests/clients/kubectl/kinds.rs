//! Kinds of one's own: their definition, and objects of them.

use super::objects::managers;
use super::{Kubectl, Operation, at};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

pub(super) const ALL: &[Operation] = &[
    ("crd-create", crd_create),
    ("custom-objects", custom_objects),
    ("custom-invalid", |kubectl| kubectl.refused(&["create", "--validate=false", "-f", "-"], &widget("wrong", &json!("big")))),
    ("custom-status", custom_status),
    ("custom-apply", custom_apply),
    ("custom-strict", custom_strict),
    ("custom-columns", custom_columns),
    ("custom-versions", custom_versions),
    ("custom-rule", custom_rule),
    ("custom-selectable", custom_selectable),
    ("custom-watch", custom_watch),
];

fn widget(name: &str, size: &Value) -> Value {
    json!({"apiVersion": "clients.test/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": size}})
}

fn crd_create(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&serde_json::from_str(crate::surroundings::WIDGETS)?)?;
    let told = kubectl.tell(&["wait", "--for=condition=Established", "crd/widgets.clients.test", "--timeout=20s"])?;
    Ok(json!({"established": told.contains("condition met")}))
}

fn custom_objects(kubectl: &Kubectl) -> Result<Value> {
    let made = kubectl.create(&widget("w", &json!(1)))?;
    let changed = kubectl.object(&["patch", "widget", "w", "--type=merge", "-p", "{\"spec\":{\"size\":2}}"])?;
    let names = kubectl.names(&["get", "wg"])?;
    kubectl.tell(&["delete", "widget", "w"])?;
    Ok(json!({"color": at(&made, "/spec/color"), "size": at(&changed, "/spec/size"), "names": names,
        "generation": at(&changed, "/metadata/generation"), "gone": kubectl.is_gone("widget", "w")?}))
}

fn custom_status(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&widget("reporting", &json!(1)))?;
    let change = r#"{"spec":{"size":9},"status":{"ready":true}}"#;
    let changed = kubectl.object(&["patch", "widget", "reporting", "--subresource=status", "--type=merge", "-p", change])?;
    Ok(json!({"size": at(&changed, "/spec/size"), "ready": at(&changed, "/status/ready"),
        "generation": at(&changed, "/metadata/generation")}))
}

fn custom_apply(kubectl: &Kubectl) -> Result<Value> {
    kubectl.send(&["apply", "--server-side", "--field-manager=first"], &widget("applied", &json!(3)))?;
    let applied = kubectl.raw("/apis/clients.test/v1/namespaces/team/widgets/applied")?;
    Ok(json!({"size": at(&applied, "/spec/size"), "color": at(&applied, "/spec/color"), "managers": managers(&applied)}))
}

fn custom_strict(kubectl: &Kubectl) -> Result<Value> {
    let mut wrong = widget("strict", &json!(1));
    wrong["spec"]["bogus"] = 1.into();
    kubectl.refused(&["create", "--validate=strict", "-f", "-"], &wrong)
}

fn custom_columns(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&widget("tabled", &json!(7)))?;
    let told = kubectl.tell(&["get", "widget", "tabled"])?;
    let mut lines = told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    Ok(json!({"columns": lines.next(), "row": lines.next()}))
}

fn custom_versions(kubectl: &Kubectl) -> Result<Value> {
    let mut dated = widget("dated", &json!(1));
    dated["apiVersion"] = "clients.test/v1beta1".into();
    let made = kubectl.create(&dated)?;
    let found = kubectl.object(&["get", "widgets.v1.clients.test", "dated"])?;
    let preferred = kubectl.object(&["get", "widget", "dated"])?;
    let preferred = at(&preferred, "/apiVersion").as_str().and_then(|version| version.strip_prefix("clients.test/"));
    Ok(
        json!({"made": made["apiVersion"], "read": found["apiVersion"], "color": at(&found, "/spec/color"), "preferred": preferred}),
    )
}

fn custom_rule(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&widget("ruled", &json!(1)))?;
    let size = kubectl.refused(&["create", "-f", "-"], &widget("large", &json!(100)))?;
    let repaint = "{\"spec\":{\"color\":\"blue\"}}";
    let color = kubectl.refused(&["patch", "widget", "ruled", "--type=merge", "-p", repaint], &Value::Null)?;
    Ok(json!({"size": size, "color": color}))
}

fn custom_selectable(kubectl: &Kubectl) -> Result<Value> {
    let mut blue = widget("blue", &json!(1));
    blue["spec"]["color"] = "blue".into();
    kubectl.create(&blue)?;
    let refused = kubectl.refused(&["get", "widgets", "--field-selector=spec.size=1"], &Value::Null)?;
    Ok(json!({"names": kubectl.names(&["get", "widgets", "--field-selector=spec.color=blue"])?, "refused": refused}))
}

fn custom_watch(kubectl: &Kubectl) -> Result<Value> {
    let only = "--field-selector=metadata.name=seen";
    let mut command = kubectl.command(&["get", "wg", "-w", "--output-watch-events", "--no-headers", only]);
    let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let out = watch.stdout.take().context("a pipe")?;
    let events = lead(kubectl, BufReader::new(out));
    // It would go on for ever.
    let _ = watch.kill();
    watch.wait()?;
    Ok(json!({"events": events?}))
}

/// Makes, changes and deletes what is watched: each when the last was told of, since a watch that starts late tells of the
/// object as it is then.
fn lead(kubectl: &Kubectl, out: impl BufRead) -> Result<Vec<String>> {
    kubectl.create(&widget("seen", &json!(1)))?;
    let resize: &[&str] = &["patch", "wg", "seen", "--type=merge", "-p", "{\"spec\":{\"size\":2}}"];
    let mut changes = [resize, &["delete", "wg", "seen"]].into_iter();
    let mut events = Vec::new();
    for line in out.lines().take(3) {
        events.push(line?.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
        changes.next().map(|change| kubectl.tell(change)).transpose()?;
    }
    Ok(events)
}
