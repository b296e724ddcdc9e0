//! The controller in the toy cluster: caches that lag behind, each by itself; the matrix that hears of what they see; the
//! oracle that looks at the same; and carrying out plans one write at a time, any of which may go wrong.

use super::{
    cluster::{Cluster, Kind, facts, uid},
    promises::{Promises, View},
};
use crate::daemonset::{
    Creation, Doubt, Obsolete, Plan, Removal,
    matrix::Column,
    memory::Memory,
    oracle::{Observed, Recomputed, recompute},
    ownership::OwnerChange,
    pace::Pace,
    per_node::{FAILED_PODS, Standing},
    revision::RevisionChange,
    rollout::Strategy,
    template,
};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet},
    core::v1::{Node, Pod},
};
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// What goes wrong with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It is refused, and the controller learns of it.
    Refused,
    /// It is done, and the controller does not learn of it.
    AnswerLost,
    /// The controller dies before it.
    CrashBefore,
    /// The controller dies after it.
    CrashAfter,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) api: Cluster,
    caches: Caches,
    column: Column,
    /// What the oracle remembers, by its own count.
    memory: Memory,
    pace: Pace,
    promises: Promises,
}

#[derive(Debug)]
struct Caches {
    set: Arc<DaemonSet>,
    nodes: BTreeMap<String, Arc<Node>>,
    pods: BTreeMap<String, Arc<Pod>>,
    revisions: BTreeMap<String, Arc<ControllerRevision>>,
    /// The version that the cache of pods has come to.
    reached: u64,
}

impl Caches {
    fn column(&self) -> Column {
        Column::new(self.set.clone(), self.nodes.values().cloned(), self.pods.values().cloned(), self.revisions())
    }

    fn revisions(&self) -> Vec<Arc<ControllerRevision>> {
        self.revisions.values().cloned().collect()
    }
}

/// The writes of a pass, counted until the one that goes wrong.
struct Pass {
    mishap: Option<(usize, Mishap)>,
}

impl Pass {
    /// What becomes of the next write.
    fn next(&mut self) -> Option<Mishap> {
        let (left, mishap) = self.mishap?;
        self.mishap = left.checked_sub(1).map(|left| (left, mishap));
        (left == 0).then_some(mishap)
    }
}

impl World {
    pub(super) fn new(strategy: &Strategy, min_ready: i32) -> Self {
        let mut api = Cluster::new(strategy, min_ready);
        let set = Arc::new(api.set().clone());
        api.sets.unseen.clear();
        let caches = Caches { set, nodes: BTreeMap::new(), pods: BTreeMap::new(), revisions: BTreeMap::new(), reached: 0 };
        let column = caches.column();
        Self { api, caches, column, memory: Memory::default(), pace: Pace::default(), promises: Promises::default() }
    }

    pub(super) fn standing(&self, node: &str) -> Standing {
        self.column.standings()[node].clone()
    }

    // Watches.

    pub(super) fn see(&mut self, kind: Kind, changes: usize) {
        match kind {
            Kind::Pods => {
                for (version, name, pod) in self.api.pods.unseen.drain(..changes.min(self.api.pods.unseen.len())) {
                    self.caches.reached = version;
                    set(&mut self.caches.pods, &name, pod);
                    self.column.pod(&name, self.caches.pods.get(&name));
                }
            }
            Kind::Nodes => {
                for (_, name, node) in self.api.nodes.unseen.drain(..changes.min(self.api.nodes.unseen.len())) {
                    set(&mut self.caches.nodes, &name, node);
                    self.column.node(&name, self.caches.nodes.get(&name).map(|node| &**node));
                }
            }
            Kind::Sets => {
                for (_, _, set) in self.api.sets.unseen.drain(..changes.min(self.api.sets.unseen.len())) {
                    self.caches.set = set.expect("the set is never deleted");
                    self.column.set(self.caches.set.clone(), || self.caches.nodes.values().cloned());
                }
            }
            Kind::Revisions => {
                for (_, name, revision) in self.api.revisions.unseen.drain(..changes.min(self.api.revisions.unseen.len())) {
                    set(&mut self.caches.revisions, &name, revision);
                }
                self.column.revisions(self.caches.revisions());
            }
        }
    }

