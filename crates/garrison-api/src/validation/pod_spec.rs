//! The spec of a pod or of a pod template (upstream `ValidatePodSpec`).

use super::container::{self, Surroundings};
use super::fault::{At, Faults};
use super::{labels, scheduling, security, volume};
use crate::names;
use std::net::IpAddr;

/// All faults of a pod's spec; `is_pod` is false in a template.
pub(super) fn check(at: &At<'_>, is_pod: bool, faults: &mut Faults) {
    let grace = at.field("terminationGracePeriodSeconds");
    let around = Surroundings {
        volumes: volume::volumes(&at.field("volumes"), faults),
        grace: grace.number(),
        is_pod,
        host_network: at.value["hostNetwork"] == true,
    };
    container::containers(at, &around, faults);
    faults.one_of(&at.field("restartPolicy"), &["Always", "OnFailure", "Never"]);
    faults.one_of(&at.field("dnsPolicy"), &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]);
    labels::labels(&at.field("nodeSelector"), faults);
    security::of_pod(&at.field("securityContext"), faults);
    host_namespaces(at, faults);
    for secret in at.field("imagePullSecrets").items() {
        if secret.field("name").is_empty() {
            faults.required(&secret.field("name"), "");
        }
    }
    scheduling::affinity(&at.field("affinity"), faults);
    dns_config(at, faults);
    for name in
        ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"].iter().filter_map(|name| at.present(name))
    {
        faults.invalid_if(&name, names::dns_subdomain_fault(name.text()).filter(|_| !name.is_empty()));
    }
    for name in ["hostname", "subdomain"].iter().filter_map(|name| at.present(name)) {
        faults.invalid_if(&name, names::dns_label_fault(name.text()).filter(|_| !name.is_empty()));
    }
    if let Some(deadline) = at.present("activeDeadlineSeconds") {
        faults.between(&deadline, 1, i64::from(i32::MAX));
    }
    faults.non_negative(&grace);
    scheduling::tolerations(&at.field("tolerations"), faults);
    scheduling::spreading(&at.field("topologySpreadConstraints"), faults);
    host_aliases(&at.field("hostAliases"), faults);
    faults.one_of_if_set(&at.field("preemptionPolicy"), &["PreemptLowerPriority", "Never"]);
    if let Some(system) = at.present("os") {
        faults.one_of(&system.field("name"), &["linux", "windows"]);
    }
}

fn host_namespaces(at: &At<'_>, faults: &mut Faults) {
    if at.value["shareProcessNamespace"] == true && at.value["hostPID"] == true {
        faults.invalid(&at.field("shareProcessNamespace"), "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    if at.value["hostUsers"] == false {
        for shared in ["hostNetwork", "hostPID", "hostIPC"].map(|name| at.field(name)) {
            if shared.value == true {
                faults.forbidden(&shared, &format!("when `hostUsers` is false, {} must not be true", shared.path));
            }
        }
    }
}

fn dns_config(at: &At<'_>, faults: &mut Faults) {
    let config = at.field("dnsConfig");
    let servers = config.field("nameservers");
    if at.text_of("dnsPolicy") == "None" {
        if config.value.is_null() {
            return faults.required(&config, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            return faults.required(&servers, "must provide at least one DNS nameserver when `dnsPolicy` is None");
        }
    }
    if servers.items().count() > 3 {
        faults.invalid(&servers, "must not have more than 3 nameservers");
    }
    servers.items().for_each(|server| address(&server, faults));
    let searches = config.field("searches");
    if searches.items().count() > 32 {
        faults.invalid(&searches, "must not have more than 32 search paths");
    }
    if searches.items().map(|search| search.text().len() + 1).sum::<usize>() > 2049 {
        faults.invalid(&searches, "must not have more than 2048 characters (including spaces) in the search list");
    }
    for search in searches.items().filter(|search| search.text() != ".") {
        let plain = search.text().strip_suffix('.').unwrap_or(search.text()).replace('_', "-");
        // Search domains may begin with an underscore and hold more.
        faults.invalid_if(&search, names::dns_subdomain_fault(plain.trim_start_matches('-')));
    }
    for option in config.field("options").items().filter(|option| option.field("name").is_empty()) {
        faults.required(&option, "must not be empty");
    }
}

fn address(at: &At<'_>, faults: &mut Faults) {
    if at.text().parse::<IpAddr>().is_err() {
        faults.invalid_value(at, &at.text().into(), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
}

fn host_aliases(at: &At<'_>, faults: &mut Faults) {
    for alias in at.items() {
        address(&alias.field("ip"), faults);
        for name in alias.field("hostnames").items() {
            faults.invalid_if(&name, names::dns_subdomain_fault(name.text()));
        }
    }
}
