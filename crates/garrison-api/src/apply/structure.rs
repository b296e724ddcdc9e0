//! How the parts of an object merge: what is owned as a whole, what by its fields, its keys or its elements.
//!
//! The structure of the built-in kinds follows from the type graph. That of other kinds is read from their schema
//! ([`structural`]), or told by the values themselves ([`DEDUCED`]).

mod structural;

pub use structural::{of_resource, of_schema};

use super::path::Element;
use crate::schema::{self, Field, Scalar as SchemaScalar, Type};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// How a value merges.
#[derive(Debug, Clone)]
pub enum Structure {
    /// One value.
    Scalar(Scalar),
    /// A list, a map or an object that is owned and replaced as a whole; within, it is what its own structure says.
    Atomic(Box<Structure>),
    /// A list whose elements are owned one by one, and told apart by themselves.
    Set(Box<Structure>),
    /// A list whose elements are owned by their fields, and told apart by keys.
    List {
        /// The keys, in the order of their names.
        keys: Vec<Key>,
        /// The structure of an element.
        element: Box<Structure>,
    },
    /// A map whose values are owned one by one.
    Map(Box<Structure>),
    /// An object with known fields.
    Struct {
        /// The known fields.
        fields: BTreeMap<Box<str>, Structure>,
        /// The structure of all others; without one there are no others.
        others: Option<Box<Structure>>,
    },
    /// Whatever the value is: scalars, maps by their keys, lists as a whole.
    Deduced,
    /// A type of the graph.
    Named(Named),
}

/// What a scalar may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Scalar {
    Number,
    Text,
    Boolean,
    Any,
}

/// A field by which the elements of a list are told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name.
    pub name: Box<str>,
    /// What it is in an element that does not say.
    pub default: Option<Value>,
}

/// A type of the graph, found when it is needed: types may hold themselves.
#[derive(Debug, Clone)]
pub struct Named {
    name: &'static str,
    found: OnceLock<&'static Structure>,
}

/// The structure of objects of which nothing is known.
pub static DEDUCED: Structure = Structure::Deduced;

/// What a value is, as its structure and the value itself tell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'s> {
    /// Owned as a whole.
    Leaf,
    /// A list by keys or elements.
    List(&'s Structure),
    /// A map or object by its fields.
    Fields(&'s Structure),
}

impl Structure {
    /// The structure itself, with the reference to it followed.
    pub(super) fn resolved(&self) -> &Self {
        match self {
            Self::Named(named) => named.found.get_or_init(|| of_type(named.name)),
            other => other,
        }
    }

    /// What a value of that structure is.
    pub(super) fn form(&self, value: &Value) -> Form<'_> {
        match self.resolved() {
            Self::Scalar(_) | Self::Atomic(_) | Self::Named(_) => Form::Leaf,
            list @ (Self::Set(_) | Self::List { .. }) => Form::List(list),
            Self::Deduced if !value.is_object() => Form::Leaf,
            map @ (Self::Deduced | Self::Map(_) | Self::Struct { .. }) => Form::Fields(map),
        }
    }

    /// Whether a field of that name is one of the known ones.
    pub(super) fn names(&self, field: &str) -> bool {
        matches!(self.resolved(), Self::Struct { fields, .. } if fields.contains_key(field))
    }

    /// The structure of a field or key; `None` if there is no such field.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        match self.resolved() {
            Self::Struct { fields, others } => fields.get(name).or(others.as_deref()),
            Self::Map(element) => Some(element),
            Self::Deduced => Some(&DEDUCED),
            Self::Atomic(whole) => whole.field(name),
            _ => None,
        }
    }

    /// The structure of a list's elements.
    pub(super) fn element(&self) -> &Self {
        match self.resolved() {
            Self::Set(element) | Self::List { element, .. } => element,
            Self::Atomic(whole) => whole.element(),
            _ => &DEDUCED,
        }
    }

    /// The step to an element of a list.
    ///
    /// # Errors
    /// When the element has no identity.
    pub(super) fn step_to(&self, element: &Value) -> Result<Element, String> {
        let Self::List { keys, .. } = self.resolved() else {
            return match element {
                Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
                Value::Object(_) => Err("associative list without keys has an element that's a map type".into()),
                Value::Array(_) => Err("associative list without keys has an element that's a list type".into()),
                scalar => Ok(Element::Value(scalar.clone())),
            };
        };
        let map = match element {
            Value::Object(map) => map,
            Value::Null => return Err("associative list with keys may not have a null element".into()),
            _ => return Err("associative list with keys may not have non-map elements".into()),
        };
        let value = |key: &Key| match map.get(&*key.name).or(key.default.as_ref()) {
            Some(value) => Ok((key.name.clone(), value.clone())),
            None => Err(format!(
                "associative list with keys has an element that omits key field {:?} (and doesn't have default value)",
                key.name
            )),
        };
        keys.iter().map(value).collect::<Result<_, _>>().map(Element::Key)
    }

    /// A list that is told apart by keys.
    pub fn keyed(mut keys: Vec<Key>, element: Self) -> Self {
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        Self::List { keys, element: Box::new(element) }
    }
}

