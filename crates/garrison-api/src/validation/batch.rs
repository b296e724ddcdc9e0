//! Jobs and CronJobs (upstream `pkg/apis/batch/validation/validation.go`).

use super::fault::{At, Faults};
use super::{daemon_set, labels};

/// Longest name of a CronJob: its jobs add eleven bytes to it.
const LONGEST_NAME: usize = 52;
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
    if restart.text() == "Always" {
        faults.not_supported(&restart, &["OnFailure", "Never"]);
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
    } else if let Some(why) = schedule_fault(schedule.text()) {
        faults.invalid(&schedule, &why);
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

/// Why a text is no schedule: five fields, or a name such as `@daily`. What is in the fields, the clock's owner will check.
fn schedule_fault(text: &str) -> Option<String> {
    if text.contains("TZ=") {
        return Some("cannot use TZ or CRON_TZ in schedule, use timeZone field instead".into());
    }
    let fields = text.split_whitespace().count();
    let named = text.strip_prefix('@').is_some_and(|name| {
        matches!(name, "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly")
            || name.starts_with("every ")
    });
    (!named && fields != 5).then(|| format!("expected exactly 5 fields, found {fields}: [{text}]"))
}
