//! Whether a value in the store is the object that its key promises: a store may be written to by others.

use garrison_api::{Resource, decode, schema};
use serde_json::Value;

/// Holds an object to its key and to the type graph; fields that the graph does not know are dropped, as from a request.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn check(resource: &Resource, key: &str, object: &mut Value) -> Result<(), String> {
    if resource.custom.is_none() && schema::of_kind(&resource.api_version(), resource.kind).is_some() {
        decode::fits(&resource.api_version(), resource.kind, object)?;
    }
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().filter(|_| resource.namespaced);
    let own = super::key(resource, namespace, metadata["name"].as_str().unwrap_or_default());
    if own == key { Ok(()) } else { Err(format!("it is the object {own}")) }
}

#[cfg(test)]
mod tests {
    use crate::storage::StoredObject;
    use garrison_store::Record as _;
    use serde_json::{Value, json};

    fn load(key: &str, object: &Value) -> Result<Value, String> {
        StoredObject::load(key, object.to_string().into()).map(|object| object.shown())
    }

    #[test]
    fn only_what_could_have_been_written_here_is_taken_for_an_object() {
        let node =
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u"}, "spec": {"unschedulable": true}});
        assert_eq!(load("nodes/n1", &node), Ok(node.clone()));
        let changed = |pointer: &str, value: Value| {
            let mut node = node.clone();
            *node.pointer_mut(pointer).unwrap() = value;
            node
        };
        assert_eq!(load("nodes/n2", &node), Err("it is the object nodes/n1".into()));
        let why = load("nodes/n1", &changed("/spec", json!("none"))).unwrap_err();
        assert!(why.contains("cannot unmarshal string"), "{why}");
        let why = load("nodes/n1", &changed("/kind", json!("Pod"))).unwrap_err();
        assert!(why.contains("Pod"), "{why}");
        let pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"}, "spec": {"containers": []}});
        assert!(load("pods/a/p", &pod).is_ok());
        assert_eq!(load("pods/b/p", &pod), Err("it is the object pods/a/p".into()));
    }

    #[test]
    fn a_field_of_a_later_version_is_dropped() {
        let stored = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "a"}, "later": 1});
        assert!(load("configmaps/a/c", &stored).unwrap().get("later").is_none());
    }
}
