//! Bodies of custom kinds: read like others, pruned by the schema of their definition.

use super::{Decoded, FieldValidation, LARGEST, cannot_be_handled, fields, json, path::Path, settle, yaml};
use crate::custom::{Slot, schema};
use crate::resource::Resource;
use crate::status_error::Status;
use serde_json::{Value, json};

/// Decodes a body.
pub(super) fn decode(
    resource: &Resource,
    slot: &Slot,
    media_type: &str,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let version = slot.version().ok_or_else(Status::no_such_path)?;
    if body.len() > LARGEST {
        return Err(Status::too_large(LARGEST));
    }
    let kind = resource.kind;
    let unreadable =
        |error: String| Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {error}"));
    let (mut object, mut faults) = match media_type {
        "" | "application/json" => json(body).map_err(unreadable)?,
        "application/yaml" | "application/x-yaml" | "text/yaml" => yaml(body).map_err(unreadable)?,
        _ => return Err(Status::unsupported_media_type("application/json, application/yaml")),
    };
    agree_on_kind(resource, &mut object)?;
    let unfit = |why: String| Status::bad_request(cannot_be_handled(kind, resource.version, kind, &why));
    if object["metadata"].is_null() {
        object["metadata"] = json!({});
    }
    faults.extend(fields::check_metadata(&mut object["metadata"], &Path::Field(&Path::Root, "metadata")).map_err(unfit)?);
    faults.extend(schema::prune(&version.schema, &mut object).iter().map(|path| format!("unknown field \"{path}\"")));
    settle(object, faults, validation).map_err(unfit)
}

/// The body says what it is, and it is what the path names. What it leaves out is meant so.
fn agree_on_kind(resource: &Resource, object: &mut Value) -> Result<(), Status> {
    let wanted = resource.api_version();
    if !object.is_object() {
        let kind = resource.kind;
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): it is no JSON object"
        )));
    }
    let text = |field: &str, otherwise: &str| match &object[field] {
        Value::String(text) if !text.is_empty() => text.clone(),
        _ => otherwise.to_owned(),
    };
    let (version, kind) = (text("apiVersion", &wanted), text("kind", resource.kind));
    if kind != resource.kind {
        let short = version.rsplit('/').next().unwrap_or_default();
        let why = format!("no kind \"{kind}\" is registered for version \"{version}\"");
        return Err(Status::bad_request(cannot_be_handled(&kind, short, resource.kind, &why)));
    }
    if version != wanted {
        let text = format!("the API version in the data ({version}) does not match the expected API version ({wanted})");
        return Err(Status::bad_request(text));
    }
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    Ok(())
}
