//! OpenAPI documents, made from the type graph: v3 per group version, and v2 in JSON and protobuf.

mod paths;
mod schemas;
mod wire;

use crate::resource::{Resource, resources};
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

/// `GET /openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`: the same document as [`v2_json`].
///
/// kubectl before 1.29 takes no other form: it validates, explains, computes patches and finds out about dry runs by it.
pub fn v2_protobuf() -> &'static [u8] {
    static DOCUMENT: OnceLock<Vec<u8>> = OnceLock::new();
    DOCUMENT.get_or_init(|| wire::document(&v2_json()))
}

/// `GET /openapi/v2` as JSON: all group versions in one document.
pub fn v2_json() -> Value {
    let rows: Vec<&Resource> = resources().iter().collect();
    let (paths, schemas) = (paths::all(&rows, Dialect::V2), schemas::all(&rows, Dialect::V2));
    json!({"swagger": "2.0", "info": {"title": TITLE, "version": VERSION}, "paths": paths, "definitions": schemas})
}

fn documents() -> &'static BTreeMap<String, Vec<u8>> {
    static DOCUMENTS: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let bases: BTreeSet<String> = resources().iter().map(base).collect();
        let document = |base_path: String| {
            let rows: Vec<&Resource> = resources().iter().filter(|row| base(row) == base_path).collect();
            let (paths, schemas) = (paths::all(&rows, Dialect::V3), schemas::all(&rows, Dialect::V3));
            let document = json!({
                "openapi": "3.0.0", "info": {"title": TITLE, "version": VERSION}, "paths": paths, "components": {"schemas": schemas},
            });
            (base_path, document.to_string().into_bytes())
        };
        bases.into_iter().map(document).collect()
    })
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
