//! Kubernetes' protobuf envelope to a JSON value, driven by the type graph.
//!
//! The envelope is `k8s\0` and `runtime.Unknown{typeMeta = 1, raw = 2}`; `raw` holds the object's message.

mod json_schema;
mod wire;

use super::scalar;
use crate::schema::{self, Field, Scalar, Type};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use wire::{Reader, Wire};

const MAGIC: &[u8] = b"k8s\0";
/// Messages nest a few dozen deep at most (JSON schema properties); a hostile body must not exhaust the stack.
const DEEPEST: usize = 64;

/// What is stored must be readable as JSON, also where JSON lies in a message.
const DEEPEST_JSON: usize = 127;

/// Why a body is no protobuf of ours.
pub(super) type Result<T> = std::result::Result<T, &'static str>;

/// Decodes a whole body.
pub(super) fn decode(body: &[u8]) -> std::result::Result<Value, String> {
    envelope(body).map_err(|why| format!("the body is no Kubernetes protobuf: {why}"))
}

fn envelope(body: &[u8]) -> Result<Value> {
    let mut reader = Reader::new(body.strip_prefix(MAGIC).ok_or("it does not begin with k8s\\0")?);
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    while let Some((tag, value)) = reader.next()? {
        match tag {
            1 => {
                let mut meta = Reader::new(value.bytes()?);
                while let Some((tag, value)) = meta.next()? {
                    match tag {
                        1 => api_version = value.text()?,
                        2 => kind = value.text()?,
                        _ => {}
                    }
                }
            }
            2 => raw = value.bytes()?,
            _ => {}
        }
    }
    let described = schema::of_kind(&api_version, &kind).ok_or("its kind is not known here")?;
    let mut object = message(described, raw, 0)?;
    if levels(&object) > DEEPEST_JSON {
        return Err("it is nested too deep");
    }
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    Ok(object)
}

/// How deep a value nests.
fn levels(value: &Value) -> usize {
    let within = match value {
        Value::Array(list) => list.iter().map(levels).max(),
        Value::Object(map) => map.values().map(levels).max(),
        _ => return 0,
    };
    1 + within.unwrap_or(0)
}

fn message(described: &Type, bytes: &[u8], depth: usize) -> Result<Value> {
    let mut map = Map::new();
    fill(described, [None, None], bytes, &mut map, depth)?;
    Ok(Value::Object(map))
}

/// Reads the fields of a message, or of the embedded one to which the way leads, into one JSON object.
fn fill(described: &Type, way: [Option<u32>; 2], bytes: &[u8], map: &mut Map<String, Value>, depth: usize) -> Result<()> {
    if depth > DEEPEST {
        return Err("it is nested too deep");
    }
    let mut reader = Reader::new(bytes);
    while let Some((tag, value)) = reader.next()? {
        let further = match way {
            [None, _] => [Some(tag), None],
            [via, _] => [via, Some(tag)],
        };
        let leads = |field: &Field| field.via == further[0] && (further[1].is_none() || field.within == further[1]);
        if way[1].is_none() && described.fields.values().any(leads) {
            fill(described, further, value.bytes()?, map, depth + 1)?;
            continue;
        }
        // A tag that the graph does not know is a field newer than it.
        let known = described.fields.iter().find(|(_, field)| field.tag == Some(tag) && field.way() == way);
        if let Some((name, _)) = known {
            add(name, described, &value, map, depth)?;
        }
    }
    Ok(())
}

fn add(name: &str, described: &Type, value: &Wire<'_>, map: &mut Map<String, Value>, depth: usize) -> Result<()> {
    let Some(field) = described.fields.get(name) else { return Ok(()) };
    if field.map {
        let mut entry = Reader::new(value.bytes()?);
        let (mut key, mut element) = (String::new(), Wire::Bytes(&[]));
        while let Some((tag, value)) = entry.next()? {
            match tag {
                1 => key = value.text()?,
                2 => element = value,
                _ => {}
            }
        }
        let element = if field.list { wrapped_list(field, element.bytes()?, depth)? } else { one(field, &element, depth)? };
        if let Some(entries) = map.entry(name).or_insert_with(|| json!({})).as_object_mut() {
            entries.insert(key, element);
        }
    } else if field.list {
        let element = one(field, value, depth)?;
        if let Some(list) = map.entry(name).or_insert_with(|| json!([])).as_array_mut() {
            list.push(element);
        }
    } else {
        let element = one(field, value, depth)?;
        if described.requires(name) || says_something(field, &element) {
            map.insert(name.into(), element);
        }
    }
    Ok(())
}

