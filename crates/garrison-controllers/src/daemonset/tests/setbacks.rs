//! What goes wrong with one object holds up its node and no other.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Two strays on the first node, an old revision that is no longer needed, and a set that keeps none of these.
fn strays_and_history() -> FakeApi {
    let api = cluster(3);
    let mut set = set("one");
    set["spec"]["revisionHistoryLimit"] = json!(0);
    api.put("apps/v1", "DaemonSet", set);
    ["s0", "s1"].into_iter().for_each(|name| api.put("v1", "Pod", stray(name)));
    api.put("apps/v1", "ControllerRevision", revision(&api, "old", json!({"spec": "old"})));
    api
}

fn stray(name: &str) -> Value {
    json!({"metadata": {"namespace": "ns", "name": name, "labels": {"app": "d"}}, "spec": {"nodeName": "n000"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn owned_by_set(api: &FakeApi) -> Value {
    let set = api.list("daemonsets").remove(0);
    json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": set["metadata"]["uid"], "controller": true}])
}

fn revision(api: &FakeApi, name: &str, data: Value) -> Value {
    let labels = json!({"app": "d", "controller-revision-hash": name});
    json!({"metadata": {"namespace": "ns", "name": name, "labels": labels, "ownerReferences": owned_by_set(api)},
        "data": data, "revision": 1})
}

/// Refuses these requests until told otherwise.
fn refuse(api: &FakeApi, verb: &'static str, path: &'static str, code: u16) -> Arc<AtomicBool> {
    let lifted = Arc::new(AtomicBool::new(false));
    let seen = lifted.clone();
    api.fail(move |method, asked, _| {
        let hit = method == verb && asked.ends_with(path) && !seen.load(Ordering::Relaxed);
        hit.then_some(Fault::Refused(code, "Refused"))
    });
    lifted
}

fn sent(api: &FakeApi, verb: &str, path: &str) -> usize {
    api.requests().iter().filter(|request| request.starts_with(verb) && request.contains(path)).count()
}

/// The unrelated nodes have their pods, the one with the strays is as it was; afterwards all is done.
async fn check_strays(verb: &'static str, path: &'static str, code: u16, operation: &str) {
    let api = strays_and_history();
    let lifted = refuse(&api, verb, path, code);
    let metrics = Arc::<Metrics>::default();
    let controller = start_with(&api, Config::default(), metrics.clone());
    api.until("unrelated nodes have a pod", |api| targets(api) == ["n000", "n000", "n001", "n002"]).await;
    api.until("it is tried again", |api| sent(api, verb, path) > 2).await;
    let failures = format!("garrison_daemonset_errors_total{{operation=\"{operation}\"}}");
    api.until("the failure is reported", |_| metrics.text(&Fence::open()).contains(&failures)).await;
    assert_eq!((creates(&api), sent(&api, "DELETE", "/")), (2, 0), "neither a stray nor a revision goes");
    lifted.store(true, Ordering::Relaxed);
    let going = |api: &FakeApi| api.list("pods").iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_string()).count();
    api.until("one stray stays, the other and the revision go", |api| {
        going(api) == 1 && sent(api, "DELETE", "/pods/") == 1 && api.list("controllerrevisions").len() == 1
    })
    .await;
    assert!(api.list("pods").iter().all(|pod| pod["metadata"]["ownerReferences"][0]["name"] == "d"));
    stop(controller).await;
}

/// Conformance: W31
#[tokio::test]
async fn a_failed_adoption_check_holds_up_only_what_it_was_for() {
    check_strays("GET", "/daemonsets/d", 500, "read").await;
}

/// Conformance: W31
#[tokio::test]
async fn a_refused_adoption_holds_up_only_its_node() {
    check_strays("PATCH", "/pods/s0", 403, "adopt").await;
}

#[tokio::test]
async fn the_node_of_a_stray_that_is_gone_before_it_is_adopted_gets_a_pod() {
    let api = cluster(1);
    api.put("apps/v1", "DaemonSet", set("one"));
    api.put("v1", "Pod", stray("s0"));
    refuse(&api, "PATCH", "/pods/s0", 404);
    let controller = start(&api);
    api.until("it wants to adopt", |api| sent(api, "PATCH", "/pods/s0") > 0).await;
    api.remove("pods", "s0");
    api.until("the node has a pod of the set", |api| creates(api) == 1 && targets(api) == ["n000"]).await;
    stop(controller).await;
}

/// Conformance: W31
#[tokio::test]
async fn a_refused_release_holds_up_only_its_node() {
    let api = strays_and_history();
    let mut stranger = stray("s0");
    stranger["metadata"]["ownerReferences"] = owned_by_set(&api);
    stranger["metadata"]["labels"] = json!({"app": "x"});
    api.put("v1", "Pod", stranger);
    api.remove("pods", "s1");
    let lifted = refuse(&api, "PATCH", "/pods/s0", 403);
    let controller = start(&api);
    api.until("unrelated nodes have a pod", |api| targets(api) == ["n000", "n001", "n002"]).await;
    api.until("it is tried again", |api| sent(api, "PATCH", "/pods/s0") > 2).await;
    assert_eq!(creates(&api), 2);
    lifted.store(true, Ordering::Relaxed);
    api.until("its node gets a pod of the set", |api| targets(api) == ["n000", "n000", "n001", "n002"]).await;
    stop(controller).await;
}

/// Conformance: W31
#[tokio::test]
async fn a_revision_that_cannot_be_written_holds_up_no_pod() {
    let api = strays_and_history();
    let lifted = refuse(&api, "POST", "/controllerrevisions", 403);
    let controller = start(&api);
    api.until("all nodes have a pod", |api| targets(api).len() == 4 && sent(api, "PATCH", "/pods/s1") == 1).await;
    api.until("it is tried again", |api| sent(api, "POST", "/controllerrevisions") > 2).await;
    assert_eq!(sent(&api, "DELETE", "/controllerrevisions/"), 0, "the last revision that there is stays");
    lifted.store(true, Ordering::Relaxed);
    api.until("it is written, the old one goes", |api| {
        let names: Vec<String> = api.list("controllerrevisions").iter().map(|one| text(one, "/metadata/name")).collect();
        names.len() == 1 && names[0] != "old"
    })
    .await;
    stop(controller).await;
}

/// Conformance: W31
#[tokio::test]
async fn a_pod_that_cannot_be_labelled_holds_up_no_node_and_keeps_its_revision() {
    let api = cluster(1);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("the first node has a pod", |api| status(api, "currentNumberScheduled") == 1).await;
    stop(controller).await;
    let mut twin = api.list("controllerrevisions").remove(0);
    twin["metadata"]["name"] = json!("twin");
    twin["metadata"]["labels"]["controller-revision-hash"] = json!("twin");
    twin["revision"] = json!(5);
    api.put("apps/v1", "ControllerRevision", twin);
    api.put("v1", "Node", json!({"metadata": {"name": "n001"}}));
    let pod = text(&api.list("pods")[0], "/metadata/name");
    let lifted = refuse(&api, "PATCH", pod.leak(), 403);
    let controller = start(&api);
    api.until("the other node has one", |api| targets(api).len() == 2).await;
    api.until("it is tried again", |api| sent(api, "PATCH", "/pods/") > 2).await;
    assert_eq!(api.list("controllerrevisions").len(), 2);
    lifted.store(true, Ordering::Relaxed);
    api.until("one revision is left", |api| api.list("controllerrevisions").len() == 1).await;
    assert!(api.list("pods").iter().all(|pod| pod["metadata"]["labels"]["controller-revision-hash"] == "twin"));
    assert_eq!((creates(&api), sent(&api, "DELETE", "/pods/")), (2, 0));
    stop(controller).await;
}

/// Conformance: W31
#[tokio::test]
async fn without_a_settled_hash_no_pod_is_made() {
    let api = cluster(2);
    api.put("apps/v1", "DaemonSet", set("one"));
    let controller = start(&api);
    api.until("it has a revision", |api| api.list("controllerrevisions").len() == 1).await;
    stop(controller).await;
    let mut other = api.list("controllerrevisions").remove(0);
    other["data"] = json!({"spec": "other"});
    other["metadata"]["ownerReferences"] = json!([]);
    other["metadata"]["labels"] = json!({});
    api.put("apps/v1", "ControllerRevision", other);
    api.list("pods").iter().for_each(|pod| api.remove("pods", &text(pod, "/metadata/name")));
    let before = creates(&api);
    let lifted = refuse(&api, "PUT", "/daemonsets/d/status", 403);
    let controller = start(&api);
    api.until("the collision cannot be counted", |api| sent(api, "PUT", "/daemonsets/d/status") > 3).await;
    assert_eq!(creates(&api), before);
    lifted.store(true, Ordering::Relaxed);
    api.until("all nodes have a pod", |api| targets(api) == nodes(0..2)).await;
    assert_eq!(status(&api, "collisionCount"), 1);
    stop(controller).await;
}

/// A set that is gone does nothing more: no adoption, no pod on another node, no deletion.
async fn check_gone(gone: impl FnOnce(&FakeApi)) {
    let api = cluster(0);
    api.put("apps/v1", "DaemonSet", set("one"));
    ["s0", "s1"].into_iter().for_each(|name| api.put("v1", "Pod", stray(name)));
    // Neither is the stray adopted at first, nor does a status bring the news that the set is gone.
    let refused = |path: &str| path.ends_with("/pods/s0") || path.ends_with("/status");
    api.fail(move |method, path, _| (method != "GET" && refused(path)).then_some(Fault::Refused(403, "Forbidden")));
    let controller = start(&api);
    api.until("it has seen the strays", |api| sent(api, "PATCH", "/pods/s0") > 0).await;
    gone(&api);
    let asked = |api: &FakeApi| sent(api, "GET", "/daemonsets/d");
    let done = |api: &FakeApi| ["POST", "PATCH", "DELETE"].map(|verb| sent(api, verb, "/pods"));
    let before = asked(&api);
    api.until("it has asked for itself", |api| asked(api) > before + 2).await;
    let (before, at_first) = (asked(&api), done(&api));
    ["n000", "n001"].into_iter().for_each(|name| api.put("v1", "Node", json!({"metadata": {"name": name}})));
    api.until("it has asked again with nodes there", |api| asked(api) > before + 2).await;
    assert_eq!((done(&api), at_first[0]), (at_first, 0));
    stop(controller).await;
}

/// The set has changed, and its watch is late.
fn change_unseen(api: &FakeApi, field: &str, value: &str) {
    let mut set = api.list("daemonsets").remove(0);
    set["metadata"][field] = json!(value);
    api.put_unseen("apps/v1", "DaemonSet", set);
}

/// Conformance: U7
#[tokio::test]
async fn a_set_that_is_being_deleted_takes_no_orphan_and_does_nothing_else() {
    check_gone(|api| change_unseen(api, "deletionTimestamp", "2026-01-01T00:00:00Z")).await;
}

/// Conformance: U7
#[tokio::test]
async fn a_set_that_was_made_anew_takes_no_orphan_in_the_name_of_the_old_one() {
    check_gone(|api| change_unseen(api, "uid", "another")).await;
}

/// Conformance: U7
#[tokio::test]
async fn a_set_that_is_gone_takes_no_orphan_and_does_nothing_else() {
    let missing = |path: &str| path.ends_with("/daemonsets/d");
    check_gone(|api| api.fail(move |_, path, _| missing(path).then_some(Fault::Refused(404, "NotFound")))).await;
}

/// An update deletes the old pod of the one node; nobody knows whether it did, until the pod is read. Meanwhile nothing
/// else is given up.
///
/// Conformance: W21
#[tokio::test]
async fn what_became_of_an_unanswered_deletion_is_read() {
    let api = cluster(2);
    let controller = start(&api);
    api.put("apps/v1", "DaemonSet", set("one"));
    api.until("all are there", |api| targets(api).len() == 2).await;
    play_kubelets(&api);
    api.until("all are available", |api| status(api, "numberAvailable") == 2).await;
    // Not done, but who is told of a fault of the server cannot know.
    api.fail(|method, path, before| {
        (method == "DELETE" && path.contains("/pods/") && before == 0).then_some(Fault::Refused(500, "InternalError"))
    });
    let mut changed = api.list("daemonsets").remove(0);
    changed["spec"] = set("two")["spec"].clone();
    changed["metadata"]["generation"] = json!(2);
    api.put("apps/v1", "DaemonSet", changed);
    let going = |api: &FakeApi| api.list("pods").iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_string()).count();
    api.until("one is deleted after all", |api| going(api) == 1).await;
    let asked: Vec<String> = api.requests().into_iter().filter(|request| request.contains("/pods/")).collect();
    let verbs: Vec<&str> = asked.iter().filter_map(|request| request.split(' ').next()).collect();
    assert_eq!(verbs, ["DELETE", "GET", "DELETE"], "{asked:?}");
    stop(controller).await;
}
