use super::{line::Line, *};
use crate::{
    endpoint::double::Double,
    runtime::{Container, ContainerState},
};
use futures::{StreamExt as _, TryStreamExt as _};
use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

/// A log of a container in its own directory.
struct Log {
    dir: TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let container = dir.path().join("pods/ns_pod_uid/main");
        fs::create_dir_all(&container).unwrap();
        Self { path: container.join("0.log"), dir }
    }

    fn append(&self, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&self.path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// What the agent does, with the runtime's part.
    fn rotate(&self, name: &str) {
        fs::rename(&self.path, self.path.with_file_name(name)).unwrap();
        fs::write(&self.path, "").unwrap();
    }

    async fn read(&self, options: Options) -> String {
        let lines = read(&self.path, options, || false).await.unwrap();
        let bytes: Vec<_> = lines.try_collect().await.unwrap();
        String::from_utf8(bytes.concat()).unwrap()
    }
}

fn stamped(second: usize, tag: &str, text: &str) -> String {
    format!("2026-11-24T10:15:{second:02}.000000001Z stdout {tag} {text}\n")
}

#[test]
fn lines() {
    #[track_caller]
    fn check(raw: &str, expected: Option<(&str, bool, &str)>) {
        let expected = expected.map(|(time, partial, text)| Line { time, partial, text: text.as_bytes() });
        assert_eq!(line::parse(raw.as_bytes()), expected, "{raw}");
    }
    check("T stdout F hello  world ", Some(("T", false, "hello  world ")));
    check("T stderr P part", Some(("T", true, "part")));
    check("T stdout P:x part", Some(("T", true, "part")));
    check("T stdout F ", Some(("T", false, "")));
    check("T stdout F", Some(("T", false, "")));
    check("T stdin F x", None);
    check("T stdout X x", None);
    check("T stdout", None);
    check("", None);
}

#[tokio::test]
async fn what_is_shown() {
    async fn check(options: Options, expected: &str) {
        let log = Log::new();
        log.append(&stamped(1, "F", "one"));
        log.rotate("0.log.20261124-101501");
        log.append(&stamped(2, "P", "two, "));
        log.append(&stamped(3, "P", "still two, "));
        log.append(&stamped(4, "F", "end of two"));
        log.append("not a line of a log\n");
        log.rotate("0.log.20261124-101504");
        log.append(&stamped(5, "F", ""));
        log.append(&stamped(6, "F", "four"));
        log.append("2026-11-24T10:15:07Z stdout F not yet fini");
        assert_eq!(log.read(options.clone()).await, expected, "{options:?}");
    }
    let all = "one\ntwo, still two, end of two\n\nfour\n";
    let plain = Options::default();
    check(plain.clone(), all).await;
    let tail = |lines| Options { tail: Some(lines), ..Options::default() };
    check(tail(0), "").await;
    check(tail(1), "four\n").await;
    check(tail(2), "\nfour\n").await;
    check(tail(3), "two, still two, end of two\n\nfour\n").await;
    check(tail(4), all).await;
    check(tail(100), all).await;
    let since = |time: &str| Options { since: Some(time.parse().unwrap()), ..Options::default() };
    check(since("2026-11-24T10:15:05Z"), "\nfour\n").await;
    check(since("2026-11-24T10:15:06.000000001Z"), "four\n").await;
    check(since("2026-11-24T11:15:06+01:00"), "four\n").await;
    check(since("2026-11-24T10:15:07Z"), "").await;
    let limit = |bytes| Options { limit: Some(bytes), ..Options::default() };
    check(limit(0), "").await;
    check(limit(6), "one\ntw").await;
    check(limit(1000), all).await;
    check(
        Options { timestamps: true, tail: Some(3), ..Options::default() },
        "2026-11-24T10:15:02.000000001Z two, still two, end of two\n\
         2026-11-24T10:15:05.000000001Z \n2026-11-24T10:15:06.000000001Z four\n",
    )
    .await;
    check(Options { timestamps: true, limit: Some(4), ..Options::default() }, "2026").await;
}

#[tokio::test]
async fn the_last_line_counts_though_it_goes_on() {
    let log = Log::new();
    log.append(&stamped(1, "F", "one"));
    log.append(&stamped(2, "P", "two "));
    log.append(&stamped(3, "P", "goes on"));
    assert_eq!(log.read(Options { tail: Some(1), ..Options::default() }).await, "two goes on");
}

#[tokio::test]
async fn tails_of_long_logs() {
    let log = Log::new();
    let text = "x".repeat(1000);
    let all: String = (0..500).map(|number| stamped(number % 60, "F", &format!("{number} {text}"))).collect();
    log.append(&all);
    for count in [1, 64, 65, 66, 67, 130, 499, 500, 501] {
        let shown = log.read(Options { tail: Some(count), ..Options::default() }).await;
        let expected: String = (500 - count.min(500)..500).map(|number| format!("{number} {text}\n")).collect();
        assert!(shown == expected, "the last {count} lines are wrong: {} bytes, not {}", shown.len(), expected.len());
    }
}

