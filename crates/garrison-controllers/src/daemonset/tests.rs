//! The loop against an API: what it writes, what wakes it, what it does when refused or started anew.

mod crash;
mod history;
mod permissions;
mod placing;
mod refusals;
mod replacing;
mod scene;
mod setbacks;
mod surging;

use super::triggers::{after_node, after_pod, after_revision};
use crate::{
    Config,
    cache::{Cache, Change, Key},
    election::Fence,
    fake_api::{FakeApi, Fault, text},
    metrics::Metrics,
    run_daemonset_only,
};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet},
    core::v1::{Node, Pod},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const POST_POD: &str = "POST /api/v1/namespaces/ns/pods";

fn start(api: &FakeApi) -> (JoinHandle<()>, CancellationToken) {
    start_with(api, Config::default(), Arc::default())
}

/// Starts the loop, which compares what it keeps with what there is at every look.
fn start_with(api: &FakeApi, config: Config, metrics: Arc<Metrics>) -> (JoinHandle<()>, CancellationToken) {
    let shutdown = CancellationToken::new();
    let (client, token) = (api.client(), shutdown.clone());
    let config = Config { daemonset_audit_period: Duration::ZERO, ..config };
    let running = tokio::spawn(async move {
        run_daemonset_only(client, config, metrics.clone(), token).await.expect("the loop runs");
        assert!(
            metrics.text(&Fence::open()).contains("garrison_daemonset_audit_differences_total 0\n"),
            "an audit found a difference"
        );
    });
    (running, shutdown)
}

async fn stop((running, shutdown): (JoinHandle<()>, CancellationToken)) {
    shutdown.cancel();
    running.await.expect("the loop ends");
}

fn set(image: &str) -> Value {
    json!({
        "metadata": {"namespace": "ns", "name": "d", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "d"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}}},
    })
}

fn cluster(nodes: usize) -> FakeApi {
    let api = FakeApi::new();
    (0..nodes).for_each(|number| api.put("v1", "Node", json!({"metadata": {"name": format!("n{number:03}")}})));
    api
}

fn target(pod: &Value) -> String {
    let by_name =
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    Some(text(pod, "/spec/nodeName")).filter(|node| !node.is_empty()).unwrap_or_else(|| text(pod, by_name))
}

/// The nodes of the pods there are, one entry for each pod.
fn targets(api: &FakeApi) -> Vec<String> {
    let mut targets: Vec<String> = api.list("pods").iter().map(target).collect();
    targets.sort();
    targets
}

/// Plays all kubelets: binds pods, makes them Ready, takes away those that are to end.
fn play_kubelets(api: &FakeApi) {
    for mut pod in api.list("pods") {
        if pod["metadata"]["deletionTimestamp"].is_string() {
            api.remove("pods", &text(&pod, "/metadata/name"));
        } else if text(&pod, "/status/phase").is_empty() {
            pod["spec"]["nodeName"] = json!(target(&pod));
            pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
            api.put("v1", "Pod", pod);
        }
    }
}

fn status(api: &FakeApi, field: &str) -> i64 {
    api.list("daemonsets")[0]["status"][field].as_i64().unwrap_or(0)
}

fn nodes(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("n{number:03}")).collect()
}

fn creates(api: &FakeApi) -> usize {
    api.requests().iter().filter(|request| *request == POST_POD).count()
}

/// Conformance: I1, U2, U4
#[tokio::test]
async fn one_pod_on_each_node_and_the_status_says_so() {
    let api = cluster(20);
    let controller = start(&api);
    api.put("apps/v1", "DaemonSet", set("one"));
    api.until("status counts the pods", |api| status(api, "currentNumberScheduled") == 20).await;
    assert_eq!((targets(&api), creates(&api)), (nodes(0..20), 20));
    play_kubelets(&api);
    api.until("all are available", |api| status(api, "numberAvailable") == 20).await;
    api.put("v1", "Node", json!({"metadata": {"name": "n020"}}));
    api.until("the new node has one", |api| targets(api).len() == 21).await;
    api.until("events tell of it", |api| !api.list("events").is_empty()).await;
    let event = &api.list("events")[0];
    assert_eq!(
        (text(event, "/reason").as_str(), text(event, "/source/component").as_str()),
        ("SuccessfulCreate", "daemonset-controller")
    );
    assert_eq!(api.list("controllerrevisions").len(), 1);
    stop(controller).await;
}

/// Conformance: E12
#[tokio::test]
async fn a_restart_doubles_nothing() {
    let api = cluster(5);
    api.put("apps/v1", "DaemonSet", set("one"));
    for _ in 0..3 {
        let controller = start(&api);
        api.until("status counts the pods", |api| status(api, "currentNumberScheduled") == 5).await;
        stop(controller).await;
    }
    assert_eq!((targets(&api), creates(&api)), (nodes(0..5), 5));
}

