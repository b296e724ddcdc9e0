//! Conflicts, refusals and lost answers, and nodes that change while they are written.

use super::*;
use crate::fake_api::Fault;
use http::Method;

const FAULTS: [Fault; 3] = [Fault::Refused(409, "Conflict"), Fault::Refused(500, "InternalError"), Fault::AnswerLost];

/// Lets the first two writes to each of these paths go wrong.
fn fail_twice(api: &FakeApi, wrong: Fault, ends: &'static [&str]) {
    api.fail(move |method, path, before| {
        let concerns = *method == Method::PATCH && ends.iter().any(|end| path.ends_with(end)) && before < 2;
        concerns.then_some(wrong)
    });
}

#[tokio::test]
async fn what_follows_from_silence_comes_true_in_spite_of_failures() {
    for fault in FAULTS {
        let api = FakeApi::new();
        put_ready(&api, &["a", "b"]);
        put_pod(&api, "p", "a");
        fail_twice(&api, fault, &["/nodes/a", "/nodes/a/status", "/pods/p/status"]);
        let running = start(&api).await;
        running.silence("a");
        api.until("it is tainted", |api| taints(api, "a") == UNREACHABLE && !is_pod_ready(api, "p")).await;
        stop(running).await;
    }
}

/// Conformance: U25
#[tokio::test]
async fn pods_of_a_node_that_is_not_ready_are_told_in_spite_of_failures() {
    for fault in FAULTS {
        for ends in [&["/nodes/a"], &["/pods/p/status"]] {
            let api = FakeApi::new();
            put_ready(&api, &["a", "b"]);
            ["o", "p", "q"].iter().for_each(|pod| put_pod(&api, pod, "a"));
            fail_twice(&api, fault, ends);
            let running = start(&api).await;
            report(&api, "a", "Ready", "False");
            api.until("it is tainted", |api| taints(api, "a") == NOT_READY).await;
            api.until("its pods are told", |api| !["o", "p", "q"].iter().any(|pod| is_pod_ready(api, pod))).await;
            stop(running).await;
        }
    }
}

#[tokio::test]
async fn a_pod_that_is_gone_is_no_failure() {
    let api = FakeApi::new();
    put_ready(&api, &["a", "b"]);
    ["p", "q"].iter().for_each(|pod| put_pod(&api, pod, "a"));
    api.fail(|method, path, _| {
        (*method == Method::PATCH && path.ends_with("/pods/p/status")).then_some(Fault::Refused(404, "NotFound"))
    });
    let running = start(&api).await;
    report(&api, "a", "Ready", "False");
    api.until("the other is told", |api| !is_pod_ready(api, "q")).await;
    one_more_look(&api, "a").await;
    stop(running).await;
    let patched = |request: &String| request.contains("/pods/p/status");
    assert_eq!(api.requests().iter().filter(|request| patched(request)).count(), 1);
}

#[tokio::test]
async fn pods_of_a_node_that_is_ready_again_are_not_told_late() {
    let api = FakeApi::new();
    put_ready(&api, &["a", "b"]);
    put_pod(&api, "p", "a");
    let lifecycle = Arc::new(Lifecycle::new(Context::new(api.client(), Config::default())));
    lifecycle.subscribe();
    let known = |version: &str| {
        let mut known: Node = serde_json::from_value(node(&api, "a")).expect("a node");
        known.metadata.resource_version = Some(version.into());
        known
    };
    let (ready, again) = (known("1"), known("1000"));
    report(&api, "a", "Ready", "False");
    let unready: Node = serde_json::from_value(node(&api, "a")).expect("a node");
    let other = serde_json::from_value(node(&api, "b")).expect("a node");
    [other, ready, unready].into_iter().for_each(|node| lifecycle.context.nodes.put_for_test(node));
    lifecycle.context.pods.put_for_test(serde_json::from_value(api.list("pods")[0].clone()).expect("a pod"));
    // It turns Ready while its pod is told that it is not, which fails.
    let nodes = lifecycle.clone();
    api.fail(move |_, path, before| {
        let fails = path.ends_with("/pods/p/status") && before == 0;
        fails.then(|| nodes.context.nodes.put_for_test(again.clone()))?;
        Some(Fault::Refused(500, "InternalError"))
    });
    lifecycle.look_at("a".into()).await.expect_err("its pod could not be told");
    lifecycle.look_at("a".into()).await.expect("no failure");
    assert!(is_pod_ready(&api, "p"));
}

#[tokio::test]
async fn what_was_changed_since_is_not_overwritten() {
    let api = FakeApi::new();
    put_ready(&api, &["a"]);
    let lifecycle = Arc::new(Lifecycle::new(Context::new(api.client(), Config::default())));
    lifecycle.subscribe();
    let show = || lifecycle.context.nodes.put_for_test(serde_json::from_value(node(&api, "a")).expect("a node"));
    cordon(&api, "a", true);
    show();
    // Its operator taints it, and the cache has not heard of it.
    let mut tainted = node(&api, "a");
    tainted["spec"]["taints"] = json!([{"key": "example.org/x", "effect": "NoExecute"}]);
    api.put("v1", "Node", tainted);
    let again = lifecycle.look_at("a".into()).await.expect("no failure");
    assert!(again.is_some_and(|again| again < Duration::from_secs(1)), "it is looked at again soon");
    assert_eq!(taints(&api, "a"), ["example.org/x:NoExecute"]);
    show();
    lifecycle.look_at("a".into()).await.expect("no failure");
    assert_eq!(taints(&api, "a"), ["example.org/x:NoExecute", "unschedulable:NoSchedule"]);
}
