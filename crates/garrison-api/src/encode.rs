//! JSON values to Kubernetes' protobuf, driven by the type graph: the inverse of decoding bodies.
//!
//! Fields lie in the order of their tags, maps in that of their keys, as Go writes them. Go also writes the zeros of fields
//! that it holds by value; they are left out here, for no reader can tell them from what is absent. Fields that the graph
//! knows no tag of are those that upstream's messages do not have.

mod discovery;
mod json_schema;
mod wire;
mod yaml;

pub use yaml::yaml;

use crate::schema::{self, Field, Scalar, Type};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value};
use wire::Writer;

/// The media type.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: &[u8] = b"k8s\0";
/// Content encoding and content type, both empty: the end of an envelope.
pub const ENVELOPE_END: &[u8] = &[0x1a, 0, 0x22, 0];

/// The tag of a list's items; its metadata has the one before.
const ITEMS: u32 = 2;

/// A whole body of an object that says its kind; `None` for kinds that the graph does not know.
pub fn body(object: &Value) -> Option<Vec<u8>> {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    Some(envelope(text("apiVersion"), text("kind"), &message(text("apiVersion"), text("kind"), object)?))
}

/// The bare message of an object; `None` for kinds that the graph does not know.
///
/// Bodies and patches are held to the graph before they are stored. A value that does not fit its field is left out.
pub fn message(api_version: &str, kind: &str, object: &Value) -> Option<Vec<u8>> {
    let mut out = Writer::default();
    match kind {
        "PartialObjectMetadata" => metadata(&mut out, "ObjectMeta", &object["metadata"]),
        _ => match schema::of_kind(api_version, kind) {
            Some(described) => fields(&mut out, described, object.as_object()?),
            None => discovery::document(&mut out, api_version, kind, object.as_object()?)?,
        },
    }
    Some(out.into_bytes())
}

/// A body around the bare message of an object of that kind.
pub fn envelope(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let mut out = envelope_head(api_version, kind, message.len());
    out.extend_from_slice(message);
    out.extend_from_slice(ENVELOPE_END);
    out
}

/// What comes before the first item of a list whose items' messages are of these lengths. Each of them follows its
/// [`item_head`], and [`ENVELOPE_END`] all of them.
pub fn list_head(api_version: &str, kind: &str, list_metadata: &Value, lengths: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut start = Writer::default();
    metadata(&mut start, "ListMeta", list_metadata);
    let start = start.into_bytes();
    let items: usize = lengths.map(|length| item_head(length).len() + length).sum();
    let mut out = envelope_head(api_version, kind, start.len() + items);
    out.extend_from_slice(&start);
    out
}

/// What comes before the message of an item of a list.
pub fn item_head(length: usize) -> Vec<u8> {
    let mut out = Writer::default();
    out.head(ITEMS, length);
    out.into_bytes()
}

/// A frame of a watch: its length in four bytes, then the event with a whole body.
pub fn frame(event: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(1, event.as_bytes());
    out.nested(2, |object| object.bytes(1, body));
    let message = out.into_bytes();
    // A frame beyond four gigabytes would need an object beyond the limit of bodies.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &message].concat()
}

fn envelope_head(api_version: &str, kind: &str, length: usize) -> Vec<u8> {
    let mut out = Writer::default();
    out.raw(MAGIC);
    out.nested(1, |meta| {
        meta.bytes(1, api_version.as_bytes());
        meta.bytes(2, kind.as_bytes());
    });
    out.head(2, length);
    out.into_bytes()
}

fn metadata(out: &mut Writer, name: &str, value: &Value) {
    let described = schema::graph().get(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}"));
    if let (Some(described), Value::Object(map)) = (described, value) {
        out.nested(1, |out| fields(out, described, map));
    }
}

