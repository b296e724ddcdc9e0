//! Watching: who hears of which event, and how a listener that fell behind is brought up again.

use crate::{Event, ReadError, Record, Revision, memory::Memory};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Events that may wait for one watcher before he is cut off from the live stream.
const QUEUE: usize = 4096;

/// What a watcher wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every key that starts with it; whole segments, ending in `/`.
    Prefix(String),
    /// One key.
    Key(String),
    /// Every record of a collection that has, or has just lost, a term.
    Term {
        /// The collection, without `/`.
        collection: String,
        /// The term.
        term: String,
    },
}

impl Scope {
    /// The collection that all its keys are in.
    pub(crate) fn collection(&self) -> &str {
        match self {
            Self::Prefix(path) | Self::Key(path) => path.split('/').next().unwrap_or_default(),
            Self::Term { collection, .. } => collection,
        }
    }

    pub(crate) fn covers<R: Record>(&self, event: &Event<R>) -> bool {
        match self {
            Self::Prefix(prefix) => event.key.starts_with(prefix.as_str()),
            Self::Key(key) => *event.key == **key,
            Self::Term { term, .. } => terms(event).any(|own| own == term),
        }
    }
}

/// The terms of a record before and after, each once.
fn terms<R: Record>(event: &Event<R>) -> impl Iterator<Item = &str> {
    let before = event.previous.as_ref().and_then(|entry| entry.record.term());
    let after = event.current.as_ref().and_then(|entry| entry.record.term());
    before.into_iter().chain(after.filter(|term| before != Some(*term)))
}

/// The live listeners of one collection, found by what they listen to: an event costs as much as it has listeners.
#[derive(Debug)]
pub(crate) struct Fanout<R> {
    by_path: Listeners<R>,
    by_term: Listeners<R>,
}

type Listeners<R> = HashMap<Box<str>, Vec<mpsc::Sender<Arc<Event<R>>>>>;

impl<R: Record> Fanout<R> {
    pub(crate) fn new() -> Self {
        Self { by_path: HashMap::new(), by_term: HashMap::new() }
    }

    pub(crate) fn subscribe(&mut self, scope: &Scope) -> mpsc::Receiver<Arc<Event<R>>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (listeners, name) = match scope {
            Scope::Prefix(path) | Scope::Key(path) => (&mut self.by_path, path),
            Scope::Term { term, .. } => (&mut self.by_term, term),
        };
        let list = listeners.entry(name.as_str().into()).or_default();
        list.retain(|listener| !listener.is_closed());
        list.push(sender);
        receiver
    }

    /// Cuts off whoever has no room left for so many events.
    pub(crate) fn keep_those_with_room(&mut self, events: usize) {
        for listeners in [&mut self.by_path, &mut self.by_term] {
            for list in listeners.values_mut() {
                list.retain(|listener| listener.capacity() >= events);
            }
        }
    }

    /// Hands an event to everybody whose scope covers it. Whoever has no room left loses his live stream.
    pub(crate) fn publish(&mut self, event: &Arc<Event<R>>) {
        let key = &*event.key;
        let prefixes = key.match_indices('/').map(|(at, _)| &key[..=at]);
        for path in prefixes.chain([key]) {
            deliver(&mut self.by_path, path, event);
        }
        for term in terms(event) {
            deliver(&mut self.by_term, term, event);
        }
    }
}

fn deliver<R>(listeners: &mut Listeners<R>, name: &str, event: &Arc<Event<R>>) {
    if let Some(list) = listeners.get_mut(name) {
        list.retain(|listener| listener.try_send(Arc::clone(event)).is_ok());
        if list.is_empty() {
            listeners.remove(name);
        }
    }
}

/// A stream of events. Dropping it ends the watch.
///
/// A watcher that is too slow for the live stream is cut off from it, and continues from history when he comes back; only
/// when history no longer reaches back to where he was does he get [`ReadError::Compacted`].
#[derive(Debug)]
pub struct Watch<R> {
    memory: Arc<Memory<R>>,
    scope: Scope,
    backlog: VecDeque<Arc<Event<R>>>,
    queue: mpsc::Receiver<Arc<Event<R>>>,
    seen: Revision,
}

impl<R: Record> Watch<R> {
    pub(crate) fn new(memory: Arc<Memory<R>>, scope: Scope, from: Revision) -> Result<Self, ReadError> {
        let (backlog, queue) = memory.subscribe(&scope, from)?;
        Ok(Self { memory, scope, backlog, queue, seen: from })
    }

    /// The next event. May be dropped while waiting without losing one.
    ///
    /// # Errors
    /// When the watcher fell behind what history keeps, or the store stopped. The watch is over then.
    pub async fn next(&mut self) -> Result<Arc<Event<R>>, ReadError> {
        loop {
            if let Some(event) = self.backlog.pop_front() {
                self.seen = event.revision;
                return Ok(event);
            }
            if let Some(event) = self.queue.recv().await {
                self.seen = event.revision;
                return Ok(event);
            }
            (self.backlog, self.queue) = self.memory.subscribe(&self.scope, self.seen)?;
        }
    }

    /// The next event if it is there already.
    pub fn try_next(&mut self) -> Option<Arc<Event<R>>> {
        let event = self.backlog.pop_front().or_else(|| self.queue.try_recv().ok())?;
        self.seen = event.revision;
        Some(event)
    }

    /// The newest revision, if every event of the scope up to it has been handed out already.
    pub fn progress(&mut self) -> Option<Revision> {
        // Events are queued before their revision becomes visible: nothing up to this one can still be on its way.
        let current = self.memory.revision();
        let nothing_waits = self.backlog.is_empty() && self.queue.is_empty() && !self.queue.is_closed();
        nothing_waits.then(|| {
            self.seen = self.seen.max(current);
            self.seen
        })
    }
}
