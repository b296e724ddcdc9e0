//! What one DaemonSet needs now: everything it may look at goes in, a [`Plan`] comes out.
//!
//! ```text
//! revisions ─► revision ─► hash ─┐
//! pods ──────► ownership ► cells ┼► per_node ─► rollout ─► Plan
//! nodes ─────► placement ► cells ┘                └► status
//! ```
//! Each node is a [`Cell`] that [`per_node::decide`] decides from its own pods alone; only the budget of an update
//! ([`rollout`]) and the counters of the status look at all of them. Between a write and its event, [`pace`] keeps the
//! picture right.

pub mod daemon_pod;
mod fnv;
pub mod ownership;
pub mod pace;
pub mod per_node;
pub mod revision;
pub mod rollout;
pub mod status;
pub mod template;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use crate::{
    backoff::Attempts,
    placement::{Demand, Obstacle},
};
use daemon_pod::{DaemonPod, HASH_LABEL};
use fnv::fnv64;
use garrison_api::selector::Labels;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus},
    core::v1::{Node, Pod},
};
use ownership::{Claim, OwnerChange};
use per_node::{Cell, Decision, Rules, Standing, Why};
use revision::{History, Obsolete, RevisionChange};
use rollout::{Stage, Strategy};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Everything that one decision may look at.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The set.
    pub set: &'a DaemonSet,
    /// All nodes.
    pub nodes: &'a [Arc<Node>],
    /// The pods of the set's namespace: at least its own and those without a controller.
    pub pods: &'a [Arc<Pod>],
    /// UIDs of pods whose deletion was accepted and is not seen yet.
    pub deleting: &'a BTreeSet<String>,
    /// The revisions of the set's namespace.
    pub revisions: &'a [Arc<ControllerRevision>],
    /// What earlier plans asked to be remembered.
    pub memory: &'a Memory,
    /// The time.
    pub now: Timestamp,
}

/// What a plan needs of those before it. Losing it costs a back-off, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Memory {
    /// The generation that the attempts belong to: a changed spec deserves a fresh start.
    generation: Option<i64>,
    /// Replaced failed pods by node.
    attempts: BTreeMap<String, Attempts>,
    /// UID of the last pod seen on each node, so that the next one has another name.
    predecessors: BTreeMap<String, String>,
    /// What the names of pods are made from whose create is not answered yet, by node. As long as nobody knows whether
    /// such a pod exists, it is asked for under the same name and no other.
    asked: BTreeMap<String, u64>,
    /// What users were last told about nodes that get no pod.
    told: Vec<(Obstacle, usize)>,
    /// Since when there has been something else to tell about them.
    untold_since: Option<Timestamp>,
}

/// How long nodes must have been without a pod before users are told: each node that joins is not ready for a moment.
const TELLING: SignedDuration = SignedDuration::from_secs(10);

/// A pod to create.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Creation {
    /// The node it is for.
    pub node: String,
    /// The pod.
    pub pod: Box<Pod>,
    seed: u64,
}

/// Names tried for one pod, as many as the server tries for a generated name.
const NAMES: u32 = 8;

impl Creation {
    /// The same pod under each name to try in turn, when objects of the names before exist and are not it.
    pub fn attempts(&self, set: &DaemonSet) -> impl Iterator<Item = Self> {
        names(set, self.seed).map(|name| {
            let mut attempt = self.clone();
            attempt.pod.metadata.name = Some(name);
            attempt
        })
    }
    /// Whether an existing pod is this one, made by a request whose answer was lost: of the same name and set, for the
    /// same node. It may have ended or been deleted meanwhile; unless it is over, the node is not free for another.
    pub fn is(&self, set: &DaemonSet, existing: &Pod) -> bool {
        let facts = DaemonPod::of(existing, &BTreeSet::new());
        self.pod.metadata.name == existing.metadata.name
            && ownership::is_owned(set, &existing.metadata)
            && template::target_node(existing) == Some(&self.node)
            && !facts.is_over()
    }
}

/// A pod to delete, on condition that it still has this UID.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Removal {
    /// Its node.
    pub node: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Why.
    pub why: Why,
}

/// A pod whose hash label is to be changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Relabel {
    /// Its name.
    pub name: String,
    /// The hash.
    pub hash: String,
}

