//! The cells of what gives and limits: role bindings, signing requests and quotas.

use super::{duration, or_none, text};
use serde_json::{Value, json};

pub(super) fn binding(object: &Value, age: String) -> Value {
    let role = format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name"));
    let of = |kind: &str| {
        let subjects = object["subjects"].as_array().into_iter().flatten().filter(|subject| subject["kind"] == kind);
        let words: Vec<String> = subjects
            .map(|subject| match kind {
                "ServiceAccount" => format!("{}/{}", text(subject, "/namespace"), text(subject, "/name")),
                _ => text(subject, "/name").into(),
            })
            .collect();
        words.join(", ")
    };
    json!([text(object, "/metadata/name"), role, age, of("User"), of("Group"), of("ServiceAccount")])
}

/// Each resource as `name: used/allowed`, limits apart from the others.
pub(super) fn quota(object: &Value, age: String) -> Value {
    let hard = object["status"]["hard"].as_object();
    let (limits, requests): (Vec<_>, Vec<_>) = hard.into_iter().flatten().partition(|(name, _)| name.starts_with("limits."));
    let shown = |list: Vec<(&String, &Value)>| {
        let word = |(name, most): (&String, &Value)| {
            let used = object["status"]["used"][name].as_str().unwrap_or("0");
            format!("{name}: {used}/{}", most.as_str().unwrap_or_default())
        };
        list.into_iter().map(word).collect::<Vec<_>>().join(", ")
    };
    json!([text(object, "/metadata/name"), shown(requests), shown(limits), age])
}

/// Who asks whom for a certificate, for how long, and what came of it.
pub(super) fn signing_request(object: &Value, age: String) -> Value {
    let has =
        |kind: &str| object["status"]["conditions"].as_array().into_iter().flatten().any(|condition| condition["type"] == kind);
    let mut state = if has("Denied") {
        "Denied".to_string()
    } else if has("Approved") {
        "Approved".into()
    } else {
        "Pending".into()
    };
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !text(object, "/status/certificate").is_empty() {
        state.push_str(",Issued");
    }
    let asked = object["spec"]["expirationSeconds"].as_i64().map(duration::human);
    json!([
        text(object, "/metadata/name"),
        age,
        or_none(text(object, "/spec/signerName")),
        text(object, "/spec/username"),
        or_none(asked.as_deref().unwrap_or_default()),
        state,
    ])
}