    pub(super) fn see_all(&mut self) {
        [Kind::Nodes, Kind::Sets, Kind::Revisions, Kind::Pods].into_iter().for_each(|kind| self.see(kind, usize::MAX));
    }

    pub(super) fn repeat(&mut self, choice: usize) {
        if let Some(name) = self.api.choose(choice) {
            self.column.pod(&name, self.caches.pods.get(&name));
        }
    }

    // The controller.

    pub(super) fn restart(&mut self) {
        self.see_all();
        self.column = self.caches.column();
        self.memory = Memory::default();
        self.pace = Pace::default();
    }

    pub(super) fn rebuild(&mut self) {
        let (nodes, pods) = (self.caches.nodes.values().cloned(), self.caches.pods.values().cloned());
        self.column.rebuild(nodes, pods, self.caches.revisions());
    }

    /// Plans both ways and compares.
    pub(super) fn agree(&mut self) -> View {
        let now = self.api.time();
        let (caches, column) = (&self.caches, &mut self.column);
        column.reached(caches.reached, now, |name| caches.pods.get(name).cloned());
        let mut plan = column.plan(now, usize::MAX);
        plan.create.sort_by(|one, other| one.node.cmp(&other.node));
        plan.delete.sort_by(|one, other| one.node.cmp(&other.node));
        let reached = |version: &str| version.parse::<u64>().is_ok_and(|version| version <= caches.reached);
        let pods = self.pace.overlay(reached, || caches.pods.values().cloned().collect(), now);
        let (deleting, nodes) = (self.pace.deleting(), caches.nodes.values().cloned().collect::<Vec<_>>());
        let Recomputed { plan: expected, memory, standings } = recompute(&Observed {
            set: &caches.set,
            nodes: &nodes,
            pods: &pods,
            deleting: &deleting,
            revisions: &caches.revisions(),
            memory: &self.memory,
            now,
        });
        assert_eq!(plan, expected, "the matrix (left) and the oracle (right) disagree");
        assert_eq!(column.standings(), standings);
        let mut remembered = column.memory().nodes;
        // The matrix does not look at what is long past until the node's turn comes.
        remembered.values_mut().for_each(|past| past.attempts = past.attempts.filter(|past| !FAILED_PODS.forgotten(past, now)));
        remembered.retain(|_, past| !past.is_blank());
        assert_eq!(remembered, memory.nodes);
        self.memory = memory;
        let view = View { set: caches.set.clone(), nodes, pods, deleting, now };
        self.promises.look(&self.api, &view);
        view
    }

    fn audit(&mut self, view: &View) {
        let (caches, column) = (&self.caches, &mut self.column);
        let pods = || caches.pods.values().cloned().collect();
        let reached = |version: &str| version.parse::<u64>().is_ok_and(|version| version <= caches.reached);
        assert_eq!(column.audit(&view.nodes, pods, reached, view.now), None, "an audit finds a difference");
    }

    /// Asks for a plan of at most so many creations and deletions and carries it out, one write at a time.
    pub(super) fn act(&mut self, most: usize, mishap: Option<(usize, Mishap)>) -> Plan {
        let view = self.agree();
        self.audit(&view);
        let plan = self.column.plan(view.now, most);
        assert!(plan.create.len() <= most && plan.delete.len() < most.saturating_add(super::cluster::NODES * 8));
        self.promises.check_causes(&view, &plan);
        self.column.commit(&plan);
        self.memory.commit(&plan);
        match self.carry_out(&view, &plan, &mut Pass { mishap }) {
            ControlFlow::Break(Mishap::CrashBefore | Mishap::CrashAfter) => self.restart(),
            ControlFlow::Break(Mishap::Refused | Mishap::AnswerLost) | ControlFlow::Continue(()) => {}
        }
        plan
    }

