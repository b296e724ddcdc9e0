//! The loop against an API: what is deleted in which order, what is told meanwhile, and what else stays.

use super::*;
use crate::fake_api::{FakeApi, Fault, text};
use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::DeleteParams;
use serde_json::Value;
use tokio::task::JoinSet;

/// The loop with its caches.
fn start(api: &FakeApi) -> (JoinSet<()>, CancellationToken) {
    let shutdown = CancellationToken::new();
    let context = Context::new(api.client(), crate::Config::default());
    let mut tasks = JoinSet::new();
    let (fed, token) = (context.clone(), shutdown.clone());
    tasks.spawn(async move { fed.namespaces.feed(Api::all(fed.client.clone()), token).await });
    let (fed, token) = (context.clone(), shutdown.clone());
    tasks.spawn(async move { fed.pods.feed(Api::all(fed.client.clone()), token).await });
    let (fed, token) = (context.clone(), shutdown.clone());
    tasks.spawn(async move { fed.config_maps.feed(Api::all(fed.client.clone()), token).await });
    tasks.spawn(run(context, shutdown.clone()));
    (tasks, shutdown)
}

async fn stop((tasks, shutdown): (JoinSet<()>, CancellationToken)) {
    shutdown.cancel();
    tasks.join_all().await;
}

fn put_namespace(api: &FakeApi, name: &str) {
    api.put("v1", "Namespace", json!({"metadata": {"name": name}, "spec": {"finalizers": ["kubernetes"]}}));
}

async fn delete_namespace(api: &FakeApi, name: &str) {
    let namespaces: Api<Namespace> = Api::all(api.client());
    namespaces.delete(name, &DeleteParams::default()).await.expect("is deleted");
}

fn put(api: &FakeApi, version: &str, kind: &str, name: &str) {
    api.put(version, kind, json!({"metadata": {"namespace": "ns", "name": name}}));
}

fn put_held(api: &FakeApi, kind: &str, name: &str) {
    api.put("v1", kind, json!({"metadata": {"namespace": "ns", "name": name, "finalizers": ["example.org/x"]}}));
}

/// What takes finalizers off.
fn free() -> Patch<Value> {
    Patch::Merge(json!({"metadata": {"finalizers": null}}))
}

fn is_there(api: &FakeApi, name: &str) -> bool {
    api.list("namespaces").iter().any(|namespace| text(namespace, "/metadata/name") == name)
}

fn is_gone(api: &FakeApi) -> bool {
    !is_there(api, "ns")
}

/// Status and message of a condition.
fn told(api: &FakeApi, kind: &str) -> String {
    let namespaces = api.list("namespaces");
    let namespace = namespaces.iter().find(|namespace| text(namespace, "/metadata/name") == "ns").expect("it is there");
    let conditions = namespace["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.map(|found| format!("{}: {}", text(found, "/status"), text(found, "/message"))).unwrap_or_default()
}

fn number_of(api: &FakeApi, request: &str) -> usize {
    api.requests().iter().position(|other| other == request).unwrap_or_else(|| panic!("{request} was not made"))
}

#[tokio::test]
async fn a_namespace_is_emptied_and_goes_and_others_stay() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put_namespace(&api, "other");
    let kinds = [
        ("v1", "Pod"),
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "ServiceAccount"),
        ("v1", "Event"),
        ("apps/v1", "DaemonSet"),
    ];
    for (version, kind) in kinds {
        ["a", "b"].iter().for_each(|name| put(&api, version, kind, name));
        api.put(version, kind, json!({"metadata": {"namespace": "other", "name": "c"}}));
    }
    delete_namespace(&api, "ns").await;
    let running = start(&api);
    api.until("it goes", is_gone).await;
    stop(running).await;
    for plural in ["pods", "configmaps", "secrets", "serviceaccounts", "events", "daemonsets"] {
        let left: Vec<String> = api.list(plural).iter().map(|object| text(object, "/metadata/name")).collect();
        assert_eq!(left, ["c"], "{plural}");
    }
    assert!(is_there(&api, "other"));
    let order = [
        "DELETE /api/v1/namespaces/ns/pods",
        "DELETE /api/v1/namespaces/ns/configmaps",
        "DELETE /api/v1/namespaces/ns/events",
        "PUT /api/v1/namespaces/ns/finalize",
    ];
    assert!(order.map(|request| number_of(&api, request)).is_sorted(), "{:?}", api.requests());
}

#[tokio::test]
async fn what_still_runs_keeps_what_it_runs_on() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put(&api, "v1", "ConfigMap", "settings");
    api.put("v1", "Pod", json!({"metadata": {"namespace": "ns", "name": "p"}, "spec": {"nodeName": "node"}}));
    let running = start(&api);
    delete_namespace(&api, "ns").await;
    let left = "True: Some resources are remaining: pods has 1 resource instances";
    api.until("it is told", |api| told(api, "NamespaceContentRemaining") == left).await;
    assert!(api.list("pods")[0]["metadata"]["deletionTimestamp"].is_string());
    assert!(api.list("configmaps")[0]["metadata"].get("deletionTimestamp").is_none());
    assert!(told(&api, "NamespaceDeletionContentFailure").starts_with("False"), "a grace period is no failure");
    api.remove("pods", "p");
    api.until("with the pod the rest goes", |api| is_gone(api) && api.list("configmaps").is_empty()).await;
    stop(running).await;
}

