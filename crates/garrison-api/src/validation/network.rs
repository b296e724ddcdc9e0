//! What the network is told: NetworkPolicy, IngressClass, Endpoints, EndpointSlice (upstream `pkg/apis/{networking,core,discovery}/validation`).

use super::fault::{At, Faults};
use super::{form, labels};
use crate::names;
use std::collections::BTreeSet;
use std::net::IpAddr;

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const NO_ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
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
        faults.invalid(&types, "may not specify more than two policyTypes");
    }
    types.items().for_each(|one| faults.one_of(&one, &["Ingress", "Egress"]));
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
        faults.required(&port, "must be specified when `endPort` is specified");
    } else if port.value.is_string() {
        faults.invalid(&last, "must not be specified when `port` is non-numeric");
    } else if last.number() < port.number() {
        faults.invalid(&last, "must be greater than or equal to `port`");
    }
}

/// Pods, namespaces, or both; or else a range of addresses.
fn peer(at: &At<'_>, faults: &mut Faults) {
    let selectors = ["podSelector", "namespaceSelector"].map(|field| at.present(field));
    selectors.iter().flatten().for_each(|selector| labels::selector(selector, false, faults));
    let selects = selectors.iter().flatten().count() > 0;
    match at.present("ipBlock") {
        Some(_) if selects => faults.forbidden(at, "may not specify both ipBlock and another peer"),
        Some(block) => {
            let range = block.field("cidr");
            if range.is_empty() {
                faults.required(&range, "");
            } else {
                faults.invalid_if(&range, range_fault(range.text()));
            }
            block.field("except").items().for_each(|hole| faults.invalid_if(&hole, range_fault(hole.text())));
        }
        None if selects => {}
        None => faults.required(at, "must specify a peer"),
    }
}

/// Why a text is no range of addresses; `None` when it is one.
fn range_fault(text: &str) -> Option<String> {
    let fine = text.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    });
    (!fine).then(|| "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".into())
}

/// The spec of an IngressClass: a controller named like a path below a domain.
pub(super) fn ingress_class(at: &At<'_>, faults: &mut Faults) {
    let controller = at.field("controller");
    if controller.is_empty() {
        faults.required(&controller, "");
    } else {
        let domain = controller.text().split_once('/').map(|(domain, _)| domain);
        match domain {
            None => faults.invalid(&controller, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
            Some(domain) => faults.invalid_if(&controller, names::dns_subdomain_fault(domain)),
        }
    }
    let Some(parameters) = at.present("parameters") else { return };
    for field in ["kind", "name"].map(|field| parameters.field(field)).iter().filter(|field| field.is_empty()) {
        faults.required(field, "");
    }
    let (scope, namespace) = (parameters.field("scope"), parameters.field("namespace"));
    faults.one_of(&scope, &["Cluster", "Namespace"]);
    match (scope.text(), namespace.is_empty()) {
        ("Namespace", true) => faults.required(&namespace, "`parameters.scope` is set to 'Namespace'"),
        ("Cluster", false) => faults.forbidden(&namespace, "`parameters.scope` is set to 'Cluster'"),
        _ => {}
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
    at_most(&endpoints, MOST_ENDPOINTS, faults);
    for endpoint in endpoints.items() {
        let addresses = endpoint.field("addresses");
        if addresses.is_empty() {
            faults.required(&addresses, "must contain at least 1 address");
        }
        at_most(&addresses, MOST_ADDRESSES, faults);
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

fn at_most(at: &At<'_>, most: usize, faults: &mut Faults) {
    if at.items().count() > most {
        faults.invalid_value(at, &at.items().count().into(), &format!("must have at most {most} items"));
    }
}
