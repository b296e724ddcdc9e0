//! Values of CEL: parts of objects as they are, and what is made of them.

use crate::custom::schema::{ListType, Schema, Type, go_duration};
use crate::quantity::Quantity;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::{cmp::Ordering, net::IpAddr, rc::Rc};

/// A value while a rule runs.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Str(Text<'a>),
    Bytes(Rc<[u8]>),
    Timestamp(Timestamp),
    Duration(SignedDuration),
    List(Rc<Vec<Val<'a>>>),
    Map(Rc<Vec<(Val<'a>, Val<'a>)>>),
    /// A list or an object of the object that is checked, with its schema.
    Json(&'a Value, Option<&'a Schema>),
    Optional(Option<Rc<Val<'a>>>),
    Type(&'static str),
    Url(Rc<url::Url>),
    Ip(IpAddr),
    Cidr(IpAddr, u8),
    Quantity(Quantity),
    Format(&'static str),
    /// What went wrong, as long as it may still turn out not to matter.
    Fault(Rc<str>),
}

/// A text, of the object or made.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Made(Rc<str>),
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl From<String> for Val<'_> {
    fn from(text: String) -> Self {
        Self::Str(Text::Made(text.into()))
    }
}

impl<'a> Val<'a> {
    /// A part of an object, as its schema says to read it.
    pub(super) fn of(value: &'a Value, schema: Option<&'a Schema>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(set) => Self::Bool(*set),
            Value::Number(number) => {
                let float = number.as_f64().unwrap_or_default();
                let kind = schema.and_then(|schema| schema.kind);
                match number.as_i64() {
                    Some(whole) if kind != Some(Type::Number) => Self::Int(whole),
                    None if kind == Some(Type::Integer) => Self::Int(float as i64),
                    _ => Self::Double(float),
                }
            }
            Value::String(text) => Self::of_text(text, schema.map_or("", Schema::format)),
            Value::Array(_) | Value::Object(_) => Self::Json(value, schema),
        }
    }

    fn of_text(text: &'a str, format: &str) -> Self {
        let read = match format {
            "byte" => STANDARD.decode(text).ok().map(|bytes| Self::Bytes(bytes.into())),
            "date-time" => text.parse().ok().map(Self::Timestamp),
            "date" => format!("{text}T00:00:00Z").parse().ok().map(Self::Timestamp),
            "duration" => go_duration(text).map(Self::Duration),
            _ => None,
        };
        read.unwrap_or(Self::Str(Text::Borrowed(text)))
    }

    pub(super) fn text(text: &str) -> Self {
        text.to_owned().into()
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    pub(super) fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    /// The name of its type, as rules write it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
            Self::Str(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::List(_) | Self::Json(Value::Array(_), _) => "list",
            Self::Map(_) | Self::Json(..) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(..) => "net.CIDR",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Fault(_) => "error",
        }
    }

    /// Its elements, if it is a list.
    pub(super) fn elements(&self) -> Option<Vec<Self>> {
        match self {
            Self::List(items) => Some(items.to_vec()),
            Self::Json(Value::Array(items), schema) => {
                let schema = schema.and_then(|schema| schema.items.as_deref());
                Some(items.iter().map(|item| Self::of(item, schema)).collect())
            }
            _ => None,
        }
    }

    /// Its entries, if it is a map.
    pub(super) fn entries(&self) -> Option<Vec<(Self, Self)>> {
        match self {
            Self::Map(entries) => Some(entries.to_vec()),
            Self::Json(Value::Object(map), schema) => {
                let part = |name: &str| schema.and_then(|schema| schema.field(name));
                let shown = map.iter().filter(|(name, _)| is_visible(*schema, name));
                Some(shown.map(|(name, value)| (Self::Str(Text::Borrowed(name)), Self::of(value, part(name)))).collect())
            }
            _ => None,
        }
    }

    /// How many elements, entries, letters or bytes it has.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::Str(text) => Some(text.chars().count()),
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::List(items) => Some(items.len()),
            Self::Map(entries) => Some(entries.len()),
            Self::Json(Value::Array(items), _) => Some(items.len()),
            Self::Json(Value::Object(map), schema) => Some(map.keys().filter(|name| is_visible(*schema, name)).count()),
            _ => None,
        }
    }

    /// The value of a field or key.
    pub(super) fn get(&self, key: &Val<'_>) -> Option<Self> {
        match (self, key) {
            (Self::Json(Value::Object(map), schema), Val::Str(name)) => {
                let (name, value) = map.get_key_value(&**name)?;
                is_visible(*schema, name).then(|| Self::of(value, schema.and_then(|schema| schema.field(name))))
            }
            (Self::Map(entries), key) => entries.iter().find(|(own, _)| equal(own, key)).map(|(_, value)| value.clone()),
            _ => None,
        }
    }

    /// How much work it is to look at all of it.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Str(text) => 1 + text.len() as u64 / 10,
            Self::Bytes(bytes) => 1 + bytes.len() as u64 / 10,
            Self::List(items) => 1 + items.iter().map(Self::weight).sum::<u64>(),
            Self::Map(entries) => 1 + entries.iter().map(|(key, value)| key.weight() + value.weight()).sum::<u64>(),
            Self::Json(value, _) => json_weight(value),
            Self::Optional(Some(value)) => 1 + value.weight(),
            _ => 1,
        }
    }
}

