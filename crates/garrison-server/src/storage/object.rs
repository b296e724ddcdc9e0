//! An object as the server keeps it: its JSON bytes, and the few things that selectors ask for.

use bytes::Bytes;
use garrison_api::{
    Resource,
    custom::{Rows, Shape, Slot},
    encode, face, resource,
};
use garrison_store::{Record, Revision};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::Write as _,
    ops::Range,
    sync::{LazyLock, OnceLock},
};

/// An object in memory: bytes that go to clients as they are.
///
/// The `resourceVersion` is not part of what is persisted; it is written into the bytes when the store has assigned it.
#[derive(Debug, Clone)]
pub(crate) struct StoredObject {
    resource: &'static Resource,
    bytes: Bytes,
    /// Where in the bytes the `resourceVersion` stands, or belongs.
    stamp: Range<usize>,
    labels: BTreeMap<String, String>,
    /// Values of the resource's selectable fields, in their order.
    fields: Box<[Box<str>]>,
    /// The version of a custom kind that this is the form of; 0 for other kinds, and when it is not known.
    serial: u64,
    /// The message in protobuf, once somebody who watches was told of it.
    message: OnceLock<Bytes>,
}

impl StoredObject {
    /// Makes the form from an object as it is kept. A `resourceVersion` in it is ignored.
    ///
    /// # Errors
    /// When it is no object with metadata.
    pub(crate) fn new(resource: &'static Resource, object: &Value) -> Result<Self, String> {
        Self::made(resource.kept_as().unwrap_or(resource), object)
    }

    fn made(resource: &'static Resource, object: &Value) -> Result<Self, String> {
        let fields = object.as_object().ok_or("not an object")?;
        let metadata = fields.get("metadata").and_then(Value::as_object).ok_or("no metadata")?;
        if metadata.keys().all(|name| name == "resourceVersion") {
            return Err("empty metadata".into());
        }
        let (bytes, at) = serialize(fields, metadata).map_err(|error| error.to_string())?;
        let labels = metadata.get("labels").and_then(Value::as_object).into_iter().flatten();
        let labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
        let fields = resource.selectable_fields.iter().map(|label| (resource.field)(object, label).into()).collect();
        let serial = resource.custom.and_then(Slot::version).map_or(0, |version| version.serial);
        Ok(Self { resource, bytes: bytes.into(), stamp: at..at, labels, fields, serial, message: OnceLock::new() })
    }

    /// The object as a version of a custom kind serves it now; `None` when that is how it is.
    pub(crate) fn served(&self, resource: &'static Resource) -> Option<Self> {
        let version = resource.custom?.version()?;
        if std::ptr::eq(self.resource, resource) && self.serial == version.serial {
            return None;
        }
        let mut object = self.shown();
        object["apiVersion"] = resource.api_version().into();
        version.settle(&mut object);
        let revision = object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        // What was an object with metadata is one still.
        let served = Self::new(resource, &object).ok()?;
        Some(revision.map_or_else(|| served.clone(), |revision| served.stamped(revision)))
    }

    /// The object as it is stored: all versions of a custom kind are kept in one.
    pub(crate) fn in_storage_version(self) -> Self {
        let version = self.resource.custom.and_then(Slot::version);
        let Some(version) = version.filter(|version| version.storage != self.resource.version) else { return self };
        let mut object = self.value();
        object["apiVersion"] = format!("{}/{}", self.resource.group, version.storage).into();
        match Self::new(self.resource, &object) {
            Ok(stored) => Self { serial: 0, ..stored },
            Err(_) => self,
        }
    }

