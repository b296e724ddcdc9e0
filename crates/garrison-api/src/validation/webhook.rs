//! Configurations of admission webhooks (upstream `pkg/apis/admissionregistration/validation/validation.go`).

use super::fault::{At, Faults};
use super::labels;
use crate::names;
use std::collections::BTreeSet;

/// Longest time that a webhook may take to answer.
const LONGEST: i64 = 30;
const OPERATIONS: [&str; 5] = ["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];

/// A configuration of validating or mutating webhooks.
pub(super) fn configuration(at: &At<'_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for hook in at.field("webhooks").items() {
        webhook(&hook, faults);
        faults.unique(&hook.field("name"), &mut seen);
    }
}

fn webhook(at: &At<'_>, faults: &mut Faults) {
    let name = at.field("name");
    if name.is_empty() {
        faults.required(&name, "");
    } else {
        faults.invalid_if(&name, names::dns_subdomain_fault(name.text()));
        if name.text().split('.').count() < 3 {
            faults.invalid(&name, "should be a domain with at least three segments separated by dots");
        }
    }
    at.field("rules").items().for_each(|one| rule(&one, faults));
    faults.one_of_if_set(&at.field("failurePolicy"), &["Fail", "Ignore"]);
    faults.one_of_if_set(&at.field("matchPolicy"), &["Equivalent", "Exact"]);
    faults.one_of_if_set(&at.field("reinvocationPolicy"), &["IfNeeded", "Never"]);
    let effects = at.field("sideEffects");
    if effects.is_empty() {
        faults.required(&effects, "must specify one of None, NoneOnDryRun");
    } else {
        faults.one_of_if_set(&effects, &["None", "NoneOnDryRun"]);
    }
    let seconds = at.field("timeoutSeconds");
    if !(1..=LONGEST).contains(&seconds.number()) {
        faults.invalid(&seconds, &format!("the timeout value must be between 1 and {LONGEST} seconds"));
    }
    for selector in ["namespaceSelector", "objectSelector"] {
        labels::selector(&at.field(selector), false, faults);
    }
    let versions = at.field("admissionReviewVersions");
    if versions.is_empty() {
        faults.required(&versions, "must specify one of v1, v1beta1");
    } else if !versions.items().any(|version| matches!(version.text(), "v1" | "v1beta1")) {
        faults.invalid(&versions, "must include at least one of v1, v1beta1");
    }
    client(&at.field("clientConfig"), faults);
}

/// Operations on resources. A star stands for all, and beside it nothing else.
pub(super) fn rule(at: &At<'_>, faults: &mut Faults) {
    let operations = at.field("operations");
    for (name, what) in [("operations", "operations"), ("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        let list = at.field(name);
        if list.is_empty() {
            faults.required(&list, "");
        } else if list.items().count() > 1 && list.items().any(|item| item.text() == "*") {
            faults.invalid(&list, &format!("if '*' is present, must not specify other {what}"));
        }
    }
    for operation in operations.items().filter(|operation| !OPERATIONS.contains(&operation.text())) {
        faults.not_supported(&operation, &OPERATIONS);
    }
    for version in at.field("apiVersions").items().filter(At::is_empty) {
        faults.required(&version, "");
    }
    resources(&at.field("resources"), faults);
    faults.one_of_if_set(&at.field("scope"), &["*", "Cluster", "Namespaced"]);
}

/// Resources and subresources, `pods/*` and `*/scale` among them, none said twice.
fn resources(at: &At<'_>, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, "");
    }
    let (mut whole, mut parts) = (BTreeSet::new(), BTreeSet::new());
    let (mut all, mut plain) = (false, false);
    for item in at.items() {
        let text = item.text();
        match text.split_once('/') {
            _ if text.is_empty() => faults.required(&item, ""),
            None if text == "*" => all = true,
            None => plain = true,
            Some(_) if text == "*/*" => {}
            Some((resource, part)) => {
                if whole.contains(resource) {
                    faults.invalid(&item, &format!("if '{resource}/*' is present, must not specify {text}"));
                }
                if parts.contains(part) {
                    faults.invalid(&item, &format!("if '*/{part}' is present, must not specify {text}"));
                }
                if part == "*" {
                    whole.insert(resource);
                }
                if resource == "*" {
                    parts.insert(part);
                }
            }
        }
    }
    if at.items().count() > 1 && at.items().any(|item| item.text() == "*/*") {
        faults.invalid(at, "if '*/*' is present, must not specify other resources");
    }
    if all && plain {
        faults.invalid(at, "if '*' is present, must not specify other resources without subresources");
    }
}

/// Where the webhook is: at a URL, or behind a service.
fn client(at: &At<'_>, faults: &mut Faults) {
    let (url, service) = (at.field("url"), at.present("service"));
    if url.value.is_null() == service.is_none() {
        return faults.required(at, "exactly one of url or service is required");
    }
    if let Some(service) = service {
        for field in ["name", "namespace"].map(|field| service.field(field)).iter().filter(|field| field.is_empty()) {
            faults.required(field, &format!("service {} is required", field.path.rsplit('.').next().unwrap_or_default()));
        }
        faults.between(&service.field("port"), 1, 65_535);
    } else if !url.text().starts_with("https://") {
        faults.invalid(&url, "'https' is the only allowed URL scheme");
    }
}
