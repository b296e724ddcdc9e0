//! The loop against an API: who has to go and when, and what is told. The taints tell since when they are there, so that
//! a long time is over soon.

use super::*;
use crate::{
    Config, Loops,
    fake_api::{FakeApi, Fault, text},
};
use http::Method;
use jiff::SignedDuration;
use serde_json::Value;

const HOUR: i64 = 3600;

struct Running {
    eviction: Arc<Eviction>,
    loops: Loops,
}

/// The loop with its caches.
fn start(api: &FakeApi) -> Running {
    let context = Context::new(api.client(), Config::default());
    let mut loops = Loops::new(CancellationToken::new());
    loops.feed("pod cache", &context, |c| &c.pods);
    loops.feed("node cache", &context, |c| &c.nodes);
    let eviction = Arc::new(Eviction::new(context));
    loops.spawn("taint eviction", eviction.clone().run(loops.shutdown.clone()));
    Running { eviction, loops }
}

async fn stop(running: Running) {
    running.loops.shutdown.cancel();
    running.loops.join().await.expect("no loop fails");
}

impl Running {
    /// When a pod's time is over.
    fn until(&self, pod: &str) -> Option<Timestamp> {
        self.eviction.countdowns.lock().get(&Key::new("ns", pod)).map(|(_, countdown)| countdown.until)
    }
}

/// The end of a time of so many seconds.
fn end(begun: Timestamp, seconds: i64) -> Option<Timestamp> {
    Some(begun + SignedDuration::from_secs(seconds))
}

/// A whole second, as objects tell time.
fn seconds_ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() - seconds).expect("a time")
}

fn taint(key: &str, since: Timestamp) -> Value {
    json!({"key": key, "effect": "NoExecute", "timeAdded": since})
}

fn put_node(api: &FakeApi, name: &str, taints: &[Value]) {
    api.put("v1", "Node", json!({"metadata": {"name": name}, "spec": {"taints": taints}}));
}

/// A pod on a node, or on none, that is older than all taints.
fn put_pod(api: &FakeApi, name: &str, node: Option<&str>, tolerations: &[Value]) {
    let metadata = json!({"namespace": "ns", "name": name, "creationTimestamp": "2020-01-01T00:00:00Z"});
    let spec = json!({"nodeName": node, "tolerations": tolerations, "terminationGracePeriodSeconds": 30});
    api.put("v1", "Pod", json!({"metadata": metadata, "spec": spec}));
}

fn tolerates_for(key: &str, seconds: i64) -> Value {
    json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds})
}

fn pod(api: &FakeApi, name: &str) -> Value {
    api.list("pods").into_iter().find(|pod| text(pod, "/metadata/name") == name).expect("the pod is there")
}

/// The pods that have to go.
fn evicted(api: &FakeApi) -> Vec<String> {
    let deleted = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_string();
    api.list("pods").into_iter().filter(deleted).map(|pod| text(&pod, "/metadata/name")).collect()
}

fn is_told(api: &FakeApi, message: &str) -> bool {
    api.list("events").iter().any(|event| event["reason"] == "TaintManagerEviction" && event["message"] == message)
}

/// Waits until a pod is evicted whose turn comes after all that was put before.
async fn one_more(api: &FakeApi) {
    put_node(api, "elsewhere", &[taint("k", seconds_ago(0))]);
    put_pod(api, "later", Some("elsewhere"), &[]);
    api.until("a later one goes", |api| evicted(api).contains(&"later".into())).await;
    api.remove("pods", "later");
}

/// Conformance: R1, U25
#[tokio::test]
async fn a_pod_that_does_not_tolerate_a_taint_goes_and_is_told_why() {
    let api = FakeApi::new();
    put_node(&api, "a", &[taint("k", seconds_ago(0))]);
    put_pod(&api, "p", Some("a"), &[]);
    let running = start(&api);
    api.until("it goes", |api| evicted(api) == ["p"]).await;
    api.until("it is told", |api| is_told(api, "Marking for deletion Pod ns/p")).await;
    stop(running).await;
    let pod = pod(&api, "p");
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 30, "it may end as it likes");
    let told = ["type", "status", "reason"].map(|part| text(&pod["status"]["conditions"][0], &format!("/{part}")));
    assert_eq!(told, ["DisruptionTarget", "True", "DeletionByTaintManager"]);
}

