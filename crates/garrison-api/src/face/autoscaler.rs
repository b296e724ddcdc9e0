//! The two faces of HorizontalPodAutoscalers: `autoscaling/v2`, as which they are kept, and `autoscaling/v1`, which has
//! fields for the use of CPU alone, and all else in annotations (upstream `pkg/apis/autoscaling/v1/conversion.go`).

use super::metrics::{self, Part, written};
use crate::{decode, resource::Resource};
use serde_json::{Map, Value, json};

const NEW: &str = "autoscaling/v2";
const KIND: &str = "HorizontalPodAutoscaler";
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// What carries over what a version has no fields for; only the conversion writes them.
const CARRIERS: [&str; 6] = [
    METRICS,
    CURRENT_METRICS,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];
/// The fields of [`BEHAVIOR`], which are written in the names of Go, in their order.
const RULES: [&str; 4] = ["stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance"];

/// Whether the kind is the older face.
pub(super) fn is_old_face(resource: &Resource) -> bool {
    resource.group == "autoscaling" && resource.version == "v1" && resource.kind == KIND
}

/// An object of the kind as it is kept.
pub(super) fn kept(resource: &Resource, mut object: Value) -> Value {
    let carried = take_carriers(&mut object);
    if !is_old_face(resource) {
        return object;
    }
    object["apiVersion"] = NEW.into();
    let carried =
        |name: &str| carried.get(name).and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut metrics = carried(METRICS).and_then(|old| fitting("spec", "metrics", metrics::new(Part::Target, &old)?));
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        if let Some(target) = spec.remove("targetCPUUtilizationPercentage") {
            let target = json!({"type": "Utilization", "averageUtilization": target});
            let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
            metrics.get_or_insert_default().push(metric);
        }
        if let Some(metrics) = metrics.filter(|metrics| !metrics.is_empty()) {
            spec.insert("metrics".into(), metrics.into());
        }
        if let Some(behavior) = carried(BEHAVIOR).and_then(new_behavior) {
            spec.insert("behavior".into(), behavior);
        }
    }
    let current =
        carried(CURRENT_METRICS).and_then(|old| fitting("status", "currentMetrics", metrics::new(Part::Current, &old)?));
    let conditions = carried(CONDITIONS).and_then(|old| fitting("status", "conditions", old));
    if !object["status"].is_object() && (current.is_some() || conditions.is_some()) {
        object["status"] = json!({});
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        let of_cpu = status.remove("currentCPUUtilizationPercentage").map(|percentage| {
            let current = json!({"averageUtilization": percentage});
            vec![json!({"type": "Resource", "resource": {"name": "cpu", "current": current}})]
        });
        for (name, list) in [("currentMetrics", current.or(of_cpu)), ("conditions", conditions)] {
            if let Some(list) = list.filter(|list| !list.is_empty()) {
                status.insert(name.into(), list.into());
            }
        }
        // Only the older face shows that there are none.
        if status.get("currentReplicas").is_some_and(|count| *count == 0) {
            status.remove("currentReplicas");
        }
    }
    object
}

/// A kept object as clients of the kind see it.
pub(super) fn shown(resource: &Resource, mut object: Value) -> Value {
    if !is_old_face(resource) {
        return object;
    }
    take_carriers(&mut object);
    object["apiVersion"] = resource.api_version().into();
    let mut carried: Vec<(&str, String)> = Vec::new();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        let metrics = spec.remove("metrics").unwrap_or_default();
        let (of_cpu, others): (Vec<&Value>, Vec<&Value>) =
            metrics.as_array().into_iter().flatten().partition(|metric| is_of_cpu(metric, "target"));
        if let Some(metric) = of_cpu.first() {
            let percentage = metric["resource"]["target"]["averageUtilization"].clone();
            spec.insert("targetCPUUtilizationPercentage".into(), percentage);
        }
        if !others.is_empty() {
            carried.push((METRICS, metrics::old(Part::Target, others.into_iter())));
        }
        if let Some(behavior) = spec.remove("behavior") {
            carried.push((BEHAVIOR, old_behavior(&behavior)));
        }
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        let current = status.remove("currentMetrics").unwrap_or_default();
        let current = current.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(metric) = current.iter().rfind(|metric| is_of_cpu(metric, "current")) {
            let percentage = metric["resource"]["current"]["averageUtilization"].clone();
            status.insert("currentCPUUtilizationPercentage".into(), percentage);
        }
        if !current.is_empty() {
            carried.push((CURRENT_METRICS, metrics::old(Part::Current, current.iter())));
        }
        let conditions = status.remove("conditions").unwrap_or_default();
        let conditions = conditions.as_array().map(Vec::as_slice).unwrap_or_default();
        if !conditions.is_empty() {
            carried.push((CONDITIONS, format!("[{}]", conditions.iter().map(condition).collect::<Vec<_>>().join(","))));
        }
        for count in ["currentReplicas", "desiredReplicas"] {
            status.entry(count).or_insert_with(|| 0.into());
        }
    }
    if !carried.is_empty() {
        let annotations = &mut object["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = json!({});
        }
        carried.into_iter().for_each(|(name, text)| annotations[name] = text.into());
    }
    object
}