/// A list as the value of a map lies in a message of its own, as its only field.
fn wrapped_list(field: &Field, bytes: &[u8], depth: usize) -> Result<Value> {
    let (mut list, mut reader) = (Vec::new(), Reader::new(bytes));
    while let Some((_, value)) = reader.next()? {
        list.push(one(field, &value, depth)?);
    }
    Ok(list.into())
}

/// Go's protobuf encoder writes zeros that its JSON encoder leaves out. Messages are there because they are meant.
fn says_something(field: &Field, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Bool(set) => *set || !field.plain,
        Value::Number(number) => number.as_f64() != Some(0.0) || !field.plain,
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn one(field: &Field, value: &Wire<'_>, depth: usize) -> Result<Value> {
    if let Some(described) = field.referred() {
        return match described.scalar {
            None => message(described, value.bytes()?, depth + 1),
            Some(scalar @ (Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStringArray)) => {
                json_schema::read(scalar, value.bytes()?, depth)
            }
            Some(scalar) => special(scalar, value.bytes()?),
        };
    }
    match field.type_name.as_str() {
        "string" => value.text().map(Value::from),
        "bytes" => Ok(STANDARD.encode(value.bytes()?).into()),
        "bool" => Ok((value.varint()? != 0).into()),
        // Negative numbers travel as 64 bits in two's complement.
        "int32" | "int64" => Ok(value.varint()?.cast_signed().into()),
        "double" => value.double().map(number),
        "time" => special(Scalar::Time, value.bytes()?),
        _ => special(Scalar::Any, value.bytes()?),
    }
}

/// A number as Go writes it in JSON: without a fraction if it has none.
fn number(double: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if double.fract() == 0.0 && double.abs() < EXACT { (double as i64).into() } else { double.into() }
}

/// Messages that JSON writes as one value.
fn special(scalar: Scalar, bytes: &[u8]) -> Result<Value> {
    let (mut first, mut second, mut text, mut raw) = (0_i64, 0_i64, None, None);
    let mut reader = Reader::new(bytes);
    while let Some((tag, value)) = reader.next()? {
        match (tag, &value) {
            (1, Wire::Varint(number)) => first = number.cast_signed(),
            (2, Wire::Varint(number)) => second = number.cast_signed(),
            (1, Wire::Bytes(bytes)) => raw = Some(*bytes),
            (3, Wire::Bytes(_)) => text = Some(value.text()?),
            _ => {}
        }
    }
    match scalar {
        Scalar::Quantity => Ok(std::str::from_utf8(raw.filter(|text| !text.is_empty()).unwrap_or(b"0"))
            .map_err(|_| "a quantity is no text")?
            .into()),
        Scalar::IntOrString if first == 1 => Ok(text.unwrap_or_default().into()),
        Scalar::IntOrString => Ok(second.into()),
        Scalar::Any => serde_json::from_slice(raw.unwrap_or(b"null")).map_err(|_| "an embedded object is no JSON"),
        Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStringArray => json_schema::read(scalar, bytes, 0),
        Scalar::Time | Scalar::MicroTime if bytes.is_empty() => Ok(Value::Null),
        Scalar::Time | Scalar::MicroTime => {
            let nanos = i32::try_from(second).map_err(|_| "a time is out of range")?;
            let time = jiff::Timestamp::new(first, nanos).map_err(|_| "a time is out of range")?;
            Ok(scalar::written(scalar, time).into())
        }
    }
}

#[cfg(test)]
mod tests;
