//! Defaults of a DaemonSet (behaviour reference §2).

use super::{default, part, pod};
use serde_json::{Value, json};

pub(super) fn apply(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    default(spec, "updateStrategy", || json!({}));
    let strategy = &mut spec["updateStrategy"];
    if strategy["type"].as_str().is_none_or(str::is_empty) {
        strategy["type"] = "RollingUpdate".into();
    }
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", || json!({}));
        // A surge alone is refused because of this default: the user must also write maxUnavailable: 0.
        default(&mut strategy["rollingUpdate"], "maxUnavailable", || 1.into());
        default(&mut strategy["rollingUpdate"], "maxSurge", || 0.into());
    }
    default(spec, "revisionHistoryLimit", || 10.into());
    template(spec);
}

/// The template of a spec: a pod to be.
pub(super) fn template(spec: &mut Value) {
    if let Some(template) = part(spec, "template") {
        default(template, "metadata", || json!({}));
        if let Some(pod_spec) = part(template, "spec") {
            pod::template_spec(pod_spec);
        }
    }
}
