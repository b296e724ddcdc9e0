//! The loop against an API: who gets a node, what is told of those who do not, what wakes it.

use crate::{
    Context,
    fake_api::{FakeApi, Fault, text},
};
use kube::Api;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The scheduler with its caches.
fn start(api: &FakeApi) -> (JoinSet<()>, CancellationToken) {
    let shutdown = CancellationToken::new();
    let context = Context::new(api.client(), crate::Config::default());
    let mut tasks = JoinSet::new();
    let (fed, token) = (context.clone(), shutdown.clone());
    tasks.spawn(async move { fed.pods.feed(Api::all(fed.client.clone()), token).await });
    let (fed, token) = (context.clone(), shutdown.clone());
    tasks.spawn(async move { fed.nodes.feed(Api::all(fed.client.clone()), token).await });
    tasks.spawn(super::run(context, shutdown.clone()));
    (tasks, shutdown)
}

async fn stop((tasks, shutdown): (JoinSet<()>, CancellationToken)) {
    shutdown.cancel();
    tasks.join_all().await;
}

fn put_node(api: &FakeApi, name: &str, spec: Value) {
    api.put(
        "v1",
        "Node",
        json!({"metadata": {"name": name}, "spec": spec, "status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "10"}}}),
    );
}

fn put_pod(api: &FakeApi, name: &str, spec: Value) {
    api.put("v1", "Pod", json!({"metadata": {"namespace": "ns", "name": name}, "spec": spec}));
}

fn hungry(cpu: &str) -> Value {
    json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]})
}

fn node_of(api: &FakeApi, pod: &str) -> String {
    let pods = api.list("pods");
    text(pods.iter().find(|found| text(found, "/metadata/name") == pod).expect("the pod is there"), "/spec/nodeName")
}

fn condition(api: &FakeApi, pod: &str) -> String {
    let pods = api.list("pods");
    let found = pods.iter().find(|found| text(found, "/metadata/name") == pod).expect("the pod is there");
    let part = |part: &str| text(found, &format!("/status/conditions/0/{part}"));
    format!("{}={} {}: {}", part("type"), part("status"), part("reason"), part("message"))
}

#[tokio::test]
async fn pods_spread_and_only_ours_are_bound() {
    let api = FakeApi::new();
    ["a", "b"].iter().for_each(|name| put_node(&api, name, json!({})));
    ["x", "y"].iter().for_each(|name| put_pod(&api, name, hungry("600m")));
    put_pod(&api, "other", json!({"schedulerName": "other"}));
    let scheduler = start(&api);
    api.until("both are bound", |api| !node_of(api, "x").is_empty() && !node_of(api, "y").is_empty()).await;
    assert_ne!(node_of(&api, "x"), node_of(&api, "y"), "one node is too small for both");
    assert_eq!(node_of(&api, "other"), "");
    api.until("it is told", |api| api.list("events").iter().any(|event| event["reason"] == "Scheduled")).await;
    stop(scheduler).await;
}

/// Conformance: I6
#[tokio::test]
async fn a_refused_pod_says_why_and_gets_the_node_that_becomes_free() {
    let api = FakeApi::new();
    put_node(&api, "a", json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}));
    put_node(&api, "b", json!({}));
    put_pod(&api, "big", json!({"nodeName": "b", "containers": hungry("1")["containers"]}));
    put_pod(&api, "x", hungry("500m"));
    let scheduler = start(&api);
    let why =
        "PodScheduled=False Unschedulable: 0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {k: v}.";
    api.until("the condition says why", |api| condition(api, "x") == why).await;
    api.until("so does an event", |api| api.list("events").iter().any(|event| event["reason"] == "FailedScheduling")).await;
    api.remove("pods", "big");
    api.until("the freed node is taken", |api| node_of(api, "x") == "b").await;
    stop(scheduler).await;
}

#[tokio::test]
async fn a_taint_taken_off_lets_its_pods_in() {
    let api = FakeApi::new();
    put_node(&api, "a", json!({"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}));
    put_pod(&api, "x", json!({}));
    let scheduler = start(&api);
    api.until("it is refused", |api| condition(api, "x").contains("not-ready")).await;
    put_node(&api, "a", json!({}));
    api.until("it is let in", |api| node_of(api, "x") == "a").await;
    stop(scheduler).await;
}

#[tokio::test]
async fn a_failed_binding_is_tried_again_and_holds_nothing() {
    let api = FakeApi::new();
    put_node(&api, "a", json!({}));
    put_pod(&api, "x", hungry("1"));
    api.fail(|_, path, before| (path.ends_with("/binding") && before < 2).then_some(Fault::Refused(500, "InternalError")));
    let scheduler = start(&api);
    api.until("it is bound", |api| node_of(api, "x") == "a").await;
    stop(scheduler).await;
}

#[tokio::test]
async fn a_pod_on_its_way_out_is_left_alone() {
    let api = FakeApi::new();
    put_node(&api, "a", json!({}));
    api.put(
        "v1",
        "Pod",
        json!({"metadata": {"namespace": "ns", "name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}),
    );
    put_pod(&api, "y", json!({}));
    let scheduler = start(&api);
    api.until("the other is bound", |api| node_of(api, "y") == "a").await;
    assert_eq!(node_of(&api, "x"), "");
    stop(scheduler).await;
}
