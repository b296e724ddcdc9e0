//! Defaults of what rules a cluster's requests and devices: admission policies, API services, flow control, device claims.

use super::{default, each, part};
use serde_json::{Value, json};

/// A policy of validating or mutating admission.
pub(super) fn policy(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    default(spec, "failurePolicy", || "Fail".into());
    if let Some(resources) = part(spec, "matchConstraints") {
        match_resources(resources);
    }
}

/// The binding of a policy to parameters and resources.
pub(super) fn policy_binding(object: &mut Value) {
    if let Some(resources) = part(object, "spec").and_then(|spec| part(spec, "matchResources")) {
        match_resources(resources);
    }
}

fn match_resources(resources: &mut Value) {
    default(resources, "matchPolicy", || "Equivalent".into());
    default(resources, "namespaceSelector", || json!({}));
    default(resources, "objectSelector", || json!({}));
    for list in ["resourceRules", "excludeResourceRules"] {
        each(resources, list).for_each(|rule| default(rule, "scope", || "*".into()));
    }
}

pub(super) fn api_service(object: &mut Value) {
    if let Some(service) = part(object, "spec").and_then(|spec| part(spec, "service")) {
        default(service, "port", || 443.into());
    }
}

pub(super) fn flow_schema(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    if spec["matchingPrecedence"].as_i64().unwrap_or(0) == 0 {
        spec["matchingPrecedence"] = 1000.into();
    }
}

pub(super) fn priority_level(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    if let Some(exempt) = part(spec, "exempt") {
        default(exempt, "nominalConcurrencyShares", || 0.into());
        default(exempt, "lendablePercent", || 0.into());
    }
    let Some(limited) = part(spec, "limited") else { return };
    default(limited, "nominalConcurrencyShares", || 30.into());
    default(limited, "lendablePercent", || 0.into());
    if let Some(queuing) = part(limited, "limitResponse").and_then(|response| part(response, "queuing")) {
        for (field, value) in [("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)] {
            if queuing[field].as_i64().unwrap_or(0) == 0 {
                queuing[field] = value.into();
            }
        }
    }
}

/// A ResourceClaim, or what a ResourceClaimTemplate makes one of.
pub(super) fn claim(object: &mut Value) {
    let Some(devices) = part(object, "spec").and_then(|spec| part(spec, "devices")) else { return };
    for request in each(devices, "requests") {
        if let Some(exactly) = part(request, "exactly") {
            count(exactly);
        }
        each(request, "firstAvailable").for_each(count);
    }
}

/// Who does not say how many devices means one.
fn count(request: &mut Value) {
    default(request, "allocationMode", || "ExactCount".into());
    if request["allocationMode"] == "ExactCount" && request["count"].as_i64().unwrap_or(0) == 0 {
        request["count"] = 1.into();
    }
}
