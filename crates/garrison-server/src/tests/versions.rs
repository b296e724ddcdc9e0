//! Every way to ask a list or a watch for a version, as tables: what the API concepts of Kubernetes say of each.

use super::{Cluster, names, revision, watches::Events};
use futures::future::join_all;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A collection with a past: `a` came before what is compacted, `b` with what is `old`, `c` is new.
struct Scene {
    cluster: Cluster,
    compacted: u64,
    old: u64,
    now: u64,
    /// Tokens for what follows `a`: as of `old`, and as of a version before that is forgotten.
    token: String,
    expired: String,
}

impl Scene {
    async fn new() -> Self {
        let cluster = Cluster::new().await;
        let compacted = revision(&cluster.config_map("a", json!({})).await);
        let later = revision(&cluster.config_map("b", json!({})).await);
        let expired = token(&cluster, later).await;
        let old = revision(&cluster.check(&format!("PATCH {MAPS}/b"), json!({"data": {"k": "v"}}), 200).await);
        cluster.server.storage().store().compact(old).await.unwrap();
        let token = token(&cluster, old).await;
        let now = revision(&cluster.config_map("c", json!({})).await);
        Self { cluster, compacted, old, now, token, expired }
    }

    /// The query for a version by its name in the tables.
    fn version(&self, name: &str, future: u64) -> String {
        let number = match name {
            "unset" => return String::new(),
            "0" => 0,
            "compacted" => self.compacted,
            "old" => self.old,
            "now" => self.now,
            "future" => self.now + future,
            other => panic!("{other}"),
        };
        format!("&resourceVersion={number}")
    }

    /// What a list comes to: its names, `+` if there are more, and its version; or code and reason.
    async fn listed(&self, query: &str) -> String {
        let (code, list) = self.cluster.ask(&format!("GET {MAPS}?{query}"), Value::Null).await;
        if code != 200 {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if code == 504 {
                assert_eq!(list["details"]["causes"][0]["reason"], "ResourceVersionTooLarge", "{list}");
                assert_eq!(list["details"]["retryAfterSeconds"], 1, "{list}");
            }
            // Who comes too late with a token gets another, and nobody else.
            assert_eq!(list["metadata"]["continue"].is_string(), code == 410 && query.contains("continue="), "{list}");
            return format!("{code} {}", text(&list["reason"]));
        }
        let more = if list["metadata"]["continue"].is_string() { "+" } else { "" };
        let at = match revision(&list) {
            at if at == self.now => "now".to_owned(),
            at if at == self.old => "old".to_owned(),
            other => other.to_string(),
        };
        format!("{}{more} {at}", names(&list).concat())
    }
}

/// The token that follows the first of the objects as of a revision.
async fn token(cluster: &Cluster, at: u64) -> String {
    let query = format!("limit=1&resourceVersion={at}&resourceVersionMatch=Exact");
    let page = cluster.check(&format!("GET {MAPS}?{query}"), Value::Null, 200).await;
    page["metadata"]["continue"].as_str().unwrap().to_owned()
}

/// Version, match, and what becomes of the whole list, of a page of one, of the rest by a token, and by one that is too old.
const LISTS: &[(&str, &str, [&str; 4])] = &[
    ("unset", "", ["abc now", "a+ now", "b old", "410 Expired"]),
    ("unset", "Exact", ["422 Invalid"; 4]),
    ("unset", "NotOlderThan", ["422 Invalid"; 4]),
    // Who takes anything takes it whole.
    ("0", "", ["abc now", "abc now", "b old", "410 Expired"]),
    ("0", "Exact", ["422 Invalid"; 4]),
    ("0", "NotOlderThan", ["abc now", "abc now", "422 Invalid", "422 Invalid"]),
    ("compacted", "", ["abc now", "410 Expired", "400 BadRequest", "400 BadRequest"]),
    ("compacted", "Exact", ["410 Expired", "410 Expired", "422 Invalid", "422 Invalid"]),
    ("compacted", "NotOlderThan", ["abc now", "a+ now", "422 Invalid", "422 Invalid"]),
    ("old", "", ["abc now", "a+ old", "400 BadRequest", "400 BadRequest"]),
    ("old", "Exact", ["ab old", "a+ old", "422 Invalid", "422 Invalid"]),
    ("old", "NotOlderThan", ["abc now", "a+ now", "422 Invalid", "422 Invalid"]),
    ("now", "", ["abc now", "a+ now", "400 BadRequest", "400 BadRequest"]),
    ("now", "Exact", ["abc now", "a+ now", "422 Invalid", "422 Invalid"]),
    ("now", "NotOlderThan", ["abc now", "a+ now", "422 Invalid", "422 Invalid"]),
    ("future", "", ["504 Timeout", "504 Timeout", "400 BadRequest", "400 BadRequest"]),
    ("future", "Exact", ["504 Timeout", "504 Timeout", "422 Invalid", "422 Invalid"]),
    ("future", "NotOlderThan", ["504 Timeout", "504 Timeout", "422 Invalid", "422 Invalid"]),
];

