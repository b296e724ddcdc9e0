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
    let mut schema = Map::new();
    for (name, value) in map {
        let value = match name.as_str() {
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                Value::Object(fields.map(|(name, field)| (name.clone(), node(field, dialect, false))).collect())
            }
            "items" | "additionalProperties" if value.is_object() => node(value, dialect, false),
            // The second version of the format knows none of these, and kubectl would refuse what they allow.
            "anyOf" | "oneOf" | "allOf" | "not" | "nullable" if dialect == Dialect::V2 => continue,
            "type" if dialect == Dialect::V2 && map.get("nullable").is_some_and(|set| *set == true) => continue,
            _ => value.clone(),
        };
        schema.insert(name.clone(), value);
    }
    let embedded = map.get("x-kubernetes-embedded-resource").is_some_and(|set| *set == true);
    if whole || embedded {
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
