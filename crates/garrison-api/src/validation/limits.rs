//! LimitRanges and ResourceQuotas (upstream `pkg/apis/core/validation/validation.go`).

use super::amounts;
use super::fault::{At, Faults};
use crate::names;
use crate::quantity::Quantity;
use std::collections::BTreeSet;

/// Which amounts must not be above which others, and how a fault says so.
const ORDER: [(&str, &str); 6] = [
    ("min", "max"),
    ("min", "defaultRequest"),
    ("defaultRequest", "max"),
    ("defaultRequest", "default"),
    ("min", "default"),
    ("default", "max"),
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
        } else if !matches!(kind.text(), "Container" | "Pod" | "PersistentVolumeClaim") {
            faults.invalid_if(&kind, names::qualified_name_fault(kind.text()));
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
        for (less, more) in ORDER {
            ordered(&item, less, more, faults);
        }
    }
}

fn ordered(item: &At<'_>, less: &str, more: &str, faults: &mut Faults) {
    let read = |at: &At<'_>| Quantity::parse(at.text()).ok();
    for (name, amount) in item.field(less).entries() {
        let other = item.field(more).field(name);
        if let (Some(small), Some(great)) = (read(&amount), read(&other))
            && small > great
        {
            let why = format!("{less} value {} is greater than {more} value {}", amount.text(), other.text());
            faults.invalid(&amount, &why);
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
