//! A value with its path, and the faults found on the way through an object.

use crate::status_error::Cause;
use serde_json::Value;
use std::collections::BTreeSet;

/// A value and the path that leads to it.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    /// Path as faults name it, such as `spec.containers[0]`; empty for the whole object.
    pub(super) path: String,
    /// What stands there; `null` when nothing does.
    pub(super) value: &'a Value,
}

impl<'a> At<'a> {
    /// The whole object.
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// A field of it, absent or not.
    pub(super) fn field(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        Self { path, value: &self.value[name] }
    }

    /// The same value under another path: upstream drops or renames a step here and there.
    pub(super) fn renamed(&self, path: impl Into<String>) -> Self {
        Self { path: path.into(), value: self.value }
    }

    /// A field of it, when something stands there.
    pub(super) fn present(&self, name: &str) -> Option<Self> {
        let field = self.field(name);
        (!field.value.is_null()).then_some(field)
    }

    /// Its items; none when it is no list.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let path = self.path.clone();
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().enumerate().map(move |(index, value)| Self { path: format!("{path}[{index}]"), value })
    }

    /// Its entries as a map, each under `path[key]`; none when it is no map.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let path = self.path.clone();
        let map = self.value.as_object().into_iter().flatten();
        map.map(move |(key, value)| (key.as_str(), Self { path: format!("{path}[{key}]"), value }))
    }

    /// Its fields by name; none when it is no object.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let parent = self.clone();
        let map = self.value.as_object().into_iter().flatten();
        map.map(move |(name, _)| (name.as_str(), parent.field(name)))
    }

    /// Its text; empty when it is none.
    pub(super) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// The text of one of its fields; empty when absent.
    pub(super) fn text_of(&self, name: &str) -> &'a str {
        self.value[name].as_str().unwrap_or_default()
    }

    /// Its whole number; 0 when it is none.
    pub(super) fn number(&self) -> i64 {
        self.value.as_i64().unwrap_or_default()
    }

    /// Whether it is absent, or an empty text, list or map.
    pub(super) fn is_empty(&self) -> bool {
        match self.value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        }
    }
}

/// The faults found so far, in the order of discovery.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Cause>);

impl Faults {
    fn add(&mut self, reason: &str, field: &At<'_>, message: String) {
        self.0.push(Cause { reason: reason.into(), message, field: field.path.clone() });
    }

    /// The value is of no use, for that reason.
    pub(super) fn invalid(&mut self, at: &At<'_>, why: &str) {
        self.invalid_value(at, at.value, why);
    }

    /// As [`Self::invalid`], showing another value than the one that stands there.
    pub(super) fn invalid_value(&mut self, at: &At<'_>, shown: &Value, why: &str) {
        self.add("FieldValueInvalid", at, format!("Invalid value: {shown}: {why}"));
    }

    /// Adds an invalid value when a check of its text found something.
    pub(super) fn invalid_if(&mut self, at: &At<'_>, why: Option<String>) {
        if let Some(why) = why {
            self.invalid(at, &why);
        }
    }

    /// Something must stand there; `why` may be empty.
    pub(super) fn required(&mut self, at: &At<'_>, why: &str) {
        let colon = if why.is_empty() { "" } else { ": " };
        self.add("FieldValueRequired", at, format!("Required value{colon}{why}"));
    }

    /// The value must be one of a few.
    pub(super) fn not_supported(&mut self, at: &At<'_>, supported: &[&str]) {
        let mut supported: Vec<String> = supported.iter().map(|one| format!("\"{one}\"")).collect();
        supported.sort();
        let shown = if at.value.is_null() { &Value::String(String::new()) } else { at.value };
        self.add("FieldValueNotSupported", at, format!("Unsupported value: {shown}: supported values: {}", supported.join(", ")));
    }

    /// The field must not be set so.
    pub(super) fn forbidden(&mut self, at: &At<'_>, why: &str) {
        self.add("FieldValueForbidden", at, format!("Forbidden: {why}"));
    }

    /// The value stands elsewhere already.
    pub(super) fn duplicate(&mut self, at: &At<'_>) {
        self.add("FieldValueDuplicate", at, format!("Duplicate value: {}", at.value));
    }

    /// The value names nothing that exists.
    pub(super) fn not_found(&mut self, at: &At<'_>) {
        self.add("FieldValueNotFound", at, format!("Not found: {}", at.value));
    }

    /// The number, absent ones being 0, must lie between both.
    pub(super) fn between(&mut self, at: &At<'_>, least: i64, most: i64) {
        if !(least..=most).contains(&at.number()) {
            self.invalid_value(at, &at.number().into(), &format!("must be between {least} and {most}, inclusive"));
        }
    }

    /// A text that must be there and pass a check.
    pub(super) fn named(&mut self, at: &At<'_>, fault: fn(&str) -> Option<String>) {
        if at.is_empty() {
            self.required(at, "");
        } else {
            self.invalid_if(at, fault(at.text()));
        }
    }

    /// Counts a text among those seen, and says so when it was among them.
    pub(super) fn unique<'a>(&mut self, at: &At<'a>, seen: &mut BTreeSet<&'a str>) {
        if !at.is_empty() && !seen.insert(at.text()) {
            self.duplicate(at);
        }
    }

    /// There are more of them than there may be.
    pub(super) fn too_many(&mut self, at: &At<'_>, count: usize, most: usize) {
        self.add("FieldValueTooMany", at, format!("Too many: {count}: must have at most {most} items"));
    }

    /// A fault that was told elsewhere.
    pub(super) fn told(&mut self, reason: &str, field: String, message: String) {
        self.0.push(Cause { reason: reason.into(), message, field });
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The text is longer than it may be.
    pub(super) fn too_long(&mut self, at: &At<'_>, most: usize) {
        self.add("FieldValueTooLong", at, format!("Too long: may not be more than {most} bytes"));
    }

    /// The list has more items than it may.
    pub(super) fn at_most(&mut self, at: &At<'_>, most: usize) {
        let count = at.items().count();
        if count > most {
            self.add("FieldValueTooMany", at, format!("Too many: {count}: must have at most {most} items"));
        }
    }

    /// A required text out of a few: absent is a missing value, others are not supported.
    pub(super) fn one_of(&mut self, at: &At<'_>, supported: &[&str]) {
        if at.is_empty() {
            self.required(at, "");
        } else {
            self.one_of_if_set(at, supported);
        }
    }

    /// A text out of a few, or none.
    pub(super) fn one_of_if_set(&mut self, at: &At<'_>, supported: &[&str]) {
        if !at.is_empty() && !supported.contains(&at.text()) {
            self.not_supported(at, supported);
        }
    }

    /// The number, if set, must not be negative.
    pub(super) fn non_negative(&mut self, at: &At<'_>) {
        if at.number() < 0 {
            self.invalid(at, "must be greater than or equal to 0");
        }
    }

    /// The number, if set, must be above zero.
    pub(super) fn positive_if_set(&mut self, at: &At<'_>) {
        if !at.value.is_null() && at.number() <= 0 {
            self.invalid(at, "must be greater than 0");
        }
    }

    /// The field must be as it was.
    pub(super) fn immutable(&mut self, old: &At<'_>, new: &At<'_>) {
        if old.value != new.value && !(old.is_empty() && new.is_empty()) {
            self.invalid(new, "field is immutable");
        }
    }

    /// All of them.
    pub(super) fn into_causes(self) -> Vec<Cause> {
        self.0
    }
}
