//! Planning from nothing: everything that may be looked at goes in, every cell is decided. Costs a pass over all nodes and
//! pods, so it only checks what [`matrix`](super::matrix) found out event by event.

use super::{
    Note, Plan, Relabel, Removal,
    daemon_pod::{DaemonPod, hash_of},
    memory::{Memory, Past},
    ownership::{self, Claim, OwnerChange},
    per_node::{self, Cell, Decision, Rules, Standing, Why},
    revision::{self, History},
    rollout::{self, Strategy},
    status::{self, Count},
    template, template_has_no_labels,
};
use crate::placement::{Demand, Obstacle};
use garrison_api::selector::Labels;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet},
    core::v1::{Node, Pod},
};
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
    /// What is remembered.
    pub memory: &'a Memory,
    /// The time.
    pub now: Timestamp,
}

/// A plan, and all that it comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recomputed {
    /// The whole plan.
    pub plan: Plan,
    /// What to remember, before the plan is carried out.
    pub memory: Memory,
    /// How things stand on each node.
    pub standings: BTreeMap<Arc<str>, Standing>,
}

/// Plans one set.
pub fn recompute(observed: &Observed<'_>) -> Recomputed {
    let set = observed.set;
    let nothing = |notes: Vec<Note>| Recomputed {
        plan: Plan { notes, ..Plan::default() },
        memory: observed.memory.clone(),
        ..Recomputed::default()
    };
    let selector = match usable_selector(set) {
        Ok(selector) => selector,
        Err(notes) => return nothing(notes),
    };
    let history = revision::history(set, &selector, observed.revisions);
    let mut plan = Plan::default();
    let claimed = claim_pods(observed, &selector, &mut plan);
    let strategy = Strategy::of(set);
    let rules = Rules { now: observed.now, ..rules(set, &history, &strategy) };
    let cells = cells(observed, &claimed);
    let mut memory = remembered(observed, &cells);
    let mut decisions: BTreeMap<Arc<str>, Decision> =
        cells.iter().map(|(node, cell)| (node.clone(), per_node::decide(cell, &rules, memory.nodes[node].attempts))).collect();
    plan.wake_at = decisions.values().filter_map(|decision| decision.wake_at).min();
    roll_out(&cells, &rules, &strategy, &memory, &mut decisions);
    for (node, decision) in &decisions {
        let past = &memory.nodes[node];
        plan.doubts.extend(past.doubt(node, &cells[node], decision));
        if decision.create {
            plan.create.push(past.creation(set, node));
        }
        plan.delete.extend(removals(node, &cells[node], &decision.delete));
        if let Some(attempts) = decision.attempts.filter(|attempts| Some(*attempts) != past.attempts) {
            plan.attempts.insert(node.clone(), attempts);
        }
    }
    if template_has_no_labels(set) && !plan.create.is_empty() {
        plan.create.clear();
        plan.notes.push(Note::NoLabels);
    }
    let hashes: BTreeSet<&str> = claimed.iter().filter_map(|pod| hash_of(pod)).collect();
    plan.obsolete = history.truncated(set, |hash| hashes.contains(hash));
    relabel(&history, &claimed, &mut plan);
    let waiting = count(decisions.values().filter_map(|decision| decision.standing.waits_for()));
    let (note, due) = memory.telling.tell(&waiting, observed.nodes.len(), observed.now);
    plan.notes.extend(note);
    plan.wake_at = plan.wake_at.into_iter().chain(due).min();
    let mut counted = Count::default();
    cells.values().for_each(|cell| counted += Count::of(cell, &rules));
    plan.status = Some(status::status(set, &counted));
    history_into(history, &mut plan);
    memory.nodes.retain(|_, past| !past.is_blank());
    let standings = decisions.into_iter().map(|(node, decision)| (node, decision.standing)).collect();
    Recomputed { plan, memory, standings }
}

/// The selector of a set that is to be planned; otherwise what there is to tell.
pub(super) fn usable_selector(set: &DaemonSet) -> Result<Labels, Vec<Note>> {
    if set.metadata.deletion_timestamp.is_some() {
        return Err(vec![]);
    }
    match set.spec.as_ref().map(|spec| Labels::from_object(&spec.selector)) {
        Some(Ok(selector)) if !selector.is_empty() => Ok(selector),
        Some(Ok(_)) => Err(vec![Note::SelectingAll]),
        Some(Err(_)) | None => Err(vec![Note::UnreadableSelector]),
    }
}

