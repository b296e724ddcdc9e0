//! The counters of a set's status (behaviour reference §12).

use super::per_node::{Cell, Rules};
use crate::placement::Eligibility;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};
use std::ops::{AddAssign, SubAssign};

/// The status of a set whose nodes add up to `count`.
pub fn status(set: &DaemonSet, count: &Count) -> DaemonSetStatus {
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

/// What nodes count for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    desired: i32,
    current: i32,
    misscheduled: i32,
    ready: i32,
    available: i32,
    updated: i32,
}

impl Count {
    /// What one node counts for.
    pub fn of(cell: &Cell, rules: &Rules) -> Self {
        let Some(eligibility) = &cell.eligibility else { return Self::default() };
        // The first in order of precedence speaks for the node.
        let Some(pod) = cell.pods.first() else {
            return Self { desired: i32::from(eligibility.should_run()), ..Self::default() };
        };
        if *eligibility != Eligibility::Run {
            return Self { misscheduled: 1, ..Self::default() };
        }
        Self {
            desired: 1,
            current: 1,
            misscheduled: 0,
            ready: i32::from(pod.ready.is_some()),
            available: i32::from(rules.is_available(pod)),
            updated: i32::from(rules.is_updated(pod)),
        }
    }

    fn each(self, other: Self, operation: fn(i32, i32) -> i32) -> Self {
        Self {
            desired: operation(self.desired, other.desired),
            current: operation(self.current, other.current),
            misscheduled: operation(self.misscheduled, other.misscheduled),
            ready: operation(self.ready, other.ready),
            available: operation(self.available, other.available),
            updated: operation(self.updated, other.updated),
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        *self = self.each(other, |one, other| one + other);
    }
}

impl SubAssign for Count {
    fn sub_assign(&mut self, other: Self) {
        *self = self.each(other, |one, other| one - other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        daemonset::daemon_pod::{DaemonPod, Phase},
        placement::Obstacle,
    };
    use jiff::{SignedDuration, Timestamp};
    use serde_json::{Value, json};

    /// A node from marks: `!` should not run, `x` does not exist; pods separated by spaces: `n` new, `o` old, `r` Ready,
    /// `a` available, `t` terminating.
    fn cell(text: &str) -> Cell {
        let eligibility = match text {
            text if text.contains('x') => None,
            text if text.contains('!') => Some(Eligibility::Keep(Obstacle::Unschedulable)),
            _ => Some(Eligibility::Run),
        };
        let pod = |marks: &str| {
            let since = |second| Some(Some(Timestamp::from_second(second).unwrap()));
            DaemonPod {
                name: marks.into(),
                uid: marks.into(),
                bound: true,
                created: None,
                phase: Phase::Alive,
                terminating: marks.contains('t'),
                ready: if marks.contains('a') { since(0) } else { since(95).filter(|_| marks.contains('r')) },
                hash: if marks.contains('n') { "new" } else { "old" }.into(),
                generation: String::new(),
            }
        };
        Cell { eligibility, pods: text.split_whitespace().filter(|word| !matches!(*word, "!" | "x")).map(pod).collect() }
    }

    fn count(nodes: &str) -> DaemonSetStatus {
        let rules = Rules {
            hashes: vec!["new".into()],
            generation: None,
            min_ready: SignedDuration::from_secs(10),
            surge: false,
            now: Timestamp::from_second(100).unwrap(),
        };
        let set = serde_json::from_value(json!({"metadata": {"generation": 7},
            "status": {"collisionCount": 2, "observedGeneration": 6, "numberReady": 99}}));
        let cells: Vec<Cell> = nodes.split('|').filter(|node| !node.is_empty()).map(cell).collect();
        let mut count = Count::default();
        cells.iter().for_each(|cell| count += Count::of(cell, &rules));
        status(&set.unwrap(), &count)
    }

    fn check(nodes: &str, expected: Value) {
        let mut expected = expected;
        expected["collisionCount"] = json!(2);
        expected["observedGeneration"] = json!(7);
        for key in ["desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady"] {
            expected[key] = expected.get(key).cloned().unwrap_or(json!(0));
        }
        assert_eq!(serde_json::to_value(count(nodes)).unwrap(), expected, "{nodes}");
    }

    /// Conformance: U4
    #[test]
    fn counters() {
        check("", json!({}));
        check("x o", json!({}));
        check(" |! | ", json!({"desiredNumberScheduled": 2, "numberUnavailable": 2}));
        check("!  na|! t", json!({"numberMisscheduled": 2}));
        let one = |more: Value| {
            let mut all = json!({"desiredNumberScheduled": 1, "currentNumberScheduled": 1});
            more.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
            all
        };
        check("o", one(json!({"numberUnavailable": 1})));
        check("ot", one(json!({"numberUnavailable": 1})));
        check("nr", one(json!({"numberUnavailable": 1, "numberReady": 1, "updatedNumberScheduled": 1})));
        check("na", one(json!({"numberAvailable": 1, "numberReady": 1, "updatedNumberScheduled": 1})));
        // The first speaks for the node: during a surge the old one.
        check("oa na", one(json!({"numberAvailable": 1, "numberReady": 1})));
    }

    /// Conformance: U4
    #[test]
    fn only_news_is_written() {
        let old = count("na|o");
        assert!(!differs(&old, &count("na|o")));
        assert!(differs(&old, &count("na|oa")));
        assert!(differs(&DaemonSetStatus { observed_generation: Some(6), ..old.clone() }, &old));
        assert!(differs(&DaemonSetStatus { observed_generation: None, ..old.clone() }, &old));
        assert!(!differs(&DaemonSetStatus { observed_generation: Some(8), ..old.clone() }, &old));
    }
}
