//! The DaemonSet controller: one daemon pod on each eligible node.
//!
//! [`triggers`] say which sets to look at and [`news`] which of their cells have changed; the set's column of the matrix,
//! in `garrison-plan`, says what each needs; [`act`] does it. What the controller wrote and has not seen yet is in the
//! column, too, so it never acts twice on one cause. A look costs what has changed, however many nodes there are.

mod act;
mod news;
mod triggers;

#[cfg(test)]
mod tests;

use crate::{Context, cache::Key, event::Recorder, queue::Queue};
use garrison_plan::{
    daemonset::{Plan, matrix::Column, ownership},
    window::rounds::Rounds,
};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet},
    core::v1::Pod,
};
use news::News;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A set some of whose writes were not seen yet is looked at again after this: if they are never seen (created and deleted
/// while a watch was broken), no event comes either.
const UNSEEN: Duration = Duration::from_secs(30);

/// One that could not be brought to its end is looked at again after this: time for an event to arrive.
const UNFINISHED: Duration = Duration::from_millis(20);

/// Pods created, and deleted, at one look. The next follows at once; between two looks other sets have their turn, the
/// status is written, and pods that are still to be made take no memory.
const PIECE: usize = 1000;

/// How often it is compared before a difference is believed, and the pause between.
const AUDIT_TRIES: usize = 3;
const AUDIT_PAUSE: Duration = Duration::from_millis(50);

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
    let news = Arc::new(News::default());
    context.metrics.set_synced();
    context.metrics.show_queue("daemonset", &queue);
    triggers::subscribe(&context, &queue, &news);
    let workers = context.config.daemonset_workers;
    let recorder = Recorder::start(context.client.clone(), COMPONENT);
    let controller = Controller { context, recorder, news, books: Mutex::default() };
    queue.work("daemonset", workers, &shutdown, |key| controller.look_at(key)).await;
}

struct Controller {
    context: Arc<Context>,
    recorder: Recorder,
    news: Arc<News>,
    /// Locked only to take a book out or put it back; the worker that has the key has the book.
    books: Mutex<HashMap<Key, Book>>,
}

/// What is kept of a set between two looks.
struct Book {
    column: Column,
    /// In what rounds the next creates start.
    rounds: Rounds,
    /// Whether the set must be looked at again although no event may come. Set while a plan is carried out.
    unfinished: bool,
    /// When the column was last compared with what the caches hold.
    audited: Timestamp,
}

impl Controller {
    async fn look_at(&self, key: Key) -> Result<Option<Duration>, act::Error> {
        let book = self.books.lock().remove(&key);
        let Some(set) = self.context.daemon_sets.get(&key) else {
            self.news.unfollow(&key);
            return Ok(None);
        };
        let mut book = match book.filter(|book| book.column.fits(&set)) {
            Some(book) => book,
            None => self.open(&key, set.clone()),
        };
        self.read_news(&key, set.clone(), &mut book);
        self.audit(&key, &set, &mut book).await;
        let outcome = self.sync(&set, &mut book).await;
        if let Err(error) = &outcome {
            self.context.metrics.failed(error.operation());
        }
        self.books.lock().insert(key, book);
        outcome
    }

