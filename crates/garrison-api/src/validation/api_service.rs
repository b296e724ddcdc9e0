//! API services (upstream `kube-aggregator/pkg/apis/apiregistration/validation/validation.go`).

use super::fault::{At, Faults};
use crate::names;

const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

/// An APIService: a version of a group, served here or by a service.
pub(super) fn check(at: &At<'_>, faults: &mut Faults) {
    let (name, spec) = (at.field("metadata").field("name"), at.field("spec"));
    let (group, version) = (spec.field("group"), spec.field("version"));
    let wanted = format!("{}.{}", version.text(), group.text());
    if !name.is_empty() && name.text() != wanted {
        faults.invalid(&name, &format!("must be `spec.version+\".\"+spec.group`: {wanted:?}"));
    }
    if group.is_empty() && version.text() != "v1" {
        faults.required(&group, "only v1 may have an empty group and it better be legacy kube");
    }
    if !group.is_empty() {
        faults.invalid_if(&group, names::dns_subdomain_fault(group.text()));
    }
    if let Some(why) = names::dns_1035_label_fault(version.text()) {
        faults.invalid_value(&version, &version.text().into(), &why);
    }
    for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let priority = spec.field(field);
        if !(1..=most).contains(&priority.number()) {
            let why = format!("must be positive and less than {most}");
            faults.invalid_value(&priority, &priority.number().into(), &why);
        }
    }
    let (bundle, trusting) = (spec.field("caBundle"), spec.field("insecureSkipTLSVerify"));
    let Some(service) = spec.present("service") else {
        if !bundle.is_empty() {
            let bytes = bundle.text().trim_end_matches('=').len() * 3 / 4;
            faults.invalid_value(&bundle, &format!("{bytes} bytes").into(), "local APIServices may not have a caBundle");
        }
        if trusting.value == true {
            faults.invalid(&trusting, "local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    };
    for field in ["namespace", "name"].map(|field| service.field(field)).iter().filter(|field| field.is_empty()) {
        faults.required(field, "");
    }
    let port = service.field("port");
    if !(1..=65_535).contains(&port.number()) {
        faults.invalid_value(&port, &port.number().into(), "port is not valid: must be between 1 and 65535, inclusive");
    }
    if trusting.value == true && !bundle.is_empty() {
        faults.invalid(&trusting, "may not be true if caBundle is present");
    }
}

/// A write of `/status`.
pub(super) fn status(at: &At<'_>, faults: &mut Faults) {
    for condition in at.field("status").field("conditions").items() {
        let status = condition.field("status");
        if !STATUSES.contains(&status.text()) {
            faults.not_supported(&status, &STATUSES);
        }
    }
}
