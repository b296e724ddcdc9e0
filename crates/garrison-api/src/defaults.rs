//! What a field is when nobody said (upstream `pkg/apis/*/v1/defaults.go`).
//!
//! Applied on create and on update, before validation, so that answers show it at once.

mod amounts;
mod autoscaler;
mod cluster;
mod daemon_set;
mod network;
mod pod;
mod policy;
mod service;
mod storage;
mod workload;

use crate::resource::Resource;
use serde_json::{Map, Value, json};

/// Fills in defaults of an object of that kind.
pub fn apply(resource: &Resource, object: &mut Value) {
    match resource.kind {
        "DaemonSet" => daemon_set::apply(object),
        "Pod" => pod::apply(object),
        "Namespace" => namespace(object),
        "Node" => node(object),
        "Secret" => secret(object),
        "Deployment" => workload::deployment(object),
        "ReplicaSet" => workload::replica_set(object),
        "StatefulSet" => workload::stateful_set(object),
        "Job" => workload::job(object),
        "CronJob" => workload::cron_job(object),
        "Service" => service::apply(object),
        "Endpoints" => network::endpoints(object),
        "EndpointSlice" => network::endpoint_slice(object),
        "IngressClass" => network::ingress_class(object),
        "NetworkPolicy" => network::policy(object),
        "RoleBinding" | "ClusterRoleBinding" => policy::binding(object),
        "LimitRange" => policy::limit_range(object),
        "ResourceQuota" => policy::quota(object),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => policy::webhooks(resource.kind, object),
        "CSIDriver" => storage::driver(object),
        "StorageClass" => storage::class(object),
        "PersistentVolume" => storage::volume(object),
        "PersistentVolumeClaim" => storage::claim(object),
        "RuntimeClass" => storage::overhead(object),
        "CSIStorageCapacity" => storage::capacity(object),
        "ReplicationController" => workload::replication_controller(object),
        "PodTemplate" => daemon_set::template(object),
        "HorizontalPodAutoscaler" => autoscaler::apply(object),
        "MutatingAdmissionPolicy" | "ValidatingAdmissionPolicy" => cluster::policy(object),
        "MutatingAdmissionPolicyBinding" | "ValidatingAdmissionPolicyBinding" => cluster::policy_binding(object),
        "APIService" => cluster::api_service(object),
        "FlowSchema" => cluster::flow_schema(object),
        "PriorityLevelConfiguration" => cluster::priority_level(object),
        "ResourceClaim" => cluster::claim(object),
        "ResourceClaimTemplate" => {
            if let Some(spec) = part(object, "spec") {
                cluster::claim(spec);
            }
        }
        "Event" => event(object),
        "CustomResourceDefinition" => crate::custom::definition::apply_defaults(object),
        "PriorityClass" => default(object, "preemptionPolicy", || "PreemptLowerPriority".into()),
        _ => {}
    }
}

/// Sets a field of an object unless it has a value; an empty text is none.
fn default(object: &mut Value, field: &str, value: impl FnOnce() -> Value) {
    if let Some(map) = object.as_object_mut()
        && map.get(field).is_none_or(|value| value.is_null() || value == "")
    {
        map.insert(field.into(), value());
    }
}

/// The elements of a list field; none when it is absent.
fn each<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

/// A field that is an object, if it is there.
fn part<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    object.get_mut(field).filter(|value| value.is_object())
}

/// Every namespace can be selected by its name.
fn namespace(object: &mut Value) {
    default(object, "spec", || json!({}));
    let name = object["metadata"]["name"].clone();
    let metadata = &mut object["metadata"];
    default(metadata, "labels", || json!({}));
    if name.is_string() {
        metadata["labels"]["kubernetes.io/metadata.name"] = name;
    }
}

/// What a node has is what pods may use of it, unless it keeps some for itself.
fn node(object: &mut Value) {
    let Some(status) = part(object, "status") else { return };
    for list in ["capacity", "allocatable"] {
        amounts::list(status, list);
    }
    if let Some(capacity) = status.get("capacity").filter(|capacity| capacity.is_object()).cloned() {
        default(status, "allocatable", || capacity);
    }
}

/// `stringData` is for writing only: it becomes `data`.
fn secret(object: &mut Value) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    default(object, "type", || "Opaque".into());
    let Some(Value::Object(plain)) = object.as_object_mut().and_then(|map| map.remove("stringData")) else { return };
    let encoded: Map<String, Value> =
        plain.into_iter().map(|(key, value)| (key, STANDARD.encode(value.as_str().unwrap_or_default()).into())).collect();
    default(object, "data", || json!({}));
    if let Some(data) = object["data"].as_object_mut() {
        data.extend(encoded);
    }
}

fn event(object: &mut Value) {
    for (field, value) in [("source", json!({})), ("reportingComponent", json!("")), ("reportingInstance", json!(""))] {
        default(object, field, || value);
    }
}

#[cfg(test)]
mod tests;
