//! What clients ask before they do anything: groups, resources, OpenAPI, version.

use crate::{
    Server,
    accept::{self, Encoding, JSON},
    request::Call,
    respond::{self, Complete, Response},
    router,
};
use bytes::Bytes;
use garrison_api::{
    Resource, Status,
    discovery::{self, Aggregated},
    openapi::Documents,
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Media types of the v2 document: with `@`, as kubectl asks, and as it is registered.
const V2_PROTOBUF: [&str; 2] =
    ["application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"];

/// What there is besides objects, for those who ask at the root.
const PATHS: [&str; 9] = ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"];
/// Bytes of a long document that are handed on at a time.
const PIECE: usize = 32 << 10;

/// Answers for a path of these segments.
pub(crate) fn answer(server: &Server, call: &Call, segments: &[&str]) -> Result<Response, Status> {
    let found = |document: Option<Value>| document.ok_or_else(Status::no_such_path);
    let served = server.custom().snapshot();
    let rows = served.rows();
    let document = match segments {
        [] => return Ok(indented(&json!({"paths": PATHS}))),
        ["version"] => return Ok(indented(&router::version())),
        ["api"] => match aggregated(call, rows, true) {
            Some(response) => return Ok(response),
            None => discovery::core_versions(server.url().trim_start_matches("https://")),
        },
        ["apis"] => match aggregated(call, rows, false) {
            Some(response) => return Ok(response),
            None => discovery::groups(rows),
        },
        ["api", version] => found(discovery::resource_list(rows, "", version))?,
        ["apis", group] => found(discovery::group(rows, group))?,
        ["apis", group, version] => found(discovery::resource_list(rows, group, version))?,
        ["openapi", "v2"] => return Ok(openapi_v2(call, served.documents())),
        ["openapi", "v3"] => return Ok(as_it_is(tagged(call, JSON, served.documents().v3_index().to_string().into()))),
        ["openapi", "v3", path @ ..] => {
            let path = path.join("/");
            let document = served.documents().v3_document(&path).ok_or_else(Status::no_such_path)?;
            return Ok(openapi_v3(call, Bytes::copy_from_slice(document)));
        }
        _ => return Err(Status::no_such_path()),
    };
    Ok(respond::object(StatusCode::OK, Encoding::required(&call.headers)?, &document))
}

/// For people, whoever asks.
fn indented(document: &Value) -> Response {
    respond::bytes(StatusCode::OK, JSON, format!("{document:#}"))
}

/// A document that is not rewritten for those who want it another way.
fn as_it_is(mut response: Response) -> Response {
    response.extensions_mut().remove::<Complete>();
    response
}

/// The aggregated document, if the client asks for it before any plain one.
fn aggregated(call: &Call, rows: &[&'static Resource], core: bool) -> Option<Response> {
    for range in accept::ranges(&call.headers) {
        let Some(encoding) = Encoding::ALL.into_iter().find(|encoding| range.takes(*encoding)) else { continue };
        let form = match (range.parameter("as")?, range.parameter("g"), range.parameter("v")) {
            ("APIGroupDiscoveryList", Some("apidiscovery.k8s.io"), Some("v2")) => Aggregated::V2,
            ("APIGroupDiscoveryList", Some("apidiscovery.k8s.io"), Some("v2beta1")) => Aggregated::V2Beta1,
            // Another may be known.
            _ => continue,
        };
        let version = if form == Aggregated::V2 { "v2" } else { "v2beta1" };
        let media_type = format!("{};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList", encoding.media_type());
        return Some(tagged(call, &media_type, encoding.body(&discovery::aggregated(rows, core, form))));
    }
    None
}

fn openapi_v2(call: &Call, documents: &Documents) -> Response {
    let accept = call.header(header::ACCEPT);
    match V2_PROTOBUF.iter().find(|media_type| accept.contains(*media_type)) {
        // Go's parser of media types does not take the "@" of the request; upstream answers with a dot, too.
        Some(media_type) => tagged(call, &media_type.replace('@', "."), Bytes::copy_from_slice(documents.v2_protobuf())),
        None => as_it_is(tagged(call, JSON, documents.v2_json().to_string().into())),
    }
}

/// A document that never changes under its URL: the index names it with a hash.
fn openapi_v3(call: &Call, document: Bytes) -> Response {
    let tag = tag(&document);
    let mut response = match is_known(call, &tag) {
        true => respond::bytes(StatusCode::NOT_MODIFIED, JSON, Bytes::new()),
        false => {
            let (size, starts) = (document.len(), (0..document.len()).step_by(PIECE));
            respond::parts(&call.headers, JSON, size, starts.map(move |at| document.slice(at..size.min(at + PIECE))))
        }
    };
    response.extensions_mut().remove::<Complete>();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    if call.query.get("hash").is_some() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, immutable, max-age=31536000"));
    }
    response
}

/// A document with a tag, by which a client that has it already is spared it.
fn tagged(call: &Call, media_type: &str, document: Bytes) -> Response {
    let tag = tag(&document);
    let mut response = match is_known(call, &tag) {
        true => respond::bytes(StatusCode::NOT_MODIFIED, media_type, Bytes::new()),
        false => respond::bytes(StatusCode::OK, media_type, document),
    };
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    response
}

fn tag(document: &[u8]) -> HeaderValue {
    let hash: String = Sha256::digest(document).iter().map(|byte| format!("{byte:02X}")).collect();
    HeaderValue::try_from(format!("\"{hash}\"")).expect("quotes and hexadecimal digits are a header's characters")
}

fn is_known(call: &Call, tag: &HeaderValue) -> bool {
    let known = call.header(header::IF_NONE_MATCH);
    known.split(',').any(|one| one.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
}
