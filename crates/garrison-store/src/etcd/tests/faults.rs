//! What fails: etcd killed, connections cut, answers lost, history gone, another etcd at the same address.

use super::{process::Client, proxy::Proxy, *};
use crate::{
    Expect, WriteError,
    contract::{contents, delete, next, put},
};

/// An etcd of its own, a proxy before it, a store behind the proxy and one that goes around it.
struct Stage {
    etcd: Process,
    proxy: Proxy,
    store: Arc<Etcd<Text>>,
    other: Etcd<Text>,
}

impl Stage {
    async fn set() -> Self {
        let etcd = Process::own().await;
        let proxy = Proxy::before(etcd.port()).await;
        let store = Arc::new(Etcd::open(Config::new(vec![proxy.url()])).await.unwrap());
        let other = Etcd::open(Config::new(vec![etcd.url()])).await.unwrap();
        Self { etcd, proxy, store, other }
    }

    /// Does a write whose answer is lost; returns what the store makes of it. `meanwhile` happens when it has been done.
    async fn lose_answer(&self, write: Write<Text>, meanwhile: impl AsyncFnOnce()) -> Result<Arc<Event<Text>>, WriteError> {
        let before = self.other.get(&write.key).await.unwrap().map(|entry| entry.revision);
        let key = write.key.clone();
        self.proxy.swallow_answers();
        let writing = tokio::spawn({
            let store = Arc::clone(&self.store);
            async move { store.write(write).await }
        });
        until(async || self.other.get(&key).await.unwrap().map(|entry| entry.revision) != before).await;
        meanwhile().await;
        self.proxy.cut();
        writing.await.unwrap()
    }
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done().await {
        assert!(Instant::now() < deadline, "it does not happen");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_was_lost_is_known_as_ones_own() {
    let stage = Stage::set().await;
    let nothing = async || {};
    let made = stage.lose_answer(put("c/a", "1", Expect::Absent), nothing).await.unwrap();
    assert_eq!((made.previous.is_none(), &*made.current.as_ref().unwrap().record.text), (true, "1"));
    let changed = stage.lose_answer(put("c/a", "2", Expect::Revision(made.revision)), nothing).await.unwrap();
    assert_eq!(changed.previous.as_ref().unwrap().revision, made.revision);
    let gone = stage.lose_answer(delete("c/a", changed.revision), nothing).await.unwrap();
    assert_eq!((gone.previous.as_ref().unwrap().revision, gone.current.is_none()), (changed.revision, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_found_though_the_record_changed_again() {
    let stage = Stage::set().await;
    let other = &stage.other;
    let overwrite = async || {
        let entry = other.get("c/a").await.unwrap().unwrap();
        other.write(put("c/a", "theirs", Expect::Revision(entry.revision))).await.unwrap();
    };
    let made = stage.lose_answer(put("c/a", "1", Expect::Absent), overwrite).await.unwrap();
    assert_eq!(made.current.as_ref().unwrap().record.text, "1");
    let now = stage.store.get("c/a").await.unwrap().unwrap();
    assert_eq!(now.record.text, "theirs");
    let remove = async || {
        let entry = other.get("c/a").await.unwrap().unwrap();
        other.write(delete("c/a", entry.revision)).await.unwrap();
    };
    let changed = stage.lose_answer(put("c/a", "2", Expect::Revision(now.revision)), remove).await.unwrap();
    assert_eq!(changed.current.as_ref().unwrap().record.text, "2");
    assert!(stage.store.get("c/a").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_refusal_is_still_a_refusal() {
    let stage = Stage::set().await;
    let theirs = stage.other.write(put("c/a", "theirs", Expect::Absent)).await.unwrap().revision;
    let newer = stage.other.write(put("c/a", "newer", Expect::Revision(theirs))).await.unwrap().revision;
    assert_eq!(stage.store.get("c/a").await.unwrap().unwrap().revision, newer);
    for write in [put("c/a", "ours", Expect::Absent), put("c/a", "ours", Expect::Revision(theirs)), delete("c/a", theirs)] {
        stage.proxy.swallow_answers();
        let writing = tokio::spawn({
            let store = Arc::clone(&stage.store);
            async move { store.write(write).await.map(drop) }
        });
        // Whether it has got to etcd by now does not matter: it would be refused later just the same.
        sleep(Duration::from_millis(50)).await;
        stage.proxy.cut();
        assert_eq!(writing.await.unwrap(), Err(WriteError::Conflict));
    }
    assert_eq!(stage.other.get("c/a").await.unwrap().unwrap().record.text, "newer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_cuts_every_write_is_done_once_or_told_as_uncertain() {
    let stage = Stage::set().await;
    let enough = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|n| {
            let (store, enough) = (Arc::clone(&stage.store), Arc::clone(&enough));
            tokio::spawn(async move {
                let (key, mut done, mut uncertain) = (format!("c/{n}"), 0, 0);
                let mut may_come_late = false;
                while !enough.load(Ordering::Relaxed) {
                    let Ok(entry) = store.get(&key).await else { continue };
                    let expect = entry.as_ref().map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
                    let number: usize = entry.map_or(0, |entry| entry.record.text.parse().unwrap());
                    match store.write(put(&key, &(number + 1).to_string(), expect)).await {
                        Ok(_) => {
                            done += 1;
                            may_come_late = false;
                        }
                        // Nobody else writes this key.
                        Err(WriteError::Conflict) => {
                            assert!(may_come_late, "a write of one's own was taken for somebody else's");
                            may_come_late = false;
                        }
                        Err(WriteError::Uncertain(_)) => {
                            uncertain += 1;
                            may_come_late = true;
                        }
                        Err(_) => {}
                    }
                }
                (key, done, uncertain)
            })
        })
        .collect();
    for _ in 0..12 {
        let start = stage.other.revision().await.unwrap();
        until(async || stage.other.revision().await.unwrap() > start + 4).await;
        stage.proxy.swallow_answers();
        sleep(Duration::from_millis(3)).await;
        stage.proxy.cut();
    }
    enough.store(true, Ordering::Relaxed);
    for writer in writers {
        let (key, done, uncertain) = writer.await.unwrap();
        let number: usize = stage.other.get(&key).await.unwrap().unwrap().record.text.parse().unwrap();
        assert!((done..=done + uncertain).contains(&number), "{key}: {done} done, {uncertain} uncertain, {number} stored");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_an_etcd_killed_and_started_again() {
    let stage = Stage::set().await;
    let first = stage.store.write(put("c/a", "1", Expect::Absent)).await.unwrap().revision;
    let mut watch = stage.store.watch(Scope::Prefix("c/".into()), first).await.unwrap();
    stage.etcd.kill();
    until(async || !stage.store.is_serving()).await;
    let reading = tokio::spawn({
        let store = Arc::clone(&stage.store);
        async move { store.get("c/a").await.map(|entry| entry.unwrap().revision) }
    });
    let writing = tokio::spawn({
        let store = Arc::clone(&stage.store);
        async move { store.write(put("c/a", "2", Expect::Revision(first))).await.map(|event| event.revision) }
    });
    stage.etcd.run();
    assert!(reading.await.unwrap().unwrap() >= first);
    let second = writing.await.unwrap().unwrap();
    assert_eq!(next(&mut watch).await.unwrap().revision, second);
    until(async || stage.store.is_serving()).await;
    assert_eq!(contents(&*stage.store, "c/").await, contents(&stage.other, "c/").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_kill_9_of_etcd() {
    let stage = Stage::set().await;
    for round in 0..3 {
        let writers: Vec<_> = (0..8)
            .map(|n| {
                let store = Arc::clone(&stage.store);
                tokio::spawn(async move {
                    let key = format!("c/{n}");
                    let mut acknowledged = 0;
                    for _ in 0..40 {
                        let Ok(entry) = store.get(&key).await else { continue };
                        let expect = entry.as_ref().map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
                        let number: usize = entry.map_or(0, |entry| entry.record.text.parse().unwrap());
                        if store.write(put(&key, &(number + 1).to_string(), expect)).await.is_ok() {
                            acknowledged = number + 1;
                        }
                    }
                    (key, acknowledged)
                })
            })
            .collect();
        let start = stage.other.revision().await.unwrap();
        until(async || stage.other.revision().await.is_ok_and(|revision| revision > start + 30 + round * 17)).await;
        stage.etcd.kill();
        stage.etcd.run();
        for writer in writers {
            let (key, acknowledged) = writer.await.unwrap();
            let number: usize = stage.other.get(&key).await.unwrap().unwrap().record.text.parse().unwrap();
            assert!(number >= acknowledged, "{key}: {acknowledged} acknowledged, {number} stored");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_does_not_answer_is_no_conflict_and_no_old_news() {
    let mut stage = Stage::set().await;
    stage.store = Arc::new(Etcd::open(Config::new(vec![stage.etcd.url()])).await.unwrap());
    let first = stage.store.write(put("c/a", "1", Expect::Absent)).await.unwrap().revision;
    stage.etcd.kill();
    until(async || !stage.store.is_serving()).await;
    let (read, write) = tokio::join!(stage.store.get("c/a"), stage.store.write(put("c/a", "2", Expect::Revision(first))));
    assert!(matches!(read, Err(ReadError::Unavailable(_))), "{read:?}");
    assert!(matches!(write, Err(WriteError::Unavailable(_))), "{:?}", write.map(drop));
    assert!(!stage.store.is_serving());
    stage.etcd.run();
    until(async || stage.store.is_serving()).await;
    assert_eq!(contents(&*stage.store, "c/").await, [("c/a".into(), "1".into(), first, first)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_while_history_went_starts_anew_and_says_so() {
    let stage = Stage::set().await;
    let first = stage.store.write(put("c/a", "1", Expect::Absent)).await.unwrap().revision;
    stage.store.write(put("c/b", "1", Expect::Absent)).await.unwrap();
    let mut watch = stage.store.watch(Scope::Prefix("c/".into()), first).await.unwrap();
    stage.proxy.close();
    until(async || !stage.store.is_serving()).await;
    let second = stage.other.write(put("c/a", "2", Expect::Revision(first))).await.unwrap().revision;
    stage.other.write(put("c/c", "1", Expect::Absent)).await.unwrap();
    let gone = stage.other.get("c/b").await.unwrap().unwrap();
    let last = stage.other.write(delete("c/b", gone.revision)).await.unwrap().revision;
    stage.other.compact(last).await.unwrap();
    stage.proxy.open();
    // What came before is still handed out.
    assert_eq!(&*next(&mut watch).await.unwrap().key, "c/b");
    assert!(matches!(next(&mut watch).await, Err(ReadError::Compacted { oldest }) if oldest >= last));
    assert_eq!(contents(&*stage.store, "c/").await, contents(&stage.other, "c/").await);
    let late = stage.store.watch(Scope::Prefix("c/".into()), second).await.map(drop);
    assert!(matches!(late, Err(ReadError::Compacted { .. })), "{late:?}");
    let third = stage.store.write(put("c/a", "3", Expect::Revision(second))).await.unwrap().revision;
    let mut watch = stage.store.watch(Scope::Prefix("c/".into()), last).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap().revision, third);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_without_the_acknowledged_writes_ends_the_store() {
    let stage = Stage::set().await;
    stage.store.write(put("c/a", "1", Expect::Absent)).await.unwrap();
    stage.etcd.kill();
    stage.etcd.wipe();
    stage.etcd.run();
    let why = tokio::time::timeout(Duration::from_secs(30), stage.store.stopped()).await.unwrap();
    assert!(why.contains("lost writes") || why.contains("another cluster"), "{why}");
    assert!(matches!(stage.store.get("c/a").await, Err(ReadError::Stopped(_))));
    let write = stage.store.write(put("c/b", "1", Expect::Absent)).await.map(drop);
    assert!(matches!(write, Err(WriteError::Stopped(_))), "{write:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_down_is_passed_over() {
    let stage = Stage::set().await;
    let endpoints = vec!["http://127.0.0.1:1".into(), stage.proxy.url(), stage.etcd.url()];
    let store = Etcd::<Text>::open(Config::new(endpoints)).await.unwrap();
    store.write(put("c/a", "1", Expect::Absent)).await.unwrap();
    stage.proxy.close();
    assert_eq!(store.get("c/a").await.unwrap().unwrap().record.text, "1");
    until(async || store.is_serving()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_etcd_does_not_take_is_refused() {
    let place = Prefix::make().await;
    let store = place.store().await;
    let large = store.write(put("c/a", &"x".repeat(1_800_000), Expect::Absent)).await.map(drop);
    assert!(matches!(&large, Err(WriteError::Refused(why)) if why.contains("too large")), "{large:?}");
    let client: Client = place.etcd.client().await;
    assert!(client.get(&format!("{}/c/a", place.prefix)).await.is_none());
}
