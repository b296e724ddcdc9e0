//! Lives and deaths: finalizers, owners, grace, and what happens to an object by its subresources.

use super::{Kubectl, Operation, at, eventually};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("finalizer", finalizer),
    ("graceful-deletion", graceful_deletion),
    ("propagation-background", propagation_background),
    ("propagation-orphan", propagation_orphan),
    ("propagation-foreground", propagation_foreground),
    ("status-subresource", status_subresource),
    ("scale", scale),
    ("eviction", eviction),
    ("wait-condition", wait_condition),
];

const RELEASE: &str = "{\"metadata\":{\"finalizers\":null}}";

fn held(name: &str, owner: Option<Value>) -> Value {
    let owners: Vec<Value> = owner.into_iter().collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "finalizers": ["clients.test/hold"], "ownerReferences": owners}})
}

fn is_marked(kubectl: &Kubectl, kind: &str, name: &str) -> Result<bool> {
    Ok(at(&kubectl.object(&["get", kind, name])?, "/metadata/deletionTimestamp").is_string())
}

fn finalizer(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&held("held", None))?;
    kubectl.tell(&["delete", "cm", "held", "--wait=false"])?;
    let marked = is_marked(kubectl, "cm", "held")?;
    kubectl.tell(&["patch", "cm", "held", "--type=merge", "-p", RELEASE])?;
    Ok(json!({"marked": marked, "gone": kubectl.is_gone("cm", "held")?}))
}

fn graceful_deletion(kubectl: &Kubectl) -> Result<Value> {
    kubectl.make_pod("graceful")?;
    kubectl.tell(&["delete", "pod", "graceful", "--grace-period=30", "--wait=false"])?;
    let found = kubectl.object(&["get", "pod", "graceful"])?;
    kubectl.tell(&["delete", "pod", "graceful", "--grace-period=0", "--force"])?;
    Ok(json!({"seconds": at(&found, "/metadata/deletionGracePeriodSeconds"),
        "marked": at(&found, "/metadata/deletionTimestamp").is_string(), "gone": kubectl.is_gone("pod", "graceful")?}))
}

/// An owner, and what goes into its dependents.
fn owner(kubectl: &Kubectl, name: &str) -> Result<Value> {
    let made = kubectl.make(name, &Value::Null)?;
    Ok(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": at(&made, "/metadata/uid"), "blockOwnerDeletion": true}),
    )
}

fn child(kubectl: &Kubectl, name: &str, owner: Value) -> Result<()> {
    let mut child = held(name, Some(owner));
    child["metadata"]["finalizers"] = Value::Null;
    kubectl.create(&child).map(drop)
}

fn propagation_background(kubectl: &Kubectl) -> Result<Value> {
    let reference = owner(kubectl, "background-owner")?;
    child(kubectl, "background-child", reference)?;
    kubectl.tell(&["delete", "cm", "background-owner", "--cascade=background"])?;
    let gone = eventually(|| kubectl.is_gone("cm", "background-child"))?;
    Ok(json!({"owner": kubectl.is_gone("cm", "background-owner")?, "child": gone}))
}

fn propagation_orphan(kubectl: &Kubectl) -> Result<Value> {
    let reference = owner(kubectl, "orphan-owner")?;
    child(kubectl, "orphan-child", reference)?;
    kubectl.tell(&["delete", "cm", "orphan-owner", "--cascade=orphan", "--timeout=20s"])?;
    let found = kubectl.object(&["get", "cm", "orphan-child"])?;
    Ok(json!({"owners": at(&found, "/metadata/ownerReferences").as_array().cloned().unwrap_or_default()}))
}

fn propagation_foreground(kubectl: &Kubectl) -> Result<Value> {
    let reference = owner(kubectl, "foreground-owner")?;
    kubectl.create(&held("foreground-child", Some(reference)))?;
    kubectl.tell(&["delete", "cm", "foreground-owner", "--cascade=foreground", "--wait=false"])?;
    let waiting = kubectl.object(&["get", "cm", "foreground-owner"])?;
    eventually(|| is_marked(kubectl, "cm", "foreground-child"))?;
    kubectl.tell(&["patch", "cm", "foreground-child", "--type=merge", "-p", RELEASE])?;
    let gone = eventually(|| kubectl.is_gone("cm", "foreground-owner"))?;
    Ok(json!({"finalizers": at(&waiting, "/metadata/finalizers"), "gone": gone}))
}

fn status_subresource(kubectl: &Kubectl) -> Result<Value> {
    kubectl.make_pod("reporting")?;
    let change = r#"{"spec":{"activeDeadlineSeconds":9},"status":{"phase":"Running"}}"#;
    let found = kubectl.object(&["patch", "pod", "reporting", "--subresource=status", "--type=merge", "-p", change])?;
    Ok(json!({"phase": at(&found, "/status/phase"), "deadline": at(&found, "/spec/activeDeadlineSeconds")}))
}

fn scale(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "scaled"}, "spec": {
        "selector": {"matchLabels": {"app": "scaled"}},
        "template": {"metadata": {"labels": {"app": "scaled"}}, "spec": {"containers": [{"name": "main", "image": "pause"}]}}}}))?;
    let found = kubectl.raw("/apis/apps/v1/namespaces/team/deployments/scaled/scale")?;
    kubectl.tell(&["scale", "deployment", "scaled", "--replicas=3"])?;
    let scaled = kubectl.object(&["get", "deployment", "scaled"])?;
    Ok(json!({"kind": found["kind"], "before": at(&found, "/spec/replicas"), "after": at(&scaled, "/spec/replicas")}))
}

/// `kubectl drain` would wait for the pod to go, which nobody ends here.
fn eviction(kubectl: &Kubectl) -> Result<Value> {
    kubectl.make_pod("evicted")?;
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "evicted", "namespace": "team"}});
    let told = kubectl.with(&["create", "--raw", "/api/v1/namespaces/team/pods/evicted/eviction", "-f", "-"], &eviction)?;
    let told: Value = serde_json::from_str(&told)?;
    Ok(json!({"status": told["status"], "marked": is_marked(kubectl, "pod", "evicted")?}))
}

fn wait_condition(kubectl: &Kubectl) -> Result<Value> {
    let mut pod = kubectl.make_pod("awaited")?;
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    // What newer ones have a flag for.
    kubectl.with(&["replace", "--raw", "/api/v1/namespaces/team/pods/awaited/status", "-f", "-"], &pod)?;
    let told = kubectl.tell(&["wait", "--for=condition=Ready", "pod/awaited", "--timeout=20s"])?;
    ensure!(told.contains("condition met"), "{told}");
    Ok(json!({"met": true}))
}
