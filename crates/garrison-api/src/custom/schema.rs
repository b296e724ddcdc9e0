//! A structural schema, compiled once: what is kept of an object of a custom kind, what is filled in, and what is refused.

mod compile;
mod correlate;
mod default;
mod format;
mod list;
mod logic;
mod prune;
mod validate;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use compile::Fault;
pub(crate) use correlate::Correlation;
pub use validate::validate;
pub(crate) use {
    default::fill_in,
    format::{KNOWN as KNOWN_FORMATS, fits as fits_format, go_duration},
    prune::prune,
    validate::Faults,
};

use super::cel::Rule;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// The JSON type that a schema asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are JSON schema's own")]
pub enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    /// Its name in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// What the elements of a list are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum ListType {
    #[default]
    Atomic,
    Set,
    Map,
}

/// One node of a schema.
#[derive(Debug, Default)]
pub struct Schema {
    /// The type, if one is asked for.
    pub kind: Option<Type>,
    /// Whether null is a value.
    pub nullable: bool,
    /// Whether fields that are not described are kept.
    pub preserve_unknown: bool,
    /// Whether this is a whole object with kind and metadata of its own.
    pub embedded_resource: bool,
    /// Whether a number may stand for a text.
    pub int_or_string: bool,
    /// Fields that are described.
    pub properties: BTreeMap<String, Schema>,
    /// What all other fields are, where they are entries of a map.
    pub additional: Option<Box<Schema>>,
    /// What the elements of a list are.
    pub items: Option<Box<Schema>>,
    /// The value when nobody gave one.
    pub default: Option<Value>,
    /// What the elements of a list are to each other.
    pub list_type: ListType,
    /// What tells the elements of a list of type `map` apart.
    pub list_map_keys: Vec<String>,
    /// Whether a map is replaced as a whole.
    pub atomic_map: bool,
    /// What values are held to.
    pub(crate) checks: Option<Box<Checks>>,
    /// Rules in CEL.
    pub(crate) rules: Vec<Rule>,
    /// Whether there are defaults here or below.
    has_defaults: bool,
    /// Whether there are rules here or below.
    pub(crate) has_rules: bool,
}

/// Everything in a schema that only accepts or refuses.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    format: String,
    pattern: Option<Regex>,
    allowed: Vec<Value>,
    minimum: Option<(f64, bool)>,
    maximum: Option<(f64, bool)>,
    multiple_of: Option<f64>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    unique_items: bool,
    required: Vec<String>,
    all_of: Vec<Schema>,
    any_of: Vec<Schema>,
    one_of: Vec<Schema>,
    not: Option<Schema>,
}

impl Schema {
    /// The schema of a field, described or an entry of a map.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional.as_deref())
    }

    /// The format that texts are held to; empty if there is none.
    pub(crate) fn format(&self) -> &str {
        self.checks.as_ref().map_or("", |checks| checks.format.as_str())
    }

    /// The fields that must be there.
    pub fn required(&self) -> &[String] {
        self.checks.as_ref().map_or(&[], |checks| checks.required.as_slice())
    }

    /// Whether the null is none that may stand here.
    fn refuses_null(&self, value: &Value) -> bool {
        value.is_null() && !self.nullable
    }
}
