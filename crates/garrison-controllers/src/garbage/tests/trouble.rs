//! Refusals, conflicts, lost answers, and kinds that cannot be listed.

use super::*;
use crate::fake_api::Fault;
use http::Method;

/// What goes wrong with a write, and comes right later.
const FAULTS: [Fault; 3] = [Fault::Refused(409, "Conflict"), Fault::Refused(500, "InternalError"), Fault::AnswerLost];

/// Lets the first two requests of this method and path end go wrong.
fn fail_twice(api: &FakeApi, wrong: Fault, method: Method, end: &'static str) {
    api.fail(move |other, path, before| (*other == method && path.ends_with(end) && before < 2).then_some(wrong));
}

#[tokio::test]
async fn a_failed_deletion_is_made_anew() {
    for fault in FAULTS {
        let api = FakeApi::new();
        fail_twice(&api, fault, Method::DELETE, "/pods/p");
        put_held(&api, "p", &[owner("apps/v1", "DaemonSet", "gone", "uid-of-gone")]);
        let loops = start(&api);
        api.until("it is deleted", |api| is_deleting(api, "pods", "p")).await;
        free(&api, "p").await;
        api.until("it goes", |api| api.list("pods").is_empty()).await;
        stop(loops).await;
    }
}

#[tokio::test]
async fn a_question_without_an_answer_is_no_answer() {
    let api = FakeApi::new();
    put_set(&api, "d");
    fail_twice(&api, Fault::Refused(500, "InternalError"), Method::GET, "/daemonsets/d");
    put_pod(&api, "p", &[owner("apps/v1", "DaemonSet", "d", "uid-before")]);
    let loops = start(&api);
    api.until("it goes", |api| api.list("pods").is_empty()).await;
    stop(loops).await;
    assert_eq!(count(&api, "GET /apis/apps/v1/namespaces/ns/daemonsets/d"), 3);
    assert_eq!(count(&api, "DELETE /api/v1/namespaces/ns/pods/p"), 1);
}

#[tokio::test]
async fn failed_changes_of_owners_are_made_anew() {
    for fault in FAULTS {
        let api = FakeApi::new();
        put_set(&api, "lives");
        fail_twice(&api, fault, Method::PATCH, "/pods/p");
        put_pod(&api, "p", &[owner("apps/v1", "DaemonSet", "gone", "uid-of-gone"), set(&api, "lives")]);
        let loops = start(&api);
        api.until("the dead one is forgotten", |api| owners(api, "pods", "p") == ["lives"]).await;
        stop(loops).await;
    }
}

#[tokio::test]
async fn an_owner_goes_only_when_all_its_orphans_are_free() {
    for fault in FAULTS {
        let api = FakeApi::new();
        put_set(&api, "d");
        ["a", "p", "z"].iter().for_each(|name| put_pod(&api, name, &[set(&api, "d")]));
        fail_twice(&api, fault, Method::PATCH, "/pods/p");
        let loops = start(&api);
        let orphan = DeleteParams { propagation_policy: Some(kube::api::PropagationPolicy::Orphan), ..DeleteParams::default() };
        delete_set(&api, "d", &orphan).await;
        api.until("it goes", |api| api.list("daemonsets").is_empty()).await;
        stop(loops).await;
        ["a", "p", "z"].iter().for_each(|name| assert_eq!(owners(&api, "pods", name), [""; 0], "{name} {fault:?}"));
    }
}

#[tokio::test]
async fn a_finalizer_that_stays_on_is_taken_off_later() {
    for fault in FAULTS {
        for how in [kube::api::PropagationPolicy::Foreground, kube::api::PropagationPolicy::Orphan] {
            let api = FakeApi::new();
            put_set(&api, "d");
            put_pod(&api, "p", &[blocking(&set(&api, "d"))]);
            fail_twice(&api, fault, Method::PATCH, "/daemonsets/d");
            let loops = start(&api);
            delete_set(&api, "d", &DeleteParams { propagation_policy: Some(how), ..DeleteParams::default() }).await;
            api.until("it goes", |api| api.list("daemonsets").is_empty()).await;
            stop(loops).await;
        }
    }
}

