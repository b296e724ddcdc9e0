//! `/scale`: the number of replicas of a workload, in the one form that all such kinds share.

use crate::status_error::{Cause, Status};
use crate::table;
use serde_json::{Value, json};

/// `apiVersion` and kind of the form.
pub const API_VERSION: &str = "autoscaling/v1";
/// See [`API_VERSION`].
pub const KIND: &str = "Scale";

/// The scale of an object.
pub fn of(object: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(0);
    // As upstream writes it: no replicas wanted is no word about them.
    let spec = if wanted == 0 { json!({}) } else { json!({"replicas": wanted}) };
    let mut status = json!({"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)});
    let selector = &object["spec"]["selector"];
    // A replication controller's selector is a bare map of labels.
    let bare = if object["kind"] == "ReplicationController" { json!({"matchLabels": selector}) } else { Value::Null };
    if let Some(selector) = table::selector_text(if bare.is_null() { selector } else { &bare }) {
        status["selector"] = selector.into();
    }
    json!({"kind": KIND, "apiVersion": API_VERSION, "metadata": metadata, "spec": spec, "status": status})
}

/// Gives an object the number of replicas that a scale wants, and the version that its writer has seen.
///
/// # Errors
/// 422 when the number is negative, 409 when the scale is of another object of that name.
pub fn apply(scale: &Value, group: &str, plural: &str, object: &mut Value) -> Result<(), Status> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let wanted = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if wanted < 0 {
        let message = format!("Invalid value: {wanted}: must be greater than or equal to 0");
        let cause = Cause { reason: "FieldValueInvalid".into(), message, field: "spec.replicas".into() };
        return Err(Status::invalid("autoscaling", KIND, name, vec![cause]));
    }
    let (meant, is) = (text(scale, "uid"), text(object, "uid"));
    if !meant.is_empty() && meant != is {
        let why = format!("Precondition failed: UID in precondition: {meant}, UID in object meta: {is}");
        return Err(Status::conflict(group, plural, name, &why));
    }
    let version = text(scale, "resourceVersion").to_owned();
    object["metadata"]["resourceVersion"] = version.into();
    object["spec"]["replicas"] = wanted.into();
    Ok(())
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shows_and_sets_the_replicas() {
        let mut object = json!({
            "metadata": {"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"b": "2", "a": "1"}}}, "status": {"replicas": 2},
        });
        let scale = of(&object);
        let metadata = json!({"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "7"});
        assert_eq!((&scale["metadata"], &scale["spec"]), (&metadata, &json!({"replicas": 3})));
        assert_eq!(scale["status"], json!({"replicas": 2, "selector": "a=1,b=2"}));
        apply(&json!({"spec": {"replicas": 5}}), "apps", "deployments", &mut object).expect("is taken");
        assert_eq!((&object["spec"]["replicas"], &object["metadata"]["resourceVersion"]), (&json!(5), &json!("")));
        apply(&json!({"metadata": {"resourceVersion": "6"}}), "apps", "deployments", &mut object).expect("is taken");
        assert_eq!((&object["spec"]["replicas"], &object["metadata"]["resourceVersion"]), (&json!(0), &json!("6")));
        assert_eq!(of(&object)["spec"], json!({}));
        for (scale, code) in [(json!({"spec": {"replicas": -1}}), 422), (json!({"metadata": {"uid": "other"}}), 409)] {
            assert_eq!(apply(&scale, "apps", "deployments", &mut object).expect_err("is refused").code, code, "{scale}");
        }
    }
}
