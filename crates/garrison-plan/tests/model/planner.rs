//! The real planner between states and Kubernetes objects. Everything that knows its types is here.
//!
//! The planner is a function, so each question is put to it once and the answer kept.

use crate::state::{NODES, Phase, Pod, Wish, Write};
use garrison_api::selector::Labels;
use garrison_plan::daemonset::{
    self, Creation, Doubt, Plan, Removal,
    daemon_pod::HASH_LABEL,
    memory::Memory,
    oracle::{Observed, recompute},
    pace::Pace,
    revision::RevisionChange,
    template,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus},
        core::v1::{Node, Pod as PodObject},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// What the controller is known to do wrong, to show that the model notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    None,
    /// Own writes are not laid over the cache.
    ForgetsWrites,
    /// Names of pods are left to the server, so each request makes another pod.
    LeavesNames,
    /// What became of a request whose answer was lost is of no interest.
    ForgetsLostAnswers,
    /// One more is allowed than the set says.
    RaisesBudget,
}

/// Everything that a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) wish: Wish,
    pub(super) observed: u8,
    /// Pods with their versions.
    pub(super) cache: Vec<(Pod, u8)>,
    /// The newest version that the cache has seen.
    pub(super) newest: u8,
    pub(super) written: Vec<(Pod, u8)>,
    pub(super) deleted: Vec<(u8, u8)>,
    pub(super) memory: u32,
    pub(super) clock: u8,
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub(super) written: Vec<(Pod, u8)>,
    pub(super) deleted: Vec<(u8, u8)>,
    pub(super) memory: u32,
    pub(super) writes: Vec<Write>,
    pub(super) wake_at: Option<u8>,
    pub(super) status: DaemonSetStatus,
}

/// The cache with own writes laid over it.
struct Overlay {
    pods: Vec<Arc<PodObject>>,
    deleting: BTreeSet<String>,
    /// The writes that were not seen yet.
    unseen: Vec<(Pod, u8)>,
}

pub(super) struct Planner {
    surges: bool,
    /// How long pods must be Ready.
    min_ready: u8,
    sabotage: Sabotage,
    nodes: Vec<Arc<Node>>,
    /// The set with each template.
    sets: Vec<DaemonSet>,
    /// The revision of each template, as the planner makes it.
    revisions: Vec<ControllerRevision>,
    objects: HashMap<(Pod, u8), Arc<PodObject>>,
    names: Vec<String>,
    memories: Vec<Memory>,
    /// Memories by what they say.
    said: HashMap<String, u32>,
    /// Each creation, and of which template its pod is.
    creations: Vec<(Creation, u8)>,
    plans: HashMap<View, Arc<Planned>>,
}

impl Planner {
    pub(super) fn new(update: Value, min_ready: u8, sabotage: Sabotage) -> Self {
        let node = |number| json!({"metadata": {"name": node_name(number)}});
        let mut planner = Self {
            surges: update["rollingUpdate"]["maxSurge"].is_number(),
            min_ready,
            sabotage,
            nodes: (0..NODES).map(|number| Arc::new(serde_json::from_value(node(number)).unwrap())).collect(),
            sets: (0..2).map(|template| set(template, &update, min_ready, sabotage)).collect(),
            revisions: Vec::new(),
            objects: HashMap::new(),
            names: Vec::new(),
            memories: vec![Memory::default()],
            said: HashMap::new(),
            creations: Vec::new(),
            plans: HashMap::new(),
        };
        assert_eq!(planner.memory(Memory::default()), 0, "who starts anew remembers nothing");
        planner.revisions = (0..2).map(|template| planner.first_revision(template)).collect();
        planner
    }

    /// How many different questions were put to the planner.
    pub(super) fn plans(&self) -> usize {
        self.plans.len()
    }

    /// Plans, or tells which promise the plan breaks.
    pub(super) fn plan(&mut self, view: &View) -> Result<Arc<Planned>, String> {
        if let Some(planned) = self.plans.get(view) {
            return Ok(planned.clone());
        }
        let planned = Arc::new(self.ask(view)?);
        self.plans.insert(view.clone(), planned.clone());
        Ok(planned)
    }

