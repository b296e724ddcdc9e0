//! Watches under fire: many watchers that are cut off at random and go on from random versions, while others write and the
//! past is forgotten. What each of them believes must be what a list of the same version shows.
//!
//! `GARRISON_FIRE_SEED` repeats a run as far as the order of tasks allows, `GARRISON_FIRE_WRITES` makes it longer.

use super::{Cluster, revision, watches::Events};
use crate::{Config, Server};
use garrison_tests::etcd::Etcd;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Notify, task::JoinSet, time::timeout};

const WATCHERS: usize = 200;
const WRITERS: usize = 6;
/// Writes of all writers together, unless the environment says otherwise.
const WRITES: usize = 600;
/// Long enough for a slow machine; a run that works never takes so long.
const PATIENCE: Duration = Duration::from_secs(240);
const NAMESPACES: [&str; 2] = ["fire-a", "fire-b"];
/// The last object that is written: every selector selects it.
const END: &str = "end";

/// What happened, to see that everything did.
#[derive(Debug, Default)]
struct Figures {
    events: AtomicUsize,
    compared: AtomicUsize,
    returned: AtomicUsize,
    expired: AtomicUsize,
    streamed: AtomicUsize,
}

/// What a watcher believes, and as of when.
#[derive(Debug, Clone, Default)]
struct Belief {
    objects: BTreeMap<String, Value>,
    seen: u64,
}

struct Watcher {
    cluster: Arc<Cluster>,
    figures: Arc<Figures>,
    random: StdRng,
    path: String,
    selector: &'static str,
    /// The namespace whose last object it waits for.
    last: &'static str,
    belief: Belief,
    /// What it believed earlier: it may be thrown back there.
    earlier: VecDeque<Belief>,
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Puts a server under fire, however it was made and wherever it keeps its objects.
pub(crate) async fn under_fire(cluster: Cluster) {
    let seed = environment("GARRISON_FIRE_SEED").unwrap_or_else(rand::random);
    let writes = environment("GARRISON_FIRE_WRITES").map_or(WRITES, |writes| usize::try_from(writes).unwrap());
    println!("GARRISON_FIRE_SEED={seed} GARRISON_FIRE_WRITES={writes}");
    for namespace in NAMESPACES {
        cluster.check("POST /api/v1/namespaces", json!({"metadata": {"name": namespace}}), 201).await;
    }
    let (cluster, figures) = (Arc::new(cluster), Arc::new(Figures::default()));
    let mut watchers: JoinSet<()> = (0..WATCHERS).map(|n| Watcher::new(&cluster, &figures, seed, n).run()).collect();
    let mut writers: JoinSet<()> =
        (0..WRITERS).map(|n| write(Arc::clone(&cluster), seed ^ (n as u64), writes / WRITERS)).collect();
    let stop = Arc::new(Notify::new());
    let forgetting = tokio::spawn(forget(Arc::clone(&cluster), seed, Arc::clone(&stop)));
    let all = async {
        while let Some(written) = writers.join_next().await {
            written.unwrap();
        }
        // From now on what the watchers believe at their end can be compared.
        stop.notify_one();
        forgetting.await.unwrap();
        for namespace in NAMESPACES {
            let object = json!({"metadata": {"name": END, "labels": {"l": "9"}}});
            cluster.check(&format!("POST /api/v1/namespaces/{namespace}/configmaps"), object, 201).await;
        }
        while let Some(watched) = watchers.join_next().await {
            watched.unwrap();
        }
    };
    timeout(PATIENCE, all).await.expect("all come to their end");
    println!("{figures:?}");
    let Figures { events, compared, returned, expired, streamed } = &*figures;
    for (count, least) in [(events, WATCHERS), (compared, WATCHERS), (returned, WATCHERS), (expired, 1), (streamed, 1)] {
        assert!(count.load(Relaxed) >= least, "{figures:?}");
    }
}

async fn write(cluster: Arc<Cluster>, seed: u64, writes: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..writes {
        let maps = format!("/api/v1/namespaces/{}/configmaps", NAMESPACES[random.random_range(0..2)]);
        let name = format!("m{}", random.random_range(0..8));
        let label = random.random_range(0..4).to_string();
        // Whether there is such an object is left to chance.
        match random.random_range(0..5) {
            0 => cluster.ask(&format!("DELETE {maps}/{name}"), Value::Null).await,
            1 => cluster.ask(&format!("POST {maps}"), json!({"metadata": {"name": name, "labels": {"l": label}}})).await,
            _ => {
                let change = json!({"metadata": {"labels": {"l": label}}, "data": {"k": random.random::<u32>().to_string()}});
                cluster.ask(&format!("PATCH {maps}/{name}"), change).await
            }
        };
    }
}

/// Forgets the past again and again, down to a few versions.
async fn forget(cluster: Arc<Cluster>, seed: u64, stop: Arc<Notify>) {
    let mut random = StdRng::seed_from_u64(seed.rotate_left(7));
    while timeout(Duration::from_millis(random.random_range(20..120)), stop.notified()).await.is_err() {
        let newest = cluster.server.storage().revision().await.unwrap();
        let upto = newest.saturating_sub(random.random_range(0..60));
        cluster.server.storage().store().compact(upto).await.unwrap();
    }
}

impl Watcher {
    fn new(cluster: &Arc<Cluster>, figures: &Arc<Figures>, seed: u64, number: usize) -> Self {
        let selectors = ["", "&labelSelector=l+in+(1,2,9)", "&fieldSelector=metadata.name!%3Dm3", "&labelSelector=l!%3D1"];
        let [a, b] = NAMESPACES;
        let (path, last) = match number % 3 {
            0 => ("/api/v1/configmaps".to_owned(), b),
            1 => (format!("/api/v1/namespaces/{a}/configmaps"), a),
            _ => (format!("/api/v1/namespaces/{b}/configmaps"), b),
        };
        Self {
            cluster: Arc::clone(cluster),
            figures: Arc::clone(figures),
            random: StdRng::seed_from_u64(seed.wrapping_add(1000 + number as u64)),
            path,
            selector: selectors[number / 3 % selectors.len()],
            last,
            belief: Belief::default(),
            earlier: VecDeque::new(),
        }
    }

