//! Defaults of the workloads that are stored only: Deployment, ReplicaSet, ReplicationController, StatefulSet, Job, CronJob.

use super::daemon_set::template;
use super::{default, each, part};
use serde_json::{Value, json};

pub(super) fn deployment(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    default(spec, "replicas", || 1.into());
    default(spec, "strategy", || json!({}));
    let strategy = &mut spec["strategy"];
    default(strategy, "type", || "RollingUpdate".into());
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", || json!({}));
        for bound in ["maxUnavailable", "maxSurge"] {
            default(&mut strategy["rollingUpdate"], bound, || "25%".into());
        }
    }
    default(spec, "revisionHistoryLimit", || 10.into());
    default(spec, "progressDeadlineSeconds", || 600.into());
    template(spec);
}

pub(super) fn replica_set(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    default(spec, "replicas", || 1.into());
    template(spec);
}

/// One that selects nothing selects what it makes, and without labels has those of what it makes.
pub(super) fn replication_controller(object: &mut Value) {
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        let empty = |map: &Value| map.as_object().is_none_or(serde_json::Map::is_empty);
        if empty(&object["spec"]["selector"]) {
            object["spec"]["selector"] = labels.clone();
        }
        if object["metadata"].is_object() && empty(&object["metadata"]["labels"]) {
            object["metadata"]["labels"] = labels;
        }
    }
    replica_set(object);
}

pub(super) fn stateful_set(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    default(spec, "podManagementPolicy", || "OrderedReady".into());
    default(spec, "updateStrategy", || json!({}));
    let strategy = &mut spec["updateStrategy"];
    default(strategy, "type", || "RollingUpdate".into());
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", || json!({}));
        default(&mut strategy["rollingUpdate"], "partition", || 0.into());
    }
    default(spec, "persistentVolumeClaimRetentionPolicy", || json!({}));
    for occasion in ["whenDeleted", "whenScaled"] {
        default(&mut spec["persistentVolumeClaimRetentionPolicy"], occasion, || "Retain".into());
    }
    default(spec, "replicas", || 1.into());
    default(spec, "revisionHistoryLimit", || 10.into());
    template(spec);
    for claim in each(spec, "volumeClaimTemplates") {
        // As objects of their own they are shown, kind and all.
        default(claim, "kind", || "PersistentVolumeClaim".into());
        default(claim, "apiVersion", || "v1".into());
        super::storage::claim(claim);
        default(claim, "status", || json!({}));
        default(&mut claim["status"], "phase", || "Pending".into());
    }
}

/// A job selects its pods by its own UID, unless the user said that he does the selecting.
pub(super) fn job(object: &mut Value) {
    let metadata = object["metadata"].clone();
    let Some(spec) = part(object, "spec") else { return };
    // A job with parallelism and no completions is done when one pod is: only silence on both means one pod.
    if spec["parallelism"].is_null() && spec["completions"].is_null() {
        default(spec, "completions", || 1.into());
    }
    default(spec, "parallelism", || 1.into());
    // Who limits the failures of each index does not limit their sum.
    let retries = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i32::MAX };
    default(spec, "backoffLimit", || retries.into());
    default(spec, "completionMode", || "NonIndexed".into());
    default(spec, "suspend", || false.into());
    let replacement = if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" };
    default(spec, "podReplacementPolicy", || replacement.into());
    if spec["manualSelector"] != true {
        select_by_uid(&metadata, spec);
    }
    template(spec);
}

pub(super) fn cron_job(object: &mut Value) {
    let Some(spec) = part(object, "spec") else { return };
    default(spec, "concurrencyPolicy", || "Allow".into());
    default(spec, "suspend", || false.into());
    default(spec, "successfulJobsHistoryLimit", || 3.into());
    default(spec, "failedJobsHistoryLimit", || 1.into());
    // Its jobs get their own defaults when they are made.
    if let Some(job) = part(spec, "jobTemplate") {
        default(job, "metadata", || json!({}));
        if let Some(spec) = part(job, "spec") {
            template(spec);
        }
    }
}

fn select_by_uid(metadata: &Value, spec: &mut Value) {
    const UID: &str = "batch.kubernetes.io/controller-uid";
    let (Some(uid), Some(name)) = (metadata["uid"].as_str(), metadata["name"].as_str()) else { return };
    if !spec["template"].is_object() {
        return;
    }
    // A selector of the user's own is added to, and refused later.
    default(spec, "selector", || json!({}));
    default(&mut spec["selector"], "matchLabels", || json!({}));
    default(&mut spec["selector"]["matchLabels"], UID, || uid.into());
    let template = &mut spec["template"];
    default(template, "metadata", || json!({}));
    default(&mut template["metadata"], "labels", || json!({}));
    // The second of each pair is what older clients select by.
    for (label, value) in [(UID, uid), ("controller-uid", uid), ("batch.kubernetes.io/job-name", name), ("job-name", name)] {
        template["metadata"]["labels"][label] = value.into();
    }
}