/// Something that users are to be told and that no action of the plan tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Note {
    /// The selector is empty, which would mean every pod: nothing is done.
    SelectingAll,
    /// The selector cannot be read: nothing is done.
    UnreadableSelector,
    /// The template has no labels, so its pods would not match: nothing is created.
    NoLabels,
    /// Taints keep nodes without a pod that would otherwise get one: which, and on how many nodes each. Upstream says
    /// nothing of them anywhere (behaviour reference, W14).
    Waiting {
        /// The taints.
        obstacles: Vec<(Obstacle, usize)>,
        /// All nodes that there are.
        nodes: usize,
    },
}

/// What should happen now, in the order of the fields. Sorted by node, so that plans compare.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Plan {
    /// Pods to make the set's own.
    pub adopt: Vec<OwnerChange>,
    /// Pods to let go.
    pub release: Vec<OwnerChange>,
    /// Revisions to make the set's own.
    pub adopt_revisions: Vec<OwnerChange>,
    /// Revisions to let go.
    pub release_revisions: Vec<OwnerChange>,
    /// Changes of revisions.
    pub revisions: Vec<RevisionChange>,
    /// Pods to label anew because several revisions had the same content.
    pub relabel: Vec<Relabel>,
    /// Those revisions.
    pub duplicates: Vec<Obsolete>,
    /// Pods to create.
    pub create: Vec<Creation>,
    /// Pods to delete.
    pub delete: Vec<Removal>,
    /// Old revisions that are no longer needed; only if everything before succeeded.
    pub obsolete: Vec<Obsolete>,
    /// The status as of now, before any of this is done. `None` if it is to be left alone.
    pub status: Option<DaemonSetStatus>,
    /// To be handed to the next plan.
    pub memory: Memory,
    /// When to plan again although nothing happens.
    pub wake_at: Option<Timestamp>,
    /// How things stand on each node.
    pub standings: BTreeMap<String, Standing>,
    /// To be told.
    pub notes: Vec<Note>,
}

impl Plan {
    /// Whether carrying it out changes anything but the status.
    pub fn acts(&self) -> bool {
        let owners = [&self.adopt, &self.release, &self.adopt_revisions, &self.release_revisions];
        owners.iter().any(|changes| !changes.is_empty())
            || !(self.revisions.is_empty() && self.relabel.is_empty() && self.duplicates.is_empty())
            || !(self.create.is_empty() && self.delete.is_empty() && self.obsolete.is_empty())
    }
}

/// Plans one set.
pub fn plan(observed: &Observed<'_>) -> Plan {
    let set = observed.set;
    let nothing = |notes: Vec<Note>| Plan { memory: observed.memory.clone(), notes, ..Plan::default() };
    if set.metadata.deletion_timestamp.is_some() {
        return nothing(vec![]);
    }
    let selector = match set.spec.as_ref().map(|spec| Labels::from_object(&spec.selector)) {
        Some(Ok(selector)) if !selector.is_empty() => selector,
        Some(Ok(_)) => return nothing(vec![Note::SelectingAll]),
        Some(Err(_)) | None => return nothing(vec![Note::UnreadableSelector]),
    };
    let history = revision::history(set, &selector, observed.revisions);
    let mut plan = Plan { memory: remembered(observed), ..Plan::default() };
    let claimed = claim_pods(observed, &selector, &mut plan);
    let strategy = Strategy::of(set);
    let rules = rules(set, &history, &strategy, observed.now);
    let cells = cells(observed, &claimed);
    plan.memory.meet(set, &cells);
    let mut decisions = decide_nodes(&cells, &rules, &mut plan);
    roll_out(&cells, &rules, &strategy, &mut decisions);
    for ((node, cell), (_, decision)) in cells.iter().zip(&decisions) {
        plan.carry(set, &history.hash, node, cell, decision);
    }
    if template_has_no_labels(set) && !plan.create.is_empty() {
        plan.create.clear();
        plan.notes.push(Note::NoLabels);
    }
    let live_hashes = claimed.iter().filter_map(|pod| pod.metadata.labels.as_ref()?.get(HASH_LABEL).cloned()).collect();
    plan.obsolete = history.truncated(set, &live_hashes);
    relabel(&history, &claimed, &mut plan);
    plan.tell_who_waits(observed.nodes.len(), observed.now);
    plan.status = Some(status::status(set, cells.values(), &rules));
    plan.adopt_revisions = history.adopt;
    plan.release_revisions = history.release;
    plan.revisions = history.changes;
    plan.duplicates = history.duplicates;
    plan
}

