//! Services (upstream `pkg/apis/core/validation/validation.go`).

use super::fault::{At, Faults};
use super::{address, form, labels};
use crate::names;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Longest time for which a client keeps its endpoint.
const LONGEST_AFFINITY: i64 = 86_400;

/// The spec.
pub(super) fn spec(at: &At<'_>, faults: &mut Faults) {
    let kind = at.text_of("type");
    let ports = at.field("ports");
    if ports.is_empty() && at.text_of("clusterIP") != "None" && kind != "ExternalName" {
        faults.required(&ports, "");
    }
    faults.one_of(&at.field("type"), &["ExternalName", "ClusterIP", "NodePort", "LoadBalancer"]);
    labels::labels(&at.field("selector"), faults);
    faults.one_of(&at.field("sessionAffinity"), &["ClientIP", "None"]);
    if at.text_of("sessionAffinity") == "ClientIP" {
        let seconds = at.field("sessionAffinityConfig").field("clientIP").field("timeoutSeconds");
        if !(1..=LONGEST_AFFINITY).contains(&seconds.number()) {
            faults.invalid(&seconds, &format!("must be greater than 0 and less than {LONGEST_AFFINITY}"));
        }
    }
    faults.one_of_if_set(&at.field("trafficDistribution"), &["PreferClose", "PreferSameNode", "PreferSameZone"]);
    ranges(at, kind, faults);
    addresses(at, kind, faults);
    if kind == "ExternalName" {
        let name = at.field("externalName");
        // A name may be written as absolute.
        let text = name.text().strip_suffix('.').unwrap_or(name.text());
        if text.is_empty() { faults.required(&name, "") } else { faults.invalid_if(&name, names::dns_subdomain_fault(text)) }
    }
    self::ports(&ports, kind, faults);
    policies(at, kind, faults);
}

/// From where a load balancer lets traffic in. The name of the field is upstream's.
fn ranges(at: &At<'_>, kind: &str, faults: &mut Faults) {
    let ranges = at.field("loadBalancerSourceRanges").renamed(format!("{}.LoadBalancerSourceRanges", at.path));
    if ranges.is_empty() {
        return;
    }
    if kind != "LoadBalancer" {
        faults.forbidden(&ranges, "may only be used when `type` is 'LoadBalancer'");
    }
    ranges.items().for_each(|range| faults.invalid_if(&range, address::range_fault(range.text().trim())));
}

fn addresses(at: &At<'_>, kind: &str, faults: &mut Faults) {
    let (first, all) = (at.field("clusterIP"), at.field("clusterIPs"));
    if kind == "ExternalName" {
        for field in
            ["clusterIPs", "ipFamilies", "ipFamilyPolicy"].map(|field| at.field(field)).iter().filter(|at| !at.is_empty())
        {
            faults.forbidden(field, "may not be set for ExternalName services");
        }
        return;
    }
    if first.text() == "None" && matches!(kind, "NodePort" | "LoadBalancer") {
        faults.invalid(&all.renamed(format!("{}[0]", all.path)), &format!("may not be set to 'None' for {kind} services"));
    }
    for address in all.items().filter(|address| address.text() != "None") {
        address_of(&address, faults);
    }
    if !all.is_empty() && all.value[0] != *first.value {
        let shown = if first.value.is_null() { &Value::from("") } else { first.value };
        faults.invalid_value(&all, shown, "first value must match `clusterIP`");
    }
    if all.items().count() > 2 {
        faults.invalid(&all, "may only hold up to 2 values");
    }
    faults.one_of_if_set(&at.field("ipFamilyPolicy"), &["SingleStack", "PreferDualStack", "RequireDualStack"]);
    at.field("ipFamilies").items().for_each(|family| faults.one_of(&family, &["IPv4", "IPv6"]));
    at.field("externalIPs").items().for_each(|address| address_of(&address, faults));
}

fn address_of(at: &At<'_>, faults: &mut Faults) {
    if at.text().parse::<IpAddr>().is_err() {
        faults.invalid(at, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
}

fn ports(at: &At<'_>, kind: &str, faults: &mut Faults) {
    let several = at.items().count() > 1;
    let (mut names_seen, mut seen, mut node_ports) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for port in at.items() {
        let (name, number, protocol) = (port.field("name"), port.field("port"), port.field("protocol"));
        if several && name.is_empty() {
            faults.required(&name, "");
        } else if !name.is_empty() {
            faults.invalid_if(&name, names::dns_label_fault(name.text()));
        }
        faults.unique(&name, &mut names_seen);
        faults.between(&number, 1, 65_535);
        faults.one_of(&protocol, &["SCTP", "TCP", "UDP"]);
        form::port_or_name(&port.field("targetPort"), faults);
        if let Some(protocol) = port.present("appProtocol") {
            faults.invalid_if(&protocol, names::qualified_name_fault(protocol.text()));
        }
        if !seen.insert((protocol.text(), number.number())) {
            faults.duplicate(&port);
        }
        let node_port = port.field("nodePort");
        match node_port.number() {
            0 => {}
            _ if !matches!(kind, "NodePort" | "LoadBalancer") => {
                faults.forbidden(&node_port, &format!("may not be used when `type` is '{kind}'"));
            }
            found => {
                faults.between(&node_port, 1, 65_535);
                if !node_ports.insert((protocol.text(), found)) {
                    faults.duplicate(&node_port);
                }
            }
        }
    }
}

/// Where traffic may go to, as far as the type lets it be said.
fn policies(at: &At<'_>, kind: &str, faults: &mut Faults) {
    let outside = matches!(kind, "NodePort" | "LoadBalancer") || !at.field("externalIPs").is_empty();
    let external = at.field("externalTrafficPolicy");
    if outside {
        faults.one_of(&external, &["Cluster", "Local"]);
    } else if !external.is_empty() {
        faults.invalid(&external, "may only be set for externally-accessible services");
    }
    faults.one_of_if_set(&at.field("internalTrafficPolicy"), &["Cluster", "Local"]);
    let health = at.field("healthCheckNodePort");
    if health.number() != 0 && !(kind == "LoadBalancer" && external.text() == "Local") {
        faults.invalid(&health, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
    }
    for (field, is_set) in [
        ("allocateLoadBalancerNodePorts", !at.field("allocateLoadBalancerNodePorts").value.is_null()),
        ("loadBalancerClass", !at.field("loadBalancerClass").is_empty()),
    ] {
        if is_set && kind != "LoadBalancer" {
            faults.forbidden(&at.field(field), "may only be used when `type` is 'LoadBalancer'");
        }
    }
}

/// An update: an address that was given stays. Only a service that needs none any more loses it.
pub(super) fn kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    if [&old, &new].iter().any(|spec| spec.text_of("type") == "ExternalName") {
        return;
    }
    let (before, now) = (old.field("clusterIP"), new.field("clusterIP"));
    if !before.is_empty() && before.text() != now.text() {
        let place = new.field("clusterIPs");
        faults.invalid(&place.renamed(format!("{}[0]", place.path)), "may not change once set");
    }
}
