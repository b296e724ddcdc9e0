//! Discovery documents, legacy and aggregated, made from the table of resources.

use serde_json::Value;

/// Version of the aggregated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Aggregated {
    V2,
    V2Beta1,
}

/// Legacy `GET /api`.
pub fn core_versions(server_address: &str) -> Value {
    unimplemented!("{server_address}")
}

/// Legacy `GET /apis`.
pub fn groups() -> Value {
    unimplemented!()
}

/// Legacy `GET /apis/GROUP`; `None` when no such group.
pub fn group(group: &str) -> Option<Value> {
    unimplemented!("{group}")
}

/// Legacy `GET /api/v1` (group empty) or `GET /apis/GROUP/VERSION`; `None` when not served.
pub fn resource_list(group: &str, version: &str) -> Option<Value> {
    unimplemented!("{group} {version}")
}

/// Aggregated `GET /api` (`core` true) or `GET /apis`.
pub fn aggregated(core: bool, form: Aggregated) -> Value {
    unimplemented!("{core} {form:?}")
}