    async fn sync(&self, set: &DaemonSet, book: &mut Book) -> Result<Option<Duration>, act::Error> {
        let burst = self.context.config.daemonset_burst_replicas;
        let plan = book.column.plan(Timestamp::now(), burst.unwrap_or(PIECE));
        book.column.commit(&plan);
        let acted = act::carry_out(self, set, &plan, book).await?;
        // The counters are taken from after the deed.
        let (status, wake_at) = book.column.outlook(Timestamp::now());
        let written = act::write_status(self, set, status).await;
        acted.and(written)?;
        let pause = wake_at.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO));
        let unseen = (!book.column.is_settled()).then_some(UNSEEN);
        let rest = plan.more.then_some(if burst.is_some() { UNFINISHED } else { Duration::ZERO });
        let unfinished = book.unfinished.then_some(UNFINISHED);
        Ok(pause.into_iter().chain(unseen).chain(rest).chain(unfinished).min())
    }

    /// Begins a book for a set that has none, or whose book is about another set of the same name.
    fn open(&self, key: &Key, set: Arc<DaemonSet>) -> Book {
        // What changes from here on will be read.
        self.news.follow(key);
        let pods = self.pods_of(&set);
        let column = Column::new(set, self.context.nodes.list(), pods, self.revisions_of(key));
        Book { column, rounds: Rounds::default(), unfinished: false, audited: Timestamp::now() }
    }

    /// Tells the column what has changed since the last look.
    fn read_news(&self, key: &Key, set: Arc<DaemonSet>, book: &mut Book) {
        let Context { pods, nodes, .. } = &*self.context;
        let pod = |name: &str| pods.get(&Key::new(key.namespace.clone(), name));
        // Before the rest is read: what the cache should have by then and has not is gone.
        let reached = pods.reached();
        if !Arc::ptr_eq(book.column.daemon_set(), &set) {
            book.column.set(set, || nodes.list());
        }
        let unread = self.news.read(key);
        for name in &unread.nodes {
            book.column.node(name, nodes.get(&Key::new("", &**name)).as_deref());
        }
        if unread.revisions {
            book.column.revisions(self.revisions_of(key));
        }
        for name in &unread.pods {
            book.column.pod(name, pod(name).as_ref());
        }
        book.column.reached(reached, Timestamp::now(), pod);
    }

    /// From time to time, compares the column with what the caches hold, which must say the same.
    async fn audit(&self, key: &Key, set: &Arc<DaemonSet>, book: &mut Book) {
        let now = Timestamp::now();
        if now.duration_since(book.audited).unsigned_abs() < self.context.config.daemonset_audit_period {
            return;
        }
        book.audited = now;
        let Context { pods, nodes, metrics, .. } = &*self.context;
        let mut found = None;
        // A change is in the cache a moment before it is in the news: only a difference that stays is one.
        for _ in 0..AUDIT_TRIES {
            self.read_news(key, set.clone(), book);
            let difference =
                book.column.audit(&nodes.list(), || self.pods_of(set), |version| pods.has_reached(version), Timestamp::now());
            match difference {
                None => return metrics.audited(false),
                Some(_) if self.news.has_any(key) => {}
                Some(difference) => found = Some(difference),
            }
            tokio::time::sleep(AUDIT_PAUSE).await;
        }
        let Some((column, caches)) = found else { return };
        metrics.audited(true);
        // Numbers only: a plan holds templates, and they may hold what is nobody else's business.
        let told = |plan: &Plan| format!("{} to create, {} to delete, {:?}", plan.create.len(), plan.delete.len(), plan.status);
        let (column, caches) = (told(&column), told(&caches));
        tracing::error!(%key, column, caches, "the matrix differs from the caches and is made anew; please report this");
        self.news.follow(key);
        let (nodes, pods, revisions) = (nodes.list(), self.pods_of(set), self.revisions_of(key));
        book.column.rebuild(nodes, pods, revisions);
    }

    fn pods_of(&self, set: &DaemonSet) -> Vec<Arc<Pod>> {
        let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
        self.context.pods.in_namespace(namespace).into_iter().filter(|pod| concerns(set, pod)).collect()
    }

    fn revisions_of(&self, key: &Key) -> Vec<Arc<ControllerRevision>> {
        self.context.revisions.in_namespace(&key.namespace)
    }
}

/// Whether a pod is the set's own, or nobody's.
fn concerns(set: &DaemonSet, pod: &Pod) -> bool {
    ownership::controller_of(&pod.metadata).is_none_or(|owner| Some(&owner.uid) == set.metadata.uid.as_ref())
}
