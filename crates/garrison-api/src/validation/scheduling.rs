//! Where a pod may run: tolerations, node selectors, affinity, spreading.

use super::fault::{At, Faults};
use super::labels;
use crate::names;
use std::collections::BTreeSet;

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// `tolerations` of a pod.
pub(super) fn tolerations(at: &At<'_>, faults: &mut Faults) {
    for toleration in at.items() {
        let (key, operator, value) = (toleration.field("key"), toleration.field("operator"), toleration.field("value"));
        if !key.is_empty() {
            labels::label_name(&key, faults);
        } else if operator.text() != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            faults.invalid_value(&operator, &operator.text().into(), why);
        }
        let effect = toleration.field("effect");
        if toleration.present("tolerationSeconds").is_some() && effect.text() != "NoExecute" {
            faults.invalid_value(&effect, &effect.text().into(), "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match operator.text() {
            "" | "Equal" => faults.invalid_if(&value.renamed(&operator.path), names::label_value_fault(value.text())),
            "Exists" if !value.is_empty() => {
                faults.invalid(&toleration.renamed(&operator.path), "value must be empty when `operator` is 'Exists'");
            }
            "Exists" => {}
            _ => faults.not_supported(&operator, &["Equal", "Exists"]),
        }
        faults.one_of_if_set(&effect, &EFFECTS);
    }
}

/// `spec.taints` of a node.
pub(super) fn taints(at: &At<'_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for taint in at.items() {
        let (key, value, effect) = (taint.field("key"), taint.field("value"), taint.field("effect"));
        labels::label_name(&key, faults);
        faults.invalid_if(&value, names::label_value_fault(value.text()));
        faults.one_of(&effect, &EFFECTS);
        if !seen.insert((key.text(), effect.text())) {
            faults.duplicate(&taint);
        }
    }
}

/// `affinity` of a pod.
pub(super) fn affinity(at: &At<'_>, faults: &mut Faults) {
    node_affinity(&at.field("nodeAffinity"), faults);
    for kind in ["podAffinity", "podAntiAffinity"].map(|name| at.field(name)) {
        kind.field(REQUIRED).items().for_each(|term| pod_term(&term, faults));
        for preferred in kind.field(PREFERRED).items() {
            weight(&preferred, faults);
            pod_term(&preferred.field("podAffinityTerm"), faults);
        }
    }
}

fn node_affinity(at: &At<'_>, faults: &mut Faults) {
    if let Some(selector) = at.present(REQUIRED) {
        let terms = selector.field("nodeSelectorTerms");
        if terms.is_empty() {
            faults.required(&terms, "must have at least one node selector term");
        }
        terms.items().for_each(|term| node_term(&term, faults));
    }
    for preferred in at.field(PREFERRED).items() {
        weight(&preferred, faults);
        node_term(&preferred.field("preference"), faults);
    }
}

fn weight(term: &At<'_>, faults: &mut Faults) {
    let weight = term.field("weight");
    if !(1..=100).contains(&weight.number()) {
        faults.invalid_value(&weight, &weight.number().into(), "must be in the range 1-100");
    }
}

fn node_term(at: &At<'_>, faults: &mut Faults) {
    at.field("matchExpressions").items().for_each(|expression| node_expression(&expression, faults));
    for field in at.field("matchFields").items() {
        let (key, operator, values) = (field.field("key"), field.field("operator"), field.field("values"));
        match operator.text() {
            "In" | "NotIn" if values.items().count() != 1 => {
                faults.required(&values, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
            }
            "In" | "NotIn" => {}
            _ => faults.invalid(&operator, "not a valid selector operator"),
        }
        if key.text() == "metadata.name" {
            values.items().for_each(|value| faults.invalid_if(&value, names::dns_subdomain_fault(value.text())));
        } else {
            faults.invalid(&key, "not a valid field selector key");
        }
    }
}

fn node_expression(at: &At<'_>, faults: &mut Faults) {
    let (operator, values) = (at.field("operator"), at.field("values"));
    match operator.text() {
        "In" | "NotIn" if values.is_empty() => faults.required(&values, "must be specified when `operator` is 'In' or 'NotIn'"),
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            faults.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Gt" | "Lt" if values.items().count() != 1 => {
            faults.required(&values, "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        _ => faults.invalid(&operator, "not a valid selector operator"),
    }
    labels::label_name(&at.field("key"), faults);
    values.items().for_each(|value| faults.invalid_if(&value, names::label_value_fault(value.text())));
}

fn pod_term(at: &At<'_>, faults: &mut Faults) {
    for selector in ["labelSelector", "namespaceSelector"].map(|name| at.field(name)) {
        labels::selector(&selector, false, faults);
    }
    for namespace in at.field("namespaces").items() {
        faults.invalid_if(&namespace, names::dns_label_fault(namespace.text()));
    }
    topology_key(at, faults);
}

fn topology_key(at: &At<'_>, faults: &mut Faults) {
    let key = at.field("topologyKey");
    if key.is_empty() {
        faults.required(&key, "can not be empty");
    } else {
        labels::label_name(&key, faults);
    }
}

/// `topologySpreadConstraints` of a pod.
pub(super) fn spreading(at: &At<'_>, faults: &mut Faults) {
    for constraint in at.items() {
        let skew = constraint.field("maxSkew");
        if skew.number() <= 0 {
            faults.invalid_value(&skew, &skew.number().into(), "must be greater than zero");
        }
        topology_key(&constraint, faults);
        let unsatisfiable = constraint.field("whenUnsatisfiable");
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&unsatisfiable.text()) {
            faults.not_supported(&unsatisfiable, &["DoNotSchedule", "ScheduleAnyway"]);
        }
        labels::selector(&constraint.field("labelSelector"), false, faults);
    }
}
