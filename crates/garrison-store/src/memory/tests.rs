//! Memory against a model of all its past states.

use crate::{Entry, Event, Page, Range, ReadError, Record, Retention, Revision, Scope, Watch, memory::Memory};
use bytes::Bytes;
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A record that is a text; what follows a `@` in it is its term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) revision: Revision,
}

impl Text {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), revision: 0 }
    }
}

impl Record for Text {
    fn load(key: &str, value: Bytes) -> Result<Self, String> {
        String::from_utf8(value.into()).map(Self::new).map_err(|_| format!("{key} is no text"))
    }

    fn stamped(&self, revision: Revision) -> Self {
        Self { text: self.text.clone(), revision }
    }

    fn term(&self) -> Option<&str> {
        self.text.split_once('@').map(|(_, term)| term)
    }

    fn size(&self) -> usize {
        self.text.len()
    }
}

/// Memory, and next to it every state that it has ever had.
struct Modelled {
    memory: Arc<Memory<Text>>,
    states: Vec<BTreeMap<String, String>>,
}

impl Modelled {
    fn new(retention: Retention) -> Self {
        Self { memory: Arc::new(Memory::new(Vec::new(), 0, retention)), states: vec![BTreeMap::new()] }
    }

    fn revision(&self) -> Revision {
        self.states.len() as Revision - 1
    }

    /// Writes `text`, or removes the record; a removal of nothing is not a write.
    fn write(&mut self, key: &str, text: Option<String>) {
        let previous = self.memory.get(key);
        if previous.is_none() && text.is_none() {
            return;
        }
        let revision = self.revision() + 1;
        let mut state = self.states.last().expect("starts with one").clone();
        let current = text.map(|text| {
            state.insert(key.into(), text.clone());
            let created = previous.as_ref().map_or(revision, |entry| entry.created);
            Arc::new(Entry { key: key.into(), created, revision, record: Text { text, revision } })
        });
        if current.is_none() {
            state.remove(key);
        }
        self.states.push(state);
        self.memory.apply(&[Arc::new(Event::new(revision, key.into(), current, previous))]);
    }
}

fn contents(page: &Page<Text>) -> Vec<(String, String)> {
    page.entries.iter().map(|entry| (entry.key.to_string(), entry.record.text.clone())).collect()
}

fn everything<'a>(prefix: &'a str) -> Range<'a, Text> {
    Range { prefix, term: None, start: "", filter: None, limit: 0, at: None }
}

fn key() -> impl Strategy<Value = String> {
    (0..2_u8, 0..3_u8, 0..4_u8).prop_map(|(collection, group, name)| format!("c{collection}/g{group}/n{name}"))
}

fn writes() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    let text = (0..9_u8, 0..3_u8).prop_map(|(text, term)| format!("t{text}@{term}"));
    prop::collection::vec((key(), prop::option::weighted(0.7, text)), 1..60)
}

