//! Request bodies to JSON values: JSON, YAML and Kubernetes' protobuf envelope, with strict field validation.

use crate::status_error::Status;
use serde_json::Value;

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
pub fn decode(api_version: &str, kind: &str, content_type: &str, body: &[u8], validation: FieldValidation) -> Result<Decoded, Status> {
    unimplemented!("{api_version} {kind} {content_type} {} {validation:?}", body.len())
}
