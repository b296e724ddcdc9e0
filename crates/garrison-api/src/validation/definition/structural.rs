//! Schemas are structural: every field is described once, outside of all junctors, and junctors only restrict.

use super::super::fault::{At, Faults};
use crate::custom::schema::{self, Schema};
use serde_json::{Map, Value, json};

/// Fields of a schema that would describe something, and so must not stand below a junctor.
const DESCRIBING: [(&str, &str); 12] = [
    ("type", "must be empty to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
];

/// Where in a schema a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// The schema of a version.
pub(super) fn schema(version: &At<'_>, at: &At<'_>, faults: &mut Faults) {
    if !at.value.is_object() {
        faults.required(&version.field("schema").field("openAPIV3Schema"), "schemas are required");
        return;
    }
    let before = faults.count();
    structure(at, Level::Root, faults);
    if faults.count() > before {
        return;
    }
    match Schema::compile(at.value) {
        Err(found) => {
            for fault in found {
                let place = At { path: format!("{}{}", at.path, fault.path), value: &fault.value };
                if fault.value.is_null() { faults.required(&place, &fault.why) } else { faults.invalid(&place, &fault.why) }
            }
        }
        Ok(compiled) => defaults(at, &compiled, faults),
    }
}

fn structure(at: &At<'_>, level: Level, faults: &mut Faults) {
    let set = |name: &str| at.value[name] == true;
    let kind = at.field("type");
    unsupported(at, faults);
    if kind.text() == "array" && at.value["items"].is_null() {
        faults.required(&at.field("items"), "must be specified");
    }
    if let Some(items) = at.present("items") {
        structure(&items, Level::Item, faults);
    }
    for (name, property) in at.field("properties").entries() {
        structure(&property, Level::Field, faults);
        if name == "metadata" && (level == Level::Root || set("x-kubernetes-embedded-resource")) {
            metadata(&property, level, faults);
        }
    }
    if let Some(entry) = at.present("additionalProperties") {
        if level == Level::Root {
            faults.forbidden(&entry, "must not be used at the root");
        }
        if !at.field("properties").is_empty() && *entry.value != true {
            faults.forbidden(&entry, "additionalProperties and properties are mutual exclusive");
        }
        if set("x-kubernetes-embedded-resource") {
            faults.forbidden(&entry, "must not be used if x-kubernetes-embedded-resource is set");
        }
        if entry.value.is_object() {
            structure(&entry, Level::Field, faults);
        }
    }
    if set("x-kubernetes-int-or-string") {
        for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
            if set(name) {
                faults.invalid(&at.field(name), "must be false if x-kubernetes-int-or-string is true");
            }
        }
        if !kind.is_empty() {
            faults.forbidden(&kind, "must be empty if x-kubernetes-int-or-string is true");
        }
    }
    junctors(at, true, faults);
    of_type(at, level, faults);
    list_and_map(at, faults);
}

fn of_type(at: &At<'_>, level: Level, faults: &mut Faults) {
    let set = |name: &str| at.value[name] == true;
    let kind = at.field("type");
    let whole = "must be object if x-kubernetes-embedded-resource is true";
    if set("x-kubernetes-embedded-resource") && kind.text() != "object" {
        if kind.is_empty() { faults.required(&kind, whole) } else { faults.invalid(&kind, whole) }
    } else if kind.is_empty() && !set("x-kubernetes-int-or-string") && !set("x-kubernetes-preserve-unknown-fields") {
        faults.required(
            &kind,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        );
    } else if kind.text() == "null" {
        faults.forbidden(&kind, "type cannot be set to null, use nullable as an alternative");
    } else if !kind.is_empty() && !["array", "boolean", "integer", "number", "object", "string"].contains(&kind.text()) {
        faults.not_supported(&kind, &["array", "boolean", "integer", "number", "object", "string"]);
    }
    if level == Level::Root && !kind.is_empty() && kind.text() != "object" {
        faults.invalid(&kind, "must be object at the root");
    }
    if level == Level::Root && set("nullable") {
        faults.forbidden(&at.field("nullable"), "nullable cannot be true at the root");
    }
    if level == Level::Root || set("x-kubernetes-embedded-resource") {
        for name in ["kind", "apiVersion"] {
            let property = at.field("properties").renamed(format!("{}.properties[{name}]", at.path));
            let kind = At { path: format!("{}.type", property.path), value: &at.value["properties"][name]["type"] };
            if at.value["properties"].get(name).is_some() && kind.text() != "string" {
                faults.invalid(&kind, "must be string");
            }
        }
    }
    if set("x-kubernetes-embedded-resource") && !set("x-kubernetes-preserve-unknown-fields") && at.field("properties").is_empty()
    {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        faults.required(&at.field("properties"), why);
    }
}