proptest! {
    #[test]
    fn every_kept_revision_reads_as_it_was(writes in writes(), limit in 1..5_usize) {
        let mut modelled = Modelled::new(Retention::default());
        for (key, text) in writes {
            modelled.write(&key, text);
        }
        for (revision, state) in modelled.states.iter().enumerate() {
            for prefix in ["c0/", "c1/g1/"] {
                let expected: Vec<_> = state.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(k, t)| (k.clone(), t.clone())).collect();
                let mut paged = Vec::new();
                let mut start = String::new();
                loop {
                    let range = Range { at: Some(revision as u64), limit, start: &start, ..everything(prefix) };
                    let page = modelled.memory.range(&range).unwrap();
                    paged.extend(contents(&page));
                    prop_assert_eq!(page.remaining, Some(expected.len() - paged.len()));
                    let Some(next) = page.next else { break };
                    start = next.to_string();
                }
                prop_assert_eq!(&paged, &expected);
                let by_term: Vec<_> = expected.iter().filter(|(_, text)| text.ends_with("@1")).cloned().collect();
                let range = Range { at: Some(revision as u64), term: Some("1"), ..everything(prefix) };
                prop_assert_eq!(contents(&modelled.memory.range(&range).unwrap()), by_term);
            }
        }
    }

    #[test]
    fn a_watch_turns_any_kept_state_into_the_newest(writes in writes(), from in 0..60_usize) {
        let mut modelled = Modelled::new(Retention::default());
        let (before, after) = writes.split_at(from.min(writes.len()));
        for (key, text) in before {
            modelled.write(key, text.clone());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let from = modelled.revision() / 2;
        let mut state = modelled.states[from as usize].clone();
        let mut watch = Watch::new(Arc::clone(&modelled.memory), Scope::Prefix("c0/g1/".into()), from).unwrap();
        for (key, text) in after {
            modelled.write(key, text.clone());
        }
        let mut last = from;
        while watch.progress().is_none() {
            let event = runtime.block_on(watch.next()).unwrap();
            prop_assert!(event.revision > last && event.key.starts_with("c0/g1/"));
            last = event.revision;
            let before = event.previous.as_ref().map(|entry| entry.record.text.clone());
            let had = match &event.current {
                Some(entry) => state.insert(event.key.to_string(), entry.record.text.clone()),
                None => state.remove(&*event.key),
            };
            prop_assert_eq!(had, before);
        }
        let newest = modelled.states.last().unwrap();
        state.retain(|key, _| key.starts_with("c0/g1/"));
        let expected: BTreeMap<_, _> = newest.iter().filter(|(key, _)| key.starts_with("c0/g1/")).map(|(k, t)| (k.clone(), t.clone())).collect();
        prop_assert_eq!(state, expected);
    }
}

#[tokio::test]
async fn a_term_is_watched_through_gain_and_loss() {
    let mut modelled = Modelled::new(Retention::default());
    let scope = Scope::Term { collection: "c0".into(), term: "1".into() };
    let mut watch = Watch::new(Arc::clone(&modelled.memory), scope, 0).unwrap();
    for text in ["a@0", "b@1", "c@1", "d@0", "e@0"] {
        modelled.write("c0/g/n", Some(text.into()));
    }
    modelled.write("c0/g/n", None);
    let mut seen = Vec::new();
    while watch.progress().is_none() {
        let event = watch.next().await.unwrap();
        let text = |entry: &Option<Arc<Entry<Text>>>| entry.as_ref().map(|entry| entry.record.text.clone());
        seen.push((text(&event.previous), text(&event.current)));
    }
    let pair = |before: &str, after: &str| (Some(before.to_owned()), Some(after.to_owned()));
    assert_eq!(seen, [pair("a@0", "b@1"), pair("b@1", "c@1"), pair("c@1", "d@0")]);
}

#[tokio::test]
async fn a_slow_watcher_continues_from_history_while_it_lasts() {
    const MANY: u64 = 10_000;
    let mut watches = Vec::new();
    for (bytes, expected) in [(usize::MAX, MANY), (100_000, 4096)] {
        let mut modelled = Modelled::new(Retention { age: Duration::MAX, least: bytes, most: bytes });
        let mut watch = Watch::new(Arc::clone(&modelled.memory), Scope::Prefix("c0/".into()), 0).unwrap();
        for _ in 0..MANY {
            modelled.states.truncate(1);
            let revision = modelled.memory.revision() + 1;
            let entry = Entry { key: "c0/g/n".into(), created: 1, revision, record: Text::new("t") };
            let event = Event::new(revision, "c0/g/n".into(), Some(Arc::new(entry)), modelled.memory.get("c0/g/n"));
            modelled.memory.apply(&[Arc::new(event)]);
        }
        let mut seen = 0;
        while seen < MANY {
            match watch.next().await {
                Ok(event) => {
                    seen += 1;
                    assert_eq!(event.revision, seen);
                }
                Err(error) => {
                    assert!(matches!(error, ReadError::Compacted { oldest } if oldest > seen), "{error}");
                    break;
                }
            }
        }
        watches.push((seen, expected));
    }
    assert!(watches.iter().all(|(seen, expected)| seen == expected), "{watches:?}");
}