    fn ask(&mut self, view: &View) -> Result<Planned, String> {
        let known = view.cache.iter().chain(&view.written);
        let known: Vec<_> = known.map(|(pod, version)| (*pod, self.object(*pod, *version))).collect();
        let (cache, written) = known.split_at(view.cache.len());
        let Overlay { pods, deleting, unseen } = self.lay_over(view, cache, written);
        let recomputed = recompute(&Observed {
            set: &self.set(view.wish, view.observed),
            nodes: &self.nodes,
            pods: &pods,
            deleting: &deleting,
            revisions: &self.stored_revisions(view.wish),
            memory: &self.memories[view.memory as usize],
            now: time(view.clock),
        });
        let (plan, mut memory) = (recomputed.plan, recomputed.memory);
        memory.commit(&plan);
        let of_object = |object| known.iter().find(|(_, known)| Arc::ptr_eq(known, object)).unwrap().0;
        let shown: Vec<Pod> = pods
            .iter()
            .map(of_object)
            .map(|pod| Pod { going: pod.going || deleting.contains(&uid_text(pod.uid())), ..pod })
            .collect();
        let seconds = |at: Timestamp| u8::try_from(at.duration_since(time(0)).as_secs()).expect("few failures, short pauses");
        Ok(Planned {
            written: unseen,
            deleted: view.deleted.iter().copied().filter(|uid| deleting.contains(&uid_text(*uid))).collect(),
            writes: self.writes(view, &shown, &plan)?,
            wake_at: plan.wake_at.map(seconds),
            status: plan.status.unwrap(),
            memory: self.memory(memory),
        })
    }

    fn lay_over(&self, view: &View, cache: &[(Pod, Arc<PodObject>)], written: &[(Pod, Arc<PodObject>)]) -> Overlay {
        let now = time(view.clock);
        let reached = |version: &str| version.parse::<u8>().is_ok_and(|version| version <= view.newest);
        let list = || cache.iter().map(|(_, object)| object.clone()).collect();
        let mut pace = Pace::default();
        if self.sabotage != Sabotage::ForgetsWrites {
            written.iter().for_each(|(_, object)| pace.written(object.clone(), now));
            view.deleted.iter().for_each(|uid| pace.deleted(&uid_text(*uid), &uid_text(*uid), now));
        }
        // Pods are held or let go each for itself, so one at a time tells which.
        let is_unseen = |object: &Arc<PodObject>| {
            let mut alone = Pace::default();
            alone.written(object.clone(), now);
            alone.overlay(reached, list, now);
            !alone.is_settled()
        };
        let unseen = view.written.iter().zip(written).filter(|(_, (_, object))| is_unseen(object));
        Overlay {
            pods: pace.overlay(reached, list, now),
            deleting: pace.deleting(),
            unseen: unseen.map(|(written, _)| *written).collect(),
        }
    }

    /// The requests of a plan, in the order in which the controller sends them.
    fn writes(&mut self, view: &View, shown: &[Pod], plan: &Plan) -> Result<Vec<Write>, String> {
        let owners = [&plan.adopt, &plan.release, &plan.adopt_revisions, &plan.release_revisions];
        if !owners.iter().all(|changes| changes.is_empty()) || !plan.relabel.is_empty() || !plan.duplicates.is_empty() {
            return Err("everything is the set's own and labelled (§8.5, §11.4)".to_owned());
        }
        if !plan.obsolete.is_empty() {
            return Err("two revisions are within the history's limit (§11.5)".to_owned());
        }
        let mut writes: Vec<Write> = plan.doubts.iter().flat_map(|doubt| self.questions(doubt, shown)).collect();
        for change in &plan.revisions {
            writes.push(self.revision_write(change)?);
        }
        for removal in &plan.delete {
            writes.push(self.delete_write(view, shown, removal)?);
        }
        for creation in &plan.create {
            let node = node_of(creation);
            let template = self.template_of(&plan.hash);
            if template != view.wish.template {
                return Err(format!("a pod is made from the template of the set (§7.1), on {}", creation.node));
            }
            let beside = shown.iter().any(|pod| pod.node == node && self.is_available(pod, view));
            writes.push(Write::Create { creation: self.creation(creation, template), node, beside });
        }
        Ok(writes)
    }

    /// What is to be read of a node of which something is not known.
    fn questions(&self, doubt: &Doubt, shown: &[Pod]) -> Vec<Write> {
        let asked = |creation: &Creation| self.creations.iter().position(|(known, _)| known == creation).unwrap();
        let created = doubt
            .created
            .iter()
            .map(|creation| Write::FindCreated { creation: u32::try_from(asked(creation)).unwrap(), node: node_of(creation) });
        let uid = |text: &str| shown.iter().map(Pod::uid).find(|uid| uid_text(*uid) == text).unwrap();
        let deleted = doubt.deleted.iter().map(|(_, text)| Write::FindDeleted { uid: uid(text) });
        created.chain(deleted).collect()
    }

