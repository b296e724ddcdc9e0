//! What a create must fit into, and what is added to it, beyond its own kind's rules.

mod certificate;
mod pod;
mod priority;
mod service_account;

pub(crate) use certificate::with_requester;

use crate::{Server, request::Target, storage::Storage};
use garrison_api::{Status, resource};
use serde_json::{Value, json};

/// Admits an object that is to be created, completed by what the cluster knows.
pub(crate) async fn create(server: &Server, target: &Target, object: Value) -> Result<Value, Status> {
    let storage = server.storage();
    let resource = target.resource();
    if let Some(namespace) = target.namespace() {
        require_namespace(storage, target, namespace, &object).await?;
    }
    match (resource.group, resource.plural) {
        ("", "pods") => pod::admit(storage, target.namespace().unwrap_or_default(), object).await,
        ("", "nodes") => Ok(with_not_ready_taint(object)),
        ("scheduling.k8s.io", "priorityclasses") => priority::require_one_default(storage, object).await,
        _ => Ok(object),
    }
}

/// The namespace must exist, and not be on its way out.
async fn require_namespace(storage: &Storage, target: &Target, namespace: &str, object: &Value) -> Result<(), Status> {
    let namespaces = resource::find("", "v1", "namespaces").ok_or_else(|| Status::internal("namespaces are not served"))?;
    let found = storage.get(namespaces, None, namespace).await?.record.shown();
    let terminating =
        found["metadata"].get("deletionTimestamp").is_some_and(|at| !at.is_null()) || found["status"]["phase"] == "Terminating";
    if !terminating {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let message = format!("namespace {namespace} is being terminated");
    let resource = target.resource();
    let refusal = Status::forbidden(resource.group, resource.plural, crate::write::text(object, "name"), &why);
    Err(refusal.with_cause("NamespaceTerminating", &message, "metadata.namespace"))
}

/// A node takes no pods until it has once been seen ready.
fn with_not_ready_taint(mut node: Value) -> Value {
    const KEY: &str = "node.kubernetes.io/not-ready";
    let taints = list(&mut node["spec"], "taints");
    if !taints.iter().any(|taint| taint["key"] == KEY && taint["effect"] == "NoSchedule") {
        taints.push(json!({"key": KEY, "effect": "NoSchedule"}));
    }
    node
}

/// The list of that name, made if it is absent.
///
/// Bodies have been decoded against their schema: what is there is of the right type, or null.
fn list<'a>(parent: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    if !parent.is_object() {
        *parent = json!({});
    }
    let slot = &mut parent[name];
    if !slot.is_array() {
        *slot = json!([]);
    }
    slot.as_array_mut().expect("made above if it was absent")
}
