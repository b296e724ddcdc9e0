//! The embedded store on a real disk: order, durability, recovery, faults.

use super::*;
use crate::{
    Change, Durability, Expect,
    contract::{self, Place, contents, delete, lazy, put},
    memory::tests::Text,
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn open(path: &Path) -> Embedded<Text> {
    Embedded::open(path, Retention::default()).unwrap()
}

struct Disk(tempfile::TempDir);

impl Place for Disk {
    async fn make() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store<Text>> {
        // The thread that had the file open may still be about to close it.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Embedded::open(&self.0.path().join("store"), Retention::default()) {
                Err(OpenError::Locked { .. }) if Instant::now() < deadline => tokio::task::yield_now().await,
                opened => return Arc::new(opened.unwrap()),
            }
        }
    }
}

contract::tests!(Disk);

#[tokio::test]
async fn a_clean_restart_continues_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open(&path);
    store.write(put("c/a", "1", Expect::Absent)).await.unwrap();
    store.write(lazy(put("c/a", "2", Expect::Revision(1)))).await.unwrap();
    store.close().await;
    let refused = store.write(put("c/b", "1", Expect::Absent)).await.map(|event| event.revision);
    assert_eq!(refused, Err(WriteError::Stopped("closed".into())));
    drop(store);
    let store = open(&path);
    assert_eq!(contents(&store, "c/").await, [("c/a".into(), "2".into(), 1, 2)]);
    assert_eq!(store.write(delete("c/a", 2)).await.unwrap().revision, 3);
    assert!(matches!(store.watch(Scope::Prefix("c/".into()), 1).await, Err(ReadError::Compacted { oldest: 2 })));
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let fault = |path: &Path| Embedded::<Text>::open(path, Retention::default()).map(drop).unwrap_err();
    let first = open(&path);
    first.write(put("c/a", "1", Expect::Absent)).await.unwrap();
    assert!(matches!(fault(&path), OpenError::Locked { .. }), "{:?}", fault(&path));
    first.close().await;
    assert!(matches!(fault(dir.path()), OpenError::Io { .. }), "{:?}", fault(dir.path()));
    let garbage = dir.path().join("garbage");
    std::fs::write(&garbage, vec![0x5a; 100_000]).unwrap();
    assert!(matches!(fault(&garbage), OpenError::Corrupt { .. }), "{:?}", fault(&garbage));
    assert_eq!(std::fs::read(&garbage).unwrap(), vec![0x5a; 100_000]);
    let unknown = dir.path().join("unknown");
    let store = Embedded::<Any>::open(&unknown, Retention::default()).unwrap();
    let change = Change::Put { value: Bytes::from_static(&[0xff]), record: Any };
    store.write(Write { key: "c/a".into(), expect: Expect::Absent, change, durability: Durability::Synced }).await.unwrap();
    store.close().await;
    assert!(matches!(fault(&unknown), OpenError::Record { key, .. } if key == "c/a"));
}

