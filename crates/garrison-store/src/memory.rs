//! The newest state and the recent past in memory: what all reads and watches are served from.

use crate::{Entry, Event, Page, Range, ReadError, Record, Retention, Revision, Scope, history::History, watch::Fanout};
use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
    time::Instant,
};
use tokio::sync::{mpsc, watch};

#[cfg(test)]
pub(crate) mod tests;

/// Memory shared by the one who applies writes and all who read.
#[derive(Debug)]
pub(crate) struct Memory<R> {
    state: RwLock<State<R>>,
    newest: watch::Sender<Revision>,
    stopped: watch::Sender<Option<Arc<str>>>,
    retention: Retention,
}

#[derive(Debug)]
struct State<R> {
    collections: HashMap<Box<str>, Collection<R>>,
    revision: Revision,
    /// History of a collection that has none yet starts here.
    floor: Revision,
}

#[derive(Debug)]
struct Collection<R> {
    entries: BTreeMap<Arc<str>, Arc<Entry<R>>>,
    by_term: HashMap<Box<str>, BTreeSet<Arc<str>>>,
    /// What the records take.
    bytes: usize,
    history: History<R>,
    fanout: Fanout<R>,
}

type Subscription<R> = (VecDeque<Arc<Event<R>>>, mpsc::Receiver<Arc<Event<R>>>);

impl<R: Record> Memory<R> {
    /// Memory as recovered: the records, and the revision after which new ones come.
    pub(crate) fn new(entries: Vec<Entry<R>>, revision: Revision, retention: Retention) -> Self {
        let state = RwLock::new(State::new(entries, revision));
        Self { state, newest: watch::Sender::new(revision), stopped: watch::Sender::new(None), retention }
    }

    /// Starts anew with what there is at `revision`, when nobody knows what led there. Watches hand out what came before and end.
    pub(crate) fn replace(&self, entries: Vec<Entry<R>>, revision: Revision) {
        let mut state = self.state.write();
        *state = State::new(entries, revision);
        self.newest.send_replace(revision);
    }

    pub(crate) fn revision(&self) -> Revision {
        *self.newest.borrow()
    }

    pub(crate) async fn reached(&self, revision: Revision) -> Result<(), ReadError> {
        let (mut newest, mut stopped) = (self.newest.subscribe(), self.stopped.subscribe());
        tokio::select! {
            reached = newest.wait_for(|newest| *newest >= revision) => reached.map(drop).map_err(|_| ReadError::Stopped("closed".into())),
            why = stopped.wait_for(Option::is_some) => Err(ReadError::Stopped(why.ok().and_then(|why| why.clone()).unwrap_or_default())),
        }
    }

    /// No event will ever follow. Watches end once they have handed out what came before.
    pub(crate) fn stop(&self, why: &str) {
        self.stopped.send_if_modified(|stopped| {
            let first = stopped.is_none();
            if first {
                *stopped = Some(why.into());
            }
            first
        });
        for collection in self.state.write().collections.values_mut() {
            collection.fanout = Fanout::new();
        }
    }

    /// Why no event will follow any more, if so.
    pub(crate) fn why_stopped(&self) -> Option<Arc<str>> {
        self.stopped.borrow().clone()
    }

    pub(crate) async fn stopped(&self) -> Arc<str> {
        let mut stopped = self.stopped.subscribe();
        stopped.wait_for(Option::is_some).await.ok().and_then(|why| why.clone()).unwrap_or_default()
    }

    /// Makes events true and tells the watchers, in order. Those of one revision come together.
    pub(crate) fn apply(&self, events: &[Arc<Event<R>>]) {
        let now = Instant::now();
        let mut state = self.state.write();
        for together in events.chunk_by(|one, next| one.revision == next.revision).filter(|together| together.len() > 1) {
            state.make_room(together);
        }
        for event in events {
            let collection = state.collection(collection_of(&event.key));
            collection.replace(&event.key, event.current.clone());
            collection.history.push(now, Arc::clone(event), &self.retention, collection.bytes);
            collection.fanout.publish(event);
            state.revision = event.revision;
        }
        self.newest.send_replace(state.revision);
    }

