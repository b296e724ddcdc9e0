//! What planning needs of the past. Losing it costs a back-off and a notice told twice, nothing else.

use super::{
    Creation, Doubt, Note, Plan,
    daemon_pod::DaemonPod,
    fnv::fnv64,
    per_node::{Cell, Decision, FAILED_PODS},
};
use crate::{backoff::Attempts, placement::Obstacle};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::DaemonSet;
use std::{collections::BTreeMap, sync::Arc};

/// How long nodes must have been without a pod before users are told: each node that joins is not ready for a moment.
const TELLING: SignedDuration = SignedDuration::from_secs(10);

/// What is remembered of one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// Replaced failed pods.
    pub attempts: Option<Attempts>,
    /// Stand for the pods that were last there.
    present: Vec<u64>,
    /// Stands for all pods that were ever there, so that the next one has another name than any of them.
    lineage: u64,
    /// What the names of a pod are made from whose create was not answered, and how many of them are others'. As long as
    /// nobody knows whether such a pod exists, it is asked for under the same name and no other.
    asked: Option<(u64, u32)>,
    /// UIDs of pods the deletion of which was not answered.
    doubted: Vec<String>,
    /// How often the server refused a pod since one was last seen.
    refusals: u32,
}

impl Past {
    /// Takes note of who is there now.
    pub(super) fn meet(&mut self, set: &DaemonSet, node: &Arc<str>, cell: &Cell, now: Timestamp) {
        self.attempts = self.attempts.filter(|attempts| !FAILED_PODS.forgotten(attempts, now));
        let is_there = |name: String| cell.pods.iter().any(|pod| pod.name == name);
        if self.open_create(node).is_some_and(|creation| creation.names(set).any(is_there)) {
            self.asked = None;
        }
        self.doubted.retain(|uid| cell.pods.iter().any(|pod| pod.uid == *uid && !pod.terminating));
        if !cell.pods.is_empty() {
            self.refusals = 0;
        }
        let mut present: Vec<u64> = cell.pods.iter().map(|pod| fnv64(&[pod.uid.as_bytes()])).collect();
        present.sort_unstable();
        let new = present.iter().filter(|pod| !self.present.contains(pod));
        self.lineage = new.fold(self.lineage, |lineage, pod| lineage.wrapping_add(*pod));
        self.present = present;
    }

    /// The node's next pod.
    pub(super) fn creation(&self, set: &DaemonSet, node: &Arc<str>) -> Creation {
        self.open_create(node).unwrap_or_else(|| {
            let uid = set.metadata.uid.as_deref().unwrap_or_default();
            let seed = fnv64(&[uid.as_bytes(), b"/", node.as_bytes(), b"/", &self.lineage.to_le_bytes()[..]]);
            Creation { node: node.clone(), seed, taken: 0 }
        })
    }

    fn open_create(&self, node: &Arc<str>) -> Option<Creation> {
        self.asked.map(|(seed, taken)| Creation { node: node.clone(), seed, taken })
    }

    /// Takes note that the create of a pod was not answered.
    pub(super) fn lost_create(&mut self, creation: &Creation) {
        self.asked = Some((creation.seed, creation.taken));
    }

    /// Takes note that the deletion of a pod was not answered.
    pub(super) fn lost_delete(&mut self, uid: &str) {
        if !self.doubted.iter().any(|doubted| doubted == uid) {
            self.doubted.push(uid.to_owned());
        }
    }

    /// Takes note that it is known whether a pod was created.
    pub(super) fn answered(&mut self) {
        self.asked = None;
    }

    /// Takes note that it is known whether a pod was deleted.
    pub(super) fn answered_delete(&mut self, uid: &str) {
        self.doubted.retain(|doubted| doubted != uid);
    }

