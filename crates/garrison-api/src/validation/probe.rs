//! Probes and lifecycle hooks: what the node asks or tells a container.

use super::fault::{At, Faults};
use super::form;

/// What a probe or a hook may do.
const PROBE_ACTIONS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const HOOK_ACTIONS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "sleep"];

/// The three probes of a container.
pub(super) fn probes(container: &At<'_>, faults: &mut Faults) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.present(name) else { continue };
        action(&probe, &PROBE_ACTIONS, 0, faults);
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
            faults.non_negative(&probe.field(field));
        }
        let grace = probe.field("terminationGracePeriodSeconds");
        if name == "readinessProbe" {
            if !grace.value.is_null() {
                faults.invalid(&grace, "must not be set for readinessProbes");
            }
            continue;
        }
        faults.positive_if_set(&grace);
        let threshold = probe.field("successThreshold");
        if threshold.number() != 1 {
            faults.invalid_value(&threshold, &threshold.number().into(), "must be 1");
        }
    }
}

/// `lifecycle` of a container whose pod has that many seconds to end.
pub(super) fn lifecycle(at: &At<'_>, grace: i64, faults: &mut Faults) {
    for hook in ["postStart", "preStop"].iter().filter_map(|name| at.present(name)) {
        action(&hook, &HOOK_ACTIONS, grace, faults);
    }
}

/// Exactly one action, and a right one.
fn action(at: &At<'_>, actions: &[&str], grace: i64, faults: &mut Faults) {
    let mut found = actions.iter().filter_map(|name| at.present(name).map(|action| (*name, action)));
    let Some((name, first)) = found.next() else { return faults.required(at, "must specify a handler type") };
    match name {
        "exec" if first.field("command").is_empty() => faults.required(&first.field("command"), ""),
        "httpGet" => http_get(&first, faults),
        "tcpSocket" => form::port_or_name(&first.field("port"), faults),
        "grpc" => faults.between(&first.field("port"), 1, 65_535),
        "sleep" => {
            let seconds = first.field("seconds");
            if !(0..=grace).contains(&seconds.number()) {
                let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                faults.invalid_value(&seconds, &seconds.number().into(), &why);
            }
        }
        _ => {}
    }
    for (_, more) in found {
        faults.forbidden(&more, "may not specify more than 1 handler type");
    }
}

fn http_get(at: &At<'_>, faults: &mut Faults) {
    let path = at.field("path");
    if path.is_empty() {
        faults.required(&path, "");
    }
    form::port_or_name(&at.field("port"), faults);
    let scheme = at.field("scheme");
    if !["HTTP", "HTTPS"].contains(&scheme.text()) {
        faults.not_supported(&scheme, &["HTTP", "HTTPS"]);
    }
    let headers = at.field("httpHeaders");
    for header in headers.items() {
        let name = header.text_of("name");
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            let why = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation \
                       is '[-A-Za-z0-9]+')";
            faults.invalid_value(&headers, &name.into(), why);
        }
    }
}
