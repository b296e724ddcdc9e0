//! A DaemonSet on a fleet of nodes, without any I/O: what the matrix asks for happens at once.

use garrison_plan::daemonset::{Plan, daemon_pod::HASH_LABEL, matrix::Column, revision::RevisionChange};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        apps::v1::{ControllerRevision, DaemonSet},
        core::v1::{Node, Pod},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use serde_json::json;
use std::{collections::HashMap, sync::Arc};

/// As many actions as a plan may have at once.
pub(crate) const MOST: usize = 500;

pub(crate) struct Fleet {
    pub(crate) column: Column,
    pub(crate) now: Timestamp,
    pub(crate) pods: HashMap<String, Arc<Pod>>,
    set: DaemonSet,
    pub(crate) nodes: Vec<Arc<Node>>,
    revisions: Vec<Arc<ControllerRevision>>,
    version: u64,
}

impl Fleet {
    /// Nodes without pods.
    pub(crate) fn new(nodes: usize) -> Self {
        let set: DaemonSet = serde_json::from_value(json!({
            "metadata": {"namespace": "logging", "name": "fluentd", "uid": "7d0d1a6e-6f53-4a44-a1d7-d2a5a1a1f0aa", "generation": 1,
                "annotations": {"deprecated.daemonset.template.generation": "1"}},
            "spec": {"selector": {"matchLabels": {"app": "fluentd"}},
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
                "template": {"metadata": {"labels": {"app": "fluentd"}}, "spec": {"containers": [{"name": "c", "image": "fluentd:1"}]}}},
        }))
        .expect("a DaemonSet");
        let node = |number: usize| {
            let name = format!("node-{number:06}");
            let labels = json!({"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"});
            Arc::new(serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).expect("a node"))
        };
        let nodes: Vec<Arc<Node>> = (0..nodes).map(node).collect();
        let column = Column::new(Arc::new(set.clone()), nodes.iter().cloned(), [], vec![]);
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        Self { column, now, pods: HashMap::new(), set, nodes, revisions: Vec::new(), version: 0 }
    }

    /// Nodes with a pod each that is available.
    pub(crate) fn running(nodes: usize) -> Self {
        let mut fleet = Self::new(nodes);
        fleet.settle();
        assert_eq!(fleet.pods.len(), nodes);
        fleet
    }

    pub(crate) fn roll_out(&mut self, image: &str) {
        let spec = self.set.spec.as_mut().expect("a spec").template.spec.as_mut().expect("a pod spec");
        spec.containers[0].image = Some(image.to_owned());
        let generation = self.set.metadata.generation.unwrap_or(0) + 1;
        self.set.metadata.generation = Some(generation);
        let annotations = self.set.metadata.annotations.get_or_insert_default();
        annotations.insert("deprecated.daemonset.template.generation".into(), generation.to_string());
        self.column.set(Arc::new(self.set.clone()), || self.nodes.iter().cloned());
        self.settle();
    }

    /// Plans and does until nothing is left; how many plans that took.
    pub(crate) fn settle(&mut self) -> usize {
        for plans in 1.. {
            let plan = self.column.plan(self.now, MOST);
            self.column.commit(&plan);
            if !plan.acts() {
                return plans;
            }
            self.now = self.now.saturating_add(SignedDuration::from_millis(100)).expect("a time");
            self.carry_out(&plan);
        }
        unreachable!("it ends when nothing is left")
    }

    /// The API does what the plan says, kubelets follow at once, and every step is an event of its own.
    fn carry_out(&mut self, plan: &Plan) {
        for change in &plan.revisions {
            if let RevisionChange::Create(revision) = change {
                self.revisions.push(Arc::new((**revision).clone()));
                self.column.revisions(self.revisions.clone());
            }
        }
        for removal in &plan.delete {
            self.column.deleted(&removal.uid, self.now);
            self.pods.remove(&removal.name);
            self.column.pod(&removal.name, None);
        }
        for creation in &plan.create {
            let mut pod = creation.pods(&self.set, &plan.hash).next().expect("a name");
            self.version += 1;
            pod.metadata.uid = Some(format!("00000000-0000-4000-8000-{:012}", self.version));
            pod.metadata.creation_timestamp = Some(Time(self.now));
            pod.metadata.resource_version = Some(self.version.to_string());
            let pod = Arc::new(pod);
            self.column.wrote(&pod, self.now);
            self.column.answered(&creation.node);
            let name = pod.metadata.name.clone().expect("a name");
            self.column.pod(&name, Some(&pod));
            self.version += 1;
            let ready = Arc::new(with_ready(&pod, &creation.node, true, self.now, self.version));
            self.column.pod(&name, Some(&ready));
            self.pods.insert(name, ready);
        }
    }

    /// Each pod, Ready and not: events to choose from.
    pub(crate) fn flips(&self, most: usize) -> Vec<(String, Arc<Pod>, Arc<Pod>)> {
        let step = (self.pods.len() / most).max(1);
        let mut names: Vec<&String> = self.pods.keys().collect();
        names.sort();
        let flip = |name: &&String| {
            let ready = self.pods[*name].clone();
            let node = ready.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
            let unready = Arc::new(with_ready(&ready, &node, false, self.now, self.version + 1));
            ((*name).clone(), ready, unready)
        };
        let mut flips: Vec<_> = names.iter().step_by(step).take(most).map(flip).collect();
        // Not in the order of memory.
        flips.sort_by_key(|(name, ..)| name.bytes().rev().collect::<Vec<_>>());
        flips
    }
}

fn with_ready(pod: &Pod, node: &str, ready: bool, since: Timestamp, version: u64) -> Pod {
    let mut pod = pod.clone();
    assert!(pod.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(HASH_LABEL)));
    pod.metadata.resource_version = Some(version.to_string());
    pod.spec.get_or_insert_default().node_name = Some(node.to_owned());
    let condition = json!({"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": since});
    pod.status = serde_json::from_value(json!({"phase": "Running", "conditions": [condition]})).expect("a status");
    pod
}
