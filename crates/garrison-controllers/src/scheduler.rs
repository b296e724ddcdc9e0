//! The scheduler: every pod that waits for a node gets one.
//!
//! One [`Fleet`] is kept up to date by every change of a pod or node. A pod that no node takes is put aside with its
//! request; it is tried again when something changes on a node it may go to, at the earliest after its back-off.

mod act;
mod aside;

#[cfg(test)]
mod tests;

use crate::{
    Context,
    cache::{Change, Key},
    event::Recorder,
    queue::Queue,
};
use aside::Aside;
use garrison_plan::schedule::{Fleet, Refusal, Request, is_waiting};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The name under which events are recorded.
const COMPONENT: &str = "default-scheduler";
/// Bindings under way at once. Placing is quick and done one after the other; it is the answers that are waited for.
const WORKERS: usize = 64;
/// A pod put aside is tried again after this time even if nothing seems to have changed.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let synced = async {
        context.nodes.synced().await;
        context.pods.synced().await;
    };
    if shutdown.run_until_cancelled(synced).await.is_none() {
        return;
    }
    let recorder = Recorder::start(context.client.clone(), COMPONENT);
    let scheduler = Arc::new(Scheduler { context, recorder, queue: Queue::default(), state: Mutex::default() });
    scheduler.subscribe();
    scheduler.queue.work("scheduler", WORKERS, &shutdown, |key| scheduler.look_at(key)).await;
}

struct Scheduler {
    context: Arc<Context>,
    recorder: Recorder,
    queue: Queue<Key>,
    /// Held for one placement or one change, never across a request.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fleet: Fleet,
    aside: Aside,
}

/// What a look at a pod came to.
enum Outcome {
    Nothing,
    Bind(String),
    Refused(Refusal),
}

impl Scheduler {
    /// Everything that wakes the scheduler.
    fn subscribe(self: &Arc<Self>) {
        self.context.nodes.tell(self, Self::node_changed);
        self.context.pods.tell(self, Self::pod_changed);
    }

    fn node_changed(&self, change: &Change<Node>) {
        let name = change.latest().metadata.name.clone().unwrap_or_default();
        let mut state = self.state.lock();
        match change.new() {
            Some(node) => state.fleet.put_node(node.clone()),
            None => state.fleet.remove_node(&name),
        }
        let may_help = match change {
            Change::Added(_) => true,
            Change::Updated { old, new } => offer(old) != offer(new),
            Change::Removed(_) => false,
        };
        if may_help {
            self.retry(&state.aside, &name);
        }
    }

    fn pod_changed(&self, change: &Change<Pod>) {
        let pod = change.latest();
        let mut state = self.state.lock();
        match change {
            Change::Added(pod) | Change::Updated { new: pod, .. } => state.fleet.put_pod(pod),
            Change::Removed(pod) => state.fleet.remove_pod(pod.metadata.uid.as_deref().unwrap_or_default()),
        }
        let ended =
            |pod: &Pod| matches!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"));
        let made_room = match change {
            Change::Added(_) => false,
            Change::Updated { old, new } => ended(new) && !ended(old),
            Change::Removed(_) => true,
        };
        if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).filter(|_| made_room) {
            self.retry(&state.aside, node);
        }
        // Our own reports change a pod's status; only a changed wish is a reason to try again.
        let new_wish = match change {
            Change::Added(_) => true,
            Change::Updated { old, new } => old.spec != new.spec,
            Change::Removed(_) => false,
        };
        if new_wish && is_waiting(pod) {
            self.queue.add(Key::of(&**pod));
        }
    }

    fn retry(&self, aside: &Aside, node: &str) {
        let now = Timestamp::now();
        aside.helped_by(node).for_each(|(key, not_before)| {
            let pause = Duration::try_from(not_before.duration_since(now)).unwrap_or(Duration::ZERO);
            self.queue.add_after(key.clone(), pause);
        });
    }

    async fn look_at(&self, key: Key) -> Result<Option<Duration>, act::Error> {
        let Some(pod) = self.context.pods.get(&key).filter(|pod| is_waiting(pod)) else {
            self.state.lock().aside.take_back(&key);
            return Ok(None);
        };
        match self.place(&key, &pod) {
            Outcome::Nothing => Ok(None),
            Outcome::Bind(node) => {
                let bound = act::bind(self, &pod, &node).await;
                if bound.is_err() {
                    self.release(&key, &pod);
                }
                bound.map(|()| None)
            }
            Outcome::Refused(refusal) => {
                act::report(self, &pod, &refusal.to_string()).await?;
                Ok(Some(LONGEST_WAIT))
            }
        }
    }

    /// Takes back an assumption that did not come true. If somebody else bound the pod meanwhile, that counts.
    fn release(&self, key: &Key, pod: &Pod) {
        let mut state = self.state.lock();
        state.fleet.remove_pod(pod.metadata.uid.as_deref().unwrap_or_default());
        if let Some(current) = self.context.pods.get(key) {
            state.fleet.put_pod(&current);
        }
    }

    fn place(&self, key: &Key, pod: &Pod) -> Outcome {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let request = pod.spec.as_ref().map(Request::of).unwrap_or_default();
        let mut state = self.state.lock();
        if state.fleet.has_pod(uid) {
            // Bound already; the cache will show it.
            return Outcome::Nothing;
        }
        match state.fleet.place(&request) {
            Ok(node) => {
                state.fleet.assume(uid, &node, &request);
                state.aside.take_back(key);
                Outcome::Bind(node)
            }
            Err(refusal) => {
                state.aside.put(key.clone(), request, Timestamp::now());
                Outcome::Refused(refusal)
            }
        }
    }
}

/// What of a node can make room for a pod.
fn offer(node: &Node) -> impl PartialEq + use<'_> {
    let spec = node.spec.as_ref();
    let status = node.status.as_ref();
    (
        node.metadata.labels.as_ref(),
        spec.and_then(|spec| spec.taints.as_ref()),
        spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
        status.and_then(|status| status.allocatable.as_ref()),
    )
}
