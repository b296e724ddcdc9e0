//! The counters of a set's status (behaviour reference §12).

use super::per_node::{Cell, Rules};
use crate::placement::Eligibility;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};

/// The status of a set whose nodes are `cells`.
pub fn status<'a>(set: &DaemonSet, cells: impl Iterator<Item = &'a Cell>, rules: &Rules) -> DaemonSetStatus {
    let mut count = Count::default();
    cells.for_each(|cell| count.add(cell, rules));
    let stored = set.status.clone().unwrap_or_default();
    DaemonSetStatus {
        desired_number_scheduled: count.desired,
        current_number_scheduled: count.current,
        number_misscheduled: count.misscheduled,
        number_ready: count.ready,
        number_available: Some(count.available).filter(|number| *number > 0),
        updated_number_scheduled: Some(count.updated).filter(|number| *number > 0),
        number_unavailable: Some(count.desired - count.available).filter(|number| *number > 0),
        observed_generation: set.metadata.generation,
        collision_count: stored.collision_count,
        conditions: stored.conditions,
    }
}

/// Whether `new` says anything that `old` does not.
pub fn differs(old: &DaemonSetStatus, new: &DaemonSetStatus) -> bool {
    let counters = |status: &DaemonSetStatus| {
        let optional = [status.number_available, status.updated_number_scheduled, status.number_unavailable];
        let always =
            [status.desired_number_scheduled, status.current_number_scheduled, status.number_misscheduled, status.number_ready];
        (always, optional.map(Option::unwrap_or_default))
    };
    counters(old) != counters(new) || old.observed_generation < new.observed_generation
}

#[derive(Default)]
struct Count {
    desired: i32,
    current: i32,
    misscheduled: i32,
    ready: i32,
    available: i32,
    updated: i32,
}

impl Count {
    fn add(&mut self, cell: &Cell, rules: &Rules) {
        let Some(eligibility) = &cell.eligibility else { return };
        // The first in order of precedence speaks for the node.
        let Some(pod) = cell.pods.first() else {
            self.desired += i32::from(eligibility.should_run());
            return;
        };
        if *eligibility != Eligibility::Run {
            self.misscheduled += 1;
            return;
        }
        self.desired += 1;
        self.current += 1;
        self.ready += i32::from(pod.ready.is_some());
        self.available += i32::from(rules.is_available(pod));
        self.updated += i32::from(rules.is_updated(pod));
    }
}
