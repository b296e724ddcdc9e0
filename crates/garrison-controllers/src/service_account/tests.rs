//! The loop against an API: what each namespace starts with, and that it stays so.

use super::*;
use crate::{
    Config,
    fake_api::{FakeApi, Fault, text},
};
use http::Method;
use tokio::task::JoinSet;

const CA: &str = "-----BEGIN CERTIFICATE-----";

/// The loop with its caches.
fn start(api: &FakeApi, ca: &str) -> (JoinSet<()>, CancellationToken) {
    let shutdown = CancellationToken::new();
    let context = Context::new(api.client(), Config { root_ca_pem: ca.into(), ..Config::default() });
    let mut tasks = JoinSet::new();
    let (fed, token) = (context.clone(), shutdown.clone());
    tasks.spawn(async move { fed.namespaces.feed(Api::all(fed.client.clone()), token).await });
    let (fed, token) = (context.clone(), shutdown.clone());
    tasks.spawn(async move { fed.service_accounts.feed(Api::all(fed.client.clone()), token).await });
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
    api.put("v1", "Namespace", json!({"metadata": {"name": name}}));
}

fn put_ca(api: &FakeApi, namespace: &str, data: Value) {
    api.put("v1", "ConfigMap", json!({"metadata": {"name": CA_MAP, "namespace": namespace}, "data": data}));
}

fn has_account(api: &FakeApi, namespace: &str) -> bool {
    let there = |account: &Value| text(account, "/metadata/namespace") == namespace && text(account, "/metadata/name") == ACCOUNT;
    api.list("serviceaccounts").iter().any(there)
}

fn has_ca(api: &FakeApi, namespace: &str) -> bool {
    let right = |map: &Value| text(map, "/metadata/namespace") == namespace && map["data"] == json!({CA_KEY: CA});
    api.list("configmaps").iter().any(right)
}

fn creations(api: &FakeApi, namespace: &str) -> usize {
    let path = format!("POST /api/v1/namespaces/{namespace}/");
    api.requests().iter().filter(|request| request.starts_with(&path)).count()
}

#[tokio::test]
async fn old_and_new_namespaces_get_both() {
    let api = FakeApi::new();
    put_namespace(&api, "old");
    let running = start(&api, CA);
    put_namespace(&api, "new");
    for namespace in ["old", "new"] {
        api.until("both are there", |api| has_account(api, namespace) && has_ca(api, namespace)).await;
    }
    stop(running).await;
    let running = start(&api, CA);
    put_namespace(&api, "newest");
    api.until("both are there", |api| has_account(api, "newest") && has_ca(api, "newest")).await;
    assert_eq!((creations(&api, "old"), creations(&api, "new")), (2, 2), "a restart finds what is there");
    stop(running).await;
}

#[tokio::test]
async fn what_is_deleted_comes_back_and_what_is_changed_is_put_right() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put_ca(&api, "ns", json!({CA_KEY: "old", "mine": "too"}));
    let running = start(&api, CA);
    api.until("an old CA is replaced", |api| has_account(api, "ns") && has_ca(api, "ns")).await;
    api.remove("configmaps", CA_MAP);
    api.until("the CA comes back", |api| has_ca(api, "ns")).await;
    api.remove("serviceaccounts", ACCOUNT);
    api.until("the account comes back", |api| has_account(api, "ns")).await;
    put_ca(&api, "ns", json!({CA_KEY: CA, "mine": "too"}));
    api.until("what does not belong there goes", |api| has_ca(api, "ns")).await;
    put_ca(&api, "ns", Value::Null);
    api.until("what was emptied is filled", |api| has_ca(api, "ns")).await;
    stop(running).await;
}

#[tokio::test]
async fn without_a_ca_none_is_published() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    let running = start(&api, "");
    api.until("the account is there", |api| has_account(api, "ns")).await;
    stop(running).await;
    assert!(api.list("configmaps").is_empty());
}

#[tokio::test]
async fn a_namespace_on_its_way_out_gets_nothing() {
    let api = FakeApi::new();
    api.put("v1", "Namespace", json!({"metadata": {"name": "going", "deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    put_namespace(&api, "staying");
    let running = start(&api, CA);
    api.until("the other is served", |api| has_account(api, "staying") && has_ca(api, "staying")).await;
    stop(running).await;
    assert_eq!(creations(&api, "going"), 0);
}

#[tokio::test]
async fn refusals_that_end_the_matter_are_not_tried_again_and_others_are() {
    let api = FakeApi::new();
    ["taken", "going", "gone", "unlucky"].iter().for_each(|name| put_namespace(&api, name));
    api.fail(|method, path, before| match path.split('/').nth(4)? {
        _ if method != Method::POST => None,
        "taken" => Some(Fault::Refused(409, "AlreadyExists")),
        "going" => Some(Fault::Refused(403, "NamespaceTerminating")),
        "gone" => Some(Fault::Refused(404, "NotFound")),
        "unlucky" if before == 0 => Some(Fault::AnswerLost),
        _ => None,
    });
    let running = start(&api, CA);
    api.until("failures are made good", |api| has_account(api, "unlucky") && has_ca(api, "unlucky")).await;
    api.until("all are done", |api| ["taken", "going", "gone"].iter().all(|name| creations(api, name) == 2)).await;
    stop(running).await;
    for namespace in ["taken", "going", "gone"] {
        assert_eq!(creations(&api, namespace), 2, "{namespace}: one attempt each");
    }
}

#[tokio::test]
async fn a_correction_that_comes_too_late_is_made_anew() {
    let api = FakeApi::new();
    put_namespace(&api, "ns");
    put_ca(&api, "ns", json!({CA_KEY: "wrong"}));
    api.fail(|method, _, before| (method == Method::PATCH && before == 0).then_some(Fault::Refused(409, "Conflict")));
    let running = start(&api, CA);
    api.until("it is right", |api| has_ca(api, "ns")).await;
    stop(running).await;
}
