//! OpenAPI documents, made from the type graph: v3 per group version, and the v2 protobuf stub old kubectl needs.

use serde_json::Value;

/// `GET /openapi/v3`: path → `serverRelativeURL` with a hash of the content.
pub fn v3_index() -> Value {
    unimplemented!()
}

/// `GET /openapi/v3/PATH` (`api/v1`, `apis/apps/v1`): the document's JSON bytes.
pub fn v3_document(path: &str) -> Option<&'static [u8]> {
    unimplemented!("{path}")
}

/// `GET /openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`.
pub fn v2_protobuf() -> Vec<u8> {
    unimplemented!()
}

/// `GET /openapi/v2` as JSON.
pub fn v2_json() -> Value {
    unimplemented!()
}
