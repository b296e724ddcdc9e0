//! What somebody may do: the authorizer's answer to a question, or all that it knows.

use super::texts;
use crate::{
    Server,
    authorize::{Attributes, Decision},
    identity::User,
    request::Call,
};
use garrison_api::{
    Status,
    access::{self, Rule},
};
use serde_json::{Value, json};

/// Fills in a `SelfSubjectAccessReview`.
pub(super) fn of_caller(server: &Server, call: &Call, review: &mut Value) {
    review["status"] = decide(server, &call.user, &review["spec"]);
}

/// Fills in a `SubjectAccessReview` or `LocalSubjectAccessReview`. The user need not be known, nor in any group.
pub(super) fn of_others(server: &Server, review: &mut Value) {
    let spec = &review["spec"];
    let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    let extra = spec["extra"].as_object().into_iter().flatten();
    let user = User {
        name: text("user"),
        uid: text("uid"),
        groups: texts(&spec["groups"]),
        extra: extra.map(|(key, values)| (key.clone(), texts(values))).collect(),
    };
    review["status"] = decide(server, &user, spec);
}

fn decide(server: &Server, user: &User, spec: &Value) -> Value {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let of = |value: &'_ Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let part = |field: &str| of(resource, field);
    let (group, plural, subresource) = (part("group"), part("resource"), part("subresource"));
    let (namespace, name) = (part("namespace"), part("name"));
    let (path, verb) = (of(path, "path"), if resource.is_object() { part("verb") } else { of(path, "verb") });
    let (field_selector, unread) = selector(&resource["fieldSelector"]);
    let decision = server.authorizer().decide(&Attributes {
        user,
        verb: &verb,
        group: &group,
        resource: &plural,
        subresource: &subresource,
        namespace: &namespace,
        name: &name,
        path: &path,
        field_selector: &field_selector,
    });
    let (allowed, reason) = match decision {
        Decision::Allowed(reason) => (true, reason),
        Decision::Unknown(reason) => (false, reason),
    };
    let mut status = json!({"allowed": allowed});
    if !reason.is_empty() {
        status["reason"] = reason.into();
    }
    if unread {
        let partially = if field_selector.is_empty() { "" } else { "partially " };
        let told = format!("spec.resourceAttributes.fieldSelector {partially}ignored due to parse error");
        status["evaluationError"] = told.into();
    }
    status
}

/// A field selector as a list or watch would send it, and whether something could not be said so. That is left out: it
/// asks for more then, not for less.
fn selector(selector: &Value) -> (String, bool) {
    let requirements = selector["requirements"].as_array().map(Vec::as_slice).unwrap_or_default();
    if requirements.is_empty() {
        return (selector["rawSelector"].as_str().unwrap_or_default().to_owned(), false);
    }
    let term = |requirement: &Value| {
        let sign = match requirement["operator"].as_str()? {
            "In" => "=",
            "NotIn" => "!=",
            _ => return None,
        };
        let values = texts(&requirement["values"]);
        let [value] = values.as_slice() else { return None };
        Some(format!("{}{sign}{value}", requirement["key"].as_str()?))
    };
    let terms: Vec<String> = requirements.iter().filter_map(term).collect();
    (terms.join(","), terms.len() < requirements.len())
}

/// Fills in a `SelfSubjectRulesReview`: what roles give the caller in a namespace.
pub(super) fn rules(server: &Server, call: &Call, review: &mut Value) -> Result<(), Status> {
    let namespace = review["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (rules, faults) = server.authorizer().rules(&call.user, namespace);
    let shown = |rule: &Rule| serde_json::to_value(rule).unwrap_or_default();
    let (on_paths, on_resources): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| rule.resources.is_empty());
    let is_node = call.user.node().is_some();
    let mut told: Vec<String> =
        is_node.then(|| "node authorizer does not support user rule resolution".to_owned()).into_iter().collect();
    told.extend(access::together(&faults));
    // Nodes may do more than roles give them.
    let mut status = json!({
        "resourceRules": on_resources.into_iter().map(shown).collect::<Vec<_>>(),
        "nonResourceRules": on_paths.into_iter().map(shown).collect::<Vec<_>>(),
        "incomplete": is_node,
    });
    if let Some(faults) = access::together(&told) {
        status["evaluationError"] = faults.into();
    }
    review["spec"] = json!({});
    review["status"] = status;
    Ok(())
}