/// Conformance: W21
#[tokio::test]
async fn lost_answers_double_nothing() {
    let api = cluster(5);
    api.fail(|method, path, before| {
        (method == "POST" && path.ends_with("/pods") && before % 2 == 0).then_some(Fault::AnswerLost)
    });
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("status counts the pods", |api| status(api, "currentNumberScheduled") == 5).await;
    assert_eq!(targets(&api), nodes(0..5));
    stop(controller).await;
}

/// Conformance: U3
#[tokio::test]
async fn refusals_stop_a_burst_early() {
    let api = cluster(100);
    api.fail(|method, path, before| {
        (method == "POST" && path.ends_with("/pods") && before >= 10).then_some(Fault::Refused(403, "Forbidden"))
    });
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("the status is written nevertheless", |api| status(api, "desiredNumberScheduled") == 100).await;
    let requests = api.requests();
    let first_pass = requests.iter().take_while(|request| !request.ends_with("/status"));
    assert_eq!(first_pass.filter(|request| *request == POST_POD).count(), 4 + 8);
    let counted = ["currentNumberScheduled", "updatedNumberScheduled"].map(|field| status(&api, field));
    assert_eq!((targets(&api).len(), counted), (10, [10, 10]));
    stop(controller).await;
}

#[tokio::test]
async fn a_burst_is_cut_where_a_flag_says_so_and_all_is_done_in_the_end() {
    let api = cluster(20);
    api.put("apps/v1", "DaemonSet", set("one"));
    let config = Config { daemonset_burst_replicas: Some(3), ..Config::default() };
    let controller = start_with(&api, config, Arc::default());
    api.until("all are there", |api| status(api, "currentNumberScheduled") == 20).await;
    assert_eq!((targets(&api), creates(&api)), (nodes(0..20), 20));
    let requests = api.requests();
    let looks = requests.split(|request| request.ends_with("/status"));
    let largest = looks.map(|look| look.iter().filter(|request| *request == POST_POD).count()).max();
    assert_eq!(largest, Some(3));
    stop(controller).await;
}

#[tokio::test]
async fn a_rollout_goes_node_by_node() {
    let api = cluster(3);
    let controller = start(&api);
    api.put("apps/v1", "DaemonSet", set("one"));
    api.until("all are there", |api| targets(api).len() == 3).await;
    play_kubelets(&api);
    api.until("all are available", |api| status(api, "numberAvailable") == 3).await;
    let mut changed = api.list("daemonsets").remove(0);
    changed["spec"] = set("two")["spec"].clone();
    changed["metadata"]["generation"] = json!(2);
    api.put("apps/v1", "DaemonSet", changed);
    let unready = |api: &FakeApi| {
        let ready = |pod: &&Value| pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null();
        3 - api.list("pods").iter().filter(ready).count()
    };
    api.until("all are updated", |api| {
        assert!(unready(api) <= 1, "more than one is away");
        play_kubelets(api);
        let counted = status(api, "updatedNumberScheduled") == 3 && status(api, "numberAvailable") == 3;
        counted && status(api, "observedGeneration") == 2
    })
    .await;
    assert_eq!(api.list("controllerrevisions").len(), 2);
    assert!(api.list("pods").iter().all(|pod| text(pod, "/spec/containers/0/image") == "two"));
    stop(controller).await;
}

