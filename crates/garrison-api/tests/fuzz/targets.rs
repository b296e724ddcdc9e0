//! What is done with an input, and the laws that hold if it is taken.

use garrison_api::{
    Resource,
    decode::{FieldValidation, decode},
    encode, patch, prepare, quantity, resource,
    selector::{Fields, Labels},
    table,
};
use serde_json::Value;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The row of the kind that an input seems to mean.
pub(super) fn meant(version: Option<&str>, kind: Option<&str>) -> &'static Resource {
    let named = version.zip(kind).and_then(|(version, kind)| resource::by_kind(version, kind));
    named.unwrap_or_else(|| resource::find("", "v1", "pods").expect("pods are served"))
}

pub(super) fn now() -> jiff::Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a time")
}

fn body(media_type: &str, input: &[u8], row: &'static Resource) {
    let version = row.api_version();
    for validation in [FieldValidation::Ignore, FieldValidation::Warn, FieldValidation::Strict] {
        let Ok(decoded) = decode(&version, row.kind, media_type, input, validation) else { continue };
        let printed = decoded.object.to_string();
        let again =
            decode(&version, row.kind, JSON, printed.as_bytes(), FieldValidation::Strict).expect("what was taken is sound");
        assert_eq!(again.object, decoded.object, "what was taken is taken as it is");
        if validation == FieldValidation::Strict {
            through_protobuf(row, &decoded.object);
            store(row, decoded.object);
        }
    }
}

/// What protobuf keeps of an object, it keeps for good.
fn through_protobuf(row: &Resource, object: &Value) {
    let Some(first) = encode::body(object).filter(|_| row.has_messages()) else { return };
    let read = |body: &[u8]| decode(&row.api_version(), row.kind, PROTOBUF, body, FieldValidation::Strict);
    let once = read(&first).expect("what is written can be read").object;
    let second = encode::body(&once).expect("the kind has a message");
    assert_eq!(read(&second).expect("what is written can be read").object, once, "the second way there and back changes nothing");
}

/// Makes a storable object, changes nothing about it, and shows it.
fn store(row: &'static Resource, object: Value) {
    let namespace = row.namespaced.then_some("b");
    let write = prepare::Write { resource: row, subresource: None, namespace, now: now(), uid: "u", random: 7 };
    let _ = table::row(row, &object, table::IncludeObject::Metadata, now());
    let Ok(stored) = prepare::create(&write, object) else { return };
    let _ = table::row(row, &stored.object, table::IncludeObject::None, now());
    let unchanged = prepare::update(&write, &stored.object, stored.object.clone());
    assert_eq!(unchanged.expect("what is stored may stay").object, stored.object, "an update with the same changes nothing");
}

pub(super) fn json(input: &[u8]) {
    let value: Value = serde_json::from_slice(input).unwrap_or_default();
    body(JSON, input, meant(value["apiVersion"].as_str(), value["kind"].as_str()));
}

pub(super) fn yaml(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let line = |field: &str| text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": ")).map(str::to_owned);
    body("application/yaml", input, meant(line("apiVersion").as_deref(), line("kind").as_deref()));
}

pub(super) fn protobuf(input: &[u8]) {
    // Version and kind stand in the envelope, near the beginning.
    let head = &input[..input.len().min(120)];
    let named = |row: &&Resource| {
        head.windows(row.kind.len() + 2).any(|part| part[1] as usize == row.kind.len() && part.ends_with(row.kind.as_bytes()))
    };
    let row = resource::resources().iter().find(named).unwrap_or_else(|| meant(None, None));
    body(PROTOBUF, input, row);
}

pub(super) fn patch(input: &[u8]) {
    let Ok(Value::Array(parts)) = serde_json::from_slice::<Value>(input) else { return };
    let [object, Value::String(media_type), change] = parts.as_slice() else { return };
    let row = meant(object["apiVersion"].as_str(), object["kind"].as_str());
    let apply = |object: &Value| patch::apply(&row.api_version(), row.kind, object, media_type, change.to_string().as_bytes());
    let Ok(patched) = apply(object) else { return };
    if media_type == "application/merge-patch+json" {
        assert_eq!(apply(&patched).expect("a merge patch fits everything"), patched, "a merge patch twice is as once");
    }
}

pub(super) fn selector(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let labels = [("a", "b"), ("x.y/z", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    if let Ok(selector) = Labels::parse(text) {
        let _ = selector.matches(&labels.into());
        assert!(!selector.is_empty() || selector.matches(&Default::default()), "a selector without terms selects all");
    }
    for row in resource::resources() {
        if let Ok(selector) = Fields::parse(row, text) {
            let _ = selector.matches(row, &serde_json::json!({"metadata": {"name": "a"}, "status": {"phase": "Running"}}));
        }
    }
}

pub(super) fn quantity(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(canonical) = quantity::canonical(text) else { return };
    assert_eq!(quantity::canonical(&canonical).as_ref(), Ok(&canonical), "the canonical form stays");
    // Thousandths are as fine as stored amounts get.
    let thousandths = |text: &str| quantity::Quantity::parse(text).map(quantity::Quantity::milli_value);
    assert_eq!(thousandths(text), thousandths(&canonical), "the canonical form means the same");
}
