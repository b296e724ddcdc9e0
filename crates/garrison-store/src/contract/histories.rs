//! Random histories of writes: reads of every revision and watches from every revision against a model.

use super::{Place, delete, everything, next, put};
use crate::{Expect, Range, Revision, Scope, Store, WriteError, memory::tests::Text};
use proptest::{prelude::*, test_runner::TestRunner};
use std::collections::BTreeMap;

/// What is tried: a key, what to make of it, and whether with the right expectation.
#[derive(Debug, Clone)]
struct Try {
    key: String,
    text: Option<String>,
    right: bool,
}

type State = BTreeMap<String, (String, Revision)>;

/// Keys of two collections in two groups, one collection with a qualifier.
fn tries() -> impl Strategy<Value = Vec<Try>> {
    let key = (0..2_usize, 0..2_u8, 0..3_u8).prop_map(|(c, group, name)| format!("{}/g{group}/n{name}", ["c", "d.q.x"][c]));
    let text = prop::option::weighted(0.7, (0..9_u8, 0..2_u8).prop_map(|(text, term)| format!("t{text}@{term}")));
    let one = (key, text, prop::bool::weighted(0.85)).prop_map(|(key, text, right)| Try { key, text, right });
    prop::collection::vec(one, 1..40)
}

pub(crate) fn run<P: Place>() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let place = runtime.block_on(P::make());
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&(tries(), 0..40_usize, 1..4_usize), |(tries, from, limit)| {
        runtime.block_on(async {
            let store = place.open().await;
            clear(&*store).await;
            let outcome = one(&*store, &tries, from, limit).await;
            store.close().await;
            outcome
        })
    });
    outcome.unwrap();
}

async fn clear(store: &dyn Store<Text>) {
    for prefix in ["c/", "d.q.x/"] {
        for entry in store.range(everything(prefix)).await.unwrap().entries {
            store.write(delete(&entry.key, entry.revision)).await.unwrap();
        }
    }
}

async fn one(store: &dyn Store<Text>, tries: &[Try], from: usize, limit: usize) -> Result<(), TestCaseError> {
    let mut states: Vec<(Revision, State)> = vec![(store.revision().await.unwrap(), State::new())];
    for attempt in tries {
        let mut state = states[states.len() - 1].1.clone();
        let there = state.get(&attempt.key).map(|(_, revision)| *revision);
        let expect = match (there, attempt.right) {
            (Some(revision), true) => Expect::Revision(revision),
            (Some(_), false) | (None, true) => Expect::Absent,
            (None, false) => Expect::Revision(1),
        };
        let write = match &attempt.text {
            Some(text) => put(&attempt.key, text, expect),
            None => crate::Write { expect, ..delete(&attempt.key, 0) },
        };
        let done = attempt.right && (there.is_some() || attempt.text.is_some());
        match store.write(write).await {
            Ok(event) => {
                prop_assert!(done, "{attempt:?} was done");
                match &attempt.text {
                    Some(text) => state.insert(attempt.key.clone(), (text.clone(), event.revision)),
                    None => state.remove(&attempt.key),
                };
                states.push((event.revision, state));
            }
            Err(error) => prop_assert!(!done && error == WriteError::Conflict, "{attempt:?}: {error}"),
        }
        let found = store.get(&attempt.key).await.unwrap().map(|entry| (entry.record.text.clone(), entry.revision));
        prop_assert_eq!(found.as_ref(), states[states.len() - 1].1.get(&attempt.key));
    }
    for (revision, state) in &states {
        for prefix in ["c/", "d.q.x/g1/"] {
            prop_assert_eq!(paged(store, prefix, *revision, limit).await, within(state, prefix));
        }
    }
    watched(store, &states, from % states.len()).await
}

fn within(state: &State, prefix: &str) -> State {
    state.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

async fn paged(store: &dyn Store<Text>, prefix: &str, at: Revision, limit: usize) -> State {
    let mut start = String::new();
    let mut state = State::new();
    loop {
        let page = store.range(Range { at: Some(at), limit, start: &start, ..everything(prefix) }).await.unwrap();
        state
            .extend(page.entries.iter().map(|entry| (entry.key.to_string(), (entry.record.text.clone(), entry.record.revision))));
        match page.next {
            Some(next) => start = next.to_string(),
            None => return state,
        }
    }
}

/// A watch turns the state that it starts from into the newest, through every state in between.
async fn watched(store: &dyn Store<Text>, states: &[(Revision, State)], from: usize) -> Result<(), TestCaseError> {
    let (revision, state) = &states[from];
    let mut state = within(state, "c/");
    let mut watch = store.watch(Scope::Prefix("c/".into()), *revision).await.unwrap();
    for (revision, expected) in &states[from + 1..] {
        let expected = within(expected, "c/");
        if expected == state {
            continue;
        }
        let event = next(&mut watch).await.unwrap();
        prop_assert_eq!(event.revision, *revision);
        let before = event.previous.as_ref().map(|entry| (entry.record.text.clone(), entry.revision));
        let had = match &event.current {
            Some(entry) => state.insert(event.key.to_string(), (entry.record.text.clone(), entry.revision)),
            None => state.remove(&*event.key),
        };
        prop_assert_eq!(had, before);
        prop_assert_eq!(&state, &expected);
    }
    prop_assert!(watch.try_next().is_none());
    Ok(())
}
