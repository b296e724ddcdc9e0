//! Conditions of a pod that the server itself sets.

use jiff::Timestamp;
use serde_json::{Value, json};

/// Says something in the pod's conditions, in the place of what was said of it before. The reason may be empty.
pub(super) fn set(pod: &mut Value, kind: &str, reason: &str, message: &str, now: Timestamp) {
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let mut condition = json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": second.to_string()});
    for (field, text) in [("reason", reason), ("message", message)] {
        if !text.is_empty() {
            condition[field] = text.into();
        }
    }
    if !pod["status"].is_object() {
        pod["status"] = json!({});
    }
    if !pod["status"]["conditions"].is_array() {
        pod["status"]["conditions"] = json!([]);
    }
    if let Some(conditions) = pod["status"]["conditions"].as_array_mut() {
        match conditions.iter_mut().find(|known| known["type"] == kind) {
            Some(known) => {
                if known["status"] == "True" {
                    condition["lastTransitionTime"] = known["lastTransitionTime"].clone();
                }
                *known = condition;
            }
            None => conditions.push(condition),
        }
    }
}
