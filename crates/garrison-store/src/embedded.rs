//! A store of one process on its own disk: redb keeps the records, memory serves the reads.
//!
//! One thread takes all writes that are waiting, decides them in order, and makes them durable in one commit; then they
//! become visible, the watchers hear of them, and the writers get their answers. Concurrent writers thus share one flush of
//! the disk. Recovery is redb's own; memory is rebuilt from it, history starts anew.
//!
//! Revisions are never given twice, also not after a crash that forgot lazy writes: the disk holds a ceiling above every
//! revision given, and a start after a crash continues from there.

mod disk;
mod sequencer;
#[cfg(test)]
mod tests;

pub use disk::OpenError;

use crate::{
    Entry, Event, Page, Range, ReadError, Record, Retention, Revision, Scope, Store, Watch, Write, WriteError, memory::Memory,
};
use disk::Disk;
use sequencer::Request;
use std::{path::Path, sync::Arc};
use tokio::sync::{mpsc, oneshot};

/// Writes that may wait for the sequencer before writers wait for room.
const QUEUE: usize = 4096;

/// The embedded store.
#[derive(Debug)]
pub struct Embedded<R> {
    memory: Arc<Memory<R>>,
    requests: mpsc::Sender<Request<R>>,
}

impl<R: Record> Embedded<R> {
    /// Opens the store in the file `path`, or makes a new one there.
    ///
    /// # Errors
    /// When another process has it open, when it is damaged or cannot be read, or when it holds what this program does not
    /// understand. Nothing is changed then.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, OpenError> {
        let (disk, recovered) = Disk::open(path)?;
        let records = recovered.records.into_iter().map(|(key, created, revision, value)| {
            let record = R::load(&key, value).map_err(|why| OpenError::Record { path: path.into(), key: key.clone(), why })?;
            Ok(Entry { key: key.into(), created, revision, record: record.stamped(revision) })
        });
        let entries = records.collect::<Result<Vec<_>, OpenError>>()?;
        let memory = Arc::new(Memory::new(entries, recovered.revision, retention));
        let (requests, queue) = mpsc::channel(QUEUE);
        sequencer::spawn(disk, Arc::clone(&memory), queue).map_err(|source| OpenError::Io { path: path.into(), source })?;
        Ok(Self { memory, requests })
    }

    fn stopped_error(&self) -> WriteError {
        WriteError::Stopped(self.memory.why_stopped().unwrap_or_else(|| "closed".into()))
    }
}

#[async_trait::async_trait]
impl<R: Record> Store<R> for Embedded<R> {
    async fn write(&self, write: Write<R>) -> Result<Arc<Event<R>>, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Write(write, reply)).await.map_err(|_| self.stopped_error())?;
        answer.await.map_err(|_| self.stopped_error())?
    }

    async fn get(&self, key: &str) -> Result<Option<Arc<Entry<R>>>, ReadError> {
        Ok(self.memory.get(key))
    }

    async fn range(&self, range: Range<'_, R>) -> Result<Page<R>, ReadError> {
        self.memory.range(&range)
    }

    async fn watch(&self, scope: Scope, from: Revision) -> Result<Watch<R>, ReadError> {
        Watch::new(Arc::clone(&self.memory), scope, from)
    }

    async fn revision(&self) -> Result<Revision, ReadError> {
        Ok(self.memory.revision())
    }

    async fn reached(&self, revision: Revision) -> Result<(), ReadError> {
        self.memory.reached(revision).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), ReadError> {
        self.memory.compact(revision)
    }

    fn is_serving(&self) -> bool {
        self.memory.why_stopped().is_none()
    }

    async fn stopped(&self) -> Arc<str> {
        self.memory.stopped().await
    }

    async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.requests.send(Request::Close(reply)).await.is_ok() {
            // An error means that it had stopped already, which is what was asked for.
            let _ = done.await;
        }
    }
}
