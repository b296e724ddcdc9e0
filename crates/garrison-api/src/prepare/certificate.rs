//! Updates of certificate signing requests: what is asked for never changes, and each subresource changes its part of the answer.

use super::{Write, metadata};
use serde_json::{Value, json};

/// A main write changes metadata, one of `/approval` the conditions, one of `/status` conditions and certificate.
pub(super) fn keep_other_parts(write: &Write<'_>, old: &Value, new: &mut Value) {
    keep(old, new, "spec");
    match write.subresource {
        Some("status") => time_conditions(write, old, new),
        Some("approval") => {
            time_conditions(write, old, new);
            let certificate = old["status"].clone();
            keep(&certificate, &mut new["status"], "certificate");
        }
        _ => keep(old, new, "status"),
    }
}

fn keep(old: &Value, new: &mut Value, field: &str) {
    match (new.as_object_mut(), old.get(field)) {
        (Some(map), Some(value)) => {
            map.insert(field.into(), value.clone());
        }
        (Some(map), None) => {
            map.remove(field);
        }
        (None, Some(value)) => *new = json!({field: value}),
        (None, None) => {}
    }
}

/// Conditions bear the time at which they were written, and that at which they came to be as they are.
fn time_conditions(write: &Write<'_>, old: &Value, new: &mut Value) {
    let now = Value::from(metadata::seconds(write.now));
    let before = |condition: &Value| {
        let all = old["status"]["conditions"].as_array();
        let same = |old: &&Value| old["type"] == condition["type"] && old["status"] == condition["status"];
        all.into_iter().flatten().find(same).map(|old| old["lastTransitionTime"].clone())
    };
    for condition in new["status"]["conditions"].as_array_mut().into_iter().flatten().filter(|one| one.is_object()) {
        if condition["lastUpdateTime"].is_null() {
            condition["lastUpdateTime"] = now.clone();
        }
        if condition["lastTransitionTime"].is_null() {
            let kept = before(condition).filter(Value::is_string);
            condition["lastTransitionTime"] = kept.unwrap_or_else(|| now.clone());
        }
    }
}
