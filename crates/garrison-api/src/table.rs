//! `meta.k8s.io` tables: the columns that `kubectl get` prints (upstream `pkg/printers/internalversion`).

mod access;
mod cluster;
mod duration;
mod ingress;
mod layout;
mod node;
mod pod;
mod service;
mod storage;
mod workload;

use crate::custom::columns;
use crate::resource::Resource;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What each row carries of its object (`?includeObject=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

/// Column definitions of a kind.
pub fn columns(resource: &Resource) -> Value {
    if let Some(slot) = resource.custom {
        // The last rows of a kind that has just gone are shown with names alone.
        return columns::definitions(slot.version().as_ref().map_or(&[], |version| &version.columns));
    }
    let definition = |(name, kind, wide): &layout::Column| {
        // Attachers have the format of names, too.
        let format = if matches!(*name, "Name" | "Attacher") { "name" } else { "" };
        json!({"name": name, "type": kind, "format": format, "description": "", "priority": i32::from(*wide)})
    };
    layout::of(resource.kind).iter().map(definition).collect()
}

/// One row: `{"cells": […], "object": …}`.
pub fn row(resource: &Resource, object: &Value, include: IncludeObject, now: Timestamp) -> Value {
    let cells = match resource.custom {
        None => match resource.kept_as() {
            None => cells(resource.kind, object, now),
            // The columns are read from the fields as they are kept.
            Some(_) => cells(resource.kind, &crate::face::kept(resource, object.clone()), now),
        },
        Some(slot) => columns::cells(slot.version().as_ref().map_or(&[], |version| &version.columns), object, now),
    };
    let mut row = json!({"cells": cells});
    let is_pod = resource.kind == "Pod" && resource.custom.is_none();
    if let Some(conditions) = pod::conditions(object).filter(|_| is_pod) {
        row["conditions"] = conditions;
    }
    match include {
        IncludeObject::None => {}
        IncludeObject::Metadata => row["object"] = partial_metadata(object),
        IncludeObject::Object => row["object"] = object.clone(),
    }
    row
}

/// The `PartialObjectMetadata` form of an object.
pub fn partial_metadata(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// How long ago a time was, as people read it.
pub(crate) fn age(time: &str, now: Timestamp) -> String {
    duration::since(time, now)
}

fn cells(kind: &str, object: &Value, now: Timestamp) -> Value {
    let name = text(object, "/metadata/name");
    let age = duration::since(text(object, "/metadata/creationTimestamp"), now);
    let size = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
    match kind {
        "Pod" => pod::cells(object, age, now),
        "Node" => node::cells(object, age),
        "DaemonSet" => workload::daemon_set(object, age),
        "Deployment" => workload::deployment(object, age),
        "ReplicaSet" => workload::replica_set(object, age),
        "StatefulSet" => workload::stateful_set(object, age),
        "Job" => workload::job(object, age, now),
        "CronJob" => workload::cron_job(object, age, now),
        "PodDisruptionBudget" => workload::budget(object, age),
        "Service" => service::cells(object, age),
        "Endpoints" => json!([name, service::endpoints(object), age]),
        "EndpointSlice" => service::slice(object, age),
        "Ingress" => ingress::cells(object, age),
        "IngressClass" => ingress::class(object, age),
        "NetworkPolicy" => json!([name, selector(&object["spec"]["podSelector"]), age]),
        "Role" | "ClusterRole" | "LimitRange" | "CSIStorageCapacity" | "CustomResourceDefinition" => {
            json!([name, text(object, "/metadata/creationTimestamp")])
        }
        "RoleBinding" | "ClusterRoleBinding" => access::binding(object, age),
        "ResourceQuota" => access::quota(object, age),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            json!([name, object["webhooks"].as_array().map_or(0, Vec::len), age])
        }
        "CSIDriver" => storage::driver(object, age),
        "CSINode" => json!([name, object["spec"]["drivers"].as_array().map_or(0, Vec::len), age]),
        "StorageClass" => storage::class(object, age),
        "VolumeAttachment" => storage::attachment(object, age),
        "PersistentVolume" => storage::volume(object, age),
        "PersistentVolumeClaim" => storage::claim(object, age),
        "VolumeAttributesClass" => storage::attributes_class(object, age),
        "ReplicationController" => workload::replication_controller(object, age),
        "PodTemplate" => workload::template(object),
        "HorizontalPodAutoscaler" => workload::autoscaler(object, age),
        "CertificateSigningRequest" => access::signing_request(object, age),
        "APIService" => cluster::api_service(object, age),
        "IPAddress" => cluster::address(object),
        "ServiceCIDR" => json!([name, words(&object["spec"]["cidrs"]).join(","), age]),
        "ValidatingAdmissionPolicy" => cluster::policy(object, "validations", age),
        "MutatingAdmissionPolicy" => cluster::policy(object, "mutations", age),
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => cluster::policy_binding(object, age),
        "FlowSchema" => cluster::flow_schema(object, age),
        "PriorityLevelConfiguration" => cluster::priority_level(object, age),
        "ResourceClaim" => json!([name, cluster::claim_state(object), age]),
        "ResourceSlice" => {
            json!([name, text(object, "/spec/nodeName"), text(object, "/spec/driver"), text(object, "/spec/pool/name"), age])
        }
        "RuntimeClass" => json!([name, text(object, "/handler"), age]),
        "ControllerRevision" => json!([name, controller(object), object["revision"].as_i64().unwrap_or(0), age]),
        "Namespace" => json!([name, text(object, "/status/phase"), age]),
        "ConfigMap" => json!([name, size("data") + size("binaryData"), age]),
        "Secret" => json!([name, text(object, "/type"), size("data"), age]),
        "ServiceAccount" => json!([name, object["secrets"].as_array().map_or(0, Vec::len), age]),
        "Lease" => json!([name, text(object, "/spec/holderIdentity"), age]),
        "PriorityClass" => {
            let default = object["globalDefault"].as_bool().unwrap_or(false);
            json!([name, object["value"].as_i64().unwrap_or(0), default, age, text(object, "/preemptionPolicy")])
        }
        "Event" => event(object, now),
        _ => json!([name, age]),
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list.
fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// `<none>` for what is not there.
fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

/// `a=b,c=d`, or `<none>`.
fn pairs(map: &Value) -> String {
    let words: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    or_none(&words.join(",")).into()
}

/// A `LabelSelector` in its text form, or `<none>`.
fn selector(selector: &Value) -> String {
    selector_text(selector).unwrap_or_else(|| "<none>".into())
}

/// A `LabelSelector` in its text form: requirements by key, values in order; `None` when it demands nothing.
pub(crate) fn selector_text(selector: &Value) -> Option<String> {
    let mut words: Vec<(&str, String)> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        words.push((key, format!("{key}={}", value.as_str().unwrap_or_default())));
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let word = match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.into(),
        };
        words.push((key, word));
    }
    words.sort_by_key(|(key, _)| *key);
    let words: Vec<String> = words.into_iter().map(|(_, word)| word).collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// `daemonset.apps/NAME` of the owner that controls it.
fn controller(object: &Value) -> String {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let controlling = owners.into_iter().flatten().find(|owner| owner["controller"] == true);
    controlling.map_or_else(
        || "<none>".into(),
        |owner| {
            let group =
                owner["apiVersion"].as_str().and_then(|version| version.split_once('/')).map(|(group, _)| format!(".{group}"));
            let kind = owner["kind"].as_str().unwrap_or_default().to_lowercase();
            format!("{kind}{}/{}", group.unwrap_or_default(), owner["name"].as_str().unwrap_or_default())
        },
    )
}

fn event(object: &Value, now: Timestamp) -> Value {
    let or = |first: &str, second: &str| {
        if text(object, first).is_empty() { text(object, second).to_string() } else { text(object, first).to_string() }
    };
    let first = duration::since(&or("/firstTimestamp", "/eventTime"), now);
    let series = object.get("series").filter(|series| series.is_object());
    let last = match (series, text(object, "/lastTimestamp")) {
        (Some(_), _) => duration::since(text(object, "/series/lastObservedTime"), now),
        (None, "") => first.clone(),
        (None, time) => duration::since(time, now),
    };
    let kind = text(object, "/involvedObject/kind").to_lowercase();
    let about = match text(object, "/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let (component, instance) = (or("/source/component", "/reportingComponent"), or("/source/host", "/reportingInstance"));
    let source = if instance.is_empty() { component } else { format!("{component}, {instance}") };
    let count = match (series, object["count"].as_i64().unwrap_or(0)) {
        (Some(series), _) => series["count"].as_i64().unwrap_or(0),
        // An event that happened once does not say so.
        (None, 0) => 1,
        (None, count) => count,
    };
    json!([
        last,
        text(object, "/type"),
        text(object, "/reason"),
        about,
        text(object, "/involvedObject/fieldPath"),
        source,
        text(object, "/message").trim(),
        first,
        count,
        text(object, "/metadata/name"),
    ])
}

#[cfg(test)]
mod tests;
