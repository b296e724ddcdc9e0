//! Defaults of a HorizontalPodAutoscaler (upstream `pkg/apis/autoscaling/v2/defaults.go`).

use super::{amounts, default, each, part};
use serde_json::{Value, json};

pub(super) fn apply(object: &mut Value) {
    if let Some(spec) = part(object, "spec") {
        default(spec, "minReplicas", || 1.into());
        if spec["metrics"].as_array().is_none_or(Vec::is_empty) {
            let target = json!({"type": "Utilization", "averageUtilization": 80});
            spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
        }
        each(spec, "metrics").for_each(|metric| targets(metric, "target"));
        // Whoever says something of one direction gets both in full.
        if let Some(behavior) = part(spec, "behavior") {
            up(behavior);
            down(behavior);
        }
    }
    if let Some(status) = part(object, "status") {
        default(status, "desiredReplicas", || 0.into());
        each(status, "currentMetrics").for_each(|metric| targets(metric, "current"));
    }
}

fn up(behavior: &mut Value) {
    default(behavior, "scaleUp", || json!({}));
    let rules = &mut behavior["scaleUp"];
    default(rules, "stabilizationWindowSeconds", || 0.into());
    default(rules, "selectPolicy", || "Max".into());
    default(
        rules,
        "policies",
        || json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]),
    );
}

fn down(behavior: &mut Value) {
    default(behavior, "scaleDown", || json!({}));
    let rules = &mut behavior["scaleDown"];
    default(rules, "selectPolicy", || "Max".into());
    default(rules, "policies", || json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]));
}

/// The amounts that a metric is to have, or has.
fn targets(metric: &mut Value, field: &str) {
    for source in ["containerResource", "external", "object", "pods", "resource"] {
        let Some(target) = part(metric, source).and_then(|source| part(source, field)) else { continue };
        for name in ["value", "averageValue"] {
            if let Some(amount) = target.get_mut(name) {
                amounts::one(amount);
            }
        }
    }
}
