//! What clients ask before they do anything: groups, resources, OpenAPI, version.

use crate::{
    Server,
    accept::{self, Encoding, JSON},
    request::Call,
    respond::{self, Response},
    router,
};
use bytes::Bytes;
use garrison_api::{
    Status,
    discovery::{self, Aggregated},
    openapi::Documents,
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Media types of the v2 document: with `@`, as kubectl asks, and as it is registered.
const V2_PROTOBUF: [&str; 2] =
    ["application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"];

/// Bytes of a long document that are handed on at a time.
const PIECE: usize = 32 << 10;

/// Answers for a path of these segments.
pub(crate) fn answer(server: &Server, call: &Call, segments: &[&str]) -> Result<Response, Status> {
    let found = |document: Option<Value>| document.ok_or_else(Status::no_such_path);
    let served = server.custom().snapshot();
    let rows = served.rows();
    let document = match segments {
        [] => {
            json!({"paths": ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]})
        }
        ["version"] => router::version(),
        ["api"] => match aggregated_form(call)? {
            Some((form, media_type)) => {
                return Ok(tagged(call, media_type, discovery::aggregated(rows, true, form).to_string().into()));
            }
            None => discovery::core_versions(server.url().trim_start_matches("https://")),
        },
        ["apis"] => match aggregated_form(call)? {
            Some((form, media_type)) => {
                return Ok(tagged(call, media_type, discovery::aggregated(rows, false, form).to_string().into()));
            }
            None => discovery::groups(rows),
        },
        ["api", version] => found(discovery::resource_list(rows, "", version))?,
        ["apis", group] => found(discovery::group(rows, group))?,
        ["apis", group, version] => found(discovery::resource_list(rows, group, version))?,
        ["openapi", "v2"] => return Ok(openapi_v2(call, served.documents())),
        ["openapi", "v3"] => return Ok(tagged(call, JSON, served.documents().v3_index().to_string().into())),
        ["openapi", "v3", path @ ..] => {
            let path = path.join("/");
            let document = served.documents().v3_document(&path).ok_or_else(Status::no_such_path)?;
            return Ok(openapi_v3(call, Bytes::copy_from_slice(document)));
        }
        _ => return Err(Status::no_such_path()),
    };
    Ok(respond::json(StatusCode::OK, &document))
}

/// The aggregated form that the client asks for first, if it asks for one before plain JSON.
fn aggregated_form(call: &Call) -> Result<Option<(Aggregated, &'static str)>, Status> {
    const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const V2_BETA: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    let ranges = accept::ranges(&call.headers);
    let in_json: Vec<_> = ranges.iter().filter(|range| range.takes(Encoding::Json)).collect();
    for range in &in_json {
        let Some(form) = range.parameter("as") else { return Ok(None) };
        match (form, range.parameter("g"), range.parameter("v")) {
            ("APIGroupDiscoveryList", Some("apidiscovery.k8s.io"), Some("v2")) => return Ok(Some((Aggregated::V2, V2))),
            ("APIGroupDiscoveryList", Some("apidiscovery.k8s.io"), Some("v2beta1")) => {
                return Ok(Some((Aggregated::V2Beta1, V2_BETA)));
            }
            _ => {}
        }
    }
    // Clients that ask for nothing in particular, or for a form that is not known here, get plain JSON.
    if ranges.is_empty() || !in_json.is_empty() { Ok(None) } else { Err(Status::not_acceptable(JSON)) }
}

fn openapi_v2(call: &Call, documents: &Documents) -> Response {
    let accept = call.header(header::ACCEPT);
    match V2_PROTOBUF.iter().find(|media_type| accept.contains(*media_type)) {
        // Go's parser of media types does not take the "@" of the request; upstream answers with a dot, too.
        Some(media_type) => tagged(call, &media_type.replace('@', "."), Bytes::copy_from_slice(documents.v2_protobuf())),
        None => tagged(call, JSON, documents.v2_json().to_string().into()),
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
