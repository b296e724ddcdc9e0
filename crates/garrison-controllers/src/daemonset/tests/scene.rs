//! What the scenarios have in common: sets of both strategies, changes of the set, pods that somebody looks after.

use super::*;
use crate::{Selection, run};

/// The set with this strategy, OnDelete or RollingUpdate.
pub(super) fn with_strategy(strategy: &str) -> Value {
    let mut set = set("one");
    if strategy == "OnDelete" {
        set["spec"]["updateStrategy"] = json!({"type": strategy});
    }
    set
}

pub(super) const STRATEGIES: [&str; 2] = ["OnDelete", "RollingUpdate"];

/// Changes the set as somebody outside: another generation.
pub(super) fn edit(api: &FakeApi, change: impl FnOnce(&mut Value)) {
    let mut set = api.list("daemonsets").remove(0);
    change(&mut set["spec"]);
    set["metadata"]["generation"] = json!(set["metadata"]["generation"].as_i64().expect("a generation") + 1);
    api.put("apps/v1", "DaemonSet", set);
}

pub(super) fn set_image(api: &FakeApi, image: &str) {
    edit(api, |spec| spec["template"]["spec"]["containers"][0]["image"] = json!(image));
}

/// A node, with more than its name.
pub(super) fn put_node(api: &FakeApi, name: &str, labels: Value, spec: Value) {
    api.put("v1", "Node", json!({"metadata": {"name": name, "labels": labels}, "spec": spec}));
}

pub(super) fn tainted(key: &str, effect: &str) -> Value {
    json!({"taints": [{"key": key, "effect": effect}]})
}

/// Several loops together, and not only the one of DaemonSets.
pub(super) fn start_loops(api: &FakeApi, loops: &str) -> (JoinHandle<()>, CancellationToken) {
    let shutdown = CancellationToken::new();
    let controllers: Selection = loops.parse().expect("names of loops");
    let (client, token) = (api.client(), shutdown.clone());
    let config = Config { controllers, ..Config::default() };
    (tokio::spawn(async move { run(client, config, token).await.expect("the loops run") }), shutdown)
}

/// Gives a pod a phase, as a kubelet or a client would.
pub(super) fn set_phase(api: &FakeApi, mut pod: Value, phase: &str) {
    let ready = if phase == "Running" { "True" } else { "False" };
    pod["status"] = json!({"phase": phase, "conditions": [{"type": "Ready", "status": ready}]});
    api.put("v1", "Pod", pod);
}

/// The pods that are neither over nor on their way out.
pub(super) fn active(api: &FakeApi) -> Vec<Value> {
    let over = |pod: &Value| ["Failed", "Succeeded"].contains(&text(pod, "/status/phase").as_str());
    api.list("pods").into_iter().filter(|pod| !over(pod) && pod["metadata"]["deletionTimestamp"].is_null()).collect()
}

/// Waits until each pod there is runs, is Ready and is counted, as many as that.
pub(super) async fn until_all_run(api: &FakeApi, count: usize) {
    let wanted = i64::try_from(count).expect("a small number");
    api.until("all run and are counted", |api| {
        play_kubelets(api);
        api.list("pods").len() == count && status(api, "numberAvailable") == wanted && status(api, "numberReady") == wanted
    })
    .await;
}

/// The messages of the events of a reason.
pub(super) fn told(api: &FakeApi, reason: &str) -> Vec<String> {
    api.list("events").iter().filter(|event| event["reason"] == reason).map(|event| text(event, "/message")).collect()
}
