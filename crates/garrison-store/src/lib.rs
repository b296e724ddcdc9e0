//! What is true, in order, durably: revisions, compare-and-write, watch, history.
//!
//! A store maps keys to records. Every write that changes something gets the next revision, one sequence for all keys;
//! it is acknowledged, readable and seen by watchers only once it is as durable as it asked to be ([`Durability`]).
//! Keys are paths (`pods/default/web`); their first segment names a *collection*, the unit in which history is kept.
//!
//! The room knows keys, bytes and revisions. What a value means is the caller's: through [`Record`] he says in which form
//! values are kept in memory, so that reads and watches hand out that form without copying.
//!
//! The doors: [`Store`] (the trait), [`embedded::Embedded`] (a single process on its own disk), [`etcd::Etcd`] (many processes on
//! an etcd cluster), [`Watch`], [`Record`].

#[cfg(test)]
mod contract;
pub mod embedded;
pub mod etcd;
mod event;
mod history;
mod memory;
mod watch;

pub use event::{Entry, Event};
pub use history::Retention;
pub use watch::{Scope, Watch};

use bytes::Bytes;
use std::sync::Arc;

/// Position in the one sequence of writes. 0 is before the first.
pub type Revision = u64;

/// The form in which a value is kept in memory and handed to readers.
pub trait Record: Send + Sync + Sized + 'static {
    /// Makes the form from a value as persisted, before it is stamped.
    ///
    /// # Errors
    /// Says what is wrong with a value that cannot have been written by this program.
    fn load(key: &str, value: Bytes) -> Result<Self, String>;

    /// The same record, showing `revision` as its own.
    #[must_use]
    fn stamped(&self, revision: Revision) -> Self;

    /// A term under which the record is found besides its key, such as the machine it belongs to.
    fn term(&self) -> Option<&str> {
        None
    }

    /// About how many bytes of memory it takes.
    fn size(&self) -> usize;
}

/// When a write counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When it is on disk.
    #[default]
    Synced,
    /// When it is ordered, in a store that knows a difference. It reaches the disk within a second or with the next synced write, whichever comes first; a crash
    /// in between forgets it, but never gives its revision to another write. For records that are renewed anyway.
    Lazy,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No record under the key.
    Absent,
    /// The record last changed at this revision.
    Revision(Revision),
}

/// What a write does.
#[derive(Debug)]
pub enum Change<R> {
    /// Stores a value; `record` is its form in memory, not stamped yet.
    Put {
        /// What goes to the disk.
        value: Bytes,
        /// What stays in memory.
        record: R,
    },
    /// Removes the record.
    Delete,
}

/// One write, done entirely or not at all.
#[derive(Debug)]
pub struct Write<R> {
    /// The key.
    pub key: String,
    /// Condition.
    pub expect: Expect,
    /// Effect.
    pub change: Change<R>,
    /// When it counts as done.
    pub durability: Durability,
}

/// A condition on records.
pub type Filter<'a, R> = dyn Fn(&Entry<R>) -> bool + Sync + 'a;

/// Which records of a collection to read, in the order of their keys.
pub struct Range<'a, R> {
    /// All keys that start with it; whole segments, ending in `/`.
    pub prefix: &'a str,
    /// Only records with this term.
    pub term: Option<&'a str>,
    /// First key to consider, itself included; empty starts at the beginning.
    pub start: &'a str,
    /// Only records that satisfy it.
    pub filter: Option<&'a Filter<'a, R>>,
    /// At most so many; 0 is all.
    pub limit: usize,
    /// As of this revision; `None` is now.
    pub at: Option<Revision>,
}

/// Records as of one revision.
pub struct Page<R> {
    /// The records.
    pub entries: Vec<Arc<Entry<R>>>,
    /// Key at which the next page starts, if the limit cut this one.
    pub next: Option<Arc<str>>,
    /// How many records follow this page; known only without filter and term.
    pub remaining: Option<usize>,
    /// The revision.
    pub revision: Revision,
}

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// What it expected was not so.
    #[error("the record is not as expected")]
    Conflict,
    /// The store cannot be reached now. Nothing was written.
    #[error("the store does not answer: {0}")]
    Unavailable(Arc<str>),
    /// The store does not want it. Nothing was written.
    #[error("the store refused: {0}")]
    Refused(Arc<str>),
    /// The answer was lost, and it could not be found out whether the write was done.
    #[error("it is not known whether the write was done: {0}")]
    Uncertain(Arc<str>),
    /// The store takes no writes any more.
    #[error("the store has stopped: {0}")]
    Stopped(Arc<str>),
}

/// Why a read was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// History no longer reaches back to the revision.
    #[error("the history before revision {oldest} is gone")]
    Compacted {
        /// Oldest revision that can be read and watched from.
        oldest: Revision,
    },
    /// The revision is yet to come.
    #[error("revision {current} is the newest")]
    Future {
        /// The newest revision.
        current: Revision,
    },
    /// The store cannot be reached now, so that nobody knows whether what is in memory is the newest.
    #[error("the store does not answer: {0}")]
    Unavailable(Arc<str>),
    /// The store is closed or has failed.
    #[error("the store has stopped: {0}")]
    Stopped(Arc<str>),
}

/// A place for records: the doors that every kind of store has.
#[async_trait::async_trait]
pub trait Store<R: Record>: Send + Sync + 'static {
    /// Does one write and says what happened.
    async fn write(&self, write: Write<R>) -> Result<Arc<Event<R>>, WriteError>;

    /// The newest record under a key, at least as new as every write acknowledged before the call.
    async fn get(&self, key: &str) -> Result<Option<Arc<Entry<R>>>, ReadError>;

    /// Records in order of keys, as of one revision; the newest is at least as new as every write acknowledged before the call.
    async fn range(&self, range: Range<'_, R>) -> Result<Page<R>, ReadError>;

    /// Every event in a scope after revision `from`, in order, none left out and none twice.
    async fn watch(&self, scope: Scope, from: Revision) -> Result<Watch<R>, ReadError>;

    /// The revision of the newest write, at least as new as every write acknowledged before the call.
    async fn revision(&self) -> Result<Revision, ReadError>;

    /// Waits until the newest write is at least `revision`.
    async fn reached(&self, revision: Revision) -> Result<(), ReadError>;

    /// Forgets what is older than `revision`.
    async fn compact(&self, revision: Revision) -> Result<(), ReadError>;

    /// Whether writes are taken, as far as is known without asking.
    fn is_serving(&self) -> bool;

    /// How many values were found that are no records, and left out.
    fn unreadable(&self) -> usize {
        0
    }

    /// Waits until the store has stopped, and says why.
    async fn stopped(&self) -> Arc<str>;

    /// Takes no more writes and makes everything durable.
    async fn close(&self);
}
