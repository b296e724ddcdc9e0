//! Schemas of custom kinds, as their definitions write them.

use super::{Dialect, group_version_kind};
use crate::resource::Resource;
use serde_json::{Map, Value, json};

/// What every whole object has.
pub(super) const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object.";
const KIND: &str = "Kind is a string value representing the REST resource this object represents.";
const METADATA_OF_OBJECT: &str = "Standard object's metadata.";

/// The schema of a kind.
pub(super) fn kind(row: &Resource, document: &Value, dialect: Dialect) -> Value {
    let mut schema = node(document, dialect, true);
    if !schema.is_object() {
        schema = json!({"type": "object"});
    }
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(row, row.kind)]);
    schema
}

fn node(document: &Value, dialect: Dialect, whole: bool) -> Value {
    let Some(map) = document.as_object() else { return document.clone() };
    let is_set = |name: &str| map.get(name).is_some_and(|set| *set == true);
    // Clients of the second version refuse what it does not name as soon as it names anything.
    let is_open = dialect == Dialect::V2 && is_set("x-kubernetes-preserve-unknown-fields");
    let mut schema = Map::new();
    for (name, value) in map {
        let value = match name.as_str() {
            "properties" | "items" | "additionalProperties" if is_open => continue,
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                Value::Object(fields.map(|(name, field)| (name.clone(), node(field, dialect, false))).collect())
            }
            "items" | "additionalProperties" if value.is_object() => node(value, dialect, false),
            // The second version of the format knows none of these, and kubectl would refuse what they allow.
            "anyOf" | "oneOf" | "allOf" | "not" | "nullable" if dialect == Dialect::V2 => continue,
            "type" if dialect == Dialect::V2 && is_set("nullable") => continue,
            _ => value.clone(),
        };
        schema.insert(name.clone(), value);
    }
    if (whole || is_set("x-kubernetes-embedded-resource")) && !is_open {
        let mut metadata = dialect.reference(METADATA);
        if dialect == Dialect::V3 {
            metadata = json!({"description": METADATA_OF_OBJECT, "allOf": [metadata], "default": {}});
        }
        let fields = schema.entry("properties").or_insert_with(|| json!({}));
        if let Some(fields) = fields.as_object_mut() {
            for (name, field) in [
                ("apiVersion", json!({"description": API_VERSION, "type": "string"})),
                ("kind", json!({"description": KIND, "type": "string"})),
                ("metadata", metadata),
            ] {
                fields.insert(name.into(), field);
            }
        }
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_hold_anything_names_nothing_in_the_second_version() {
        let template =
            json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true});
        let list = json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-preserve-unknown-fields": true});
        let document = json!({"type": "object", "properties": {"template": template, "list": list, "a": {"type": "string"}}});
        let second = node(&document, Dialect::V2, true);
        assert_eq!(second["properties"]["template"].get("properties"), None);
        assert_eq!(second["properties"]["list"].get("items"), None);
        assert_eq!(
            (&second["properties"]["a"]["type"], &second["properties"]["kind"]["type"]),
            (&json!("string"), &json!("string"))
        );
        let third = node(&document, Dialect::V3, true);
        assert_eq!(third["properties"]["template"]["properties"]["kind"]["type"], "string");
        assert_eq!(third["properties"]["list"]["items"], json!({"type": "string"}));
    }
}
