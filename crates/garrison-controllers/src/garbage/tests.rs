//! The loop against an API: what goes with its owner, what stays, and in which order.

mod trouble;

use super::*;
use crate::{
    Config, Loops,
    fake_api::{FakeApi, text},
};
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

/// The loop with its caches.
fn start(api: &FakeApi) -> Loops {
    let context = Context::new(api.client(), Config::default());
    let mut loops = Loops::new(CancellationToken::new());
    loops.feed_caches(&context);
    loops.spawn("garbage", run(context, loops.shutdown.clone()));
    loops
}

async fn stop(loops: Loops) {
    loops.shutdown.cancel();
    loops.join().await.expect("no loop fails");
}

fn put_set(api: &FakeApi, name: &str) {
    api.put("apps/v1", "DaemonSet", json!({"metadata": {"namespace": "ns", "name": name}}));
}

fn put_pod(api: &FakeApi, name: &str, owners: &[Value]) {
    api.put("v1", "Pod", json!({"metadata": {"namespace": "ns", "name": name, "ownerReferences": owners}}));
}

/// A pod that does not go before its finalizer is taken off.
fn put_held(api: &FakeApi, name: &str, owners: &[Value]) {
    let metadata = json!({"namespace": "ns", "name": name, "ownerReferences": owners, "finalizers": ["example.org/x"]});
    api.put("v1", "Pod", json!({ "metadata": metadata }));
}

fn owner(api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid})
}

/// A reference to a DaemonSet that is there.
fn set(api: &FakeApi, name: &str) -> Value {
    owner("apps/v1", "DaemonSet", name, &text(&object(api, "daemonsets", name), "/metadata/uid"))
}

fn blocking(owner: &Value) -> Value {
    let mut owner = owner.clone();
    owner["blockOwnerDeletion"] = json!(true);
    owner
}

fn object(api: &FakeApi, plural: &str, name: &str) -> Value {
    let object = api.list(plural).into_iter().find(|object| text(object, "/metadata/name") == name);
    object.unwrap_or_else(|| panic!("there is no {name}"))
}

fn names(api: &FakeApi, plural: &str) -> Vec<String> {
    api.list(plural).iter().map(|object| text(object, "/metadata/name")).collect()
}

fn is_deleting(api: &FakeApi, plural: &str, name: &str) -> bool {
    object(api, plural, name)["metadata"]["deletionTimestamp"].is_string()
}

/// The names of an object's owners.
fn owners(api: &FakeApi, plural: &str, name: &str) -> Vec<String> {
    let object = object(api, plural, name);
    let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    owners.iter().map(|owner| text(owner, "/name")).collect()
}

async fn delete_set(api: &FakeApi, name: &str, how: &DeleteParams) {
    let sets: Api<DaemonSet> = Api::namespaced(api.client(), "ns");
    sets.delete(name, how).await.expect("is deleted");
}

async fn free(api: &FakeApi, pod: &str) {
    let pods: Api<Pod> = Api::namespaced(api.client(), "ns");
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    pods.patch(pod, &PatchParams::default(), &none).await.expect("is patched");
}

/// How often a request was made.
fn count(api: &FakeApi, request: &str) -> usize {
    api.requests().iter().filter(|other| *other == request).count()
}

/// Conformance: R5
#[tokio::test]
async fn what_belonged_to_a_deleted_object_goes() {
    let api = FakeApi::new();
    ["d", "other"].iter().for_each(|name| put_set(&api, name));
    let loops = start(&api);
    put_pod(&api, "p", &[set(&api, "d")]);
    put_pod(&api, "of-another", &[set(&api, "other")]);
    put_pod(&api, "free", &[]);
    let metadata = json!({"namespace": "ns", "name": "r", "ownerReferences": [set(&api, "d")]});
    api.put("apps/v1", "ControllerRevision", json!({ "metadata": metadata }));
    // Secrets have no shared cache.
    let metadata = json!({"namespace": "ns", "name": "s", "ownerReferences": [set(&api, "d")]});
    api.put("v1", "Secret", json!({ "metadata": metadata }));
    delete_set(&api, "d", &DeleteParams::background()).await;
    let rest = |api: &FakeApi| ["controllerrevisions", "secrets"].iter().all(|plural| api.list(plural).is_empty());
    api.until("all of it goes", |api| rest(api) && names(api, "pods") == ["free", "of-another"]).await;
    stop(loops).await;
    assert_eq!(names(&api, "daemonsets"), ["other"]);
}

