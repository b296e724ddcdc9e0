//! Fills in what nobody said.

use super::Schema;
use serde_json::Value;

/// Fills in defaults. A null that may not stand there counts as nothing said; without a default it goes.
pub(crate) fn fill_in(schema: &Schema, object: &mut Value) {
    match object {
        Value::Object(map) => {
            map.retain(|name, value| {
                schema.field(name).is_none_or(|part| part.default.is_some() || !part.refuses_null(value) || untyped(part))
            });
            for (name, part) in schema.properties.iter().filter(|(_, part)| part.default.is_some()) {
                if map.get(name).is_none_or(|value| part.refuses_null(value)) {
                    map.insert(name.clone(), part.default.clone().unwrap_or_default());
                }
            }
            for (name, value) in map.iter_mut() {
                let Some(part) = schema.field(name) else { continue };
                replace_null(part, value);
                if part.has_defaults || holds_null(value) {
                    fill_in(part, value);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.items.as_deref() else { return };
            for element in list {
                replace_null(items, element);
                if items.has_defaults || holds_null(element) {
                    fill_in(items, element);
                }
            }
        }
        _ => {}
    }
}

/// A field that takes anything takes nulls.
fn untyped(part: &Schema) -> bool {
    part.kind.is_none() && part.preserve_unknown
}

fn replace_null(part: &Schema, value: &mut Value) {
    if let Some(default) = part.default.as_ref().filter(|_| part.refuses_null(value)) {
        *value = default.clone();
    }
}

/// Whether there are nulls anywhere in it.
fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().any(holds_null),
        Value::Array(list) => list.iter().any(holds_null),
        _ => false,
    }
}
