//! The one who decides writes in order, and commits those that are waiting together.

use super::disk::{Disk, Stored};
use crate::{Change, Durability, Entry, Event, Expect, Record, Revision, Write, WriteError, memory::Memory};
use bytes::Bytes;
use std::{collections::HashMap, io, sync::Arc, thread, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// Most writes of one commit, so that the first does not wait for too many others.
const BATCH: usize = 1024;

/// Longest time that a lazy write may stay off the disk.
const LAZY: Duration = Duration::from_secs(1);

type Reply<R> = oneshot::Sender<Result<Arc<Event<R>>, WriteError>>;

/// What the sequencer is asked for.
#[derive(Debug)]
pub(super) enum Request<R> {
    Write(Write<R>, Reply<R>),
    /// Make everything durable and end.
    Close(oneshot::Sender<()>),
}

/// Starts the sequencer's thread. It ends on [`Request::Close`], when nobody is left who could write, or when the disk fails.
pub(super) fn spawn<R: Record>(disk: Disk, memory: Arc<Memory<R>>, queue: mpsc::Receiver<Request<R>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let name = "store".to_owned();
    thread::Builder::new().name(name).spawn(move || runtime.block_on(run(disk, &memory, queue))).map(drop)
}

async fn run<R: Record>(mut disk: Disk, memory: &Memory<R>, mut queue: mpsc::Receiver<Request<R>>) {
    let mut flush_at = None;
    let close = loop {
        let received = match flush_at {
            // However many lazy writes keep coming, what came first is due.
            Some(deadline) if Instant::now() >= deadline => None,
            Some(deadline) => timeout_at(deadline, queue.recv()).await.ok(),
            None => Some(queue.recv().await),
        };
        let outcome = match received {
            None => disk.flush(),
            Some(None) => break None,
            Some(Some(Request::Close(done))) => break Some(done),
            Some(Some(Request::Write(write, reply))) => {
                let (batch, close) = gather((write, reply), &mut queue);
                let outcome = commit(&mut disk, memory, batch);
                if close.is_some() && outcome.is_ok() {
                    break close;
                }
                outcome
            }
        };
        if let Err(error) = outcome {
            // What a failed flush left on the disk is unknown; only a new start, which reads it again, may go on.
            tracing::error!(%error, "the disk failed; the store takes no more writes");
            return memory.stop(&format!("the disk failed: {error}"));
        }
        flush_at = disk.lazy_pending().then(|| flush_at.unwrap_or_else(|| Instant::now() + LAZY));
    };
    let why = match disk.close(memory.revision()) {
        Ok(()) => "closed".to_owned(),
        Err(error) => format!("the disk failed while closing: {error}"),
    };
    memory.stop(&why);
    if let Some(done) = close {
        // Nobody has to wait for it.
        let _ = done.send(());
    }
}

type Batch<R> = Vec<(Write<R>, Reply<R>)>;

/// The first write and those that wait behind it, up to a request to close.
fn gather<R>(first: (Write<R>, Reply<R>), queue: &mut mpsc::Receiver<Request<R>>) -> (Batch<R>, Option<oneshot::Sender<()>>) {
    let mut batch = vec![first];
    while batch.len() < BATCH {
        match queue.try_recv() {
            Ok(Request::Write(write, reply)) => batch.push((write, reply)),
            Ok(Request::Close(done)) => return (batch, Some(done)),
            Err(_) => break,
        }
    }
    (batch, None)
}

/// A write that will happen.
struct Decided<R> {
    event: Arc<Event<R>>,
    value: Option<Bytes>,
    durability: Durability,
    reply: Reply<R>,
}

/// Decides the batch, makes it durable, makes it visible, and answers, in this order.
fn commit<R: Record>(disk: &mut Disk, memory: &Memory<R>, batch: Batch<R>) -> Result<(), redb::Error> {
    let decided = decide(memory, batch);
    if decided.is_empty() {
        return Ok(());
    }
    let all_lazy = decided.iter().all(|write| write.durability == Durability::Lazy);
    let changes: Vec<_> = decided.iter().map(stored).collect();
    let outcome = disk.commit(&changes, if all_lazy { Durability::Lazy } else { Durability::Synced });
    if let Err(error) = outcome {
        let why: Arc<str> = format!("the disk failed: {error}").into();
        for write in decided {
            let _ = write.reply.send(Err(WriteError::Stopped(Arc::clone(&why))));
        }
        return Err(error);
    }
    let events: Vec<_> = decided.iter().map(|write| Arc::clone(&write.event)).collect();
    memory.apply(&events);
    for write in decided {
        // The writer may have gone; his write stands.
        let _ = write.reply.send(Ok(write.event));
    }
    Ok(())
}

fn stored<R>(write: &Decided<R>) -> Stored<'_> {
    let event = &write.event;
    let created = event.current.as_ref().map_or(0, |entry| entry.created);
    Stored { key: &event.key, created, revision: event.revision, value: write.value.as_deref() }
}

/// Gives revisions to the writes whose expectation holds, seeing those before them in the batch; answers the others.
fn decide<R: Record>(memory: &Memory<R>, batch: Batch<R>) -> Vec<Decided<R>> {
    let mut newest = memory.revision();
    let mut ahead: HashMap<Arc<str>, Option<Arc<Entry<R>>>> = HashMap::new();
    let mut decided = Vec::with_capacity(batch.len());
    for (write, reply) in batch {
        let previous = ahead.get(write.key.as_str()).cloned().unwrap_or_else(|| memory.get(&write.key));
        let holds = match write.expect {
            Expect::Absent => previous.is_none(),
            Expect::Revision(revision) => previous.as_ref().is_some_and(|entry| entry.revision == revision),
        };
        let durability = write.durability;
        if !holds || (previous.is_none() && matches!(write.change, Change::Delete)) {
            let _ = reply.send(Err(WriteError::Conflict));
            continue;
        }
        newest += 1;
        let (event, value) = happen(write, previous, newest);
        ahead.insert(Arc::clone(&event.key), event.current.clone());
        decided.push(Decided { event: Arc::new(event), value, durability, reply });
    }
    decided
}

fn happen<R: Record>(write: Write<R>, previous: Option<Arc<Entry<R>>>, revision: Revision) -> (Event<R>, Option<Bytes>) {
    let key = previous.as_ref().map_or_else(|| Arc::from(write.key.as_str()), |entry| Arc::clone(&entry.key));
    match write.change {
        Change::Delete => (Event::new(revision, key, None, previous), None),
        Change::Put { value, record } => {
            let created = previous.as_ref().map_or(revision, |entry| entry.created);
            let entry = Entry { key: Arc::clone(&key), created, revision, record: record.stamped(revision) };
            (Event::new(revision, key, Some(Arc::new(entry)), previous), Some(value))
        }
    }
}