#[tokio::test]
async fn what_was_changed_since_is_judged_anew() {
    let api = FakeApi::new();
    put_set(&api, "d");
    put_pod(&api, "p", &[owner("apps/v1", "DaemonSet", "gone", "uid-of-gone")]);
    let context = Context::new(api.client(), Config::default());
    let collector = Collector::new(context.client.clone());
    let found = kinds::discover(&context.client).await.expect("is answered");
    let by_name = found.kinds.into_iter().map(|kind| ((kind.resource.group.clone(), kind.resource.kind.clone()), kind));
    collector.kinds.write().extend(by_name);
    let pod: Pod = serde_json::from_value(object(&api, "pods", "p")).expect("a pod");
    collector.put(Object::of("v1", "Pod", &pod.metadata));
    // Somebody adopts it before the watch tells us.
    put_pod(&api, "p", &[set(&api, "d")]);
    let uid = pod.metadata.uid.expect("is set");
    let again = collector.look_at(uid).await.expect("no failure");
    assert!(again.is_some(), "it is looked at again");
    assert_eq!(names(&api, "pods"), ["p"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_collected_before_every_kind_has_been_listed() {
    let api = FakeApi::new();
    fail_twice(&api, Fault::Refused(500, "InternalError"), Method::GET, "/api/v1/secrets");
    put_pod(&api, "p", &[owner("apps/v1", "DaemonSet", "gone", "uid-of-gone")]);
    let loops = start(&api);
    api.until("it goes", |api| api.list("pods").is_empty()).await;
    stop(loops).await;
    assert_eq!(count(&api, "GET /api/v1/secrets"), 3);
    let requests = api.requests();
    let last = |what: &str| requests.iter().rposition(|request| request == what);
    assert!(last("GET /api/v1/secrets") < last("GET /apis/apps/v1/namespaces/ns/daemonsets/gone"), "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_stays_broken_does_not_hold_up_the_others_for_ever() {
    let api = FakeApi::new();
    api.fail(|_, path, _| (path == "/api/v1/secrets").then_some(Fault::Refused(500, "InternalError")));
    put_pod(&api, "p", &[owner("apps/v1", "DaemonSet", "gone", "uid-of-gone")]);
    let loops = start(&api);
    api.until("the broken kind is asked for", |api| count(api, "GET /api/v1/secrets") > 1).await;
    assert_eq!(names(&api, "pods"), ["p"]);
    tokio::time::advance(watch::REDISCOVERY).await;
    api.until("it goes", |api| api.list("pods").is_empty()).await;
    stop(loops).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_cannot_be_listed_does_not_hide_one_that_is_found_later() {
    let api = FakeApi::new();
    let served = "GET /apis/scheduling.k8s.io/v1";
    api.fail(|_, path, before| match path {
        "/api/v1/secrets" => Some(Fault::Refused(500, "InternalError")),
        "/apis/scheduling.k8s.io/v1" if before < 1 => Some(Fault::Refused(503, "ServiceUnavailable")),
        _ => None,
    });
    let loops = start(&api);
    api.until("it is asked what is served", |api| count(api, served) == 1).await;
    tokio::time::advance(watch::REDISCOVERY).await;
    api.until("it is listed", |api| count(api, "GET /apis/scheduling.k8s.io/v1/priorityclasses") == 1).await;
    stop(loops).await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_of_a_kind_that_nobody_serves_may_be_there() {
    let api = FakeApi::new();
    let served = "GET /apis/scheduling.k8s.io/v1";
    api.fail(|_, path, before| {
        (path == "/apis/scheduling.k8s.io/v1" && before < 1).then_some(Fault::Refused(503, "ServiceUnavailable"))
    });
    put_pod(&api, "p", &[owner("scheduling.k8s.io/v1", "PriorityClass", "gone", "uid-of-gone")]);
    put_pod(&api, "q", &[owner("apps/v1", "DaemonSet", "gone", "uid-of-gone-too")]);
    let loops = start(&api);
    api.until("another goes", |api| names(api, "pods") == ["p"]).await;
    assert_eq!(count(&api, served), 1);
    tokio::time::advance(watch::REDISCOVERY).await;
    api.until("now its kind is known", |api| count(api, served) == 2).await;
    tokio::time::advance(UNSEEN_OWNER).await;
    api.until("when its owner can be asked for it goes", |api| api.list("pods").is_empty()).await;
    stop(loops).await;
    assert_eq!(count(&api, "GET /apis/scheduling.k8s.io/v1/priorityclasses/gone"), 1);
}
