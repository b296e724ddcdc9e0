//! Elements of sets, and keys in lists that are maps, occur once.

use super::{ListType, Schema, correlate::key_of, validate::Faults};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Adds a fault for each element that is there already.
pub(super) fn duplicates(schema: &Schema, list: &[Value], path: &str, faults: &mut Faults) {
    if schema.list_type == ListType::Atomic {
        return;
    }
    let mut seen = HashSet::new();
    for (index, element) in list.iter().enumerate() {
        let shown = match schema.list_type {
            ListType::Map => {
                let keys =
                    schema.list_map_keys.iter().filter_map(|key| Some((key.clone(), key_of(schema, element, key)?.clone())));
                Value::Object(keys.collect::<Map<_, _>>())
            }
            _ => element.clone(),
        };
        if !seen.insert(canonical(&shown)) {
            faults.add("FieldValueDuplicate", format!("{path}[{index}]"), format!("Duplicate value: {shown}"));
        }
    }
}

/// Whether all elements differ.
pub(super) fn all_differ(list: &[Value]) -> bool {
    let mut seen = HashSet::new();
    list.iter().all(|element| seen.insert(canonical(element)))
}

/// A text that equal values share: `1` and `1.0` are equal, the order of fields says nothing.
fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15);
            whole.map_or_else(|| number.to_string(), |float| format!("{float:.0}"))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().map(|(name, value)| format!("{name:?}:{}", canonical(value))).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        other => other.to_string(),
    }
}
