//! Conformance: an API that refuses, and the status in spite of it.

use super::scene::*;
use super::*;

const STATUS: &str = "PUT /apis/apps/v1/namespaces/ns/daemonsets/d/status";

fn count(api: &FakeApi, request: &str) -> usize {
    api.requests().iter().filter(|found| *found == request).count()
}

/// Conformance: I9
#[tokio::test]
async fn status_is_right_although_some_pods_are_refused() {
    for strategy in STRATEGIES {
        let api = cluster(5);
        api.fail(|method, path, before| {
            (method == "POST" && path.ends_with("/pods") && before >= 2).then_some(Fault::Refused(403, "Forbidden"))
        });
        api.put("apps/v1", "DaemonSet", with_strategy(strategy));
        let controller = start(&api);
        api.until("two are ready of five", |api| {
            play_kubelets(api);
            status(api, "numberReady") == 2 && status(api, "desiredNumberScheduled") == 5 && status(api, "numberUnavailable") == 3
        })
        .await;
        api.until("it is told", |api| !told(api, "FailedCreate").is_empty()).await;
        stop(controller).await;
    }
}

/// Conformance: U3, U4
#[tokio::test]
async fn the_same_look_counts_what_it_created() {
    let api = cluster(100);
    api.fail(|method, path, before| {
        (method == "POST" && path.ends_with("/pods") && before >= 10).then_some(Fault::Refused(403, "Forbidden"))
    });
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("it is written", |api| count(api, STATUS) > 0 && status(api, "observedGeneration") == 1).await;
    let counted = ["desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled"].map(|field| status(&api, field));
    assert_eq!(counted, [100, 10, 10]);
    // The quota is raised: what was refused is not forgotten.
    api.fail(|_, _, _| None);
    api.until("all are there", |api| targets(api).len() == 100 && status(api, "currentNumberScheduled") == 100).await;
    stop(controller).await;
}

/// Conformance: U4
#[tokio::test]
async fn a_status_that_was_refused_is_written_on_fresh_ground_and_then_later() {
    let api = cluster(3);
    // The first look is refused once, so that it tries again at once.
    api.fail(|method, path, before| {
        (method == "PUT" && path.ends_with("/d/status") && before < 1).then_some(Fault::Refused(409, "Conflict"))
    });
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("it is written", |api| status(api, "currentNumberScheduled") == 3).await;
    let live_read = "GET /apis/apps/v1/namespaces/ns/daemonsets/d";
    let of_set: Vec<String> =
        api.requests().into_iter().filter(|request| [STATUS, live_read].contains(&request.as_str())).collect();
    assert_eq!(of_set[..3], [STATUS, live_read, STATUS]);
    // Two refusals end a look, and the next comes.
    let before = count(&api, STATUS);
    api.fail(move |method, path, count| {
        let refused = method == "PUT" && path.ends_with("/d/status") && (before..before + 4).contains(&count);
        refused.then_some(Fault::Refused(500, "InternalError"))
    });
    api.put("v1", "Node", json!({"metadata": {"name": "n003"}}));
    api.until("it is written in the end", |api| status(api, "currentNumberScheduled") == 4).await;
    assert!(count(&api, STATUS) >= before + 5);
    stop(controller).await;
}

/// Conformance: U4
#[tokio::test]
async fn ready_pods_are_counted_and_the_generation_is_that_which_was_seen() {
    let api = cluster(2);
    api.put("apps/v1", "DaemonSet", with_strategy("OnDelete"));
    let controller = start(&api);
    api.until("none is ready", |api| status(api, "currentNumberScheduled") == 2 && status(api, "numberReady") == 0).await;
    play_kubelets(&api);
    api.until("two are ready", |api| status(api, "numberReady") == 2).await;
    set_image(&api, "two");
    api.until("the generation is seen", |api| status(api, "observedGeneration") == 2).await;
    api.until("no pod is new", |api| status(api, "updatedNumberScheduled") == 0 && status(api, "numberReady") == 2).await;
    stop(controller).await;
}

/// Conformance: W21
#[tokio::test]
async fn a_namespace_that_goes_stalls_nothing() {
    let api = cluster(4);
    api.fail(|method, path, before| {
        (method == "POST" && path.ends_with("/pods") && before < 1).then_some(Fault::Refused(403, "NamespaceTerminating"))
    });
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    // It does not go after all: the next look waits for no answer.
    api.until("all are there", |api| targets(api).len() == 4).await;
    assert_eq!(creates(&api), 5);
    stop(controller).await;
    assert!(told(&api, "FailedCreate").is_empty());
}

/// Conformance: U4
#[tokio::test]
async fn what_failed_first_is_what_is_counted() {
    let refused = |test: fn(&str, &str) -> bool| {
        move |method: &http::Method, path: &str, _: usize| {
            test(method.as_str(), path).then_some(Fault::Refused(500, "InternalError"))
        }
    };
    let pods_and_status =
        |method: &str, path: &str| method == "POST" && path.ends_with("/pods") || method == "PUT" && path.ends_with("/status");
    let status_and_reading = |method: &str, path: &str| {
        method == "PUT" && path.ends_with("/status") || method == "GET" && path.ends_with("/daemonsets/d")
    };
    for (faults, operation) in [(refused(pods_and_status), "create"), (refused(status_and_reading), "status")] {
        let api = cluster(1);
        api.fail(faults);
        api.put("apps/v1", "DaemonSet", set("one"));
        let (metrics, shutdown) = (Arc::<crate::Metrics>::default(), CancellationToken::new());
        let (client, token, counts) = (api.client(), shutdown.clone(), metrics.clone());
        let running =
            tokio::spawn(async move { run_daemonset_only(client, Config::default(), counts, token).await.expect("it runs") });
        let counted = || {
            let text = metrics.text(&crate::election::Fence::closed(""));
            let line = |line: &str| {
                Some(line.strip_prefix("garrison_daemonset_errors_total{operation=\"")?.split('"').next()?.to_owned())
            };
            text.lines().filter_map(line).collect::<Vec<_>>()
        };
        api.until("it is counted", |_| !counted().is_empty()).await;
        stop((running, shutdown)).await;
        assert_eq!(counted(), [operation]);
    }
}
