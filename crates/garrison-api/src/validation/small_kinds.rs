//! Kinds with few rules: PriorityClass, Lease, Namespace.

use super::fault::{At, Faults};
use crate::names;

/// A PriorityClass. Names with `system-` are for the two that the system brings along.
pub(super) fn priority_class(at: &At<'_>, faults: &mut Faults) {
    const LARGEST: i64 = 1_000_000_000;
    const SYSTEM: [(&str, i64); 2] = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
    let (name, value) = (at.field("metadata").field("name"), at.field("value"));
    if name.text().starts_with("system-") {
        if !SYSTEM.contains(&(name.text(), value.number())) {
            faults.forbidden(&name, "priority class names with 'system-' prefix are reserved for system use only");
        }
    } else if value.number() > LARGEST {
        faults.forbidden(&value, &format!("maximum allowed value of a user defined priority is {LARGEST}"));
    }
    faults.one_of_if_set(&at.field("preemptionPolicy"), &["PreemptLowerPriority", "Never"]);
}

/// An update of a PriorityClass: pods carry what it said when they were created.
pub(super) fn priority_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let value = new.field("value");
    if value.number() != old.field("value").number() {
        faults.forbidden(&value, "may not be changed in an update.");
    }
    faults.immutable(&old.field("preemptionPolicy"), &new.field("preemptionPolicy"));
}

/// A Lease.
pub(super) fn lease(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    faults.positive_if_set(&spec.field("leaseDurationSeconds"));
    faults.non_negative(&spec.field("leaseTransitions"));
}

/// A Namespace: the finalizers of its spec are names.
pub(super) fn namespace(at: &At<'_>, faults: &mut Faults) {
    let finalizers = at.field("spec").field("finalizers");
    for finalizer in finalizers.items() {
        faults.invalid_if(&finalizer.renamed(&finalizers.path), names::qualified_name_fault(finalizer.text()));
    }
}
