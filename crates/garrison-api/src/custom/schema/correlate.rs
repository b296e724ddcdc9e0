//! Which old value a new one came from, where that can be told.

use super::{ListType, Schema};
use serde_json::Value;

/// The old value beside a new one on the way down an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Correlation<'a> {
    /// What stood there before, if anything did and it can be told.
    pub(crate) old: Option<&'a Value>,
    /// Whether it can be told: below lists whose elements have no keys it cannot.
    pub(crate) known: bool,
}

impl<'a> Correlation<'a> {
    /// That of a whole object.
    pub(crate) fn root(old: Option<&'a Value>) -> Self {
        Self { old, known: old.is_some() }
    }

    /// That of a field.
    pub(crate) fn field(self, name: &str) -> Self {
        Self { old: self.old.and_then(|old| old.get(name)), known: self.known }
    }

    /// That of an element of a list.
    pub(crate) fn element(self, schema: &Schema, element: &Value) -> Self {
        if schema.list_type != ListType::Map {
            return Self { old: None, known: false };
        }
        let list = self.old.and_then(Value::as_array).into_iter().flatten();
        Self { old: list.into_iter().find(|old| same_keys(schema, old, element)), known: self.known }
    }

    /// Whether the value is what it was: then what may be wrong with it was so before.
    pub(crate) fn is_unchanged(self, value: &Value) -> bool {
        self.known && self.old == Some(value)
    }
}

/// Whether two elements of a list of type `map` are told apart by none of its keys.
pub(super) fn same_keys(schema: &Schema, one: &Value, other: &Value) -> bool {
    schema.list_map_keys.iter().all(|key| key_of(schema, one, key) == key_of(schema, other, key))
}

/// The value of a key; one that is not given has its default.
pub(super) fn key_of<'a>(schema: &'a Schema, element: &'a Value, key: &str) -> Option<&'a Value> {
    let default = || schema.items.as_ref()?.properties.get(key)?.default.as_ref();
    element.get(key).or_else(default)
}
