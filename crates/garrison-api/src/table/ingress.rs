//! The cells of ingresses and their classes.

use super::{or_none, service, text};
use serde_json::{Value, json};

/// How many hosts are shown; of more only the number.
const SHOWN: usize = 3;

pub(super) fn cells(object: &Value, age: String) -> Value {
    let points: Vec<&str> = service::points(&object["status"]["loadBalancer"]).into_iter().collect();
    let secure = object["spec"]["tls"].as_array().is_some_and(|tls| !tls.is_empty());
    json!([
        text(object, "/metadata/name"),
        or_none(text(object, "/spec/ingressClassName")),
        hosts(object),
        points.join(","),
        if secure { "80, 443" } else { "80" },
        age,
    ])
}

/// As upstream counts: rules without a host are no place of their own, but among the more.
fn hosts(object: &Value) -> String {
    let rules = object["spec"]["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut shown: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= shown.len() == SHOWN;
        if let Some(host) = rule["host"].as_str().filter(|host| !more && !host.is_empty()) {
            shown.push(host);
        }
    }
    match shown.is_empty() {
        true => "*".into(),
        false if more => format!("{} + {} more...", shown.join(","), rules.len() - SHOWN),
        false => shown.join(","),
    }
}

/// An ingress class with its parameters as `kind.group/name`.
pub(super) fn class(object: &Value, age: String) -> Value {
    let parameters = &object["spec"]["parameters"];
    let group = parameters["apiGroup"].as_str().map(|group| format!(".{group}")).unwrap_or_default();
    let parameters = match parameters.is_object() {
        true => format!("{}{group}/{}", text(parameters, "/kind"), text(parameters, "/name")),
        false => "<none>".into(),
    };
    json!([text(object, "/metadata/name"), text(object, "/spec/controller"), parameters, age])
}
