//! The forms in which a client may ask for objects: whole, as rows of a table, or only their metadata.

use crate::{request::Query, storage::StoredObject};
use bytes::Bytes;
use garrison_api::{Resource, Status, table, table::IncludeObject};
use http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How objects are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Whole,
    /// As rows that `kubectl get` prints.
    Table(&'static str, IncludeObject),
    /// Their metadata only.
    Metadata(&'static str),
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
    pub(crate) fn negotiate(headers: &HeaderMap, query: &Query, shape: Shape) -> Result<Self, Status> {
        let include = match query.get("includeObject").unwrap_or_default() {
            "None" => IncludeObject::None,
            "" | "Metadata" => IncludeObject::Metadata,
            "Object" => IncludeObject::Object,
            other => return Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
        };
        let accepted: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let mut ranges =
            accepted.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|range| !range.is_empty()).peekable();
        if ranges.peek().is_none() {
            return Ok(Self::Whole);
        }
        let form = ranges.find_map(|range| Self::of_range(range, include, shape));
        form.ok_or_else(|| Status::not_acceptable("application/json"))
    }

    fn of_range(range: &str, include: IncludeObject, shape: Shape) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
            return None;
        }
        let parameter = |name: &str| parts.clone().find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let Some(form) = parameter("as") else { return Some(Self::Whole) };
        let version = match (parameter("g"), parameter("v")) {
            (Some("meta.k8s.io"), Some("v1")) => "meta.k8s.io/v1",
            (Some("meta.k8s.io"), Some("v1beta1")) => "meta.k8s.io/v1beta1",
            _ => return None,
        };
        match (form, shape) {
            ("Table", _) => Some(Self::Table(version, include)),
            ("PartialObjectMetadata", Shape::One) | ("PartialObjectMetadataList", Shape::List) => Some(Self::Metadata(version)),
            _ => None,
        }
    }

    /// One object in this form.
    pub(crate) fn object(self, object: &StoredObject, now: Timestamp) -> Bytes {
        match self {
            Self::Whole => object.bytes(),
            Self::Metadata(version) => metadata(version, &object.shown()).to_string().into(),
            Self::Table(..) => {
                let shown = object.shown();
                let list_metadata = json!({"resourceVersion": shown["metadata"]["resourceVersion"]});
                let columns = table::columns(object.resource());
                let row = self.row(object.resource(), &shown, now);
                self.table(&list_metadata, Some(&columns), &[row]).to_string().into()
            }
        }
    }

    /// A part of a list in this form: an item, or a row.
    pub(crate) fn item(self, object: &StoredObject, now: Timestamp) -> Bytes {
        match self {
            Self::Whole => object.bytes(),
            Self::Metadata(version) => metadata(version, &object.shown()).to_string().into(),
            Self::Table(..) => self.row(object.resource(), &object.shown(), now).to_string().into(),
        }
    }

    fn row(self, resource: &'static Resource, shown: &Value, now: Timestamp) -> Value {
        let Self::Table(version, include) = self else { return Value::Null };
        let mut row = table::row(resource, shown, include, now);
        if include == IncludeObject::Metadata {
            row["object"]["apiVersion"] = version.into();
        }
        row
    }

    /// A table of these rows.
    pub(crate) fn table(self, metadata: &Value, columns: Option<&Value>, rows: &[Value]) -> Value {
        let Self::Table(version, _) = self else { return Value::Null };
        json!({"kind": "Table", "apiVersion": version, "metadata": metadata, "columnDefinitions": columns, "rows": rows})
    }

    /// What comes before the items of a list, up to the bracket that they stand in.
    pub(crate) fn list_head(self, resource: &Resource, metadata: &Value) -> Bytes {
        let head =
            |kind: &str, version: &str| format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{version}\",\"metadata\":{metadata},");
        let text = match self {
            Self::Whole => head(&format!("{}List", resource.kind), &resource.api_version()) + "\"items\":[",
            Self::Metadata(version) => head("PartialObjectMetadataList", version) + "\"items\":[",
            Self::Table(version, _) => {
                head("Table", version) + &format!("\"columnDefinitions\":{},\"rows\":[", table::columns(resource))
            }
        };
        text.into()
    }

    /// An object of a watch event. Only the first table of a watch has column definitions.
    pub(crate) fn event(self, object: &StoredObject, first: bool, now: Timestamp) -> Bytes {
        match self {
            Self::Whole | Self::Metadata(_) => self.object(object, now),
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
    pub(crate) fn bookmark(self, resource: &Resource, revision: u64, initial_end: bool) -> Value {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        match self {
            Self::Whole => json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata}),
            Self::Metadata(version) => json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": metadata}),
            Self::Table(..) => self.table(&metadata, None, &[]),
        }
    }
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
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(header::ACCEPT, accept.parse().unwrap());
        }
        assert_eq!(Form::negotiate(&headers, &Query::default(), shape).map_err(|status| status.code), form, "{accept}");
    }

    #[test]
    fn the_first_form_that_can_be_had_is_taken() {
        let table = |version| Ok(Form::Table(version, IncludeObject::Metadata));
        check("", Shape::List, Ok(Form::Whole));
        check("*/*", Shape::List, Ok(Form::Whole));
        check("application/vnd.kubernetes.protobuf,application/json", Shape::One, Ok(Form::Whole));
        check("application/vnd.kubernetes.protobuf", Shape::One, Err(406));
        check("text/html", Shape::One, Err(406));
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
            Ok(Form::Metadata("meta.k8s.io/v1")),
        );
        check("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Shape::One, Err(406));
        check("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json", Shape::List, Ok(Form::Whole));
    }
}