/// Conformance: U17
#[tokio::test]
async fn strangers_are_adopted_and_pruned() {
    let api = cluster(1);
    for number in 0..3 {
        api.put(
            "v1",
            "Pod",
            json!({"metadata": {"namespace": "ns", "name": format!("s{number}"), "labels": {"app": "d"}},
                "spec": {"nodeName": "n000"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
        );
    }
    let mut lasting = set("one");
    lasting["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    api.put("apps/v1", "DaemonSet", lasting);
    let controller = start(&api);
    let going = |api: &FakeApi| api.list("pods").iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_string()).count();
    api.until("two of three go", |api| going(api) == 2).await;
    assert!(api.list("pods").iter().all(|pod| text(pod, "/metadata/ownerReferences/0/name") == "d"));
    assert_eq!(text(&api.list("pods")[0], "/metadata/deletionTimestamp"), "", "the first by name stays");
    stop(controller).await;
}

// What wakes the loop.

struct Sets(Cache<DaemonSet>);

impl Sets {
    fn new() -> Self {
        let cache = Cache::default();
        for (name, label) in [("d", "d"), ("e", "e"), ("d2", "d")] {
            let mut set = set("one");
            set["metadata"]["name"] = json!(name);
            set["metadata"]["uid"] = json!(format!("uid-{name}"));
            set["spec"]["selector"]["matchLabels"]["app"] = json!(label);
            set["spec"]["template"]["spec"]["nodeSelector"] = if name == "e" { json!({"disk": "ssd"}) } else { json!({}) };
            cache.put_for_test(serde_json::from_value(set).unwrap());
        }
        Self(cache)
    }
}

fn pod(owner: Option<&str>, label: &str, going: bool) -> Arc<Pod> {
    let owners: Vec<Value> = owner
        .iter()
        .map(|name| json!({"kind": "DaemonSet", "name": name, "uid": format!("uid-{name}"), "controller": true}))
        .collect();
    let deleted = going.then_some("2026-01-01T00:00:00Z");
    let metadata = json!({"namespace": "ns", "name": "p", "labels": {"app": label}, "ownerReferences": owners, "deletionTimestamp": deleted});
    Arc::new(serde_json::from_value(json!({"metadata": metadata})).unwrap())
}

fn names(keys: Vec<Key>) -> String {
    let mut names: Vec<String> = keys.into_iter().map(|key| key.name).collect();
    names.sort();
    names.join(" ")
}

/// Conformance: U15
#[test]
fn pods_that_wake() {
    let sets = Sets::new();
    let updated = |old: Arc<Pod>, new: Arc<Pod>| Change::Updated { old, new };
    for (change, expected) in [
        (Change::Added(pod(Some("d"), "d", false)), "d"),
        (Change::Added(pod(Some("d"), "d", true)), "d"),
        (Change::Added(pod(Some("unknown"), "d", false)), ""),
        (Change::Added(pod(None, "d", false)), "d d2"),
        (Change::Added(pod(None, "z", false)), ""),
        (Change::Added(pod(None, "d", true)), ""),
        (updated(pod(Some("d"), "d", false), pod(Some("d"), "d", false)), "d"),
        (updated(pod(Some("d"), "d", false), pod(Some("e"), "d", false)), "d e"),
        (updated(pod(Some("e"), "d", false), pod(None, "d", false)), "d d2 e"),
        (updated(pod(None, "d", false), pod(None, "d", false)), ""),
        (updated(pod(None, "d", false), pod(None, "e", false)), "e"),
        (Change::Removed(pod(Some("d"), "d", false)), "d"),
        (Change::Removed(pod(None, "d", false)), ""),
    ] {
        assert_eq!(names(after_pod(&change, &sets.0)), expected, "{change:?}");
    }
}

#[test]
fn revisions_that_wake() {
    let sets = Sets::new();
    let revision =
        |owner, label| Arc::new(ControllerRevision { metadata: pod(owner, label, false).metadata.clone(), ..Default::default() });
    // Of a set of the same name that is gone.
    let former = |name| {
        let mut revision = (*revision(Some(name), name)).clone();
        revision.metadata.owner_references.as_mut().unwrap()[0].uid = "former".into();
        Arc::new(revision)
    };
    for (change, expected) in [
        (Change::Added(former("d")), ""),
        (Change::Added(revision(Some("d"), "d")), ""),
        (Change::Added(revision(None, "d")), "d d2"),
        (Change::Updated { old: revision(Some("d"), "d"), new: revision(Some("d"), "d") }, "d"),
        (Change::Updated { old: revision(None, "z"), new: revision(None, "e") }, "e"),
        (Change::Removed(revision(Some("d"), "d")), "d"),
        (Change::Removed(former("d")), "d"),
        (Change::Removed(revision(None, "d")), ""),
    ] {
        assert_eq!(names(after_revision(&change, &sets.0)), expected, "{change:?}");
    }
}

/// Conformance: U14, W7
#[test]
fn nodes_that_wake() {
    let sets = Sets::new();
    let node = |value: Value| {
        let mut node = json!({"metadata": {"name": "n", "labels": {"disk": "ssd"}}});
        value.as_object().unwrap().iter().for_each(|(key, part)| node[key] = part.clone());
        Arc::<Node>::new(serde_json::from_value(node).unwrap())
    };
    let plain = || node(json!({}));
    let tainted = |effect: &str| node(json!({"spec": {"taints": [{"key": "k", "effect": effect}]}}));
    let tolerated = || node(json!({"spec": {"taints": [{"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}]}}));
    for (change, expected) in [
        (Change::Added(plain()), "d d2 e"),
        (Change::Removed(plain()), "d d2 e"),
        (Change::Updated { old: plain(), new: plain() }, ""),
        (Change::Updated { old: plain(), new: node(json!({"spec": {"unschedulable": true}})) }, ""),
        (Change::Updated { old: plain(), new: node(json!({"status": {"allocatable": {"cpu": "1"}}})) }, ""),
        (Change::Updated { old: plain(), new: tolerated() }, ""),
        (Change::Updated { old: plain(), new: tainted("NoSchedule") }, "d d2 e"),
        (Change::Updated { old: tainted("NoSchedule"), new: tainted("NoExecute") }, "d d2 e"),
        (Change::Updated { old: tainted("NoSchedule"), new: plain() }, "d d2 e"),
        (Change::Updated { old: node(json!({"metadata": {"name": "n"}})), new: plain() }, "e"),
        (Change::Updated { old: plain(), new: node(json!({"metadata": {"name": "n"}})) }, "e"),
    ] {
        assert_eq!(names(after_node(&change, &sets.0)), expected, "{change:?}");
    }
}