#[tokio::test]
async fn lists_of_every_version_match_and_page() {
    let scene = Scene::new().await;
    let (scene, token, expired) = (&scene, &scene.token, &scene.expired);
    let pages = ["".into(), "&limit=1".into(), format!("&continue={token}"), format!("&limit=1&continue={expired}")];
    let asked = LISTS.iter().flat_map(|(version, matched, expected)| {
        let matched = if matched.is_empty() { String::new() } else { format!("&resourceVersionMatch={matched}") };
        let query = format!("{}{matched}", scene.version(version, 100));
        pages.iter().zip(expected).map(move |(page, expected)| (format!("{query}{page}"), *expected)).collect::<Vec<_>>()
    });
    // Those who wait for the future wait together.
    let answers = asked.map(|(query, expected)| async move { (scene.listed(&query).await, expected.to_owned(), query) });
    for (found, expected, query) in join_all(answers).await {
        assert_eq!(found, expected, "{query}");
    }
}

const VERSIONS: [&str; 6] = ["unset", "0", "compacted", "old", "now", "future"];

/// Match and `sendInitialEvents`, and what a watch from each of the versions tells: `+a` of objects, `|` where the initial ones
/// end, `!` an error. `end` is the version that is asked for as the future, and a watch tells what comes after.
const WATCHES: &[(&str, &str, [&str; 6])] = &[
    ("", "", ["+a+b+c+end+end2", "+a+b+c+end+end2", "!410", "+c+end+end2", "+end+end2", "+end2"]),
    ("", "true", ["422"; 6]),
    ("", "false", ["422"; 6]),
    ("Exact", "", ["422"; 6]),
    ("Exact", "true", ["422"; 6]),
    ("Exact", "false", ["422"; 6]),
    ("NotOlderThan", "", ["422"; 6]),
    ("NotOlderThan", "true", [STATE, STATE, STATE, STATE, STATE, "!504"]),
    ("NotOlderThan", "false", ["+end+end2", "+end+end2", "!410", "+c+end+end2", "+end+end2", "+end2"]),
];
const STATE: &str = "+a+b+c|+end+end2";

#[tokio::test]
async fn watches_of_every_version_match_and_start() {
    let scene = Scene::new().await;
    let scene = &scene;
    let all = WATCHES.iter().flat_map(|(matched, initial, expected)| {
        VERSIONS.iter().zip(expected).map(move |(version, expected)| (version, matched, initial, expected))
    });
    let opened = join_all(all.map(|(version, matched, initial, expected)| async move {
        let mut query = format!("watch=1&allowWatchBookmarks=true{}", scene.version(version, 1));
        for (name, value) in [("resourceVersionMatch", matched), ("sendInitialEvents", initial)] {
            if !value.is_empty() {
                query += &format!("&{name}={value}");
            }
        }
        (scene.cluster.send(&format!("GET {MAPS}?{query}"), &[], "").await, *expected, query)
    }));
    let opened = opened.await;
    assert_eq!(revision(&scene.cluster.config_map("end", json!({})).await), scene.now + 1);
    scene.cluster.config_map("end2", json!({})).await;
    for (response, expected, query) in opened {
        if response.status() != 200 {
            assert_eq!(response.status().as_u16().to_string(), expected, "{query}");
            continue;
        }
        let mut events = Events::new(response);
        let mut told = String::new();
        while !told.ends_with("+end2")
            && let Some(event) = events.next().await
        {
            let object = &event["object"];
            told += &match event["type"].as_str().unwrap() {
                "ADDED" => format!("+{}", object["metadata"]["name"].as_str().unwrap()),
                "BOOKMARK" => "|".into(),
                "ERROR" => format!("!{}", object["code"]),
                other => panic!("{other}"),
            };
        }
        assert_eq!(told, expected, "{query}");
    }
}

