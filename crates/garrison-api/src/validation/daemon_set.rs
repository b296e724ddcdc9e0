//! DaemonSets (upstream `pkg/apis/apps/validation/validation.go`).

use super::fault::{At, Faults};
use super::{form, labels, pod_spec};

/// The spec of a DaemonSet.
pub(super) fn spec(at: &At<'_>, faults: &mut Faults) {
    checked_spec(at, false, faults);
}

/// An update of spec and metadata.
pub(super) fn update(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    let (old_selector, new_selector) = (old.field("selector"), new.field("selector"));
    checked_spec(&new, labels::has_bad_values(&old_selector), faults);
    faults.immutable(&old_selector, &new_selector);
}

/// A write of `/status`.
pub(super) fn status(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    const COUNTS: [&str; 9] = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    let (old, new) = (old.field("status"), new.field("status"));
    for count in COUNTS {
        faults.non_negative(&new.field(count));
    }
    let (before, now) = (old.field("collisionCount"), new.field("collisionCount"));
    if now.number() < before.number() {
        faults.invalid_value(&now, &now.number().into(), "cannot be decremented");
    }
}

fn checked_spec(at: &At<'_>, lenient_selector: bool, faults: &mut Faults) {
    let (selector, template) = (at.field("selector"), at.field("template"));
    labels::selector(&selector, lenient_selector, faults);
    let template_labels = template.field("metadata").field("labels");
    if labels::selects(&selector, &template_labels) == Some(false) {
        faults.invalid(&template_labels, "`selector` does not match template `labels`");
    }
    if !selector.value.is_null() && selector.field("matchLabels").is_empty() && selector.field("matchExpressions").is_empty() {
        faults.invalid(&selector, "empty selector is invalid for daemonset");
    }
    self::template(&template, "DaemonSet", faults);
    faults.non_negative(&at.field("minReadySeconds"));
    strategy(&at.field("updateStrategy"), faults);
    faults.non_negative(&at.field("revisionHistoryLimit"));
}

/// A template of pods that live as long as what they are made for, which is of that kind.
pub(super) fn template(at: &At<'_>, kind: &str, faults: &mut Faults) {
    any_template(at, faults);
    let spec = at.field("spec");
    let restart = spec.field("restartPolicy");
    // Others are no restart policies at all, which is a fault of any pod.
    if ["OnFailure", "Never"].contains(&restart.text()) {
        faults.not_supported(&restart, &["Always"]);
    }
    if let Some(deadline) = spec.present("activeDeadlineSeconds") {
        faults.forbidden(&deadline, &format!("activeDeadlineSeconds in {kind} is not Supported"));
    }
}

/// What holds for every template of pods.
pub(super) fn any_template(at: &At<'_>, faults: &mut Faults) {
    for field in ["labels", "annotations"] {
        let found = at.field("metadata").field(field).renamed(format!("{}.{field}", at.path));
        if field == "labels" { labels::labels(&found, faults) } else { labels::annotations(&found, faults) }
    }
    let spec = at.field("spec");
    pod_spec::check(&spec, false, faults);
    let ephemeral = spec.field("ephemeralContainers");
    if !ephemeral.is_empty() {
        faults.forbidden(&ephemeral, "ephemeral containers not allowed in pod template");
    }
}

fn strategy(at: &At<'_>, faults: &mut Faults) {
    match at.text_of("type") {
        "OnDelete" => {}
        "RollingUpdate" => match at.present("rollingUpdate") {
            Some(rolling) => rolling_update(&rolling, faults),
            None => faults.required(&at.field("rollingUpdate"), ""),
        },
        _ => faults.not_supported(at, &["RollingUpdate", "OnDelete"]),
    }
}

fn rolling_update(at: &At<'_>, faults: &mut Faults) {
    let (unavailable, surge) = (at.field("maxUnavailable"), at.field("maxSurge"));
    match (form::amount(&unavailable) != 0, form::amount(&surge) != 0) {
        (true, true) => faults.invalid(&surge, "may not be set when maxUnavailable is non-zero"),
        (false, false) => faults.required(&unavailable, "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
    form::count_or_part(&unavailable, faults);
    form::count_or_part(&surge, faults);
}
