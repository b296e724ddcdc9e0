//! One DaemonSet on one node: what is there, what is to be done, and why (behaviour reference §8).

use super::daemon_pod::{DaemonPod, Phase};
use crate::{
    backoff::{Attempts, Backoff, Verdict},
    placement::{Eligibility, Obstacle},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::fmt;

#[cfg(test)]
mod tests;

/// How fast failed pods are replaced, as upstream.
pub const FAILED_PODS: Backoff = Backoff {
    first: SignedDuration::from_secs(1),
    longest: SignedDuration::from_mins(15),
    forget: SignedDuration::from_mins(30),
};

/// What is true of one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// Whether the node should run the daemon; `None` if there is no such node.
    pub eligibility: Option<Eligibility>,
    /// The set's pods there, in order of precedence, without those that are over.
    pub pods: Vec<DaemonPod>,
}

/// What all nodes have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Hash of the current revision, and of its copies as long as there are any.
    pub hashes: Vec<String>,
    /// The current template generation as a label value, if there is one.
    pub generation: Option<String>,
    /// How long a pod must be Ready to count as available.
    pub min_ready: SignedDuration,
    /// Whether a new pod may stand beside the old one during an update.
    pub surge: bool,
    /// The time.
    pub now: Timestamp,
}

impl Rules {
    /// Whether a pod is of the current template (§10.1).
    pub fn is_updated(&self, pod: &DaemonPod) -> bool {
        self.has_current_hash(pod) || self.generation.as_ref().is_some_and(|generation| *generation == pod.generation)
    }

    /// Whether a pod is available (§10.2).
    pub fn is_available(&self, pod: &DaemonPod) -> bool {
        pod.available_from(self.min_ready).is_some_and(|from| from <= self.now)
    }

    fn has_current_hash(&self, pod: &DaemonPod) -> bool {
        !pod.hash.is_empty() && self.hashes.contains(&pod.hash)
    }
}

/// Why a pod is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Why {
    /// It failed.
    Failed,
    /// It ended, though daemons should not.
    Succeeded,
    /// There is a better one on the node.
    Surplus,
    /// It may not be on the node.
    Refused(Obstacle),
    /// Its node does not exist, and nobody else would find it.
    NodeGone,
    /// It is of an older template.
    Outdated,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("it failed"),
            Self::Succeeded => f.write_str("it ended, though daemons should not"),
            Self::Surplus => f.write_str("there is a better one"),
            Self::Refused(obstacle) => write!(f, "it may not be there, {obstacle}"),
            Self::NodeGone => f.write_str("there is no such node"),
            Self::Outdated => f.write_str("it is of an older template"),
        }
    }
}

/// How things stand on a node: the reason for whatever is or is not done there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// The daemon runs and is available.
    Running,
    /// The daemon's pod exists and is not available yet.
    Starting,
    /// A pod is being created.
    Creating,
    /// A pod is on its way out; the next one waits for that.
    Ending,
    /// Pods are being deleted that stand in the way.
    Clearing,
    /// The pod failed; it is replaced at this time.
    BackingOff(Timestamp),
    /// The pod is of an older template and waits for its turn, or for being deleted by hand.
    Outdated,
    /// The pod is of an older template and being replaced.
    Updating,
    /// No pod is started, one that runs may stay; whether one does.
    Kept {
        /// What stands in the way.
        obstacle: Obstacle,
        /// Whether a pod is there.
        running: bool,
    },
    /// No pod may be there.
    Refused(Obstacle),
    /// The node does not exist.
    NodeGone,
}

impl Standing {
    /// What keeps the node without a pod that would otherwise get one. Labels keep nodes away on purpose.
    pub fn waits_for(&self) -> Option<Obstacle> {
        match self {
            Self::Kept { obstacle, running: false } | Self::Refused(obstacle @ Obstacle::Taint { .. }) => Some(obstacle.clone()),
            _ => None,
        }
    }

    /// The standing when an update acts here.
    pub(super) fn update(&mut self) {
        if !matches!(self, Self::Kept { .. }) {
            *self = Self::Updating;
        }
    }
}

/// What is to be done on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether to create a pod.
    pub create: bool,
    /// The pods to delete, by their place in the cell.
    pub delete: Vec<(usize, Why)>,
    /// What to remember of failed pods.
    pub attempts: Option<Attempts>,
    /// When to look again although nothing happens.
    pub wake_at: Option<Timestamp>,
    /// Why.
    pub standing: Standing,
}

impl Decision {
    /// Nothing is to be done, as on a node that does not exist.
    pub(super) fn nothing(past: Option<Attempts>) -> Self {
        Self { create: false, delete: Vec::new(), attempts: past, wake_at: None, standing: Standing::NodeGone }
    }

    /// Whether anything is to be done.
    pub fn acts(&self) -> bool {
        self.create || !self.delete.is_empty()
    }
}