#[tokio::test]
async fn an_object_as_of_any_version_is_the_newest() {
    let scene = Scene::new().await;
    for (version, code) in [("unset", 200), ("0", 200), ("compacted", 200), ("old", 200), ("now", 200), ("future", 504)] {
        let path = format!("GET {MAPS}/b?{}", scene.version(version, 100));
        let answer = scene.cluster.check(&path, Value::Null, code).await;
        assert!(code != 200 || revision(&answer) == scene.old, "{version}: {answer}");
    }
    let answer = scene.cluster.check(&format!("GET {MAPS}/b?resourceVersion=x"), Value::Null, 400).await;
    let message =
        "invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax";
    assert_eq!(answer["message"], message);
}

#[tokio::test]
async fn a_collection_is_deleted_as_it_would_be_listed() {
    let scene = Scene::new().await;
    let left = async || scene.cluster.check(&format!("GET {MAPS}"), Value::Null, 200).await;
    let delete =
        async |query: &str, body: Value, code: u16| scene.cluster.check(&format!("DELETE {MAPS}?{query}"), body, code).await;
    delete("sendInitialEvents=true", Value::Null, 422).await;
    delete("resourceVersionMatch=Exact", Value::Null, 422).await;
    delete("propagationPolicy=Foreground", json!({"orphanDependents": true}), 422).await;
    delete("dryRun=Some", Value::Null, 422).await;
    assert_eq!(names(&delete("dryRun=All", Value::Null, 200).await).concat(), "abc");
    let wrong = delete("fieldSelector=metadata.name%3Da", json!({"preconditions": {"uid": "other"}}), 409).await;
    assert_eq!(wrong["reason"], "Conflict");
    assert_eq!(names(&left().await).concat(), "abc");
    assert_eq!(names(&delete("limit=1", Value::Null, 200).await).concat(), "a");
    assert_eq!(names(&left().await).concat(), "bc");
    // The rest of a list as it was: what it shows is deleted, what came since stays.
    assert_eq!(names(&delete(&format!("continue={}", scene.token), Value::Null, 200).await).concat(), "b");
    assert_eq!(names(&left().await).concat(), "c");
    let orphaned = delete("", json!({"propagationPolicy": "Orphan"}), 200).await;
    assert_eq!(names(&orphaned).concat(), "c");
    let waiting = &left().await["items"][0];
    assert_eq!(waiting["metadata"]["finalizers"], json!(["orphan"]));
}

#[tokio::test]
async fn the_old_paths_of_watches_are_served() {
    let cluster = Cluster::new().await;
    for name in ["a", "b"] {
        cluster.config_map(name, json!({})).await;
    }
    for (path, told) in [
        ("/api/v1/watch/configmaps", &["a", "b"][..]),
        ("/api/v1/watch/namespaces/default/configmaps", &["a", "b"]),
        ("/api/v1/watch/namespaces/default/configmaps/b", &["b"]),
        ("/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Db", &["b"]),
        ("/api/v1/watch/namespaces/kube-system", &["kube-system"]),
    ] {
        let mut events = Events::new(cluster.send(&format!("GET {path}"), &[], "").await);
        for name in told {
            assert_eq!(events.told().await, ("ADDED".into(), (*name).into()), "{path}");
        }
    }
    cluster.check("GET /api/v1/watch/namespaces/default/pods/p/status", Value::Null, 404).await;
    cluster.check("DELETE /api/v1/watch/configmaps", Value::Null, 405).await;
}
