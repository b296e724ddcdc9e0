//! A toy cluster: an API that keeps pods, a cache that lags behind it, kubelets that do one thing at a time, and the
//! controller's part of acting on a plan. Checks the promises at each action.

use crate::daemonset::{
    Creation, Memory, Observed, Plan, Removal, Strategy,
    daemon_pod::{DaemonPod, HASH_LABEL},
    ownership,
    pace::Pace,
    per_node::Why,
    plan,
    revision::RevisionChange,
    template,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{ControllerRevision, DaemonSet},
        core::v1::{Node, Pod},
    },
    apimachinery::pkg::{apis::meta::v1::Time, util::intstr::IntOrString},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// How many nodes there can be.
pub(super) const NODES: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taint {
    NoSchedule,
    NoExecute,
}

/// What the final checks look at in a pod.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) current: bool,
}

#[derive(Debug)]
pub(super) struct World {
    set: DaemonSet,
    strategy: Strategy,
    /// Which nodes exist, and their taint.
    nodes: BTreeMap<String, Option<Taint>>,
    /// The truth, by UID.
    pods: BTreeMap<String, Pod>,
    revisions: BTreeMap<String, ControllerRevision>,
    version: u64,
    /// Changes that the cache has not seen: version, UID, the pod or nothing.
    unseen: VecDeque<(u64, String, Option<Pod>)>,
    cache: BTreeMap<String, Arc<Pod>>,
    reached: u64,
    pace: Pace,
    memory: Memory,
    now: i64,
}

