//! Taint eviction: no pod stays where a NoExecute taint drives it off.

#[cfg(test)]
mod tests;

use crate::{
    Context,
    cache::{Change, Key},
    event::{Kind, Recorder, reference},
    node_lifecycle::residents::{Residents, home},
    queue::Queue,
};
use garrison_plan::{
    node_lifecycle::eviction::{self, Countdown, Stay},
    placement::taints::{self, Effect},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use parking_lot::Mutex;
use serde_json::json;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The name under which events are recorded.
const COMPONENT: &str = "taint-eviction-controller";
/// Pods deleted at once.
const WORKERS: usize = 16;

/// A pod could not be evicted.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("writing why the pod is evicted")]
    Condition(#[source] kube::Error),
    #[error("deleting the pod")]
    Delete(#[source] kube::Error),
}

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    Arc::new(Eviction::new(context)).run(shutdown).await;
}

struct Eviction {
    context: Arc<Context>,
    recorder: Recorder,
    residents: Arc<Residents>,
    queue: Queue<Key>,
    /// The pods whose time runs, with their UIDs.
    countdowns: Mutex<HashMap<Key, (Option<String>, Countdown)>>,
}

impl Eviction {
    fn new(context: Arc<Context>) -> Self {
        Self {
            recorder: Recorder::start(context.client.clone(), COMPONENT),
            residents: Residents::follow(&context.pods),
            queue: Queue::default(),
            countdowns: Mutex::default(),
            context,
        }
    }

    async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let synced = async {
            self.context.nodes.synced().await;
            self.context.pods.synced().await;
        };
        if shutdown.run_until_cancelled(synced).await.is_none() {
            return;
        }
        self.subscribe();
        self.queue.work("taint eviction", WORKERS, &shutdown, |key| self.look_at(key)).await;
    }

    /// Everything that wakes the loop.
    fn subscribe(self: &Arc<Self>) {
        self.context.nodes.tell(self, Self::node_changed);
        self.context.pods.tell(self, Self::pod_changed);
    }

    fn node_changed(&self, change: &Change<Node>) {
        let before = change.old().map(|node| driving(node)).unwrap_or_default();
        let now = change.new().map(|node| driving(node)).unwrap_or_default();
        if before != now {
            let node = change.latest().metadata.name.as_deref().unwrap_or_default();
            self.residents.on(node).into_iter().for_each(|pod| self.queue.add(pod));
        }
    }

    fn pod_changed(&self, change: &Change<Pod>) {
        let key = Key::of(&**change.latest());
        let concerns = match change {
            Change::Added(pod) => self.node_of(pod).is_some_and(|node| !driving(&node).is_empty()),
            Change::Updated { old, new } => {
                old.spec != new.spec && self.node_of(new).is_some_and(|node| !driving(&node).is_empty())
            }
            Change::Removed(_) => {
                self.countdowns.lock().remove(&key);
                false
            }
        };
        if concerns {
            self.queue.add(key);
        }
    }

    fn node_of(&self, pod: &Pod) -> Option<Arc<Node>> {
        self.context.nodes.get(&Key::new("", home(pod)?))
    }

    async fn look_at(&self, key: Key) -> Result<Option<Duration>, Error> {
        let pod = self.context.pods.get(&key).filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let Some((pod, node)) = pod.and_then(|pod| Some((pod.clone(), self.node_of(&pod)?))) else {
            self.countdowns.lock().remove(&key);
            return Ok(None);
        };
        let now = Timestamp::now();
        match self.stay(&key, &pod, &node, now) {
            Stay::Forever => Ok(None),
            Stay::Until(end) => Ok(Some(Duration::try_from(end.duration_since(now)).unwrap_or(Duration::ZERO))),
            Stay::Never => self.evict(&key, &pod, now).await.map(|()| None),
        }
    }

    fn stay(&self, key: &Key, pod: &Pod, node: &Node, now: Timestamp) -> Stay {
        let mut countdowns = self.countdowns.lock();
        let past = countdowns.remove(key).filter(|(uid, _)| *uid == pod.metadata.uid).map(|(_, countdown)| countdown);
        let (stay, countdown) = eviction::stay(pod, node, past, now);
        if stay == Stay::Forever && past.is_some() {
            self.tell(pod, format!("Cancelling deletion of Pod {key}"));
        }
        if let Some(countdown) = countdown {
            countdowns.insert(key.clone(), (pod.metadata.uid.clone(), countdown));
        }
        stay
    }

    async fn evict(&self, key: &Key, pod: &Pod, now: Timestamp) -> Result<(), Error> {
        self.tell(pod, format!("Marking for deletion Pod {key}"));
        let pods: Api<Pod> = Api::namespaced(self.context.client.clone(), &key.namespace);
        let uid = &pod.metadata.uid;
        let patch = json!({ "metadata": { "uid": uid }, "status": { "conditions": [eviction::disruption(now)] } });
        let marked = pods.patch_status(&key.name, &PatchParams::default(), &Patch::Strategic(patch)).await;
        unless_gone(marked).map_err(Error::Condition)?;
        let only_this = Preconditions { uid: uid.clone(), ..Preconditions::default() };
        let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
        unless_gone(pods.delete(&key.name, &params).await).map_err(Error::Delete)
    }

    fn tell(&self, pod: &Pod, message: String) {
        self.recorder.record(&reference(pod), Kind::Normal, "TaintManagerEviction", message);
    }
}

/// The taints of a node that drive pods off.
fn driving(node: &Node) -> Vec<&Taint> {
    taints::of(node).iter().filter(|taint| Effect::of(taint) == Some(Effect::NoExecute)).collect()
}

/// A pod that is gone already is as good as evicted. A conflict is not: it may have been about something else than the UID.
fn unless_gone<T>(done: kube::Result<T>) -> kube::Result<()> {
    match done {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}