    fn carry_out(&mut self, view: &View, plan: &Plan, pass: &mut Pass) -> ControlFlow<Mishap> {
        plan.doubts.iter().for_each(|doubt| self.find_out(view, doubt));
        for change in &plan.adopt {
            self.write(pass, |world| world.change_owner(change, true))?.into_iter().flatten().for_each(|pod| self.note(pod));
        }
        for change in &plan.release {
            self.write(pass, |world| world.change_owner(change, false))?;
        }
        for change in &plan.revisions {
            self.write(pass, |world| world.change_revision(change))?;
        }
        for relabel in &plan.relabel {
            let relabelled = self.write(pass, |world| world.relabel(&relabel.name, &relabel.hash))?;
            relabelled.into_iter().flatten().for_each(|pod| self.note(pod));
        }
        for Obsolete { name, .. } in &plan.duplicates {
            self.write(pass, |world| world.api.remove_revision(name))?;
        }
        for removal in &plan.delete {
            match self.write(pass, |world| world.delete(view, removal)) {
                ControlFlow::Continue(_) => self.note_deleted(&removal.node, &removal.name, &removal.uid),
                ControlFlow::Break(mishap) => {
                    if mishap == Mishap::AnswerLost {
                        self.column.lost_delete(&removal.node, &removal.uid);
                        self.memory.lost_delete(&removal.node, &removal.uid);
                    }
                    return ControlFlow::Break(mishap);
                }
            }
        }
        for creation in &plan.create {
            match pass.next() {
                None => {
                    let (pod, _) = self.create(view, plan, creation);
                    self.note(pod);
                    self.column.answered(&creation.node);
                    self.memory.answered(&creation.node);
                }
                Some(Mishap::Refused) => {
                    self.column.refused(&creation.node);
                    self.memory.refused(&creation.node);
                    return ControlFlow::Break(Mishap::Refused);
                }
                Some(mishap) => {
                    if mishap != Mishap::CrashBefore {
                        let (_, tried) = self.create(view, plan, creation);
                        let lost = creation.after(tried);
                        self.column.lost_create(&lost);
                        self.memory.lost_create(&lost);
                    }
                    return ControlFlow::Break(mishap);
                }
            }
        }
        for Obsolete { name, .. } in &plan.obsolete {
            self.write(pass, |world| world.api.remove_revision(name))?;
        }
        self.agree();
        if let (Some(status), _) = self.column.outlook(view.now) {
            self.write(pass, |world| world.api.write_status(&status))?;
        }
        ControlFlow::Continue(())
    }

    /// Reads from the API what became of requests that were not answered.
    fn find_out(&mut self, view: &View, doubt: &Doubt) {
        if let Some(creation) = &doubt.created {
            let found = creation.names(&view.set).next().and_then(|name| {
                self.api.pods.objects.get(&name).filter(|existing| creation.is(&view.set, &name, existing)).cloned()
            });
            found.into_iter().for_each(|pod| self.note(pod));
            self.column.answered(&creation.node);
            self.memory.answered(&creation.node);
        }
        for (name, uid_) in &doubt.deleted {
            match self.api.pods.objects.get(name).filter(|pod| uid(&pod.metadata) == uid_).cloned() {
                Some(pod) => {
                    self.note(pod);
                    self.column.answered_delete(&doubt.node, uid_);
                    self.memory.answered_delete(&doubt.node, uid_);
                }
                None => self.note_deleted(&doubt.node, name, uid_),
            }
        }
    }

    fn note_deleted(&mut self, node: &str, name: &str, uid: &str) {
        let now = self.api.time();
        self.column.deleted(uid, now);
        self.column.answered_delete(node, uid);
        self.pace.deleted(uid, name, now);
        self.memory.answered_delete(node, uid);
    }

