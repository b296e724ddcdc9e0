//! Answers: objects, refusals in Kubernetes' form, warnings, compression.

use crate::{
    accept::{Encoding, JSON},
    body::{self, Body},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use garrison_api::Status;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::io;

/// An answer of this server.
pub(crate) type Response = http::Response<Body>;

/// Marks an answer that has an end: it may be rewritten as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Complete;

/// Bodies smaller than this are not worth compressing.
const WORTH_COMPRESSING: usize = 128 << 10;

/// Bytes that a streamed body hands over at a time.
const PIECE: usize = 64 << 10;

/// An answer whose bytes are at hand.
pub(crate) fn bytes(code: StatusCode, content_type: &str, bytes: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(body::full(bytes));
    response.extensions_mut().insert(Complete);
    *response.status_mut() = code;
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// An answer in JSON.
pub(crate) fn json(code: StatusCode, value: &Value) -> Response {
    bytes(code, JSON, value.to_string())
}

/// An answer that shows an object.
pub(crate) fn object(code: StatusCode, encoding: Encoding, object: &Value) -> Response {
    bytes(code, encoding.media_type(), encoding.body(object))
}

/// A text for people.
pub(crate) fn text(code: StatusCode, text: impl Into<Bytes>) -> Response {
    bytes(code, "text/plain; charset=utf-8", text)
}

/// A refusal.
pub(crate) fn refusal(encoding: Encoding, status: &Status) -> Response {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = object(code, encoding, &status.to_value());
    let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if seconds > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if code == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// That something was done, where there is no object to show.
pub(crate) fn success(code: StatusCode, encoding: Encoding, details: Option<Value>) -> Response {
    let mut value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    match details {
        Some(details) => value["details"] = details,
        None => value["code"] = code.as_u16().into(),
    }
    object(code, encoding, &value)
}

/// Adds `Warning` headers, which clients print.
pub(crate) fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        // A header cannot carry control characters, and clients read only ASCII.
        let plain = warning.chars().filter(|c| c.is_ascii() && !c.is_ascii_control());
        let escaped: String = plain.flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c])).collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

/// Whether the client takes compressed answers.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|list| list.split(',')).any(|encoding| {
        let (name, quality) = encoding.split_once(';').unwrap_or((encoding, ""));
        name.trim() == "gzip" && !quality.replace(' ', "").eq("q=0")
    })
}

/// An answer made of parts as it is sent, so that a long list never stands in memory as a whole.
///
/// `size` is about how many bytes there will be: long answers are compressed if the client takes that.
pub(crate) fn parts(
    headers: &HeaderMap,
    media_type: &'static str,
    size: usize,
    parts: impl Iterator<Item = Bytes> + Send + 'static,
) -> Response {
    let gzip = size > WORTH_COMPRESSING && takes_gzip(headers);
    let body = if gzip {
        body::pieces(Pieces { parts: Some(parts), sink: GzEncoder::new(Vec::with_capacity(PIECE), Compression::fast()) })
    } else {
        body::pieces(Pieces { parts: Some(parts), sink: Vec::with_capacity(PIECE.min(size + 512)) })
    };
    let mut response = http::Response::new(body);
    response.extensions_mut().insert(Complete);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

/// Where the parts go on their way out.
trait Sink: io::Write {
    /// What has come out so far.
    fn out(&mut self) -> &mut Vec<u8>;
    /// Brings out what is still inside.
    fn finish(&mut self) -> io::Result<()>;
}

impl Sink for Vec<u8> {
    fn out(&mut self) -> &mut Vec<u8> {
        self
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for GzEncoder<Vec<u8>> {
    fn out(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.try_finish()
    }
}

/// Parts, gathered into pieces of a size worth sending.
struct Pieces<I, S> {
    parts: Option<I>,
    sink: S,
}

impl<I: Iterator<Item = Bytes>, S: Sink> Iterator for Pieces<I, S> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        // Writing into a vector cannot fail, compressed or not.
        while let Some(parts) = &mut self.parts
            && self.sink.out().len() < PIECE
        {
            match parts.next() {
                Some(part) => self.sink.write_all(&part).ok()?,
                None => {
                    self.sink.finish().ok()?;
                    self.parts = None;
                }
            }
        }
        let piece = std::mem::take(self.sink.out());
        (!piece.is_empty()).then(|| piece.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Read;

    async fn collected(accept_encoding: &'static str, count: usize) -> (Option<HeaderValue>, Vec<u8>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept_encoding));
        let response = parts(&headers, JSON, count * 7, (0..count).map(|n| format!("{n:06},").into()));
        let encoding = response.headers().get(header::CONTENT_ENCODING).cloned();
        (encoding, response.into_body().collect().await.unwrap().to_bytes().into())
    }

    #[tokio::test]
    async fn long_answers_are_compressed_for_those_who_take_it() {
        for (accept, count, compressed) in
            [("gzip", 100_000, true), ("gzip", 100, false), ("br, gzip;q=0", 100_000, false), ("", 0, false)]
        {
            let (encoding, mut body) = collected(accept, count).await;
            assert_eq!(encoding.is_some(), compressed, "{accept} {count}");
            if compressed {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
                body = plain;
            }
            let expected: String = (0..count).map(|n| format!("{n:06},")).collect();
            assert!(body == expected.as_bytes(), "{accept} {count}");
        }
    }

    #[test]
    fn warnings_are_quoted() {
        let mut response = text(StatusCode::OK, "");
        warn(&mut response, &["unknown field \"a\\b\"\n".into(), "second".into()]);
        let warnings: Vec<_> = response.headers().get_all(header::WARNING).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(warnings, [r#"299 - "unknown field \"a\\b\"""#, r#"299 - "second""#]);
    }
}
