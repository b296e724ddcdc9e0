//! An object without some of its paths.

use super::path::Element;
use super::set::Set;
use super::structure::{Form, Structure};
use serde_json::{Map, Value};

/// The object without those paths; null when nothing is left.
pub(super) fn remove(structure: &Structure, value: &Value, paths: &Set) -> Value {
    match structure.form(value) {
        Form::Leaf => match value {
            Value::Object(_) | Value::Array(_) => Value::Null,
            scalar => scalar.clone(),
        },
        Form::Fields(map) => {
            let mut out = Map::new();
            for (name, value) in value.as_object().into_iter().flatten() {
                let step = Element::field(name);
                if paths.has_step(&step) {
                    continue;
                }
                let kept = match (paths.below(&step), map.field(name)) {
                    (Some(below), Some(structure)) => remove(structure, value, below),
                    _ => value.clone(),
                };
                out.insert(name.clone(), kept);
            }
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
        Form::List(list) => {
            let mut out = Vec::new();
            for element in value.as_array().into_iter().flatten() {
                let Ok(step) = list.step_to(element) else {
                    out.push(element.clone());
                    continue;
                };
                if paths.has_step(&step) {
                    continue;
                }
                out.push(match paths.below(&step) {
                    Some(below) => remove(list.element(), element, below),
                    None => element.clone(),
                });
            }
            if out.is_empty() { Value::Null } else { Value::Array(out) }
        }
    }
}
