//! HorizontalPodAutoscalers (upstream `pkg/apis/autoscaling/validation/validation.go`).

use super::fault::{At, Faults};
use crate::names;
use crate::quantity::Quantity;
use serde_json::Value;

/// Longest time over which recommendations are remembered, and longest period of a policy, in seconds.
const LONGEST_WINDOW: i64 = 3600;
const LONGEST_PERIOD: i64 = 1800;
/// The types of metrics, with the field that holds each, in the order in which upstream looks at them.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];

/// The spec. Whoever has none at the least may keep it so.
pub(super) fn spec(at: &At<'_>, least: i64, faults: &mut Faults) {
    let (min, max) = (at.field("minReplicas"), at.field("maxReplicas"));
    if !min.value.is_null() && min.number() < least {
        faults.invalid(&min, &format!("must be greater than or equal to {least}"));
    }
    if max.number() < 1 {
        faults.invalid_value(&max, &max.number().into(), "must be greater than 0");
    }
    if !min.value.is_null() && max.number() < min.number() {
        faults.invalid_value(&max, &max.number().into(), "must be greater than or equal to `minReplicas`");
    }
    target_object(&at.field("scaleTargetRef"), faults);
    let metrics = at.field("metrics");
    metrics.items().for_each(|one| metric(&one, faults));
    let outside = metrics.items().any(|metric| matches!(metric.text_of("type"), "Object" | "External"));
    if min.value == 0 && !outside {
        faults.forbidden(&metrics, "must specify at least one Object or External metric to support scaling to zero replicas");
    }
    for direction in ["scaleUp", "scaleDown"].iter().filter_map(|name| at.field("behavior").present(name)) {
        rules(&direction, faults);
    }
}

/// A write of `/status`.
pub(super) fn status(at: &At<'_>, faults: &mut Faults) {
    for count in ["currentReplicas", "desiredReplicas"] {
        faults.non_negative(&at.field("status").field(count));
    }
}

/// An object by kind and name.
fn target_object(at: &At<'_>, faults: &mut Faults) {
    for field in ["kind", "name"] {
        faults.named(&at.field(field), names::path_segment_fault);
    }
}

fn rules(at: &At<'_>, faults: &mut Faults) {
    let (window, select, policies) = (at.field("stabilizationWindowSeconds"), at.field("selectPolicy"), at.field("policies"));
    if window.number() < 0 {
        faults.invalid(&window, "must be greater than or equal to zero");
    }
    if window.number() > LONGEST_WINDOW {
        faults.invalid(&window, &format!("must be less than or equal to {LONGEST_WINDOW}"));
    }
    if !select.value.is_null() && !matches!(select.text(), "Max" | "Min" | "Disabled") {
        faults.not_supported(&select, &["Disabled", "Max", "Min"]);
    }
    if policies.is_empty() {
        faults.required(&policies, "must specify at least one Policy");
    }
    for policy in policies.items() {
        let (kind, value, period) = (policy.field("type"), policy.field("value"), policy.field("periodSeconds"));
        if !matches!(kind.text(), "Pods" | "Percent") {
            faults.not_supported(&kind, &["Percent", "Pods"]);
        }
        for number in [&value, &period].iter().filter(|at| at.number() <= 0) {
            faults.invalid_value(number, &number.number().into(), "must be greater than zero");
        }
        if period.number() > LONGEST_PERIOD {
            faults.invalid(&period, &format!("must be less than or equal to {LONGEST_PERIOD}"));
        }
    }
}

fn metric(at: &At<'_>, faults: &mut Faults) {
    let kind = at.field("type");
    if kind.is_empty() {
        faults.required(&kind, "must specify a metric source type");
    }
    let wanted = SOURCES.iter().find(|(name, _)| *name == kind.text()).map(|(_, field)| *field);
    if wanted.is_none() {
        // Upstream says so twice.
        let kinds = SOURCES.map(|(name, _)| name);
        faults.not_supported(&kind, &kinds);
        faults.not_supported(&kind, &kinds);
    }
    let present: Vec<(&str, At<'_>)> = SOURCES.iter().filter_map(|(_, field)| Some((*field, at.present(field)?))).collect();
    if let Some((name, first)) = present.first() {
        source(name, first, faults);
    }
    if let Some(field) = wanted.filter(|field| present.iter().all(|(name, _)| name != field)) {
        faults.required(&at.field(field), "must populate information for the given metric source");
    }
    if present.len() != 1 {
        for (_, other) in present.iter().filter(|(name, _)| Some(*name) != wanted) {
            faults.forbidden(other, "must populate the given metric source only");
        }
    }
}

fn source(name: &str, at: &At<'_>, faults: &mut Faults) {
    let target = at.field("target");
    let has = |field: &str| target.present(field).is_some();
    match name {
        "object" => target_object(&at.field("describedObject"), faults),
        "containerResource" | "resource" if at.field("name").is_empty() => {
            faults.required(&at.field("name"), "must specify a resource name");
        }
        _ => {}
    }
    if name == "containerResource" {
        let container = at.field("container");
        if container.is_empty() {
            faults.required(&container, "must specify a container");
        } else {
            faults.invalid_if(&container, names::dns_label_fault(container.text()));
        }
    }
    if matches!(name, "object" | "external" | "pods") {
        let metric = at.field("metric").field("name");
        if metric.is_empty() {
            faults.required(&metric, "must specify a metric name");
        } else {
            faults.invalid_if(&metric, names::path_segment_fault(metric.text()));
        }
    }
    self::target(&target, faults);
    let (average, utilization) = (target.field("averageValue"), target.field("averageUtilization"));
    match name {
        "object" if !has("value") && !has("averageValue") => {
            faults.required(&average, "must set either a target value or averageValue");
        }
        "external" if !has("value") && !has("averageValue") => {
            faults.required(&average, "must set either a target value for metric or a per-pod target");
        }
        "external" if has("value") && has("averageValue") => {
            faults.forbidden(&target.field("value"), "may not set both a target value for metric and a per-pod target");
        }
        "pods" if !has("averageValue") => faults.required(&average, "must specify a positive target averageValue"),
        "resource" | "containerResource" if !has("averageUtilization") && !has("averageValue") => {
            faults.required(&utilization, "must set either a target raw value or a target utilization");
        }
        "resource" | "containerResource" if has("averageUtilization") && has("averageValue") => {
            faults.forbidden(&average, "may not set both a target raw value and a target utilization");
        }
        _ => {}
    }
}

fn target(at: &At<'_>, faults: &mut Faults) {
    let (kind, utilization) = (at.field("type"), at.field("averageUtilization"));
    if kind.is_empty() {
        faults.required(&kind, "must specify a metric target type");
    }
    if !matches!(kind.text(), "Utilization" | "Value" | "AverageValue") {
        faults.invalid_value(&kind, &Value::from(kind.text()), "must be either Utilization, Value, or AverageValue");
    }
    for amount in ["value", "averageValue"].iter().filter_map(|field| at.present(field)) {
        let positive = |amount: &Quantity| !amount.is_negative() && amount.milli_value() > 0;
        if !Quantity::parse(amount.text()).is_ok_and(|amount| positive(&amount)) {
            faults.invalid(&amount, "must be positive");
        }
    }
    if !utilization.value.is_null() && utilization.number() < 1 {
        faults.invalid(&utilization, "must be greater than 0");
    }
}
