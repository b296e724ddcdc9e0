//! Patches: RFC 6902, RFC 7386 and Kubernetes' strategic merge.

mod strategic;

use crate::resource::Resource;
use crate::schema;
use crate::status_error::Status;
use json_patch::{AddOperation, PatchError, PatchOperation, ReplaceOperation, TestOperation, jsonptr::PointerBuf};
use serde_json::Value;

/// What clients may send, for answers of 415.
const MEDIA_TYPES: &str = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml";
/// What of these is no patch of a body, but who owns what besides: [`crate::apply`].
const APPLY: &str = "application/apply-patch+yaml";
/// As many operations as upstream takes in one JSON patch.
const MOST_OPERATIONS: usize = 10_000;

/// Applies a patch to an object of a kind that is served. Custom kinds have no merge keys, and so no strategic merge.
///
/// # Errors
/// See [`apply`].
pub fn apply_to(resource: &Resource, current: &Value, content_type: &str, body: &[u8]) -> Result<Value, Status> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if resource.custom.is_some() && media_type == "application/strategic-merge-patch+json" {
        return Err(Status::unsupported_media_type("application/json-patch+json, application/merge-patch+json"));
    }
    apply(&resource.api_version(), resource.kind, current, content_type, body)
}

/// Applies `body` of media type `content_type` to `current`, an object of that `api_version` and `kind`.
///
/// # Errors
/// 400 for a malformed patch, 415 for an unknown media type, 422 for a JSON patch whose `test` fails or whose path is missing.
pub fn apply(api_version: &str, kind: &str, current: &Value, content_type: &str, body: &[u8]) -> Result<Value, Status> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type == APPLY || !MEDIA_TYPES.split(", ").any(|known| known == media_type) {
        return Err(Status::unsupported_media_type(MEDIA_TYPES));
    }
    let malformed = |error: serde_json::Error| Status::bad_request(format!("error decoding patch: {error}"));
    let mut patched = current.clone();
    if media_type == "application/json-patch+json" {
        let operations: json_patch::Patch = serde_json::from_slice(body).map_err(malformed)?;
        if operations.len() > MOST_OPERATIONS {
            return Err(Status::too_large(MOST_OPERATIONS));
        }
        for (number, operation) in operations.iter().enumerate() {
            operate(&mut patched, operation).map_err(|error| refused(number, &error))?;
        }
        return Ok(patched);
    }
    let patch: Value = serde_json::from_slice(body).map_err(malformed)?;
    if !patch.is_object() {
        return Err(Status::bad_request("error decoding patch: it is no JSON object"));
    }
    if media_type == "application/merge-patch+json" {
        json_patch::merge(&mut patched, &patch);
        return Ok(patched);
    }
    strategic::merge(schema::of_kind(api_version, kind), &mut patched, patch)
        .map_err(|why| Status::bad_request(format!("error decoding patch: {why}")))?;
    Ok(patched)
}

/// One operation of a JSON patch. As upstream's, `replace` sets a member that is not there: clients cannot know which
/// fields with their default value the server leaves out. And a member that is not there is null when tested, by which
/// clients make sure that they are the first to add one.
fn operate(object: &mut Value, operation: &PatchOperation) -> Result<(), PatchError> {
    let operation = match operation {
        PatchOperation::Test(TestOperation { path, value: Value::Null }) if lacks_member(object, path) => return Ok(()),
        PatchOperation::Replace(ReplaceOperation { path, value }) if lacks_member(object, path) => {
            PatchOperation::Add(AddOperation { path: path.clone(), value: value.clone() })
        }
        other => other.clone(),
    };
    json_patch::patch(object, std::slice::from_ref(&operation))
}

/// Whether the path names a member that an object, which is there, does not have.
fn lacks_member(object: &Value, path: &PointerBuf) -> bool {
    let Some((parent, member)) = path.split_back() else { return false };
    let parent = object.pointer(parent.as_str()).and_then(Value::as_object);
    parent.is_some_and(|parent| !parent.contains_key(member.decoded().as_ref()))
}

fn refused(number: usize, error: &PatchError) -> Status {
    let why = format!("operation {number} at path {}: {}", error.path, error.kind);
    let mut status = Status::bad_request(format!("the server rejected our request due to an error in our request: {why}"));
    (status.code, status.reason) = (422, "Invalid".into());
    status
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
