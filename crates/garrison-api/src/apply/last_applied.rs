//! The annotation in which kubectl keeps what it applied by itself: who changes over to server-side apply meets no
//! conflicts with himself, and may change back.

use super::compare::compare;
use super::field_set::field_set;
use super::path::go_json;
use super::set::Set;
use super::structure::Structure;
use super::validate::validate;
use serde_json::{Map, Value};

/// The manager for which the annotation is heeded and kept.
pub(super) const MANAGER: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// As much as all annotations of an object may be.
const LARGEST: usize = 256 << 10;

fn annotation(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][ANNOTATION].as_str().filter(|text| !text.is_empty())
}

/// What of the object still is as the annotation says.
pub(super) fn owned(structure: &Structure, api_version: &str, live: &Value) -> Option<Set> {
    let applied: Value = serde_json::from_str(annotation(live)?).ok()?;
    if applied["apiVersion"] != api_version || validate(structure, &applied).is_err() {
        return None;
    }
    let different = compare(structure, &applied, live);
    let said = field_set(structure, &applied);
    Some(said.difference(&different.written).difference(&different.removed))
}

/// Brings the annotation up to date, if the object has one.
pub(super) fn renew(object: &mut Value, config: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
    }
    let text = format!("{}\n", go_json(&config));
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    annotations.insert(ANNOTATION.into(), text.into());
    if size(annotations) > LARGEST {
        annotations.remove(ANNOTATION);
    }
}

fn size(annotations: &Map<String, Value>) -> usize {
    annotations.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum()
}