    fn revision_write(&self, change: &RevisionChange) -> Result<Write, String> {
        let (name, number, new) = match change {
            RevisionChange::Create(revision) => (revision.metadata.name.as_ref().unwrap(), revision.revision, true),
            RevisionChange::Renumber { name, revision } => (name, *revision, false),
            RevisionChange::Label { .. } => return Err("every revision has its hash (§11.2)".to_owned()),
        };
        let template = self.revisions.iter().position(|revision| revision.metadata.name.as_ref() == Some(name)).unwrap();
        Ok(Write::Revision { template: u8::try_from(template).unwrap(), number: u8::try_from(number).unwrap(), new })
    }

    fn delete_write(&self, view: &View, shown: &[Pod], removal: &Removal) -> Result<Write, String> {
        let pod = shown.iter().find(|pod| uid_text(pod.uid()) == removal.uid).unwrap();
        if self.names[pod.name as usize] != removal.name {
            return Err(format!("name and UID of {pod} belong together"));
        }
        let available = self.is_available(pod, view);
        if available && pod.template == view.wish.template {
            return Err(format!("no available pod of the current template is deleted (§8.2, §10.4, §10.5): {pod}"));
        }
        let mut others = shown.iter().filter(|other| other.node == pod.node && other.uid() != pod.uid());
        if available && self.surges && !others.any(|other| self.is_available(other, view)) {
            return Err(format!("with surge an available pod goes only when another is available (§8.3, §10.5): {pod}"));
        }
        Ok(Write::Delete { uid: pod.uid(), available })
    }

    fn is_available(&self, pod: &Pod, view: &View) -> bool {
        pod.is_available(self.min_ready, view.clock)
    }

    /// The names under which a creation is tried, in this order; `made` is how many pods there have been.
    pub(super) fn names(&mut self, creation: u32, made: u8) -> Vec<u32> {
        let (creation, _) = &self.creations[creation as usize];
        let names: Vec<String> = match self.sabotage {
            Sabotage::LeavesNames => vec![format!("{}-{made}", creation.node)],
            _ => creation.names(&self.sets[0]).collect(),
        };
        names.into_iter().map(|name| self.name(name)).collect()
    }

    /// Whether an existing pod is the one that a creation makes under its name.
    pub(super) fn is(&mut self, creation: u32, existing: Pod, wish: Wish) -> bool {
        let object = self.object(existing, 0);
        let name = &self.names[existing.name as usize];
        self.creations[creation as usize].0.is(&self.set(wish, 0), name, &object)
    }

    /// Of which template a creation makes a pod.
    pub(super) fn template(&self, creation: u32) -> u8 {
        self.creations[creation as usize].1
    }

    /// What is remembered once it is known whether the pod for a node was made.
    pub(super) fn answered(&mut self, memory: u32, node: u8) -> u32 {
        self.remember(memory, |_, memory| memory.answered(&node_name(node)))
    }

    /// What is remembered when the answer to a create was lost, after so many of its names.
    pub(super) fn lost_create(&mut self, memory: u32, creation: u32, tried: usize) -> u32 {
        let (creation, template) = &self.creations[creation as usize];
        let lost = (creation.after(tried), *template);
        numbered(&mut self.creations, lost.clone());
        self.remember(memory, |_, memory| memory.lost_create(&lost.0))
    }

    /// What is remembered once it is known whether a pod was deleted.
    pub(super) fn answered_delete(&mut self, memory: u32, uid: (u8, u8)) -> u32 {
        self.remember(memory, |_, memory| memory.answered_delete(&node_name(uid.0), &uid_text(uid)))
    }

    /// What is remembered when the answer to a deletion was lost.
    pub(super) fn lost_delete(&mut self, memory: u32, uid: (u8, u8)) -> u32 {
        self.remember(memory, |_, memory| memory.lost_delete(&node_name(uid.0), &uid_text(uid)))
    }

    fn remember(&mut self, memory: u32, change: impl FnOnce(&Self, &mut Memory)) -> u32 {
        if self.sabotage == Sabotage::ForgetsLostAnswers {
            return memory;
        }
        let mut changed = self.memories[memory as usize].clone();
        change(self, &mut changed);
        self.memory(changed)
    }

    /// The name of the first pod of a node.
    pub(super) fn first_name(&mut self, node: u8) -> u32 {
        self.name(format!("d-{node}"))
    }

    fn template_of(&self, hash: &str) -> u8 {
        let place = self.revisions.iter().position(|revision| self::hash(revision.metadata.labels.as_ref()) == hash).unwrap();
        u8::try_from(place).unwrap()
    }

