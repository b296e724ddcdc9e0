//! The loop against an API: which pods go, which stay, and what they are told before they go. Time is the runtime's own,
//! which runs on by itself when nothing else does.

mod odd;
mod trouble;

use super::*;
use crate::{
    Config, Loops,
    fake_api::{FakeApi, text},
};
use serde_json::Value;

/// Longer than a node that was seen to go is waited for.
const QUARANTINE: Duration = Duration::from_secs(10);

/// The loop with its caches.
fn start(api: &FakeApi) -> Loops {
    start_with(api, Config { missing_node_quarantine: QUARANTINE, ..Config::default() })
}

fn start_with(api: &FakeApi, config: Config) -> Loops {
    let context = Context::new(api.client(), config);
    let mut loops = Loops::new(CancellationToken::new());
    loops.feed("pod cache", &context, |c| &c.pods);
    loops.feed("node cache", &context, |c| &c.nodes);
    loops.spawn("pod garbage", run(context, loops.shutdown.clone()));
    loops
}

async fn stop(loops: Loops) {
    loops.shutdown.cancel();
    loops.join().await.expect("no loop fails");
}

fn put_node(api: &FakeApi, name: &str) {
    put_node_with(api, name, "True", false);
}

fn put_node_with(api: &FakeApi, name: &str, ready: &str, out_of_service: bool) {
    let taint = json!({"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"});
    let taints = if out_of_service { json!([taint]) } else { json!([]) };
    let status = json!({"conditions": [{"type": "Ready", "status": ready}]});
    api.put("v1", "Node", json!({"metadata": {"name": name}, "spec": {"taints": taints}, "status": status}));
}

fn put_pod(api: &FakeApi, name: &str, node: &str) {
    put_pod_with(api, name, json!({}), node, "Running");
}

fn put_pod_with(api: &FakeApi, name: &str, more: Value, node: &str, phase: &str) {
    let mut metadata = json!({"namespace": "ns", "name": name});
    metadata.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let spec = if node.is_empty() { json!({}) } else { json!({ "nodeName": node }) };
    api.put("v1", "Pod", json!({"metadata": metadata, "spec": spec, "status": {"phase": phase}}));
}

/// What a pod has that was deleted.
fn deleted() -> Value {
    json!({"deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": 30})
}

fn pod(api: &FakeApi, name: &str) -> Value {
    api.list("pods").into_iter().find(|pod| text(pod, "/metadata/name") == name).expect("the pod is there")
}

fn names(api: &FakeApi) -> Vec<String> {
    api.list("pods").iter().map(|pod| text(pod, "/metadata/name")).collect()
}

/// The writes that concern a pod, as method and subresource.
fn writes(api: &FakeApi, pod: &str) -> Vec<String> {
    let path = format!("/api/v1/namespaces/ns/pods/{pod}");
    let of_pod = |request: String| {
        let (method, rest) = request.split_once(' ')?;
        Some(format!("{method}{}", rest.strip_prefix(&path)?)).filter(|_| method != "GET")
    };
    api.requests().into_iter().filter_map(of_pod).collect()
}

/// Waits until the loop has come to a pod that began to wait when this is called.
async fn one_more_round(api: &FakeApi) {
    put_pod(api, "later", "never-there");
    api.until("a later one goes", |api| !names(api).contains(&"later".into())).await;
}

