//! `metadata.generation`, and the deprecated but load-bearing generation of a DaemonSet's template (behaviour reference §4).

use crate::resource::Resource;
use crate::status_error::Status;
use serde_json::{Value, json};

/// Where every `apps/v1` DaemonSet shows the generation of its template.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The fields of a kind whose changes are counted; none for kinds without a generation.
fn counted(resource: &Resource) -> &'static [&'static str] {
    match resource.kind {
        "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet" | "Job" | "CronJob" | "Pod" | "PriorityClass" => &["spec"],
        "PodDisruptionBudget" | "NetworkPolicy" | "IngressClass" | "Ingress" | "ReplicationController" => &["spec"],
        "MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy" => &["spec"],
        "MutatingAdmissionPolicyBinding" | "ValidatingAdmissionPolicyBinding" => &["spec"],
        "FlowSchema" | "PriorityLevelConfiguration" | "DeviceClass" | "ResourceSlice" => &["spec"],
        "PodTemplate" => &["template"],
        "CustomResourceDefinition" => &["spec"],
        "EndpointSlice" => &["addressType", "endpoints", "ports"],
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => &["webhooks"],
        _ => &[],
    }
}

pub(super) fn for_create(resource: &Resource, object: &mut Value) -> Result<(), Status> {
    if !counted(resource).is_empty() {
        object["metadata"]["generation"] = 1.into();
    }
    if resource.kind == "DaemonSet" {
        let said = template_generation(object)?.unwrap_or(0);
        set_template_generation(object, said.max(1));
    }
    Ok(())
}

/// Counts a changed spec, and a changed template. A status write changes neither.
pub(super) fn for_update(resource: &Resource, old: &Value, new: &mut Value) {
    if counted(resource).iter().any(|field| !same(&old[field], &new[field])) {
        new["metadata"]["generation"] = (old["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    }
    if resource.kind == "DaemonSet" {
        let stored = template_generation(old).ok().flatten().unwrap_or(1);
        let changed = !same(&old["spec"]["template"], &new["spec"]["template"]);
        set_template_generation(new, stored + i64::from(changed));
    }
}

fn template_generation(object: &Value) -> Result<Option<i64>, Status> {
    let Some(text) = object["metadata"]["annotations"][TEMPLATE_GENERATION].as_str() else { return Ok(None) };
    let fault = |error| Status::bad_request(format!("annotation {TEMPLATE_GENERATION}: parsing \"{text}\": {error}"));
    text.parse().map(Some).map_err(fault)
}

fn set_template_generation(object: &mut Value, generation: i64) {
    let metadata = &mut object["metadata"];
    if !metadata["annotations"].is_object() {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"][TEMPLATE_GENERATION] = generation.to_string().into();
}

/// Whether two parts mean the same: absent, null and empty collections are alike, equal quantities too.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let nothing = Value::Null;
            // Each key once: twice at every level, a deep object would take for ever.
            a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).all(|key| {
                let (left, right) = (a.get(key).unwrap_or(&nothing), b.get(key).unwrap_or(&nothing));
                same(left, right) || (matches!(key.as_str(), "requests" | "limits") && same_amounts(left, right))
            })
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (a, b) => a == b || (empty(a) && empty(b)),
    }
}

fn empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// `1000m` and `1` are one amount of cpu.
fn same_amounts(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return false };
    let amount = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        crate::quantity::Quantity::parse(&text).ok()
    };
    a.len() == b.len()
        && a.iter().all(|(name, left)| b.get(name).is_some_and(|right| amount(left).is_some() && amount(left) == amount(right)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_parts_are_compared_once() {
        let deep = |end: i64| (0..120).fold(json!(end), |inner, _| json!({"properties": inner}));
        assert!(same(&deep(1), &deep(1)));
        assert!(!same(&deep(1), &deep(2)));
        assert!(same(&json!({"a": null, "b": 1}), &json!({"b": 1, "c": []})) && !same(&json!({}), &json!({"c": 1})));
    }
}