    async fn run(mut self) {
        let mut lost = true;
        loop {
            // Who has lost track lists, or lets the watch itself tell what there is.
            let streams = lost && self.random.random_bool(0.5);
            if lost && !streams {
                self.list().await;
                if self.has_ended() {
                    break;
                }
            } else if streams {
                self.belief = Belief::default();
                self.figures.streamed.fetch_add(1, Relaxed);
            } else {
                self.go_back();
            }
            lost = match self.watch(streams).await {
                End::Reached => break,
                End::CutOff => false,
                End::Expired => true,
            };
        }
        assert!(self.compare().await, "nothing is forgotten any more");
    }

    /// As if it had been thrown back, or had only lost its connection.
    fn go_back(&mut self) {
        self.figures.returned.fetch_add(1, Relaxed);
        if !self.earlier.is_empty() && self.random.random_bool(0.3) {
            let index = self.random.random_range(0..self.earlier.len());
            self.belief = self.earlier[index].clone();
        }
    }

    async fn list(&mut self) {
        let least = match self.random.random_range(0..3) {
            0 => String::new(),
            1 => "&resourceVersion=0".to_owned(),
            _ => format!("&resourceVersion={}&resourceVersionMatch=NotOlderThan", self.belief.seen),
        };
        let list = self.cluster.check(&format!("GET {}?{}{least}", self.path, self.selector), Value::Null, 200).await;
        assert!(revision(&list) >= self.belief.seen, "the past was listed");
        self.belief = Belief { objects: by_key(&list), seen: revision(&list) };
    }

