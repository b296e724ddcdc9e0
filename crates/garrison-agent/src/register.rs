//! The Node object of this machine: made when it is missing, its status kept true.

use crate::{
    config::Config,
    node_status::{self, Readiness, Settings, machine::Machine},
};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Node, NodeSpec, NodeStatus, Taint},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How often the machine is looked at (memory, disk).
const LOOK: Duration = Duration::from_secs(10);
/// An unchanged status is written this often; the lease is the heartbeat.
const REPEAT: Duration = Duration::from_secs(300);
const RETRY: Duration = Duration::from_secs(1);

/// The labels every node has.
fn own_labels(name: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", node_status::architecture()),
        ("beta.kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", node_status::architecture()),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// The Node as it registers.
fn new_node(config: &Config, status: NodeStatus) -> Node {
    let mut labels = own_labels(&config.node_name);
    labels.extend(config.labels.clone());
    let mut taints = config.taints.clone();
    // Until the first look of the node lifecycle nothing may be placed here that does not tolerate a node not ready.
    taints.push(Taint { key: "node.kubernetes.io/not-ready".into(), effect: "NoSchedule".into(), ..Taint::default() });
    Node {
        metadata: ObjectMeta { name: Some(config.node_name.clone()), labels: Some(labels), ..ObjectMeta::default() },
        spec: Some(NodeSpec { taints: Some(taints), ..NodeSpec::default() }),
        status: Some(status),
    }
}

/// Makes the Node object or finds it again; tries until the server answers.
pub async fn register(client: &Client, config: &Config, status: NodeStatus) -> Node {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = new_node(config, status);
    let mut told = false;
    loop {
        match try_register(&nodes, config, &node).await {
            Ok(node) => return node,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(error = crate::join::chain(&error), "cannot register the node yet; trying on");
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn try_register(nodes: &Api<Node>, config: &Config, node: &Node) -> kube::Result<Node> {
    match nodes.create(&PostParams::default(), node).await {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
            let labels = serde_json::json!({ "metadata": { "labels": own_labels(&config.node_name) } });
            nodes.patch(&config.node_name, &PatchParams::default(), &Patch::Merge(labels)).await
        }
        other => other,
    }
}

/// What the status loop listens to.
pub struct Sources {
    /// Readiness of the runtime.
    pub readiness: watch::Receiver<Readiness>,
    /// The Node as the API has it.
    pub node: watch::Receiver<Option<Arc<Node>>>,
}

/// Writes the status when it changes, when the API holds another one, and every five minutes.
pub async fn keep_status(client: Client, settings: Settings, root_dir: std::path::PathBuf, mut sources: Sources) {
    let nodes: Api<Node> = Api::all(client);
    let mut written: Option<(NodeStatus, tokio::time::Instant)> = None;
    loop {
        let readiness = sources.readiness.borrow_and_update().clone();
        let in_api = sources.node.borrow_and_update().clone();
        let known = in_api.as_ref().and_then(|node| node.status.as_ref()?.conditions.clone()).unwrap_or_default();
        let status = node_status::of(&settings, &Machine::read(&root_dir), &readiness, &known, Timestamp::now());
        let due = written.as_ref().is_none_or(|(last, when)| when.elapsed() >= REPEAT || node_status::differs(last, &status));
        if due || overwritten(&status, &known) {
            match write(&nodes, &settings.name, &status).await {
                Ok(()) => written = Some((status, tokio::time::Instant::now())),
                Err(error) => {
                    tracing::debug!(error = crate::join::chain(&error), "cannot write the node's status");
                    written = None;
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            changed = sources.readiness.changed() => if changed.is_err() { return },
            changed = sources.node.changed() => if changed.is_err() { return },
        }
    }
}

/// Whether the API holds other conditions than ours, as the node lifecycle writes for a node it does not hear of.
fn overwritten(status: &NodeStatus, in_api: &[k8s_openapi::api::core::v1::NodeCondition]) -> bool {
    let ours = status.conditions.iter().flatten();
    !in_api.is_empty()
        && ours.into_iter().any(|ours| in_api.iter().any(|theirs| theirs.type_ == ours.type_ && theirs.status != ours.status))
}

async fn write(nodes: &Api<Node>, name: &str, status: &NodeStatus) -> kube::Result<()> {
    let patch = Patch::Strategic(serde_json::json!({ "status": status }));
    nodes.patch_status(name, &PatchParams::default(), &patch).await.map(drop)
}
