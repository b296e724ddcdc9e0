//! Whole objects inside of custom ones: they have a version, a kind and metadata like any other.

use super::schema::Faults;
use crate::names;
use serde_json::Value;

/// Adds what is wrong with version, kind and name of an embedded object.
pub(crate) fn check(object: &Value, path: &str, faults: &mut Faults) {
    let field = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    for name in ["apiVersion", "kind"] {
        if text(name).is_empty() {
            faults.add("FieldValueRequired", field(name), "Required value: must not be empty".into());
        }
    }
    let (version, kind) = (text("apiVersion"), text("kind"));
    if version.matches('/').count() > 1 {
        let message = format!("Invalid value: {version:?}: unexpected GroupVersion string: {version}");
        faults.add("FieldValueInvalid", field("apiVersion"), message);
    }
    if let Some(why) = names::dns_1035_label_fault(&kind.to_lowercase()).filter(|_| !kind.is_empty()) {
        let message = format!("Invalid value: {kind:?}: may have mixed case, but should otherwise match: {why}");
        faults.add("FieldValueInvalid", field("kind"), message);
    }
    let metadata = &object["metadata"];
    for name in ["name", "namespace"] {
        let value = metadata[name].as_str().unwrap_or_default();
        let fault = if name == "name" { names::path_segment_fault(value) } else { names::dns_label_fault(value) };
        if let Some(why) = fault.filter(|_| !value.is_empty()) {
            faults.add("FieldValueInvalid", field(&format!("metadata.{name}")), format!("Invalid value: {value:?}: {why}"));
        }
    }
}
