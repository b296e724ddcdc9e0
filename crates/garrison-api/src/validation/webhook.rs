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
    faults.one_of(&at.field("sideEffects"), &["None", "NoneOnDryRun"]);
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

fn rule(at: &At<'_>, faults: &mut Faults) {
    for list in ["operations", "apiGroups", "apiVersions", "resources"].map(|list| at.field(list)) {
        if list.is_empty() {
            faults.required(&list, "");
        }
        let all = list.items().any(|item| item.text() == "*");
        if all && list.items().count() > 1 && list.path.rsplit('.').next() != Some("resources") {
            faults.invalid(&list, "if '*' is present, must not specify other values");
        }
    }
    at.field("operations").items().for_each(|operation| faults.one_of(&operation, &OPERATIONS));
    faults.one_of_if_set(&at.field("scope"), &["*", "Cluster", "Namespaced"]);
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
