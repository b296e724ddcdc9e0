//! Ingresses (upstream `pkg/apis/networking/validation/validation.go`).

use super::fault::{At, Faults};
use super::{address, form};
use crate::names;
use serde_json::Value;
use std::net::IpAddr;

const NO_NAME: &str = "must be a DNS name, not an IP address";
/// What a path that is matched step by step must not contain, and what it must not end with.
const STEPS: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const ENDS: [&str; 2] = ["/..", "/."];
const CLASS: &str = "kubernetes.io/ingress.class";

/// An Ingress about to be created.
pub(super) fn create(at: &At<'_>, faults: &mut Faults) {
    spec(&at.field("spec"), faults);
    let (annotated, class) = (&at.value["metadata"]["annotations"][CLASS], at.field("spec").field("ingressClassName"));
    if !annotated.is_null() && !class.value.is_null() && annotated != class.value {
        let place = class.renamed(format!("annotations.{CLASS}"));
        faults.invalid_value(&place, annotated, "must match `ingressClassName` when both are specified");
    }
}

/// The spec.
pub(super) fn spec(at: &At<'_>, faults: &mut Faults) {
    let (rules, backend) = (at.field("rules"), at.present("defaultBackend"));
    if rules.is_empty() && backend.is_none() {
        faults.invalid_value(at, rules.value, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(backend) = backend {
        self::backend(&backend, faults);
    }
    for rule in rules.items() {
        let name = rule.field("host");
        if !name.is_empty() {
            if name.text().parse::<IpAddr>().is_ok() {
                faults.invalid(&name, NO_NAME);
            }
            host(&name, faults);
        }
        if let Some(http) = rule.present("http") {
            paths(&http.field("paths"), faults);
        }
    }
    for tls in at.field("tls").items() {
        tls.field("hosts").items().for_each(|name| host(&name, faults));
        let secret = tls.field("secretName");
        if !secret.is_empty() {
            faults.invalid_if(&secret, names::dns_subdomain_fault(secret.text()));
        }
    }
    if let Some(class) = at.present("ingressClassName") {
        faults.invalid_if(&class, names::dns_subdomain_fault(class.text()));
    }
}

/// A name, or all names below one.
fn host(at: &At<'_>, faults: &mut Faults) {
    let name = at.text();
    faults.invalid_if(at, if name.contains('*') { wildcard_fault(name) } else { names::dns_subdomain_fault(name) });
}

fn wildcard_fault(text: &str) -> Option<String> {
    if text.len() > 253 {
        return Some("must be no more than 253 characters".into());
    }
    let fine = text.strip_prefix("*.").is_some_and(|rest| names::dns_subdomain_fault(rest).is_none());
    (!fine).then(|| {
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case \
         alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for \
         validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .into()
    })
}

fn paths(at: &At<'_>, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, "");
    }
    for rule in at.items() {
        let (kind, path) = (rule.field("pathType"), rule.field("path"));
        if kind.value.is_null() {
            faults.required(&kind, "pathType must be specified");
            continue;
        }
        let absolute = path.text().starts_with('/');
        let shown = Value::from(path.text());
        match kind.text() {
            "Exact" | "Prefix" => {
                if !absolute {
                    faults.invalid_value(&path, &shown, "must be an absolute path");
                }
                for part in STEPS.iter().filter(|part| path.text().contains(**part)) {
                    faults.invalid(&path, &format!("must not contain '{part}'"));
                }
                for end in ENDS.iter().filter(|end| path.text().ends_with(**end)) {
                    faults.invalid(&path, &format!("cannot end with '{end}'"));
                }
            }
            "ImplementationSpecific" if path.is_empty() || absolute => {}
            "ImplementationSpecific" => faults.invalid(&path, "must be an absolute path"),
            _ => faults.not_supported(&kind, &["Exact", "ImplementationSpecific", "Prefix"]),
        }
        backend(&rule.field("backend"), faults);
    }
}

/// Where requests go: to a service, or to another object.
fn backend(at: &At<'_>, faults: &mut Faults) {
    let nothing = Value::from("");
    match (at.present("resource"), at.present("service")) {
        (Some(_), Some(_)) => faults.invalid_value(at, &nothing, "cannot set both resource and service backends"),
        (Some(resource), None) => reference(&resource, faults),
        (None, Some(service)) => {
            faults.named(&service.field("name"), names::dns_1035_label_fault);
            let port = service.field("port");
            let (name, number) = (port.field("name"), port.field("number"));
            match (!name.is_empty(), number.number() != 0) {
                (true, true) => faults.invalid_value(at, &nothing, "cannot set both port name & port number"),
                (true, false) => faults.invalid_if(&name, form::port_name_fault(name.text())),
                (false, true) => faults.between(&number, 1, 65_535),
                (false, false) => faults.required(at, "port name or number is required"),
            }
        }
        (None, None) => faults.invalid_value(at, &nothing, "resource or service backend is required"),
    }
}

/// Another object, of the same namespace if it has one.
pub(super) fn reference(at: &At<'_>, faults: &mut Faults) {
    if let Some(group) = at.present("apiGroup") {
        faults.invalid_if(&group, names::dns_subdomain_fault(group.text()));
    }
    for (name, why) in [("kind", "kind is required"), ("name", "name is required")] {
        let part = at.field(name);
        if part.is_empty() {
            faults.required(&part, why);
        } else {
            faults.invalid_if(&part, names::path_segment_fault(part.text()));
        }
    }
}

/// A write of `/status`: where the traffic comes in.
pub(super) fn status(at: &At<'_>, faults: &mut Faults) {
    for point in at.field("status").field("loadBalancer").field("ingress").items() {
        let (ip, name) = (point.field("ip"), point.field("hostname"));
        if !ip.is_empty() && ip.text().parse::<IpAddr>().is_err() {
            faults.invalid(&ip, address::NO_ADDRESS);
        }
        if !name.is_empty() {
            faults.invalid_if(&name, names::dns_subdomain_fault(name.text()));
            if name.text().parse::<IpAddr>().is_ok() {
                faults.invalid(&name, NO_NAME);
            }
        }
    }
}
