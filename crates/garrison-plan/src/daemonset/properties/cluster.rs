//! The toy cluster's truth: an API that keeps objects of four kinds, and kubelets and people that change them.

use crate::daemonset::{
    daemon_pod::{DaemonPod, HASH_LABEL},
    revision::data,
    rollout::Strategy,
    status, template,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus},
        core::v1::{Node, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pods,
    Nodes,
    Sets,
    Revisions,
}

/// What the final checks look at in a pod.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) current: bool,
}

/// All objects of a kind, and the changes that its watch has not delivered.
#[derive(Debug)]
pub(super) struct Store<K> {
    pub(super) objects: BTreeMap<String, K>,
    pub(super) unseen: VecDeque<(u64, String, Option<Arc<K>>)>,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), unseen: VecDeque::new() }
    }
}

impl<K: Clone> Store<K> {
    fn put(&mut self, version: u64, name: &str, object: K) {
        self.unseen.push_back((version, name.to_owned(), Some(Arc::new(object.clone()))));
        self.objects.insert(name.to_owned(), object);
    }

    fn remove(&mut self, version: u64, name: &str) {
        if self.objects.remove(name).is_some() {
            self.unseen.push_back((version, name.to_owned(), None));
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) sets: Store<DaemonSet>,
    pub(super) nodes: Store<Node>,
    pub(super) pods: Store<Pod>,
    pub(super) revisions: Store<ControllerRevision>,
    version: u64,
    now: i64,
}

impl Cluster {
    pub(super) fn new(strategy: &Strategy, min_ready: i32) -> Self {
        let set = json!({
            "metadata": {"namespace": "ns", "name": "d", "uid": "u", "generation": 1},
            "spec": {"selector": {"matchLabels": {"app": "d"}}, "updateStrategy": update(strategy), "minReadySeconds": min_ready,
                "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "0"}]}}},
        });
        let mut cluster = Self::default();
        let version = cluster.next();
        cluster.sets.put(version, "d", serde_json::from_value(set).unwrap());
        (0..3).for_each(|number| cluster.toggle(number));
        cluster
    }

    // People.

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += seconds;
    }

    pub(super) fn toggle(&mut self, number: usize) {
        let version = self.next();
        if self.nodes.objects.contains_key(&name(number)) {
            self.nodes.remove(version, &name(number));
        } else {
            let node = json!({"metadata": {"name": name(number), "labels": {"disk": "ssd"}}});
            self.nodes.put(version, &name(number), serde_json::from_value(node).unwrap());
        }
    }

    pub(super) fn taint(&mut self, number: usize, taint: Option<Taint>) {
        let taints: Vec<_> = taint.iter().map(|taint| json!({"key": "k", "effect": format!("{taint:?}")})).collect();
        let taints = serde_json::from_value(json!(taints)).unwrap();
        self.change_node(number, |node| node.spec.get_or_insert_default().taints = Some(taints));
    }

    pub(super) fn label(&mut self, number: usize, labelled: bool) {
        let labels = labelled.then(|| [("disk".to_owned(), "ssd".to_owned())].into());
        self.change_node(number, |node| node.metadata.labels = labels);
    }

    pub(super) fn template(&mut self, image: usize) {
        self.change_set(|set| pod_spec(set).containers[0].image = Some(image.to_string()));
    }

    pub(super) fn select(&mut self, labelled: bool) {
        let selector = labelled.then(|| [("disk".to_owned(), "ssd".to_owned())].into());
        self.change_set(|set| pod_spec(set).node_selector = selector);
    }

    pub(super) fn strategy(&mut self, strategy: &Strategy) {
        let update = serde_json::from_value(update(strategy)).unwrap();
        self.change_set(|set| set.spec.as_mut().unwrap().update_strategy = Some(update));
    }

    pub(super) fn stray(&mut self, node: usize) {
        let number = self.version;
        let pod = json!({"metadata": {"namespace": "ns", "name": format!("stray-{number}"), "labels": {"app": "d"}},
            "spec": {"nodeName": name(node)}, "status": {"phase": "Pending"}});
        self.insert(serde_json::from_value(pod).unwrap());
    }

    pub(super) fn unmatch(&mut self, pod: &str) {
        let Some(mut pod) = self.pods.objects.get(pod).cloned() else { return };
        pod.metadata.labels.get_or_insert_default().insert("app".into(), "x".into());
        self.put_pod(pod);
    }

