//! The one door to a storable object: default, reset what the caller may not set, validate, generation.
//!
//! Upstream spreads this over each registry's strategy; here it is one order for all kinds:
//! metadata → what the caller may not set → defaults → validation → generation → canonical form.

mod api_service;
mod certificate;
mod custom;
mod delete;
mod generation;
mod metadata;
mod service;

pub use delete::{DeleteOptions, Deletion, delete, finished};

use crate::{custom::definition, defaults, resource::Resource, status_error::Status, validation};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What the server knows of a write besides the body.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// The kind written.
    pub resource: &'static Resource,
    /// Subresource written, such as `status`; `None` for the object itself.
    pub subresource: Option<&'a str>,
    /// Namespace of the path; `None` when cluster-scoped.
    pub namespace: Option<&'a str>,
    /// Time of the request.
    pub now: Timestamp,
    /// A fresh UID for a create.
    pub uid: &'a str,
    /// Random bits for `generateName`.
    pub random: u64,
}

/// A storable object (without `resourceVersion`, which the store assigns) and warnings for the caller.
#[derive(Debug)]
pub struct Prepared {
    /// The object.
    pub object: Value,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// Prepares a create. `metadata.name` is generated from `generateName` when absent.
///
/// # Errors
/// 400, 422 (`Invalid` with one cause per fault).
pub fn create(write: &Write<'_>, mut object: Value) -> Result<Prepared, Status> {
    if let Some(slot) = write.resource.custom {
        return custom::create(write, slot, object);
    }
    metadata::for_create(write, &mut object)?;
    initial_state(write, &mut object);
    defaults::apply(write.resource, &mut object);
    generation::for_create(write.resource, &mut object)?;
    canonical(&mut object);
    refuse(write.resource, &object, validation::create(write.resource, &object))?;
    let mut warnings = validation::warnings(write.resource, None, &object);
    warnings.extend(validation::stored_only(write.resource));
    Ok(Prepared { object, warnings })
}

/// Prepares an update of `old` (as stored) to `new`. The caller has compared resource versions already.
/// A result equal to `old` is a no-op.
///
/// # Errors
/// 400, 409 (UID differs), 422.
pub fn update(write: &Write<'_>, old: &Value, mut new: Value) -> Result<Prepared, Status> {
    if let Some(slot) = write.resource.custom {
        return custom::update(write, slot, old, new);
    }
    metadata::for_update(write, old, &mut new)?;
    keep_other_parts(write, old, &mut new);
    defaults::apply(write.resource, &mut new);
    if write.resource.kind == "CustomResourceDefinition" && write.subresource.is_none() {
        definition::note_storage_version(&mut new);
    }
    generation::for_update(write.resource, old, &mut new);
    canonical(&mut new);
    refuse(write.resource, &new, validation::update(write.resource, write.subresource, old, &new))?;
    let mut warnings = validation::warnings(write.resource, Some(old), &new);
    // Who writes its status, as its controller does, knows what becomes of the object.
    if matches!(write.subresource, None | Some("scale")) {
        warnings.extend(validation::stored_only(write.resource));
    }
    Ok(Prepared { object: new, warnings })
}

fn refuse(resource: &Resource, object: &Value, faults: Vec<crate::status_error::Cause>) -> Result<(), Status> {
    if faults.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let resource = resource.kept_as().unwrap_or(resource);
    Err(Status::invalid(resource.group, resource.kind, name, faults))
}

/// The status that an object is born with. A node brings its own: its agent registers it with all it knows.
fn initial_state(write: &Write<'_>, object: &mut Value) {
    match write.resource.kind {
        "DaemonSet" => {
            object["status"] =
                json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0});
        }
        "Pod" | "Deployment" | "Job" | "CronJob" | "ResourceQuota" | "CertificateSigningRequest" => object["status"] = json!({}),
        "FlowSchema" | "PriorityLevelConfiguration" | "ServiceCIDR" | "ResourceClaim" | "ValidatingAdmissionPolicy" => {
            object["status"] = json!({});
        }
        "APIService" => api_service::born(object, write.now),
        "HorizontalPodAutoscaler" => object["status"] = json!({"desiredReplicas": 0}),
        "ReplicaSet" | "ReplicationController" => object["status"] = json!({"replicas": 0}),
        "StatefulSet" => object["status"] = json!({"replicas": 0, "availableReplicas": 0}),
        "Service" | "Ingress" => object["status"] = json!({"loadBalancer": {}}),
        "PodDisruptionBudget" => {
            object["status"] = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
        }
        "PersistentVolume" | "PersistentVolumeClaim" => object["status"] = json!({"phase": "Pending"}),
        "CustomResourceDefinition" => definition::initial_status(object),
        "VolumeAttachment" => object["status"] = json!({"attached": false}),
        "Namespace" => {
            object["status"] = json!({"phase": "Active"});
            let finalizers = &mut object["spec"]["finalizers"];
            let said = finalizers.as_array().cloned().unwrap_or_default();
            let own = (!said.iter().any(|name| name == "kubernetes")).then(|| "kubernetes".into());
            *finalizers = said.into_iter().chain(own).collect();
        }
        _ => {}
    }
}

/// A main write leaves the status as it is, a subresource write everything else.
fn keep_other_parts(write: &Write<'_>, old: &Value, new: &mut Value) {
    let keep = |new: &mut Value, field: &str| {
        let Some(map) = new.as_object_mut() else { return };
        match old.get(field) {
            Some(value) => map.insert(field.into(), value.clone()),
            None => map.remove(field),
        };
    };
    if write.resource.kind == "CertificateSigningRequest" {
        return certificate::keep_other_parts(write, old, new);
    }
    match write.subresource {
        Some("status") => {
            for field in fields_besides(old, new, "status") {
                keep(new, &field);
            }
            // Labels and annotations may change with the status; who owns the pod may not.
            if write.resource.kind == "Pod" {
                keep_metadata(old, new, "ownerReferences");
            }
        }
        Some("finalize") => {
            for field in fields_besides(old, new, "spec") {
                keep(new, &field);
            }
        }
        _ if write.resource.has_status => {
            keep(new, "status");
            match write.resource.kind {
                "Namespace" => keep(new, "spec"),
                "Service" => service::keep_given(old, new),
                _ => {}
            }
        }
        _ => {}
    }
}

/// Names of the top-level fields of both, metadata and `part` left out.
fn fields_besides(old: &Value, new: &Value, part: &str) -> Vec<String> {
    let names = [old, new].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys());
    names.filter(|name| *name != "metadata" && *name != part).cloned().collect()
}

fn keep_metadata(old: &Value, new: &mut Value, field: &str) {
    let Some(metadata) = new["metadata"].as_object_mut() else { return };
    match old["metadata"].get(field) {
        Some(value) => metadata.insert(field.into(), value.clone()),
        None => metadata.remove(field),
    };
}

/// Drops nulls, and the empty collections of metadata, which upstream's encoder omits.
fn canonical(object: &mut Value) {
    drop_nulls(object);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|_, value| !is_empty_collection(value));
    }
    for field in ["/spec/template/metadata", "/spec/selector"] {
        if let Some(Value::Object(map)) = object.pointer_mut(field) {
            map.retain(|_, value| !is_empty_collection(value));
        }
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn is_empty_collection(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests;
