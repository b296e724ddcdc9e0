//! What the network is told: NetworkPolicy, IngressClass, Endpoints, EndpointSlice (upstream `pkg/apis/{networking,core,discovery}/validation`).

use super::address::{NO_ADDRESS, is_part_of, range_fault};
use super::fault::{At, Faults};
use super::{form, ingress, labels};
use crate::names;
use std::collections::BTreeSet;
use std::net::IpAddr;

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
/// Longest name of a controller of ingresses.
const LONGEST_CONTROLLER: usize = 250;
/// Most endpoints of a slice, and most addresses of an endpoint.
const MOST_ENDPOINTS: usize = 1000;
const MOST_ADDRESSES: usize = 100;

/// The spec of a NetworkPolicy.
pub(super) fn policy(at: &At<'_>, faults: &mut Faults) {
    labels::selector(&at.field("podSelector"), false, faults);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in at.field(direction).items() {
            rule.field("ports").items().for_each(|port| policy_port(&port, faults));
            rule.field(peers).items().for_each(|one| peer(&one, faults));
        }
    }
    let types = at.field("policyTypes");
    if types.items().count() > 2 {
        return faults.invalid(&types, "may not specify more than two policyTypes");
    }
    for one in types.items().filter(|one| !matches!(one.text(), "Ingress" | "Egress")) {
        faults.not_supported(&one, &["Ingress", "Egress"]);
    }
}

fn policy_port(at: &At<'_>, faults: &mut Faults) {
    faults.one_of(&at.field("protocol"), &PROTOCOLS);
    let (port, last) = (at.field("port"), at.field("endPort"));
    if !port.value.is_null() {
        form::port_or_name(&port, faults);
    }
    if last.value.is_null() {
        return;
    }
    if port.value.is_null() {
        faults.invalid(&last, "may not be specified when `port` is not specified");
    } else if port.value.is_string() {
        faults.invalid(&last, "may not be specified when `port` is non-numeric");
    } else {
        if last.number() < port.number() {
            faults.invalid_value(&last, port.value, "must be greater than or equal to `port`");
        }
        faults.between(&last, 1, 65_535);
    }
}

/// Pods, namespaces, or both; or else a range of addresses.
fn peer(at: &At<'_>, faults: &mut Faults) {
    let selectors = ["podSelector", "namespaceSelector"].map(|field| at.present(field));
    selectors.iter().flatten().for_each(|selector| labels::selector(selector, false, faults));
    let selects = selectors.iter().flatten().count() > 0;
    match at.present("ipBlock") {
        Some(block) => {
            ranges(&block, faults);
            if selects {
                faults.forbidden(at, "may not specify both ipBlock and another peer");
            }
        }
        None if selects => {}
        None => faults.required(at, "must specify a peer"),
    }
}

/// A range of addresses, with holes in it.
fn ranges(at: &At<'_>, faults: &mut Faults) {
    let range = at.field("cidr");
    if range.is_empty() {
        return faults.required(&range, "");
    }
    let fault = range_fault(range.text());
    let known = fault.is_none();
    faults.invalid_if(&range, fault);
    for hole in at.field("except").items().filter(|_| known) {
        match range_fault(hole.text()) {
            Some(why) => faults.invalid(&hole, &why),
            None if is_part_of(hole.text(), range.text()) => {}
            None => faults.invalid(&hole, "must be a strict subset of `cidr`"),
        }
    }
}