#[tokio::test]
async fn a_finalizer_keeps_the_namespace_and_is_named() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put_held(&api, "ConfigMap", "held");
    put(&api, "v1", "ConfigMap", "free");
    let running = start(&api);
    delete_namespace(&api, "ns").await;
    let left = "True: Some resources are remaining: configmaps has 1 resource instances";
    api.until("it is told", |api| told(api, "NamespaceContentRemaining") == left).await;
    assert_eq!(
        told(&api, "NamespaceFinalizersRemaining"),
        "True: Finalizers keep objects: example.org/x in 1 resource instances"
    );
    let maps: Api<ConfigMap> = Api::namespaced(api.client(), "ns");
    maps.patch("held", &PatchParams::default(), &free()).await.expect("is patched");
    api.until("it goes", is_gone).await;
    stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_without_a_cache_is_looked_after_in_pauses() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put_held(&api, "Secret", "held");
    let running = start(&api);
    delete_namespace(&api, "ns").await;
    api.until("it is told", |api| told(api, "NamespaceContentRemaining").contains("secrets has 1")).await;
    let secrets: Api<Secret> = Api::namespaced(api.client(), "ns");
    secrets.patch("held", &PatchParams::default(), &free()).await.expect("is patched");
    api.until("it goes", is_gone).await;
    stop(running).await;
}

#[tokio::test]
async fn events_keep_nothing() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put_held(&api, "Event", "held");
    api.fail(|method, path, _| {
        (method == Method::DELETE && path.ends_with("/events")).then_some(Fault::Refused(500, "InternalError"))
    });
    let running = start(&api);
    delete_namespace(&api, "ns").await;
    api.until("it goes", is_gone).await;
    stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_does_not_answer_keeps_the_namespace_but_not_the_rest() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put(&api, "v1", "ConfigMap", "a");
    put(&api, "apps/v1", "DaemonSet", "a");
    api.fail(|_, path, before| (path == "/apis/apps/v1" && before < 2).then_some(Fault::Refused(503, "ServiceUnavailable")));
    let running = start(&api);
    delete_namespace(&api, "ns").await;
    api.until("it is told", |api| told(api, "NamespaceDeletionDiscoveryFailure").starts_with("True: apps/v1: ")).await;
    assert_eq!((api.list("configmaps").len(), api.list("daemonsets").len()), (0, 1));
    api.until("it goes", |api| is_gone(api) && api.list("daemonsets").is_empty()).await;
    stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_deletion_is_told_and_made_anew() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    ["ConfigMap", "Secret"].iter().for_each(|kind| put(&api, "v1", kind, "a"));
    api.fail(|method, path, before| {
        let fails = method == Method::DELETE && path.ends_with("/secrets") && before < 2;
        fails.then_some(Fault::Refused(500, "InternalError"))
    });
    let running = start(&api);
    delete_namespace(&api, "ns").await;
    api.until("it is told", |api| told(api, "NamespaceDeletionContentFailure").starts_with("True: secrets: ")).await;
    assert!(api.list("configmaps").is_empty(), "one failure stops nothing else");
    api.until("it goes", |api| is_gone(api) && api.list("secrets").is_empty()).await;
    stop(running).await;
}

#[tokio::test]
async fn refused_writes_and_lost_answers_are_made_good() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    api.put("v1", "Pod", json!({"metadata": {"namespace": "ns", "name": "p"}, "spec": {"nodeName": "node"}}));
    api.fail(|method, path, before| match (path.rsplit('/').next()?, before) {
        ("status" | "finalize", 0) => Some(Fault::Refused(409, "Conflict")),
        ("status" | "finalize", 1) => Some(Fault::AnswerLost),
        // The list after the deletion of the pods.
        ("pods", 1) if method == Method::GET => Some(Fault::AnswerLost),
        _ => None,
    });
    let running = start(&api);
    delete_namespace(&api, "ns").await;
    api.until("it is told", |api| told(api, "NamespaceContentRemaining").contains("pods has 1")).await;
    api.remove("pods", "p");
    api.until("it goes", is_gone).await;
    stop(running).await;
}

#[tokio::test]
async fn finalizers_of_others_are_their_own() {
    let api = FakeApi::new();
    api.put("v1", "Namespace", json!({"metadata": {"name": "ns"}, "spec": {"finalizers": ["example.org/x", "kubernetes"]}}));
    put(&api, "v1", "ConfigMap", "a");
    let running = start(&api);
    delete_namespace(&api, "ns").await;
    let left = json!(["example.org/x"]);
    api.until("ours is taken off", |api| api.list("namespaces")[0]["spec"]["finalizers"] == left).await;
    stop(running).await;
    assert!(api.list("configmaps").is_empty() && is_there(&api, "ns"));
}

#[tokio::test]
async fn a_namespace_made_anew_is_not_taken_for_the_old_one() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put(&api, "v1", "ConfigMap", "new");
    let context = Context::new(api.client(), crate::Config::default());
    // What the cache still believes.
    let old = json!({"metadata": {"name": "ns", "uid": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"finalizers": ["kubernetes"]}});
    context.namespaces.put_for_test(serde_json::from_value(old).expect("a namespace"));
    let lifecycle = Lifecycle { namespaces: Api::all(api.client()), context, queue: Queue::default() };
    lifecycle.subscribe();
    let taken = lifecycle.queue.take().await;
    assert_eq!(lifecycle.look_at(taken.key.clone()).await.expect("no failure"), None);
    assert_eq!((api.list("configmaps").len(), is_there(&api, "ns")), (1, true));
}