#[tokio::test]
async fn what_a_dependent_owned_goes_after_it() {
    let api = FakeApi::new();
    put_set(&api, "d");
    put_held(&api, "p", &[set(&api, "d")]);
    let pod = owner("v1", "Pod", "p", &text(&object(&api, "pods", "p"), "/metadata/uid"));
    api.put("v1", "ConfigMap", json!({"metadata": {"namespace": "ns", "name": "m", "ownerReferences": [pod]}}));
    let loops = start(&api);
    delete_set(&api, "d", &DeleteParams::background()).await;
    api.until("the pod is deleted", |api| is_deleting(api, "pods", "p")).await;
    assert_eq!(names(&api, "configmaps"), ["m"], "its owner is still there");
    free(&api, "p").await;
    api.until("the rest follows", |api| api.list("configmaps").is_empty()).await;
    stop(loops).await;
}

/// Conformance: R5
#[tokio::test]
async fn a_foreground_deletion_waits_for_those_that_block_it_only() {
    let api = FakeApi::new();
    put_set(&api, "d");
    put_held(&api, "blocks", &[blocking(&set(&api, "d"))]);
    put_held(&api, "does-not", &[set(&api, "d")]);
    let loops = start(&api);
    delete_set(&api, "d", &DeleteParams::foreground()).await;
    let both = |api: &FakeApi| is_deleting(api, "pods", "blocks") && is_deleting(api, "pods", "does-not");
    api.until("both are deleted", both).await;
    assert_eq!(names(&api, "daemonsets"), ["d"], "one of them is still there and blocks");
    free(&api, "blocks").await;
    api.until("it goes", |api| api.list("daemonsets").is_empty()).await;
    stop(loops).await;
    assert_eq!(names(&api, "pods"), ["does-not"]);
}

#[tokio::test]
async fn a_foreground_deletion_goes_all_the_way_down_and_ends_at_the_top() {
    let api = FakeApi::new();
    put_set(&api, "d");
    put_pod(&api, "p", &[blocking(&set(&api, "d"))]);
    let pod = blocking(&owner("v1", "Pod", "p", &text(&object(&api, "pods", "p"), "/metadata/uid")));
    let metadata = json!({"namespace": "ns", "name": "m", "ownerReferences": [pod], "finalizers": ["example.org/x"]});
    api.put("v1", "ConfigMap", json!({ "metadata": metadata }));
    let loops = start(&api);
    delete_set(&api, "d", &DeleteParams::foreground()).await;
    api.until("the last is deleted", |api| is_deleting(api, "configmaps", "m")).await;
    assert_eq!((names(&api, "daemonsets").len(), names(&api, "pods").len()), (1, 1), "each waits for what it owns");
    let maps: Api<ConfigMap> = Api::namespaced(api.client(), "ns");
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("m", &PatchParams::default(), &none).await.expect("is patched");
    api.until("all go", |api| ["daemonsets", "pods", "configmaps"].iter().all(|plural| api.list(plural).is_empty())).await;
    stop(loops).await;
}

/// Conformance: R5
#[tokio::test]
async fn orphans_lose_their_owner_and_nothing_else() {
    let api = FakeApi::new();
    ["d", "other"].iter().for_each(|name| put_set(&api, name));
    put_pod(&api, "p", &[set(&api, "d")]);
    put_pod(&api, "of-both", &[set(&api, "other"), set(&api, "d")]);
    let metadata = json!({"namespace": "ns", "name": "r", "ownerReferences": [set(&api, "d")]});
    api.put("apps/v1", "ControllerRevision", json!({ "metadata": metadata }));
    let loops = start(&api);
    delete_set(&api, "d", &DeleteParams { propagation_policy: Some(kube::api::PropagationPolicy::Orphan), ..Default::default() })
        .await;
    api.until("it goes", |api| names(api, "daemonsets") == ["other"]).await;
    stop(loops).await;
    assert_eq!(owners(&api, "pods", "p"), [""; 0]);
    assert_eq!(owners(&api, "pods", "of-both"), ["other"]);
    assert_eq!(owners(&api, "controllerrevisions", "r"), [""; 0]);
    assert!(!api.requests().iter().any(|request| request.starts_with("DELETE") && !request.ends_with("/d")));
}

/// Conformance: R5
#[tokio::test]
async fn an_owner_that_was_never_seen_is_asked_for_before_anything_is_deleted() {
    let api = FakeApi::new();
    put_set(&api, "d");
    put_pod(&api, "of-nobody", &[owner("apps/v1", "DaemonSet", "gone", "uid-of-gone")]);
    put_pod(&api, "of-another-life", &[owner("apps/v1", "DaemonSet", "d", "uid-before")]);
    put_pod(&api, "rightly-owned", &[set(&api, "d")]);
    let loops = start(&api);
    api.until("two go", |api| names(api, "pods") == ["rightly-owned"]).await;
    stop(loops).await;
    for (owner, pod) in [("gone", "of-nobody"), ("d", "of-another-life")] {
        let of = |request: String| api.requests().iter().position(|other| *other == request).expect("was made");
        let asked = of(format!("GET /apis/apps/v1/namespaces/ns/daemonsets/{owner}"));
        assert!(asked < of(format!("DELETE /api/v1/namespaces/ns/pods/{pod}")), "{pod}");
    }
}

