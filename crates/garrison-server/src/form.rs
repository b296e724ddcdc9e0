//! The forms in which a client may ask for objects: whole, as rows of a table, or only their metadata.

use crate::{
    accept::{self, Encoding, MediaRange},
    request::Query,
    storage::StoredObject,
};
use bytes::Bytes;
use garrison_api::{Resource, Status, encode, table, table::IncludeObject};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

/// How objects are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Whole(Encoding),
    /// As rows that `kubectl get` prints, never in protobuf.
    Table(Encoding, &'static str, IncludeObject),
    /// Their metadata only.
    Metadata(Encoding, &'static str),
}

/// What is shown: it decides which of the `as` names fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    List,
}

impl Form {
    /// The first of the accepted forms that can be had.
    ///
    /// # Errors
    /// 406 if none can.
    pub(crate) fn negotiate(resource: &Resource, headers: &HeaderMap, query: &Query, shape: Shape) -> Result<Self, Status> {
        let include = match query.get("includeObject").unwrap_or_default() {
            "None" => IncludeObject::None,
            "" | "Metadata" => IncludeObject::Metadata,
            "Object" => IncludeObject::Object,
            other => return Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
        };
        let ranges = accept::ranges(headers);
        if ranges.is_empty() {
            return Ok(Self::Whole(Encoding::default()));
        }
        let mut forms = ranges.iter().flat_map(|range| {
            let taken = Encoding::ALL.into_iter().filter(|encoding| range.takes(*encoding));
            taken.filter_map(|encoding| Self::of_range(range, encoding, include, shape))
        });
        forms
            .find(|form| *form != Self::Whole(Encoding::Protobuf) || resource.has_messages())
            .ok_or_else(|| Status::not_acceptable(accept::MEDIA_TYPES))
    }

    fn of_range(range: &MediaRange<'_>, encoding: Encoding, include: IncludeObject, shape: Shape) -> Option<Self> {
        if !range.streams() {
            return None;
        }
        let Some(form) = range.parameter("as") else { return Some(Self::Whole(encoding)) };
        let version = match (range.parameter("g"), range.parameter("v")) {
            (Some("meta.k8s.io"), Some("v1")) => "meta.k8s.io/v1",
            (Some("meta.k8s.io"), Some("v1beta1")) => "meta.k8s.io/v1beta1",
            _ => return None,
        };
        match (form, shape) {
            ("Table", _) if encoding != Encoding::Protobuf => Some(Self::Table(encoding, version, include)),
            ("PartialObjectMetadata", Shape::One) | ("PartialObjectMetadataList", Shape::List) => {
                Some(Self::Metadata(encoding, version))
            }
            _ => None,
        }
    }

    /// This form for a watch.
    ///
    /// # Errors
    /// 406 in YAML, of which there are no streams.
    pub(crate) fn streamed(self) -> Result<Self, Status> {
        if self.encoding() == Encoding::Yaml { Err(Status::not_acceptable(accept::STREAM_TYPES)) } else { Ok(self) }
    }

