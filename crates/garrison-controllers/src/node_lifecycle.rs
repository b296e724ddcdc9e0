//! Node lifecycle: a node that is not heard of is not Ready, and its taints say what it is.
//!
//! Every heartbeat only moves a time. A node is looked at when it changes and when its time runs out, so a fleet that is
//! well costs one look per node and grace period.

pub(crate) mod residents;

#[cfg(test)]
mod tests;

use crate::{
    Context,
    cache::{Change, Key},
    event::{Kind, Recorder, reference},
    queue::Queue,
    written::Written,
};
use futures::{StreamExt, stream};
use garrison_plan::node_lifecycle::{
    self, Observed, Plan,
    disruption::Fleet,
    health::{self, Heartbeat, Patience, Readiness},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Node, Pod},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use residents::Residents;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The name under which events are recorded.
const COMPONENT: &str = "node-controller";
/// Where nodes keep their leases.
const LEASES: &str = "kube-node-lease";
/// Nodes written at once.
const WORKERS: usize = 16;
/// A node that has changed is looked at again after this: the watch has brought the newer version by then.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);
/// Pods of one node marked at once.
const PODS_AT_ONCE: usize = 16;

/// A node could not be brought to where it should be.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("writing the conditions of a silent node")]
    Conditions(#[source] kube::Error),
    #[error("writing the taints")]
    Taints(#[source] kube::Error),
    #[error("marking pod {pod} not ready")]
    Pod { pod: Key, source: kube::Error },
}

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    Arc::new(Lifecycle::new(context)).run(shutdown).await;
}

struct Lifecycle {
    context: Arc<Context>,
    recorder: Recorder,
    residents: Arc<Residents>,
    patience: Patience,
    queue: Queue<String>,
    /// Held for one change or one decision, never across a request.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fleet: Fleet,
    heartbeats: HashMap<String, Heartbeat>,
    /// Nodes seen to turn not Ready whose pods have not been marked yet.
    turned_unready: HashSet<String>,
    /// Nodes that were there before this loop are no news.
    announcing: bool,
}

impl Lifecycle {
    fn new(context: Arc<Context>) -> Self {
        let signed = |time: Duration| SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        Self {
            recorder: Recorder::start(context.client.clone(), COMPONENT),
            residents: Residents::follow(&context.pods),
            patience: Patience {
                grace: signed(context.config.node_monitor_grace_period),
                startup: signed(context.config.node_startup_grace_period),
            },
            queue: Queue::default(),
            state: Mutex::default(),
            context,
        }
    }