impl World {
    pub(super) fn new(strategy: Strategy) -> Self {
        let update = match &strategy {
            Strategy::OnDelete => json!({"type": "OnDelete"}),
            Strategy::Replace { max_unavailable } => {
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max_unavailable}})
            }
            Strategy::Surge { max_surge } => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": max_surge}}),
        };
        let set = json!({
            "metadata": {"namespace": "ns", "name": "d", "uid": "u", "generation": 1},
            "spec": {"selector": {"matchLabels": {"app": "d"}}, "updateStrategy": update,
                "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "0"}]}}},
        });
        Self {
            set: serde_json::from_value(set).unwrap(),
            strategy,
            nodes: (0..3).map(|number| (name(number), None)).collect(),
            pods: BTreeMap::new(),
            revisions: BTreeMap::new(),
            version: 0,
            unseen: VecDeque::new(),
            cache: BTreeMap::new(),
            reached: 0,
            pace: Pace::default(),
            memory: Memory::default(),
            now: 0,
        }
    }

    // The cluster.

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += seconds;
    }

    pub(super) fn toggle(&mut self, node: usize) {
        if self.nodes.remove(&name(node)).is_none() {
            self.nodes.insert(name(node), None);
        }
    }

    pub(super) fn taint(&mut self, node: usize, taint: Option<Taint>) {
        if let Some(current) = self.nodes.get_mut(&name(node)) {
            *current = taint;
        }
    }

    pub(super) fn template(&mut self, image: usize) {
        let spec = self.set.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
        spec.containers[0].image = Some(image.to_string());
        self.set.metadata.generation = self.set.metadata.generation.map(|generation| generation + 1);
    }

    pub(super) fn stray(&mut self, node: usize) {
        let number = self.version;
        let pod = json!({"metadata": {"namespace": "ns", "name": format!("stray-{number}"), "labels": {"app": "d"}},
            "spec": {"nodeName": name(node)}, "status": {"phase": "Pending"}});
        self.insert(serde_json::from_value(pod).unwrap());
    }

    pub(super) fn uids(&self) -> Vec<String> {
        self.pods.keys().cloned().collect()
    }

    pub(super) fn choose(&self, choice: usize) -> Option<String> {
        self.uids().get(choice.checked_rem(self.pods.len())?).cloned()
    }

    /// One step of whoever is responsible for the pod.
    pub(super) fn progress(&mut self, uid: &str) {
        let Some(mut pod) = self.pods.get(uid).cloned() else { return };
        let target = template::target_node(&pod).map(ToOwned::to_owned);
        if !target.as_ref().is_some_and(|node| self.nodes.contains_key(node)) {
            return;
        }
        if pod.metadata.deletion_timestamp.is_some() {
            self.remove(uid);
        } else if !template::is_bound(&pod) {
            pod.spec.as_mut().unwrap().node_name = target;
            self.put(pod);
        } else if phase(&pod) != "Failed" {
            self.set_ready(uid, true);
        }
    }

    pub(super) fn set_ready(&mut self, uid: &str, ready: bool) {
        let Some(mut pod) = self.pods.get(uid).cloned().filter(template::is_bound).filter(|pod| phase(pod) != "Failed") else {
            return;
        };
        let condition = json!({"type": "Ready", "status": if ready { "True" } else { "False" }});
        pod.status = serde_json::from_value(json!({"phase": "Running", "conditions": [condition]})).unwrap();
        self.put(pod);
    }

    pub(super) fn fail(&mut self, uid: &str) {
        let Some(mut pod) = self.pods.get(uid).cloned() else { return };
        pod.status = serde_json::from_value(json!({"phase": "Failed"})).unwrap();
        self.put(pod);
    }

    /// As the server does: what is not running anywhere is gone at once.
    pub(super) fn delete(&mut self, uid: &str) {
        let Some(mut pod) = self.pods.get(uid).cloned() else { return };
        if !template::is_bound(&pod) || phase(&pod) == "Failed" {
            self.remove(uid);
        } else if pod.metadata.deletion_timestamp.is_none() {
            pod.metadata.deletion_timestamp = Some(Time(self.time()));
            self.put(pod);
        }
    }

    pub(super) fn collect_garbage(&mut self) {
        let gone =
            |pod: &Pod| template::is_bound(pod) && !template::target_node(pod).is_some_and(|node| self.nodes.contains_key(node));
        let gone: Vec<String> = self.pods.iter().filter(|(_, pod)| gone(pod)).map(|(uid, _)| uid.clone()).collect();
        gone.iter().for_each(|uid| self.remove(uid));
    }

    // What the final checks ask.

    pub(super) fn eligible(&self) -> BTreeSet<String> {
        self.nodes.iter().filter(|(_, taint)| taint.is_none()).map(|(node, _)| node.clone()).collect()
    }

    pub(super) fn taint_of(&self, node: &str) -> Option<Taint> {
        self.nodes.get(node).copied().flatten()
    }

    pub(super) fn pods_in_order(&self) -> bool {
        self.pods.values().all(|pod| facts(pod).ready.is_some() && pod.metadata.deletion_timestamp.is_none())
    }

    /// Every node there is, and every one that a pod is on.
    pub(super) fn by_node(&self) -> BTreeMap<String, Vec<Seen>> {
        let mut nodes: BTreeMap<String, Vec<Seen>> = self.nodes.keys().map(|node| (node.clone(), Vec::new())).collect();
        let data = crate::daemonset::revision::data(&self.set);
        let current = self.revisions.values().find(|revision| revision.data.as_ref().is_some_and(|stored| stored.0 == data));
        let hash = current.and_then(|revision| revision.metadata.labels.as_ref()?.get(HASH_LABEL).cloned()).unwrap_or_default();
        for pod in self.pods.values() {
            let node = template::target_node(pod).unwrap_or_default().to_owned();
            nodes.entry(node).or_default().push(Seen { current: facts(pod).hash == hash });
        }
        nodes
    }

    // The API and the cache.

    fn insert(&mut self, mut pod: Pod) -> Pod {
        let uid = format!("uid-{:05}", self.version + 1);
        pod.metadata.uid = Some(uid.clone());
        pod.metadata.creation_timestamp = Some(Time(self.time()));
        self.put(pod);
        self.pods[&uid].clone()
    }

    fn put(&mut self, mut pod: Pod) {
        self.version += 1;
        pod.metadata.resource_version = Some(self.version.to_string());
        let uid = pod.metadata.uid.clone().unwrap();
        self.unseen.push_back((self.version, uid.clone(), Some(pod.clone())));
        self.pods.insert(uid, pod);
    }

    fn remove(&mut self, uid: &str) {
        self.version += 1;
        self.pods.remove(uid);
        self.unseen.push_back((self.version, uid.to_owned(), None));
    }

    pub(super) fn see(&mut self, changes: usize) {
        for (version, uid, pod) in self.unseen.drain(..changes.min(self.unseen.len())) {
            self.reached = version;
            match pod {
                Some(pod) => drop(self.cache.insert(uid, Arc::new(pod))),
                None => drop(self.cache.remove(&uid)),
            }
        }
    }

    // The controller.

    pub(super) fn restart(&mut self) {
        self.see(usize::MAX);
        self.pace = Pace::default();
        self.memory = Memory::default();
    }

    /// Plans and acts. The answer to the create of number `lost` never arrives, and the controller gives up there.
    pub(super) fn act(&mut self, lost: Option<usize>) -> Plan {
        let now = self.time();
        let reached = self.reached;
        let list = || self.cache.values().cloned().collect();
        let view = self.pace.overlay(|version| version.parse::<u64>().is_ok_and(|version| version <= reached), list, now);
        let deleting = self.pace.deleting();
        let plan = plan(&Observed {
            set: &self.set,
            nodes: &self.nodes.iter().map(|(name, taint)| Arc::new(node(name, *taint))).collect::<Vec<_>>(),
            pods: &view,
            deleting: &deleting,
            revisions: &self.revisions.values().cloned().map(Arc::new).collect::<Vec<_>>(),
            memory: &self.memory,
            now,
        });
        self.check_budget(&view, &deleting, &plan);
        self.memory = plan.memory.clone();
        self.set_owners(&plan);
        self.change_revisions(&plan);
        for (number, creation) in plan.create.iter().enumerate() {
            let answer = self.create(creation);
            if lost == Some(number) {
                return plan;
            }
            self.pace.written(Arc::new(answer), now);
            self.memory.answered(&creation.node);
        }
        plan.delete.iter().for_each(|removal| self.carry_out(removal));
        self.set.status.get_or_insert_default().observed_generation = self.set.metadata.generation;
        plan
    }

    fn set_owners(&mut self, plan: &Plan) {
        assert!(plan.release.is_empty(), "nobody changed a label");
        for change in &plan.adopt {
            if let Some(mut pod) = self.pods.get(&change.uid).cloned() {
                pod.metadata.owner_references = Some(vec![template::owner_reference(&self.set)]);
                self.put(pod);
                let now = self.time();
                self.pace.written(Arc::new(self.pods[&change.uid].clone()), now);
            }
        }
    }

    fn change_revisions(&mut self, plan: &Plan) {
        for change in &plan.revisions {
            match change {
                RevisionChange::Create(revision) => {
                    drop(self.revisions.insert(revision.metadata.name.clone().unwrap(), (**revision).clone()));
                }
                RevisionChange::Renumber { name, revision } => self.revisions.get_mut(name).unwrap().revision = *revision,
                RevisionChange::Label { .. } => panic!("every revision has a hash"),
            }
        }
        plan.obsolete.iter().for_each(|obsolete| drop(self.revisions.remove(&obsolete.name)));
    }

    fn create(&mut self, creation: &Creation) -> Pod {
        for attempt in creation.attempts(&self.set.clone()) {
            match self.pods.values().find(|pod| pod.metadata.name == attempt.pod.metadata.name).cloned() {
                None => {
                    self.check_alone(&attempt);
                    return self.insert((*attempt.pod).clone());
                }
                Some(existing) if attempt.is(&self.set, &existing) => return existing,
                Some(_) => {}
            }
        }
        panic!("no name left");
    }

    fn carry_out(&mut self, removal: &Removal) {
        if let Some(pod) = self.pods.get(&removal.uid) {
            assert!(ownership::is_owned(&self.set, &pod.metadata), "not ours: {:?}", facts(pod));
        }
        self.delete(&removal.uid);
        let now = self.time();
        self.pace.deleted(&removal.uid, now);
    }

    // The promises.

    /// Without surge nothing of the set may be left on a node when a pod is made for it; with surge, nothing current.
    fn check_alone(&self, creation: &Creation) {
        let hash = |pod: &Pod| facts(pod).hash;
        let current = hash(&creation.pod);
        for pod in self.pods.values().filter(|pod| ownership::is_owned(&self.set, &pod.metadata)) {
            let here = template::target_node(pod) == Some(&creation.node);
            let in_the_way =
                if self.strategy.surges() { facts(pod).is_running() && hash(pod) == current } else { !facts(pod).is_over() };
            assert!(!(here && in_the_way), "a second pod beside {:?}", facts(pod));
        }
    }

    /// No available pod is given up for an update while as many nodes as allowed are without one, as far as was known.
    fn check_budget(&self, view: &[Arc<Pod>], deleting: &BTreeSet<String>, plan: &Plan) {
        let Strategy::Replace { max_unavailable } = &self.strategy else { return };
        let eligible = self.eligible();
        let limit = match max_unavailable {
            IntOrString::Int(number) => usize::try_from(*number).unwrap(),
            IntOrString::String(_) => eligible.len().div_ceil(2),
        };
        let available: BTreeMap<&str, &str> = view
            .iter()
            .filter(|pod| facts(pod).is_running() && facts(pod).ready.is_some() && !deleting.contains(uid(pod)))
            .filter_map(|pod| Some((uid(pod), template::target_node(pod)?)))
            .filter(|(_, node)| eligible.contains(*node))
            .collect();
        let served: BTreeSet<&str> = available.values().copied().collect();
        let given_up = plan
            .delete
            .iter()
            .filter(|removal| removal.why == Why::Outdated && available.contains_key(removal.uid.as_str()))
            .count();
        let unavailable = eligible.len() - served.len();
        assert!(given_up == 0 || unavailable + given_up <= limit.max(1), "{unavailable} + {given_up} > {limit}");
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + self.now).unwrap()
    }
}

fn name(number: usize) -> String {
    format!("n{number}")
}

fn node(name: &str, taint: Option<Taint>) -> Node {
    let effect = taint.map(|taint| format!("{taint:?}"));
    let taints: Vec<_> = effect.into_iter().map(|effect| json!({"key": "k", "effect": effect})).collect();
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"taints": taints}})).unwrap()
}

fn facts(pod: &Pod) -> DaemonPod {
    DaemonPod::of(pod, &BTreeSet::new())
}

fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap()
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}
