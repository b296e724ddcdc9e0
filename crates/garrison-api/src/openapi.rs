//! OpenAPI documents, made from the type graph: v3 per group version, and the v2 protobuf stub old kubectl needs.

use crate::resource::{Resource, resources};
use crate::schema::{self, Field, Scalar, Type};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

const TITLE: &str = "Garrison";
const VERSION: &str = "v1";

/// Patches that the documents name.
///
/// Strategic merge is left out on purpose: kubectl computes such patches from a schema that lists the media type, and
/// without it from its own types, which hold every merge key.
const PATCHES: [&str; 3] = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/// `GET /openapi/v3`: path → `serverRelativeURL` with a hash of the content.
pub fn v3_index() -> Value {
    let entry = |(path, document): (&String, &Vec<u8>)| {
        let mut hasher = DefaultHasher::new();
        document.hash(&mut hasher);
        (path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={:016X}", hasher.finish())}))
    };
    json!({"paths": documents().iter().map(entry).collect::<Map<_, _>>()})
}

/// `GET /openapi/v3/PATH` (`api/v1`, `apis/apps/v1`): the document's JSON bytes.
pub fn v3_document(path: &str) -> Option<&'static [u8]> {
    documents().get(path).map(Vec::as_slice)
}

/// `GET /openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`: swagger "2.0", a title, nothing else.
///
/// Old clients refuse to work without the document and fall back to their own types where it names none.
pub fn v2_protobuf() -> Vec<u8> {
    let field = |tag: u8, content: &[u8]| {
        let mut bytes = vec![tag << 3 | 2, u8::try_from(content.len()).unwrap_or(0)];
        bytes.extend_from_slice(content);
        bytes
    };
    let info = [field(1, TITLE.as_bytes()), field(2, VERSION.as_bytes())].concat();
    // Document: swagger = 1, info = 2, paths = 8, definitions = 9.
    [field(1, b"2.0"), field(2, &info), field(8, b""), field(9, b"")].concat()
}

/// `GET /openapi/v2` as JSON.
pub fn v2_json() -> Value {
    json!({"swagger": "2.0", "info": {"title": TITLE, "version": VERSION}, "paths": {}, "definitions": {}})
}

fn documents() -> &'static BTreeMap<String, Vec<u8>> {
    static DOCUMENTS: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let paths: BTreeSet<String> = resources().iter().map(path_of).collect();
        let bytes = |path: String| {
            let rows: Vec<&Resource> = resources().iter().filter(|row| path_of(row) == path).collect();
            let text = document(&rows).to_string().into_bytes();
            (path, text)
        };
        paths.into_iter().map(bytes).collect()
    })
}

fn path_of(row: &Resource) -> String {
    if row.group.is_empty() { format!("api/{}", row.version) } else { format!("apis/{}/{}", row.group, row.version) }
}

fn document(rows: &[&Resource]) -> Value {
    let (mut paths, mut needed) = (Map::new(), BTreeSet::new());
    for row in rows {
        let name = schema::type_name(&row.api_version(), row.kind);
        let base = if row.namespaced {
            format!("/{}/namespaces/{{namespace}}/{}", path_of(row), row.plural)
        } else {
            format!("/{}/{}", path_of(row), row.plural)
        };
        paths.insert(base.clone(), collection(row, &name));
        paths.insert(format!("{base}/{{name}}"), single(row, &name));
        collect(&name, &mut needed);
    }
    let kinds: BTreeMap<String, &Resource> =
        rows.iter().map(|row| (schema::type_name(&row.api_version(), row.kind), *row)).collect();
    let schemas: Map<String, Value> = needed
        .iter()
        .filter_map(|name| Some((name.clone(), component(schema::graph().get(name)?, kinds.get(name).copied()))))
        .collect();
    json!({"openapi": "3.0.0", "info": {"title": TITLE, "version": VERSION}, "paths": paths, "components": {"schemas": schemas}})
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

fn gvk(row: &Resource) -> Value {
    json!({"group": row.group, "version": row.version, "kind": row.kind})
}

fn query(names: &[&str]) -> Value {
    let parameter = |name: &&str| {
        let kind = if *name == "force" { "boolean" } else { "string" };
        json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
    };
    names.iter().map(parameter).collect()
}

fn body(name: &str, media_types: &[&str]) -> Value {
    let content: Map<String, Value> = media_types
        .iter()
        .map(|media_type| ((*media_type).into(), json!({"schema": {"$ref": format!("#/components/schemas/{name}")}})))
        .collect();
    json!({"content": content})
}

fn operation(row: &Resource, action: &str, name: &str, parameters: &[&str], media_types: &[&str]) -> Value {
    let mut operation = json!({
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(row),
        "parameters": query(parameters),
        "responses": {"200": {"description": "OK", "content": body(name, &["application/json"])["content"]}},
    });
    if !media_types.is_empty() {
        operation["requestBody"] = body(name, media_types);
    }
    operation
}

const WRITE: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];

