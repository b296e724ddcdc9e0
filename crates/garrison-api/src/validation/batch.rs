//! Jobs and CronJobs (upstream `pkg/apis/batch/validation/validation.go`).

use super::fault::{At, Faults};
use super::{daemon_set, labels, schedule};
use serde_json::json;

/// Longest name of a CronJob: its jobs add eleven bytes to it.
const LONGEST_NAME: usize = 52;
/// Most pods that work at once by index, and most indexes that may fail.
const MOST_AT_ONCE: i64 = 100_000;
const BY_NUMBERS: [&str; 7] = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
];

/// A Job.
pub(super) fn job(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    if spec.value["manualSelector"] != true && !spec.field("selector").value.is_null() {
        own_selector(at, &spec.field("selector"), faults);
    }
    job_spec(&spec, faults);
    let (selector, template_labels) = (spec.field("selector"), spec.field("template").field("metadata").field("labels"));
    if selector.value.is_null() {
        faults.required(&selector, "");
    } else if labels::selects(&selector, &template_labels) == Some(false) {
        faults.invalid(&template_labels, "`selector` does not match template `labels`");
    }
}

fn job_spec(at: &At<'_>, faults: &mut Faults) {
    BY_NUMBERS.iter().for_each(|count| faults.non_negative(&at.field(count)));
    labels::selector(&at.field("selector"), false, faults);
    faults.one_of_if_set(&at.field("completionMode"), &["NonIndexed", "Indexed"]);
    faults.one_of_if_set(&at.field("podReplacementPolicy"), &["TerminatingOrFailed", "Failed"]);
    let completions = at.field("completions");
    if at.value["completionMode"] == "Indexed" && completions.value.is_null() {
        faults.required(&completions, "when completion mode is Indexed");
    }
    let template = at.field("template");
    daemon_set::any_template(&template, faults);
    let restart = template.field("spec").field("restartPolicy");
    // Others are no restart policies at all, which is a fault of any pod.
    if matches!(restart.text(), "" | "Always") {
        faults.required(&restart, "valid values: \"OnFailure\", \"Never\"");
    }
    by_index(at, faults);
}

/// Work by number: how much at once, and how much of it may fail.
fn by_index(at: &At<'_>, faults: &mut Faults) {
    let (per_index, most_failed) = (at.present("backoffLimitPerIndex"), at.present("maxFailedIndexes"));
    if at.value["completionMode"] != "Indexed" {
        for limit in per_index.iter().chain(&most_failed) {
            faults.invalid(limit, "requires indexed completion mode");
        }
        return;
    }
    let parallelism = at.field("parallelism");
    if parallelism.number() > MOST_AT_ONCE {
        let why = format!("must be less than or equal to {MOST_AT_ONCE} when completion mode is Indexed");
        faults.invalid(&parallelism, &why);
    }
    let Some(most_failed) = most_failed else { return };
    if per_index.is_none() {
        faults.required(&at.field("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if most_failed.number() > at.field("completions").number() {
        faults.invalid(&most_failed, "must be less than or equal to completions");
    }
    if most_failed.number() > MOST_AT_ONCE {
        faults.invalid(&most_failed, &format!("must be less than or equal to {MOST_AT_ONCE}"));
    }
}

/// A selector that the user did not take upon himself must be the one that is made of the job's name and UID.
fn own_selector(at: &At<'_>, selector: &At<'_>, faults: &mut Faults) {
    let metadata = at.field("metadata");
    let (uid, name) = (metadata.text_of("uid"), metadata.text_of("name"));
    let own = json!({
        "batch.kubernetes.io/controller-uid": uid, "controller-uid": uid,
        "batch.kubernetes.io/job-name": name, "job-name": name,
    });
    if labels::selects(selector, &At::root(&own)) == Some(false) {
        faults.invalid(selector, "`selector` not auto-generated");
    }
}

/// An update of a Job: it may be suspended or widened, but does the same work with the same pods.
pub(super) fn job_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    for field in ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        faults.immutable(&old.field(field), &new.field(field));
    }
    let completions = new.field("completions");
    // A job by index may be made larger or smaller together with its parallelism.
    let elastic = new.value["completionMode"] == "Indexed" && new.value["completions"] == new.value["parallelism"];
    if !elastic {
        faults.immutable(&old.field("completions"), &completions);
    }
    // Scheduling directives may change while no pod has been made.
    if old.value["suspend"] != true {
        faults.immutable(&old.field("template"), &new.field("template"));
    }
}

/// A CronJob.
pub(super) fn cron_job(at: &At<'_>, faults: &mut Faults) {
    let (name, spec) = (at.field("metadata").field("name"), at.field("spec"));
    if name.text().len() > LONGEST_NAME {
        faults.invalid(&name, &format!("must be no more than {LONGEST_NAME} characters"));
    }
    let schedule = spec.field("schedule");
    if schedule.is_empty() {
        faults.required(&schedule, "");
    } else {
        faults.invalid_if(&schedule, schedule::fault(schedule.text()));
    }
    if let Some(zone) = spec.present("timeZone") {
        if zone.is_empty() {
            faults.invalid(&zone, "timeZone must be nil or non-empty string");
        } else if zone.text().eq_ignore_ascii_case("local") {
            faults.invalid(&zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
        }
    }
    for count in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        faults.non_negative(&spec.field(count));
    }
    faults.one_of(&spec.field("concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
    let job = spec.field("jobTemplate").field("spec");
    job_spec(&job, faults);
    if job.value["manualSelector"] == true {
        faults.not_supported(&job.field("manualSelector"), &["nil", "false"]);
    }
}
