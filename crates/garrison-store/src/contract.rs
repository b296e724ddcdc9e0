//! What every store must do, as tests that run on each kind of store.
//!
//! Nothing is assumed of revisions but that they rise: some stores share theirs with others.

use crate::{
    Change, Durability, Event, Expect, Range, ReadError, Revision, Scope, Store, Watch, Write, WriteError, memory::tests::Text,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub(crate) mod histories;

/// Where a store can be opened, again and again. It begins empty.
pub(crate) trait Place: Send + Sync + 'static {
    fn make() -> impl Future<Output = Self> + Send;
    fn open(&self) -> impl Future<Output = Arc<dyn Store<Text>>> + Send;
}

/// How long a test waits for what must happen.
const LIMIT: Duration = Duration::from_secs(30);

/// Declares the tests for one kind of store.
macro_rules! tests {
    ($place:ty) => {
        $crate::contract::tests!(
            $place:
            a_write_is_done_only_as_expected,
            of_many_at_once_one_wins,
            a_store_opened_again_has_everything_but_history,
            pages_are_of_one_revision,
            what_is_gone_and_what_is_to_come_is_refused,
            watches_hear_what_they_cover,
            a_revision_to_come_is_waited_for,
            a_closed_store_says_so
        );
        #[test]
        fn random_histories_read_and_watch_as_they_were() {
            $crate::contract::histories::run::<$place>();
        }
    };
    ($place:ty: $($name:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::contract::$name(<$place as $crate::contract::Place>::make().await).await;
            }
        )+
    };
}
pub(crate) use tests;

pub(crate) fn put(key: &str, text: &str, expect: Expect) -> Write<Text> {
    let value = text.to_owned().into();
    Write { key: key.into(), expect, change: Change::Put { value, record: Text::new(text) }, durability: Durability::Synced }
}

pub(crate) fn lazy(write: Write<Text>) -> Write<Text> {
    Write { durability: Durability::Lazy, ..write }
}

pub(crate) fn delete(key: &str, revision: Revision) -> Write<Text> {
    Write { key: key.into(), expect: Expect::Revision(revision), change: Change::Delete, durability: Durability::Synced }
}

pub(crate) fn everything(prefix: &str) -> Range<'_, Text> {
    Range { prefix, term: None, start: "", filter: None, limit: 0, at: None }
}

/// Key, text, revision of creation, revision shown.
pub(crate) async fn contents(store: &dyn Store<Text>, prefix: &str) -> Vec<(String, String, Revision, Revision)> {
    let page = store.range(everything(prefix)).await.unwrap();
    page.entries.iter().map(|e| (e.key.to_string(), e.record.text.clone(), e.created, e.record.revision)).collect()
}

pub(crate) async fn next(watch: &mut Watch<Text>) -> Result<Arc<Event<Text>>, ReadError> {
    tokio::time::timeout(LIMIT, watch.next()).await.expect("an event comes")
}

async fn written(store: &dyn Store<Text>, write: Write<Text>) -> Revision {
    store.write(write).await.unwrap().revision
}

pub(crate) async fn a_write_is_done_only_as_expected(place: impl Place) {
    let store = place.open().await;
    let write = async |write| store.write(write).await.map(|event| event.revision);
    let first = write(put("c/a", "1", Expect::Absent)).await.unwrap();
    assert_eq!(write(put("c/a", "2", Expect::Absent)).await, Err(WriteError::Conflict));
    let second = write(lazy(put("c/a", "2", Expect::Revision(first)))).await.unwrap();
    assert!(second > first);
    assert_eq!(write(put("c/a", "3", Expect::Revision(first))).await, Err(WriteError::Conflict));
    assert_eq!(write(put("c/b", "3", Expect::Revision(first))).await, Err(WriteError::Conflict));
    assert_eq!(write(delete("c/a", first)).await, Err(WriteError::Conflict));
    assert_eq!(write(delete("c/b", first)).await, Err(WriteError::Conflict));
    let nothing = Write { expect: Expect::Absent, ..delete("c/b", 0) };
    assert_eq!(write(nothing).await, Err(WriteError::Conflict));
    assert_eq!(contents(&*store, "c/").await, [("c/a".into(), "2".into(), first, second)]);
    let gone = store.write(delete("c/a", second)).await.unwrap();
    assert!(gone.revision > second && gone.current.is_none());
    let departed = gone.departed().unwrap();
    assert_eq!((departed.text.as_str(), departed.revision), ("2", gone.revision));
    assert_eq!(contents(&*store, "c/").await, []);
    let again = store.write(put("c/a", "4", Expect::Absent)).await.unwrap();
    assert!(again.previous.is_none() && again.revision > gone.revision);
    assert_eq!(contents(&*store, "c/").await, [("c/a".into(), "4".into(), again.revision, again.revision)]);
}