fn made(revision: Revision, key: &str) -> Arc<Event<Text>> {
    let entry = Entry { key: key.into(), created: revision, revision, record: Text::new("t") };
    Arc::new(Event::new(revision, key.into(), Some(Arc::new(entry)), None))
}

#[tokio::test]
async fn a_slow_watcher_misses_nothing_of_a_revision_with_several_events() {
    // The queue of a watcher has room for the first of the two last events, but not for both.
    const BEFORE: u64 = 4095;
    let memory = Arc::new(Memory::new(Vec::new(), 0, Retention::default()));
    let mut watch = Watch::new(Arc::clone(&memory), Scope::Prefix("c/".into()), 0).unwrap();
    for revision in 1..=BEFORE {
        memory.apply(&[made(revision, &format!("c/{revision}"))]);
    }
    memory.apply(&[made(BEFORE + 1, "c/a"), made(BEFORE + 1, "d/x"), made(BEFORE + 1, "c/b")]);
    let mut last = Vec::new();
    while watch.progress().is_none() {
        last.push(watch.next().await.unwrap().key.to_string());
    }
    assert_eq!((last.len() as u64, &last[last.len() - 2..]), (BEFORE + 2, &["c/a".to_owned(), "c/b".to_owned()][..]));
}

#[tokio::test]
async fn a_new_start_ends_watches_after_what_came_before() {
    let memory = Arc::new(Memory::new(Vec::new(), 0, Retention::default()));
    let mut watch = Watch::new(Arc::clone(&memory), Scope::Prefix("c/".into()), 0).unwrap();
    memory.apply(&[made(1, "c/a")]);
    memory.replace(vec![Entry { key: "c/b".into(), created: 4, revision: 5, record: Text::new("t") }], 7);
    assert_eq!(watch.next().await.unwrap().revision, 1);
    assert_eq!(watch.next().await.map(drop), Err(ReadError::Compacted { oldest: 7 }));
    assert_eq!((memory.revision(), memory.get("c/a").is_none(), memory.get("c/b").is_some()), (7, true, true));
    let mut watch = Watch::new(Arc::clone(&memory), Scope::Prefix("c/".into()), 7).unwrap();
    memory.advance(9);
    assert_eq!(watch.progress(), Some(9));
    memory.advance(8);
    assert_eq!(memory.revision(), 9);
}

#[tokio::test]
async fn what_is_gone_and_what_is_to_come_is_refused() {
    let mut modelled = Modelled::new(Retention::default());
    for name in 0..9 {
        modelled.write(&format!("c0/g/n{name}"), Some("t".into()));
    }
    modelled.memory.compact(5).unwrap();
    let at = |at| modelled.memory.range(&Range { at: Some(at), ..everything("c0/") }).map(|page| page.entries.len());
    let watch = |from| Watch::new(Arc::clone(&modelled.memory), Scope::Prefix("c0/".into()), from).map(drop);
    assert_eq!((at(4), watch(4)), (Err(ReadError::Compacted { oldest: 5 }), Err(ReadError::Compacted { oldest: 5 })));
    assert_eq!((at(5), watch(5)), (Ok(5), Ok(())));
    assert_eq!((at(10), watch(10)), (Err(ReadError::Future { current: 9 }), Err(ReadError::Future { current: 9 })));
    // A collection that nobody has written to is compacted with the others.
    let other = modelled.memory.range(&Range { at: Some(4), ..everything("c1/") }).map(|page| page.entries.len());
    assert_eq!(other, Err(ReadError::Compacted { oldest: 5 }));
}

#[tokio::test]
async fn a_stop_ends_watches_and_waits() {
    let modelled = Modelled::new(Retention::default());
    let mut watch = Watch::new(Arc::clone(&modelled.memory), Scope::Key("c0/g/n".into()), 0).unwrap();
    modelled.memory.stop("because");
    modelled.memory.stop("again");
    assert_eq!(watch.next().await.map(|event| event.revision), Err(ReadError::Stopped("because".into())));
    assert_eq!(modelled.memory.reached(7).await, Err(ReadError::Stopped("because".into())));
}
