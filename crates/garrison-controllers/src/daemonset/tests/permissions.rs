//! The manifest of `garrison controller` against what it asks for.

use super::*;
use crate::election::{Fence, Settings, Timing, lead};
use jiff::SignedDuration;
use serde::Deserialize;
use std::collections::BTreeSet;

const MANIFEST: &str = include_str!("../../../../../deploy/controller/rbac.yaml");
/// Checked by an admission plugin when a pod is created that names its owner; nobody asks for it by a request.
const NOT_ASKED_FOR: (&str, &str, &str) = ("update", "apps", "daemonsets/finalizers");

/// Verb, API group, resource.
type Permission = (String, String, String);

fn permission((verb, group, resource): (&str, &str, &str)) -> Permission {
    (verb.into(), group.into(), resource.into())
}

fn granted() -> BTreeSet<Permission> {
    let documents = serde_norway::Deserializer::from_str(MANIFEST).map(|document| Value::deserialize(document).expect("YAML"));
    let rules = documents.flat_map(|document| document["rules"].as_array().cloned().unwrap_or_default());
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        rule[field].as_array().expect(field).iter().map(|text| text.as_str().expect("text").to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in rules {
        for group in texts(&rule, "apiGroups") {
            for resource in texts(&rule, "resources") {
                granted.extend(texts(&rule, "verbs").into_iter().map(|verb| (verb, group.clone(), resource.clone())));
            }
        }
    }
    granted
}

/// What a request needs, as upstream's authorizer sees it.
fn needed(request: &str) -> Permission {
    let (method, path) = request.split_once(' ').expect("a method and a path");
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let group = if parts.remove(0) == "apis" { parts.remove(0) } else { "" };
    parts.remove(0);
    if parts[0] == "namespaces" && parts.len() > 2 {
        parts.drain(..2);
    }
    let named = parts.len() > 1;
    let verb = match (method, named) {
        ("WATCH", _) => "watch",
        ("GET", true) => "get",
        ("GET", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        other => panic!("{other:?}"),
    };
    let resource = parts.get(2).map_or(parts[0].to_owned(), |subresource| format!("{}/{subresource}", parts[0]));
    permission((verb, group, &resource))
}

fn start_electing(api: &FakeApi) -> (JoinHandle<()>, CancellationToken) {
    let (shutdown, of) = (CancellationToken::new(), SignedDuration::from_secs);
    let timing = Timing { lease_duration: of(15), renew_deadline: of(10), retry_period: of(2) };
    let [namespace, name, identity] = ["kube-system", "garrison-daemonset-controller", "a"].map(str::to_owned);
    let settings = Settings { namespace, name, identity, timing };
    let (client, token) = (api.client(), shutdown.clone());
    let running = tokio::spawn(async move {
        let work = |token| run_daemonset_only(client.clone(), Config::default(), Arc::default(), token);
        lead(client.clone(), settings, Fence::closed(""), token, work).await.expect("it works until it is to stop");
    });
    (running, shutdown)
}

/// Refusals that lead to the rarer requests: a name that is taken, and one event that happens twice.
fn trouble(api: &FakeApi) {
    api.fail(|method, path, before| {
        if method != "POST" {
            return None;
        }
        let taken = before == 0 && (path.ends_with("/pods") || path.ends_with("/controllerrevisions"));
        let forbidden = (1..=5).contains(&before) && path.ends_with("/pods");
        taken.then_some(Fault::Refused(409, "AlreadyExists")).or(forbidden.then_some(Fault::Refused(403, "Forbidden")))
    });
}

#[tokio::test]
async fn the_manifest_grants_what_is_asked_for_and_nothing_else() {
    let api = cluster(3);
    trouble(&api);
    let stray = json!({"namespace": "ns", "name": "stray", "labels": {"app": "d"}});
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    api.put("v1", "Pod", json!({"metadata": stray, "spec": {"nodeName": "n000"}, "status": ready}));
    api.put("apps/v1", "ControllerRevision", json!({"metadata": stray, "revision": 1, "data": {"spec": {}}}));
    let mut short_memory = set("one");
    short_memory["spec"]["revisionHistoryLimit"] = json!(0);
    api.put("apps/v1", "DaemonSet", short_memory.clone());
    let controller = start_electing(&api);
    let settled = |image: &'static str| {
        move |api: &FakeApi| {
            play_kubelets(api);
            let new = api.list("pods").iter().filter(|pod| text(pod, "/spec/containers/0/image") == image).count();
            new == 3 && status(api, "numberAvailable") == 3 && api.list("controllerrevisions").len() == 1
        }
    };
    api.until("all are there, and the stray pod is replaced", settled("one")).await;
    let mut changed = api.list("daemonsets").remove(0);
    short_memory["spec"]["template"]["spec"]["containers"][0]["image"] = json!("two");
    (changed["spec"], changed["metadata"]["generation"]) = (short_memory["spec"].clone(), json!(2));
    api.put("apps/v1", "DaemonSet", changed);
    api.until("all are replaced, and the old revision is gone", settled("two")).await;
    stop(controller).await;
    api.until("a repeated event is written", |api| {
        api.requests().iter().any(|line| line.starts_with("PATCH") && line.contains("/events/"))
    })
    .await;

    let asked = api.requests().iter().map(|request| needed(request)).chain([permission(NOT_ASKED_FOR)]).collect();
    let granted = granted();
    let missing: Vec<_> = BTreeSet::difference(&asked, &granted).collect();
    let unused: Vec<_> = granted.difference(&asked).collect();
    assert!(missing.is_empty() && unused.is_empty(), "asked for and not granted: {missing:?}; granted for nothing: {unused:?}");
}

/// Conformance: U1, W21
#[tokio::test]
async fn a_pod_that_went_while_nobody_watched_is_replaced() {
    let api = cluster(2);
    let controller = start(&api);
    api.put("apps/v1", "DaemonSet", set("one"));
    api.until("all are there", |api| status(api, "currentNumberScheduled") == 2).await;
    play_kubelets(&api);
    api.until("all are available", |api| status(api, "numberAvailable") == 2).await;
    api.remove_unseen("pods", &text(&api.list("pods")[0], "/metadata/name"));
    api.until("it is replaced", |api| targets(api) == nodes(0..2)).await;
    stop(controller).await;
}