    /// How answers of this form are encoded.
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Self::Whole(encoding) | Self::Metadata(encoding, _) | Self::Table(encoding, ..) => encoding,
        }
    }

    /// One object in this form.
    pub(crate) fn object(self, object: &StoredObject, now: Timestamp) -> Bytes {
        match self {
            Self::Whole(Encoding::Json | Encoding::Yaml) => object.bytes(),
            Self::Whole(Encoding::Protobuf) => enveloped(object.resource(), &object.message()),
            Self::Metadata(encoding, version) => encoding.body(&metadata(version, &object.shown())),
            Self::Table(..) => {
                let shown = object.shown();
                let list_metadata = json!({"resourceVersion": shown["metadata"]["resourceVersion"]});
                let columns = table::columns(object.resource());
                let row = self.row(object.resource(), &shown, now);
                self.table(&list_metadata, Some(&columns), &[row]).to_string().into()
            }
        }
    }

    /// A part of a list in this form: an item, or a row. In protobuf it is the bare message.
    pub(crate) fn item(self, object: &StoredObject, now: Timestamp) -> Bytes {
        match self {
            Self::Whole(Encoding::Json | Encoding::Yaml) => object.bytes(),
            Self::Whole(Encoding::Protobuf) => object.message(),
            Self::Metadata(Encoding::Json | Encoding::Yaml, version) => metadata(version, &object.shown()).to_string().into(),
            Self::Metadata(Encoding::Protobuf, version) => {
                let message = encode::message(version, "PartialObjectMetadata", &object.shown());
                message.expect("metadata has a message").into()
            }
            Self::Table(..) => self.row(object.resource(), &object.shown(), now).to_string().into(),
        }
    }

    fn row(self, resource: &'static Resource, shown: &Value, now: Timestamp) -> Value {
        let Self::Table(_, version, include) = self else { return Value::Null };
        let mut row = table::row(resource, shown, include, now);
        if include == IncludeObject::Metadata {
            row["object"]["apiVersion"] = version.into();
        }
        row
    }

    /// A table of these rows.
    pub(crate) fn table(self, metadata: &Value, columns: Option<&Value>, rows: &[Value]) -> Value {
        let Self::Table(_, version, _) = self else { return Value::Null };
        json!({"kind": "Table", "apiVersion": version, "metadata": metadata, "columnDefinitions": columns, "rows": rows})
    }

    /// Version and kind of a list in this form.
    pub(crate) fn list_kind(self, resource: &Resource) -> (String, String) {
        match self {
            Self::Whole(_) => (resource.api_version(), resource.list_kind()),
            Self::Metadata(_, version) => (version.into(), "PartialObjectMetadataList".into()),
            Self::Table(_, version, _) => (version.into(), "Table".into()),
        }
    }

    /// What comes before the items of a list in JSON, up to the bracket that they stand in.
    pub(crate) fn list_head(self, resource: &Resource, metadata: &Value) -> Bytes {
        let (version, kind) = self.list_kind(resource);
        let items = match self {
            Self::Whole(_) | Self::Metadata(..) => "\"items\":[".into(),
            Self::Table(..) => format!("\"columnDefinitions\":{},\"rows\":[", table::columns(resource)),
        };
        format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{version}\",\"metadata\":{metadata},{items}").into()
    }

    /// An object of a watch event. Only the first table of a watch has column definitions.
    pub(crate) fn event(self, object: &StoredObject, first: bool, now: Timestamp) -> Bytes {
        match self {
            // All who watch are told of the same object.
            Self::Whole(Encoding::Protobuf) => enveloped(object.resource(), object.kept_message()),
            Self::Whole(Encoding::Json | Encoding::Yaml) | Self::Metadata(..) => self.object(object, now),
            Self::Table(..) if first => self.object(object, now),
            Self::Table(..) => {
                let shown = object.shown();
                let list_metadata = json!({"resourceVersion": shown["metadata"]["resourceVersion"]});
                let row = self.row(object.resource(), &shown, now);
                self.table(&list_metadata, None, &[row]).to_string().into()
            }
        }
    }

    /// The object of a bookmark: nothing but how far the watch has come.
    pub(crate) fn bookmark(self, resource: &Resource, revision: u64, initial_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self {
            Self::Whole(_) => json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata}),
            Self::Metadata(_, version) => json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": metadata}),
            Self::Table(..) => self.table(&metadata, None, &[]),
        };
        self.encoding().body(&object)
    }
}

/// A body of the message of an object.
fn enveloped(resource: &Resource, message: &[u8]) -> Bytes {
    encode::envelope(&resource.api_version(), resource.kind, message).into()
}

fn metadata(version: &str, shown: &Value) -> Value {
    let mut partial = table::partial_metadata(shown);
    partial["apiVersion"] = version.into();
    partial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, shape: Shape, form: Result<Form, u16>) {
        let pods = garrison_api::resource::find("", "v1", "pods").unwrap();
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(http::header::ACCEPT, accept.parse().unwrap());
        }
        assert_eq!(Form::negotiate(pods, &headers, &Query::default(), shape).map_err(|status| status.code), form, "{accept}");
    }

    #[test]
    fn the_first_form_that_can_be_had_is_taken() {
        let table = |version| Ok(Form::Table(Encoding::Json, version, IncludeObject::Metadata));
        let (json, protobuf) = (Ok(Form::Whole(Encoding::Json)), Ok(Form::Whole(Encoding::Protobuf)));
        check("", Shape::List, json);
        check("*/*", Shape::List, json);
        check("application/vnd.kubernetes.protobuf,application/json", Shape::One, protobuf);
        check("application/json;q=0.9,application/vnd.kubernetes.protobuf", Shape::One, protobuf);
        check("application/vnd.kubernetes.protobuf;stream=watch", Shape::One, protobuf);
        check("application/vnd.kubernetes.protobuf;stream=other", Shape::One, Err(406));
        check("text/html", Shape::One, Err(406));
        check("text/html, application/json;q=0.1", Shape::One, json);
        check("application/yaml", Shape::One, Ok(Form::Whole(Encoding::Yaml)));
        check("application/cbor", Shape::One, Err(406));
        let in_yaml = Form::Table(Encoding::Yaml, "meta.k8s.io/v1", IncludeObject::Metadata);
        check("application/yaml;as=Table;v=v1;g=meta.k8s.io", Shape::List, Ok(in_yaml));
        // There are no tables in protobuf.
        check("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", Shape::List, Err(406));
        check("application/*;as=Table;v=v1;g=meta.k8s.io", Shape::List, table("meta.k8s.io/v1"));
        let kubectl =
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        check(kubectl, Shape::List, table("meta.k8s.io/v1"));
        check(
            "application/json;as=Table;v=v2;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io",
            Shape::One,
            table("meta.k8s.io/v1beta1"),
        );
        check(
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Shape::List,
            Ok(Form::Metadata(Encoding::Json, "meta.k8s.io/v1")),
        );
        let informer = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
        check(informer, Shape::One, Ok(Form::Metadata(Encoding::Protobuf, "meta.k8s.io/v1")));
        check("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Shape::One, Err(406));
        check("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json", Shape::List, json);
    }
}
