//! How an answer in JSON looks in the end: as it is, indented for people, or as YAML.

use crate::{
    Body,
    accept::{self, Encoding, JSON, YAML},
    request::Query,
    respond::{self, Complete, Response},
};
use bytes::Bytes;
use garrison_api::{Status, encode};
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

/// What people read answers with.
const FOR_PEOPLE: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

/// What a client wants of the looks of an answer.
#[derive(Debug, Default)]
pub(crate) struct Dress {
    pretty: bool,
    /// How the client takes compressed answers: what is rewritten is compressed afterwards.
    encodings: HeaderMap,
}

impl Dress {
    /// Reads what the client wants. What may be rewritten must not be compressed before.
    pub(crate) fn of<B>(request: &mut Request<B>) -> Self {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let headers = request.headers_mut();
        let pretty = match query.get("pretty").filter(|value| !value.is_empty()) {
            Some(value) => matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"),
            None => {
                let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
                let ranges = accept::ranges(headers);
                FOR_PEOPLE.iter().any(|name| agent.starts_with(name.as_bytes()))
                    || ranges.first().is_some_and(|range| range.parameter("pretty") == Some("1"))
            }
        };
        let mut dress = Self { pretty, ..Self::default() };
        if pretty || accept::ranges(headers).iter().any(|range| range.takes_only(Encoding::Yaml)) {
            dress.encodings.extend(headers.remove(header::ACCEPT_ENCODING).map(|value| (header::ACCEPT_ENCODING, value)));
        }
        dress
    }

    /// The answer as it is to look.
    pub(crate) async fn put_on(&self, response: Response) -> Response {
        let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let write: fn(&Value) -> String = match kind {
            _ if response.extensions().get::<Complete>().is_none() => return response,
            kind if kind.starts_with(YAML.as_bytes()) => encode::yaml,
            kind if self.pretty && kind.starts_with(JSON.as_bytes()) => |value| format!("{value:#}"),
            _ => return response,
        };
        let (mut parts, body) = response.into_parts();
        match read(body).await {
            Ok(Some(value)) => {
                let text = Bytes::from(write(&value));
                let dressed = respond::parts(&self.encodings, JSON, text.len(), [text].into_iter());
                let (new, body) = dressed.into_parts();
                for name in [header::CONTENT_ENCODING, header::VARY] {
                    parts.headers.extend(new.headers.get(&name).cloned().map(|value| (name, value)));
                }
                Response::from_parts(parts, body)
            }
            // There is nothing to rewrite, as in an answer that tells that nothing has changed.
            Ok(None) => Response::from_parts(parts, crate::body::empty()),
            Err(status) => respond::refusal(Encoding::Json, &status),
        }
    }
}

/// The value that a body holds, if it holds anything.
async fn read(body: Body) -> Result<Option<Value>, Status> {
    let bytes = body.collect().await.map_err(Status::internal)?.to_bytes();
    if bytes.is_empty() { Ok(None) } else { serde_json::from_slice(&bytes).map(Some).map_err(Status::internal) }
}
