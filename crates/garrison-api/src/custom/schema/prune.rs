//! Takes out of an object what its schema does not describe, and says what it was.

use super::Schema;
use serde_json::{Map, Value};

/// Prunes a whole object; the paths of what was taken out.
pub(crate) fn prune(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut taken = Vec::new();
    value(schema, object, "", false, &mut taken);
    taken
}

fn value(schema: &Schema, object: &mut Value, path: &str, kept: bool, taken: &mut Vec<String>) {
    // What is below fields that are kept unseen is kept, too, until something is described again.
    let kept = kept || schema.preserve_unknown;
    match object {
        Value::Object(map) => fields(schema, map, path, kept, taken),
        Value::Array(list) => {
            for (index, element) in list.iter_mut().enumerate() {
                let path = format!("{path}[{index}]");
                match &schema.items {
                    Some(items) => value(items, element, &path, false, taken),
                    None if !kept => value(&NOTHING, element, &path, false, taken),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

fn fields(schema: &Schema, map: &mut Map<String, Value>, path: &str, kept: bool, taken: &mut Vec<String>) {
    let all = schema.int_or_string;
    map.retain(|name, field| {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match schema.field(name) {
            Some(part) => {
                // Metadata of whole objects is pruned by its own type.
                if !(name == "metadata" && part.preserve_unknown) {
                    value(part, field, &below, false, taken);
                }
                true
            }
            None if kept || all => true,
            None => {
                taken.push(below);
                false
            }
        }
    });
}

/// Describes no field at all.
static NOTHING: std::sync::LazyLock<Schema> = std::sync::LazyLock::new(Schema::default);