/// The structure of a built-in kind, or of a body such as `autoscaling/v1` `Scale`.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Structure> {
    types().get(schema::type_name(api_version, kind).as_str())
}

/// The structure of metadata, which all kinds share.
fn metadata() -> Structure {
    Structure::Named(Named { name: "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", found: OnceLock::new() })
}

fn of_type(name: &str) -> &'static Structure {
    types().get(name).unwrap_or(&DEDUCED)
}

fn types() -> &'static BTreeMap<&'static str, Structure> {
    static TYPES: OnceLock<BTreeMap<&'static str, Structure>> = OnceLock::new();
    TYPES.get_or_init(|| schema::graph().iter().map(|(name, described)| (name.as_str(), from_type(described))).collect())
}

fn from_type(described: &'static Type) -> Structure {
    let whole = match described.scalar {
        Some(SchemaScalar::Any) => return Structure::Deduced,
        Some(_) => return Structure::Scalar(Scalar::Any),
        None => {
            let fields = described.fields.iter().map(|(name, field)| (name.as_str().into(), from_field(field))).collect();
            Structure::Struct { fields, others: None }
        }
    };
    if described.atomic { Structure::Atomic(Box::new(whole)) } else { whole }
}

fn from_field(field: &'static Field) -> Structure {
    let one = match field.type_name.as_str() {
        "string" | "bytes" => Structure::Scalar(Scalar::Text),
        "int32" | "int64" | "double" => Structure::Scalar(Scalar::Number),
        "bool" => Structure::Scalar(Scalar::Boolean),
        "time" => Structure::Scalar(Scalar::Any),
        "any" => Structure::Deduced,
        name => Structure::Named(Named { name, found: OnceLock::new() }),
    };
    let several = if field.list { list(field, one) } else { one };
    let whole = if field.map { Structure::Map(Box::new(several)) } else { several };
    if field.atomic { Structure::Atomic(Box::new(whole)) } else { whole }
}

/// A list merges as it says, else as strategic merge does, else not at all.
fn list(field: &'static Field, element: Structure) -> Structure {
    let keys: Vec<&str> = match (field.list_type.as_deref(), field.merge_key.as_deref()) {
        (Some("map"), _) => field.list_map_keys.iter().map(String::as_str).collect(),
        (None, Some(key)) if field.merges() => vec![key],
        (Some("set"), _) => return Structure::Set(Box::new(element)),
        (None, None) if field.merges() => return Structure::Set(Box::new(element)),
        _ => Vec::new(),
    };
    if keys.is_empty() {
        // Told apart by their place, elements could only be owned together.
        return Structure::Atomic(Box::new(Structure::Set(Box::new(element))));
    }
    let key = |name: &str| Key { name: name.into(), default: default_of(field, name) };
    Structure::keyed(keys.into_iter().map(key).collect(), element)
}

/// What a key is in an element that does not say: the protocol of ports, and the zero of what Go always writes.
fn default_of(field: &Field, key: &str) -> Option<Value> {
    if key == "protocol" {
        return Some("TCP".into());
    }
    let element = field.referred()?;
    let always = element.requires(key) || field.type_name.ends_with(".LocalObjectReference");
    always.then(|| match element.fields.get(key).map(|described| described.type_name.as_str()) {
        Some("int32" | "int64") => json!(0),
        _ => "".into(),
    })
}

#[cfg(test)]
mod tests;
