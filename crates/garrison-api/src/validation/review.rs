//! Reviews of access (upstream `pkg/apis/authorization/validation/validation.go`).

use super::fault::{At, Faults};
use super::labels;
use serde_json::Value;

/// A review of that kind; those that have no rules pass.
pub(super) fn check(kind: &str, at: &At<'_>, faults: &mut Faults) {
    let about_others = matches!(kind, "SubjectAccessReview" | "LocalSubjectAccessReview");
    if !about_others && kind != "SelfSubjectAccessReview" {
        return;
    }
    let local = kind == "LocalSubjectAccessReview";
    let spec = at.field("spec");
    let (resource, path) = (spec.present("resourceAttributes"), spec.present("nonResourceAttributes"));
    match (&resource, &path) {
        (Some(_), Some(path)) => faults.invalid(path, "cannot be specified in combination with resourceAttributes"),
        (None, None) => {
            let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            faults.invalid(&spec.field("resourceAttributes"), why);
        }
        _ => {}
    }
    for field in ["fieldSelector", "labelSelector"] {
        if let Some(found) = resource.as_ref().and_then(|resource| resource.present(field)) {
            selector(&found, field == "labelSelector", faults);
        }
    }
    let user = spec.field("user");
    if about_others && user.is_empty() && spec.field("groups").is_empty() {
        faults.invalid_value(&user, &"".into(), "at least one of user or group must be specified");
    }
    let metadata = at.field("metadata");
    let ignored = |name: &str| name == "managedFields" || (local && name == "namespace");
    if metadata.fields().any(|(name, field)| !ignored(name) && !field.is_empty()) {
        let why = if local { "must be empty except for namespace" } else { "must be empty" };
        faults.invalid(&metadata, why);
    }
    if local {
        let within = resource.map(|resource| resource.field("namespace"));
        if let Some(within) = within.filter(|within| within.text() != metadata.text_of("namespace")) {
            faults.invalid_value(&within, &Value::from(within.text()), "must match metadata.namespace");
        }
        if let Some(path) = path {
            faults.invalid(&path, "disallowed on this kind of request");
        }
    }
}

/// A selector is a text or a list. Operators that are not known yet are let pass: who evaluates it leaves them out.
fn selector(at: &At<'_>, of_labels: bool, faults: &mut Faults) {
    let (text, requirements) = (at.field("rawSelector"), at.field("requirements"));
    match (text.is_empty(), requirements.is_empty()) {
        (false, false) => faults.invalid(&text, "may not specified at the same time as requirements"),
        (true, true) => {
            faults.required(&requirements, &format!("when {} is specified, requirements or rawSelector is required", at.path));
        }
        _ => {}
    }
    for requirement in requirements.items() {
        let (key, values) = (requirement.field("key"), requirement.field("values"));
        match requirement.text_of("operator") {
            "In" | "NotIn" if values.is_empty() => {
                faults.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                faults.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            _ => {}
        }
        if of_labels {
            labels::label_name(&key, faults);
        } else if key.is_empty() {
            faults.required(&key, "must be specified");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::validation::review;
    use serde_json::{Value, json};

    #[test]
    fn reviews_ask_one_question_about_somebody() {
        #[track_caller]
        fn check(kind: &str, metadata: Value, spec: Value, expected: &[&str]) {
            let found = review(kind, &json!({"metadata": metadata, "spec": spec}));
            let found: Vec<String> = found.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
            assert_eq!(found, expected, "{kind} {spec}");
        }
        let pods = json!({"verb": "get", "resource": "pods"});
        let own = json!({"resourceAttributes": pods});
        let selecting = |selector: Value| json!({"resourceAttributes": {"resource": "pods", "fieldSelector": selector}});
        let field = "spec.resourceAttributes.fieldSelector";
        check("SelfSubjectAccessReview", json!({}), selecting(json!({"rawSelector": "a=b"})), &[]);
        let near = json!({"requirements": [{"key": "a", "operator": "Near"}]});
        check("SelfSubjectAccessReview", json!({}), selecting(near), &[]);
        let none =
            format!("{field}.requirements: Required value: when {field} is specified, requirements or rawSelector is required");
        check("SelfSubjectAccessReview", json!({}), selecting(json!({})), &[&none]);
        let both = json!({"rawSelector": "a=b", "requirements": [{"operator": "In"}]});
        let told = [
            format!("{field}.rawSelector: Invalid value: \"a=b\": may not specified at the same time as requirements"),
            format!("{field}.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
            format!("{field}.requirements[0].key: Required value: must be specified"),
        ];
        check("SelfSubjectAccessReview", json!({}), selecting(both), &told.each_ref().map(String::as_str));
        let path = json!({"user": "u", "nonResourceAttributes": {"verb": "get", "path": "/x"}});
        check("SelfSubjectAccessReview", json!({}), own.clone(), &[]);
        check("SelfSubjectAccessReview", json!({"managedFields": [{}]}), own.clone(), &[]);
        check("SelfSubjectRulesReview", json!({"name": "x"}), json!({}), &[]);
        let neither = "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified";
        check("SelfSubjectAccessReview", json!({}), json!({}), &[neither]);
        let both = json!({"groups": ["g"], "resourceAttributes": pods, "nonResourceAttributes": {"path": "/"}});
        let told = "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: cannot be specified in combination with resourceAttributes";
        check("SubjectAccessReview", json!({}), both, &[told]);
        check("SubjectAccessReview", json!({}), path.clone(), &[]);
        check(
            "SubjectAccessReview",
            json!({}),
            own.clone(),
            &["spec.user: Invalid value: \"\": at least one of user or group must be specified"],
        );
        let named = "metadata: Invalid value: {\"name\":\"x\"}: must be empty";
        check("SubjectAccessReview", json!({"name": "x"}), path.clone(), &[named]);
        let local = json!({"user": "u", "resourceAttributes": {"namespace": "a", "resource": "pods"}});
        check("LocalSubjectAccessReview", json!({"namespace": "a"}), local.clone(), &[]);
        let other = "spec.resourceAttributes.namespace: Invalid value: \"a\": must match metadata.namespace";
        check("LocalSubjectAccessReview", json!({"namespace": "b"}), local, &[other]);
        let told =
            "spec.nonResourceAttributes: Invalid value: {\"path\":\"/x\",\"verb\":\"get\"}: disallowed on this kind of request";
        check("LocalSubjectAccessReview", json!({"namespace": "a"}), path, &[told]);
    }
}
