//! From the JSON of a schema to its compiled form.

use super::{Checks, ListType, Schema, Type};
use crate::custom::cel::{self, Place};
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Schemas nest no deeper than this; JSON itself is read to twice the depth.
const DEEPEST: usize = 60;

/// What is wrong with a schema, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Fault {
    /// Where, below the schema's root.
    pub path: String,
    /// The value that is at fault, as it is shown.
    pub value: Value,
    /// Why it is refused.
    pub why: String,
}

impl Schema {
    /// Compiles the schema of a version (`openAPIV3Schema`).
    ///
    /// # Errors
    /// All patterns and rules that cannot be used, and the places where the schema is too deep.
    pub fn compile(document: &Value) -> Result<Self, Vec<Fault>> {
        let mut compiler = Compiler::default();
        let mut schema = compiler.schema(document, "", 0);
        schema.add_resource_fields();
        if compiler.faults.is_empty() {
            let place = Place { path: "", correlatable: true };
            compiler.rules(document, &mut schema, &place);
        }
        if compiler.faults.is_empty() { Ok(schema) } else { Err(compiler.faults) }
    }

    /// Every whole object has a version, a kind and metadata, be they described or not.
    fn add_resource_fields(&mut self) {
        let text = || Self { kind: Some(Type::String), ..Self::default() };
        for name in ["apiVersion", "kind"] {
            self.properties.entry(name.into()).or_insert_with(text);
        }
        let metadata = self.properties.entry("metadata".into()).or_default();
        metadata.kind = Some(Type::Object);
        // Metadata has rules of its own, and is pruned by them.
        metadata.preserve_unknown = true;
        for name in ["name", "generateName"] {
            metadata.properties.entry(name.into()).or_insert_with(text);
        }
    }
}

#[derive(Default)]
struct Compiler {
    faults: Vec<Fault>,
    /// Large schemas repeat their patterns.
    patterns: HashMap<String, Regex>,
}

impl Compiler {
    fn fault(&mut self, path: &str, value: &Value, why: String) {
        self.faults.push(Fault { path: path.into(), value: value.clone(), why });
    }

