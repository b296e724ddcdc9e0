//! Request bodies to JSON values: JSON, YAML and Kubernetes' protobuf envelope, with strict field validation.

mod fields;
mod protobuf;
mod tree;

use crate::schema;
use crate::status_error::Status;
use serde_json::Value;

/// What clients may send, for answers of 415.
const MEDIA_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// What to do with unknown and duplicate fields (`?fieldValidation=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Drop them silently.
    Ignore,
    /// Drop them and answer with a `Warning` header.
    #[default]
    Warn,
    /// Refuse with 400, naming all of them.
    Strict,
}

/// A decoded body and what the caller should be warned of.
#[derive(Debug)]
pub struct Decoded {
    /// The object, unknown fields removed.
    pub object: Value,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// Decodes a body of the kind `kind` (`DaemonSet`, `Binding`, `DeleteOptions` …) of `api_version`.
///
/// `apiVersion` and `kind` are filled in when absent and must agree when present.
///
/// # Errors
/// 400 for malformed bodies and, when strict, unknown or duplicate fields; 415 for other media types.
pub fn decode(
    api_version: &str,
    kind: &str,
    content_type: &str,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let (mut object, mut faults) = match media_type {
        "" | "application/json" => json(body)?,
        "application/yaml" | "application/x-yaml" | "text/yaml" => yaml(body)?,
        "application/vnd.kubernetes.protobuf" => (protobuf::decode(body)?, Vec::new()),
        _ => return Err(Status::unsupported_media_type(MEDIA_TYPES)),
    };
    agree_on_kind(api_version, kind, &mut object)?;
    faults.extend(check_fields(api_version, kind, &mut object)?);
    if validation == FieldValidation::Strict && !faults.is_empty() {
        return Err(Status::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {kind}: strict decoding error: {}",
            version(api_version),
            faults.join(", ")
        )));
    }
    let warnings = if validation == FieldValidation::Warn { faults } else { Vec::new() };
    Ok(Decoded { object, warnings })
}

/// Removes fields that the kind does not have, and names them; used on patched objects too.
///
/// # Errors
/// 400 when a field has another JSON type than its own.
pub fn check_fields(api_version: &str, kind: &str, object: &mut Value) -> Result<Vec<String>, Status> {
    let Some(described) = schema::of_kind(api_version, kind) else { return Ok(Vec::new()) };
    fields::check(described, kind, object).map_err(|why| {
        Status::bad_request(format!("{kind} in version \"{}\" cannot be handled as a {kind}: {why}", version(api_version)))
    })
}

fn version(api_version: &str) -> &str {
    api_version.rsplit('/').next().unwrap_or(api_version)
}

fn json(body: &[u8]) -> Result<(Value, Vec<String>), Status> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = tree::read(&mut reader).and_then(|found| reader.end().map(|()| found));
    read.map_err(|error| {
        Status::bad_request(format!("the object provided is unrecognized (must be of type {MEDIA_TYPES}): {error}"))
    })
}

fn yaml(body: &[u8]) -> Result<(Value, Vec<String>), Status> {
    let reader = serde_norway::Deserializer::from_slice(body);
    tree::read(reader).map_err(|error| Status::bad_request(format!("error converting YAML to JSON: {error}")))
}

/// The body's own `apiVersion` and `kind` are those of the path, or left out.
fn agree_on_kind(api_version: &str, kind: &str, object: &mut Value) -> Result<(), Status> {
    let Some(map) = object.as_object_mut() else {
        return Err(Status::bad_request("the body of the request is no JSON object"));
    };
    // DeleteOptions travel under the version of what is deleted.
    let any_version = kind == "DeleteOptions";
    for (field, wanted) in [("apiVersion", api_version), ("kind", kind)] {
        let said = map.get(field).and_then(Value::as_str).unwrap_or_default();
        if !said.is_empty() && said != wanted && !(any_version && field == "apiVersion") {
            let said = (map.get("apiVersion").cloned().unwrap_or_default(), map.get("kind").cloned().unwrap_or_default());
            return Err(Status::bad_request(format!(
                "{} in version {} cannot be handled as a {kind}: no kind {} is registered for version \"{api_version}\" here",
                said.1.as_str().unwrap_or("null"),
                said.0,
                said.1
            )));
        }
        if said.is_empty() {
            map.insert(field.into(), wanted.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