pub(crate) async fn of_many_at_once_one_wins(place: impl Place) {
    const WRITERS: usize = 64;
    let store = place.open().await;
    let start = store.revision().await.unwrap();
    let mut watch = store.watch(Scope::Prefix("c/".into()), start).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let own = store.write(put(&format!("c/own{n}"), "x", Expect::Absent)).await.is_ok();
                let shared = store.write(put("c/shared", "x", Expect::Absent)).await.is_ok();
                (own, shared)
            })
        })
        .collect();
    let mut winners = 0;
    for writer in writers {
        let (own, shared) = writer.await.unwrap();
        assert!(own);
        winners += usize::from(shared);
    }
    assert_eq!(winners, 1);
    let mut last = start;
    for _ in 0..=WRITERS {
        let event = next(&mut watch).await.unwrap();
        assert!(event.revision > last, "{} after {last}", event.revision);
        last = event.revision;
    }
    assert!(store.revision().await.unwrap() >= last && watch.try_next().is_none());
}

pub(crate) async fn a_store_opened_again_has_everything_but_history(place: impl Place) {
    let store = place.open().await;
    let first = written(&*store, put("c/a", "1", Expect::Absent)).await;
    let second = written(&*store, lazy(put("c/a", "2", Expect::Revision(first)))).await;
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!(contents(&*store, "c/").await, [("c/a".into(), "2".into(), first, second)]);
    let watch = store.watch(Scope::Prefix("c/".into()), first).await.map(drop);
    assert!(matches!(watch, Err(ReadError::Compacted { oldest }) if oldest >= second), "{watch:?}");
    assert!(written(&*store, delete("c/a", second)).await > second);
}

pub(crate) async fn pages_are_of_one_revision(place: impl Place) {
    let store = place.open().await;
    let mut revisions = BTreeMap::new();
    for name in ["a", "b", "c", "d", "e"] {
        let key = format!("c/{name}");
        revisions.insert(key.clone(), written(&*store, put(&key, "old", Expect::Absent)).await);
    }
    let mut page = store.range(Range { limit: 2, ..everything("c/") }).await.unwrap();
    let at = page.revision;
    assert_eq!((page.entries.len(), page.next.as_deref(), page.remaining), (2, Some("c/c"), Some(3)));
    written(&*store, delete("c/d", revisions["c/d"])).await;
    written(&*store, put("c/e", "new", Expect::Revision(revisions["c/e"]))).await;
    written(&*store, put("c/f", "new", Expect::Absent)).await;
    let mut read = Vec::new();
    loop {
        read.extend(page.entries.iter().map(|entry| (entry.key.to_string(), entry.record.text.clone(), entry.record.revision)));
        let Some(start) = page.next else { break };
        page = store.range(Range { limit: 2, start: &start, at: Some(at), ..everything("c/") }).await.unwrap();
        assert_eq!(page.revision, at);
    }
    let expected: Vec<_> = revisions.into_iter().map(|(key, revision)| (key, "old".to_owned(), revision)).collect();
    assert_eq!(read, expected);
    assert_eq!(page.remaining, Some(0));
}

