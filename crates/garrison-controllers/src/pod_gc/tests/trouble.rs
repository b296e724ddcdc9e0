//! Finalizers, refusals, lost answers, and caches that are behind.

use super::*;
use crate::fake_api::Fault;
use http::Method;

fn collector(api: &FakeApi) -> Arc<Collector> {
    let config = Config { missing_node_quarantine: QUARANTINE, ..Config::default() };
    let collector = Arc::new(Collector::new(Context::new(api.client(), config)));
    collector.subscribe();
    collector
}

/// Tells the collector's cache of a pod that is there.
fn show(collector: &Collector, api: &FakeApi, name: &str) {
    collector.context.pods.put_for_test(serde_json::from_value(pod(api, name)).expect("a pod"));
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_is_not_fought_over() {
    let api = FakeApi::new();
    put_pod_with(&api, "held", json!({"finalizers": ["example.org/x"]}), "never-there", "Running");
    let loops = start(&api);
    api.until("it is deleted", |api| writes(api, "held").contains(&"DELETE".into())).await;
    one_more_round(&api).await;
    let mut touched = pod(&api, "held");
    touched["metadata"]["labels"] = json!({"touched": "yes"});
    api.put("v1", "Pod", touched);
    one_more_round(&api).await;
    stop(loops).await;
    assert_eq!(writes(&api, "held"), ["PATCH/status", "DELETE"]);
}

#[tokio::test(start_paused = true)]
async fn failed_writes_are_made_anew_and_hold_up_no_other_pod() {
    for fault in [Fault::Refused(409, "Conflict"), Fault::Refused(500, "InternalError"), Fault::AnswerLost] {
        for (method, end) in [(Method::PATCH, "/p/status"), (Method::DELETE, "/p")] {
            let api = FakeApi::new();
            api.fail(move |other, path, before| (*other == method && path.ends_with(end) && before < 8).then_some(fault));
            ["o", "p", "q"].iter().for_each(|name| put_pod(&api, name, "never-there"));
            let loops = start(&api);
            api.until("the others go", |api| !names(api).iter().any(|name| name != "p")).await;
            api.until("it goes", |api| names(api).is_empty()).await;
            stop(loops).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_is_no_answer() {
    let api = FakeApi::new();
    api.fail(|_, path, before| {
        (path.ends_with("/nodes/never-there") && before < 2).then_some(Fault::Refused(500, "InternalError"))
    });
    put_pod(&api, "p", "never-there");
    let loops = start(&api);
    api.until("it goes", |api| names(api).is_empty()).await;
    stop(loops).await;
    let asked = |request: &String| request == "GET /api/v1/nodes/never-there";
    assert_eq!(api.requests().iter().filter(|request| asked(request)).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_the_cache_lacks_is_asked_for() {
    let api = FakeApi::new();
    put_node(&api, "a");
    put_pod(&api, "p", "a");
    let collector = collector(&api);
    show(&collector, &api, "p");
    assert_eq!(collector.look_at_node("a").await.expect("no failure"), Some(QUARANTINE));
    tokio::time::advance(QUARANTINE).await;
    assert_eq!(collector.look_at_node("a").await.expect("no failure"), Some(QUARANTINE), "the cache will hear of it");
    assert_eq!((names(&api), writes(&api, "p").len()), (vec!["p".into()], 0));
    api.remove("nodes", "a");
    collector.look_at_node("a").await.expect("no failure");
    assert!(names(&api).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_comes_while_others_are_removed_goes_too() {
    let api = FakeApi::new();
    put_pod(&api, "p", "never-there");
    let collector = collector(&api);
    show(&collector, &api, "p");
    tokio::time::advance(QUARANTINE).await;
    let comes = async {
        api.until("the other is being removed", |api| !writes(api, "p").is_empty()).await;
        put_pod(&api, "late", "never-there");
        show(&collector, &api, "late");
    };
    let (looked, ()) = tokio::join!(collector.look_at_node("never-there"), comes);
    looked.expect("no failure");
    assert_eq!(names(&api), ["late"]);
    let shutdown = CancellationToken::new();
    let work = collector.queue.work("pod garbage", WORKERS, &shutdown, |task| collector.look_at(task));
    tokio::select! {
        () = work => {}
        () = api.until("it goes", |api| names(api).is_empty()) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_made_anew_under_the_same_name_is_another_one() {
    let api = FakeApi::new();
    put_node(&api, "a");
    put_pod(&api, "p", "never-there");
    let collector = collector(&api);
    show(&collector, &api, "p");
    tokio::time::advance(QUARANTINE).await;
    api.remove("pods", "p");
    put_pod(&api, "p", "a");
    collector.look_at_node("never-there").await.expect_err("the API refuses");
    assert_eq!(names(&api), ["p"]);
    assert_eq!(pod(&api, "p")["status"]["phase"], "Running");
}
