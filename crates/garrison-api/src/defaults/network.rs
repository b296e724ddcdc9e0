//! Defaults of what the network is told: Endpoints, EndpointSlice, IngressClass, NetworkPolicy.

use super::{default, each, part};
use serde_json::{Value, json};

pub(super) fn endpoints(object: &mut Value) {
    for port in each(object, "subsets").flat_map(|subset| each(subset, "ports")) {
        default(port, "protocol", || "TCP".into());
    }
}

pub(super) fn endpoint_slice(object: &mut Value) {
    for port in each(object, "ports") {
        default(port, "name", || "".into());
        default(port, "protocol", || "TCP".into());
    }
}

/// Parameters of an ingress class are the cluster's, unless it names a namespace for them.
pub(super) fn ingress_class(object: &mut Value) {
    if let Some(parameters) = part(object, "spec").and_then(|spec| part(spec, "parameters")) {
        default(parameters, "scope", || "Cluster".into());
    }
}

/// A policy is about what comes in, and about what goes out if it has rules for that.
pub(super) fn policy(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    default(spec, "podSelector", || json!({}));
    for direction in ["ingress", "egress"] {
        for port in each(spec, direction).flat_map(|rule| each(rule, "ports")) {
            default(port, "protocol", || "TCP".into());
        }
    }
    let goes_out = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
    if spec["policyTypes"].as_array().is_none_or(Vec::is_empty) {
        spec["policyTypes"] = if goes_out { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
}