/// Rules see the fields that the schema describes; what is kept beyond that is none of their business.
fn is_visible(schema: Option<&Schema>, name: &str) -> bool {
    schema.is_none_or(|schema| schema.field(name).is_some())
}

fn json_weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => 1 + text.len() as u64 / 10,
        Value::Array(list) => 1 + list.iter().map(json_weight).sum::<u64>(),
        Value::Object(map) => 1 + map.values().map(json_weight).sum::<u64>(),
        _ => 1,
    }
}

/// Whether two values are equal; values of different types are not, numbers are compared as numbers.
pub(super) fn equal(one: &Val<'_>, other: &Val<'_>) -> bool {
    match (one, other) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Str(a), Val::Str(b)) => **a == **b,
        (Val::Bytes(a), Val::Bytes(b)) => a == b,
        (Val::Timestamp(a), Val::Timestamp(b)) => a == b,
        (Val::Duration(a), Val::Duration(b)) => a == b,
        (Val::Type(a), Val::Type(b)) | (Val::Format(a), Val::Format(b)) => a == b,
        (Val::Url(a), Val::Url(b)) => a == b,
        (Val::Ip(a), Val::Ip(b)) => a == b,
        (Val::Cidr(a, m), Val::Cidr(b, n)) => a == b && m == n,
        (Val::Quantity(a), Val::Quantity(b)) => a == b,
        (Val::Optional(a), Val::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal(a, b),
            (a, b) => a.is_none() && b.is_none(),
        },
        (Val::Int(_) | Val::UInt(_) | Val::Double(_), Val::Int(_) | Val::UInt(_) | Val::Double(_)) => {
            compare(one, other) == Some(Ordering::Equal)
        }
        _ => match (one.elements(), other.elements()) {
            (Some(a), Some(b)) if is_set(one) && is_set(other) => {
                a.len() == b.len() && a.iter().all(|item| b.iter().any(|own| equal(item, own)))
            }
            (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| equal(a, b)),
            (None, None) => match (one.entries(), other.entries()) {
                (Some(a), Some(b)) => {
                    a.len() == b.len() && a.iter().all(|(key, value)| other.get(key).is_some_and(|own| equal(value, &own)))
                }
                _ => false,
            },
            _ => false,
        },
    }
}

/// Whether the order of its elements says nothing.
fn is_set(value: &Val<'_>) -> bool {
    matches!(value, Val::Json(_, Some(schema)) if schema.list_type != ListType::Atomic)
}

/// The order of two values of types that have one.
pub(super) fn compare(one: &Val<'_>, other: &Val<'_>) -> Option<Ordering> {
    match (one, other) {
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        (Val::UInt(a), Val::UInt(b)) => Some(a.cmp(b)),
        (Val::Double(a), Val::Double(b)) => a.partial_cmp(b),
        (Val::Int(a), Val::UInt(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Val::UInt(a), Val::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Val::Double(a), Val::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Val::Int(a), Val::Double(b)) => (*a as f64).partial_cmp(b),
        (Val::Double(a), Val::UInt(b)) => a.partial_cmp(&(*b as f64)),
        (Val::UInt(a), Val::Double(b)) => (*a as f64).partial_cmp(b),
        (Val::Str(a), Val::Str(b)) => Some((**a).cmp(&**b)),
        (Val::Bytes(a), Val::Bytes(b)) => Some(a.cmp(b)),
        (Val::Timestamp(a), Val::Timestamp(b)) => Some(a.cmp(b)),
        (Val::Duration(a), Val::Duration(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
