//! Events in both versions: one store, two faces.

use super::{Cluster, names, read, revision, watches::Events};
use serde_json::{Value, json};

const OLD: &str = "/api/v1/namespaces/default/events";
const NEW: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

fn new_event(name: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name}, "eventTime": "2026-01-01T00:00:00.000001Z",
        "reportingController": "x.org/c", "reportingInstance": "c-0", "action": "Did", "reason": "R", "note": "new", "type": "Normal",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    })
}

fn old_event(name: &str) -> Value {
    json!({
        "metadata": {"name": name}, "reason": "R", "message": "old", "type": "Warning", "count": 3, "source": {"component": "c"},
        "involvedObject": {"kind": "Node", "name": "n", "namespace": "default"}, "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:09Z",
    })
}

async fn two_events() -> Cluster {
    let cluster = Cluster::new().await;
    let made = cluster.check(&format!("POST {NEW}"), new_event("a"), 201).await;
    assert_eq!((&made["apiVersion"], &made["note"]), (&json!("events.k8s.io/v1"), &json!("new")));
    let made = cluster.check(&format!("POST {OLD}"), old_event("b"), 201).await;
    assert_eq!((&made["apiVersion"], &made["message"]), (&json!("v1"), &json!("old")));
    cluster
}

#[tokio::test]
async fn what_one_version_writes_the_other_reads() {
    let cluster = two_events().await;
    let a = cluster.check(&format!("GET {OLD}/a"), Value::Null, 200).await;
    assert_eq!((&a["apiVersion"], &a["message"], &a["involvedObject"]["name"]), (&json!("v1"), &json!("new"), &json!("p")));
    assert_eq!((&a["reportingComponent"], &a["source"]), (&json!("x.org/c"), &json!({})));
    let b = cluster.check(&format!("GET {NEW}/b"), Value::Null, 200).await;
    assert_eq!((&b["apiVersion"], &b["note"], &b["regarding"]["name"]), (&json!("events.k8s.io/v1"), &json!("old"), &json!("n")));
    assert_eq!((&b["deprecatedCount"], &b["deprecatedSource"]["component"]), (&json!(3), &json!("c")));
    assert_eq!(b["deprecatedLastTimestamp"], "2026-01-01T00:00:09Z");
    for (path, version, text) in [(OLD, "v1", "message"), (NEW, "events.k8s.io/v1", "note")] {
        let list = cluster.check(&format!("GET {path}"), Value::Null, 200).await;
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("EventList"), &json!(version)));
        let texts: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item[text]).collect();
        assert_eq!(texts, ["new", "old"], "{path}");
    }
    let taken = cluster.check(&format!("POST {NEW}"), new_event("b"), 409).await;
    assert_eq!(taken["message"], "events \"b\" already exists");
    let missing = cluster.check(&format!("GET {NEW}/x"), Value::Null, 404).await;
    assert_eq!(missing["message"], "events \"x\" not found");
}

#[tokio::test]
async fn both_versions_are_watched_and_changed() {
    let cluster = two_events().await;
    let watch = async |path: &str| Events::new(cluster.send(&format!("GET {path}?watch=1"), &[], "").await);
    let (mut old, mut new) = (watch(OLD).await, watch(NEW).await);
    for (events, version) in [(&mut old, "v1"), (&mut new, "events.k8s.io/v1")] {
        for name in ["a", "b"] {
            let event = events.next().await.unwrap();
            assert_eq!((&event["object"]["apiVersion"], &event["object"]["metadata"]["name"]), (&json!(version), &json!(name)));
        }
    }
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:05.000000Z"}});
    let patched = cluster.check(&format!("PATCH {NEW}/a"), series, 200).await;
    assert_eq!((&patched["series"]["count"], &patched["regarding"]["name"]), (&json!(2), &json!("p")));
    let counted = cluster.check(&format!("PATCH {OLD}/b"), json!({"count": 4}), 200).await;
    assert_eq!(counted["count"], 4);
    for (events, count) in [(&mut old, "/count"), (&mut new, "/deprecatedCount")] {
        assert_eq!(events.next().await.unwrap()["object"]["series"]["count"], 2);
        assert_eq!(events.next().await.unwrap()["object"].pointer(count), Some(&json!(4)));
    }
    let mut whole = cluster.check(&format!("GET {NEW}/a"), Value::Null, 200).await;
    let before = revision(&whole);
    assert_eq!(revision(&cluster.check(&format!("PUT {NEW}/a"), whole.clone(), 200).await), before, "nothing was changed");
    whole["note"] = "other".into();
    let refused = cluster.check(&format!("PUT {NEW}/a"), whole, 422).await;
    assert_eq!(refused["details"]["causes"][0]["field"], "message");
    let gone = cluster.check(&format!("DELETE {NEW}"), Value::Null, 200).await;
    assert_eq!((names(&gone).concat().as_str(), &gone["items"][0]["note"]), ("ab", &json!("new")));
    assert_eq!(names(&cluster.check(&format!("GET {OLD}"), Value::Null, 200).await).len(), 0);
}