/// What is remembered, as far as it still counts.
fn remembered(observed: &Observed<'_>) -> Memory {
    let generation = observed.set.status.as_ref().and_then(|status| status.observed_generation);
    let mut memory = observed.memory.clone();
    if memory.generation != generation {
        memory.generation = generation;
        memory.attempts.clear();
    }
    memory.attempts.retain(|_, attempts| !per_node::FAILED_PODS.forgotten(attempts, observed.now));
    memory
}

impl Memory {
    /// Takes note that the server answered about the pod for a node, be it with a refusal.
    pub fn answered(&mut self, node: &str) {
        self.asked.remove(node);
    }

    /// Takes note of who is there now.
    fn meet(&mut self, set: &DaemonSet, cells: &BTreeMap<String, Cell>) {
        self.predecessors.retain(|node, _| cells.contains_key(node));
        self.asked.retain(|node, seed| {
            let pods = cells.get(node).map(|cell| cell.pods.as_slice());
            pods.is_some_and(|pods| !names(set, *seed).any(|name| pods.iter().any(|pod| pod.name == name)))
        });
        for (node, cell) in cells {
            if let Some(newest) = cell.pods.iter().max_by_key(|pod| (pod.created, &pod.name)) {
                self.predecessors.insert(node.clone(), newest.uid.clone());
            }
        }
    }
}

/// The pods that are the set's own, or will be.
fn claim_pods<'a>(observed: &Observed<'a>, selector: &Labels, plan: &mut Plan) -> Vec<&'a Pod> {
    let mut claimed = Vec::new();
    for pod in observed.pods {
        match ownership::claim(observed.set, selector, &pod.metadata) {
            Claim::Owned => claimed.push(&**pod),
            Claim::Adopt => {
                plan.adopt.push(ownership::adoption(observed.set, &pod.metadata));
                claimed.push(&**pod);
            }
            Claim::Release => plan.release.push(ownership::release(observed.set, &pod.metadata)),
            Claim::Ignore => {}
        }
    }
    claimed
}

fn rules(set: &DaemonSet, history: &History, strategy: &Strategy, now: Timestamp) -> Rules {
    let min_ready = set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    Rules {
        hash: history.hash.clone(),
        generation: template::generation(set).map(|generation| generation.to_string()),
        min_ready: SignedDuration::from_secs(i64::from(min_ready)),
        surge: strategy.surges(),
        now,
    }
}

/// One cell for each node there is, and for each that a pod is still meant for.
fn cells(observed: &Observed<'_>, claimed: &[&Pod]) -> BTreeMap<String, Cell> {
    let demand: Demand = template::demand(observed.set);
    let of_node = |node: &Arc<Node>| Cell { eligibility: Some(demand.eligibility(node)), pods: Vec::new() };
    let name = |node: &Arc<Node>| node.metadata.name.clone().unwrap_or_default();
    let mut cells: BTreeMap<String, Cell> = observed.nodes.iter().map(|node| (name(node), of_node(node))).collect();
    for pod in claimed {
        let Some(node) = template::target_node(pod) else { continue };
        let facts = DaemonPod::of(pod, observed.deleting);
        if !facts.is_over() {
            cells.entry(node.to_owned()).or_insert(Cell { eligibility: None, pods: Vec::new() }).pods.push(facts);
        }
    }
    cells.values_mut().for_each(|cell| cell.pods.sort_by(DaemonPod::precedence));
    cells
}

fn decide_nodes(cells: &BTreeMap<String, Cell>, rules: &Rules, plan: &mut Plan) -> BTreeMap<String, Decision> {
    let mut decisions = BTreeMap::new();
    for (node, cell) in cells {
        let decision = per_node::decide(cell, rules, plan.memory.attempts.get(node).copied());
        if let Some(attempts) = decision.attempts {
            plan.memory.attempts.insert(node.clone(), attempts);
        }
        plan.wake_at = plan.wake_at.into_iter().chain(decision.wake_at).min();
        decisions.insert(node.clone(), decision);
    }
    decisions
}

