//! OpenAPI documents, made from the type graph: v3 per group version, and v2 in JSON and protobuf.

mod custom;
mod paths;
mod schemas;
mod wire;

use crate::resource::{Resource, resources};
use crate::schema;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

const TITLE: &str = "Garrison";
const VERSION: &str = "v1";

/// The two forms of the same facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Swagger 2.0.
    V2,
    /// OpenAPI 3.0.
    V3,
}

impl Dialect {
    fn reference(self, type_name: &str) -> Value {
        let place = if self == Self::V2 { "definitions" } else { "components/schemas" };
        json!({"$ref": format!("#/{place}/{type_name}")})
    }
}

/// All documents of a set of rows. Those of the rows that are built in are made once.
#[derive(Debug, Default)]
pub struct Documents {
    /// By path (`api/v1`, `apis/apps/v1`), for those that hold custom kinds.
    custom: BTreeMap<String, Vec<u8>>,
    /// The v2 document in protobuf and in JSON, if there are custom kinds.
    v2: Option<(Vec<u8>, Value)>,
}

impl Documents {
    /// Makes the documents of these rows.
    pub fn new(rows: &[&'static Resource]) -> Self {
        let bases: BTreeSet<String> = rows.iter().filter(|row| row.custom.is_some()).map(|row| base(row)).collect();
        if bases.is_empty() {
            return Self::default();
        }
        let plain: Vec<&Resource> = rows.to_vec();
        let v2 = v2(&plain);
        Self { custom: bases.into_iter().map(|base| document(&plain, base)).collect(), v2: Some((wire::document(&v2), v2)) }
    }

    /// `GET /openapi/v3`: path → `serverRelativeURL` with a hash of the content.
    pub fn v3_index(&self) -> Value {
        let entry = |(path, document): (&String, &Vec<u8>)| {
            let mut hasher = DefaultHasher::new();
            document.hash(&mut hasher);
            (path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={:016X}", hasher.finish())}))
        };
        let built_in = documents().iter().filter(|(path, _)| !self.custom.contains_key(*path));
        json!({"paths": built_in.chain(&self.custom).map(entry).collect::<Map<_, _>>()})
    }

    /// `GET /openapi/v3/PATH` (`api/v1`, `apis/apps/v1`): the document's JSON bytes.
    pub fn v3_document(&self, path: &str) -> Option<&[u8]> {
        self.custom.get(path).or_else(|| documents().get(path)).map(Vec::as_slice)
    }

    /// `GET /openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`: the same document as [`Self::v2_json`].
    ///
    /// kubectl before 1.29 takes no other form: it validates, explains, computes patches and finds out about dry runs by it.
    pub fn v2_protobuf(&self) -> &[u8] {
        static DOCUMENT: OnceLock<Vec<u8>> = OnceLock::new();
        let built_in = || DOCUMENT.get_or_init(|| wire::document(&v2(&resources().iter().collect::<Vec<_>>())));
        self.v2.as_ref().map_or_else(built_in, |(bytes, _)| bytes)
    }

    /// `GET /openapi/v2` as JSON: all group versions in one document.
    pub fn v2_json(&self) -> Value {
        self.v2.as_ref().map_or_else(|| v2(&resources().iter().collect::<Vec<_>>()), |(_, document)| document.clone())
    }
}

fn v2(rows: &[&Resource]) -> Value {
    let (paths, schemas) = (paths::all(rows, Dialect::V2), schemas::all(rows, Dialect::V2));
    json!({"swagger": "2.0", "info": {"title": TITLE, "version": VERSION}, "paths": paths, "definitions": schemas})
}

fn documents() -> &'static BTreeMap<String, Vec<u8>> {
    static DOCUMENTS: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let rows: Vec<&Resource> = resources().iter().collect();
        let bases: BTreeSet<String> = resources().iter().map(base).collect();
        bases.into_iter().map(|base| document(&rows, base)).collect()
    })
}

/// The v3 document of the rows under a path.
fn document(rows: &[&Resource], path: String) -> (String, Vec<u8>) {
    let rows: Vec<&Resource> = rows.iter().copied().filter(|row| base(row) == path).collect();
    let (paths, schemas) = (paths::all(&rows, Dialect::V3), schemas::all(&rows, Dialect::V3));
    let document = json!({
        "openapi": "3.0.0", "info": {"title": TITLE, "version": VERSION}, "paths": paths, "components": {"schemas": schemas},
    });
    (path, document.to_string().into_bytes())
}

/// The name of a kind's schema: `io.k8s.api.apps.v1.DaemonSet`; of a custom kind `com.example.v1.Widget`.
fn type_name(row: &Resource) -> String {
    if row.custom.is_none() {
        return schema::type_name(&row.api_version(), row.kind);
    }
    let domain: Vec<&str> = row.group.rsplit('.').collect();
    format!("{}.{}.{}", domain.join("."), row.version, row.kind)
}

/// The name of the schema of a list.
fn list_type_name(row: &Resource, type_name: &str) -> String {
    let package = type_name.rsplit_once('.').filter(|_| row.custom.is_some());
    package.map_or_else(|| format!("{type_name}List"), |(package, _)| format!("{package}.{}", row.list_kind()))
}

/// `api/v1` or `apis/apps/v1`.
fn base(row: &Resource) -> String {
    if row.group.is_empty() { format!("api/{}", row.version) } else { format!("apis/{}/{}", row.group, row.version) }
}

fn group_version_kind(row: &Resource, kind: &str) -> Value {
    json!({"group": row.group, "version": row.version, "kind": kind})
}

#[cfg(test)]
mod tests;