/// What all nodes have in common, as of no particular time.
pub(super) fn rules(set: &DaemonSet, history: &History, strategy: &Strategy) -> Rules {
    let min_ready = set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    Rules {
        hashes: history.current_hashes(),
        generation: template::generation(set).map(|generation| generation.to_string()),
        min_ready: SignedDuration::from_secs(i64::from(min_ready)),
        surge: strategy.surges(),
        now: Timestamp::MIN,
    }
}

/// What is to be done to the pods that were chosen in a cell.
pub(super) fn removals<'a>(node: &'a Arc<str>, cell: &'a Cell, chosen: &'a [(usize, Why)]) -> impl Iterator<Item = Removal> {
    chosen.iter().map(|(place, why)| {
        let pod = &cell.pods[*place];
        Removal { node: node.clone(), name: pod.name.clone(), uid: pod.uid.clone(), why: why.clone() }
    })
}

/// What a plan takes from the history.
pub(super) fn history_into(history: History, plan: &mut Plan) {
    plan.hash = history.hash;
    plan.adopt_revisions = history.adopt;
    plan.release_revisions = history.release;
    plan.revisions = history.changes;
    plan.duplicates = history.duplicates;
}

fn count(obstacles: impl Iterator<Item = Obstacle>) -> BTreeMap<Obstacle, usize> {
    let mut counts = BTreeMap::new();
    obstacles.for_each(|obstacle| *counts.entry(obstacle).or_default() += 1);
    counts
}

/// What is remembered, as far as it still counts: an entry for each cell.
fn remembered(observed: &Observed<'_>, cells: &BTreeMap<Arc<str>, Cell>) -> Memory {
    let generation = observed.set.status.as_ref().and_then(|status| status.observed_generation);
    let is_new = observed.memory.generation != generation;
    let past = |node: &Arc<str>, cell: &Cell| {
        let mut past: Past = observed.memory.nodes.get(node).cloned().unwrap_or_default();
        past.attempts = past.attempts.filter(|_| !is_new);
        past.meet(observed.set, node, cell, observed.now);
        (node.clone(), past)
    };
    let nodes = cells.iter().map(|(node, cell)| past(node, cell)).collect();
    Memory { generation, nodes, telling: observed.memory.telling.clone() }
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
    let key = |change: &OwnerChange| (change.name.clone(), change.uid.clone());
    plan.adopt.sort_by_key(key);
    plan.release.sort_by_key(key);
    claimed
}

/// One cell for each node there is, and for each that a pod is still meant for.
fn cells(observed: &Observed<'_>, claimed: &[&Pod]) -> BTreeMap<Arc<str>, Cell> {
    let demand: Demand = template::demand(observed.set);
    let of_node = |node: &Arc<Node>| Cell { eligibility: Some(demand.eligibility(node)), pods: Vec::new() };
    let name = |node: &Arc<Node>| Arc::from(node.metadata.name.as_deref().unwrap_or_default());
    let mut cells: BTreeMap<Arc<str>, Cell> = observed.nodes.iter().map(|node| (name(node), of_node(node))).collect();
    for pod in claimed {
        let Some(node) = template::target_node(pod) else { continue };
        let facts = DaemonPod::of(pod, observed.deleting);
        if !facts.is_over() {
            cells.entry(node.into()).or_default().pods.push(facts);
        }
    }
    cells.values_mut().for_each(|cell| cell.pods.sort_by(DaemonPod::precedence));
    cells
}

/// Adds to the decisions what an update may do now.
fn roll_out(
    cells: &BTreeMap<Arc<str>, Cell>,
    rules: &Rules,
    strategy: &Strategy,
    memory: &Memory,
    decisions: &mut BTreeMap<Arc<str>, Decision>,
) {
    let parts: Vec<_> = cells
        .values()
        .zip(&*decisions)
        .map(|(cell, (node, decision))| {
            let is_busy = decision.acts() || memory.nodes[node].is_in_doubt();
            rollout::part(cell, rules, strategy, is_busy)
        })
        .collect();
    let allowed = rollout::allowed(strategy, &parts);
    for ((decision, part), allowed) in decisions.values_mut().zip(&parts).zip(allowed) {
        if !allowed {
            continue;
        }
        part.stage.add_to(decision);
        decision.standing.update();
    }
}

fn relabel(history: &History, claimed: &[&Pod], plan: &mut Plan) {
    let is_duplicate = |hash: &str| history.duplicate_hashes.iter().any(|duplicate| duplicate == hash);
    let others = claimed.iter().filter(|pod| hash_of(pod).is_some_and(is_duplicate));
    plan.relabel =
        others.map(|pod| Relabel { name: pod.metadata.name.clone().unwrap_or_default(), hash: history.hash.clone() }).collect();
    plan.relabel.sort_by(|one, other| one.name.cmp(&other.name));
}
