//! The way to a storable object of a custom kind: its definition says what the kind's own code says elsewhere.

use super::{Prepared, Write, is_empty_collection, keep_metadata, metadata, refuse};
use crate::custom::{Slot, Version, conditions, definition::CLEANUP};
use crate::status_error::Status;
use crate::validation;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// The version that is served, or the answer of a path that is not.
fn version(slot: &Slot) -> Result<Arc<Version>, Status> {
    slot.version().ok_or_else(Status::no_such_path)
}

/// Prepares a create.
pub(super) fn create(write: &Write<'_>, slot: &Slot, mut object: Value) -> Result<Prepared, Status> {
    let version = version(slot)?;
    if version.terminating {
        let mut status = Status::method_not_supported();
        status.message = "create not allowed while custom resource definition is terminating".into();
        return Err(status);
    }
    metadata::for_create(write, &mut object)?;
    if write.resource.has_status
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    object["metadata"]["generation"] = 1.into();
    version.settle(&mut object);
    canonical(&mut object);
    let mut faults = validation::create(write.resource, &object);
    faults.extend(version.faults(&object, None));
    refuse(write.resource, &object, faults)?;
    Ok(Prepared { object, warnings: Vec::new() })
}

/// Prepares an update.
pub(super) fn update(write: &Write<'_>, slot: &Slot, old: &Value, mut new: Value) -> Result<Prepared, Status> {
    let version = version(slot)?;
    metadata::for_update(write, old, &mut new)?;
    if write.subresource == Some("status") {
        // Whoever writes the status writes nothing else.
        let (status, managed) = (new.get("status").cloned(), new["metadata"].get("managedFields").cloned());
        new = old.clone();
        put(&mut new, "status", status);
        put(&mut new["metadata"], "managedFields", managed);
    } else if write.resource.has_status {
        put(&mut new, "status", old.get("status").cloned());
    }
    version.settle(&mut new);
    canonical(&mut new);
    if counted(write, old) != counted(write, &new) && write.subresource != Some("status") {
        new["metadata"]["generation"] = (old["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    } else {
        keep_metadata(old, &mut new, "generation");
    }
    let mut faults = validation::update(write.resource, write.subresource, old, &new);
    faults.extend(version.faults(&new, Some(old)));
    refuse(write.resource, &new, faults)?;
    Ok(Prepared { object: new, warnings: Vec::new() })
}

/// Everything whose change is counted: all but metadata, and but a status that is written by itself.
fn counted(write: &Write<'_>, object: &Value) -> Value {
    let mut counted = object.clone();
    if let Some(fields) = counted.as_object_mut() {
        fields.remove("metadata");
        if write.resource.has_status {
            fields.remove("status");
        }
    }
    counted
}

fn put(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(fields) = object.as_object_mut() else { return };
    match value {
        Some(value) => fields.insert(field.into(), value),
        None => fields.remove(field),
    };
}

/// Metadata holds no nulls and no empty collections. What else is null may be meant so.
fn canonical(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|_, value| !value.is_null() && !is_empty_collection(value));
    }
}

/// A definition stays until its instances are gone.
pub(super) fn before_deletion(definition: &mut Value, now: Timestamp) {
    if definition["metadata"]["deletionTimestamp"].is_string() {
        return;
    }
    let mut finalizers = definition["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|name| name == CLEANUP) {
        finalizers.push(CLEANUP.into());
    }
    definition["metadata"]["finalizers"] = finalizers.into();
    if !definition["status"].is_object() {
        definition["status"] = json!({});
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    conditions::set(&mut definition["status"], "Terminating", true, "InstanceDeletionPending", message, now);
}