    pub(super) fn duplicate_revision(&mut self) {
        let Some(mut copy) = self.revisions.objects.values().next_back().cloned() else { return };
        let number = self.version;
        let hash = format!("copy{number}");
        copy.metadata.name = Some(format!("d-{hash}"));
        copy.metadata.uid = Some(format!("uid-{hash}"));
        copy.metadata.labels.get_or_insert_default().insert(HASH_LABEL.into(), hash);
        copy.revision += 1;
        self.put_revision(copy);
    }

    /// Those who took the label off clean up after themselves.
    pub(super) fn remove_unmatched(&mut self) {
        let matches =
            |pod: &Pod| pod.metadata.labels.as_ref().is_some_and(|labels| labels.get("app").is_some_and(|app| app == "d"));
        let others: Vec<String> =
            self.pods.objects.iter().filter(|(_, pod)| !matches(pod)).map(|(name, _)| name.clone()).collect();
        others.iter().for_each(|name| self.remove_pod(name));
    }

    // Kubelets, the scheduler, the garbage collector.

    /// One step of whoever is responsible for the pod.
    pub(super) fn progress(&mut self, name: &str) {
        let Some(mut pod) = self.pods.objects.get(name).cloned() else { return };
        let target = template::target_node(&pod).map(ToOwned::to_owned);
        if !target.as_ref().is_some_and(|node| self.nodes.objects.contains_key(node)) {
            return;
        }
        if pod.metadata.deletion_timestamp.is_some() {
            self.remove_pod(name);
        } else if !template::is_bound(&pod) {
            pod.spec.as_mut().unwrap().node_name = target;
            self.put_pod(pod);
        } else if !has_ended(&pod) && facts(&pod).ready.is_none() {
            self.set_ready(name, true);
        }
    }

    pub(super) fn set_ready(&mut self, name: &str, ready: bool) {
        let runs = |pod: &Pod| template::is_bound(pod) && !has_ended(pod);
        let Some(mut pod) = self.pods.objects.get(name).cloned().filter(runs) else { return };
        let condition =
            json!({"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": self.time()});
        pod.status = serde_json::from_value(json!({"phase": "Running", "conditions": [condition]})).unwrap();
        self.put_pod(pod);
    }

    pub(super) fn end(&mut self, name: &str, success: bool) {
        let Some(mut pod) = self.pods.objects.get(name).cloned() else { return };
        pod.status = serde_json::from_value(json!({"phase": if success { "Succeeded" } else { "Failed" }})).unwrap();
        self.put_pod(pod);
    }

    /// As the server does: what is not running anywhere is gone at once.
    pub(super) fn delete(&mut self, name: &str) {
        let Some(mut pod) = self.pods.objects.get(name).cloned() else { return };
        if !template::is_bound(&pod) || has_ended(&pod) {
            self.remove_pod(name);
        } else if pod.metadata.deletion_timestamp.is_none() {
            pod.metadata.deletion_timestamp = Some(Time(self.time()));
            self.put_pod(pod);
        }
    }

    pub(super) fn collect_garbage(&mut self) {
        let nodes = &self.nodes.objects;
        let gone =
            |pod: &Pod| template::is_bound(pod) && !template::target_node(pod).is_some_and(|node| nodes.contains_key(node));
        let gone: Vec<String> = self.pods.objects.iter().filter(|(_, pod)| gone(pod)).map(|(name, _)| name.clone()).collect();
        gone.iter().for_each(|name| self.remove_pod(name));
    }

    // The API.

    pub(super) fn insert(&mut self, mut pod: Pod) -> Pod {
        let name = pod.metadata.name.clone().unwrap();
        pod.metadata.uid = Some(format!("uid-{:05}", self.version + 1));
        pod.metadata.creation_timestamp = Some(Time(self.time()));
        self.put_pod(pod);
        self.pods.objects[&name].clone()
    }

    pub(super) fn put_pod(&mut self, mut pod: Pod) {
        let version = self.next();
        pod.metadata.resource_version = Some(version.to_string());
        let name = pod.metadata.name.clone().unwrap();
        self.pods.put(version, &name, pod);
    }

    pub(super) fn put_revision(&mut self, revision: ControllerRevision) {
        let version = self.next();
        let name = revision.metadata.name.clone().unwrap();
        self.revisions.put(version, &name, revision);
    }

    pub(super) fn remove_revision(&mut self, name: &str) {
        let version = self.next();
        self.revisions.remove(version, name);
    }