    async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let synced = async {
            self.context.leases.synced().await;
            self.context.nodes.synced().await;
            self.context.pods.synced().await;
        };
        if shutdown.run_until_cancelled(synced).await.is_none() {
            return;
        }
        self.subscribe();
        self.queue.work("node lifecycle", WORKERS, &shutdown, |name| self.look_at(name)).await;
    }

    /// Everything that wakes the loop. The fleet is told of all nodes before the first of them is looked at: the first
    /// failed node of many must not be taken for a failure of all.
    fn subscribe(self: &Arc<Self>) {
        self.context.nodes.tell(self, Self::node_changed);
        self.state.lock().announcing = true;
        self.context.leases.tell(self, Self::lease_changed);
    }

    fn node_changed(&self, change: &Change<Node>) {
        let now = Timestamp::now();
        let node = change.latest();
        let name = node.metadata.name.clone().unwrap_or_default();
        let mut state = self.state.lock();
        match change {
            Change::Added(node) => {
                state.fleet.put(node, now);
                let mut heartbeat = Heartbeat::first(node, now);
                let lease = self.context.leases.get(&Key::new(LEASES, name.clone()));
                lease.iter().for_each(|lease| heartbeat.see_lease(lease, now));
                state.heartbeats.insert(name.clone(), heartbeat);
                if state.announcing {
                    self.tell(node, "RegisteredNode", format!("Node {name} event: Registered Node {name} in Controller"));
                }
            }
            Change::Updated { old, new } => {
                state.fleet.put(new, now);
                let heartbeat = state.heartbeats.entry(name.clone()).or_insert_with(|| Heartbeat::first(new, now));
                heartbeat.see_node(new, now);
                let ready = |node: &Node| health::readiness(node) == Readiness::Ready;
                if ready(old) && !ready(new) {
                    state.turned_unready.insert(name.clone());
                    self.tell(new, "NodeNotReady", format!("Node {name} status is now: NodeNotReady"));
                } else if ready(new) {
                    state.turned_unready.remove(&name);
                }
            }
            Change::Removed(_) => {
                state.fleet.remove(&name, now);
                state.heartbeats.remove(&name);
                state.turned_unready.remove(&name);
                self.tell(node, "RemovingNode", format!("Node {name} event: Removing Node {name} from Controller"));
            }
        }
        state.fleet.take_woken().into_iter().for_each(|woken| self.queue.add(woken));
        self.queue.add(name);
    }

    fn lease_changed(&self, change: &Change<Lease>) {
        let Some(lease) = change.new().filter(|lease| lease.metadata.namespace.as_deref() == Some(LEASES)) else { return };
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        if let Some(heartbeat) = self.state.lock().heartbeats.get_mut(name) {
            heartbeat.see_lease(lease, Timestamp::now());
        }
    }

    async fn look_at(&self, name: String) -> Result<Option<Duration>, Error> {
        let Some(node) = self.context.nodes.get(&Key::new("", name.clone())) else { return Ok(None) };
        let Some(plan) = self.plan(&name, &node) else { return Ok(None) };
        let carried_out = self.carry_out(&name, &node, &plan).await;
        if plan.unready_pods && !matches!(carried_out, Ok(Written::Done)) {
            self.state.lock().turned_unready.insert(name);
        }
        Ok(match carried_out? {
            Written::Done => {
                plan.wake_at.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
            }
            Written::Conflict => Some(AFTER_CONFLICT),
        })
    }

    /// The plan, and with it the duty to mark pods, which is given back if the plan is not carried out.
    fn plan(&self, name: &str, node: &Node) -> Option<Plan> {
        let now = Timestamp::now();
        let mut state = self.state.lock();
        let permission = state.fleet.permission(name, now);
        state.fleet.take_woken().into_iter().for_each(|woken| self.queue.add(woken));
        // A duty may be given back late, when the node is Ready again.
        let turned_unready = health::readiness(node) != Readiness::Ready && state.turned_unready.remove(name);
        let heartbeat = state.heartbeats.get(name)?;
        Some(node_lifecycle::plan(&Observed { node, heartbeat, permission, turned_unready, patience: &self.patience, now }))
    }

    async fn carry_out(&self, name: &str, node: &Node, plan: &Plan) -> Result<Written, Error> {
        let written = self.write(name, node, plan).await?;
        if plan.unready_pods && written == Written::Done {
            self.mark_pods(name).await?;
        }
        Ok(written)
    }

    /// Writes what the plan says, unless the node has changed since: then the plan is out of date.
    async fn write(&self, name: &str, node: &Node, plan: &Plan) -> Result<Written, Error> {
        let nodes: Api<Node> = Api::all(self.context.client.clone());
        let version = json!({ "resourceVersion": node.metadata.resource_version });
        let params = PatchParams::default();
        if !plan.conditions.is_empty() {
            tracing::info!(node = name, "the node is silent");
            let patch = json!({ "metadata": version, "status": { "conditions": plan.conditions } });
            return Written::of(nodes.patch_status(name, &params, &Patch::Strategic(patch)).await).map_err(Error::Conditions);
        }
        if let Some(taints) = &plan.taints {
            let taints = if taints.is_empty() { Value::Null } else { json!(taints) };
            let patch = json!({ "metadata": version, "spec": { "taints": taints } });
            return Written::of(nodes.patch(name, &params, &Patch::Merge(patch)).await).map_err(Error::Taints);
        }
        Ok(Written::Done)
    }

    async fn mark_pods(&self, node: &str) -> Result<(), Error> {
        let pods = self.residents.on(node).into_iter().filter_map(|key| self.context.pods.get(&key));
        let marks = stream::iter(pods).map(|pod| self.mark_pod(pod)).buffer_unordered(PODS_AT_ONCE);
        // All are tried, whatever comes of one.
        marks.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn mark_pod(&self, pod: Arc<Pod>) -> Result<(), Error> {
        let Some(condition) = health::unready(&pod, Timestamp::now()) else { return Ok(()) };
        let key = Key::of(&*pod);
        let pods: Api<Pod> = Api::namespaced(self.context.client.clone(), &key.namespace);
        let patch = json!({ "metadata": { "uid": pod.metadata.uid }, "status": { "conditions": [condition] } });
        let written = pods.patch_status(&key.name, &PatchParams::default(), &Patch::Strategic(patch)).await;
        match written {
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            other => drop(other.map_err(|source| Error::Pod { pod: key, source })?),
        }
        self.recorder.record(&reference(&*pod), Kind::Warning, "NodeNotReady", "Node is not ready");
        Ok(())
    }

    fn tell(&self, node: &Node, reason: &str, message: String) {
        self.recorder.record(&reference(node), Kind::Normal, reason, message);
    }
}
