//! Values of selectable fields (upstream: the `SelectableFields` functions of each registry).

use serde_json::Value;

/// For kinds without fields of their own.
pub(super) fn none(_: &Value, _: &str) -> String {
    String::new()
}

/// The text at a dotted path below the object; booleans as `true` and `false`, absent as the empty string.
pub(super) fn path(object: &Value, label: &str) -> String {
    match object.pointer(&format!("/{}", label.replace('.', "/"))) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(truth)) => truth.to_string(),
        _ => String::new(),
    }
}

/// Fields whose absence means `false`.
pub(super) fn node(object: &Value, label: &str) -> String {
    if label == "spec.unschedulable" {
        object["spec"]["unschedulable"].as_bool().unwrap_or(false).to_string()
    } else {
        path(object, label)
    }
}

/// Pods: hostNetwork defaults to false, podIPs is the first one.
pub(super) fn pod(object: &Value, label: &str) -> String {
    match label {
        "spec.hostNetwork" => object["spec"]["hostNetwork"].as_bool().unwrap_or(false).to_string(),
        "status.podIPs" => object["status"]["podIPs"][0]["ip"].as_str().unwrap_or_default().into(),
        _ => path(object, label),
    }
}

/// Jobs: how many of its pods did their work, as a text.
pub(super) fn job(object: &Value, label: &str) -> String {
    if label == "status.successful" {
        object["status"]["succeeded"].as_i64().unwrap_or(0).to_string()
    } else {
        path(object, label)
    }
}

/// Replication controllers: how many replicas there are, as a text.
pub(super) fn replication_controller(object: &Value, label: &str) -> String {
    if label == "status.replicas" { object["status"]["replicas"].as_i64().unwrap_or(0).to_string() } else { path(object, label) }
}

/// Events: `source` is the component that saw it.
pub(super) fn event(object: &Value, label: &str) -> String {
    match label {
        "source" => match object["source"]["component"].as_str().filter(|text| !text.is_empty()) {
            Some(component) => component.into(),
            None => path(object, "reportingComponent"),
        },
        _ => path(object, label),
    }
}
