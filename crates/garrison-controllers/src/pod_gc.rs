//! Pod garbage collection: no pod outlives its node, and finished pods do not pile up.
//!
//! A node that was seen to go is asked for once more after a moment, which its agent has to register it anew. A node that
//! was never seen may be newer than our cache, so there the quarantine of the settings is kept.

#[cfg(test)]
mod tests;

use crate::{
    Context,
    cache::{Change, Key},
    node_lifecycle::residents::{Residents, home},
    queue::Queue,
};
use futures::{StreamExt, stream};
use garrison_plan::{
    garbage::pods::{self, Home, Why, fate, has_ended},
    node_lifecycle::health::readiness,
    placement::taints,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use parking_lot::Mutex;
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the node of a pod must stay away after it was seen to go.
const SETTLING: Duration = Duration::from_secs(1);
/// Finished pods are counted this long after one was too many: they come in bursts.
const COUNTING_PAUSE: Duration = Duration::from_secs(5);
/// Pods removed at once.
const AT_ONCE: usize = 32;
const WORKERS: usize = 8;

/// A pod could not be removed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("asking for node {node}")]
    Node { node: String, source: kube::Error },
    #[error("marking pod {pod} as failed")]
    Fail { pod: Key, source: kube::Error },
    #[error("deleting pod {pod}")]
    Delete { pod: Key, source: kube::Error },
}

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Task {
    /// A node and the pods that are bound to it.
    Node(String),
    /// A pod without a node.
    Pod(Key),
    /// All finished pods.
    Ended,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Pod(key) => write!(f, "pod {key}"),
            Self::Ended => f.write_str("finished pods"),
        }
    }
}

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let synced = async {
        context.nodes.synced().await;
        context.pods.synced().await;
    };
    if shutdown.run_until_cancelled(synced).await.is_none() {
        return;
    }
    let collector = Arc::new(Collector::new(context));
    collector.subscribe();
    collector.queue.work("pod garbage", WORKERS, &shutdown, |task| collector.look_at(task)).await;
}

struct Collector {
    context: Arc<Context>,
    residents: Arc<Residents>,
    queue: Queue<Task>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When a missing node may be believed to be gone.
    missing: HashMap<String, Instant>,
    ended: HashSet<Key>,
}

impl Collector {
    fn new(context: Arc<Context>) -> Self {
        let residents = Residents::follow(&context.pods);
        Self { context, residents, queue: Queue::default(), state: Mutex::default() }
    }

    /// Everything that wakes the loop.
    fn subscribe(self: &Arc<Self>) {
        self.context.nodes.tell(self, Self::node_changed);
        self.context.pods.tell(self, Self::pod_changed);
    }

    fn node_changed(&self, change: &Change<Node>) {
        let name = change.latest().metadata.name.clone().unwrap_or_default();
        match change {
            Change::Added(_) => {
                self.state.lock().missing.remove(&name);
                self.queue.add(Task::Node(name));
            }
            Change::Updated { old, new } => {
                let changed = taints::of(old) != taints::of(new) || readiness(old) != readiness(new);
                if changed {
                    self.queue.add(Task::Node(name));
                }
            }
            Change::Removed(_) => {
                // It was there until now, whatever was believed before.
                self.state.lock().missing.remove(&name);
                self.miss(name, SETTLING.min(self.context.config.missing_node_quarantine));
            }
        }
    }

    fn pod_changed(&self, change: &Change<Pod>) {
        let key = Key::of(&**change.latest());
        let Some(pod) = change.new() else {
            self.state.lock().ended.remove(&key);
            return;
        };
        if has_ended(pod) {
            self.count_ended(key.clone());
        }
        let deleting = pod.metadata.deletion_timestamp.is_some();
        match home(pod) {
            None if deleting => self.queue.add(Task::Pod(key)),
            None => {}
            Some(node) if self.node(node).is_none() => self.miss(node.to_owned(), self.context.config.missing_node_quarantine),
            Some(node) if deleting => self.queue.add(Task::Node(node.to_owned())),
            Some(_) => {}
        }
    }

    /// A pod that has ended never lives again, so it leaves the count only when it is gone.
    fn count_ended(&self, key: Key) {
        let ended = &mut self.state.lock().ended;
        let threshold = self.context.config.terminated_pod_threshold;
        if ended.insert(key) && threshold > 0 && ended.len() > threshold {
            self.queue.add_after(Task::Ended, COUNTING_PAUSE);
        }
    }