    fn creation(&mut self, creation: &Creation, template: u8) -> u32 {
        numbered(&mut self.creations, (creation.clone(), template))
    }

    fn name(&mut self, name: String) -> u32 {
        numbered(&mut self.names, name)
    }

    fn memory(&mut self, memory: Memory) -> u32 {
        let said = format!("{memory:?}");
        *self.said.entry(said).or_insert_with(|| numbered(&mut self.memories, memory))
    }

    fn first_revision(&self, template: u8) -> ControllerRevision {
        let set = self.set(Wish { template, generation: 1, revisions: [0; 2] }, 0);
        let selector = Labels::from_object(&set.spec.as_ref().unwrap().selector).unwrap();
        match daemonset::revision::history(&set, &selector, &[]).changes.pop() {
            Some(RevisionChange::Create(revision)) => *revision,
            other => panic!("{other:?}"),
        }
    }

    fn stored_revisions(&self, wish: Wish) -> Vec<Arc<ControllerRevision>> {
        let numbered = self.revisions.iter().zip(wish.revisions).filter(|(_, number)| *number > 0);
        numbered.map(|(revision, number)| Arc::new(ControllerRevision { revision: number.into(), ..revision.clone() })).collect()
    }

    fn set(&self, wish: Wish, observed: u8) -> DaemonSet {
        let mut set = self.sets[usize::from(wish.template)].clone();
        set.metadata.generation = Some(wish.generation.into());
        set.status.get_or_insert_default().observed_generation = Some(observed.into());
        set
    }

    fn object(&mut self, pod: Pod, version: u8) -> Arc<PodObject> {
        if let Some(object) = self.objects.get(&(pod, version)) {
            return object.clone();
        }
        let wish = Wish { template: pod.template, generation: 1, revisions: [0; 2] };
        let hash = hash(self.revisions[usize::from(pod.template)].metadata.labels.as_ref());
        let name = self.names[pod.name as usize].clone();
        let mut object = template::pod(&self.set(wish, 0), &node_name(pod.node), &hash, name);
        object.metadata.uid = Some(uid_text(pod.uid()));
        object.metadata.resource_version = Some(version.to_string());
        object.metadata.creation_timestamp = Some(Time(time(pod.number)));
        object.metadata.deletion_timestamp = pod.going.then(|| Time(time(0)));
        if pod.phase != Phase::Unbound {
            object.spec.as_mut().unwrap().node_name = Some(node_name(pod.node));
        }
        let status = match pod.phase {
            Phase::Unbound | Phase::Starting => json!({"phase": "Pending"}),
            Phase::Ready(since) => {
                let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": time(since).to_string()});
                json!({"phase": "Running", "conditions": [ready]})
            }
            Phase::Failed => json!({"phase": "Failed"}),
        };
        object.status = serde_json::from_value(status).unwrap();
        let object = Arc::new(object);
        self.objects.insert((pod, version), object.clone());
        object
    }
}

fn set(template: u8, update: &Value, min_ready: u8, sabotage: Sabotage) -> DaemonSet {
    let more = i64::from(sabotage == Sabotage::RaisesBudget);
    let mut update = update.clone();
    if let Some(numbers) = update["rollingUpdate"].as_object_mut() {
        numbers.values_mut().for_each(|number| *number = json!(number.as_i64().unwrap() + more));
    }
    serde_json::from_value(json!({
        "metadata": {"namespace": "ns", "name": "d", "uid": "u"},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "updateStrategy": update, "minReadySeconds": min_ready,
            "template": {"metadata": {"labels": {"app": "d"}},
                "spec": {"containers": [{"name": "c", "image": template.to_string()}]}}},
    }))
    .unwrap()
}

fn node_of(creation: &Creation) -> u8 {
    (0..NODES).find(|node| node_name(*node) == *creation.node).unwrap()
}

/// The place of `one` among all, where it is put if it is new.
fn numbered<T: PartialEq>(all: &mut Vec<T>, one: T) -> u32 {
    let place = all.iter().position(|other| *other == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    });
    u32::try_from(place).expect("the model is small")
}

fn hash(labels: Option<&BTreeMap<String, String>>) -> String {
    labels.and_then(|labels| labels.get(HASH_LABEL)).cloned().unwrap()
}

fn node_name(node: u8) -> String {
    format!("n{node}")
}

fn uid_text((node, number): (u8, u8)) -> String {
    format!("n{node}-{number}")
}

fn time(second: u8) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + i64::from(second)).unwrap()
}
