//! Server-side apply: what is read and written of owned fields, and the laws of applying.

use super::{seeds, targets::meant};
use garrison_api::{
    Resource,
    apply::{self, Applied, Element, Live, Set, Structure, Write, structure},
    decode::{self, FieldValidation},
};
use serde_json::{Value, json};

/// `fieldsV1` of every form of steps.
pub(super) fn field_sets() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"f:metadata":{"f:labels":{".":{},"f:a.b/c":{}},"f:finalizers":{".":{},"v:\"x/y\"":{}}},"f:spec":{}}"#,
        r#"{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}}}}}"#,
        r#"{"v:1":{},"v:1.5":{},"v:true":{},"v:null":{},"v:[1,{\"a\":null}]":{},"i:0":{"i:-1":{}},"f:":{},".":{}}"#,
        r#"{"k:{}":{},"v:\"<&>\u2028\"":{},"v:9007199254740993":{},"v:9007199254740992.0":{},"v:18446744073709551615":{},"v:-0":{}}"#,
        r#"{"z:unknown":{"f:a":{}},"f:a":null}"#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// Reads and writes a set; what was read once is read as the same again.
pub(super) fn field_set(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    let Ok(set) = Set::from_value(&value) else { return };
    let written = set.to_value();
    let again = Set::from_value(&written).expect("what is written can be read");
    assert_eq!(again.to_value(), written, "what is written is read as it is");
    assert_eq!(again, set, "what is written means the same");
    assert_eq!(Set::of(set.paths().iter().map(Vec::as_slice)), set, "a set is its paths");
    assert!(set.difference(&again).is_empty() && set.union(&again) == set && set.intersection(&again) == set);
}

/// A live object, its entries, a configuration, who applies it, and whether by force.
pub(super) fn applies() -> Vec<Vec<u8>> {
    let kinds = ["DaemonSet", "Service", "Node", "ConfigMap", "Role", "EndpointSlice"];
    let mut all = Vec::new();
    for mut object in seeds::full().into_iter().filter(|object| kinds.iter().any(|kind| object["kind"] == *kind)) {
        keep(&mut object, "/spec/template/spec", &["containers", "nodeSelector", "tolerations"]);
        keep(&mut object, "/spec/template/spec/containers/0", &["name", "image", "args", "env", "ports", "resources"]);
        let row = meant(object["apiVersion"].as_str(), object["kind"].as_str());
        let Some(structure) = structure::of_kind(&row.api_version(), row.kind) else { continue };
        let mut live = object.clone();
        live["metadata"]["labels"] = json!({"c": "e", "left": "alone"});
        let (version, none) = (row.api_version(), Set::default());
        let wrote = write(row, "n", &version, &none);
        let owned = apply::create(structure, &wrote, &live, Value::Null);
        let small = json!({"apiVersion": row.api_version(), "kind": row.kind,
            "metadata": {"name": "a", "namespace": "b", "labels": {"c": "d"}}});
        let mut config = object.clone();
        config["metadata"].as_object_mut().expect("is written so").remove("managedFields");
        let new = Live { object: &json!({}), owned: &Value::Null };
        assert!(apply::apply(structure, &wrote, new, &config, false).is_ok() && stored(row, &live).is_some(), "seeds are sound");
        all.extend([
            json!([{}, null, config, "m", false]),
            json!([live, owned, config, "m", true]),
            json!([live, owned, small, "kubectl", false]),
            json!([live, null, small, "", true]),
        ]);
    }
    all.iter().map(|input| input.to_string().into_bytes()).collect()
}

/// Pods are large, and a part of them does: time is for different inputs.
fn keep(object: &mut Value, at: &str, fields: &[&str]) {
    if let Some(map) = object.pointer_mut(at).and_then(Value::as_object_mut) {
        map.retain(|name, _| fields.contains(&name.as_str()));
    }
}

fn write<'a>(row: &'static Resource, manager: &'a str, api_version: &'a str, ignored: &'a Set) -> Write<'a> {
    let by_value = apply::by_value(row);
    Write { manager, api_version, subresource: "", now: "2026-01-02T03:04:05Z", ignored, by_value }
}

