//! Defaults of the rules of a cluster: role bindings, LimitRange, ResourceQuota, webhook configurations.

use super::{amounts, default, each, part};
use serde_json::{Value, json};

/// The group of roles, users and groups.
const ACCESS: &str = "rbac.authorization.k8s.io";

/// A RoleBinding or ClusterRoleBinding.
pub(super) fn binding(object: &mut Value) {
    if let Some(role) = part(object, "roleRef") {
        default(role, "apiGroup", || ACCESS.into());
    }
    for subject in each(object, "subjects").filter(|subject| subject["kind"] == "User" || subject["kind"] == "Group") {
        default(subject, "apiGroup", || ACCESS.into());
    }
}

/// What a container gets when it says nothing: its greatest limit; what it requests: its limit, or else the least.
pub(super) fn limit_range(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    for item in each(spec, "limits") {
        for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            amounts::list(item, list);
        }
        if item["type"] == "Container" {
            for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
                fill(item, from, to);
            }
        }
    }
}

fn fill(item: &mut Value, from: &str, to: &str) {
    for (name, amount) in item[from].as_object().cloned().into_iter().flatten() {
        default(item, to, || json!({}));
        default(&mut item[to], &name, || amount);
    }
}

/// A ResourceQuota.
pub(super) fn quota(object: &mut Value) {
    if let Some(spec) = part(object, "spec") {
        amounts::list(spec, "hard");
    }
    if let Some(status) = part(object, "status") {
        amounts::list(status, "hard");
        amounts::list(status, "used");
    }
}

/// A configuration of validating or mutating webhooks.
pub(super) fn webhooks(kind: &str, object: &mut Value) {
    for hook in each(object, "webhooks") {
        for (field, value) in [
            ("failurePolicy", json!("Fail")),
            ("matchPolicy", json!("Equivalent")),
            ("namespaceSelector", json!({})),
            ("objectSelector", json!({})),
            ("timeoutSeconds", json!(10)),
        ] {
            default(hook, field, || value);
        }
        if kind == "MutatingWebhookConfiguration" {
            default(hook, "reinvocationPolicy", || "Never".into());
        }
        if let Some(service) = part(hook, "clientConfig").and_then(|config| part(config, "service")) {
            default(service, "port", || 443.into());
        }
        for rule in each(hook, "rules") {
            default(rule, "scope", || "*".into());
        }
    }
}