pub(crate) async fn what_is_gone_and_what_is_to_come_is_refused(place: impl Place) {
    let store = place.open().await;
    let mut revisions = Vec::new();
    for name in 0..6 {
        revisions.push(written(&*store, put(&format!("c/{name}"), "t", Expect::Absent)).await);
    }
    store.compact(revisions[3]).await.unwrap();
    let at = async |at| store.range(Range { at: Some(at), ..everything("c/") }).await.map(|page| page.entries.len());
    let watch = async |from| store.watch(Scope::Prefix("c/".into()), from).await.map(drop);
    assert!(matches!(at(revisions[2]).await, Err(ReadError::Compacted { oldest }) if oldest > revisions[2]));
    assert!(matches!(watch(revisions[2]).await, Err(ReadError::Compacted { oldest }) if oldest > revisions[2]));
    assert_eq!((at(revisions[3]).await, watch(revisions[3]).await), (Ok(4), Ok(())));
    let never = 1 << 40;
    assert!(matches!(at(never).await, Err(ReadError::Future { current }) if current >= revisions[5]));
    assert!(matches!(watch(never).await, Err(ReadError::Future { current }) if current >= revisions[5]));
    assert!(matches!(store.compact(never).await, Err(ReadError::Future { .. })));
}

pub(crate) async fn watches_hear_what_they_cover(place: impl Place) {
    let store = place.open().await;
    let start = store.revision().await.unwrap();
    let prefix = Scope::Prefix("c/g/".into());
    let one = Scope::Key("c/g/n".into());
    let term = Scope::Term { collection: "c".into(), term: "1".into() };
    let mut live = Vec::new();
    for scope in [&prefix, &one, &term] {
        live.push(store.watch(scope.clone(), start).await.unwrap());
    }
    let mut revision = None;
    let mut write = async |key: &str, text: &str| {
        let expect = revision.take().filter(|_| key == "c/g/n").map_or(Expect::Absent, Expect::Revision);
        let done = written(&*store, put(key, text, expect)).await;
        revision = Some(done);
        done
    };
    let n: Vec<Revision> = [write("c/g/n", "a@0").await, write("c/g/n", "b@1").await, write("c/g/n", "c@0").await].into();
    let other = write("c/g/nn", "x").await;
    let elsewhere = write("c/h/n", "y@1").await;
    let gone = written(&*store, delete("c/g/n", n[2])).await;
    written(&*store, put("d/g/n", "@1", Expect::Absent)).await;
    let expected = [vec![n[0], n[1], n[2], other, gone], vec![n[0], n[1], n[2], gone], vec![n[1], n[2], elsewhere]];
    let mut late = Vec::new();
    for scope in [prefix, one, term] {
        late.push(store.watch(scope, start).await.unwrap());
    }
    for watches in [&mut live, &mut late] {
        for (watch, expected) in watches.iter_mut().zip(&expected) {
            let mut heard = Vec::new();
            while heard.len() < expected.len() {
                heard.push(next(watch).await.unwrap().revision);
            }
            assert_eq!((&heard, watch.try_next().is_none()), (expected, true));
        }
    }
}

pub(crate) async fn a_revision_to_come_is_waited_for(place: impl Place) {
    let store = place.open().await;
    let next = store.revision().await.unwrap() + 1;
    let waiting = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.reached(next).await })
    };
    written(&*store, put("c/a", "1", Expect::Absent)).await;
    assert_eq!(tokio::time::timeout(LIMIT, waiting).await.expect("it is reached").unwrap(), Ok(()));
}

pub(crate) async fn a_closed_store_says_so(place: impl Place) {
    let store = place.open().await;
    let start = store.revision().await.unwrap();
    let mut watch = store.watch(Scope::Prefix("c/".into()), start).await.unwrap();
    written(&*store, put("c/a", "1", Expect::Absent)).await;
    next(&mut watch).await.unwrap();
    store.close().await;
    assert!(!store.is_serving());
    let refused = store.write(put("c/b", "1", Expect::Absent)).await.map(drop);
    assert_eq!(refused, Err(WriteError::Stopped("closed".into())));
    assert_eq!(next(&mut watch).await.map(drop), Err(ReadError::Stopped("closed".into())));
    assert_eq!(&*store.stopped().await, "closed");
}