    pub(super) fn write_status(&mut self, status: &DaemonSetStatus) {
        let mut set = self.set().clone();
        if status::differs(&set.status.clone().unwrap_or_default(), status) {
            set.status = Some(status.clone());
            let version = self.next();
            self.sets.put(version, "d", set);
        }
    }

    fn remove_pod(&mut self, name: &str) {
        let version = self.next();
        self.pods.remove(version, name);
    }

    fn change_node(&mut self, number: usize, change: impl FnOnce(&mut Node)) {
        let Some(mut node) = self.nodes.objects.get(&name(number)).cloned() else { return };
        change(&mut node);
        let version = self.next();
        self.nodes.put(version, &name(number), node);
    }

    fn change_set(&mut self, change: impl FnOnce(&mut DaemonSet)) {
        let mut set = self.set().clone();
        change(&mut set);
        if set.spec != self.set().spec {
            set.metadata.generation = set.metadata.generation.map(|generation| generation + 1);
        }
        let version = self.next();
        self.sets.put(version, "d", set);
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    // What is asked.

    pub(super) fn set(&self) -> &DaemonSet {
        &self.sets.objects["d"]
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + self.now).unwrap()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.pods.objects.keys().cloned().collect()
    }

    pub(super) fn choose(&self, choice: usize) -> Option<String> {
        self.names().get(choice.checked_rem(self.pods.objects.len())?).cloned()
    }

    pub(super) fn eligible(&self) -> BTreeSet<String> {
        let demand = template::demand(self.set());
        let nodes = self.nodes.objects.iter();
        nodes.filter(|(_, node)| demand.eligibility(node).should_run()).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn taint_of(&self, node: &str) -> Option<Taint> {
        let demand = template::demand(self.set());
        let node = self.nodes.objects.get(node)?;
        demand.wrong_labels(node).is_none().then_some(())?;
        match node.spec.as_ref()?.taints.as_ref()?.first()?.effect.as_str() {
            "NoSchedule" => Some(Taint::NoSchedule),
            _ => Some(Taint::NoExecute),
        }
    }

    pub(super) fn all_ready(&self) -> bool {
        self.pods.objects.values().all(|pod| facts(pod).ready.is_some() && pod.metadata.deletion_timestamp.is_none())
    }

    pub(super) fn is_status_current(&self, status: Option<&DaemonSetStatus>) -> bool {
        let stored = self.set().status.clone().unwrap_or_default();
        status.is_some_and(|status| !status::differs(&stored, status))
    }

    pub(super) fn current_strategy(&self) -> Strategy {
        Strategy::of(self.set())
    }

    /// Every node there is, and every one that a pod is on.
    pub(super) fn by_node(&self) -> BTreeMap<String, Vec<Seen>> {
        let mut nodes: BTreeMap<String, Vec<Seen>> = self.nodes.objects.keys().map(|node| (node.clone(), Vec::new())).collect();
        let data = data(self.set());
        let mut revisions = self.revisions.objects.values();
        let current = revisions.find(|revision| revision.data.as_ref().is_some_and(|stored| stored.0 == data));
        let hash = current.and_then(|revision| revision.metadata.labels.as_ref()?.get(HASH_LABEL).cloned()).unwrap_or_default();
        for pod in self.pods.objects.values() {
            let node = template::target_node(pod).unwrap_or_default().to_owned();
            nodes.entry(node).or_default().push(Seen { current: facts(pod).hash == hash });
        }
        nodes
    }
}

fn pod_spec(set: &mut DaemonSet) -> &mut k8s_openapi::api::core::v1::PodSpec {
    set.spec.as_mut().unwrap().template.spec.as_mut().unwrap()
}

fn update(strategy: &Strategy) -> serde_json::Value {
    match strategy {
        Strategy::OnDelete => json!({"type": "OnDelete"}),
        Strategy::Replace { max_unavailable } => {
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max_unavailable}})
        }
        Strategy::Surge { max_surge } => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": max_surge}}),
    }
}

fn name(number: usize) -> String {
    format!("n{number}")
}

pub(super) fn facts(pod: &Pod) -> DaemonPod {
    DaemonPod::of(pod, &BTreeSet::new())
}

pub(super) fn uid(meta: &ObjectMeta) -> &str {
    meta.uid.as_deref().unwrap()
}

fn has_ended(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Failed" | "Succeeded"))
}
