//! Defaults of what nodes are to provide: storage drivers and classes, volumes and claims, runtimes.

use super::{amounts, default, part};
use serde_json::{Value, json};

pub(super) fn driver(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    for (field, value) in [
        ("attachRequired", json!(true)),
        ("podInfoOnMount", json!(false)),
        ("storageCapacity", json!(false)),
        ("fsGroupPolicy", json!("ReadWriteOnceWithFSType")),
        ("requiresRepublish", json!(false)),
        ("seLinuxMount", json!(false)),
    ] {
        default(spec, field, || value);
    }
    if spec["volumeLifecycleModes"].as_array().is_none_or(Vec::is_empty) {
        spec["volumeLifecycleModes"] = json!(["Persistent"]);
    }
}

pub(super) fn class(object: &mut Value) {
    default(object, "reclaimPolicy", || "Delete".into());
    default(object, "volumeBindingMode", || "Immediate".into());
}

pub(super) fn volume(object: &mut Value) {
    if let Some(spec) = part(object, "spec") {
        amounts::list(spec, "capacity");
        default(spec, "persistentVolumeReclaimPolicy", || "Retain".into());
        default(spec, "volumeMode", || "Filesystem".into());
    }
}

pub(super) fn claim(object: &mut Value) {
    if let Some(spec) = part(object, "spec") {
        amounts::requirements(spec, "resources");
        default(spec, "volumeMode", || "Filesystem".into());
    }
    if let Some(status) = part(object, "status") {
        amounts::list(status, "capacity");
    }
}

/// What a runtime takes for itself.
pub(super) fn overhead(object: &mut Value) {
    if let Some(overhead) = part(object, "overhead") {
        amounts::list(overhead, "podFixed");
    }
}

/// What is left for volumes of a class in a part of the cluster.
pub(super) fn capacity(object: &mut Value) {
    for field in ["capacity", "maximumVolumeSize"] {
        if let Some(amount) = object.get_mut(field) {
            amounts::one(amount);
        }
    }
}