#[tokio::test]
async fn each_version_has_its_selectors() {
    let cluster = two_events().await;
    for (query, expected) in [
        (format!("{OLD}?fieldSelector=involvedObject.kind%3DNode"), Some("b")),
        (format!("{NEW}?fieldSelector=regarding.kind%3DNode"), Some("b")),
        (format!("{NEW}?fieldSelector=regarding.kind!%3DNode,reportingController%3Dx.org/c"), Some("a")),
        (format!("{OLD}?fieldSelector=reportingComponent%3Dx.org/c"), Some("a")),
        (format!("{OLD}?fieldSelector=source%3Dc"), Some("b")),
        (format!("{NEW}?fieldSelector=type%3DWarning,metadata.name%3Db"), Some("b")),
        (format!("{NEW}?fieldSelector=involvedObject.kind%3DNode"), None),
        (format!("{NEW}?fieldSelector=source%3Dc"), None),
        (format!("{OLD}?fieldSelector=regarding.kind%3DNode"), None),
    ] {
        let list = cluster.check(&format!("GET {query}"), Value::Null, if expected.is_some() { 200 } else { 400 }).await;
        assert!(expected.is_none_or(|expected| names(&list) == [expected]), "{query}: {list}");
    }
}

#[tokio::test]
async fn both_versions_print_the_same_columns() {
    let cluster = two_events().await;
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let mut tables = Vec::new();
    for path in [OLD, NEW] {
        let (_, table) = read(cluster.send(&format!("GET {path}?includeObject=Object"), &accept, "").await).await;
        let rows = table["rows"].as_array().unwrap().clone();
        let cells =
            |row: &Value| ["/cells/1", "/cells/2", "/cells/3", "/cells/5", "/cells/6"].map(|cell| row.pointer(cell).cloned());
        tables.push((table["columnDefinitions"].clone(), rows.iter().map(cells).collect::<Vec<_>>()));
        let text = if path == OLD { "message" } else { "note" };
        assert_eq!(rows[0]["object"][text], "new", "{path}");
    }
    assert_eq!(tables[0], tables[1]);
    let expected = ["Normal", "R", "pod/p", "x.org/c, c-0", "new"].map(|cell| Some(json!(cell)));
    assert_eq!(tables[0].1[0], expected);
}

#[tokio::test]
async fn new_events_are_held_to_stricter_rules() {
    let cluster = Cluster::new().await;
    let mut event = new_event("a");
    event["deprecatedCount"] = 1.into();
    event.as_object_mut().unwrap().remove("action");
    let refused = cluster.check(&format!("POST {NEW}"), event, 422).await;
    let message = "Event \"a\" is invalid: [action: Required value, count: Invalid value: \"\": needs to be unset]";
    assert_eq!(refused["message"], message);
    let mut unknown = new_event("a");
    unknown["message"] = "old name".into();
    cluster.check(&format!("POST {NEW}?fieldValidation=Strict"), unknown, 400).await;
    cluster.check("GET /apis/events.k8s.io", Value::Null, 200).await;
    let list = cluster.check("GET /apis/events.k8s.io/v1", Value::Null, 200).await;
    assert_eq!(list["resources"][0]["name"], "events");
}

#[tokio::test]
async fn events_are_applied_by_either_version() {
    let cluster = two_events().await;
    let apply = async |path: String, config: Value| {
        let media_type = [("content-type", "application/apply-patch+yaml")];
        read(cluster.send(&format!("PATCH {path}?fieldManager=m&force=true"), &media_type, config.to_string()).await).await
    };
    let labels = |version: &str| json!({"apiVersion": version, "kind": "Event", "metadata": {"name": "a", "labels": {"v": version.replace('/', ".")}}});
    for (path, version) in [(NEW, "events.k8s.io/v1"), (OLD, "v1")] {
        let (code, applied) = apply(format!("{path}/a"), labels(version)).await;
        assert_eq!((code, &applied["apiVersion"]), (200, &json!(version)), "{applied}");
        assert_eq!(applied["metadata"]["labels"]["v"], version.replace('/', "."));
    }
    let (code, made) = apply(format!("{NEW}/c"), new_event("c")).await;
    assert_eq!((code, &made["note"]), (201, &json!("new")), "{made}");
    let (code, _) = apply(format!("{NEW}/c"), labels("v1")).await;
    assert_eq!(code, 400, "a configuration is of the version that the path names");
}
