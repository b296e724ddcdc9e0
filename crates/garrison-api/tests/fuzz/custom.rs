//! CustomResourceDefinitions, objects of the kinds they describe, and the little languages in them.

use super::targets::now;
use garrison_api::{
    Resource,
    custom::{
        Rows, Shape, Version,
        columns::{self, Column},
        definition::Definition,
        scale::Paths,
    },
    decode::{self, FieldValidation},
    prepare, resource, table,
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

const JSON: &str = "application/json";
/// No write may take longer, however slow the machine: its rules stop when they have taken their steps.
const LONGEST: Duration = Duration::from_secs(60);

/// A kind whose version is that of the definition of the moment.
static ROW: LazyLock<&'static Resource> = LazyLock::new(|| {
    let text = |text: &str| text.to_owned();
    Rows::default().of(&Shape {
        group: text("example.com"),
        version: text("v1"),
        kind: text("Widget"),
        list_kind: text("WidgetList"),
        plural: text("widgets"),
        singular: text("widget"),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        has_status: true,
        has_scale: true,
        selectable_fields: vec![text("spec.name")],
    })
});

fn write(resource: &'static Resource) -> prepare::Write<'static> {
    let namespace = resource.namespaced.then_some("b");
    prepare::Write { resource, subresource: None, namespace, now: now(), uid: "u", random: 7 }
}

/// The versions of a definition, if it is taken.
fn taken(definition: &Value) -> Option<Vec<Version>> {
    let row = resource::find("apiextensions.k8s.io", "v1", "customresourcedefinitions").expect("definitions are served");
    let decoded = decode::object(row, JSON, definition.to_string().as_bytes(), FieldValidation::Ignore).ok()?;
    let stored = prepare::create(&write(row), decoded.object).ok()?.object;
    let unchanged = prepare::update(&write(row), &stored, stored.clone()).expect("what is stored may stay").object;
    assert_eq!(unchanged, stored, "an update with the same changes nothing");
    let _ = table::row(row, &stored, table::IncludeObject::None, now());
    let definition = Definition(&stored);
    let compile = |version: &&Value| {
        let _ = definition.shape(version);
        definition.compile(version, 1).expect("a definition that is taken can be compiled")
    };
    Some(definition.versions().iter().map(compile).collect())
}

/// A definition and objects; each is written after the one before.
pub(super) fn definition(input: &[u8]) {
    let Ok(Value::Array(parts)) = serde_json::from_slice::<Value>(input) else { return };
    let Some((definition, objects)) = parts.split_first() else { return };
    let Some(versions) = taken(definition) else { return };
    let transitions = definition.to_string().contains("oldSelf");
    for version in versions {
        let version = Arc::new(version);
        ROW.custom.expect("is custom").serve(Some(version.clone()));
        let mut old = None;
        for object in objects {
            old = object_of(&version, object, old.as_ref(), transitions).or(old);
        }
    }
}

/// Writes an object, changes nothing about it, and shows it; what was stored.
fn object_of(version: &Version, object: &Value, old: Option<&Value>, transitions: bool) -> Option<Value> {
    let mut once = object.clone();
    version.settle(&mut once);
    let mut twice = once.clone();
    version.settle(&mut twice);
    assert_eq!(twice, once, "settled twice is as once");
    let _ = version.faults(object, old);
    let decoded = decode::object(*ROW, JSON, object.to_string().as_bytes(), FieldValidation::Ignore).ok()?.object;
    let again =
        decode::object(*ROW, JSON, decoded.to_string().as_bytes(), FieldValidation::Strict).expect("what was taken is sound");
    assert_eq!(again.object, decoded, "what was taken is taken as it is");
    let _ = table::row(*ROW, &decoded, table::IncludeObject::Object, now());
    let started = Instant::now();
    let prepared = match old {
        None => prepare::create(&write(*ROW), decoded),
        Some(old) => prepare::update(&write(*ROW), old, decoded),
    };
    assert!(started.elapsed() < LONGEST, "a write took {:?}", started.elapsed());
    let stored = prepared.ok()?.object;
    let mut settled = stored.clone();
    version.settle(&mut settled);
    assert_eq!(settled, stored, "what is stored is settled");
    match prepare::update(&write(*ROW), &stored, stored.clone()) {
        Ok(unchanged) => assert_eq!(unchanged.object, stored, "an update with the same changes nothing"),
        Err(status) => assert!(transitions, "what is stored may stay: {status:?}"),
    }
    if old.is_none() {
        assert_eq!(version.faults(&stored, None), Vec::new(), "what is stored is valid");
    }
    let _ = table::row(*ROW, &stored, table::IncludeObject::Metadata, now());
    if let Some(paths) = &version.scale {
        scaled(paths, &stored);
    }
    let _ = (ROW.field)(&stored, "spec.name");
    Some(stored)
}

fn scaled(paths: &Paths, object: &Value) {
    let scale = paths.scale(object).unwrap_or_else(|_| paths.scale_or_zero(object));
    let mut same = object.clone();
    if paths.apply(&scale, "example.com", "widgets", &mut same).is_ok() {
        assert_eq!(paths.scale_or_zero(&same)["spec"], scale["spec"], "a scale comes back");
    }
}

/// The text of a rule, run with values of every kind, now and before.
pub(super) fn rule(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let properties: Value = serde_json::from_str(include_str!("seeds/properties.json")).expect("is JSON");
    let rules = [
        json!({"rule": text, "message": "m"}),
        json!({"rule": "false", "messageExpression": text}),
        json!({"rule": format!("[{text}] == [{text}]"), "message": "m"}),
    ];
    for rule in rules {
        let version = json!({"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": properties, "x-kubernetes-validations": [rule]}}}}});
        let definition = json!({"spec": {"group": "example.com", "versions": [version]}});
        let Ok(compiled) = Definition(&definition).compile(&version, 1) else { continue };
        let objects: Vec<Value> = serde_json::from_str(include_str!("seeds/values.json")).expect("is JSON");
        let started = Instant::now();
        let mut old = None;
        for object in &objects {
            let told = compiled.faults(object, old);
            assert_eq!(compiled.faults(object, old), told, "a rule finds the same again");
            old = Some(object);
        }
        assert!(started.elapsed() < LONGEST, "rules took {:?}", started.elapsed());
    }
}

