//! Metadata: what the caller may say, and what only the server does.

use super::{Write, keep_metadata};
use crate::names;
use crate::status_error::Status;
use serde_json::{Map, Value, json};

/// Fields that only the server sets.
const SERVER_OWNED: [&str; 7] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "managedFields"];

fn of(object: &mut Value) -> Result<&mut Map<String, Value>, Status> {
    let map = object.as_object_mut().ok_or_else(|| Status::bad_request("the object is no JSON object"))?;
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    if metadata.is_null() {
        *metadata = json!({});
    }
    metadata.as_object_mut().ok_or_else(|| Status::bad_request("metadata is no JSON object"))
}

fn text<'a>(metadata: &'a Map<String, Value>, field: &str) -> &'a str {
    metadata.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The namespace in the body must be that of the path, or be left out.
fn agree_on_namespace(write: &Write<'_>, metadata: &mut Map<String, Value>) -> Result<(), Status> {
    let Some(namespace) = write.namespace.filter(|_| write.resource.namespaced) else {
        metadata.remove("namespace");
        return Ok(());
    };
    let said = text(metadata, "namespace");
    if !said.is_empty() && said != namespace {
        return Err(Status::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    metadata.insert("namespace".into(), namespace.into());
    Ok(())
}

pub(super) fn for_create(write: &Write<'_>, object: &mut Value) -> Result<(), Status> {
    let metadata = of(object)?;
    agree_on_namespace(write, metadata)?;
    for field in SERVER_OWNED.into_iter().chain(["resourceVersion"]) {
        metadata.remove(field);
    }
    let prefix = text(metadata, "generateName").to_string();
    if text(metadata, "name").is_empty() && !prefix.is_empty() {
        metadata.insert("name".into(), names::generate(&prefix, write.random).into());
    }
    metadata.insert("uid".into(), write.uid.into());
    // Whole seconds, as `metav1.Time` has it.
    metadata.insert("creationTimestamp".into(), seconds(write.now).into());
    Ok(())
}

pub(super) fn for_update(write: &Write<'_>, old: &Value, new: &mut Value) -> Result<(), Status> {
    let metadata = of(new)?;
    agree_on_namespace(write, metadata)?;
    let old_metadata = &old["metadata"];
    let (said, is) = (text(metadata, "uid"), old_metadata["uid"].as_str().unwrap_or_default());
    if !said.is_empty() && said != is {
        let name = old_metadata["name"].as_str().unwrap_or_default();
        let why = format!("Precondition failed: UID in precondition: {said}, UID in object meta: {is}");
        return Err(Status::conflict(write.resource.group, write.resource.plural, name, &why));
    }
    let name = text(metadata, "name");
    if !name.is_empty() && Some(name) != old_metadata["name"].as_str() {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            old_metadata["name"].as_str().unwrap_or_default()
        )));
    }
    metadata.remove("resourceVersion");
    for field in SERVER_OWNED.into_iter().chain(["name", "generateName"]) {
        keep_metadata(old, new, field);
    }
    Ok(())
}

/// RFC 3339 in whole seconds.
pub(super) fn seconds(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
