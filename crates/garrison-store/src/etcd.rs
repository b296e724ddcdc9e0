//! A store in an etcd cluster, which several processes may share: etcd orders the writes, memory serves the reads.
//!
//! Memory is filled by one list and follows by one watch. A read asks etcd for its newest revision, together with all reads that
//! wait for the same answer, and is served once memory has it: it sees every write that was acknowledged before, by whomever.
//! Writes are transactions on the revision that they expect. Revisions are etcd's own, one sequence for all of its keys; some are
//! of keys that are not records, so that they jump.
//!
//! When etcd does not answer, reads and writes wait for a while and then fail; watches stay open and go on when it is back. What
//! cannot be made good ends the store: an etcd that has lost acknowledged writes, or is another one.

mod compact;
mod config;
mod fault;
mod follow;
mod freshness;
mod layout;
mod link;
mod list;
mod member;
mod message;
mod write;

#[cfg(test)]
mod tests;

pub use config::{Config, OpenError, User};

use crate::{Entry, Event, Page, Range, ReadError, Record, Revision, Scope, Store, Watch, Write, WriteError, memory::Memory};
use freshness::Asked;
use layout::Layout;
use link::{DEADLINE, Link};
use message::{Header, RangeRequest, WatchRequest};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};

/// Pause between two attempts to reach etcd at the start.
const PAUSE: Duration = Duration::from_secs(1);

/// The store in etcd.
pub struct Etcd<R> {
    shared: Arc<Shared<R>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the tasks of the store share.
struct Shared<R> {
    link: Link,
    layout: Layout,
    memory: Arc<Memory<R>>,
    asks: mpsc::Sender<Asked>,
    /// The watch's side of requests.
    requests: Mutex<Option<mpsc::Sender<WatchRequest>>>,
    /// Whether the watch is open.
    following: AtomicBool,
    /// When a key of our own was last written for its event.
    marked: tokio::sync::Mutex<Option<Instant>>,
    /// Keys whose value is no record.
    unreadable: Mutex<BTreeSet<String>>,
    /// etcd's id of itself; 0 before it was heard.
    cluster: AtomicU64,
}

impl<R: Record> Etcd<R> {
    /// Connects, and reads everything.
    ///
    /// # Errors
    /// When what is configured cannot work, etcd refuses this client, or has not answered in the time given to it.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        if config.endpoints.is_empty() {
            return Err(OpenError::NoEndpoint);
        }
        for endpoint in &config.endpoints {
            config.endpoint(endpoint)?;
        }
        let (asks, asked) = freshness::channel();
        let (patience, retention, layout) = (config.patience, config.retention, config.layout());
        let shared = Arc::new(Shared {
            link: Link::new(config),
            layout,
            memory: Arc::new(Memory::new(Vec::new(), 0, retention)),
            asks,
            requests: Mutex::default(),
            following: AtomicBool::new(false),
            marked: tokio::sync::Mutex::default(),
            unreadable: Mutex::default(),
            cluster: AtomicU64::new(0),
        });
        wait_for_etcd(&shared, patience).await?;
        let (entries, revision) = list::everything(&shared).await?;
        tracing::info!(objects = entries.len(), revision, "everything was read from etcd");
        shared.memory.replace(entries, revision);
        let weak = || Arc::downgrade(&shared);
        let tasks = vec![
            tokio::spawn(freshness::run(weak(), asked)),
            tokio::spawn(follow::run(weak())),
            tokio::spawn(compact::run(weak())),
        ];
        Ok(Self { shared, tasks })
    }
}

/// Tries until etcd answers a question about the keys of the store.
async fn wait_for_etcd<R: Record>(shared: &Shared<R>, patience: Duration) -> Result<(), OpenError> {
    let give_up = Instant::now() + patience;
    loop {
        let request = RangeRequest { key: shared.layout.everything().0, keys_only: true, ..RangeRequest::default() };
        let asked = shared.link.attempt(Instant::now() + DEADLINE, |member| async move { member.range(request).await }).await;
        let Err(fault) = asked else { return Ok(()) };
        if fault.will_last() || Instant::now() + PAUSE > give_up {
            return Err(fault.into());
        }
        tracing::warn!(why = %fault.why(), "waiting for etcd");
        sleep(PAUSE).await;
    }
}

impl<R: Record> Shared<R> {
    /// The revision that an answer to a linearizable request tells. An etcd that is another one than before, or has lost what was
    /// known of it, is not what memory was made from.
    fn check(&self, header: Option<&Header>, known: Revision) -> Revision {
        let Some(header) = header else { return 0 };
        self.check_cluster(header);
        let revision = header.revision.cast_unsigned();
        if revision < known {
            self.memory.stop(&format!("etcd is at revision {revision} and was at {known}: it has lost writes"));
        }
        revision
    }

    fn check_cluster(&self, header: &Header) {
        let before = self.cluster.compare_exchange(0, header.cluster_id, Ordering::AcqRel, Ordering::Acquire);
        if before.is_err_and(|known| known != header.cluster_id) {
            self.memory.stop("etcd is another cluster than before: it was made anew or restored from a backup");
        }
    }
}

impl<R> Drop for Etcd<R> {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait::async_trait]
impl<R: Record> Store<R> for Etcd<R> {
    async fn write(&self, write: Write<R>) -> Result<Arc<Event<R>>, WriteError> {
        write::write(&self.shared, write).await
    }

    async fn get(&self, key: &str) -> Result<Option<Arc<Entry<R>>>, ReadError> {
        self.shared.be_fresh().await?;
        Ok(self.shared.memory.get(key))
    }

    async fn range(&self, range: Range<'_, R>) -> Result<Page<R>, ReadError> {
        let memory = &self.shared.memory;
        if range.at.is_none_or(|revision| revision > memory.revision()) {
            self.shared.be_fresh().await?;
        }
        match (memory.range(&range), range.at) {
            (Err(ReadError::Compacted { .. }), Some(revision)) => list::past(&self.shared, &range, revision).await,
            (page, _) => page,
        }
    }

    async fn watch(&self, scope: Scope, from: Revision) -> Result<Watch<R>, ReadError> {
        if from > self.shared.memory.revision() {
            self.shared.be_fresh().await?;
        }
        Watch::new(Arc::clone(&self.shared.memory), scope, from)
    }

    async fn revision(&self) -> Result<Revision, ReadError> {
        self.shared.be_fresh().await?;
        Ok(self.shared.memory.revision())
    }

    async fn reached(&self, revision: Revision) -> Result<(), ReadError> {
        if self.shared.memory.revision() < revision {
            self.shared.be_fresh().await?;
        }
        self.shared.memory.reached(revision).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), ReadError> {
        self.shared.be_fresh().await?;
        self.shared.memory.compact(revision)?;
        compact::forget(&self.shared, revision).await.map_err(|fault| ReadError::Unavailable(fault.why()))
    }

    fn is_serving(&self) -> bool {
        self.shared.following.load(Ordering::Acquire) && self.shared.memory.why_stopped().is_none()
    }

    fn unreadable(&self) -> usize {
        self.shared.unreadable.lock().len()
    }

    async fn stopped(&self) -> Arc<str> {
        self.shared.memory.stopped().await
    }

    async fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.shared.memory.stop("closed");
    }
}