#[tokio::test]
async fn it_goes_whatever_comes_last_the_taint_the_node_or_the_pod() {
    let api = FakeApi::new();
    let driving = [taint("k", seconds_ago(0))];
    put_node(&api, "tainted", &driving);
    put_node(&api, "well", &[]);
    [("p", Some("well")), ("q", None), ("r", Some("unseen"))].iter().for_each(|(name, node)| put_pod(&api, name, *node, &[]));
    let running = start(&api);
    one_more(&api).await;
    assert_eq!(evicted(&api), [""; 0]);
    put_node(&api, "well", &driving);
    api.until("the taint", |api| evicted(api) == ["p"]).await;
    put_pod(&api, "q", Some("tainted"), &[]);
    api.until("its place", |api| evicted(api) == ["p", "q"]).await;
    put_node(&api, "unseen", &driving);
    api.until("the node", |api| evicted(api) == ["p", "q", "r"]).await;
    put_pod(&api, "s", Some("tainted"), &[]);
    api.until("the pod", |api| evicted(api) == ["p", "q", "r", "s"]).await;
    stop(running).await;
}

#[tokio::test]
async fn who_tolerates_all_taints_stays() {
    let api = FakeApi::new();
    let (not_ready, unreachable) = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable");
    put_node(&api, "down", &[taint(not_ready, seconds_ago(HOUR)), taint(unreachable, seconds_ago(HOUR))]);
    let kinder = |effect: &str| json!({"key": "k", "effect": effect});
    put_node(&api, "kind", &[kinder("NoSchedule"), kinder("PreferNoSchedule")]);
    let daemon = [not_ready, unreachable].map(|key| json!({"key": key, "operator": "Exists", "effect": "NoExecute"}));
    put_pod(&api, "daemon", Some("down"), &daemon);
    put_pod(&api, "half", Some("down"), &daemon[..1]);
    put_pod(&api, "on-a-kind-one", Some("kind"), &[]);
    put_pod(&api, "unbound", None, &[]);
    let running = start(&api);
    one_more(&api).await;
    assert_eq!(evicted(&api), ["half"]);
    assert_eq!(running.until("daemon"), None);
    stop(running).await;
}

#[tokio::test]
async fn the_first_toleration_that_fits_counts_and_of_several_taints_the_shortest() {
    let api = FakeApi::new();
    put_node(&api, "a", &[taint("k", seconds_ago(HOUR)), taint("l", seconds_ago(HOUR))]);
    let ever = json!({"operator": "Exists"});
    let limited = json!({"operator": "Exists", "tolerationSeconds": HOUR / 2});
    put_pod(&api, "limited", Some("a"), &[limited.clone(), ever.clone()]);
    put_pod(&api, "patient", Some("a"), &[ever, limited]);
    put_pod(&api, "shortest", Some("a"), &[tolerates_for("k", 2 * HOUR), tolerates_for("l", HOUR / 2)]);
    put_pod(&api, "not-yet", Some("a"), &[tolerates_for("k", 2 * HOUR), tolerates_for("l", 3 * HOUR)]);
    put_pod(&api, "none", Some("a"), &[tolerates_for("k", 0), tolerates_for("l", HOUR)]);
    let running = start(&api);
    api.until("three go", |api| evicted(api) == ["limited", "none", "shortest"]).await;
    one_more(&api).await;
    assert_eq!(evicted(&api), ["limited", "none", "shortest"]);
    assert!(running.until("not-yet").is_some());
    stop(running).await;
}

/// Conformance: R2, U25
#[tokio::test]
async fn its_time_runs_from_when_the_taint_was_added_and_then_it_goes() {
    let api = FakeApi::new();
    let added = seconds_ago(HOUR);
    put_node(&api, "a", &[taint("k", added)]);
    put_pod(&api, "p", Some("a"), &[tolerates_for("k", HOUR + 1)]);
    put_pod(&api, "q", Some("a"), &[tolerates_for("k", 2 * HOUR)]);
    let running = start(&api);
    api.until("its time is over", |api| evicted(api) == ["p"]).await;
    let told = text(&pod(&api, "p"), "/status/conditions/0/lastTransitionTime").parse::<Timestamp>().expect("a time");
    assert!(told >= added + SignedDuration::from_secs(HOUR + 1), "not before");
    assert_eq!(running.until("q"), end(added, 2 * HOUR));
    stop(running).await;
}