    fn schema(&mut self, document: &Value, path: &str, depth: usize) -> Schema {
        let Some(map) = document.as_object() else { return Schema::default() };
        if depth > DEEPEST {
            self.fault(path, &Value::Null, format!("must not be nested deeper than {DEEPEST} levels"));
            return Schema::default();
        }
        let set = |name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
        let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut schema = Schema {
            kind: Type::parse(text("type")),
            nullable: set("nullable"),
            preserve_unknown: set("x-kubernetes-preserve-unknown-fields"),
            embedded_resource: set("x-kubernetes-embedded-resource"),
            int_or_string: set("x-kubernetes-int-or-string"),
            default: map.get("default").filter(|value| !value.is_null()).cloned(),
            list_type: match text("x-kubernetes-list-type") {
                "set" => ListType::Set,
                "map" => ListType::Map,
                _ => ListType::Atomic,
            },
            list_map_keys: texts(map.get("x-kubernetes-list-map-keys")),
            atomic_map: text("x-kubernetes-map-type") == "atomic",
            ..Schema::default()
        };
        for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            schema.properties.insert(name.clone(), self.schema(property, &format!("{path}.properties[{name}]"), depth + 1));
        }
        match map.get("additionalProperties") {
            Some(entry @ Value::Object(_)) => {
                schema.additional = Some(Box::new(self.schema(entry, &format!("{path}.additionalProperties"), depth + 1)));
            }
            Some(Value::Bool(true)) => {
                schema.additional = Some(Box::new(Schema { preserve_unknown: true, nullable: true, ..Schema::default() }));
            }
            _ => {}
        }
        if let Some(items @ Value::Object(_)) = map.get("items") {
            schema.items = Some(Box::new(self.schema(items, &format!("{path}.items"), depth + 1)));
        }
        if schema.embedded_resource {
            schema.add_resource_fields();
        }
        schema.checks = self.checks(map, path, depth);
        let has_defaults = schema.below().any(|part| part.has_defaults || part.default.is_some());
        Schema { has_defaults, ..schema }
    }

    fn checks(&mut self, map: &Map<String, Value>, path: &str, depth: usize) -> Option<Box<Checks>> {
        const NAMES: [&str; 18] = [
            "format",
            "pattern",
            "enum",
            "minimum",
            "maximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "uniqueItems",
            "required",
            "allOf",
            "anyOf",
            "oneOf",
            "not",
        ];
        if !NAMES.iter().any(|name| map.contains_key(*name)) {
            return None;
        }
        let number = |name: &str| map.get(name).and_then(Value::as_f64);
        let count = |name: &str| map.get(name).and_then(Value::as_u64);
        let set = |name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
        Some(Box::new(Checks {
            format: map.get("format").and_then(Value::as_str).unwrap_or_default().to_owned(),
            pattern: self.pattern(map, path),
            allowed: map.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
            minimum: number("minimum").map(|limit| (limit, set("exclusiveMinimum"))),
            maximum: number("maximum").map(|limit| (limit, set("exclusiveMaximum"))),
            multiple_of: number("multipleOf").filter(|factor| *factor > 0.0),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            unique_items: set("uniqueItems"),
            required: texts(map.get("required")),
            all_of: self.several(map, "allOf", path, depth),
            any_of: self.several(map, "anyOf", path, depth),
            one_of: self.several(map, "oneOf", path, depth),
            not: map.get("not").filter(|not| not.is_object()).map(|not| self.schema(not, &format!("{path}.not"), depth + 1)),
        }))
    }

    fn several(&mut self, map: &Map<String, Value>, name: &str, path: &str, depth: usize) -> Vec<Schema> {
        let list = map.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().enumerate().map(|(index, one)| self.schema(one, &format!("{path}.{name}[{index}]"), depth + 1)).collect()
    }

    fn pattern(&mut self, map: &Map<String, Value>, path: &str) -> Option<Regex> {
        let text = map.get("pattern").and_then(Value::as_str).filter(|text| !text.is_empty())?;
        if let Some(known) = self.patterns.get(text) {
            return Some(known.clone());
        }
        match Regex::new(text) {
            Ok(pattern) => {
                self.patterns.insert(text.into(), pattern.clone());
                Some(pattern)
            }
            Err(error) => {
                let why = format!("must be a valid regular expression, but isn't: {}", one_line(&error));
                self.fault(&format!("{path}.pattern"), &text.into(), why);
                None
            }
        }
    }

    /// Compiles the rules, once the types that they speak of are known.
    fn rules(&mut self, document: &Value, schema: &mut Schema, place: &Place<'_>) {
        let (rules, faults) = cel::compile(document, schema, place);
        schema.rules = rules;
        self.faults.extend(faults);
        let mut properties = std::mem::take(&mut schema.properties);
        for (name, property) in &mut properties {
            if let Some(document) = document.get("properties").and_then(|all| all.get(name)) {
                let path = format!("{}.properties[{name}]", place.path);
                self.rules(document, property, &Place { path: &path, ..*place });
            }
        }
        schema.properties = properties;
        if let (Some(document), Some(mut entry)) = (document.get("additionalProperties"), schema.additional.take()) {
            let path = format!("{}.additionalProperties", place.path);
            self.rules(document, &mut entry, &Place { path: &path, ..*place });
            schema.additional = Some(entry);
        }
        if let (Some(document), Some(mut items)) = (document.get("items"), schema.items.take()) {
            let path = format!("{}.items", place.path);
            let correlatable = place.correlatable && schema.list_type == ListType::Map;
            self.rules(document, &mut items, &Place { path: &path, correlatable });
            schema.items = Some(items);
        }
        let below = schema.below().any(|part| part.has_rules);
        schema.has_rules = below || !schema.rules.is_empty();
    }
}

impl Schema {
    /// The schemas of fields, entries and elements.
    pub(super) fn below(&self) -> impl Iterator<Item = &Self> {
        self.properties.values().chain(self.additional.as_deref()).chain(self.items.as_deref())
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Errors of patterns show the pattern over several lines; their last line says what is wrong.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}
