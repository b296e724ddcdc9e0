//! The matrix of DaemonSets and nodes, one [`Column`] for each set.
//!
//! Events go in, each touches the few cells that it can change; only those are decided anew when the next plan is asked
//! for. What looks at all nodes is kept as sums and ordered sets in the [`Agenda`], so an event costs what it touches,
//! however many nodes there are. [`oracle`](super::oracle) computes the same from nothing.

mod agenda;
mod audit;
mod roster;

use super::{
    Creation, Doubt, Note, Plan, Relabel,
    memory::{Memory, Past, Telling},
    oracle::{history_into, removals, rules, usable_selector},
    pace::Pace,
    per_node::{self, Cell, Decision, Rules, Standing},
    revision::{self, History},
    rollout::{self, Strategy},
    status::{self, Count},
    template, template_has_no_labels,
};
use crate::placement::Demand;
use agenda::{Agenda, Share};
use garrison_api::selector::Labels;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus},
    core::v1::{Node, Pod},
};
use roster::Roster;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// One set on all nodes.
#[derive(Debug)]
pub struct Column {
    set: Arc<DaemonSet>,
    /// The set's selector, or what there is to tell of a set that is left alone.
    selector: Result<Labels, Vec<Note>>,
    demand: Demand,
    strategy: Strategy,
    rules: Rules,
    revisions: Vec<Arc<ControllerRevision>>,
    history: History,
    rows: HashMap<Arc<str>, Row>,
    /// How many of the rows are nodes that exist.
    nodes: usize,
    /// Rows to decide anew.
    touched: Vec<Arc<str>>,
    agenda: Agenda,
    roster: Roster,
    pace: Pace,
    telling: Telling,
    /// The observed generation that attempts belong to.
    generation: Option<i64>,
    decided: u64,
}

/// One cell of the matrix: a set on a node.
#[derive(Debug)]
struct Row {
    cell: Cell,
    past: Past,
    decision: Decision,
    share: Share,
    touched: bool,
}

impl Row {
    fn new() -> Self {
        Self {
            cell: Cell::default(),
            past: Past::default(),
            decision: Decision::nothing(None),
            share: Share::default(),
            touched: false,
        }
    }
}

impl Column {
    /// The column of a set, from everything there is. `pods` are those of the set's namespace.
    pub fn new(
        set: Arc<DaemonSet>,
        nodes: impl IntoIterator<Item = Arc<Node>>,
        pods: impl IntoIterator<Item = Arc<Pod>>,
        revisions: Vec<Arc<ControllerRevision>>,
    ) -> Self {
        let selector = usable_selector(&set);
        let strategy = Strategy::of(&set);
        let mut column = Self {
            demand: template::demand(&set),
            rules: rules(&set, &History::default(), &strategy),
            generation: observed_generation(&set),
            set,
            selector,
            strategy,
            revisions,
            history: History::default(),
            rows: HashMap::new(),
            nodes: 0,
            touched: Vec::new(),
            agenda: Agenda::default(),
            roster: Roster::default(),
            pace: Pace::default(),
            telling: Telling::default(),
            decided: 0,
        };
        column.read_history();
        column.all_nodes(nodes);
        column.take_over(Pace::default(), pods);
        column
    }

    /// Makes the column anew from everything there is. What was written and what is remembered stays.
    pub fn rebuild(
        &mut self,
        nodes: impl IntoIterator<Item = Arc<Node>>,
        pods: impl IntoIterator<Item = Arc<Pod>>,
        revisions: Vec<Arc<ControllerRevision>>,
    ) {
        let memory = self.memory();
        let pace = std::mem::take(&mut self.pace);
        *self = Self::new(self.set.clone(), nodes, [], revisions);
        self.take_over(pace, pods);
        self.recall(memory);
    }

