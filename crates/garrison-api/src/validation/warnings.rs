//! What is accepted, but hardly meant or no longer of use: texts for `Warning` headers (upstream `pkg/api/pod/warnings.go`).

use super::fault::At;
use crate::names;
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeSet;

/// Node labels that have successors or are gone.
const OLD_LABELS: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    ("failure-domain.beta.kubernetes.io/region", "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    ("scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

/// Annotations that do nothing any more.
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    ("scheduler.alpha.kubernetes.io/critical-pod", "non-functional in v1.16+; use the \"priorityClassName\" field instead"),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

/// Kinds of volumes that are on their way out or gone.
const OLD_VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Warnings for a pod.
pub(super) fn pod(at: &At<'_>, found: &mut Vec<String>) {
    let name = at.field("metadata").field("name");
    if let Some(why) = names::dns_label_fault(name.text()) {
        found.push(format!(
            "{}: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{why}]",
            name.path
        ));
    }
    template(at, found);
}

/// Warnings for a pod template, or for a pod as such.
pub(super) fn template(at: &At<'_>, found: &mut Vec<String>) {
    let spec = at.field("spec");
    node_labels(&spec, found);
    annotations(at, &spec, found);
    for volume in spec.field("volumes").items() {
        for (kind, why) in OLD_VOLUMES {
            found.extend(volume.present(kind).map(|old| format!("{}: {why}", old.path)));
        }
    }
    twice(&spec.field("hostAliases"), "ip", found);
    twice(&spec.field("imagePullSecrets"), "name", found);
    for name in spec.field("imagePullSecrets").items().map(|secret| secret.field("name")).filter(At::is_empty) {
        found.push(format!("{}: invalid empty name \"\"", name.path));
    }
    fractions(&spec.field("overhead"), found);
    for container in containers(&spec) {
        let resources = container.field("resources");
        fractions(&resources.field("limits"), found);
        fractions(&resources.field("requests"), found);
        hidden_variables(&container.field("env"), found);
    }
    ports(&spec, found);
    let grace = spec.field("terminationGracePeriodSeconds");
    if grace.number() < 0 {
        found.push(format!("{}: must be >= 0; negative values are invalid and will be treated as 1", grace.path));
    }
    null_selectors(&spec, found);
}

/// In the order in which upstream visits them.
fn containers<'a>(spec: &At<'a>) -> impl Iterator<Item = At<'a>> + use<'a> {
    ["initContainers", "containers"].map(|list| spec.field(list)).into_iter().flat_map(|list| list.items())
}

fn old_label(key: &str) -> Option<&'static str> {
    OLD_LABELS.iter().find(|(label, _)| *label == key).map(|(_, why)| *why)
}

fn node_labels(spec: &At<'_>, found: &mut Vec<String>) {
    for (key, at) in spec.field("nodeSelector").entries() {
        found.extend(old_label(key).map(|why| format!("{}: {why}", at.path)));
    }
    let affinity = spec.field("affinity").field("nodeAffinity");
    let required = affinity.field(REQUIRED).field("nodeSelectorTerms");
    let preferred = affinity.field(PREFERRED);
    for term in required.items().chain(preferred.items().map(|one| one.field("preference"))) {
        for key in term.field("matchExpressions").items().map(|expression| expression.field("key")) {
            found.extend(old_label(key.text()).map(|why| format!("{}: {} is {why}", key.path, key.text())));
        }
    }
    for key in spec.field("topologySpreadConstraints").items().map(|constraint| constraint.field("topologyKey")) {
        found.extend(old_label(key.text()).map(|why| format!("{}: {} is {why}", key.path, key.text())));
    }
}

fn annotations(at: &At<'_>, spec: &At<'_>, found: &mut Vec<String>) {
    const SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
    let annotations = at.field("metadata").field("annotations");
    let mut warn = |key: &str, why: &str| {
        if annotations.value.get(key).is_some() {
            found.push(format!("{}[{key}]: {why}", annotations.path));
        }
    };
    OLD_ANNOTATIONS.iter().for_each(|(key, why)| warn(key, why));
    let profiled = |at: &At<'_>| !at.field("securityContext").field("seccompProfile").value.is_null();
    if !profiled(spec) {
        warn("seccomp.security.alpha.kubernetes.io/pod", SECCOMP);
    }
    for container in containers(spec).filter(|container| !profiled(container)) {
        warn(&format!("container.seccomp.security.alpha.kubernetes.io/{}", container.text_of("name")), SECCOMP);
    }
}

/// Items of a list that have the same text in a field.
fn twice(list: &At<'_>, field: &str, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for one in list.items().map(|item| item.field(field)) {
        if !seen.insert(one.text()) {
            found.push(format!("{}: duplicate {field} {:?}", one.path, one.text()));
        }
    }
}

/// Half a byte is none.
fn fractions(amounts: &At<'_>, found: &mut Vec<String>) {
    for (name, amount) in amounts.entries().filter(|(name, _)| matches!(*name, "memory" | "ephemeral-storage")) {
        if Quantity::parse(amount.text()).is_ok_and(|bytes| bytes.milli_value() % 1000 != 0) {
            found.push(format!(
                "{}[{name}]: fractional byte value {:?} is invalid, must be an integer",
                amounts.path,
                amount.text()
            ));
        }
    }
}