    /// Whether anything is not known.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.asked.is_some() || !self.doubted.is_empty()
    }

    /// What is not known and will not be learnt by what is done there anyway.
    pub(super) fn doubt(&self, node: &Arc<str>, cell: &Cell, decision: &Decision) -> Option<Doubt> {
        let created = self.open_create(node).filter(|_| !decision.create);
        let going = |pod: &DaemonPod| decision.delete.iter().any(|(place, _)| cell.pods[*place].uid == pod.uid);
        let doubted = cell.pods.iter().filter(|pod| self.doubted.contains(&pod.uid) && !going(pod));
        let deleted: Vec<_> = doubted.map(|pod| (pod.name.clone(), pod.uid.clone())).collect();
        (created.is_some() || !deleted.is_empty()).then(|| Doubt { node: node.clone(), created, deleted })
    }

    /// Takes note that the server refused the pod.
    pub(super) fn refuse(&mut self) {
        self.answered();
        self.refusals = self.refusals.saturating_add(1);
    }

    pub(super) fn refusals(&self) -> u32 {
        self.refusals
    }

    pub(super) fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}

/// What was told of nodes that get no pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telling {
    /// What users were last told.
    told: Vec<(Obstacle, usize)>,
    /// Since when there has been something else to tell.
    untold_since: Option<Timestamp>,
}

impl Telling {
    /// Tells of nodes that taints keep without a pod, when that has changed and stayed so for a while; or says when it
    /// will be time.
    pub(super) fn tell(
        &mut self,
        waiting: &BTreeMap<Obstacle, usize>,
        nodes: usize,
        now: Timestamp,
    ) -> (Option<Note>, Option<Timestamp>) {
        let is_told =
            self.told.len() == waiting.len() && self.told.iter().all(|(obstacle, count)| waiting.get(obstacle) == Some(count));
        if waiting.is_empty() || is_told {
            if waiting.is_empty() {
                self.told.clear();
            }
            self.untold_since = None;
            return (None, None);
        }
        self.untold_since.get_or_insert(now);
        if let Some(due) = self.due().filter(|due| now < *due) {
            return (None, Some(due));
        }
        self.untold_since = None;
        self.told = waiting.iter().map(|(obstacle, count)| (obstacle.clone(), *count)).collect();
        (Some(Note::Waiting { obstacles: self.told.clone(), nodes }), None)
    }

    /// When it will be time to tell something.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.untold_since.map(|since| since.saturating_add(TELLING).unwrap_or(Timestamp::MAX))
    }
}

/// What is remembered of a set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// The generation that attempts belong to: a changed spec deserves a fresh start.
    pub(super) generation: Option<i64>,
    /// By node.
    pub(super) nodes: BTreeMap<Arc<str>, Past>,
    /// What users know.
    pub(super) telling: Telling,
}

impl Memory {
    /// Takes note that it is known whether the pod for a node was created.
    pub fn answered(&mut self, node: &str) {
        self.change(node, Past::answered);
    }

    /// Takes note that the server refused the pod for a node.
    pub fn refused(&mut self, node: &str) {
        self.change(node, Past::refuse);
    }

    /// Takes note that the create of a pod was not answered, under the first name that is left in `creation`.
    pub fn lost_create(&mut self, creation: &Creation) {
        self.change(&creation.node, |past| past.lost_create(creation));
    }

    /// Takes note that the deletion of a node's pod was not answered.
    pub fn lost_delete(&mut self, node: &str, uid: &str) {
        self.change(node, |past| past.lost_delete(uid));
    }

    /// Takes note that it is known whether a node's pod was deleted.
    pub fn answered_delete(&mut self, node: &str, uid: &str) {
        self.change(node, |past| past.answered_delete(uid));
    }

    fn change(&mut self, node: &str, change: impl FnOnce(&mut Past)) {
        change(self.nodes.entry(node.into()).or_default());
    }

    /// Takes note that a plan is about to be carried out.
    pub fn commit(&mut self, plan: &Plan) {
        for (node, attempts) in &plan.attempts {
            self.nodes.entry(node.clone()).or_default().attempts = Some(*attempts);
        }
    }
}