    /// One write and its answer, unless something happens to it.
    fn write<T>(&mut self, pass: &mut Pass, write: impl FnOnce(&mut Self) -> T) -> ControlFlow<Mishap, Option<T>> {
        match pass.next() {
            None => ControlFlow::Continue(Some(write(self))),
            Some(mishap @ (Mishap::AnswerLost | Mishap::CrashAfter)) => {
                write(self);
                ControlFlow::Break(mishap)
            }
            Some(mishap) => ControlFlow::Break(mishap),
        }
    }

    fn note(&mut self, pod: Pod) {
        let (pod, now) = (Arc::new(pod), self.api.time());
        self.column.wrote(&pod, now);
        self.pace.written(pod, now);
    }

    // Its requests.

    fn change_owner(&mut self, change: &OwnerChange, adopt: bool) -> Option<Pod> {
        let mut pod = self.api.pods.objects.get(&change.name).filter(|pod| uid(&pod.metadata) == change.uid)?.clone();
        pod.metadata.owner_references = adopt.then(|| vec![template::owner_reference(self.api.set())]);
        self.api.put_pod(pod);
        self.api.pods.objects.get(&change.name).cloned()
    }

    fn change_revision(&mut self, change: &RevisionChange) {
        match change {
            RevisionChange::Create(revision) => {
                let mut revision = (**revision).clone();
                let name = revision.metadata.name.clone().unwrap();
                revision.metadata.uid = Some(format!("uid-{name}"));
                match self.api.revisions.objects.get(&name) {
                    Some(existing) => assert_eq!(existing.data, revision.data, "a collision"),
                    None => self.api.put_revision(revision),
                }
            }
            RevisionChange::Renumber { name, revision } => {
                if let Some(mut stored) = self.api.revisions.objects.get(name).cloned() {
                    stored.revision = *revision;
                    self.api.put_revision(stored);
                }
            }
            RevisionChange::Label { .. } => panic!("every revision has a hash"),
        }
    }

    fn relabel(&mut self, name: &str, hash: &str) -> Option<Pod> {
        let mut pod = self.api.pods.objects.get(name)?.clone();
        let labels = pod.metadata.labels.get_or_insert_default();
        labels.insert(crate::daemonset::daemon_pod::HASH_LABEL.into(), hash.into());
        self.api.put_pod(pod);
        self.api.pods.objects.get(name).cloned()
    }

    /// The pod, and how many names were others'.
    fn create(&mut self, view: &View, plan: &Plan, creation: &Creation) -> (Pod, usize) {
        for (tried, pod) in creation.pods(&view.set, &plan.hash).enumerate() {
            let name = pod.metadata.name.clone().unwrap();
            match self.api.pods.objects.get(&name).cloned() {
                None => {
                    self.promises.check_alone(&self.api, view, &creation.node, &pod);
                    let pod = self.api.insert(pod);
                    self.promises.created(&self.api, view, &creation.node);
                    return (pod, tried);
                }
                Some(existing) if creation.is(&view.set, &name, &existing) => return (existing, tried),
                Some(_) => {}
            }
        }
        panic!("no name left");
    }

    fn delete(&mut self, view: &View, removal: &Removal) {
        if self.api.pods.objects.get(&removal.name).is_some_and(|pod| uid(&pod.metadata) == removal.uid) {
            self.promises.check_ours(&self.api, &removal.name);
            let was_available = view.is_available(&removal.uid);
            self.api.delete(&removal.name);
            self.promises.deleted(&self.api, view, removal, was_available);
        }
    }
}

fn set<K>(cache: &mut BTreeMap<String, Arc<K>>, name: &str, object: Option<Arc<K>>) {
    match object {
        Some(object) => drop(cache.insert(name.to_owned(), object)),
        None => drop(cache.remove(name)),
    }
}

impl View {
    fn is_available(&self, pod: &str) -> bool {
        self.pods.iter().any(|shown| uid(&shown.metadata) == pod && self.serves(&facts(shown)))
    }
}