/// A variable that is defined again, and not in terms of its first value, loses that.
fn hidden_variables(list: &At<'_>, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for variable in list.items() {
        let (name, value) = (variable.text_of("name"), variable.text_of("value"));
        let reference = format!("$({name})");
        let extends = variable.field("valueFrom").value.is_null() && value != reference && value.contains(&reference);
        if !seen.insert(name) && !extends {
            found
                .push(format!("{}: hides previous definition of {name:?}, which may be dropped when using apply", variable.path));
        }
    }
}

/// Ports that stand for the same one, or may.
fn ports(spec: &At<'_>, found: &mut Vec<String>) {
    let mut earlier: Vec<At<'_>> = Vec::new();
    for port in containers(spec).flat_map(|container| container.field("ports").items()) {
        let host = |at: &At<'_>| (at.field("hostPort").number(), at.field("hostIP").text().to_string());
        let (number, address) = host(&port);
        if number == 0 && !address.is_empty() {
            found.push(format!("{}: hostIP set without hostPort: {}", port.path, port.value));
        }
        let same = |field: &str, other: &At<'_>| other.value[field] == port.value[field];
        for other in earlier.iter().filter(|other| same("containerPort", other) && same("protocol", other)) {
            let (other_number, other_address) = host(other);
            let what = if (number, &address) == (other_number, &other_address) {
                "duplicate"
            } else if number == 0 || other_number == 0 {
                "overlapping"
            } else if number == other_number && address.is_empty() != other_address.is_empty() {
                "dangerously ambiguous"
            } else {
                continue;
            };
            found.push(format!("{}: {what} port definition with {}", port.path, other.path));
        }
        earlier.push(port);
    }
}

/// A selector that is not there selects no pod.
fn null_selectors(spec: &At<'_>, found: &mut Vec<String>) {
    let affinity = spec.field("affinity");
    let terms = ["podAffinity", "podAntiAffinity"].map(|kind| affinity.field(kind)).into_iter().flat_map(|kind| {
        let preferred = kind.field(PREFERRED).items().map(|one| one.field("podAffinityTerm"));
        kind.field(REQUIRED).items().chain(preferred).collect::<Vec<_>>()
    });
    let spread = spec.field("topologySpreadConstraints").items();
    for selector in spread.chain(terms).map(|term| term.field("labelSelector")).filter(|selector| *selector.value == Value::Null)
    {
        found.push(format!("{}: a null labelSelector results in matching no pod", selector.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(template: Value, expected: &[&str]) {
        let set = json!({"spec": {"template": template}});
        let mut found = Vec::new();
        super::template(&At::root(&set).field("spec").field("template"), &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn what_does_nothing_any_more_is_named() {
        check(
            json!({"spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux", "zone": "a"}}}),
            &["spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead"],
        );
        check(
            json!({"metadata": {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "x", "scheduler.alpha.kubernetes.io/critical-pod": ""}}}),
            &[
                "spec.template.metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the \
                 \"priorityClassName\" field instead",
                "spec.template.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the \
                 \"seccompProfile\" field instead",
            ],
        );
        check(
            json!({"spec": {"volumes": [{"name": "v", "gitRepo": {}}]}}),
            &["spec.template.spec.volumes[0].gitRepo: deprecated in v1.11"],
        );
    }

    #[test]
    fn what_hides_or_doubles_something_is_named() {
        let container = |rest: Value| json!({"spec": {"containers": [rest]}});
        let base = "spec.template.spec.containers[0]";
        check(
            container(
                json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}, {"name": "A", "value": "3"}]}),
            ),
            &[&format!("{base}.env[2]: hides previous definition of \"A\", which may be dropped when using apply")],
        );
        check(
            container(json!({"ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP"},
                {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP", "hostPort": 1}]})),
            &[
                &format!("{base}.ports[1]: duplicate port definition with {base}.ports[0]"),
                &format!("{base}.ports[3]: overlapping port definition with {base}.ports[0]"),
                &format!("{base}.ports[3]: overlapping port definition with {base}.ports[1]"),
            ],
        );
        check(
            container(json!({"resources": {"limits": {"memory": "100m", "cpu": "100m"}}})),
            &[&format!("{base}.resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an integer")],
        );
        check(
            json!({"spec": {"imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}]}}),
            &[
                "spec.template.spec.imagePullSecrets[1].name: duplicate name \"a\"",
                "spec.template.spec.imagePullSecrets[2].name: invalid empty name \"\"",
            ],
        );
    }

    #[test]
    fn selectors_of_nothing_and_negative_grace_are_named() {
        check(
            json!({"spec": {"terminationGracePeriodSeconds": -5, "affinity": {"podAntiAffinity": {REQUIRED: [{"topologyKey": "a"}]}}}}),
            &[
                "spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
                "spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: \
                 a null labelSelector results in matching no pod",
            ],
        );
    }
}
