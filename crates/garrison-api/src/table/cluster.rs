//! The cells of what rules a cluster's requests: API services, admission policies, flow control, addresses, device claims.

use super::{selector_text, text};
use serde_json::{Value, json};

fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// Who serves a version of a group, and whether he does.
pub(super) fn api_service(object: &Value, age: String) -> Value {
    let service = &object["spec"]["service"];
    let by = match service.is_object() {
        true => format!("{}/{}", text(service, "/namespace"), text(service, "/name")),
        false => "Local".into(),
    };
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let available = conditions.find(|condition| condition["type"] == "Available");
    let state = available.map_or_else(
        || "Unknown".into(),
        |condition| match (text(condition, "/status"), text(condition, "/reason")) {
            ("True", _) => "True".into(),
            (status, "") => status.to_string(),
            (status, reason) => format!("{status} ({reason})"),
        },
    );
    json!([name(object), by, state, age])
}

/// A policy with the number of its rules.
pub(super) fn policy(object: &Value, rules: &str, age: String) -> Value {
    let spec = &object["spec"];
    let kind = match spec["paramKind"].is_object() {
        true => format!("{}/{}", text(spec, "/paramKind/apiVersion"), text(spec, "/paramKind/kind")),
        false => "<unset>".into(),
    };
    json!([name(object), spec[rules].as_array().map_or(0, Vec::len), kind, age])
}

pub(super) fn policy_binding(object: &Value, age: String) -> Value {
    let parameters = &object["spec"]["paramRef"];
    let shown = match (text(parameters, "/namespace"), text(parameters, "/name")) {
        (_, "") if parameters["selector"].is_object() => selector_text(&parameters["selector"]).unwrap_or_default(),
        (_, "") => "<unset>".into(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    json!([name(object), text(object, "/spec/policyName"), shown, age])
}

pub(super) fn flow_schema(object: &Value, age: String) -> Value {
    let spec = &object["spec"];
    let method = if spec["distinguisherMethod"].is_object() { text(spec, "/distinguisherMethod/type") } else { "<none>" };
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let dangling = conditions.find(|condition| condition["type"] == "Dangling");
    json!([
        name(object),
        text(spec, "/priorityLevelConfiguration/name"),
        spec["matchingPrecedence"].as_i64().unwrap_or(0),
        method,
        age,
        dangling.map_or("?", |condition| text(condition, "/status")),
    ])
}

pub(super) fn priority_level(object: &Value, age: String) -> Value {
    let limited = &object["spec"]["limited"];
    let queuing = &limited["limitResponse"]["queuing"];
    let number = |of: &Value, field: &str| of[field].as_i64().map_or_else(|| json!("<none>"), Value::from);
    json!([
        name(object),
        text(object, "/spec/type"),
        number(limited, "nominalConcurrencyShares"),
        number(queuing, "queues"),
        number(queuing, "handSize"),
        number(queuing, "queueLengthLimit"),
        age,
    ])
}

/// An address with what has it, as `resource.group/namespace/name`.
pub(super) fn address(object: &Value) -> Value {
    let parent = &object["spec"]["parentRef"];
    if !parent.is_object() {
        return json!([name(object), "<none>"]);
    }
    let resource = match text(parent, "/group") {
        "" => text(parent, "/resource").to_lowercase(),
        group => format!("{}.{group}", text(parent, "/resource")).to_lowercase(),
    };
    let namespace = match text(parent, "/namespace") {
        "" => String::new(),
        namespace => format!("/{namespace}"),
    };
    json!([name(object), format!("{resource}{namespace}/{}", text(parent, "/name"))])
}

/// What became of a claim of devices.
pub(super) fn claim_state(object: &Value) -> String {
    let deleted = object["metadata"]["deletionTimestamp"].is_string();
    let allocated = object["status"]["allocation"].is_object();
    let reserved = object["status"]["reservedFor"].as_array().is_some_and(|users| !users.is_empty());
    let states = [
        ("deleted", deleted),
        ("pending", !allocated && !deleted),
        ("allocated", allocated),
        ("reserved", allocated && reserved),
    ];
    states.iter().filter(|(_, holds)| *holds).map(|(state, _)| *state).collect::<Vec<_>>().join(",")
}