fn collection(row: &Resource, name: &str) -> Value {
    json!({
        "get": operation(row, "list", name, &["labelSelector", "fieldSelector", "limit", "continue"], &[]),
        "post": operation(row, "post", name, &WRITE, &["application/json", "application/yaml"]),
    })
}

fn single(row: &Resource, name: &str) -> Value {
    json!({
        "get": operation(row, "get", name, &[], &[]),
        "put": operation(row, "put", name, &WRITE, &["application/json", "application/yaml"]),
        "patch": operation(row, "patch", name, &["dryRun", "fieldManager", "fieldValidation", "force"], &PATCHES),
        "delete": operation(row, "delete", name, &["dryRun", "gracePeriodSeconds", "propagationPolicy"], &[]),
    })
}

fn component(described: &Type, row: Option<&Resource>) -> Value {
    let mut schema = match described.scalar {
        Some(Scalar::Quantity) => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Some(Scalar::IntOrString) => json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
        Some(Scalar::Time | Scalar::MicroTime) => json!({"type": "string", "format": "date-time"}),
        Some(Scalar::Any) => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        None => {
            let fields: Map<String, Value> =
                described.fields.iter().map(|(name, field)| (name.clone(), property(field))).collect();
            json!({"type": "object", "properties": fields})
        }
    };
    if let Some(text) = &described.description {
        schema["description"] = text.as_str().into();
    }
    // The generator calls a kind's metadata required; Kubernetes does not.
    let required: Vec<&String> =
        described.required.iter().flatten().filter(|name| row.is_none() || *name != "metadata").collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if let Some(row) = row {
        schema["x-kubernetes-group-version-kind"] = json!([gvk(row)]);
    }
    schema
}

fn property(field: &Field) -> Value {
    let element = if field.referred().is_some() {
        // A `$ref` with siblings is ignored by many readers.
        json!({"allOf": [{"$ref": format!("#/components/schemas/{}", field.type_name)}]})
    } else {
        match field.type_name.as_str() {
            "int32" | "int64" => json!({"type": "integer", "format": field.type_name}),
            "bool" => json!({"type": "boolean"}),
            "double" => json!({"type": "number", "format": "double"}),
            "bytes" => json!({"type": "string", "format": "byte"}),
            "time" => json!({"type": "string", "format": "date-time"}),
            "any" => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            _ => json!({"type": "string"}),
        }
    };
    let mut whole = match (field.list, field.map) {
        (true, _) => json!({"type": "array", "items": element}),
        (_, true) => json!({"type": "object", "additionalProperties": element}),
        _ => element,
    };
    if let Some(text) = &field.description {
        whole["description"] = text.as_str().into();
    }
    if let Some(kind) = &field.list_type {
        whole["x-kubernetes-list-type"] = kind.as_str().into();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_version_has_a_document_whose_references_resolve() {
        let index = v3_index();
        for path in index["paths"].as_object().expect("paths").keys() {
            let text = v3_document(path).expect("a document");
            let document: Value = serde_json::from_slice(text).expect("JSON");
            let text = String::from_utf8_lossy(text);
            for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(document["components"]["schemas"][name].is_object(), "{path}: {name}");
            }
            assert!(!text.contains("strategic-merge-patch"), "kubectl would compute patches from our schema");
        }
        assert!(v3_document("apis/none/v1").is_none());
    }

    #[test]
    fn kubectl_finds_what_it_validates_by() {
        let apps: Value = serde_json::from_slice(v3_document("apis/apps/v1").expect("is there")).expect("JSON");
        let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "DaemonSet");
        let names: Vec<&str> =
            patch["parameters"].as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str()).collect();
        assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
        assert_eq!(v2_protobuf()[..5], [10, 3, b'2', b'.', b'0']);
    }
}