#[tokio::test]
async fn following_across_rotations() {
    let log = Arc::new(Log::new());
    log.append(&stamped(1, "F", "old"));
    log.append(&stamped(2, "F", "one"));
    let runs = Arc::new(AtomicBool::new(true));
    let still_runs = {
        let runs = Arc::clone(&runs);
        move || runs.load(Ordering::SeqCst)
    };
    let options = Options { follow: true, tail: Some(1), ..Options::default() };
    let mut lines = pin!(read(&log.path, options, still_runs).await.unwrap());
    let mut seen = String::new();
    let mut expect = async |expected: &str| {
        while seen != expected {
            let next = timeout(DEADLINE, lines.next()).await;
            let Ok(next) = next else { panic!("{expected:?} was not seen, but {seen:?}") };
            let Some(next) = next else { panic!("it ended with {seen:?}") };
            seen += str::from_utf8(&next.unwrap()).unwrap();
            assert!(expected.starts_with(&seen), "{seen:?} is not the beginning of {expected:?}");
        }
        seen.clear();
    };
    expect("one\n").await;
    log.append(&stamped(3, "F", "two"));
    expect("two\n").await;
    log.append(&stamped(4, "F", "three"));
    log.rotate("0.log.20261124-101504");
    log.append(&stamped(5, "F", "four"));
    expect("three\nfour\n").await;
    // A reader that is slower than two rotations misses nothing either.
    log.append(&stamped(6, "F", "five"));
    log.rotate("0.log.20261124-101506");
    log.append(&stamped(7, "F", "six"));
    log.rotate("0.log.20261124-101507");
    log.append(&stamped(8, "F", "seven"));
    expect("five\nsix\nseven\n").await;
    // Written, rotated and ended: all of it is still shown.
    log.append(&stamped(9, "F", "eight"));
    log.rotate("0.log.20261124-101509");
    log.append(&stamped(10, "F", "nine"));
    runs.store(false, Ordering::SeqCst);
    expect("eight\nnine\n").await;
    assert!(timeout(DEADLINE, lines.next()).await.expect("following ends with the container").is_none());
}

#[tokio::test]
async fn following_waits_for_a_log() {
    let log = Log::new();
    let options = Options { follow: true, ..Options::default() };
    let mut lines = pin!(read(&log.path, options, || true).await.unwrap());
    log.append(&stamped(1, "F", "at last"));
    let first = timeout(DEADLINE, lines.next()).await.expect("the line is seen").unwrap().unwrap();
    assert_eq!(first, "at last\n");
    let missing = log.path.with_file_name("1.log");
    assert!(read(&missing, Options::default(), || true).await.is_err());
    assert!(read(&missing, Options { follow: true, ..Options::default() }, || false).await.is_err());
}

#[test]
fn links() {
    let log = Log::new();
    let root = log.dir.path();
    let names = || -> Vec<String> {
        let entries = fs::read_dir(root.join("containers")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    log.append("");
    for _ in 0..2 {
        link(root, "ns", "pod", "main", "abc", &log.path).unwrap();
        assert_eq!(names(), ["pod_ns_main-abc.log"]);
    }
    assert_eq!(fs::read_link(root.join("containers/pod_ns_main-abc.log")).unwrap(), log.path);
    assert_eq!(unlink_dangling(root).unwrap(), 0);
    fs::rename(&log.path, log.path.with_file_name("0.log.20261124-101501")).unwrap();
    assert_eq!(unlink_dangling(root).unwrap(), 0, "in the middle of a rotation");
    remove(&log.path).unwrap();
    assert_eq!(unlink_dangling(root).unwrap(), 1);
    assert_eq!(names(), [""; 0]);
    link(root, "ns", &"p".repeat(253), "main", "abc", &log.path).unwrap();
    assert_eq!(names()[0].len(), 255);
}

#[tokio::test]
async fn rotation() {
    let log = Log::new();
    let container = Container { log_path: log.path.to_str().unwrap().into(), ..running("abc") };
    let ended = Container { state: ContainerState::Exited, ..container.clone() };
    let runtime = Double { containers: vec![ended, container], ..Double::default() };
    let policy = Policy { max_bytes: 100, max_files: 3 };
    let pods = log.dir.path().join("pods");
    let rotate = async |second: i64, runtime: &Double| {
        rotate_once(&pods, runtime, policy, Timestamp::from_second(1_795_515_300 + second).unwrap()).await.unwrap()
    };
    log.append("small\n");
    assert_eq!(rotate(0, &runtime).await, [""; 0].map(PathBuf::from));
    for number in 1..=4 {
        log.append(&format!("{number}{}\n", "x".repeat(200)));
        assert_eq!(rotate(number, &runtime).await, std::slice::from_ref(&log.path));
    }
    let kept: Vec<String> =
        files::rotated(&log.path).unwrap().iter().map(|path| fs::read_to_string(path).unwrap()[..1].into()).collect();
    assert_eq!(kept, ["3", "4"], "the oldest are gone");
    assert!(log.path.exists(), "the runtime has begun a new one");
    assert_eq!(runtime.take_asked(), ["containers", "reopen abc"].repeat(4), "nothing for the small log");

    // A runtime that does not follow keeps writing to the log under its own name.
    log.append(&format!("5{}\n", "x".repeat(200)));
    *runtime.stuck.lock() = true;
    assert_eq!(rotate(5, &runtime).await, [""; 0].map(PathBuf::from));
    assert!(fs::read_to_string(&log.path).unwrap().starts_with('5'));
}

fn running(id: &str) -> Container {
    Container {
        id: id.into(),
        sandbox_id: String::new(),
        pod_uid: String::new(),
        name: String::new(),
        attempt: 0,
        state: ContainerState::Running,
        image: String::new(),
        image_ref: String::new(),
        created_at: 0,
        started_at: 0,
        finished_at: 0,
        exit_code: 0,
        reason: String::new(),
        message: String::new(),
        log_path: String::new(),
        annotations: std::collections::BTreeMap::new(),
    }
}
