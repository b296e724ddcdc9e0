//! Defaults of a Service, besides its addresses: which families there are is the cluster's matter, not the object's.

use super::{default, each, part};
use serde_json::{Value, json};

pub(super) fn apply(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    default(spec, "sessionAffinity", || "None".into());
    match spec["sessionAffinity"].as_str() {
        Some("ClientIP") => {
            default(spec, "sessionAffinityConfig", || json!({}));
            default(&mut spec["sessionAffinityConfig"], "clientIP", || json!({}));
            default(&mut spec["sessionAffinityConfig"]["clientIP"], "timeoutSeconds", || 10_800.into());
        }
        Some("None") => {
            spec.as_object_mut().and_then(|map| map.remove("sessionAffinityConfig"));
        }
        _ => {}
    }
    default(spec, "type", || "ClusterIP".into());
    for port in each(spec, "ports") {
        default(port, "protocol", || "TCP".into());
        let number = port["port"].clone();
        if port["targetPort"] == 0 || port["targetPort"].is_null() || port["targetPort"] == "" {
            port["targetPort"] = number;
        }
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    let has_external_addresses = spec["externalIPs"].as_array().is_some_and(|addresses| !addresses.is_empty());
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || (kind == "ClusterIP" && has_external_addresses) {
        default(spec, "externalTrafficPolicy", || "Cluster".into());
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", || true.into());
    }
    if kind != "ExternalName" {
        default(spec, "internalTrafficPolicy", || "Cluster".into());
        addresses(spec);
    }
}

/// A service that nobody selects pods for, and that has no address, is open to all families.
fn addresses(spec: &mut Value) {
    let address = spec["clusterIP"].as_str().unwrap_or_default().to_owned();
    if !address.is_empty() {
        default(spec, "clusterIPs", || json!([address.clone()]));
    }
    let selects = spec["selector"].as_object().is_some_and(|selector| !selector.is_empty());
    let open = address == "None" && !selects;
    default(spec, "ipFamilyPolicy", || if open { "RequireDualStack" } else { "SingleStack" }.into());
}
