//! The loop against an API: what follows for a node and its pods from silence, from what the node reports, and from what
//! its operator wants. Silence is not waited for: what was heard of a node is put back by hours.

mod together;
mod trouble;

use super::*;
use crate::{
    Config, Loops,
    fake_api::{FakeApi, text},
};
use std::collections::BTreeSet;

const HOUR: Duration = Duration::from_secs(3600);
/// Silence that is over soon.
const SHORT: Duration = Duration::from_millis(50);

const NOT_READY: [&str; 2] = ["not-ready:NoExecute", "not-ready:NoSchedule"];
const UNREACHABLE: [&str; 2] = ["unreachable:NoExecute", "unreachable:NoSchedule"];

struct Running {
    lifecycle: Arc<Lifecycle>,
    loops: Loops,
}

/// The loop with its caches, for which an hour of silence is too long.
async fn start(api: &FakeApi) -> Running {
    start_with(api, HOUR, HOUR).await
}

async fn start_with(api: &FakeApi, grace: Duration, startup: Duration) -> Running {
    let config = Config { node_monitor_grace_period: grace, node_startup_grace_period: startup, ..Config::default() };
    let context = Context::new(api.client(), config);
    let mut loops = Loops::new(CancellationToken::new());
    loops.feed("pod cache", &context, |c| &c.pods);
    loops.feed("node cache", &context, |c| &c.nodes);
    loops.feed("lease cache", &context, |c| &c.leases);
    let lifecycle = Arc::new(Lifecycle::new(context));
    loops.spawn("node lifecycle", lifecycle.clone().run(loops.shutdown.clone()));
    api.until("the loop runs", |_| lifecycle.state.lock().announcing).await;
    Running { lifecycle, loops }
}

async fn stop(running: Running) {
    running.loops.shutdown.cancel();
    running.loops.join().await.expect("no loop fails");
}

impl Running {
    /// Puts back by hours when a node was heard of.
    fn put_back(&self, name: &str) {
        let node = self.lifecycle.context.nodes.get(&Key::new("", name)).expect("the node is known");
        let before = Timestamp::now() - SignedDuration::from_hours(2);
        self.lifecycle.state.lock().heartbeats.insert(name.into(), Heartbeat::first(&node, before));
    }

    fn is_silent(&self, name: &str) -> bool {
        let due = self.lifecycle.state.lock().heartbeats[name].due(Readiness::Ready, &self.lifecycle.patience);
        due <= Timestamp::now()
    }

    fn silence(&self, name: &str) {
        self.put_back(name);
        self.lifecycle.queue.add(name.into());
    }
}