    /// A node that is missed already keeps its time.
    fn miss(&self, node: String, quarantine: Duration) {
        let due = Instant::now() + quarantine;
        self.state.lock().missing.entry(node.clone()).or_insert(due);
        self.queue.add_after(Task::Node(node), quarantine);
    }

    fn node(&self, name: &str) -> Option<Arc<Node>> {
        self.context.nodes.get(&Key::new("", name))
    }

    async fn look_at(&self, task: Task) -> Result<Option<Duration>, Error> {
        match task {
            Task::Node(name) => self.look_at_node(&name).await,
            Task::Pod(key) => {
                let pod = self.context.pods.get(&key).into_iter().collect();
                self.remove_those_who_must_go(pod, Home::Unseen).await.map(|()| None)
            }
            Task::Ended => {
                let ended: Vec<Key> = self.state.lock().ended.iter().cloned().collect();
                let ended = ended.iter().filter_map(|key| self.context.pods.get(key)).collect();
                let surplus = pods::surplus(ended, self.context.config.terminated_pod_threshold);
                self.remove(surplus.into_iter().map(|pod| (pod, None)).collect()).await.map(|()| None)
            }
        }
    }

    async fn look_at_node(&self, name: &str) -> Result<Option<Duration>, Error> {
        let residents = || self.residents.on(name).into_iter().filter_map(|key| self.context.pods.get(&key));
        if let Some(node) = self.node(name) {
            return self.remove_those_who_must_go(residents().collect(), Home::There(&node)).await.map(|()| None);
        }
        let quarantine = self.context.config.missing_node_quarantine;
        let now = Instant::now();
        let due = {
            let missing = &mut self.state.lock().missing;
            if !residents().any(|pod| fate(&pod, Home::Gone).is_some()) {
                missing.remove(name);
                return Ok(None);
            }
            *missing.entry(name.to_owned()).or_insert(now + quarantine)
        };
        if now < due {
            return Ok(Some(due - now));
        }
        let nodes: Api<Node> = Api::all(self.context.client.clone());
        let found = nodes.get_metadata_opt(name).await.map_err(|source| Error::Node { node: name.into(), source })?;
        if found.is_none() {
            self.remove_those_who_must_go(residents().collect(), Home::Gone).await?;
        }
        // Our cache will hear of the node, or of its going; and pods may have come while others were removed.
        Ok(Some(quarantine))
    }

    async fn remove_those_who_must_go(&self, pods: Vec<Arc<Pod>>, home: Home<'_>) -> Result<(), Error> {
        let fates = pods.into_iter().filter_map(|pod| fate(&pod, home).map(|why| (pod, Some(why))));
        self.remove(fates.collect()).await
    }

    /// Removes pods; those with a reason are marked as failed first.
    async fn remove(&self, pods: Vec<(Arc<Pod>, Option<Why>)>) -> Result<(), Error> {
        let removals = stream::iter(pods).map(|(pod, why)| self.remove_one(pod, why)).buffer_unordered(AT_ONCE);
        // All are tried, whatever comes of one.
        removals.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn remove_one(&self, pod: Arc<Pod>, why: Option<Why>) -> Result<(), Error> {
        let key = Key::of(&*pod);
        let api: Api<Pod> = Api::namespaced(self.context.client.clone(), &key.namespace);
        let uid = &pod.metadata.uid;
        tracing::info!(pod = %key, ?why, "the pod is removed");
        if let Some(why) = why.filter(|_| !has_ended(&pod)) {
            let conditions: Vec<_> = pods::condition(why, Timestamp::now()).into_iter().collect();
            let mut status = json!({ "phase": "Failed" });
            if !conditions.is_empty() {
                status["conditions"] = json!(conditions);
            }
            let patch = json!({ "metadata": { "uid": uid }, "status": status });
            let failed = api.patch_status(&key.name, &PatchParams::default(), &Patch::Strategic(patch)).await;
            unless_gone(failed).map_err(|source| Error::Fail { pod: key.clone(), source })?;
        }
        let only_this = Preconditions { uid: uid.clone(), ..Preconditions::default() };
        let params = DeleteParams { grace_period_seconds: Some(0), preconditions: Some(only_this), ..DeleteParams::default() };
        unless_gone(api.delete(&key.name, &params).await).map_err(|source| Error::Delete { pod: key, source })
    }
}

/// A pod that is gone already is as good as removed. A conflict is not: it may have been about something else than the UID.
fn unless_gone<T>(done: kube::Result<T>) -> kube::Result<()> {
    match done {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}