/// The spec of an IngressClass: a controller named like a path below a domain.
pub(super) fn ingress_class(at: &At<'_>, faults: &mut Faults) {
    let controller = at.field("controller");
    if controller.text().len() > LONGEST_CONTROLLER {
        faults.too_long(&controller, LONGEST_CONTROLLER);
    }
    match controller.text().split_once('/') {
        _ if controller.is_empty() => faults.required(&controller, ""),
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            if let Some(why) = names::dns_subdomain_fault(domain) {
                faults.invalid_value(&controller, &domain.into(), &why);
            }
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
            if !path.bytes().all(fine) {
                let why = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
                faults.invalid_value(&controller, &path.into(), why);
            }
        }
        _ => faults.invalid(&controller, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
    let Some(parameters) = at.present("parameters") else { return };
    ingress::reference(&parameters, faults);
    let (scope, namespace) = (parameters.field("scope"), parameters.present("namespace"));
    match (scope.text(), namespace) {
        ("Namespace", None) => faults.required(&parameters.field("namespace"), "`parameters.scope` is set to 'Namespace'"),
        ("Namespace", Some(namespace)) => faults.invalid_if(&namespace, names::dns_label_fault(namespace.text())),
        ("Cluster", Some(namespace)) => faults.forbidden(&namespace, "`parameters.scope` is set to 'Cluster'"),
        ("Cluster", None) => {}
        _ => faults.one_of(&scope, &["Cluster", "Namespace"]),
    }
}

/// Endpoints of the old form.
pub(super) fn endpoints(at: &At<'_>, faults: &mut Faults) {
    for subset in at.field("subsets").items() {
        let (ready, not_ready, ports) = (subset.field("addresses"), subset.field("notReadyAddresses"), subset.field("ports"));
        if ready.is_empty() && not_ready.is_empty() {
            faults.required(&subset, "must specify `addresses` or `notReadyAddresses`");
        }
        for address in ready.items().chain(not_ready.items()).map(|address| address.field("ip")) {
            if address.text().parse::<IpAddr>().is_err() {
                faults.invalid(&address, NO_ADDRESS);
            }
        }
        let several = ports.items().count() > 1;
        for port in ports.items() {
            let name = port.field("name");
            if several && name.is_empty() {
                faults.required(&name, "");
            } else if !name.is_empty() {
                faults.invalid_if(&name, names::dns_label_fault(name.text()));
            }
            faults.between(&port.field("port"), 1, 65_535);
            faults.one_of(&port.field("protocol"), &PROTOCOLS);
        }
    }
}

/// An EndpointSlice.
pub(super) fn endpoint_slice(at: &At<'_>, faults: &mut Faults) {
    let (kind, endpoints) = (at.field("addressType"), at.field("endpoints"));
    faults.one_of(&kind, &["IPv4", "IPv6", "FQDN"]);
    faults.at_most(&endpoints, MOST_ENDPOINTS);
    for endpoint in endpoints.items() {
        let addresses = endpoint.field("addresses");
        if addresses.is_empty() {
            faults.required(&addresses, "must contain at least 1 address");
        }
        faults.at_most(&addresses, MOST_ADDRESSES);
        addresses.items().for_each(|address| of_type(&address, kind.text(), faults));
    }
    let mut seen = BTreeSet::new();
    for port in at.field("ports").items() {
        let (name, protocol) = (port.field("name"), port.field("protocol"));
        if !seen.insert(name.text()) {
            faults.duplicate(&name);
        }
        if !name.is_empty() {
            faults.invalid_if(&name, names::dns_label_fault(name.text()));
        }
        faults.one_of(&protocol, &PROTOCOLS);
        // No port means all of them.
        if let Some(number) = port.present("port") {
            faults.between(&number, 1, 65_535);
        }
    }
}

fn of_type(at: &At<'_>, kind: &str, faults: &mut Faults) {
    let parsed = at.text().parse::<IpAddr>().ok();
    match kind {
        "IPv4" if !parsed.is_some_and(|address| address.is_ipv4()) => {
            faults.invalid(at, "must be an IPv4 address");
        }
        "IPv6" if !parsed.is_some_and(|address| address.is_ipv6()) => {
            faults.invalid(at, "must be an IPv6 address");
        }
        "FQDN" => faults.invalid_if(at, names::dns_subdomain_fault(at.text())),
        _ => {}
    }
}
