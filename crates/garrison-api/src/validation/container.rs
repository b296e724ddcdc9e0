//! Containers of a pod: regular ones and those that run before.

use super::fault::{At, Faults};
use super::{amounts, environment, form, probe, security, volume};
use crate::names;
use serde_json::Value;
use std::collections::BTreeSet;

/// What of the pod its containers depend on.
pub(super) struct Surroundings<'a> {
    /// Names of the pod's volumes.
    pub(super) volumes: BTreeSet<&'a str>,
    /// Seconds that the pod has to end.
    pub(super) grace: i64,
    /// Whether it is a pod, not a template of one.
    pub(super) is_pod: bool,
    /// Whether it uses the node's network.
    pub(super) host_network: bool,
}

/// All containers of a pod's spec.
pub(super) fn containers(spec: &At<'_>, around: &Surroundings<'_>, faults: &mut Faults) {
    let (main, init) = (spec.field("containers"), spec.field("initContainers"));
    if main.is_empty() {
        faults.required(&main, "");
    }
    let mut seen = BTreeSet::new();
    for list in [&main, &init] {
        let mut host_ports = BTreeSet::new();
        for container in list.items() {
            faults.unique(&container.field("name"), &mut seen);
            one(&container, around, faults);
            ports(&container.field("ports"), around, &mut host_ports, faults);
        }
    }
    main.items().for_each(|container| main_only(&container, faults));
    init.items().for_each(|container| init_only(&container, faults));
}

fn one(at: &At<'_>, around: &Surroundings<'_>, faults: &mut Faults) {
    faults.named(&at.field("name"), names::dns_label_fault);
    image(&at.field("image"), around, faults);
    probe::lifecycle(&at.field("lifecycle"), around.grace, faults);
    probe::probes(at, faults);
    let policy = at.field("terminationMessagePolicy");
    if !["File", "FallbackToLogsOnError"].contains(&policy.text()) {
        faults.not_supported(&policy, &["File", "FallbackToLogsOnError"]);
    }
    environment::variables(&at.field("env"), faults);
    environment::variables_from(&at.field("envFrom"), faults);
    volume::mounts(at, &around.volumes, faults);
    faults.one_of(&at.field("imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
    amounts::requirements(&at.field("resources"), faults);
    security::of_container(&at.field("securityContext"), faults);
}

/// Templates may have space around the image, which other systems fill in later.
fn image(at: &At<'_>, around: &Surroundings<'_>, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, "");
    } else if around.is_pod && at.text().trim() != at.text() {
        faults.invalid(at, "must not have leading or trailing whitespace");
    }
}

fn main_only(at: &At<'_>, faults: &mut Faults) {
    if let Some(policy) = at.present("restartPolicy") {
        faults.one_of_if_set(&policy, &["Always", "Never", "OnFailure"]);
    }
}

/// An init container is over before probes make sense, unless it stays as a sidecar.
fn init_only(at: &At<'_>, faults: &mut Faults) {
    if at.text_of("restartPolicy") == "Always" {
        return;
    }
    main_only(at, faults);
    for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = at.present(name) {
            faults.forbidden(&found, "may not be set for init containers without restartPolicy=Always");
        }
    }
}

fn ports(at: &At<'_>, around: &Surroundings<'_>, host_ports: &mut BTreeSet<String>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for port in at.items() {
        let (name, inner, outer) = (port.field("name"), port.field("containerPort"), port.field("hostPort"));
        if !name.is_empty() {
            match form::port_name_fault(name.text()) {
                None => faults.unique(&name, &mut seen),
                why => faults.invalid_if(&name, why),
            }
        }
        if inner.number() == 0 {
            faults.required(&inner, "");
        } else {
            faults.between(&inner, 1, 65_535);
        }
        faults.one_of(&port.field("protocol"), &["SCTP", "TCP", "UDP"]);
        if around.host_network && (around.is_pod || outer.number() != 0) && outer.number() != inner.number() {
            faults.invalid_value(&outer, &outer.number().into(), "must match `containerPort` when `hostNetwork` is true");
        }
        if outer.number() == 0 {
            continue;
        }
        faults.between(&outer, 1, 65_535);
        let taken = format!("{}/{}/{}", port.text_of("protocol"), port.text_of("hostIP"), outer.number());
        if !host_ports.insert(taken.clone()) {
            faults.duplicate(&At { path: outer.path, value: &Value::from(taken) });
        }
    }
}
