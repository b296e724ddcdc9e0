//! What a client accepts: the `Accept` header, the preferred first, and the encodings that there are.

use bytes::Bytes;
use garrison_api::{Status, encode};
use http::{HeaderMap, header};
use serde_json::Value;
use std::cmp::Reverse;

/// JSON's media type.
pub(crate) const JSON: &str = "application/json";

/// What answers may be encoded in, for refusals.
pub(crate) const MEDIA_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// What watches may be encoded in, for refusals.
pub(crate) const STREAM_TYPES: &str = "application/json, application/vnd.kubernetes.protobuf";

/// YAML's media type.
pub(crate) const YAML: &str = "application/yaml";

/// How an answer is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Json,
    /// Made of JSON when the answer is complete: see `dress`.
    Yaml,
    Protobuf,
}

impl Encoding {
    /// All of them; whoever takes anything gets the first.
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    /// The encoding of answers that have no other form than their own, such as refusals. They are never themselves refused.
    pub(crate) fn plain(headers: &HeaderMap) -> Self {
        let accepted = ranges(headers);
        let plain = accepted.iter().filter(|range| range.parameter("as").is_none() && range.streams());
        plain.flat_map(|range| Self::ALL.into_iter().filter(|encoding| range.takes(*encoding))).next().unwrap_or_default()
    }

    /// The encoding of a document that has every encoding but no other form.
    ///
    /// # Errors
    /// 406 if the client takes none of them.
    pub(crate) fn required(headers: &HeaderMap) -> Result<Self, Status> {
        let ranges = ranges(headers);
        if ranges.is_empty() {
            return Ok(Self::default());
        }
        let taken = ranges.iter().flat_map(|range| {
            let fits = range.streams();
            let form = range.parameter("as").is_some();
            Self::ALL.into_iter().filter(move |encoding| fits && range.takes(*encoding)).map(move |encoding| (form, encoding))
        });
        // Who asks for a form that is not known here is better served with the plain one than with none.
        let found = taken.min_by_key(|(form, _)| *form).map(|(_, encoding)| encoding);
        found.ok_or_else(|| Status::not_acceptable(MEDIA_TYPES))
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Yaml => YAML,
            Self::Protobuf => encode::PROTOBUF,
        }
    }

    /// The media type of a watch: upstream marks every one but JSON's.
    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::Json | Self::Yaml => JSON,
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }

    /// An object in this encoding.
    pub(crate) fn body(self, object: &Value) -> Bytes {
        match self {
            Self::Json | Self::Yaml => object.to_string().into(),
            Self::Protobuf => encode::body(object).expect("every answer is of a kind in the type graph").into(),
        }
    }
}

/// One of the accepted media ranges, with its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MediaRange<'a> {
    name: &'a str,
    parameters: &'a str,
}

impl<'a> MediaRange<'a> {
    fn parse(text: &'a str) -> Self {
        let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
        Self { name: name.trim(), parameters }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether the encoding is among what the range means.
    pub(crate) fn takes(&self, encoding: Encoding) -> bool {
        matches!(self.name, "*/*" | "application/*") || self.name == encoding.media_type()
    }

    /// Whether it means this encoding and no other.
    pub(crate) fn takes_only(&self, encoding: Encoding) -> bool {
        self.name == encoding.media_type()
    }

    /// Whether the streams that it asks for, if it does, are those of watches: there are no others.
    pub(crate) fn streams(&self) -> bool {
        matches!(self.parameter("stream"), None | Some("" | "watch"))
    }

    /// Specific ranges come before wildcards of the same quality. Upstream refuses none of quality zero: it comes last.
    fn order(&self) -> (Reverse<u32>, bool) {
        let quality =
            self.parameter("q").and_then(|text| text.parse::<f32>().ok()).filter(|quality| (0.0..=1.0).contains(quality));
        // Three digits after the point are all that the grammar has.
        (Reverse((quality.unwrap_or(1.0) * 1000.0).round() as u32), self.name.contains('*'))
    }
}

/// The accepted ranges in the order in which they are tried. None is as good as all.
pub(crate) fn ranges(headers: &HeaderMap) -> Vec<MediaRange<'_>> {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let texts = lists.flat_map(|list| list.split(',')).filter(|text| !text.trim().is_empty());
    let mut ranges: Vec<_> = texts.map(MediaRange::parse).collect();
    ranges.sort_by_key(MediaRange::order);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_one_form_come_in_the_first_encoding_that_is_there() {
        for (accept, encoding) in [
            ("", Encoding::Json),
            ("text/html", Encoding::Json),
            ("*/*", Encoding::Json),
            ("application/vnd.kubernetes.protobuf,application/json", Encoding::Protobuf),
            ("application/json, application/vnd.kubernetes.protobuf", Encoding::Json),
            ("application/json;q=0.5, application/vnd.kubernetes.protobuf;q=0.7", Encoding::Protobuf),
            ("*/*, application/vnd.kubernetes.protobuf", Encoding::Protobuf),
            ("application/json;q=bad, application/vnd.kubernetes.protobuf", Encoding::Json),
            ("application/vnd.kubernetes.protobuf;stream=other, */*;q=0.1", Encoding::Json),
            ("application/vnd.kubernetes.protobuf;stream=watch", Encoding::Protobuf),
            ("application/yaml", Encoding::Yaml),
            ("application/cbor, application/yaml;q=0.9, application/*;q=0.8", Encoding::Yaml),
            ("application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json", Encoding::Json),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(Encoding::plain(&headers), encoding, "{accept}");
        }
    }
}