    /// Goes on with what is remembered.
    pub fn recall(&mut self, memory: Memory) {
        self.generation = memory.generation;
        self.telling = memory.telling;
        for (node, past) in memory.nodes {
            if let Some(row) = self.rows.get_mut(&node) {
                row.past = past;
            }
        }
        self.touch_all();
    }

    /// The set.
    pub fn daemon_set(&self) -> &Arc<DaemonSet> {
        &self.set
    }

    /// Whether this can become the column of `set` by [`Column::set`]: it is the same object and selects the same pods.
    pub fn fits(&self, set: &DaemonSet) -> bool {
        let selector = |set: &DaemonSet| set.spec.as_ref().map(|spec| spec.selector.clone());
        self.set.metadata.uid == set.metadata.uid && selector(&self.set) == selector(set)
    }

    // Events.

    /// The set has changed. All nodes are asked for if their eligibility may have changed with it.
    pub fn set<I: IntoIterator<Item = Arc<Node>>>(&mut self, set: Arc<DaemonSet>, nodes: impl FnOnce() -> I) {
        let old = std::mem::replace(&mut self.set, set);
        if old.metadata.deletion_timestamp != self.set.metadata.deletion_timestamp {
            self.selector = usable_selector(&self.set);
        }
        let collisions = |set: &DaemonSet| set.status.as_ref().and_then(|status| status.collision_count);
        let spec_is_new = old.spec != self.set.spec;
        if spec_is_new {
            self.demand = template::demand(&self.set);
            self.strategy = Strategy::of(&self.set);
            self.all_nodes(nodes());
            self.touch_all();
        }
        let annotations_are_new = old.metadata.annotations != self.set.metadata.annotations;
        if spec_is_new || annotations_are_new || collisions(&old) != collisions(&self.set) {
            self.read_history();
        }
    }

    /// A node has come, changed or gone.
    pub fn node(&mut self, name: &str, node: Option<&Node>) {
        let eligibility = node.map(|node| self.demand.eligibility(node));
        if eligibility.is_none() && !self.rows.contains_key(name) {
            return;
        }
        let name = self.known(name);
        let cell = &mut self.row(&name).cell;
        if cell.eligibility == eligibility {
            return;
        }
        let existed = cell.eligibility.is_some();
        let exists = eligibility.is_some();
        cell.eligibility = eligibility;
        self.nodes = self.nodes + usize::from(exists) - usize::from(existed);
        self.touch(&name);
    }

    fn all_nodes(&mut self, nodes: impl IntoIterator<Item = Arc<Node>>) {
        for node in nodes {
            self.node(node.metadata.name.as_deref().unwrap_or_default(), Some(&node));
        }
    }

    /// The revisions of the namespace have changed.
    pub fn revisions(&mut self, revisions: Vec<Arc<ControllerRevision>>) {
        self.revisions = revisions;
        self.read_history();
    }

    /// It is known whether the pod for a node was created.
    pub fn answered(&mut self, node: &str) {
        self.remember(node, Past::answered);
    }

    /// The server refused the pod for a node: the others come first from now on.
    pub fn refused(&mut self, node: &str) {
        self.remember(node, Past::refuse);
    }

    /// The create of a pod was not answered: it may have been done, under the first name that is left in `creation`.
    pub fn lost_create(&mut self, creation: &Creation) {
        self.remember(&creation.node, |past| past.lost_create(creation));
    }

    /// The deletion of a node's pod was not answered: it may have been done.
    pub fn lost_delete(&mut self, node: &str, uid: &str) {
        self.remember(node, |past| past.lost_delete(uid));
    }

    /// It is known whether a node's pod was deleted.
    pub fn answered_delete(&mut self, node: &str, uid: &str) {
        self.remember(node, |past| past.answered_delete(uid));
    }

    fn remember(&mut self, node: &str, change: impl FnOnce(&mut Past)) {
        if let Some((node, row)) = self.rows.get_key_value(node).map(|(node, _)| node.clone()).zip(self.rows.get_mut(node)) {
            let before = row.past.clone();
            change(&mut row.past);
            if row.past != before {
                self.touch(&node);
            }
        }
    }