#[tokio::test]
async fn damage_is_found_at_the_start_or_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open(&path);
    for n in 0..200 {
        store.write(put(&format!("c/{n:03}"), &"text ".repeat(n), Expect::Absent)).await.unwrap();
    }
    let whole = contents(&store, "c/").await;
    store.close().await;
    let bytes = std::fs::read(&path).unwrap();
    let flipped = (0..400).map(|n| {
        let mut bytes = bytes.clone();
        let at = n * (bytes.len() / 400);
        bytes[at] ^= 0x10;
        bytes
    });
    let truncated = (0..20).map(|n| bytes[..n * (bytes.len() / 20)].to_vec());
    let mut found = 0;
    for (n, damaged) in flipped.chain(truncated).enumerate() {
        let path = dir.path().join(format!("damaged{n}"));
        // An empty file is a new store.
        if damaged.is_empty() {
            continue;
        }
        std::fs::write(&path, damaged).unwrap();
        match Embedded::<Text>::open(&path, Retention::default()) {
            Ok(store) => {
                assert_eq!(contents(&store, "c/").await, whole, "{n}: damage was read as truth");
                store.close().await;
            }
            Err(_) => found += 1,
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert!(found > 20, "{found}");
}

/// A record whose value may be anything.
#[derive(Debug, Clone)]
struct Any;

impl Record for Any {
    fn load(_: &str, _: Bytes) -> Result<Self, String> {
        Ok(Self)
    }

    fn stamped(&self, _: Revision) -> Self {
        Self
    }

    fn size(&self) -> usize {
        0
    }
}

/// Where the writing process finds its store; set only by the tests that start it.
const STORE: &str = "GARRISON_TEST_STORE";
/// Whether it writes nothing but lazily.
const LAZY: &str = "GARRISON_TEST_LAZY";
const WRITERS: usize = 8;

/// Not a test of its own: what the tests about kill -9 run in a process of its own, until it is killed.
#[tokio::test]
#[ignore = "started by other tests"]
async fn write_until_killed() {
    let store = Arc::new(open(Path::new(&std::env::var_os(STORE).unwrap())));
    let all_lazy = std::env::var_os(LAZY).is_some();
    let durability = |writer: usize| if all_lazy || writer % 2 == 1 { Durability::Lazy } else { Durability::Synced };
    let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(count_up(Arc::clone(&store), n, durability(n)))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Raises the number under its own key, and says so after each acknowledgement.
async fn count_up(store: Arc<Embedded<Text>>, writer: usize, durability: Durability) {
    let key = format!("c/w{writer}");
    loop {
        let entry = store.get(&key).await.unwrap();
        let expect = entry.as_ref().map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
        let number: u64 = entry.map_or(0, |entry| entry.record.text.parse().unwrap());
        let event = store.write(Write { durability, ..put(&key, &(number + 1).to_string(), expect) }).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {writer} {} {}", number + 1, event.revision).unwrap();
        out.flush().unwrap();
    }
}

/// What a writing process has acknowledged: writer, number and revision.
struct Acknowledged {
    writer: usize,
    number: u64,
    revision: Revision,
}

/// Runs a writing process until `enough` says so of an acknowledgement, kills it with SIGKILL, and hears it to the end.
fn write_and_kill(path: &Path, lazy: bool, mut enough: impl FnMut(&Acknowledged) -> bool) -> Vec<Acknowledged> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "embedded::tests::write_until_killed", "--ignored", "--nocapture"])
        .env(STORE, path)
        .stdout(Stdio::piped());
    if lazy {
        command.env(LAZY, "1");
    }
    let mut child = command.spawn().unwrap();
    let mut all = Vec::new();
    // The pipe still holds what was acknowledged before the kill: read to its end.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(numbers) = line.strip_prefix("ack ") else { continue };
        let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        let acknowledged = Acknowledged { writer: numbers[0] as usize, number: numbers[1], revision: numbers[2] };
        if enough(&acknowledged) {
            child.kill().unwrap();
        }
        all.push(acknowledged);
    }
    child.wait().unwrap();
    assert!(!all.is_empty(), "the writing process said nothing");
    all
}

/// The number under each writer's key.
async fn numbers(store: &Embedded<Text>) -> HashMap<String, u64> {
    contents(store, "c/").await.into_iter().map(|(key, text, ..)| (key, text.parse().unwrap())).collect()
}

#[tokio::test]
async fn acknowledged_writes_survive_kill_9() {
    const ROUNDS: usize = 12;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut newest = 0;
    let mut ledger: HashMap<usize, u64> = HashMap::new();
    for round in 0..ROUNDS {
        let mut count = 0;
        let written = write_and_kill(&path, false, |_| {
            count += 1;
            count == 40 + 37 * round
        });
        assert!(written[0].revision > newest, "round {round}: revision {} was given twice", written[0].revision);
        newest = written.iter().map(|one| one.revision).max().unwrap_or_default();
        ledger.extend(written.iter().map(|one| (one.writer, one.number)));
        if round % 2 == 1 {
            // The next writing process finds what the crash has left.
            continue;
        }
        let store = open(&path);
        assert!(store.revision().await.unwrap() >= newest, "round {round}: a revision would be given twice");
        let found = numbers(&store).await;
        for writer in (0..WRITERS).step_by(2) {
            let acknowledged = ledger.get(&writer).copied().unwrap_or(0);
            let stored = found.get(&format!("c/w{writer}")).copied().unwrap_or(0);
            let kept = (acknowledged..=acknowledged + 1).contains(&stored);
            assert!(kept, "round {round}, writer {writer}: {acknowledged} acknowledged, {stored} stored");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn lazy_writes_reach_the_disk_in_time_however_many_follow() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let start = Instant::now();
    let mut early: HashMap<usize, u64> = HashMap::new();
    write_and_kill(&path, true, |one| {
        if start.elapsed() < Duration::from_secs(1) {
            early.insert(one.writer, one.number);
        }
        // Twice as long as a lazy write may wait, and a disk may be slow.
        start.elapsed() > Duration::from_secs(4)
    });
    let store = open(&path);
    let found = numbers(&store).await;
    assert!(!early.is_empty());
    for (writer, number) in early {
        assert!(found[&format!("c/w{writer}")] >= number, "writer {writer}: {found:?}");
    }
}