    /// All events up to `revision` have been applied, also if none was of it.
    pub(crate) fn advance(&self, revision: Revision) {
        let mut state = self.state.write();
        state.revision = state.revision.max(revision);
        self.newest.send_replace(state.revision);
    }

    /// What has happened to a record after `revision`; `None` when history does not reach back to it.
    pub(crate) fn events_of(&self, key: &str, revision: Revision) -> Option<Vec<Arc<Event<R>>>> {
        let state = self.state.read();
        let Some(collection) = state.collections.get(collection_of(key)) else {
            return (revision >= state.floor).then(Vec::new);
        };
        let kept = revision >= collection.history.floor();
        kept.then(|| collection.history.after(revision).filter(|event| &*event.key == key).cloned().collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Entry<R>>> {
        self.state.read().collections.get(collection_of(key))?.entries.get(key).cloned()
    }

    pub(crate) fn range(&self, range: &Range<'_, R>) -> Result<Page<R>, ReadError> {
        let state = self.state.read();
        let revision = range.at.unwrap_or(state.revision);
        if revision > state.revision {
            return Err(ReadError::Future { current: state.revision });
        }
        let Some(collection) = state.collections.get(collection_of(range.prefix)) else {
            let before = revision < state.floor;
            let nothing = Page { entries: Vec::new(), next: None, remaining: Some(0), revision };
            return if before { Err(ReadError::Compacted { oldest: state.floor }) } else { Ok(nothing) };
        };
        if range.at.is_some() && revision < collection.history.floor() {
            return Err(ReadError::Compacted { oldest: collection.history.floor() });
        }
        let past = if revision == state.revision { BTreeMap::new() } else { collection.past(revision) };
        Ok(collection.page(range, &past, revision))
    }

    pub(crate) fn subscribe(&self, scope: &Scope, from: Revision) -> Result<Subscription<R>, ReadError> {
        let mut state = self.state.write();
        // Asked under the lock: whoever stops the memory says so first and then, under the lock, ends the listeners.
        if let Some(why) = self.why_stopped() {
            return Err(ReadError::Stopped(why));
        }
        if from > state.revision {
            return Err(ReadError::Future { current: state.revision });
        }
        let collection = state.collection(scope.collection());
        if from < collection.history.floor() {
            return Err(ReadError::Compacted { oldest: collection.history.floor() });
        }
        let backlog = collection.history.after(from).filter(|event| scope.covers(event)).cloned().collect();
        Ok((backlog, collection.fanout.subscribe(scope)))
    }

    pub(crate) fn compact(&self, revision: Revision) -> Result<(), ReadError> {
        let mut state = self.state.write();
        if revision > state.revision {
            return Err(ReadError::Future { current: state.revision });
        }
        state.floor = state.floor.max(revision);
        for collection in state.collections.values_mut() {
            collection.history.compact(revision);
        }
        Ok(())
    }
}

impl<R: Record> State<R> {
    fn new(entries: Vec<Entry<R>>, revision: Revision) -> Self {
        let mut state = Self { collections: HashMap::new(), revision, floor: revision };
        for entry in entries {
            let entry = Arc::new(entry);
            let collection = state.collection(collection_of(&entry.key));
            collection.replace(&Arc::clone(&entry.key), Some(entry));
        }
        state
    }

    /// Sees to it that every listener gets all events of a revision or none: he continues after revisions, not within one.
    fn make_room(&mut self, together: &[Arc<Event<R>>]) {
        for event in together {
            self.collection(collection_of(&event.key)).fanout.keep_those_with_room(together.len());
        }
    }

    fn collection(&mut self, name: &str) -> &mut Collection<R> {
        if !self.collections.contains_key(name) {
            self.collections.insert(name.into(), Collection::new(self.floor));
        }
        self.collections.get_mut(name).expect("inserted above if it was absent")
    }
}

impl<R: Record> Collection<R> {
    fn new(floor: Revision) -> Self {
        Self { entries: BTreeMap::new(), by_term: HashMap::new(), bytes: 0, history: History::new(floor), fanout: Fanout::new() }
    }

    fn replace(&mut self, key: &Arc<str>, current: Option<Arc<Entry<R>>>) {
        let term_now = current.as_ref().and_then(|entry| entry.record.term()).map(Box::<str>::from);
        self.bytes += current.as_ref().map_or(0, |entry| entry.record.size());
        let previous = match current {
            Some(entry) => self.entries.insert(Arc::clone(key), entry),
            None => self.entries.remove(key),
        };
        self.bytes -= previous.as_ref().map_or(0, |entry| entry.record.size());
        let term_before = previous.as_ref().and_then(|entry| entry.record.term());
        if term_before == term_now.as_deref() {
            return;
        }
        if let Some(term) = term_before
            && let Some(keys) = self.by_term.get_mut(term)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_term.remove(term);
            }
        }
        if let Some(term) = term_now {
            self.by_term.entry(term).or_default().insert(Arc::clone(key));
        }
    }