/// A path of a column, of scale, of a field to select by.
pub(super) fn path(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let kinds = ["string", "integer", "number", "boolean", "date"];
    let column = |kind: &str| json!({"name": kind, "type": kind, "jsonPath": text});
    let version = json!({"additionalPrinterColumns": kinds.map(column)});
    let columns = Column::of_version(&version);
    let deep = (0..60).fold(json!(1), |inner, _| json!({"a": inner, "b": [{"a": "c"}]}));
    let mut objects: Vec<Value> = serde_json::from_str(include_str!("seeds/values.json")).expect("is JSON");
    objects.push(deep);
    for object in &objects {
        let cells = columns::cells(&columns, object, now());
        assert_eq!(cells.as_array().map(Vec::len), Some(kinds.len() + 1), "each column has a cell");
        let _ = (ROW.field)(object, text);
    }
    if let Some(paths) = Paths::read(&json!({"specReplicasPath": text, "statusReplicasPath": text, "labelSelectorPath": text})) {
        for object in &mut objects {
            scaled(&paths, object);
        }
    }
}

fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

pub(super) fn rules() -> Vec<Vec<u8>> {
    lines(include_str!("seeds/rules.txt"))
}

pub(super) fn paths() -> Vec<Vec<u8>> {
    lines(include_str!("seeds/paths.txt"))
}

/// A definition with everything that definitions have, one for each rule, and small ones.
pub(super) fn definitions() -> Vec<Vec<u8>> {
    let whole: Value = serde_json::from_str(include_str!("seeds/definition.json")).expect("is JSON");
    let objects: Vec<Value> = serde_json::from_str(include_str!("seeds/values.json")).expect("is JSON");
    let with = |definition: &Value| {
        let parts = std::iter::once(definition.clone()).chain(objects.iter().cloned());
        Value::from(parts.collect::<Vec<_>>()).to_string().into_bytes()
    };
    let mut kept = whole.clone();
    let schema = "/spec/versions/0/schema/openAPIV3Schema";
    *kept.pointer_mut(schema).expect("has a schema") = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    kept["spec"]["versions"][0].as_object_mut().expect("is a version").remove("selectableFields");
    let mut without_rules = whole.clone();
    let spec = without_rules.pointer_mut(&format!("{schema}/properties/spec")).and_then(Value::as_object_mut);
    spec.expect("describes a spec").remove("x-kubernetes-validations");
    for definition in [&whole, &kept, &without_rules] {
        assert!(taken(definition).is_some(), "the seed is taken");
    }
    vec![with(&whole), with(&kept), with(&without_rules)]
}