/// Applies a configuration once, again, and by whoever owns nothing of it.
pub(super) fn applying(input: &[u8]) {
    let Ok(Value::Array(parts)) = serde_json::from_slice::<Value>(input) else { return };
    let [live, owned, config, Value::String(manager), Value::Bool(force)] = parts.as_slice() else { return };
    let row = meant(config["apiVersion"].as_str(), config["kind"].as_str());
    let version = row.api_version();
    let Some(structure) = structure::of_kind(&version, row.kind) else { return };
    // Objects that are stored went through the same door.
    let Some(live) = stored(row, live) else { return };
    let ignored = apply::ignored(row, None);
    let write = write(row, manager, &version, &ignored);
    let act =
        |live: &Value, owned: &Value, force: bool| apply::apply(structure, &write, Live { object: live, owned }, config, force);
    let before = (live.clone(), owned.clone());
    let outcome = act(&live, owned, *force);
    assert_eq!((&live, owned), (&before.0, &before.1), "whoever applies makes a new object");
    let Ok(once) = outcome else {
        return assert_eq!(act(&live, owned, *force), outcome, "what is refused is refused again");
    };
    assert!(!once.owned.is_null() || !has_fields(config), "who applies something owns it");
    assert!(holds(&once.object, config), "what is applied is there: {}", once.object);
    if owned.is_null() {
        only_what_is_there(structure, &once);
    }
    let twice = act(&once.object, &once.owned, false).expect("who owns it may apply it again");
    assert_eq!(twice.object, once.object, "applied twice is as once");
    assert!(apply::same_but_times(&twice.owned, &once.owned), "twice owned is as once: {} {}", once.owned, twice.owned);
}

/// The object as the server would hold it; `{}` is one that is yet to be made.
fn stored(row: &'static Resource, live: &Value) -> Option<Value> {
    if live.as_object().is_some_and(serde_json::Map::is_empty) {
        return Some(live.clone());
    }
    let body = live.to_string();
    let decoded = decode::object(row, "application/json", body.as_bytes(), FieldValidation::Strict).ok()?;
    Some(decoded.object)
}

fn has_fields(config: &Value) -> bool {
    config.as_object().is_some_and(|map| map.keys().any(|name| !["apiVersion", "kind", "metadata"].contains(&name.as_str())))
}

/// Whether everything said is there. A null says nothing.
fn holds(have: &Value, said: &Value) -> bool {
    match (have, said) {
        (_, Value::Null) => true,
        (Value::Object(have), Value::Object(said)) => {
            said.iter().all(|(name, value)| value.is_null() || have.get(name).is_some_and(|have| holds(have, value)))
        }
        (Value::Array(have), Value::Array(said)) => said.iter().all(|said| have.iter().any(|have| holds(have, said))),
        (have, said) => have == said,
    }
}

fn only_what_is_there(structure: &Structure, applied: &Applied) {
    for entry in applied.owned.as_array().into_iter().flatten() {
        let set = Set::from_value(&entry["fieldsV1"]).expect("entries are well-formed");
        for path in set.paths() {
            assert!(is_there(&applied.object, &path), "{path:?} is owned and not there: {} {structure:?}", applied.object);
        }
    }
}

fn is_there(value: &Value, path: &[Element]) -> bool {
    let Some((step, rest)) = path.split_first() else { return true };
    let elements = || value.as_array().into_iter().flatten();
    match step {
        Element::Field(name) => value.get(&**name).is_some_and(|below| is_there(below, rest)),
        // A key may be left out, where it has a default.
        Element::Key(keys) => elements()
            .any(|one| keys.iter().all(|(name, key)| one.get(&**name).is_none_or(|own| own == key)) && is_there(one, rest)),
        Element::Value(wanted) => elements().any(|one| one == wanted && is_there(one, rest)),
        Element::Index(index) => usize::try_from(*index).ok().and_then(|at| value.get(at)).is_some_and(|one| is_there(one, rest)),
    }
}
