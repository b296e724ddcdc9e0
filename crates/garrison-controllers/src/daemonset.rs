//! The DaemonSet controller: one daemon pod on each eligible node.
//!
//! [`triggers`] say which sets to look at, `garrison-plan` what each needs, [`act`] does it. What the controller wrote and
//! has not seen yet is in the set's [`Book`], so the plan never acts twice on one cause.

mod act;
mod triggers;

#[cfg(test)]
mod tests;

use crate::{Context, cache::Key, event::Recorder, queue::Queue};
use garrison_plan::{
    daemonset::{self, Memory, Observed, Plan, ownership, pace::Pace},
    window::rounds::Rounds,
};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::DaemonSet, core::v1::Pod};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A set some of whose writes were not seen yet is looked at again after this: if they are never seen (created and deleted
/// while a watch was broken), no event comes either.
const UNSEEN: Duration = Duration::from_secs(30);

/// One that could not be brought to its end is looked at again after this: time for an event to arrive.
const UNFINISHED: Duration = Duration::from_millis(20);

/// The name under which events are recorded.
const COMPONENT: &str = "daemonset-controller";

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let synced = async {
        context.pods.synced().await;
        context.nodes.synced().await;
        context.revisions.synced().await;
        context.daemon_sets.synced().await;
    };
    if shutdown.run_until_cancelled(synced).await.is_none() {
        return;
    }
    let queue = Queue::default();
    context.metrics.set_synced();
    context.metrics.show_queue("daemonset", &queue);
    triggers::subscribe(&context, &queue);
    let workers = context.config.daemonset_workers;
    let recorder = Recorder::start(context.client.clone(), COMPONENT);
    let controller = Controller { context, recorder, books: Mutex::default() };
    queue.work("daemonset", workers, &shutdown, |key| controller.look_at(key)).await;
}

struct Controller {
    context: Arc<Context>,
    recorder: Recorder,
    /// Locked only to take a book out or put it back; the worker that has the key has the book.
    books: Mutex<HashMap<Key, Book>>,
}

/// What is kept of a set between two looks. Belongs to one UID: a set made anew under the same name starts afresh.
#[derive(Default)]
struct Book {
    uid: String,
    pace: Pace,
    memory: Memory,
    /// In what rounds the next creates start.
    rounds: Rounds,
    /// Whether the set must be looked at again although no event may come. Set while a plan is carried out.
    unfinished: bool,
}

impl Controller {
    async fn look_at(&self, key: Key) -> Result<Option<Duration>, act::Error> {
        let book = self.books.lock().remove(&key);
        let Some(set) = self.context.daemon_sets.get(&key) else { return Ok(None) };
        let uid = set.metadata.uid.clone().unwrap_or_default();
        let mut book = book.filter(|book| book.uid == uid).unwrap_or_else(|| Book { uid, ..Book::default() });
        let outcome = self.sync(&set, &mut book).await;
        if let Err(error) = &outcome {
            self.context.metrics.failed(error.operation());
        }
        self.books.lock().insert(key, book);
        outcome
    }

    async fn sync(&self, set: &DaemonSet, book: &mut Book) -> Result<Option<Duration>, act::Error> {
        let plan = self.plan(set, book);
        book.memory = plan.memory.clone();
        let acted = act::carry_out(self, set, &plan, book).await?;
        // The counters are taken from after the deed.
        let (status, wake_at) = if plan.acts() {
            let after = self.plan(set, book);
            (after.status, after.wake_at)
        } else {
            (plan.status, plan.wake_at)
        };
        let written = act::write_status(self, set, status).await;
        acted.and(written)?;
        let pause = wake_at.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO));
        let unseen = (!book.pace.is_settled()).then_some(UNSEEN);
        Ok(pause.into_iter().chain(unseen).chain(book.unfinished.then_some(UNFINISHED)).min())
    }

    fn plan(&self, set: &DaemonSet, book: &mut Book) -> Plan {
        let Context { pods, nodes, revisions, .. } = &*self.context;
        let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
        let now = Timestamp::now();
        let own = || pods.in_namespace(namespace).into_iter().filter(|pod| concerns(set, pod)).collect();
        let pods = book.pace.overlay(|version| pods.has_reached(version), own, now);
        daemonset::plan(&Observed {
            set,
            nodes: &nodes.list(),
            pods: &pods,
            deleting: &book.pace.deleting(),
            revisions: &revisions.in_namespace(namespace),
            memory: &book.memory,
            now,
        })
    }
}

/// Whether a pod is the set's own, or nobody's.
fn concerns(set: &DaemonSet, pod: &Pod) -> bool {
    ownership::controller_of(&pod.metadata).is_none_or(|owner| Some(&owner.uid) == set.metadata.uid.as_ref())
}