/// Metadata has rules of its own; a schema may only restrict the name.
fn metadata(at: &At<'_>, level: Level, faults: &mut Faults) {
    if at.text_of("type") != "object" {
        faults.invalid(&at.field("type"), "must be object");
    }
    let told = at
        .value
        .as_object()
        .is_some_and(|map| map.keys().any(|key| !["type", "properties", "description"].contains(&key.as_str())));
    let more = at.value["properties"].as_object().is_some_and(|map| map.keys().any(|key| key != "name" && key != "generateName"));
    if level == Level::Root && (told || more) {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        faults.forbidden(at, why);
    }
}

fn unsupported(at: &At<'_>, faults: &mut Faults) {
    for name in ["$ref", "id", "additionalItems", "patternProperties", "definitions", "dependencies"] {
        if at.present(name).is_some() {
            faults.forbidden(&at.field(name), &format!("{name} is not supported"));
        }
    }
    if at.value["items"].is_array() {
        faults.forbidden(&at.field("items"), "items must be a schema object and not an array");
    }
    if at.value["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        faults.forbidden(&at.field("uniqueItems"), why);
    }
}

/// `anyOf: [{type: integer}, {type: string}]`, which may stand beside a number that is also a text.
fn is_int_or_string(list: &Value) -> bool {
    *list == json!([{"type": "integer"}, {"type": "string"}])
}

fn junctors(at: &At<'_>, outermost: bool, faults: &mut Faults) {
    let pattern_of_type = |at: &At<'_>| at.value["x-kubernetes-int-or-string"] == true || !outermost;
    for name in ["anyOf", "allOf", "oneOf"] {
        let list = at.field(name);
        if name == "anyOf" && pattern_of_type(at) && is_int_or_string(list.value) {
            continue;
        }
        for (index, one) in list.items().enumerate() {
            let excused = name == "allOf" && index == 0 && at.value["x-kubernetes-int-or-string"] == true;
            restricting(&one, excused, faults);
        }
    }
    if let Some(not) = at.present("not") {
        restricting(&not, false, faults);
    }
}

/// What stands below a junctor restricts and describes nothing.
fn restricting(at: &At<'_>, excused: bool, faults: &mut Faults) {
    for (name, why) in DESCRIBING {
        let field = at.field(name);
        if !field.is_empty() && *field.value != false {
            faults.forbidden(&field, why);
        }
    }
    if !at.field("x-kubernetes-validations").is_empty() {
        faults.forbidden(&at.field("x-kubernetes-validations"), "must be empty to be structural");
    }
    unsupported(at, faults);
    if !(excused && is_int_or_string(&at.value["anyOf"])) {
        junctors(at, true, faults);
    }
    for (name, property) in at.field("properties").entries() {
        if name == "metadata" {
            faults.forbidden(&property, "must not be specified in a nested context");
        }
        restricting(&property, false, faults);
    }
    if let Some(items) = at.present("items").filter(|items| items.value.is_object()) {
        restricting(&items, false, faults);
    }
}

