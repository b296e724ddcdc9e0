//! The operations: one path per collection, object and subresource, one operation per verb served.

use super::{Dialect, base, group_version_kind};
use crate::resource::{Resource, Subresource};
use crate::schema;
use serde_json::{Map, Value, json};

/// Patches that the documents name.
///
/// Strategic merge is left out on purpose: kubectl computes such patches from a schema that lists the media type, and
/// without it from its own types, which hold every merge key.
const PATCHES: [&str; 3] = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const BODIES: [&str; 3] = ["application/json", "application/yaml", PROTOBUF];

const SELECT: [&str; 5] = ["labelSelector", "fieldSelector", "limit", "continue", "resourceVersion"];
const WRITE: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];
const PATCH: [&str; 4] = ["dryRun", "fieldManager", "fieldValidation", "force"];
const DELETE: [&str; 3] = ["dryRun", "gracePeriodSeconds", "propagationPolicy"];

/// All paths of those rows.
pub(super) fn all(rows: &[&Resource], dialect: Dialect) -> Map<String, Value> {
    let mut paths = Map::new();
    for row in rows {
        let everywhere = format!("/{}/{}", base(row), row.plural);
        let collection =
            if row.namespaced { format!("/{}/namespaces/{{namespace}}/{}", base(row), row.plural) } else { everywhere.clone() };
        let described = Described { row, dialect, type_name: super::type_name(row), kind: row.kind };
        if row.namespaced && row.is_stored() {
            paths.insert(everywhere, described.path(&["list"], &[]));
        }
        let in_namespace: &[&str] = if row.namespaced { &["namespace"] } else { &[] };
        let named = [in_namespace, &["name"]].concat();
        paths.insert(collection.clone(), described.path(&["list", "create", "deletecollection"], in_namespace));
        if !row.is_stored() {
            continue;
        }
        paths.insert(format!("{collection}/{{name}}"), described.path(&["get", "update", "patch", "delete"], &named));
        for sub in row.subresources {
            paths.insert(format!("{collection}/{{name}}/{}", sub.name), described.subresource(sub, &named));
        }
    }
    paths
}

/// What the operations of a path are about.
struct Described<'a> {
    row: &'a Resource,
    dialect: Dialect,
    type_name: String,
    kind: &'a str,
}

impl Described<'_> {
    /// The operations of those verbs that the row serves.
    fn path(&self, verbs: &[&str], in_path: &[&str]) -> Value {
        let served = verbs.iter().filter(|verb| self.row.verbs.contains(verb));
        self.operations(served.copied(), in_path)
    }

    fn subresource(&self, sub: &Subresource, in_path: &[&str]) -> Value {
        let type_name = match sub.api_version {
            "" if sub.kind == self.row.kind => super::type_name(self.row),
            "" => schema::type_name(&self.row.api_version(), sub.kind),
            version => schema::type_name(version, sub.kind),
        };
        let described = Described { type_name, kind: sub.kind, ..*self };
        described.operations(sub.verbs.iter().copied(), in_path)
    }

    fn operations<'v>(&self, verbs: impl Iterator<Item = &'v str>, in_path: &[&str]) -> Value {
        let mut path = Map::new();
        let parameters: Vec<Value> = in_path.iter().map(|name| self.parameter(name, "path")).collect();
        if !parameters.is_empty() {
            path.insert("parameters".into(), parameters.into());
        }
        for verb in verbs {
            if let Some((method, operation)) = self.operation(verb) {
                path.insert(method.into(), operation);
            }
        }
        path.into()
    }

    /// Method and operation of a verb; watches are lists with a parameter.
    fn operation(&self, verb: &str) -> Option<(&'static str, Value)> {
        let list = super::list_type_name(self.row, &self.type_name);
        let (method, action, query, takes, gives): (_, _, &[&str], &[&str], &str) = match verb {
            "list" => ("get", "list", &SELECT, &[], &list),
            "get" => ("get", "get", &[], &[], &self.type_name),
            "create" => ("post", "post", &WRITE, &BODIES, &self.type_name),
            "update" => ("put", "put", &WRITE, &BODIES, &self.type_name),
            "patch" => ("patch", "patch", &PATCH, &PATCHES, &self.type_name),
            "delete" => ("delete", "delete", &DELETE, &[], super::schemas::STATUS),
            "deletecollection" => {
                ("delete", "deletecollection", &[DELETE.as_slice(), SELECT.as_slice()].concat(), &[], super::schemas::STATUS)
            }
            _ => return None,
        };
        // Custom kinds have no messages in protobuf.
        let takes =
            if self.row.has_messages() || takes.is_empty() { takes } else { takes.strip_suffix(&[PROTOBUF]).unwrap_or(takes) };
        let mut parameters: Vec<Value> = query.iter().map(|name| self.parameter(name, "query")).collect();
        let mut operation = json!({
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": group_version_kind(self.row, self.kind),
            "responses": {"200": self.response(gives)},
        });
        // Options of exec and the like are parameters, their kinds are no bodies.
        let schema = self.is_described(&self.type_name).then(|| self.dialect.reference(&self.type_name));
        if let (Some(schema), false) = (schema, takes.is_empty()) {
            if self.dialect == Dialect::V2 {
                operation["consumes"] = json!(takes);
                parameters.push(json!({"name": "body", "in": "body", "required": true, "schema": schema}));
            } else {
                let content: Map<String, Value> =
                    takes.iter().map(|media_type| ((*media_type).into(), json!({"schema": schema}))).collect();
                operation["requestBody"] = json!({"content": content, "required": true});
            }
        }
        operation["parameters"] = parameters.into();
        Some((method, operation))
    }

    /// Whether the document has a schema of that name.
    fn is_described(&self, type_name: &str) -> bool {
        schema::graph().contains_key(type_name) || (self.row.custom.is_some() && type_name == super::type_name(self.row))
    }

    fn response(&self, type_name: &str) -> Value {
        let list_of = if type_name == super::list_type_name(self.row, &self.type_name) { &self.type_name } else { type_name };
        if !self.is_described(list_of) {
            return json!({"description": "OK"});
        }
        let schema = self.dialect.reference(type_name);
        match self.dialect {
            Dialect::V2 => json!({"description": "OK", "schema": schema}),
            Dialect::V3 => json!({"description": "OK", "content": {"application/json": {"schema": schema}}}),
        }
    }

    fn parameter(&self, name: &str, place: &str) -> Value {
        let kind = match name {
            "force" => "boolean",
            "limit" | "gracePeriodSeconds" => "integer",
            _ => "string",
        };
        let mut parameter = json!({"name": name, "in": place, "uniqueItems": true});
        match self.dialect {
            Dialect::V2 => parameter["type"] = kind.into(),
            Dialect::V3 => parameter = json!({"name": name, "in": place, "schema": {"type": kind, "uniqueItems": true}}),
        }
        if place == "path" {
            parameter["required"] = true.into();
        }
        parameter
    }
}