/// Writes the fields of an object. It recurses no deeper than JSON is read, which is 128 levels.
fn fields(out: &mut Writer, described: &Type, object: &Map<String, Value>) {
    let known = object.iter().filter(|(_, value)| !value.is_null()).filter_map(|(name, value)| {
        let field = described.fields.get(name)?;
        Some((field.way(), field.tag?, field, value))
    });
    let mut known: Vec<Known<'_>> = known.collect();
    known.sort_unstable_by_key(|([via, within], tag, ..)| (via.unwrap_or(*tag), within.unwrap_or(*tag), *tag));
    grouped(out, 0, &known);
}

/// Where a field lies, how it is written, and its value.
type Known<'a> = ([Option<u32>; 2], u32, &'a Field, &'a Value);

/// Writes fields that lie in one message; those of the messages embedded in it lie together.
fn grouped(out: &mut Writer, depth: usize, known: &[Known<'_>]) {
    let embedded = |known: &Known<'_>| known.0.get(depth).copied().flatten();
    for group in known.chunk_by(|one, other| embedded(one).is_some() && embedded(one) == embedded(other)) {
        match embedded(&group[0]) {
            Some(tag) => out.nested(tag, |out| grouped(out, depth + 1, group)),
            None => group.iter().for_each(|(_, tag, described, value)| field(out, *tag, described, value)),
        }
    }
}

fn field(out: &mut Writer, tag: u32, described: &Field, value: &Value) {
    match value {
        Value::Object(entries) if described.map => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in entries {
                out.nested(tag, |entry| {
                    entry.bytes(1, key.as_bytes());
                    if described.list {
                        // A list as the value of a map lies in a message of its own, as its only field.
                        entry.nested(2, |list| elements(list, 1, described, value));
                    } else {
                        one(entry, 2, described, value);
                    }
                });
            }
        }
        _ if described.map => {}
        _ if described.list => elements(out, tag, described, value),
        _ => one(out, tag, described, value),
    }
}

fn elements(out: &mut Writer, tag: u32, described: &Field, list: &Value) {
    list.as_array().into_iter().flatten().for_each(|element| one(out, tag, described, element));
}

fn one(out: &mut Writer, tag: u32, described: &Field, value: &Value) {
    if let Some(referred) = described.referred() {
        return match (referred.scalar, value) {
            (Some(scalar), _) => out.nested(tag, |out| special(out, scalar, value)),
            (None, Value::Object(map)) => out.nested(tag, |out| fields(out, referred, map)),
            (None, _) => {}
        };
    }
    match (described.type_name.as_str(), value) {
        ("string", Value::String(text)) => out.bytes(tag, text.as_bytes()),
        ("bytes", Value::String(text)) => out.bytes(tag, &STANDARD.decode(text).unwrap_or_default()),
        ("bool", Value::Bool(set)) => out.number(tag, (*set).into()),
        ("int32" | "int64", Value::Number(number)) => out.number(tag, number.as_i64().unwrap_or_default()),
        ("double", Value::Number(number)) => out.double(tag, number.as_f64().unwrap_or_default()),
        ("time", _) => out.nested(tag, |out| special(out, Scalar::Time, value)),
        ("any", _) => out.nested(tag, |out| special(out, Scalar::Any, value)),
        _ => {}
    }
}

/// Messages that JSON writes as one value.
fn special(out: &mut Writer, scalar: Scalar, value: &Value) {
    match (scalar, value) {
        (Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStringArray, _) => json_schema::write(out, scalar, value),
        (Scalar::Any, Value::Null) => {}
        (Scalar::Any, _) => out.bytes(1, value.to_string().as_bytes()),
        (Scalar::Quantity, Value::String(text)) => out.bytes(1, text.as_bytes()),
        (Scalar::IntOrString, _) => {
            out.number(1, value.is_string().into());
            out.number(2, value.as_i64().unwrap_or_default());
            out.bytes(3, value.as_str().unwrap_or_default().as_bytes());
        }
        (Scalar::Time | Scalar::MicroTime, Value::String(text)) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                let micros = time.as_microsecond();
                out.number(1, micros.div_euclid(1_000_000));
                out.number(2, if scalar == Scalar::MicroTime { micros.rem_euclid(1_000_000) * 1000 } else { 0 });
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