fn list_and_map(at: &At<'_>, faults: &mut Faults) {
    let (kind, list, map) = (at.text_of("type"), at.field("x-kubernetes-list-type"), at.field("x-kubernetes-map-type"));
    let keys = at.field("x-kubernetes-list-map-keys");
    if !list.is_empty() {
        if kind != "array" {
            let why = "must be array if x-kubernetes-list-type is specified";
            if kind.is_empty() { faults.required(&at.field("type"), why) } else { faults.invalid(&at.field("type"), why) }
        }
        faults.one_of_if_set(&list, &["atomic", "set", "map"]);
    }
    if !map.is_empty() {
        if kind != "object" {
            faults.invalid(&at.field("type"), "must be object if x-kubernetes-map-type is specified");
        }
        faults.one_of_if_set(&map, &["atomic", "granular"]);
    }
    match (list.text(), keys.is_empty()) {
        ("map", true) => faults.required(&keys, "must not be empty if x-kubernetes-list-type is map"),
        ("map", false) => map_keys(at, &keys, faults),
        (_, false) => {
            faults.invalid_value(&list, &list.text().into(), "must be map if x-kubernetes-list-map-keys is non-empty");
        }
        (_, true) => {}
    }
    if list.text() == "set" {
        let items = at.field("items");
        let whole = items.text_of("type");
        if (whole == "object" && items.text_of("x-kubernetes-map-type") != "atomic")
            || (whole == "array" && !matches!(items.text_of("x-kubernetes-list-type"), "" | "atomic"))
        {
            faults.invalid(
                &items.field("x-kubernetes-map-type"),
                "must be atomic as item of a list with x-kubernetes-list-type=set",
            );
        }
        if items.value["nullable"] == true {
            faults.forbidden(&items.field("nullable"), "cannot be nullable when x-kubernetes-list-type is set");
        }
    }
}

fn map_keys(at: &At<'_>, keys: &At<'_>, faults: &mut Faults) {
    let items = at.field("items");
    if items.text_of("type") != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        faults.invalid_value(&items.field("type"), &items.text_of("type").into(), why);
    }
    let required: Vec<&str> = items.value["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for key in keys.items() {
        let property = &items.value["properties"][key.text()];
        let place = At { path: format!("{}.items.properties[{}]", at.path, key.text()), value: property };
        if !property.is_object() {
            faults.invalid(&key, "entries must all be names of item properties");
        } else if matches!(property["type"].as_str(), Some("array" | "object")) {
            faults.invalid(&place.field("type"), "must be a scalar type if parent array's x-kubernetes-list-type is map");
        } else if !required.contains(&key.text()) && property["default"].is_null() {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            faults.required(&place.field("default"), why);
        }
    }
}

/// Defaults are values that the schema takes, and that it would leave as they are.
fn defaults(at: &At<'_>, compiled: &Schema, faults: &mut Faults) {
    if let Some(default) = compiled.default.as_ref() {
        let place = At { path: format!("{}.default", at.path), value: default };
        let mut pruned = default.clone();
        let taken = schema::prune(compiled, &mut pruned);
        if !taken.is_empty() {
            faults.invalid(&place, "must not have unknown fields");
        }
        schema::fill_in(compiled, &mut pruned);
        for cause in schema::validate(compiled, &pruned, None) {
            let field = cause.field.trim_start_matches("<nil>").to_owned();
            let path = if field.is_empty() { place.path.clone() } else { format!("{}.{field}", place.path) };
            faults.told(&cause.reason, path, cause.message);
        }
    }
    let nothing = Map::new();
    let properties = at.value["properties"].as_object().unwrap_or(&nothing);
    for (name, property) in properties {
        let place = At { path: format!("{}.properties[{name}]", at.path), value: property };
        if let Some(part) = compiled.properties.get(name) {
            defaults(&place, part, faults);
        }
    }
    if let (Some(items), Some(part)) = (at.present("items"), compiled.items.as_deref()) {
        defaults(&items, part, faults);
    }
    if let (Some(entry), Some(part)) = (at.present("additionalProperties"), compiled.additional.as_deref()) {
        defaults(&entry, part, faults);
    }
}

/// Warns of each format that is not known.
pub(super) fn unknown_formats(at: &At<'_>, found: &mut Vec<String>) {
    let format = at.text_of("format");
    if !format.is_empty() && !schema::KNOWN_FORMATS.contains(&format) {
        found.push(format!("unrecognized format {format:?}"));
    }
    at.field("properties").entries().for_each(|(_, property)| unknown_formats(&property, found));
    for part in ["items", "additionalProperties"] {
        at.present(part).into_iter().for_each(|part| unknown_formats(&part, found));
    }
}
