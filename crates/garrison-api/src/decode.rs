//! Request bodies to JSON values: JSON, YAML and Kubernetes' protobuf envelope, with strict field validation.

mod custom;
mod fields;
mod path;
mod protobuf;
mod scalar;
mod tree;

use crate::resource::Resource;
use crate::schema;
use crate::status_error::{Cause, Status};
use serde_json::Value;

/// What clients may send, for answers of 415.
const MEDIA_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// As long as upstream lets a body be.
const LARGEST: usize = 3 << 20;

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
/// 400 for malformed bodies and, when strict, unknown or duplicate fields; 413 for bodies beyond 3 MiB; 415 for other
/// media types.
pub fn decode(
    api_version: &str,
    kind: &str,
    content_type: &str,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    if body.len() > LARGEST {
        return Err(Status::too_large(LARGEST));
    }
    let unreadable =
        |error: String| Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {error}"));
    let (mut object, mut faults) = match content_type.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" => json(body).map_err(unreadable)?,
        "application/yaml" | "application/x-yaml" | "text/yaml" => yaml(body).map_err(unreadable)?,
        "application/vnd.kubernetes.protobuf" => (protobuf::decode(body).map_err(unreadable)?, Vec::new()),
        _ => return Err(Status::unsupported_media_type(MEDIA_TYPES)),
    };
    agree_on_kind(api_version, kind, &mut object)?;
    let unfit = |why: String| Status::bad_request(cannot_be_handled(kind, version(api_version), kind, &why));
    faults.extend(fields::check(&schema::type_name(api_version, kind), &mut object).map_err(unfit)?);
    settle(object, faults, validation).map_err(unfit)
}

/// Decodes a body of a kind that is served, built in or custom.
///
/// # Errors
/// See [`decode`]; 404 when a custom kind is served no longer.
pub fn object(resource: &Resource, content_type: &str, body: &[u8], validation: FieldValidation) -> Result<Decoded, Status> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type == "application/vnd.kubernetes.protobuf" && !resource.has_messages() {
        return Err(Status::unsupported_media_type("application/json, application/yaml"));
    }
    match resource.custom {
        None => decode(&resource.api_version(), resource.kind, content_type, body, validation),
        Some(slot) => custom::decode(resource, slot, media_type, body, validation),
    }
}

/// Holds a patched object to the same rules as a body; `patch` is what the refusal shows.
///
/// # Errors
/// 422, as upstream answers: the object that came out, not the request, is at fault.
pub fn patched(
    api_version: &str,
    kind: &str,
    mut object: Value,
    patch: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let unfit = |why: String| {
        let message = format!("Invalid value: {:?}: {why}", String::from_utf8_lossy(patch));
        Status::invalid("", "", "", vec![Cause { reason: "FieldValueInvalid".into(), message, field: "patch".into() }])
    };
    agree_on_kind(api_version, kind, &mut object).map_err(|status| unfit(status.message))?;
    let faults = fields::check(&schema::type_name(api_version, kind), &mut object).map_err(unfit)?;
    settle(object, faults, validation).map_err(unfit)
}

/// Reads a configuration to apply, in YAML or JSON. It is held to its kind's structure by who applies it.
///
/// # Errors
/// 400 for what is malformed and, when strict, for duplicate fields; 413 beyond 3 MiB.
pub fn configuration(body: &[u8], validation: FieldValidation) -> Result<Decoded, Status> {
    if body.len() > LARGEST {
        return Err(Status::too_large(LARGEST));
    }
    let is_json = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    // What looks like JSON and is none may be YAML in its flow style.
    let (object, duplicates) = if is_json { json(body).or_else(|_| yaml(body)) } else { yaml(body) }
        .map_err(|why| Status::bad_request(format!("error decoding YAML: {why}")))?;
    if !object.is_object() {
        return Err(Status::bad_request("error decoding YAML: it is no object"));
    }
    match validation {
        FieldValidation::Strict if !duplicates.is_empty() => {
            Err(Status::bad_request(format!("error strict decoding YAML: {}", duplicates.join(", "))))
        }
        FieldValidation::Warn => Ok(Decoded { object, warnings: duplicates }),
        FieldValidation::Strict | FieldValidation::Ignore => Ok(Decoded { object, warnings: Vec::new() }),
    }
}

/// Holds an object that did not come with a request to the same rules; unknown fields are dropped.
///
/// # Errors
/// Says what does not fit.
pub fn fits(api_version: &str, kind: &str, object: &mut Value) -> Result<(), String> {
    agree_on_kind(api_version, kind, object).map_err(|status| status.message)?;
    fields::check(&schema::type_name(api_version, kind), object).map(drop)
}

/// Faults are fatal, warnings or nothing.
fn settle(object: Value, faults: Vec<String>, validation: FieldValidation) -> Result<Decoded, String> {
    match validation {
        FieldValidation::Strict if !faults.is_empty() => Err(format!("strict decoding error: {}", faults.join(", "))),
        FieldValidation::Warn => Ok(Decoded { object, warnings: faults }),
        FieldValidation::Strict | FieldValidation::Ignore => Ok(Decoded { object, warnings: Vec::new() }),
    }
}

fn cannot_be_handled(said_kind: &str, said_version: &str, kind: &str, why: &str) -> String {
    format!("{said_kind} in version \"{said_version}\" cannot be handled as a {kind}: {why}")
}

fn version(api_version: &str) -> &str {
    api_version.rsplit('/').next().unwrap_or(api_version)
}

fn json(body: &[u8]) -> Result<(Value, Vec<String>), String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = tree::read(&mut reader).and_then(|found| reader.end().map(|()| found));
    read.map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))
}

fn yaml(body: &[u8]) -> Result<(Value, Vec<String>), String> {
    tree::read(serde_norway::Deserializer::from_slice(body)).map_err(|error| format!("error converting YAML to JSON: {error}"))
}

/// The body's own `apiVersion` and `kind` are those of the path, or left out.
fn agree_on_kind(api_version: &str, kind: &str, object: &mut Value) -> Result<(), Status> {
    let Some(map) = object.as_object_mut() else {
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): it is no JSON object"
        )));
    };
    let said = |field: &str, wanted: &str| match map.get(field) {
        None | Some(Value::Null) => Ok(wanted.to_string()),
        Some(Value::String(text)) if text.is_empty() => Ok(wanted.to_string()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {field} is no string"
        ))),
    };
    let (said_version, said_kind) = (said("apiVersion", api_version)?, said("kind", kind)?);
    // DeleteOptions travel under the version of what is deleted, evictions under that of old.
    if said_kind != kind || schema::type_name(&said_version, kind) != schema::type_name(api_version, kind) {
        if said_kind == kind && schema::of_kind(&said_version, kind).is_some() {
            let text =
                format!("the API version in the data ({said_version}) does not match the expected API version ({api_version})");
            return Err(Status::bad_request(text));
        }
        let why = match schema::of_kind(&said_version, &said_kind) {
            Some(_) => format!("a {said_kind} is no {kind}"),
            None => format!("no kind \"{said_kind}\" is registered for version \"{said_version}\""),
        };
        return Err(Status::bad_request(cannot_be_handled(&said_kind, version(&said_version), kind, &why)));
    }
    map.insert("apiVersion".into(), said_version.into());
    map.insert("kind".into(), said_kind.into());
    Ok(())
}

#[cfg(test)]
mod tests;