/// Adds to the decisions what an update may do now.
fn roll_out(cells: &BTreeMap<String, Cell>, rules: &Rules, strategy: &Strategy, decisions: &mut BTreeMap<String, Decision>) {
    let parts: Vec<_> = cells
        .values()
        .zip(decisions.values())
        .map(|(cell, decision)| rollout::part(cell, rules, strategy, decision.acts()))
        .collect();
    let allowed = rollout::allowed(strategy, &parts);
    for ((decision, part), allowed) in decisions.values_mut().zip(&parts).zip(allowed) {
        if !allowed {
            continue;
        }
        match part.stage {
            Stage::DeleteNow(place) | Stage::MayDelete(place) | Stage::Sunset(place) => {
                decision.delete.push((place, Why::Outdated))
            }
            Stage::CreateNow | Stage::MayCreate => decision.create = true,
            Stage::Settled | Stage::Busy => continue,
        }
        if !matches!(decision.standing, Standing::Kept { .. }) {
            decision.standing = Standing::Updating;
        }
    }
}

impl Plan {
    /// Tells of nodes that taints keep without a pod, when that has changed. Labels keep nodes away on purpose.
    fn tell_who_waits(&mut self, nodes: usize, now: Timestamp) {
        let mut counts: BTreeMap<&Obstacle, usize> = BTreeMap::new();
        for standing in self.standings.values() {
            if let Standing::Kept { obstacle, running: false } | Standing::Refused(obstacle @ Obstacle::Taint { .. }) = standing {
                *counts.entry(obstacle).or_default() += 1;
            }
        }
        let obstacles: Vec<(Obstacle, usize)> = counts.into_iter().map(|(obstacle, count)| (obstacle.clone(), count)).collect();
        if obstacles.is_empty() || self.memory.told == obstacles {
            self.memory.told = obstacles;
            self.memory.untold_since = None;
            return;
        }
        let due = self.memory.untold_since.get_or_insert(now).saturating_add(TELLING).unwrap_or(Timestamp::MAX);
        if now < due {
            self.wake_at = self.wake_at.into_iter().chain([due]).min();
            return;
        }
        self.memory.untold_since = None;
        self.memory.told.clone_from(&obstacles);
        self.notes.push(Note::Waiting { obstacles, nodes });
    }

    /// Turns the decision on a node into what is to be done about whom.
    fn carry(&mut self, set: &DaemonSet, hash: &str, node: &str, cell: &Cell, decision: &Decision) {
        if decision.create {
            let uid = set.metadata.uid.as_deref().unwrap_or_default();
            let predecessor = self.memory.predecessors.get(node).map_or("", String::as_str);
            let seed = fnv64(&[uid.as_bytes(), b"/", node.as_bytes(), b"/", predecessor.as_bytes()]);
            let seed = *self.memory.asked.entry(node.to_owned()).or_insert(seed);
            let name = names(set, seed).next().unwrap_or_default();
            let pod = Box::new(template::pod(set, node, hash, name));
            self.create.push(Creation { node: node.to_owned(), pod, seed });
        }
        self.delete.extend(decision.delete.iter().map(|(place, why)| {
            let pod = &cell.pods[*place];
            Removal { node: node.to_owned(), name: pod.name.clone(), uid: pod.uid.clone(), why: why.clone() }
        }));
        self.standings.insert(node.to_owned(), decision.standing.clone());
    }
}

fn relabel(history: &History, claimed: &[&Pod], plan: &mut Plan) {
    if history.duplicates.is_empty() {
        return;
    }
    let hash = |pod: &Pod| pod.metadata.labels.as_ref().and_then(|labels| labels.get(HASH_LABEL)).cloned();
    let others = claimed.iter().filter(|pod| hash(pod).as_ref() != Some(&history.hash));
    plan.relabel =
        others.map(|pod| Relabel { name: pod.metadata.name.clone().unwrap_or_default(), hash: history.hash.clone() }).collect();
}

fn names(set: &DaemonSet, seed: u64) -> impl Iterator<Item = String> {
    (0..NAMES).map(move |number| template::name(set, fnv64(&[&seed.to_le_bytes()[..], &number.to_le_bytes()[..]])))
}

fn template_has_no_labels(set: &DaemonSet) -> bool {
    let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    template.and_then(|template| template.labels.as_ref()).is_none_or(BTreeMap::is_empty)
}