/// Whether a metric is what the older face has a field for.
fn is_of_cpu(metric: &Value, part: &str) -> bool {
    let resource = &metric["resource"];
    metric["type"] == "Resource" && resource["name"] == "cpu" && resource[part]["averageUtilization"].is_number()
}

/// The annotations that carry what one face has no fields for; they are no annotations of the object itself.
fn take_carriers(object: &mut Value) -> Map<String, Value> {
    let mut taken = Map::new();
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return taken };
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        for name in CARRIERS {
            taken.extend(annotations.remove(name).map(|text| (name.to_owned(), text)));
        }
        if annotations.is_empty() && !taken.is_empty() {
            metadata.remove("annotations");
        }
    }
    taken
}

/// The elements of a list, if they are such as its field may hold. Others were written by hand, and count for nothing.
fn fitting(part: &str, field: &str, list: Value) -> Option<Vec<Value>> {
    let mut object = json!({part: {field: list}});
    decode::fits(NEW, KIND, &mut object).ok()?;
    match object[part][field].take() {
        Value::Array(list) => Some(list),
        _ => None,
    }
}

fn condition(condition: &Value) -> String {
    let fields = ["type", "status", "lastTransitionTime", "reason", "message"];
    // A time is always written, even if it is none.
    let value = |name| {
        condition
            .get(name)
            .filter(|value| !value.is_null() && *value != "")
            .or((name == "lastTransitionTime").then_some(&Value::Null))
    };
    written(fields.into_iter().map(|name| (name.to_owned(), value(name).map(Value::to_string))))
}

fn old_behavior(behavior: &Value) -> String {
    let policy = |policy: &Value| {
        let fields = ["type", "value", "periodSeconds"];
        written(fields.into_iter().map(|name| (go(name), Some(policy[name].to_string()))))
    };
    let rules = |rules: &Value| {
        let value = |name: &str| match (&rules[name], name) {
            (Value::Array(policies), _) => format!("[{}]", policies.iter().map(policy).collect::<Vec<_>>().join(",")),
            (other, _) => other.to_string(),
        };
        written(RULES.into_iter().map(|name| (go(name), Some(value(name)))))
    };
    let direction = |name: &str| behavior.get(name).filter(|rules| rules.is_object()).map_or_else(|| "null".into(), rules);
    written(["scaleUp", "scaleDown"].into_iter().map(|name| (go(name), Some(direction(name)))))
}

/// What [`old_behavior`] has written. Go reads names whatever their case, and passes over those that it does not know.
fn new_behavior(written: Value) -> Option<Value> {
    let behavior = renamed(written);
    let mut object = json!({"spec": {"behavior": behavior}});
    decode::fits(NEW, KIND, &mut object).ok()?;
    Some(object["spec"]["behavior"].take())
        .filter(|behavior| behavior.as_object().is_some_and(|directions| !directions.is_empty()))
}

fn renamed(value: Value) -> Value {
    const NAMES: [&str; 9] = [
        "scaleUp",
        "scaleDown",
        "stabilizationWindowSeconds",
        "selectPolicy",
        "policies",
        "tolerance",
        "type",
        "value",
        "periodSeconds",
    ];
    let known = |name: &str| NAMES.iter().find(|known| known.eq_ignore_ascii_case(name));
    match value {
        Value::Object(map) => {
            map.into_iter().filter_map(|(name, value)| Some(((*known(&name)?).to_owned(), renamed(value)))).collect()
        }
        Value::Array(list) => list.into_iter().map(renamed).collect(),
        other => other,
    }
}

/// The name of a field as Go has it.
fn go(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

#[cfg(test)]
mod tests;
