//! The loop against an API: what a budget's status says as pods and their controllers come and go.

use super::*;
use crate::{
    Config,
    fake_api::{FakeApi, Fault, text},
};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

struct Loop {
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

fn start(api: &FakeApi) -> Loop {
    let shutdown = CancellationToken::new();
    let context = Context::new(api.client(), Config::default());
    let mut tasks = JoinSet::new();
    macro_rules! feed {
        ($($cache:ident),*) => { $({
            let (fed, token) = (context.clone(), shutdown.clone());
            tasks.spawn(async move { fed.$cache.feed(Api::all(fed.client.clone()), token).await });
        })* };
    }
    feed!(pods, budgets, replica_sets, deployments, stateful_sets);
    tasks.spawn(run(context, shutdown.clone()));
    Loop { tasks, shutdown }
}

async fn stop(running: Loop) {
    running.shutdown.cancel();
    running.tasks.join_all().await;
}

fn put_budget(api: &FakeApi, spec: Value) {
    let mut budget = json!({"metadata": {"namespace": "ns", "name": "b", "generation": 1}, "spec": spec});
    budget["spec"]["selector"] = json!({"matchLabels": {"app": "a"}});
    budget["status"] = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
    api.put("policy/v1", "PodDisruptionBudget", budget);
}

fn put_pod(api: &FakeApi, name: &str, owner: (&str, &str, &str), ready: bool) {
    let (version, kind, owner) = owner;
    let objects = api.list(&format!("{}s", kind.to_lowercase()));
    let uid = objects.iter().find(|object| text(object, "/metadata/name") == owner).map(|object| text(object, "/metadata/uid"));
    let reference = json!({"apiVersion": version, "kind": kind, "name": owner, "uid": uid.unwrap_or_else(|| "none".into()), "controller": true});
    let status = if ready { "True" } else { "False" };
    let pod = json!({"metadata": {"namespace": "ns", "name": name, "labels": {"app": "a"}, "ownerReferences": [reference]},
        "spec": {"containers": []}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}});
    api.put("v1", "Pod", pod);
}

/// Expected, desired, healthy, allowed.
fn counts(api: &FakeApi) -> [i64; 4] {
    let status = &api.list("poddisruptionbudgets")[0]["status"];
    ["expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed"].map(|field| status[field].as_i64().unwrap_or(-1))
}

fn condition(api: &FakeApi) -> (String, String) {
    let budget = &api.list("poddisruptionbudgets")[0];
    (text(budget, "/status/conditions/0/reason"), text(budget, "/status/conditions/0/message"))
}

fn workload(name: &str, replicas: i64) -> Value {
    json!({"metadata": {"namespace": "ns", "name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "serviceName": "s",
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}}})
}

#[tokio::test]
async fn a_budget_follows_its_pods() {
    let api = FakeApi::new();
    api.put("apps/v1", "StatefulSet", workload("s", 3));
    put_budget(&api, json!({"minAvailable": 2}));
    // One write is refused since somebody else was faster, and made anew.
    api.fail(|method, path, before| {
        (*method == Method::PUT && path.ends_with("/status") && before == 0).then_some(Fault::Refused(409, "Conflict"))
    });
    let running = start(&api);
    for n in 0..3 {
        put_pod(&api, &format!("p{n}"), ("apps/v1", "StatefulSet", "s"), true);
    }
    api.until("one may go", |api| counts(api) == [3, 2, 3, 1]).await;
    assert_eq!(condition(&api).0, "SufficientPods");
    put_pod(&api, "p0", ("apps/v1", "StatefulSet", "s"), false);
    api.until("none may go", |api| counts(api) == [3, 2, 2, 0]).await;
    api.remove("pods", "p0");
    put_pod(&api, "p3", ("apps/v1", "StatefulSet", "s"), true);
    api.until("one may go again", |api| counts(api) == [3, 2, 3, 1]).await;
    assert_eq!(api.list("poddisruptionbudgets")[0]["status"]["observedGeneration"], 1);
    stop(running).await;
}

#[tokio::test]
async fn a_share_is_of_what_the_controllers_want() {
    let api = FakeApi::new();
    api.put("apps/v1", "StatefulSet", workload("s", 2));
    api.put("apps/v1", "Deployment", workload("d", 4));
    let mut set = workload("r", 1);
    let uid = text(&api.list("deployments")[0], "/metadata/uid");
    set["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": uid, "controller": true}]);
    api.put("apps/v1", "ReplicaSet", set);
    put_budget(&api, json!({"maxUnavailable": "50%"}));
    let running = start(&api);
    put_pod(&api, "p0", ("apps/v1", "StatefulSet", "s"), true);
    put_pod(&api, "p1", ("apps/v1", "ReplicaSet", "r"), true);
    put_pod(&api, "p2", ("apps/v1", "ReplicaSet", "r"), true);
    api.until("a set and a deployment are counted", |api| counts(api) == [6, 3, 3, 0]).await;
    api.put("apps/v1", "Deployment", workload("d", 2));
    api.until("fewer are wanted", |api| counts(api) == [4, 2, 3, 1]).await;
    stop(running).await;
}

#[tokio::test]
async fn a_share_of_daemons_cannot_be_counted_and_a_number_can() {
    let api = FakeApi::new();
    api.put("apps/v1", "DaemonSet", workload("d", 0));
    put_budget(&api, json!({"maxUnavailable": 1}));
    put_pod(&api, "p0", ("apps/v1", "DaemonSet", "d"), true);
    put_pod(&api, "p1", ("apps/v1", "DaemonSet", "d"), true);
    let running = start(&api);
    let why = "daemonsets.apps does not implement the scale subresource";
    api.until("it says why", |api| condition(api) == ("SyncFailed".into(), why.into())).await;
    api.until("so does an event", |api| {
        api.list("events").iter().any(|event| event["reason"] == "CalculateExpectedPodCountFailed")
    })
    .await;
    put_budget(&api, json!({"minAvailable": 1}));
    api.until("a number is enough", |api| counts(api) == [2, 1, 2, 1] && condition(api).0 == "SufficientPods").await;
    put_pod(&api, "p2", ("apps/v1", "ReplicaSet", "gone"), true);
    put_budget(&api, json!({"maxUnavailable": 1}));
    api.until("a share is not", |api| condition(api).0 == "SyncFailed" && counts(api)[3] == 0).await;
    stop(running).await;
}