#[tokio::test]
async fn a_pod_made_for_a_set_that_is_gone_goes_too() {
    let api = FakeApi::new();
    put_set(&api, "d");
    let late = set(&api, "d");
    let loops = start(&api);
    put_pod(&api, "p", std::slice::from_ref(&late));
    delete_set(&api, "d", &DeleteParams::background()).await;
    api.until("its pod goes", |api| api.list("pods").is_empty()).await;
    put_pod(&api, "late", &[late]);
    api.until("so does the late one", |api| api.list("pods").is_empty()).await;
    stop(loops).await;
}

#[tokio::test]
async fn one_owner_that_lives_is_enough() {
    let api = FakeApi::new();
    put_set(&api, "lives");
    put_pod(&api, "p", &[owner("apps/v1", "DaemonSet", "gone", "uid-of-gone"), set(&api, "lives")]);
    let loops = start(&api);
    api.until("the dead one is forgotten", |api| owners(api, "pods", "p") == ["lives"]).await;
    assert!(!is_deleting(&api, "pods", "p"));
    delete_set(&api, "lives", &DeleteParams::background()).await;
    api.until("without any it goes", |api| api.list("pods").is_empty()).await;
    stop(loops).await;
}

/// Conformance: R5
#[tokio::test]
async fn an_owner_that_lives_keeps_its_dependent_from_one_that_waits() {
    let api = FakeApi::new();
    ["lives", "waits"].iter().for_each(|name| put_set(&api, name));
    put_pod(&api, "p", &[set(&api, "lives"), blocking(&set(&api, "waits"))]);
    let loops = start(&api);
    delete_set(&api, "waits", &DeleteParams::foreground()).await;
    api.until("it waits no more", |api| names(api, "daemonsets") == ["lives"]).await;
    stop(loops).await;
    assert_eq!(owners(&api, "pods", "p"), ["lives"]);
    assert!(!is_deleting(&api, "pods", "p"));
}

#[tokio::test]
async fn events_are_not_collected_and_what_they_own_is_asked_for() {
    let api = FakeApi::new();
    let gone = owner("apps/v1", "DaemonSet", "gone", "uid-of-gone");
    api.put("v1", "Event", json!({"metadata": {"namespace": "ns", "name": "e", "ownerReferences": [gone.clone()]}}));
    let event = owner("v1", "Event", "e", &text(&object(&api, "events", "e"), "/metadata/uid"));
    put_pod(&api, "of-an-event", &[event]);
    put_pod(&api, "p", &[gone]);
    let loops = start(&api);
    let asked = "GET /api/v1/namespaces/ns/events/e";
    api.until("the pod goes", |api| names(api, "pods") == ["of-an-event"] && count(api, asked) == 1).await;
    stop(loops).await;
    assert_eq!(names(&api, "events"), ["e"]);
    assert_eq!(count(&api, "GET /api/v1/events"), 0, "events come in masses and are not even watched");
}

/// Conformance: R5
#[tokio::test]
async fn nothing_in_a_namespace_owns_what_is_outside() {
    let api = FakeApi::new();
    let pod = owner("v1", "Pod", "gone", "uid-of-gone");
    api.put("v1", "Node", json!({"metadata": {"name": "n", "ownerReferences": [pod.clone()]}}));
    put_pod(&api, "p", &[pod]);
    let loops = start(&api);
    api.until("the pod goes", |api| api.list("pods").is_empty()).await;
    stop(loops).await;
    assert_eq!(names(&api, "nodes"), ["n"]);
}

/// Conformance: R5
#[tokio::test]
async fn an_object_with_a_finalizer_may_be_deleted_twice() {
    let api = FakeApi::new();
    put_held(&api, "p", &[]);
    let loops = start(&api);
    let pods: Api<Pod> = Api::namespaced(api.client(), "ns");
    let finalizers = |api: &FakeApi| object(api, "pods", "p")["metadata"]["finalizers"].clone();
    for _ in 0..2 {
        pods.delete("p", &DeleteParams::foreground()).await.expect("is deleted");
        api.until("its dependents are seen to be gone", |api| finalizers(api) == json!(["example.org/x"])).await;
    }
    free(&api, "p").await;
    api.until("it goes", |api| api.list("pods").is_empty()).await;
    stop(loops).await;
}
