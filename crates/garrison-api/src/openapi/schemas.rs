//! The schemas: every type that a served kind is made of.

use super::{Dialect, custom, group_version_kind};
use crate::custom::Slot;
use crate::resource::Resource;
use crate::schema::{self, Field, Scalar, Type};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a delete answers.
pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// The kinds of those rows, their lists, the bodies of their subresources, and all that these refer to.
pub(super) fn all(rows: &[&Resource], dialect: Dialect) -> Map<String, Value> {
    let (mut schemas, mut needed) = (Map::new(), BTreeSet::new());
    collect(STATUS, &mut needed);
    collect(LIST_META, &mut needed);
    for row in rows {
        let name = super::type_name(row);
        collect(&name, &mut needed);
        if let Some(version) = row.custom.and_then(Slot::version) {
            collect(custom::METADATA, &mut needed);
            schemas.insert(name.clone(), custom::kind(row, &version.document, dialect));
        }
        for sub in row.subresources {
            let version = if sub.api_version.is_empty() { row.api_version() } else { sub.api_version.into() };
            collect(&schema::type_name(&version, sub.kind), &mut needed);
        }
        if row.is_stored() {
            schemas.insert(super::list_type_name(row, &name), list_of(row, &name, dialect));
        }
    }
    for name in needed {
        let row = rows.iter().find(|row| schema::type_name(&row.api_version(), row.kind) == name);
        if let Some(described) = schema::graph().get(name.as_str()) {
            schemas.insert(name.clone(), component(&name, described, row.copied(), dialect));
        }
    }
    schemas
}

/// The type and all that it refers to.
fn collect(name: &str, needed: &mut BTreeSet<String>) {
    let Some(described) = schema::graph().get(name) else { return };
    if needed.insert(name.into()) {
        for field in described.fields.values().filter(|field| field.referred().is_some()) {
            collect(&field.type_name, needed);
        }
    }
}

fn list_of(row: &Resource, name: &str, dialect: Dialect) -> Value {
    let kind = row.list_kind();
    json!({
        "description": format!("{kind} is a list of objects of kind {}.", row.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": dialect.reference(LIST_META),
            "items": {"type": "array", "items": dialect.reference(name)},
        },
        "x-kubernetes-group-version-kind": [group_version_kind(row, &kind)],
    })
}

/// Any value at all, not only an object; kubectl validates by that.
const JSON: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";

fn component(name: &str, described: &Type, row: Option<&Resource>, dialect: Dialect) -> Value {
    let mut schema = match (described.scalar, dialect) {
        (Some(Scalar::Quantity), Dialect::V2) => json!({"type": "string"}),
        (Some(Scalar::IntOrString), Dialect::V2) => json!({"type": "string", "format": "int-or-string"}),
        (Some(Scalar::Quantity), Dialect::V3) => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        (Some(Scalar::IntOrString), Dialect::V3) => {
            json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
        }
        (Some(Scalar::Time | Scalar::MicroTime), _) => json!({"type": "string", "format": "date-time"}),
        (Some(Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStringArray), _) => json!({}),
        (Some(Scalar::Any), _) if name == JSON => json!({}),
        (Some(Scalar::Any), _) => json!({"type": "object"}),
        (None, _) if described.fields.is_empty() => json!({"type": "object"}),
        (None, _) => {
            let fields: Map<String, Value> =
                described.fields.iter().map(|(name, field)| (name.clone(), property(field, dialect))).collect();
            json!({"type": "object", "properties": fields})
        }
    };
    if let Some(text) = &described.description {
        schema["description"] = Value::from(text.as_ref());
    }
    // The generator calls a kind's metadata required; Kubernetes does not.
    let required: Vec<&String> =
        described.required.iter().flatten().filter(|name| row.is_none() || *name != "metadata").collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if described.atomic {
        schema["x-kubernetes-map-type"] = "atomic".into();
    }
    if let Some(row) = row {
        schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(row, row.kind)]);
    }
    schema
}

fn property(field: &Field, dialect: Dialect) -> Value {
    let mut whole = value(field, dialect);
    if field.list {
        whole = json!({"type": "array", "items": whole});
    }
    if field.map {
        whole = json!({"type": "object", "additionalProperties": whole});
    }
    if let Some(text) = &field.description {
        whole["description"] = Value::from(text.as_ref());
    }
    if let Some(kind) = &field.list_type {
        whole["x-kubernetes-list-type"] = kind.as_str().into();
    }
    if field.atomic {
        whole["x-kubernetes-map-type"] = "atomic".into();
    }
    if !field.list_map_keys.is_empty() {
        whole["x-kubernetes-list-map-keys"] = json!(field.list_map_keys);
    }
    if let Some(key) = &field.merge_key {
        whole["x-kubernetes-patch-merge-key"] = key.as_str().into();
    }
    if !field.strategy.is_empty() {
        whole["x-kubernetes-patch-strategy"] = field.strategy.as_str().into();
    }
    whole
}

/// One value of a field.
fn value(field: &Field, dialect: Dialect) -> Value {
    if field.referred().is_some() {
        let reference = dialect.reference(&field.type_name);
        // OpenAPI 3 ignores what stands beside a `$ref`.
        return if dialect == Dialect::V3 { json!({"allOf": [reference]}) } else { reference };
    }
    match field.type_name.as_str() {
        "int32" | "int64" => json!({"type": "integer", "format": field.type_name}),
        "bool" => json!({"type": "boolean"}),
        "double" => json!({"type": "number", "format": "double"}),
        "bytes" => json!({"type": "string", "format": "byte"}),
        "time" => json!({"type": "string", "format": "date-time"}),
        "any" => json!({"x-kubernetes-preserve-unknown-fields": true}),
        _ => json!({"type": "string"}),
    }
}
