//! Whether an applied configuration fits the structure of its kind, in upstream's words.

use super::path::Element;
use super::structure::{Scalar, Structure};
use serde_json::Value;
use std::collections::BTreeSet;

/// Checks a configuration.
///
/// # Errors
/// All that does not fit, each with its path.
pub(super) fn validate(structure: &Structure, value: &Value) -> Result<(), String> {
    let mut faults = Vec::new();
    Walk { faults: &mut faults }.value(structure, value, "");
    match faults.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

struct Walk<'f> {
    faults: &'f mut Vec<String>,
}

impl Walk<'_> {
    fn fault(&mut self, path: &str, why: &str) {
        self.faults.push(if path.is_empty() { why.into() } else { format!("{path}: {why}") });
    }

    fn value(&mut self, structure: &Structure, value: &Value, path: &str) {
        if value.is_null() {
            return;
        }
        match structure.resolved() {
            Structure::Scalar(kind) => self.scalar(*kind, value, path),
            Structure::Atomic(whole) => self.whole(whole, value, path),
            Structure::Set(_) | Structure::List { .. } => self.list(structure.resolved(), value, path, true),
            Structure::Map(_) | Structure::Struct { .. } => self.fields(structure.resolved(), value, path),
            Structure::Deduced | Structure::Named(_) => {}
        }
    }

    /// What is owned as a whole still has to be what it is; elements of such a list may be alike.
    fn whole(&mut self, structure: &Structure, value: &Value, path: &str) {
        match structure.resolved() {
            Structure::Set(_) => self.list(structure.resolved(), value, path, false),
            _ => self.value(structure, value, path),
        }
    }

    fn scalar(&mut self, kind: Scalar, value: &Value, path: &str) {
        let shown = go_text(value);
        match kind {
            Scalar::Number if !value.is_number() => {
                self.fault(path, &format!("expected numeric (int or float), got {}", go_type(value)));
            }
            Scalar::Text if !value.is_string() => {
                self.fault(path, &format!("expected string, got &value.valueUnstructured{{Value:{shown}}}"));
            }
            Scalar::Boolean if !value.is_boolean() => self.fault(path, &format!("expected boolean, got &{{{shown}}}")),
            Scalar::Any if value.is_object() || value.is_array() => {
                self.fault(path, &format!("expected any scalar, got &{{{shown}}}"));
            }
            _ => {}
        }
    }

    fn list(&mut self, list: &Structure, value: &Value, path: &str, told_apart: bool) {
        let Some(elements) = value.as_array() else {
            return self.fault(path, &format!("expected list, got &{{{}}}", go_text(value)));
        };
        let mut seen = BTreeSet::new();
        for (place, element) in elements.iter().enumerate() {
            let mut step = Element::Index(place as i64);
            if told_apart {
                step = match list.step_to(element) {
                    Ok(step) => step,
                    Err(why) => return self.fault(path, &format!("element {place}: {why}")),
                };
                if !seen.insert(step.clone()) {
                    self.fault(path, &format!("duplicate entries for key {step}"));
                }
            }
            self.value(list.element(), element, &format!("{path}{step}"));
        }
    }

    fn fields(&mut self, map: &Structure, value: &Value, path: &str) {
        let Some(fields) = value.as_object() else {
            return self.fault(path, &format!("expected map, got &{{{}}}", go_text(value)));
        };
        for (name, value) in fields {
            let path = format!("{path}.{name}");
            match map.field(name) {
                Some(structure) => self.value(structure, value, &path),
                // As upstream: the first unknown field of an object is named, the rest is not looked at.
                None => return self.fault(&path, "field not declared in schema"),
            }
        }
    }
}

/// A value as Go prints it.
fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Array(list) => format!("[{}]", list.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(name, value)| format!("{name}:{}", go_text(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
