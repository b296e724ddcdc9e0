//! LimitRanges and ResourceQuotas (upstream `pkg/apis/core/validation/validation.go`).

use super::amounts;
use super::fault::{At, Faults};
use crate::names;
use crate::quantity::Quantity;
use std::collections::BTreeSet;

/// Which amounts must not be above which others, what a fault calls both, and which it names.
const ORDER: [(&str, &str, &str, &str); 6] = [
    ("min", "max", "min value {} is greater than max value {}", "min"),
    ("min", "defaultRequest", "min value {} is greater than default request value {}", "defaultRequest"),
    ("defaultRequest", "max", "default request value {} is greater than max value {}", "defaultRequest"),
    ("defaultRequest", "default", "default request value {} is greater than default limit value {}", "defaultRequest"),
    ("min", "default", "min value {} is greater than default value {}", "default"),
    ("default", "max", "default value {} is greater than max value {}", "default"),
];
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

/// The spec of a LimitRange.
pub(super) fn limit_range(at: &At<'_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for item in at.field("limits").items() {
        let kind = item.field("type");
        if kind.is_empty() {
            faults.required(&kind, "");
        } else if let Some(why) = names::qualified_name_fault(kind.text()) {
            faults.invalid(&kind, &why);
        } else if !kind.text().contains('/') && !matches!(kind.text(), "Container" | "Pod" | "PersistentVolumeClaim") {
            faults.invalid(&kind, "must be a standard limit type or fully qualified");
        }
        faults.unique(&kind, &mut seen);
        if kind.text() == "Pod" {
            for given in ["default", "defaultRequest"].iter().filter_map(|list| item.present(list)) {
                faults.forbidden(&given, "may not be specified when `type` is 'Pod'");
            }
        }
        for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            amounts::quantities(&item.field(list), faults);
        }
        if kind.text() == "PersistentVolumeClaim" && ["min", "max"].iter().all(|list| item.value[list]["storage"].is_null()) {
            let why = "either minimum or maximum storage value is required, but neither was provided";
            faults.required(&item.field("limits"), why);
        }
        for rule in ORDER {
            ordered(&item, rule, faults);
        }
    }
}

fn ordered(item: &At<'_>, (less, more, words, place): (&str, &str, &str, &str), faults: &mut Faults) {
    let read = |at: &At<'_>| Quantity::parse(at.text()).ok();
    for (name, amount) in item.field(less).entries() {
        let other = item.field(more).field(name);
        if let (Some(small), Some(great)) = (read(&amount), read(&other))
            && small > great
        {
            let why = words.replacen("{}", amount.text(), 1).replacen("{}", other.text(), 1);
            let shown = match (less, place) {
                // Upstream shows the lesser one here.
                ("min", "default") => amount.value,
                (_, "default") => other.value,
                _ => item.field(place).field(name).value,
            };
            faults.invalid_value(&amount.renamed(format!("{}.{place}[{name}]", item.path)), shown, &why);
        }
    }
}

/// The spec of a ResourceQuota.
pub(super) fn quota(at: &At<'_>, faults: &mut Faults) {
    for (name, amount) in at.field("hard").entries() {
        if let Some(why) = names::qualified_name_fault(name) {
            faults.invalid_value(&amount, &name.into(), &why);
        }
        amounts::quantity(&amount, faults);
    }
    for scope in at.field("scopes").items().filter(|scope| !SCOPES.contains(&scope.text())) {
        faults.invalid(&scope, "unsupported scope");
    }
}