#[tokio::test]
async fn its_time_stops_when_the_taint_goes_and_begins_anew_when_it_returns() {
    let api = FakeApi::new();
    let (first, second) = (seconds_ago(HOUR), seconds_ago(HOUR / 2));
    put_node(&api, "a", &[taint("k", first)]);
    put_pod(&api, "p", Some("a"), &[tolerates_for("k", 2 * HOUR)]);
    let running = start(&api);
    api.until("its time runs", |_| running.until("p") == end(first, 2 * HOUR)).await;
    put_node(&api, "a", &[]);
    api.until("it stops", |_| running.until("p").is_none()).await;
    api.until("it is told", |api| is_told(api, "Cancelling deletion of Pod ns/p")).await;
    // The look at the end of its time was planned and comes all the same.
    running.eviction.queue.add(Key::new("ns", "p"));
    one_more(&api).await;
    assert_eq!(running.until("p"), None);
    put_node(&api, "a", &[taint("k", second)]);
    api.until("it begins anew", |_| running.until("p") == end(second, 2 * HOUR)).await;
    assert_eq!(evicted(&api), [""; 0]);
    stop(running).await;
}

#[tokio::test]
async fn its_time_goes_on_when_one_taint_follows_another() {
    let api = FakeApi::new();
    let begun = seconds_ago(HOUR);
    put_node(&api, "a", &[taint("k", begun)]);
    put_pod(&api, "p", Some("a"), &[tolerates_for("k", 2 * HOUR), tolerates_for("l", 3 * HOUR)]);
    let running = start(&api);
    api.until("its time runs", |_| running.until("p") == end(begun, 2 * HOUR)).await;
    put_node(&api, "a", &[taint("l", seconds_ago(0))]);
    one_more(&api).await;
    assert_eq!(running.until("p"), end(begun, 2 * HOUR));
    stop(running).await;
}

#[tokio::test]
async fn a_pod_that_learns_to_tolerate_stays() {
    let api = FakeApi::new();
    put_node(&api, "a", &[taint("k", seconds_ago(HOUR))]);
    put_pod(&api, "p", Some("a"), &[tolerates_for("k", 2 * HOUR)]);
    let running = start(&api);
    api.until("its time runs", |_| running.until("p").is_some()).await;
    put_pod(&api, "p", Some("a"), &[json!({"key": "k", "operator": "Exists"})]);
    api.until("it stops", |_| running.until("p").is_none()).await;
    api.until("it is told", |api| is_told(api, "Cancelling deletion of Pod ns/p")).await;
    stop(running).await;
}

#[tokio::test]
async fn a_pod_made_anew_elsewhere_is_another_one() {
    let api = FakeApi::new();
    put_node(&api, "a", &[taint("k", seconds_ago(HOUR))]);
    put_node(&api, "b", &[]);
    put_node(&api, "c", &[taint("k", seconds_ago(HOUR / 2))]);
    let tolerations = [tolerates_for("k", 2 * HOUR)];
    put_pod(&api, "p", Some("a"), &tolerations);
    let running = start(&api);
    api.until("its time runs", |_| running.until("p").is_some()).await;
    api.remove("pods", "p");
    put_pod(&api, "p", Some("b"), &tolerations);
    put_node(&api, "a", &[taint("k", seconds_ago(HOUR)), taint("other", seconds_ago(HOUR))]);
    one_more(&api).await;
    assert_eq!((running.until("p"), evicted(&api)), (None, vec![]), "what happens to its old node does not concern it");
    api.remove("pods", "p");
    put_pod(&api, "p", Some("c"), &tolerations);
    api.until("its time runs from then", |_| running.until("p") > end(seconds_ago(HOUR), 2 * HOUR)).await;
    api.remove("pods", "p");
    api.until("nothing is left of it", |_| running.until("p").is_none()).await;
    stop(running).await;
}

#[tokio::test]
async fn failed_writes_are_made_anew() {
    for fault in [Fault::Refused(409, "Conflict"), Fault::Refused(500, "InternalError"), Fault::AnswerLost] {
        for (method, end) in [(Method::PATCH, "/p/status"), (Method::DELETE, "/p")] {
            let api = FakeApi::new();
            api.fail(move |other, path, before| (*other == method && path.ends_with(end) && before < 2).then_some(fault));
            put_node(&api, "a", &[taint("k", seconds_ago(0))]);
            put_pod(&api, "p", Some("a"), &[]);
            let running = start(&api);
            api.until("it goes", |api| evicted(api) == ["p"]).await;
            stop(running).await;
            assert_eq!(text(&pod(&api, "p"), "/status/conditions/0/type"), "DisruptionTarget");
        }
    }
}

#[tokio::test]
async fn who_goes_already_is_left_alone() {
    let api = FakeApi::new();
    put_node(&api, "a", &[taint("k", seconds_ago(0))]);
    let metadata = json!({"namespace": "ns", "name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"});
    api.put("v1", "Pod", json!({"metadata": metadata, "spec": {"nodeName": "a"}}));
    let running = start(&api);
    one_more(&api).await;
    stop(running).await;
    assert!(!api.requests().iter().any(|request| request.contains("/pods/p")));
}
