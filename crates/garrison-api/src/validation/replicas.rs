//! Deployments, ReplicaSets, ReplicationControllers and StatefulSets (upstream `pkg/apis/apps/validation/validation.go`).

use super::fault::{At, Faults};
use super::{daemon_set, form, labels};

/// The spec of a Deployment.
pub(super) fn deployment(at: &At<'_>, faults: &mut Faults) {
    replica_set(at, faults);
    strategy(&at.field("strategy"), faults);
    faults.non_negative(&at.field("revisionHistoryLimit"));
    if let Some(deadline) = at.present("progressDeadlineSeconds") {
        faults.non_negative(&deadline);
        if deadline.number() <= at.field("minReadySeconds").number() {
            faults.invalid(&deadline, "must be greater than minReadySeconds");
        }
    }
}

/// The spec of a ReplicaSet, which is also the greater part of a Deployment's.
pub(super) fn replica_set(at: &At<'_>, faults: &mut Faults) {
    faults.non_negative(&at.field("replicas"));
    faults.non_negative(&at.field("minReadySeconds"));
    selector(at, "deployment", faults);
    let template = at.field("template");
    if template.value.is_null() {
        faults.required(&template, "");
    } else {
        daemon_set::template(&template, "ReplicaSet", faults);
    }
}

/// The spec of a ReplicationController, whose selector is a bare map of labels.
pub(super) fn replication_controller(at: &At<'_>, faults: &mut Faults) {
    faults.non_negative(&at.field("minReadySeconds"));
    let (selector, template) = (at.field("selector"), at.field("template"));
    if selector.is_empty() {
        faults.required(&selector, "");
    }
    faults.non_negative(&at.field("replicas"));
    if template.value.is_null() {
        return faults.required(&template, "");
    }
    let template_labels = template.field("metadata").field("labels");
    if !selector.is_empty() && selector.entries().any(|(key, value)| template_labels.value.get(key) != Some(value.value)) {
        faults.invalid(&template_labels, "`selector` does not match template `labels`");
    }
    daemon_set::template(&template, "ReplicationController", faults);
}

/// A selector that is there, selects something, and selects the pods of the template.
fn selector(at: &At<'_>, owner: &str, faults: &mut Faults) {
    let selector = at.field("selector");
    if selector.value.is_null() {
        return faults.required(&selector, "");
    }
    labels::selector(&selector, false, faults);
    if selector.field("matchLabels").is_empty() && selector.field("matchExpressions").is_empty() {
        faults.invalid(&selector, &format!("empty selector is invalid for {owner}"));
    }
    let template_labels = at.field("template").field("metadata").field("labels");
    if labels::selects(&selector, &template_labels) == Some(false) {
        faults.invalid(&template_labels, "`selector` does not match template `labels`");
    }
}

fn strategy(at: &At<'_>, faults: &mut Faults) {
    let rolling = at.field("rollingUpdate");
    match at.text_of("type") {
        "Recreate" if rolling.value.is_null() => {}
        "Recreate" => faults.forbidden(&rolling, "may not be specified when strategy `type` is 'Recreate'"),
        "RollingUpdate" if rolling.value.is_null() => {
            faults.required(&rolling, "this should be defaulted and never be nil");
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.field("maxUnavailable"), rolling.field("maxSurge"));
            form::count_or_part(&unavailable, faults);
            form::count_or_percent(&surge, faults);
            if form::amount(&unavailable) == 0 && form::amount(&surge) == 0 {
                faults.invalid(&unavailable, "may not be 0 when `maxSurge` is 0");
            }
        }
        _ => faults.not_supported(&at.field("type"), &["Recreate", "RollingUpdate"]),
    }
}

/// The spec of a StatefulSet.
pub(super) fn stateful_set(at: &At<'_>, faults: &mut Faults) {
    let order = at.field("podManagementPolicy");
    match order.text() {
        "" => faults.required(&order, ""),
        "OrderedReady" | "Parallel" => {}
        _ => faults.invalid(&order, "must be 'OrderedReady' or 'Parallel'"),
    }
    let strategy = at.field("updateStrategy");
    match strategy.text_of("type") {
        "RollingUpdate" => faults.non_negative(&strategy.field("rollingUpdate").field("partition")),
        "OnDelete" if strategy.present("rollingUpdate").is_none() => {}
        "OnDelete" => faults.invalid(&strategy.field("rollingUpdate"), "only allowed for updateStrategy 'RollingUpdate'"),
        "" => faults.required(&strategy, ""),
        _ => faults.invalid(&strategy, "must be 'RollingUpdate' or 'OnDelete'"),
    }
    for occasion in ["whenDeleted", "whenScaled"].map(|occasion| at.field("persistentVolumeClaimRetentionPolicy").field(occasion))
    {
        faults.one_of_if_set(&occasion, &["Delete", "Retain"]);
    }
    for count in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        faults.non_negative(&at.field(count));
    }
    let ordinals = at.field("ordinals");
    faults.non_negative(&ordinals.field("start"));
    selector(at, "statefulset", faults);
    daemon_set::template(&at.field("template"), "StatefulSet", faults);
}

/// An update of a StatefulSet: its pods keep their names and volumes.
pub(super) fn stateful_set_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    let fields = ["serviceName", "podManagementPolicy", "selector", "volumeClaimTemplates"];
    let kept = |field: &&str| {
        let (before, now) = (old.field(field), new.field(field));
        before.value == now.value || (before.is_empty() && now.is_empty())
    };
    if !fields.iter().all(kept) {
        faults.forbidden(
            &new,
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
             'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
}

/// A write of `/status`: no part is more than the whole.
pub(super) fn status(kind: &str, old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (before, status) = (old.field("status"), new.field("status"));
    for count in [
        "observedGeneration",
        "replicas",
        "fullyLabeledReplicas",
        "currentReplicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ] {
        faults.non_negative(&status.field(count));
    }
    let parts = ["fullyLabeledReplicas", "currentReplicas", "updatedReplicas", "readyReplicas", "availableReplicas"];
    for part in parts.map(|part| status.field(part)) {
        if part.number() > status.field("replicas").number() {
            faults.invalid(&part, "cannot be greater than status.replicas");
        }
    }
    let available = status.field("availableReplicas");
    if available.number() > status.field("readyReplicas").number() {
        let than = if kind == "StatefulSet" { "status.readyReplicas" } else { "readyReplicas" };
        faults.invalid(&available, &format!("cannot be greater than {than}"));
    }
    let collisions = status.field("collisionCount");
    if collisions.number() < before.field("collisionCount").number() {
        faults.invalid_value(&collisions, &collisions.number().into(), "cannot be decremented");
    }
}