/// Decides one node, given what is remembered of failed pods there.
pub fn decide(cell: &Cell, rules: &Rules, past: Option<Attempts>) -> Decision {
    let mut decision = Decision::nothing(past);
    match &cell.eligibility {
        // Bound pods of vanished nodes are the garbage collector's.
        None => decision.delete = select(cell, |pod| !pod.terminating && !pod.bound, &Why::NodeGone),
        Some(Eligibility::Refuse(obstacle)) => {
            decision.delete = select(cell, |pod| !pod.terminating, &Why::Refused(obstacle.clone()));
            decision.standing = Standing::Refused(obstacle.clone());
        }
        Some(eligibility) => {
            clear_ended(cell, rules, &mut decision);
            if rules.surge {
                keep_two(cell, rules, eligibility.should_run(), &mut decision);
            } else {
                keep_one(cell, eligibility.should_run(), &mut decision);
            }
            decision.standing = standing(cell, rules, eligibility, &decision);
        }
    }
    wait_for_availability(cell, rules, &mut decision);
    decision
}

fn select(cell: &Cell, test: impl Fn(&DaemonPod) -> bool, why: &Why) -> Vec<(usize, Why)> {
    cell.pods.iter().enumerate().filter(|(_, pod)| test(pod)).map(|(place, _)| (place, why.clone())).collect()
}

/// Deletes what has ended: succeeded pods at once, failed ones as the back-off allows.
fn clear_ended(cell: &Cell, rules: &Rules, decision: &mut Decision) {
    for (place, pod) in cell.pods.iter().enumerate().filter(|(_, pod)| !pod.terminating) {
        match pod.phase {
            Phase::Alive => {}
            Phase::Succeeded => decision.delete.push((place, Why::Succeeded)),
            Phase::Failed => match FAILED_PODS.attempt(decision.attempts, rules.now) {
                Verdict::Now(attempts) => {
                    decision.attempts = Some(attempts);
                    decision.delete.push((place, Why::Failed));
                }
                Verdict::Wait(until) => decision.wake_at = Some(until),
            },
        }
    }
}

/// Without surge (§8.2): one pod, and no new one while anything is left of another.
fn keep_one(cell: &Cell, should_run: bool, decision: &mut Decision) {
    decision.create = should_run && cell.pods.is_empty();
    let surplus = running(cell).skip(1).map(|(place, _)| (place, Why::Surplus));
    decision.delete.extend(surplus);
}

/// With surge (§8.3): one pod of the current template and one older, until the newer is available.
///
/// A failed pod that waits for its back-off holds back the next one. The reference creates another each time and so piles
/// up failed pods on a node that rejects them.
fn keep_two(cell: &Cell, rules: &Rules, should_run: bool, decision: &mut Decision) {
    let running: Vec<_> = running(cell).collect();
    if running.is_empty() {
        decision.create = should_run && decision.wake_at.is_none();
        return;
    }
    if running.len() == 1 {
        return;
    }
    let newest = running.iter().find(|(_, pod)| rules.has_current_hash(pod));
    let oldest = running.iter().find(|(_, pod)| !rules.has_current_hash(pod));
    let kept = |place: usize| [newest, oldest].iter().flatten().any(|(kept, _)| *kept == place);
    decision.delete.extend(running.iter().filter(|(place, _)| !kept(*place)).map(|(place, _)| (*place, Why::Surplus)));
    if let (Some((_, new)), Some((place, old))) = (newest, oldest)
        && (old.ready.is_none() || rules.is_available(new))
    {
        decision.delete.push((*place, Why::Outdated));
    }
}

fn running(cell: &Cell) -> impl Iterator<Item = (usize, &DaemonPod)> {
    cell.pods.iter().enumerate().filter(|(_, pod)| pod.is_running())
}

/// A pod that is Ready becomes available by the passing of time alone, be it on its way out.
fn wait_for_availability(cell: &Cell, rules: &Rules, decision: &mut Decision) {
    let coming = cell.pods.iter().filter_map(|pod| pod.available_from(rules.min_ready)).filter(|from| *from > rules.now);
    decision.wake_at = coming.chain(decision.wake_at).min();
}

fn standing(cell: &Cell, rules: &Rules, eligibility: &Eligibility, decision: &Decision) -> Standing {
    let first = running(cell).map(|(_, pod)| pod).next();
    if let Eligibility::Keep(obstacle) = eligibility {
        return Standing::Kept { obstacle: obstacle.clone(), running: first.is_some() };
    }
    match first {
        _ if decision.create => Standing::Creating,
        _ if !decision.delete.is_empty() => Standing::Clearing,
        Some(pod) if !rules.is_updated(pod) => Standing::Outdated,
        Some(pod) if rules.is_available(pod) => Standing::Running,
        Some(_) => Standing::Starting,
        None => decision.wake_at.map_or(Standing::Ending, Standing::BackingOff),
    }
}