    fn read_history(&mut self) {
        if let Ok(selector) = &self.selector {
            self.history = revision::history(&self.set, selector, &self.revisions);
        }
        let rules = Rules { now: self.rules.now, ..rules(&self.set, &self.history, &self.strategy) };
        if rules != self.rules {
            self.rules = rules;
            self.touch_all();
        }
    }

    fn row(&mut self, node: &Arc<str>) -> &mut Row {
        self.rows.entry(node.clone()).or_insert_with(Row::new)
    }

    fn touch(&mut self, node: &Arc<str>) {
        if let Some(row) = self.rows.get_mut(node)
            && !std::mem::replace(&mut row.touched, true)
        {
            self.touched.push(node.clone());
        }
    }

    fn touch_all(&mut self) {
        for (node, row) in &mut self.rows {
            if !std::mem::replace(&mut row.touched, true) {
                self.touched.push(node.clone());
            }
        }
    }

    // Decisions.

    /// What should happen now, with at most so many creations and so many deletions, give or take those of one node.
    pub fn plan(&mut self, now: Timestamp, most: usize) -> Plan {
        let mut telling = std::mem::take(&mut self.telling);
        let plan = self.draft(now, most, &mut telling);
        self.telling = telling;
        plan
    }

    fn draft(&mut self, now: Timestamp, most: usize, telling: &mut Telling) -> Plan {
        if let Err(notes) = &self.selector {
            return Plan { notes: notes.clone(), ..Plan::default() };
        }
        self.settle(now);
        let mut plan = Plan {
            doubts: self.doubts(),
            adopt: self.roster.adopt().cloned().collect(),
            release: self.roster.release().cloned().collect(),
            relabel: self.relabel(),
            obsolete: self.history.truncated(&self.set, |hash| self.roster.carries(hash)),
            ..Plan::default()
        };
        history_into(self.history.clone(), &mut plan);
        for node in self.agenda.due(&self.strategy) {
            if plan.create.len() >= most || plan.delete.len() >= most {
                plan.more = true;
                break;
            }
            self.carry(node, &mut plan);
        }
        if template_has_no_labels(&self.set) && !plan.create.is_empty() {
            plan.create.clear();
            plan.notes.push(Note::NoLabels);
        }
        let (note, due) = telling.tell(self.agenda.waiting(), self.nodes, now);
        plan.notes.extend(note);
        plan.status = Some(self.status());
        plan.wake_at = self.agenda.wake_at().into_iter().chain(due).min();
        plan
    }

    /// A plan is about to be carried out.
    pub fn commit(&mut self, plan: &Plan) {
        for (node, attempts) in &plan.attempts {
            if let Some(row) = self.rows.get_mut(node) {
                row.past.attempts = Some(*attempts);
                self.touch(node);
            }
        }
    }

    /// The status, and when to look again although nothing happens; after a plan was carried out. `None` for a set whose
    /// status is to be left alone.
    pub fn outlook(&mut self, now: Timestamp) -> (Option<DaemonSetStatus>, Option<Timestamp>) {
        if self.selector.is_err() {
            return (None, None);
        }
        self.settle(now);
        (Some(self.status()), self.agenda.wake_at().into_iter().chain(self.telling.due()).min())
    }

    /// How things stand on each node, as of the last plan.
    pub fn standings(&self) -> BTreeMap<Arc<str>, Standing> {
        let mut standings: BTreeMap<Arc<str>, Standing> =
            self.rows.iter().map(|(node, row)| (node.clone(), row.decision.standing.clone())).collect();
        for node in self.agenda.updating(&self.strategy) {
            standings.entry(node.clone()).and_modify(Standing::update);
        }
        standings
    }

