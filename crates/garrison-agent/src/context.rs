//! What all workers of one agent share.

use crate::{
    cgroup::Cgroups,
    config::{Config, RuntimeChoice},
    event::{Happening, Recorder},
    node_status::Readiness,
    objects::Objects,
    observe::Observer,
    runtime::Runtime,
};
use garrison_plan::pod::NodeFacts;
use k8s_openapi::{
    api::core::v1::{Node, ObjectReference, Pod},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::Client;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;

/// What all workers share.
pub struct Context {
    /// Settings.
    pub config: Config,
    /// Addresses of the node, the first one the InternalIP.
    pub ips: Vec<String>,
    /// Host and port of the API as pods are told them.
    pub cluster: (String, String),
    /// Name of the runtime, the scheme of container ids.
    pub runtime_name: String,
    /// Client of the API.
    pub client: Client,
    /// The runtime.
    pub runtime: Arc<dyn Runtime>,
    /// What runs.
    pub observer: Arc<Observer>,
    /// Readiness of the runtime.
    pub readiness: watch::Receiver<Readiness>,
    /// The Node as the API has it.
    pub node: watch::Receiver<Option<Arc<Node>>>,
    /// ConfigMaps, Secrets, tokens.
    pub objects: Objects,
    /// Events.
    pub events: Recorder,
    /// The pods' cgroups.
    pub cgroups: Cgroups,
}

impl Context {
    /// Whether containers, mounts and cgroups are real.
    pub fn is_real(&self) -> bool {
        self.config.runtime != RuntimeChoice::Simulated
    }

    /// What a pod may know of this node now.
    pub fn node_facts(&self) -> NodeFacts {
        NodeFacts { ips: self.ips.clone(), network: self.readiness.borrow().network.clone(), runtime: self.runtime_name.clone() }
    }

    /// What the node offers to pods.
    pub fn allocatable(&self) -> BTreeMap<String, Quantity> {
        let node = self.node.borrow().clone();
        node.and_then(|node| node.status.as_ref()?.allocatable.clone()).unwrap_or_default()
    }

    /// The directory of a pod.
    pub fn pod_dir(&self, uid: &str) -> PathBuf {
        self.config.root_dir.join("pods").join(uid)
    }

    /// Where a pod's logs are.
    pub fn log_dir(&self, pod: &Pod) -> PathBuf {
        let metadata = &pod.metadata;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let name = format!("{}_{}_{}", text(&metadata.namespace), text(&metadata.name), text(&metadata.uid));
        self.config.log_dir.join("pods").join(name)
    }

    /// Where links to all containers' logs are.
    pub fn log_links(&self) -> PathBuf {
        Path::new(&self.config.log_dir).join("containers")
    }

    /// Records an event about a pod, or one of its containers.
    pub fn record(&self, pod: &Pod, container: Option<&str>, warning: bool, reason: &str, message: impl Into<String>) {
        let metadata = &pod.metadata;
        let is_init = |name: &str| {
            let inits = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
            inits.iter().any(|init| init.name == name)
        };
        let field_path = container.map(|name| {
            let list = if is_init(name) { "initContainers" } else { "containers" };
            format!("spec.{list}{{{name}}}")
        });
        let object = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            field_path,
        };
        self.events.record(Happening { object, warning, reason: reason.into(), message: message.into() });
    }

    /// Records an event about the node.
    pub fn record_node(&self, warning: bool, reason: &str, message: impl Into<String>) {
        let name = self.config.node_name.clone();
        // The name as UID, as the kubelet does: `kubectl describe node` asks for that, too.
        let object = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Node".into()),
            uid: Some(name.clone()),
            name: Some(name),
            ..ObjectReference::default()
        };
        self.events.record(Happening { object, warning, reason: reason.into(), message: message.into() });
    }
}