    /// Watches for a while.
    async fn watch(&mut self, streams: bool) -> End {
        let start = match streams {
            true => "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true".to_owned(),
            false => format!("&resourceVersion={}", self.belief.seen),
        };
        let line = format!("GET {}?watch=true{}{start}", self.path, self.selector);
        let mut events = Events::new(self.cluster.send(&line, &[], "").await);
        let mut initial = streams;
        for _ in 0..self.random.random_range(1..60) {
            // The state comes in no order of versions; it ends before anything else is done.
            loop {
                let event = events.next().await.expect("a watch without a time limit lasts");
                match self.take(&event, initial) {
                    Some(End::CutOff) => initial = false,
                    Some(end) => return end,
                    None => {}
                }
                if !initial {
                    break;
                }
            }
            if self.random.random_ratio(1, 12) {
                self.compare().await;
            }
        }
        self.earlier.push_back(self.belief.clone());
        if self.earlier.len() > 4 {
            self.earlier.pop_front();
        }
        End::CutOff
    }

    /// Believes an event; [`End::CutOff`] where the initial state ends.
    fn take(&mut self, event: &Value, initial: bool) -> Option<End> {
        self.figures.events.fetch_add(1, Relaxed);
        let object = &event["object"];
        let kind = event["type"].as_str().unwrap();
        if kind == "ERROR" {
            assert_eq!(object["code"], 410, "{event}");
            self.figures.expired.fetch_add(1, Relaxed);
            return Some(End::Expired);
        }
        let at = revision(object);
        if kind == "BOOKMARK" {
            assert!(initial && object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true", "{event}");
            self.belief.seen = at;
            return Some(if self.has_ended() { End::Reached } else { End::CutOff });
        }
        assert!(initial || at > self.belief.seen, "an event of {at} after {}", self.belief.seen);
        let fits = match kind {
            "ADDED" => self.belief.objects.insert(key(object), object.clone()).is_none(),
            "MODIFIED" => self.belief.objects.insert(key(object), object.clone()).is_some(),
            "DELETED" => self.belief.objects.remove(&key(object)).is_some(),
            other => panic!("{other}: {object}"),
        };
        assert!(fits && (!initial || kind == "ADDED"), "{event} does not fit what was told before");
        if initial {
            return None;
        }
        self.belief.seen = at;
        self.has_ended().then_some(End::Reached)
    }

    fn has_ended(&self) -> bool {
        self.belief.objects.contains_key(&format!("{}/{END}", self.last))
    }

    /// Compares with a list of exactly the version that was reached; whether it could be had.
    async fn compare(&self) -> bool {
        let query = format!("{}&resourceVersion={}&resourceVersionMatch=Exact", self.selector, self.belief.seen);
        let (code, list) = self.cluster.ask(&format!("GET {}?{query}", self.path), Value::Null).await;
        if code == 410 {
            return false;
        }
        assert_eq!((code, revision(&list)), (200, self.belief.seen), "{list}");
        assert_eq!(by_key(&list), self.belief.objects, "{} {} as of {}", self.path, self.selector, self.belief.seen);
        self.figures.compared.fetch_add(1, Relaxed);
        true
    }
}

/// How a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All that will ever be written was seen.
    Reached,
    /// It was cut off.
    CutOff,
    /// Its version is forgotten.
    Expired,
}

fn key(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

fn by_key(list: &Value) -> BTreeMap<String, Value> {
    list["items"].as_array().unwrap().iter().map(|item| (key(item), item.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_under_fire_believe_what_a_list_of_their_version_shows() {
    under_fire(Cluster::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_do_watchers_of_objects_in_etcd() {
    let etcd = Etcd::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = garrison_store::etcd::Config::new(vec![etcd.endpoint().to_owned()]);
    let server = Server::open(Config { etcd: Some(store), ..super::config(dir.path()) }).await.unwrap();
    under_fire(Cluster { server, dir }).await;
}
