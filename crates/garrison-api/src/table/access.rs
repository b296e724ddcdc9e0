//! The cells of what gives and limits: role bindings and quotas.

use super::text;
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
    let (limits, requests): (Vec<_>, Vec<_>) = hard.into_iter().flatten().partition(|(name, _)| name.contains("limits"));
    let shown = |list: Vec<(&String, &Value)>| {
        let word = |(name, most): (&String, &Value)| {
            let used = object["status"]["used"][name].as_str().unwrap_or("0");
            format!("{name}: {used}/{}", most.as_str().unwrap_or_default())
        };
        list.into_iter().map(word).collect::<Vec<_>>().join(", ")
    };
    json!([text(object, "/metadata/name"), shown(requests), shown(limits), age])
}
