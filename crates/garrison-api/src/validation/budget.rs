//! PodDisruptionBudgets (upstream `pkg/apis/policy/validation/validation.go`).

use super::fault::{At, Faults};
use super::{form, labels};

/// The spec: one bound, as a count or as a part of all.
pub(super) fn spec(at: &At<'_>, faults: &mut Faults) {
    let (least, most) = (at.present("minAvailable"), at.present("maxUnavailable"));
    if least.is_some() && most.is_some() {
        faults.invalid(at, "minAvailable and maxUnavailable cannot be both set");
    }
    least.iter().chain(&most).for_each(|bound| form::count_or_part(bound, faults));
    labels::selector(&at.field("selector"), false, faults);
    faults.one_of_if_set(&at.field("unhealthyPodEvictionPolicy"), &["IfHealthyBudget", "AlwaysAllow"]);
}