    /// The kind.
    pub(crate) fn resource(&self) -> &'static Resource {
        self.resource
    }

    /// The object in the version of which a client speaks.
    pub(crate) fn seen_as(&self, resource: &'static Resource) -> Cow<'_, Self> {
        if resource.kept_as().is_none() {
            return Cow::Borrowed(self);
        }
        let shown = self.shown();
        let revision = shown["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        let seen = Self::made(resource, &face::shown(resource, shown)).expect("it has the metadata of what is kept");
        Cow::Owned(revision.map_or_else(|| seen.clone(), |revision| seen.stamped(revision)))
    }

    /// The JSON.
    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The message in protobuf.
    pub(crate) fn message(&self) -> Bytes {
        self.message.get().cloned().unwrap_or_else(|| self.encoded())
    }

    /// The message in protobuf, kept for all others who watch.
    pub(crate) fn kept_message(&self) -> &Bytes {
        self.message.get_or_init(|| self.encoded())
    }

    fn encoded(&self) -> Bytes {
        let message = encode::message(&self.resource.api_version(), self.resource.kind, &self.shown());
        message.expect("every served kind is in the type graph").into()
    }

    /// The labels.
    pub(crate) fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The value of a selectable field other than name and namespace; those are in the key.
    pub(crate) fn field(&self, label: &str) -> Option<&str> {
        let at = self.resource.selectable_fields.iter().position(|field| *field == label)?;
        Some(&self.fields[at])
    }

    /// The object as clients see it.
    pub(crate) fn shown(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("the bytes were made from a value")
    }

    /// The object without its `resourceVersion`.
    pub(crate) fn value(&self) -> Value {
        let mut value = self.shown();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        value
    }
}

/// A row for an object of a custom kind that was read from disk, perhaps before its definition was.
///
/// It is served by nobody: whoever asks for the object asks by a row of the registry, and gets it in that row's version.
fn custom_row(key: &str, object: &Value) -> Option<&'static Resource> {
    static ROWS: LazyLock<Mutex<Rows>> = LazyLock::new(Mutex::default);
    let (group, version) = object["apiVersion"].as_str()?.split_once('/')?;
    let collection = key.split('/').next()?;
    let plural = collection.strip_suffix(group)?.strip_suffix('.')?;
    let kind = object["kind"].as_str()?;
    let shape = Shape {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        list_kind: format!("{kind}List"),
        plural: plural.into(),
        singular: String::new(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: key.matches('/').count() > 1,
        has_status: false,
        has_scale: false,
        selectable_fields: Vec::new(),
    };
    Some(ROWS.lock().of(&shape))
}

/// The bytes of an object, and where in them a `resourceVersion` belongs: at the start of its metadata.
fn serialize(fields: &Map<String, Value>, metadata: &Map<String, Value>) -> serde_json::Result<(Vec<u8>, usize)> {
    let mut out = Vec::with_capacity(1024);
    let mut at = 0;
    for (name, value) in fields {
        out.push(if out.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut out, name)?;
        out.push(b':');
        if name != "metadata" {
            serde_json::to_writer(&mut out, value)?;
            continue;
        }
        at = out.len() + 1;
        if metadata.contains_key("resourceVersion") {
            let rest: Map<_, _> =
                metadata.iter().filter(|(name, _)| *name != "resourceVersion").map(|(n, v)| (n.clone(), v.clone())).collect();
            serde_json::to_writer(&mut out, &rest)?;
        } else {
            serde_json::to_writer(&mut out, metadata)?;
        }
    }
    out.push(b'}');
    Ok((out, at))
}

impl Record for StoredObject {
    fn load(key: &str, value: Bytes) -> Result<Self, String> {
        let collection = key.split('/').next().unwrap_or_default();
        let mut object: Value = serde_json::from_slice(&value).map_err(|error| error.to_string())?;
        let kind = resource::resources().iter().find(|resource| super::collection(resource) == collection);
        let kind = kind.or_else(|| custom_row(key, &object)).ok_or_else(|| format!("this program does not know {collection}"))?;
        super::genuine::check(kind, key, &mut object)?;
        Self::new(kind, &object)
    }

    fn stamped(&self, revision: Revision) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len() + 44);
        bytes.extend_from_slice(&self.bytes[..self.stamp.start]);
        write!(bytes, "\"resourceVersion\":\"{revision}\",").expect("a vector takes all bytes");
        let stamp = self.stamp.start..bytes.len();
        bytes.extend_from_slice(&self.bytes[self.stamp.end..]);
        Self { bytes: bytes.into(), stamp, message: OnceLock::new(), ..self.clone() }
    }

    /// Objects that belong to a node are found by it.
    fn term(&self) -> Option<&str> {
        self.field("spec.nodeName").filter(|node| !node.is_empty() && self.resource.custom.is_none())
    }

    fn size(&self) -> usize {
        // Messages do not count: an object weighs the same as long as it is kept.
        const OVERHEAD: usize = 400;
        OVERHEAD + self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind() -> &'static Resource {
        resource::find("", "v1", "configmaps").unwrap()
    }

    #[test]
    fn a_stamp_is_written_and_overwritten_and_never_kept() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"metadata": "{}"}, "metadata": {"name": "a", "labels": {"x": "y"}}});
        let stored = StoredObject::new(kind(), &object).unwrap();
        assert_eq!((stored.shown(), stored.value()), (object.clone(), object.clone()));
        for revision in [7, 12345, 3] {
            let stamped = stored.stamped(revision).stamped(9).stamped(revision);
            let mut shown = object.clone();
            shown["metadata"]["resourceVersion"] = json!(revision.to_string());
            assert_eq!((stamped.shown(), stamped.value()), (shown.clone(), object.clone()));
            let again = StoredObject::new(kind(), &shown).unwrap();
            assert_eq!(again.bytes(), stored.bytes());
        }
        assert_eq!(stored.labels().get("x").map(String::as_str), Some("y"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in [
            json!([]),
            json!({}),
            json!({"metadata": {}}),
            json!({"metadata": {"resourceVersion": "1"}}),
            json!({"metadata": []}),
        ] {
            assert!(StoredObject::new(kind(), &bad).is_err(), "{bad}");
        }
        assert!(StoredObject::load("unknown.things/a", Bytes::from_static(b"{}")).is_err());
        assert!(StoredObject::load("configmaps/a/b", Bytes::from_static(b"{")).is_err());
    }
}