    /// What is remembered.
    pub fn memory(&self) -> Memory {
        let rows = self.rows.iter().filter(|(_, row)| !row.past.is_blank());
        let nodes = rows.map(|(node, row)| (node.clone(), row.past.clone())).collect();
        Memory { generation: self.generation, nodes, telling: self.telling.clone() }
    }

    /// How many cells were decided so far: what all events together cost.
    pub fn decided(&self) -> u64 {
        self.decided
    }

    fn status(&self) -> DaemonSetStatus {
        status::status(&self.set, self.agenda.count())
    }

    fn doubts(&self) -> Vec<Doubt> {
        let doubt = |node: &Arc<str>| {
            let row = self.rows.get(node)?;
            row.past.doubt(node, &row.cell, &row.decision)
        };
        self.agenda.in_doubt().filter_map(doubt).collect()
    }

    fn relabel(&self) -> Vec<Relabel> {
        if self.history.duplicate_hashes.is_empty() {
            return Vec::new();
        }
        let mut relabel: Vec<Relabel> = self
            .roster
            .carrying(&self.history.duplicate_hashes)
            .map(|name| Relabel { name: name.to_owned(), hash: self.history.hash.clone() })
            .collect();
        relabel.sort_by(|one, other| one.name.cmp(&other.name));
        relabel
    }

    /// Decides every touched cell, and each whose time has come.
    fn settle(&mut self, now: Timestamp) {
        self.rules.now = now;
        let generation = observed_generation(&self.set);
        if self.generation != generation {
            self.generation = generation;
            self.forget_attempts();
        }
        for node in self.agenda.wake(now) {
            self.touch(&node);
        }
        while let Some(node) = self.touched.pop() {
            self.decide(&node);
        }
    }

    fn forget_attempts(&mut self) {
        let failed: Vec<Arc<str>> =
            self.rows.iter().filter(|(_, row)| row.past.attempts.is_some()).map(|(node, _)| node.clone()).collect();
        for node in failed {
            self.row(&node).past.attempts = None;
            self.touch(&node);
        }
    }

    fn decide(&mut self, node: &Arc<str>) {
        let Some(row) = self.rows.get_mut(node) else { return };
        self.decided += 1;
        row.touched = false;
        if row.cell.eligibility.is_none() && row.cell.pods.is_empty() {
            self.agenda.remove(node, &row.share);
            self.rows.remove(node);
            return;
        }
        row.past.meet(&self.set, node, &row.cell, self.rules.now);
        row.decision = per_node::decide(&row.cell, &self.rules, row.past.attempts);
        let is_in_doubt = row.past.is_in_doubt();
        let share = Share {
            part: rollout::part(&row.cell, &self.rules, &self.strategy, row.decision.acts() || is_in_doubt),
            count: Count::of(&row.cell, &self.rules),
            acts: row.decision.acts(),
            is_in_doubt,
            refusals: row.past.refusals(),
            wake_at: row.decision.wake_at,
            waits_for: row.decision.standing.waits_for(),
        };
        if share != row.share {
            self.agenda.remove(node, &row.share);
            self.agenda.add(node, &share);
            row.share = share;
        }
    }

    /// Adds to the plan what is to be done on a node whose turn it is.
    fn carry(&self, node: &Arc<str>, plan: &mut Plan) {
        let Some(row) = self.rows.get(node) else { return };
        // Decided at another time, perhaps: how long to wait for the next attempt begins now.
        let mut decision = per_node::decide(&row.cell, &self.rules, row.past.attempts);
        row.share.part.stage.add_to(&mut decision);
        if decision.create {
            plan.create.push(row.past.creation(&self.set, node));
        }
        plan.delete.extend(removals(node, &row.cell, &decision.delete));
        if let Some(attempts) = decision.attempts.filter(|attempts| Some(*attempts) != row.past.attempts) {
            plan.attempts.insert(node.clone(), attempts);
        }
    }
}

fn observed_generation(set: &DaemonSet) -> Option<i64> {
    set.status.as_ref().and_then(|status| status.observed_generation)
}
