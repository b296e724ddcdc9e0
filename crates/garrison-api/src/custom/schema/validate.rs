//! Holds an object to its schema, in upstream's words.

use super::{Checks, Correlation, Schema, Type, format, list, logic};
use crate::custom::embedded;
use crate::status_error::Cause;
use serde_json::Value;

/// Faults shown of one object; who made more has to look at his object anyway.
const MOST: usize = 100;

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(super) Vec<Cause>);

impl Faults {
    pub(crate) fn add(&mut self, reason: &str, field: String, message: String) {
        if self.0.len() < MOST {
            self.0.push(Cause { reason: reason.into(), message, field });
        }
    }

    /// The value breaks a rule that is told in one sentence about the field.
    pub(super) fn invalid(&mut self, path: &str, value: &Value, why: &str) {
        self.add("FieldValueInvalid", shown_path(path), format!("Invalid value: {value}: {path} in body {why}"));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_causes(self) -> Vec<Cause> {
        self.0
    }
}

/// What faults of the whole object are said to be about.
pub(super) fn shown_path(path: &str) -> String {
    if path.is_empty() { "<nil>".into() } else { path.into() }
}

/// All faults of an object by its schema, rules in CEL left out. What did not change since `old` is not looked at again.
pub fn validate(schema: &Schema, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut faults = Faults::default();
    node(schema, object, "", Correlation::root(old), &mut faults);
    faults.into_causes()
}

/// Checks one value and all below it.
pub(super) fn node(schema: &Schema, value: &Value, path: &str, was: Correlation<'_>, faults: &mut Faults) {
    if was.is_unchanged(value) || (value.is_null() && schema.nullable) {
        return;
    }
    if !has_type(schema, value) {
        let wanted = if schema.int_or_string { "integer,string" } else { schema.kind.map_or("", Type::name) };
        let found = type_name(value);
        let message = format!("Invalid value: {found:?}: {path} in body must be of type {wanted}: {found:?}");
        faults.add("FieldValueTypeInvalid", shown_path(path), message);
        return;
    }
    if let Some(checks) = &schema.checks {
        scalar(checks, value, path, faults);
        logic::check(checks, value, path, faults);
    }
    match value {
        Value::Object(map) => {
            if schema.embedded_resource {
                embedded::check(value, path, faults);
            }
            for (name, value) in map {
                // Metadata has rules of its own, which know the old object, too.
                let Some(part) = schema.field(name) else { continue };
                node(part, value, &join(path, name), was.field(name), faults);
            }
        }
        Value::Array(elements) => {
            list::duplicates(schema, elements, path, faults);
            let Some(items) = schema.items.as_deref() else { return };
            for (index, element) in elements.iter().enumerate() {
                node(items, element, &format!("{path}[{index}]"), was.element(schema, element), faults);
            }
        }
        _ => {}
    }
}

/// `spec.replicas`; entries of maps are told the same way.
fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn has_type(schema: &Schema, value: &Value) -> bool {
    if schema.int_or_string {
        return value.is_string() || is_whole(value);
    }
    match schema.kind {
        None => true,
        Some(Type::Object) => value.is_object(),
        Some(Type::Array) => value.is_array(),
        Some(Type::String) => value.is_string(),
        Some(Type::Boolean) => value.is_boolean(),
        Some(Type::Number) => value.is_number(),
        Some(Type::Integer) => is_whole(value),
    }
}

/// `1.0` is a whole number, too.
fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|float| float.fract() == 0.0 && float.abs() < 9.2e18)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The checks of one value by itself.
fn scalar(checks: &Checks, value: &Value, path: &str, faults: &mut Faults) {
    if !checks.allowed.is_empty() && !checks.allowed.iter().any(|allowed| equal(allowed, value)) {
        let supported: Vec<String> = checks.allowed.iter().map(quoted).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        faults.add("FieldValueNotSupported", shown_path(path), message);
    }
    match value {
        Value::String(text) => string(checks, text, value, path, faults),
        Value::Number(number) => amount(checks, number.as_f64().unwrap_or_default(), value, path, faults),
        Value::Array(elements) => {
            let count = elements.len() as u64;
            if let Some(most) = checks.max_items.filter(|most| count > *most) {
                faults.add("FieldValueTooMany", shown_path(path), format!("Too many: {count}: must have at most {most} items"));
            }
            if let Some(least) = checks.min_items.filter(|least| count < *least) {
                faults.invalid(path, &count.into(), &format!("should have at least {least} items"));
            }
            if checks.unique_items && !list::all_differ(elements) {
                faults.invalid(path, value, "shouldn't contain duplicates");
            }
        }
        Value::Object(map) => {
            let count = map.len() as u64;
            for name in checks.required.iter().filter(|name| !map.contains_key(*name)) {
                faults.add("FieldValueRequired", join(path, name), "Required value".into());
            }
            if let Some(most) = checks.max_properties.filter(|most| count > *most) {
                faults.add("FieldValueTooMany", shown_path(path), format!("Too many: {count}: must have at most {most} items"));
            }
            if let Some(least) = checks.min_properties.filter(|least| count < *least) {
                faults.invalid(path, &count.into(), &format!("should have at least {least} properties"));
            }
        }
        _ => {}
    }
}

fn string(checks: &Checks, text: &str, value: &Value, path: &str, faults: &mut Faults) {
    let length = text.chars().count() as u64;
    if let Some(most) = checks.max_length.filter(|most| length > *most) {
        faults.add("FieldValueTooLong", shown_path(path), format!("Too long: may not be more than {most} bytes"));
    }
    if let Some(least) = checks.min_length.filter(|least| length < *least) {
        faults.invalid(path, value, &format!("should be at least {least} chars long"));
    }
    if let Some(pattern) = checks.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        faults.invalid(path, value, &format!("should match '{}'", pattern.as_str()));
    }
    if !format::fits(&checks.format, text) {
        let message = format!("Invalid value: {value}: {path} in body must be of type {}: {value}", checks.format);
        faults.add("FieldValueTypeInvalid", shown_path(path), message);
    }
}

fn amount(checks: &Checks, number: f64, value: &Value, path: &str, faults: &mut Faults) {
    if let Some((limit, exclusive)) = checks.minimum
        && (number < limit || (exclusive && number <= limit))
    {
        let words = if exclusive { "greater than" } else { "greater than or equal to" };
        faults.invalid(path, value, &format!("should be {words} {limit}"));
    }
    if let Some((limit, exclusive)) = checks.maximum
        && (number > limit || (exclusive && number >= limit))
    {
        let words = if exclusive { "less than" } else { "less than or equal to" };
        faults.invalid(path, value, &format!("should be {words} {limit}"));
    }
    if let Some(factor) = checks.multiple_of {
        let times = number / factor;
        if (times - times.round()).abs() > 1e-9 * times.abs().max(1.0) {
            faults.invalid(path, value, &format!("should be a multiple of {factor}"));
        }
    }
    let range = match checks.format.as_str() {
        "int32" => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
        "float" => Some((f64::from(f32::MIN), f64::from(f32::MAX))),
        _ => None,
    };
    if range.is_some_and(|(least, most)| !(least..=most).contains(&number)) {
        let kind = if checks.format == "float" { "number" } else { "integer" };
        let why = format!("Checked value must be of type {kind} with format {}", checks.format);
        faults.add("FieldValueInvalid", shown_path(path), format!("Invalid value: {kind:?}: {why}"));
    }
}

/// Values as enums compare them: `1` and `1.0` are one number.
fn equal(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && other.is_number() && one.as_f64() == other.as_f64())
}

fn quoted(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("\"{value}\""), |text| format!("\"{text}\""))
}