    /// For every key that has changed since `revision`: what was there at that time.
    fn past(&self, revision: Revision) -> BTreeMap<Arc<str>, Option<Arc<Entry<R>>>> {
        let newest_first = self.history.after(revision).rev();
        newest_first.map(|event| (Arc::clone(&event.key), event.previous.clone())).collect()
    }

    fn page(&self, range: &Range<'_, R>, past: &BTreeMap<Arc<str>, Option<Arc<Entry<R>>>>, revision: Revision) -> Page<R> {
        let mut page = Page { entries: Vec::new(), next: None, remaining: None, revision };
        let wanted = |entry: &Entry<R>| {
            range.term.is_none_or(|term| entry.record.term() == Some(term)) && range.filter.is_none_or(|filter| filter(entry))
        };
        let mut rest = self.walk(range, past);
        for entry in rest.by_ref() {
            if !wanted(&entry) {
                continue;
            }
            if range.limit > 0 && page.entries.len() == range.limit {
                page.next = Some(Arc::clone(&entry.key));
                break;
            }
            page.entries.push(entry);
        }
        if range.filter.is_none() && range.term.is_none() {
            page.remaining = Some(rest.count() + usize::from(page.next.is_some()));
        }
        page
    }

    /// The entries from the start of the range on, with the past laid over the present.
    fn walk<'a>(
        &'a self,
        range: &'a Range<'_, R>,
        past: &'a BTreeMap<Arc<str>, Option<Arc<Entry<R>>>>,
    ) -> Box<dyn Iterator<Item = Arc<Entry<R>>> + 'a> {
        let start = if range.start > range.prefix { range.start } else { range.prefix };
        let bounds = (Bound::Included(start), Bound::Unbounded);
        let inside = |key: &Arc<str>| key.starts_with(range.prefix);
        if past.is_empty()
            && let Some(term) = range.term
        {
            let keys = self.by_term.get(term).into_iter().flat_map(move |keys| keys.range::<str, _>(bounds));
            return Box::new(keys.take_while(move |key| inside(key)).filter_map(|key| self.entries.get(key).cloned()));
        }
        let mut present = self.entries.range::<str, _>(bounds).take_while(move |(key, _)| inside(key)).peekable();
        let mut past = past.range::<str, _>(bounds).take_while(move |(key, _)| inside(key)).peekable();
        Box::new(std::iter::from_fn(move || {
            loop {
                let was_next = match (present.peek(), past.peek()) {
                    (Some((now, _)), Some((was, _))) => was <= now,
                    (None, Some(_)) => true,
                    _ => false,
                };
                if !was_next {
                    return present.next().map(|(_, entry)| Arc::clone(entry));
                }
                let (key, was) = past.next()?;
                present.next_if(|(now, _)| *now == key);
                if let Some(entry) = was {
                    return Some(Arc::clone(entry));
                }
            }
        }))
    }
}

/// The first segment of a key.
fn collection_of(key: &str) -> &str {
    key.split('/').next().unwrap_or_default()
}