/// Conformance: R4, U25
#[tokio::test(start_paused = true)]
async fn the_pods_of_a_removed_node_are_failed_and_go() {
    let api = FakeApi::new();
    ["a", "b"].iter().for_each(|name| put_node(&api, name));
    [("p", "a"), ("q", "b")].iter().for_each(|(name, node)| put_pod(&api, name, node));
    put_pod_with(&api, "done", json!({}), "a", "Succeeded");
    put_pod_with(&api, "held", json!({"finalizers": ["example.org/x"]}), "a", "Running");
    put_pod_with(&api, "ending", deleted(), "a", "Running");
    let loops = start(&api);
    // That the loop has seen the node shows in that its going is settled sooner than one that was never there.
    one_more_round(&api).await;
    assert_eq!(names(&api), ["done", "ending", "held", "p", "q"]);
    let begun = Instant::now();
    api.remove("nodes", "a");
    api.until("its pods go", |api| names(api) == ["held", "q"]).await;
    assert!((SETTLING..QUARANTINE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    stop(loops).await;
    let held = pod(&api, "held");
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(held["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(held["status"]["phase"], "Failed");
    let condition = &held["status"]["conditions"][0];
    let told = ["type", "status", "reason", "message"].map(|part| text(condition, &format!("/{part}")));
    assert_eq!(told, ["DisruptionTarget", "True", "DeletionByPodGC", "PodGC: node no longer exists"]);
    ["p", "held", "ending"].iter().for_each(|name| assert_eq!(writes(&api, name), ["PATCH/status", "DELETE"], "{name}"));
    assert_eq!(writes(&api, "done"), ["DELETE"], "what came to its end keeps how it ended");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_never_seen_may_be_new_and_is_waited_for() {
    let api = FakeApi::new();
    ["p", "q"].iter().for_each(|name| put_pod(&api, name, "never-there"));
    let begun = Instant::now();
    let loops = start(&api);
    api.until("they go", |api| names(api).is_empty()).await;
    stop(loops).await;
    assert!(begun.elapsed() >= QUARANTINE);
    assert_eq!(api.requests().iter().filter(|request| *request == "GET /api/v1/nodes/never-there").count(), 1);
}

/// Conformance: U25
#[tokio::test(start_paused = true)]
async fn a_node_that_registers_in_time_keeps_its_pods() {
    let api = FakeApi::new();
    put_node(&api, "comes-back");
    put_pod(&api, "p", "late");
    put_pod(&api, "q", "comes-back");
    let loops = start(&api);
    put_pod(&api, "of-nowhere", "never-there");
    tokio::time::sleep(QUARANTINE / 2).await;
    api.remove("nodes", "comes-back");
    ["late", "comes-back"].iter().for_each(|name| put_node(&api, name));
    one_more_round(&api).await;
    stop(loops).await;
    assert_eq!(names(&api), ["p", "q"]);
    assert!(writes(&api, "p").is_empty() && writes(&api, "q").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_twice_is_waited_for_twice() {
    let api = FakeApi::new();
    put_node(&api, "a");
    put_pod(&api, "p", "a");
    let loops = start(&api);
    one_more_round(&api).await;
    api.remove("nodes", "a");
    tokio::time::sleep(SETTLING / 2).await;
    put_node(&api, "a");
    tokio::time::sleep(SETTLING * 2).await;
    assert_eq!(names(&api), ["p"]);
    let begun = Instant::now();
    api.remove("nodes", "a");
    api.until("its pod goes", |api| names(api).is_empty()).await;
    stop(loops).await;
    assert!((SETTLING..QUARANTINE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_without_a_node_goes_at_once() {
    let api = FakeApi::new();
    put_pod_with(&api, "held", json!({"finalizers": ["example.org/x"]}), "", "Pending");
    put_pod_with(&api, "waiting", json!({}), "", "Pending");
    let loops = start(&api);
    put_pod_with(&api, "p", deleted(), "", "Pending");
    let mut held = deleted();
    held["finalizers"] = json!(["example.org/x"]);
    put_pod_with(&api, "held", held, "", "Pending");
    api.until("it goes", |api| names(api) == ["held", "waiting"]).await;
    api.until("both are ended", |api| pod(api, "held")["metadata"]["deletionGracePeriodSeconds"] == 0).await;
    one_more_round(&api).await;
    let written = writes(&api, "held");
    one_more_round(&api).await;
    stop(loops).await;
    assert_eq!(pod(&api, "held")["status"], json!({"phase": "Failed"}), "no node was at fault");
    assert_eq!(writes(&api, "held"), written, "its finalizer is not fought over");
    assert!(writes(&api, "waiting").is_empty());
}

/// Conformance: R4, U25
#[tokio::test(start_paused = true)]
async fn a_node_out_of_service_loses_what_was_deleted_there() {
    let api = FakeApi::new();
    [("dead", "Unknown", true), ("lives", "True", true), ("silent", "Unknown", false)]
        .iter()
        .for_each(|(name, ready, out)| put_node_with(&api, name, ready, *out));
    ["dead", "lives", "silent"].iter().for_each(|node| put_pod_with(&api, node, deleted(), node, "Running"));
    put_pod(&api, "not-deleted", "dead");
    let loops = start(&api);
    one_more_round(&api).await;
    assert_eq!(names(&api), ["lives", "not-deleted", "silent"]);
    put_pod_with(&api, "not-deleted", deleted(), "dead", "Running");
    api.until("deleted later", |api| names(api) == ["lives", "silent"]).await;
    put_node_with(&api, "silent", "Unknown", true);
    api.until("tainted later", |api| names(api) == ["lives"]).await;
    put_node_with(&api, "lives", "False", true);
    api.until("not Ready later", |api| names(api).is_empty()).await;
    stop(loops).await;
}

#[tokio::test(start_paused = true)]
async fn finished_pods_that_are_too_many_go_evicted_ones_first_then_the_oldest() {
    let api = FakeApi::new();
    put_node(&api, "a");
    let at = |second: u32| json!({"creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")});
    let put_ended = |name: &str, second: u32, phase: &str| put_pod_with(&api, name, at(second), "a", phase);
    put_ended("runs", 0, "Running");
    put_ended("old", 1, "Succeeded");
    put_ended("older", 0, "Failed");
    let loops = start_with(&api, Config { terminated_pod_threshold: 2, ..Config::default() });
    one_more_round_of_counting(&api).await;
    assert_eq!(names(&api), ["old", "older", "runs"], "as many as are kept");
    put_ended("new", 2, "Succeeded");
    let evicted = json!({"phase": "Failed", "reason": "Evicted"});
    let metadata = json!({"namespace": "ns", "name": "evicted", "creationTimestamp": "2026-01-01T00:00:03Z"});
    api.put("v1", "Pod", json!({"metadata": metadata, "spec": {"nodeName": "a"}, "status": evicted}));
    api.until("two are left", |api| names(api).len() <= 3).await;
    assert_eq!(names(&api), ["new", "old", "runs"]);
    put_ended("runs", 0, "Succeeded");
    api.until("one ends and is the oldest", |api| names(api) == ["new", "old"]).await;
    stop(loops).await;
}

/// Waits as long as it takes that pods are counted, and then some.
async fn one_more_round_of_counting(api: &FakeApi) {
    api.until("the pods are listed", |api| api.requests().contains(&"GET /api/v1/pods".into())).await;
    tokio::time::sleep(COUNTING_PAUSE * 2).await;
}
