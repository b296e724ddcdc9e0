//! The cells of storage: drivers, classes, attachments, volumes and claims.

use super::{or_none, text};
use serde_json::{Value, json};

pub(super) fn driver(object: &Value, age: String) -> Value {
    let spec = &object["spec"];
    let truth = |field: &str, otherwise: bool| spec[field].as_bool().unwrap_or(otherwise);
    let audiences = spec["tokenRequests"].as_array().map(|requests| {
        let words: Vec<&str> = requests.iter().filter_map(|request| request["audience"].as_str()).collect();
        words.join(",")
    });
    let modes: Vec<&str> = spec["volumeLifecycleModes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    json!([
        text(object, "/metadata/name"),
        truth("attachRequired", true),
        truth("podInfoOnMount", false),
        truth("storageCapacity", false),
        audiences.as_deref().unwrap_or("<unset>"),
        truth("requiresRepublish", false),
        or_none(&modes.join(",")),
        age,
    ])
}

pub(super) fn class(object: &Value, age: String) -> Value {
    let marks = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let name = marked(object, &marks);
    json!([
        name,
        text(object, "/provisioner"),
        object["reclaimPolicy"].as_str().unwrap_or("Delete"),
        object["volumeBindingMode"].as_str().unwrap_or("Immediate"),
        object["allowVolumeExpansion"].as_bool().unwrap_or(false),
        age,
    ])
}

/// The name, and whether the class is the default by one of these annotations.
fn marked(object: &Value, marks: &[&str]) -> String {
    let is_default = marks.iter().any(|mark| object["metadata"]["annotations"][*mark] == "true");
    format!("{}{}", text(object, "/metadata/name"), if is_default { " (default)" } else { "" })
}

pub(super) fn attributes_class(object: &Value, age: String) -> Value {
    let name = marked(object, &["volumeattributesclass.alpha.kubernetes.io/is-default-class"]);
    json!([name, text(object, "/driverName"), age])
}

pub(super) fn attachment(object: &Value, age: String) -> Value {
    json!([
        text(object, "/metadata/name"),
        text(object, "/spec/attacher"),
        text(object, "/spec/source/persistentVolumeName"),
        text(object, "/spec/nodeName"),
        object["status"]["attached"].as_bool().unwrap_or(false),
        age,
    ])
}

pub(super) fn volume(object: &Value, age: String) -> Value {
    let claim = match object["spec"]["claimRef"].is_object() {
        false => String::new(),
        true => format!("{}/{}", text(object, "/spec/claimRef/namespace"), text(object, "/spec/claimRef/name")),
    };
    json!([
        text(object, "/metadata/name"),
        or_zero(text(object, "/spec/capacity/storage")),
        modes(&object["spec"]["accessModes"]),
        text(object, "/spec/persistentVolumeReclaimPolicy"),
        phase(object),
        claim,
        class_of(object),
        or_unset(text(object, "/spec/volumeAttributesClassName")),
        text(object, "/status/reason"),
        age,
        or_unset(text(object, "/spec/volumeMode")),
    ])
}

/// What a claim has it has only when it is bound.
pub(super) fn claim(object: &Value, age: String) -> Value {
    let bound = !text(object, "/spec/volumeName").is_empty();
    json!([
        text(object, "/metadata/name"),
        phase(object),
        text(object, "/spec/volumeName"),
        if bound { or_zero(text(object, "/status/capacity/storage")) } else { "" },
        if bound { modes(&object["status"]["accessModes"]) } else { String::new() },
        class_of(object),
        or_unset(text(object, "/spec/volumeAttributesClassName")),
        age,
        or_unset(text(object, "/spec/volumeMode")),
    ])
}

fn phase(object: &Value) -> &str {
    if object["metadata"]["deletionTimestamp"].is_string() { "Terminating" } else { text(object, "/status/phase") }
}

/// The class was an annotation once, which still counts more.
fn class_of(object: &Value) -> &str {
    let annotated = object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].as_str();
    annotated.unwrap_or_else(|| text(object, "/spec/storageClassName"))
}

/// An amount that is not there is zero.
fn or_zero(text: &str) -> &str {
    if text.is_empty() { "0" } else { text }
}

fn or_unset(text: &str) -> &str {
    if text.is_empty() { "<unset>" } else { text }
}

fn modes(list: &Value) -> String {
    let short = [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |mode: &str| list.as_array().is_some_and(|modes| modes.iter().any(|one| one == mode));
    let words: Vec<&str> = short.iter().filter(|(mode, _)| has(mode)).map(|(_, word)| *word).collect();
    words.join(",")
}