/// A node as its agent registers it, before it has reported.
fn put_node(api: &FakeApi, name: &str) {
    api.put("v1", "Node", json!({"metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}));
}

/// Lets a node's agent report one condition; all others stay.
fn report(api: &FakeApi, name: &str, kind: &str, status: &str) {
    let mut node = node(api, name);
    let reported = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let mut conditions: Vec<Value> = reported.into_iter().filter(|condition| condition["type"] != kind).collect();
    conditions.push(json!({"type": kind, "status": status, "lastHeartbeatTime": Timestamp::now()}));
    node["status"]["conditions"] = json!(conditions);
    api.put("v1", "Node", node);
}

fn put_ready(api: &FakeApi, names: &[&str]) {
    for name in names {
        put_node(api, name);
        report(api, name, "Ready", "True");
    }
}

fn cordon(api: &FakeApi, name: &str, cordoned: bool) {
    let mut node = node(api, name);
    node["spec"]["unschedulable"] = json!(cordoned);
    api.put("v1", "Node", node);
}

fn put_pod(api: &FakeApi, name: &str, node: &str) {
    let conditions = json!([{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}]);
    let metadata = json!({"namespace": "ns", "name": name});
    api.put("v1", "Pod", json!({"metadata": metadata, "spec": {"nodeName": node}, "status": {"conditions": conditions}}));
}

fn node(api: &FakeApi, name: &str) -> Value {
    api.list("nodes").into_iter().find(|node| text(node, "/metadata/name") == name).expect("the node is there")
}

/// Key, without the usual prefix, and effect of a node's taints, in order.
fn taints(api: &FakeApi, name: &str) -> Vec<String> {
    let taints = node(api, name)["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let told =
        |taint: &Value| format!("{}:{}", text(taint, "/key").trim_start_matches("node.kubernetes.io/"), text(taint, "/effect"));
    taints.iter().map(told).collect::<BTreeSet<_>>().into_iter().collect()
}

fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}

fn status(api: &FakeApi, name: &str, kind: &str) -> String {
    text(&condition(&node(api, name), kind), "/status")
}

fn is_pod_ready(api: &FakeApi, name: &str) -> bool {
    let pod = api.list("pods").into_iter().find(|pod| text(pod, "/metadata/name") == name).expect("the pod is there");
    condition(&pod, "Ready")["status"] == "True"
}

fn is_told(api: &FakeApi, kind: &str, name: &str, reason: &str) -> bool {
    let told = |event: &Value| {
        let regarding = &event["involvedObject"];
        regarding["kind"] == kind && regarding["name"] == name && event["reason"] == reason
    };
    api.list("events").iter().any(told)
}

/// Waits until the loop has looked at a node, whatever else it does then.
async fn one_more_look(api: &FakeApi, name: &str) {
    for cordoned in [true, false] {
        cordon(api, name, cordoned);
        let is_tainted = |api: &FakeApi| taints(api, name).contains(&"unschedulable:NoSchedule".into());
        api.until("it is looked at", |api| is_tainted(api) == cordoned).await;
    }
}

/// Conformance: U25
#[tokio::test]
async fn a_silent_node_is_unknown_and_unreachable_and_its_pods_are_not_ready() {
    let api = FakeApi::new();
    put_ready(&api, &["a", "b"]);
    ["MemoryPressure", "DiskPressure", "NetworkUnavailable"].iter().for_each(|kind| report(&api, "a", kind, "False"));
    [("p", "a"), ("q", "b")].iter().for_each(|(name, node)| put_pod(&api, name, node));
    let running = start(&api).await;
    running.silence("a");
    api.until("it is tainted", |api| taints(api, "a") == UNREACHABLE && !is_pod_ready(api, "p")).await;
    for (kind, name) in [("Node", "a"), ("Pod", "p")] {
        api.until("it is told", |api| is_told(api, kind, name, "NodeNotReady")).await;
    }
    stop(running).await;
    let silent = node(&api, "a");
    for (kind, reason, message) in [
        ("Ready", "NodeStatusUnknown", "Kubelet stopped posting node status."),
        ("MemoryPressure", "NodeStatusUnknown", "Kubelet stopped posting node status."),
        ("DiskPressure", "NodeStatusUnknown", "Kubelet stopped posting node status."),
        ("PIDPressure", "NodeStatusNeverUpdated", "Kubelet never posted node status."),
    ] {
        let told = ["status", "reason", "message"].map(|part| text(&condition(&silent, kind), &format!("/{part}")));
        assert_eq!(told, ["Unknown", reason, message], "{kind}");
    }
    assert_eq!(condition(&silent, "NetworkUnavailable")["status"], "False", "others know about the network");
    assert_eq!((status(&api, "b", "Ready").as_str(), is_pod_ready(&api, "q")), ("True", true));
    assert_eq!(taints(&api, "b"), [""; 0]);
}

#[tokio::test]
async fn a_lease_that_is_renewed_keeps_a_node_ready() {
    let api = FakeApi::new();
    put_ready(&api, &["a", "b"]);
    let running = start(&api).await;
    running.put_back("a");
    let put_lease = |namespace: &str, time: &str| {
        let metadata = json!({"namespace": namespace, "name": "a"});
        api.put("coordination.k8s.io/v1", "Lease", json!({"metadata": metadata, "spec": {"renewTime": time}}));
    };
    put_lease("elsewhere", "2026-01-01T00:00:00.000000Z");
    put_lease("kube-node-lease", "2026-01-01T00:00:01.000000Z");
    api.until("it is heard of", |_| !running.is_silent("a")).await;
    one_more_look(&api, "a").await;
    assert_eq!(status(&api, "a", "Ready"), "True");
    running.put_back("a");
    put_lease("kube-node-lease", "2026-01-01T00:00:02.000000Z");
    api.until("it is heard of again", |_| !running.is_silent("a")).await;
    one_more_look(&api, "a").await;
    assert_eq!(status(&api, "a", "Ready"), "True");
    running.silence("a");
    put_lease("elsewhere", "2026-01-01T00:00:03.000000Z");
    api.until("a lease elsewhere is none of a node", |api| taints(api, "a") == UNREACHABLE).await;
    stop(running).await;
}

#[tokio::test]
async fn a_report_keeps_a_node_ready() {
    let api = FakeApi::new();
    put_ready(&api, &["a"]);
    let running = start(&api).await;
    running.put_back("a");
    report(&api, "a", "Ready", "True");
    one_more_look(&api, "a").await;
    assert!(!running.is_silent("a"));
    assert_eq!(status(&api, "a", "Ready"), "True");
    stop(running).await;
}

#[tokio::test]
async fn a_node_that_is_ready_again_loses_its_taints_and_its_pods_are_its_own() {
    let api = FakeApi::new();
    put_ready(&api, &["a", "b"]);
    let running = start(&api).await;
    running.silence("a");
    api.until("it is tainted", |api| taints(api, "a") == UNREACHABLE).await;
    report(&api, "a", "Ready", "True");
    put_pod(&api, "p", "a");
    api.until("its taints go", |api| taints(api, "a").is_empty()).await;
    one_more_look(&api, "a").await;
    stop(running).await;
    assert!(is_pod_ready(&api, "p"));
}

#[tokio::test]
async fn a_node_that_says_it_is_not_ready_is_tainted_and_its_pods_are_told_once() {
    let api = FakeApi::new();
    put_ready(&api, &["a", "b"]);
    put_pod(&api, "p", "a");
    let running = start(&api).await;
    report(&api, "a", "Ready", "False");
    api.until("it is tainted", |api| taints(api, "a") == NOT_READY && !is_pod_ready(api, "p")).await;
    put_pod(&api, "p", "a");
    one_more_look(&api, "a").await;
    assert!(is_pod_ready(&api, "p"), "its agent lives and knows better");
    running.silence("a");
    api.until("then it falls silent", |api| taints(api, "a") == UNREACHABLE && !is_pod_ready(api, "p")).await;
    report(&api, "a", "Ready", "False");
    api.until("and speaks again", |api| taints(api, "a") == NOT_READY).await;
    stop(running).await;
}

/// Conformance: R3, U25
#[tokio::test]
async fn conditions_and_cordons_become_taints_and_go_with_them() {
    let api = FakeApi::new();
    put_ready(&api, &["a"]);
    let running = start(&api).await;
    for (kind, taint) in [
        ("MemoryPressure", "memory-pressure:NoSchedule"),
        ("DiskPressure", "disk-pressure:NoSchedule"),
        ("PIDPressure", "pid-pressure:NoSchedule"),
        ("NetworkUnavailable", "network-unavailable:NoSchedule"),
    ] {
        report(&api, "a", kind, "True");
        api.until(taint, |api| taints(api, "a") == [taint]).await;
        report(&api, "a", kind, "False");
        api.until("it goes", |api| taints(api, "a").is_empty()).await;
    }
    cordon(&api, "a", true);
    api.until("it is cordoned", |api| taints(api, "a") == ["unschedulable:NoSchedule"]).await;
    cordon(&api, "a", false);
    api.until("it is not", |api| taints(api, "a").is_empty()).await;
    stop(running).await;
}

#[tokio::test]
async fn taints_of_others_stay_and_false_ones_of_ours_go() {
    let api = FakeApi::new();
    put_ready(&api, &["a"]);
    let mut tainted = node(&api, "a");
    let taint = |key: &str, effect: &str| json!({"key": key, "effect": effect, "value": "v"});
    tainted["spec"]["taints"] = json!([
        taint("example.org/x", "NoExecute"),
        taint("node.kubernetes.io/memory-pressure", "NoSchedule"),
        taint("node.kubernetes.io/out-of-service", "NoExecute"),
        taint("node.kubernetes.io/unreachable", "NoExecute"),
        taint("node.kubernetes.io/unschedulable", "NoExecute"),
    ]);
    api.put("v1", "Node", tainted);
    let running = start(&api).await;
    let others = ["example.org/x:NoExecute", "out-of-service:NoExecute", "unschedulable:NoExecute"];
    api.until("ours go", |api| taints(api, "a") == others).await;
    stop(running).await;
    assert_eq!(node(&api, "a")["spec"]["taints"][0]["value"], "v");
}

#[tokio::test]
async fn a_node_that_never_reports_has_its_own_time() {
    let api = FakeApi::new();
    put_ready(&api, &["b"]);
    let admitted = json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]);
    let put_new = |name: &str, created: Timestamp| {
        api.put("v1", "Node", json!({"metadata": {"name": name, "creationTimestamp": created}, "spec": {"taints": admitted}}));
    };
    let now = Timestamp::now();
    put_new("late", now - SignedDuration::from_hours(2));
    put_new("new", now);
    put_pod(&api, "p", "late");
    let running = start(&api).await;
    api.until("it is late", |api| taints(api, "late") == UNREACHABLE).await;
    api.until("its pods are not ready", |api| !is_pod_ready(api, "p")).await;
    assert_eq!(condition(&node(&api, "late"), "Ready")["reason"], "NodeStatusNeverUpdated");
    one_more_look(&api, "new").await;
    assert_eq!((taints(&api, "new"), status(&api, "new", "Ready")), (vec!["not-ready:NoSchedule".into()], String::new()));
    report(&api, "new", "Ready", "True");
    api.until("it reports in time", |api| taints(api, "new").is_empty()).await;
    stop(running).await;
}

#[tokio::test]
async fn the_loop_wakes_by_itself_when_time_runs_out() {
    for (grace, startup) in [(SHORT, HOUR), (HOUR, SHORT)] {
        let api = FakeApi::new();
        put_node(&api, "a");
        if grace == SHORT {
            report(&api, "a", "Ready", "True");
        }
        let mut new = node(&api, "a");
        new["metadata"]["creationTimestamp"] = json!(Timestamp::now());
        api.put("v1", "Node", new);
        let running = start_with(&api, grace, startup).await;
        api.until("it is silent", |api| status(api, "a", "Ready") == "Unknown").await;
        stop(running).await;
    }
}

/// Conformance: R2, U25
#[tokio::test]
async fn when_all_nodes_are_down_nobody_is_driven_off() {
    let api = FakeApi::new();
    put_ready(&api, &["a", "b"]);
    let running = start(&api).await;
    report(&api, "a", "Ready", "False");
    api.until("one of two is down", |api| taints(api, "a") == NOT_READY).await;
    running.silence("b");
    let down = |api: &FakeApi| taints(api, "a") == ["not-ready:NoSchedule"] && taints(api, "b") == ["unreachable:NoSchedule"];
    api.until("both are", down).await;
    one_more_look(&api, "a").await;
    one_more_look(&api, "b").await;
    assert!(down(&api));
    stop(running).await;
}

#[tokio::test]
async fn nodes_that_come_and_go_are_told_of() {
    let api = FakeApi::new();
    put_ready(&api, &["old"]);
    let running = start(&api).await;
    put_ready(&api, &["new"]);
    api.until("it comes", |api| is_told(api, "Node", "new", "RegisteredNode")).await;
    ["new", "old"].iter().for_each(|name| api.remove("nodes", name));
    for name in ["new", "old"] {
        api.until("it goes", |api| is_told(api, "Node", name, "RemovingNode")).await;
    }
    stop(running).await;
    assert!(!is_told(&api, "Node", "old", "RegisteredNode"), "it was there before the loop");
}
