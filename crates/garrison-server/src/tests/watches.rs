//! Watches: what is told, in which order, and what happens to those who come late.

use super::{Cluster, config, names, pod, revision};
use crate::Server;
use http::Response;
use http_body_util::BodyExt;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PATIENCE: Duration = Duration::from_secs(20);

/// The events of a watch, one by one.
pub(super) struct Events {
    body: crate::Body,
    rest: Vec<u8>,
    ready: VecDeque<Value>,
}

impl Events {
    pub(super) fn new(response: Response<crate::Body>) -> Self {
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), rest: Vec::new(), ready: VecDeque::new() }
    }

    /// The next event; `None` when the watch has ended.
    pub(super) async fn next(&mut self) -> Option<Value> {
        while self.ready.is_empty() {
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("an event was expected")?;
            self.rest.extend_from_slice(&frame.unwrap().into_data().unwrap());
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                self.ready.push_back(serde_json::from_slice(&line).unwrap());
            }
        }
        self.ready.pop_front()
    }

    /// Type and name of the next event.
    pub(super) async fn told(&mut self) -> (String, String) {
        let event = self.next().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

async fn watch(cluster: &Cluster, path: &str, query: &str) -> Events {
    Events::new(cluster.send(&format!("GET {path}?watch=true&{query}"), &[], "").await)
}

fn told(kind: &str, name: &str) -> (String, String) {
    (kind.into(), name.into())
}

#[tokio::test]
async fn a_watch_tells_what_is_and_what_happens() {
    let cluster = Cluster::new().await;
    let a = revision(&cluster.config_map("a", json!({})).await);
    let mut from_state = watch(&cluster, MAPS, "").await;
    let mut from_a = watch(&cluster, "/api/v1/configmaps", &format!("resourceVersion={a}")).await;
    assert_eq!(from_state.told().await, told("ADDED", "a"));
    cluster.config_map("b", json!({})).await;
    let patched = cluster.check(&format!("PATCH {MAPS}/a"), json!({"data": {"k": "v"}}), 200).await;
    cluster.check(&format!("DELETE {MAPS}/a"), Value::Null, 200).await;
    for events in [&mut from_state, &mut from_a] {
        assert_eq!(events.told().await, told("ADDED", "b"));
        assert_eq!(events.next().await.unwrap(), json!({"type": "MODIFIED", "object": patched}));
        let deleted = events.next().await.unwrap();
        assert_eq!((&deleted["type"], &deleted["object"]["data"]), (&json!("DELETED"), &json!({"k": "v"})));
        assert!(revision(&deleted["object"]) > revision(&patched), "a deletion shows its own revision");
    }
}

/// Conformance: U24
#[tokio::test]
async fn selectors_turn_changes_into_arrivals_and_departures() {
    let cluster = Cluster::new().await;
    let mut labelled = watch(&cluster, MAPS, "labelSelector=on%3Dyes").await;
    let mut on_node = watch(&cluster, "/api/v1/pods", "fieldSelector=spec.nodeName%3Dn1").await;
    let created = cluster.config_map("a", json!({"on": "no"})).await;
    for on in ["yes", "yes", "no"] {
        let change = json!({"metadata": {"labels": {"on": on}}, "data": {"k": on}});
        cluster.check(&format!("PATCH {MAPS}/a"), change, 200).await;
    }
    let now = cluster.check(&format!("PATCH {MAPS}/a"), json!({"metadata": {"labels": {"on": "yes"}}}), 200).await;
    assert!(revision(&now) > revision(&created));
    assert_eq!(labelled.told().await, told("ADDED", "a"));
    let departed = labelled.next().await.unwrap();
    assert_eq!((&departed["type"], &departed["object"]["data"]["k"]), (&json!("DELETED"), &json!("yes")));
    assert_eq!(revision(&departed["object"]), revision(&now) - 1);
    assert_eq!(labelled.told().await, told("ADDED", "a"));

    cluster.pod("p").await;
    for name in ["p", "q"] {
        if name == "q" {
            cluster.pod("q").await;
        }
        let node = if name == "p" { "n1" } else { "n2" };
        cluster
            .check(
                &format!("POST /api/v1/namespaces/default/pods/{name}/binding"),
                json!({"target": {"kind": "Node", "name": node}}),
                201,
            )
            .await;
    }
    cluster.check("DELETE /api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", Value::Null, 200).await;
    assert_eq!(on_node.told().await, told("ADDED", "p"));
    assert_eq!(on_node.told().await, told("DELETED", "p"));
}

#[tokio::test]
async fn a_streaming_list_ends_with_a_mark() {
    let cluster = Cluster::new().await;
    for name in ["a", "b"] {
        cluster.config_map(name, json!({})).await;
    }
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=3";
    let mut events = watch(&cluster, MAPS, query).await;
    assert_eq!(events.told().await, told("ADDED", "a"));
    assert_eq!(events.told().await, told("ADDED", "b"));
    let mark = events.next().await.unwrap();
    assert_eq!((&mark["type"], &mark["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    cluster.config_map("c", json!({})).await;
    assert_eq!(events.told().await, told("ADDED", "c"));
    // Shortly before its end the watch says how far it has come, with events of others counted.
    cluster.pod("p").await;
    let last = events.next().await.unwrap();
    assert_eq!(last["type"], "BOOKMARK");
    assert_eq!(revision(&last["object"]), cluster.server.storage().revision().await.unwrap());
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn who_comes_too_late_or_too_early_is_told() {
    let cluster = Cluster::new().await;
    let a = revision(&cluster.config_map("a", json!({})).await);
    let b = revision(&cluster.config_map("b", json!({})).await);
    cluster.server.storage().store().compact(b).await.unwrap();
    let mut late = watch(&cluster, MAPS, &format!("resourceVersion={a}")).await;
    let error = late.next().await.unwrap();
    assert_eq!(
        (&error["type"], &error["object"]["code"], &error["object"]["reason"]),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
    assert_eq!(late.next().await, None);
    // Who asks for what is yet to come waits for it.
    let mut early = watch(&cluster, MAPS, &format!("resourceVersion={}", b + 1)).await;
    for name in ["c", "d"] {
        cluster.config_map(name, json!({})).await;
    }
    assert_eq!(early.told().await, told("ADDED", "d"));
}

#[tokio::test]
async fn tables_are_watched() {
    let cluster = Cluster::new().await;
    cluster.pod("p").await;
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let mut events = Events::new(cluster.send("GET /api/v1/pods?watch=1", &accept, "").await);
    cluster.pod("q").await;
    for (name, columns) in [("p", true), ("q", false)] {
        let event = events.next().await.unwrap();
        assert_eq!((&event["type"], &event["object"]["kind"]), (&json!("ADDED"), &json!("Table")));
        assert_eq!(event["object"]["rows"][0]["cells"][0], name);
        assert_eq!(event["object"]["columnDefinitions"].is_array(), columns, "{event}");
    }
}

#[tokio::test]
async fn watches_end_when_the_server_shuts_down() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(config(dir.path())).await.unwrap();
    let cluster = Cluster { server, dir };
    let mut events = watch(&cluster, MAPS, "").await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn({
        let (server, shutdown) = (cluster.server.clone(), shutdown.clone());
        async move { server.serve(shutdown).await }
    });
    shutdown.cancel();
    serving.await.unwrap().unwrap();
    assert_eq!(events.next().await, None);
    let (code, _) = cluster.ask(&format!("POST {MAPS}"), json!({"metadata": {"name": "late"}})).await;
    assert_eq!(code, 503);
}

/// Follows a kind by listing once and then watching, with reconnections at random moments, until told to stop; checks that
/// no event is out of order, and returns what it believes to exist.
async fn follow(
    cluster: Arc<Cluster>,
    path: &'static str,
    selector: &'static str,
    seed: u64,
    until: Arc<tokio::sync::Notify>,
) -> BTreeMap<String, Value> {
    let mut random = StdRng::seed_from_u64(seed);
    let list = cluster.check(&format!("GET {path}?{selector}"), Value::Null, 200).await;
    let mut known: BTreeMap<_, _> = names(&list).into_iter().zip(list["items"].as_array().unwrap().clone()).collect();
    let mut seen = revision(&list);
    let mut stopping = false;
    loop {
        let mut events = watch(&cluster, path, &format!("{selector}&resourceVersion={seen}&allowWatchBookmarks=true")).await;
        for _ in 0..random.random_range(1..40) {
            let event = tokio::select! {
                event = events.next() => event.unwrap(),
                () = until.notified(), if !stopping => { stopping = true; break }
            };
            let object = &event["object"];
            let at = revision(object);
            assert!(at > seen, "an event of {at} after {seen}");
            seen = at;
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            if name == "end" {
                return known;
            }
            let was = match event["type"].as_str().unwrap() {
                "ADDED" => (known.insert(name, object.clone()).is_none(), "was there"),
                "MODIFIED" => (known.insert(name, object.clone()).is_some(), "was not there"),
                "DELETED" => (known.remove(&name).is_some(), "was not there"),
                other => panic!("{other}: {object}"),
            };
            assert!(was.0, "{event}: {}", was.1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnecting_watchers_end_with_what_a_list_shows() {
    const WRITERS: u64 = 4;
    const WRITES: usize = 250;
    let cluster = Arc::new(Cluster::new().await);
    let until = Arc::new(tokio::sync::Notify::new());
    let selectors = ["", "labelSelector=l+in+(1,2,9)", "fieldSelector=metadata.name!%3Dm3", "labelSelector=l!%3D1"];
    let followers: Vec<_> = selectors
        .iter()
        .zip(100..)
        .map(|(selector, seed)| (*selector, tokio::spawn(follow(Arc::clone(&cluster), MAPS, selector, seed, Arc::clone(&until)))))
        .collect();
    let writers: Vec<_> = (0..WRITERS).map(|seed| tokio::spawn(write_at_random(Arc::clone(&cluster), seed, WRITES))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut lists = Vec::new();
    for selector in selectors {
        lists.push(cluster.check(&format!("GET {MAPS}?{selector}"), Value::Null, 200).await);
    }
    cluster.config_map("end", json!({"l": "9"})).await;
    for ((selector, follower), list) in followers.into_iter().zip(lists) {
        let known = follower.await.unwrap();
        let expected: BTreeMap<_, _> = names(&list).into_iter().zip(list["items"].as_array().unwrap().clone()).collect();
        assert_eq!(known, expected, "{selector}");
    }
}

async fn write_at_random(cluster: Arc<Cluster>, seed: u64, writes: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..writes {
        let name = format!("m{}", random.random_range(0..6));
        let label = random.random_range(0..4).to_string();
        match random.random_range(0..4) {
            0 => cluster.ask(&format!("DELETE {MAPS}/{name}"), Value::Null).await,
            1 => cluster.ask(&format!("POST {MAPS}"), json!({"metadata": {"name": name, "labels": {"l": label}}})).await,
            _ => {
                cluster
                    .ask(
                        &format!("PATCH {MAPS}/{name}"),
                        json!({"metadata": {"labels": {"l": label}}, "data": {"k": random.random::<u32>().to_string()}}),
                    )
                    .await
            }
        };
    }
}

#[tokio::test]
async fn a_named_pod_is_watched_alone() {
    let cluster = Cluster::new().await;
    cluster.pod("a").await;
    let mut events = watch(&cluster, "/api/v1/namespaces/default/pods", "fieldSelector=metadata.name%3Db").await;
    cluster.pod("c").await;
    cluster.check("POST /api/v1/namespaces/default/pods", pod("b"), 201).await;
    assert_eq!(events.told().await, told("ADDED", "b"));
}
