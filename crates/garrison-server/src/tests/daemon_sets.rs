//! Conformance: DaemonSets and their revisions at the API, without a controller.

use super::{Cluster, names, read, revision};
use serde_json::{Value, json};

const SETS: &str = "/apis/apps/v1/namespaces/default/daemonsets";
const REVISIONS: &str = "/apis/apps/v1/namespaces/default/controllerrevisions";

fn set(name: &str, labels: Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "spec": {"selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

/// Conformance: E9
#[tokio::test]
async fn sets_are_found_and_deleted_by_label() {
    let cluster = Cluster::new().await;
    for (name, tier) in [("a", "x"), ("b", "y")] {
        cluster.check(&format!("POST {SETS}"), set(name, json!({"tier": tier})), 201).await;
    }
    let found = cluster.check("GET /apis/apps/v1/daemonsets?labelSelector=tier%3Dx", Value::Null, 200).await;
    assert_eq!(names(&found), ["a"]);
    cluster.check(&format!("DELETE {SETS}?labelSelector=tier%3Dx"), json!({"gracePeriodSeconds": 1}), 200).await;
    let found = cluster.check("GET /apis/apps/v1/daemonsets?labelSelector=tier%3Dx", Value::Null, 200).await;
    assert_eq!(names(&found), Vec::<String>::new());
    assert_eq!(names(&cluster.check(&format!("GET {SETS}"), Value::Null, 200).await), ["b"]);
}

/// Conformance: E10
#[tokio::test]
async fn status_is_read_replaced_and_patched_without_touching_the_rest() {
    let cluster = Cluster::new().await;
    let made = cluster.check(&format!("POST {SETS}"), set("d", json!({"x": "y"})), 201).await;
    let condition = |name: &str| json!({"type": name, "status": "True", "reason": "E2E", "message": "set from outside"});
    let mut status = cluster.check(&format!("GET {SETS}/d/status"), Value::Null, 200).await;
    assert_eq!(status, made);
    status["status"]["conditions"] = json!([condition("Updated")]);
    // What is not status is not written through this door.
    status["spec"]["minReadySeconds"] = json!(7);
    let put = cluster.check(&format!("PUT {SETS}/d/status"), status, 200).await;
    let patched =
        cluster.check(&format!("PATCH {SETS}/d/status"), json!({"status": {"conditions": [condition("Patched")]}}), 200).await;
    let conditions = |object: &Value| object["status"]["conditions"].as_array().unwrap().clone();
    assert_eq!((conditions(&put), conditions(&patched)), (vec![condition("Updated")], vec![condition("Patched")]));
    for written in [&put, &patched] {
        assert_eq!((&written["spec"], &written["metadata"]["labels"]), (&made["spec"], &made["metadata"]["labels"]));
        assert_eq!(written["metadata"]["generation"], 1);
    }
    // A watch that begins before both shows both.
    let from = revision(&made);
    let watch = format!("GET {SETS}?watch=true&resourceVersion={from}&timeoutSeconds=1");
    let (code, events) = read(cluster.send(&watch, &[], "").await).await;
    let events: Vec<Value> = events.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<Vec<Value>> = events.iter().map(|event| conditions(&event["object"])).collect();
    assert_eq!((code, told), (200, vec![vec![condition("Updated")], vec![condition("Patched")]]));
}

/// Conformance: U24
#[tokio::test]
async fn sets_and_revisions_live() {
    let cluster = Cluster::new().await;
    let made = cluster.check(&format!("POST {SETS}"), set("d", json!({})), 201).await;
    assert_eq!(made["metadata"]["generation"], 1);
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "j"}]}}}});
    let changed = cluster.check(&format!("PATCH {SETS}/d"), patch, 200).await;
    assert_eq!(changed["metadata"]["generation"], 2);
    let mut other = changed.clone();
    other["spec"]["selector"] = json!({"matchLabels": {"app": "e"}});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "e"});
    let refused = cluster.check(&format!("PUT {SETS}/d"), other, 422).await;
    assert!(refused["message"].as_str().unwrap().contains("field is immutable"), "{refused}");
    cluster.check(&format!("GET {SETS}/d/scale"), Value::Null, 404).await;
    cluster.check(&format!("DELETE {SETS}/d"), Value::Null, 200).await;
    cluster.check(&format!("GET {SETS}/d"), Value::Null, 404).await;

    let one = |data: Value| json!({"metadata": {"name": "r"}, "data": data, "revision": 1});
    for data in [json!(null), json!([1]), json!("text"), json!(7)] {
        cluster.check(&format!("POST {REVISIONS}"), one(data), 422).await;
    }
    cluster.check(&format!("POST {REVISIONS}"), one(json!({"any": ["object"]})), 201).await;
    let renumbered = cluster.check(&format!("PATCH {REVISIONS}/r"), json!({"revision": 5}), 200).await;
    assert_eq!((&renumbered["revision"], &renumbered["data"]), (&json!(5), &json!({"any": ["object"]})));
    cluster.check(&format!("PATCH {REVISIONS}/r"), json!({"data": {"other": 1}}), 422).await;
    cluster.check(&format!("DELETE {REVISIONS}?labelSelector=a"), Value::Null, 200).await;
    assert_eq!(names(&cluster.check(&format!("GET {REVISIONS}"), Value::Null, 200).await), ["r"]);
}
