//! What looks at all nodes, kept up to date node by node: sums, and who is waiting for what.

use crate::{
    daemonset::{
        rollout::{Part, Stage, Strategy, Sums},
        status::Count,
    },
    placement::Obstacle,
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What one node adds to the agenda.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Share {
    /// Its part in an update.
    pub(super) part: Part,
    /// What it counts for in the status.
    pub(super) count: Count,
    /// Whether something is to be done there, update or not.
    pub(super) acts: bool,
    /// Whether something of it is not known.
    pub(super) is_in_doubt: bool,
    /// How often its pod was refused.
    pub(super) refusals: u32,
    /// When its time has come.
    pub(super) wake_at: Option<Timestamp>,
    /// What keeps it without a pod that it would otherwise get.
    pub(super) waits_for: Option<Obstacle>,
}

/// All nodes together. Nodes whose pod was refused come last: those that are never refused must not wait for them.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    sums: Sums,
    count: Count,
    acting: BTreeSet<(u32, Arc<str>)>,
    /// Nodes that an update may change without leave.
    now: BTreeSet<(u32, Arc<str>)>,
    /// Nodes that an update may change as far as its budget goes.
    candidates: BTreeSet<(u32, Arc<str>)>,
    /// Nodes that may lose a pod when it is not missed.
    sunset: BTreeSet<(u32, Arc<str>)>,
    in_doubt: BTreeSet<Arc<str>>,
    wakes: BTreeSet<(Timestamp, Arc<str>)>,
    waiting: BTreeMap<Obstacle, usize>,
}

impl Agenda {
    pub(super) fn add(&mut self, node: &Arc<str>, share: &Share) {
        self.sums.add(&share.part);
        self.count += share.count;
        if let Some(turn) = self.turn(share) {
            turn.insert((share.refusals, node.clone()));
        }
        if share.is_in_doubt {
            self.in_doubt.insert(node.clone());
        }
        if let Some(at) = share.wake_at {
            self.wakes.insert((at, node.clone()));
        }
        if let Some(obstacle) = &share.waits_for {
            *self.waiting.entry(obstacle.clone()).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, node: &Arc<str>, share: &Share) {
        self.sums.remove(&share.part);
        self.count -= share.count;
        if let Some(turn) = self.turn(share) {
            turn.remove(&(share.refusals, node.clone()));
        }
        if share.is_in_doubt {
            self.in_doubt.remove(node);
        }
        if let Some(at) = share.wake_at {
            self.wakes.remove(&(at, node.clone()));
        }
        if let Some(obstacle) = &share.waits_for
            && let Some(count) = self.waiting.get_mut(obstacle)
        {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(obstacle);
            }
        }
    }

    /// The nodes on which something is to be done now, in the order of their turn.
    pub(super) fn due(&self, strategy: &Strategy) -> impl Iterator<Item = &Arc<str>> {
        self.acting.iter().map(|(_, node)| node).chain(self.updating(strategy))
    }

    /// Those of them on which an update acts.
    pub(super) fn updating(&self, strategy: &Strategy) -> impl Iterator<Item = &Arc<str>> {
        let budget = self.sums.budget(strategy);
        let granted = self.candidates.iter().take(budget.replace).chain(self.sunset.iter().take(budget.sunset));
        self.now.iter().chain(granted).map(|(_, node)| node)
    }

    /// The nodes of which something is not known.
    pub(super) fn in_doubt(&self) -> impl Iterator<Item = &Arc<str>> {
        self.in_doubt.iter()
    }

    /// The nodes whose time has come.
    pub(super) fn wake(&self, now: Timestamp) -> Vec<Arc<str>> {
        self.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, node)| node.clone()).collect()
    }

    /// When the next node's time comes.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    pub(super) fn count(&self) -> &Count {
        &self.count
    }

    /// What keeps how many nodes without a pod.
    pub(super) fn waiting(&self) -> &BTreeMap<Obstacle, usize> {
        &self.waiting
    }

    fn turn(&mut self, share: &Share) -> Option<&mut BTreeSet<(u32, Arc<str>)>> {
        if share.acts {
            return Some(&mut self.acting);
        }
        match share.part.stage {
            Stage::Settled | Stage::Busy => None,
            Stage::DeleteNow(_) | Stage::CreateNow => Some(&mut self.now),
            Stage::MayDelete(_) | Stage::MayCreate => Some(&mut self.candidates),
            Stage::Sunset(_) => Some(&mut self.sunset),
        }
    }
}
