//! Evictions: who may go at once, who must ask a disruption budget, and what it answers.

use super::{Cluster, pod, warnings};
use futures::future::join_all;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const NO_LEAVE: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

#[tokio::test]
async fn an_eviction_is_a_deletion() {
    let cluster = Cluster::new().await;
    cluster.pod("p").await;
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}});
    let mut dry = eviction.clone();
    dry["deleteOptions"] = json!({"dryRun": ["All"]});
    cluster.check(&format!("POST {PODS}/p/eviction"), dry, 201).await;
    cluster.check(&format!("GET {PODS}/p"), Value::Null, 200).await;
    cluster.check(&format!("POST {PODS}/p/eviction"), eviction.clone(), 201).await;
    cluster.check(&format!("GET {PODS}/p"), Value::Null, 404).await;
    cluster.check(&format!("POST {PODS}/p/eviction"), eviction, 404).await;
}

/// A pod on a node that runs, ready or not.
async fn running(cluster: &Cluster, name: &str, ready: bool) {
    cluster.ask("POST /api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "default"}})).await;
    let mut object = pod(name);
    object["metadata"]["labels"] = json!({"app": "a"});
    object["spec"]["nodeName"] = "n1".into();
    cluster.check(&format!("POST {PODS}"), object, 201).await;
    let status = if ready { "True" } else { "False" };
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}});
    cluster.check(&format!("PATCH {PODS}/{name}/status"), status, 200).await;
}

/// A budget with a status as its loop would write it.
async fn budget(cluster: &Cluster, name: &str, healthy: i64, desired: i64, more: Value) {
    let mut object =
        json!({"metadata": {"name": name}, "spec": {"minAvailable": desired, "selector": {"matchLabels": {"app": "a"}}}});
    for (field, value) in more.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    let made = cluster.send(&format!("POST {BUDGETS}"), &[("content-type", "application/json")], object.to_string()).await;
    assert_eq!((made.status().as_u16(), warnings(made.headers())), (201, Vec::new()));
    let status = json!({"status": {
        "observedGeneration": 1, "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": healthy, "disruptionsAllowed": (healthy - desired).max(0),
    }});
    cluster.check(&format!("PATCH {BUDGETS}/{name}/status"), status, 200).await;
}

async fn evict(cluster: &Cluster, name: &str, options: Value) -> (u16, Value) {
    let eviction = json!({"metadata": {"name": name}, "deleteOptions": options});
    cluster.ask(&format!("POST {PODS}/{name}/eviction"), eviction).await
}

#[tokio::test]
async fn a_budget_is_asked_counted_and_heeded() {
    let cluster = Cluster::new().await;
    for name in ["a", "b", "c"] {
        running(&cluster, name, true).await;
    }
    budget(&cluster, "pdb", 3, 2, json!({})).await;
    let (code, answer) = evict(&cluster, "a", json!({"dryRun": ["All"]})).await;
    assert_eq!((code, &answer["status"]), (201, &json!("Success")), "{answer}");
    let (code, answer) = evict(&cluster, "a", json!({"preconditions": {"uid": "other"}})).await;
    assert_eq!((code, &answer["reason"]), (409, &json!("Conflict")));
    // The leave was given all the same: upstream, too, asks before it tries.
    let fresh = json!({"status": {"disruptionsAllowed": 1, "disruptedPods": null}});
    cluster.check(&format!("PATCH {BUDGETS}/pdb/status"), fresh, 200).await;
    assert_eq!(evict(&cluster, "a", json!({"gracePeriodSeconds": 7})).await.0, 201);
    let gone = cluster.check(&format!("GET {PODS}/a"), Value::Null, 200).await;
    assert_eq!(gone["metadata"]["deletionGracePeriodSeconds"], 7);
    let target = gone["status"]["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "DisruptionTarget").unwrap();
    assert_eq!((&target["status"], &target["reason"]), (&json!("True"), &json!("EvictionByEvictionAPI")));
    let status = cluster.check(&format!("GET {BUDGETS}/pdb"), Value::Null, 200).await["status"].clone();
    assert_eq!(status["disruptionsAllowed"], 0);
    assert!(status["disruptedPods"]["a"].is_string(), "{status}");
    assert_eq!(
        (&status["conditions"][0]["reason"], &status["conditions"][0]["status"]),
        (&json!("InsufficientPods"), &json!("False"))
    );

    let (code, refused) = evict(&cluster, "b", Value::Null).await;
    assert_eq!((code, &refused["reason"], &refused["message"]), (429, &json!("TooManyRequests"), &json!(NO_LEAVE)));
    let cause = &refused["details"]["causes"][0];
    assert_eq!(cause["reason"], "DisruptionBudget");
    assert!(cause.get("field").is_none(), "no field is at fault: {cause}");
    assert_eq!(cause["message"], "The disruption budget pdb does not allow evicting pods currently");
    let fewer = json!({"status": {"currentHealthy": 2}});
    cluster.check(&format!("PATCH {BUDGETS}/pdb/status"), fewer, 200).await;
    let (_, refused) = evict(&cluster, "b", Value::Null).await;
    assert_eq!(refused["details"]["causes"][0]["message"], "The disruption budget pdb needs 2 healthy pods and has 2 currently");
    // One that is going already disrupts nothing any more.
    assert_eq!(evict(&cluster, "a", Value::Null).await.0, 201);
    cluster.check(&format!("PATCH {BUDGETS}/pdb"), json!({"spec": {"minAvailable": 1}}), 200).await;
    let (code, refused) = evict(&cluster, "b", Value::Null).await;
    assert_eq!((code, &refused["details"]["retryAfterSeconds"]), (429, &json!(10)));
    let told = "The disruption budget pdb is still being processed by the server.";
    assert_eq!(refused["details"]["causes"][0]["message"], told);
}

#[tokio::test]
async fn of_many_at_once_as_many_get_leave_as_there_is() {
    let cluster = Cluster::new().await;
    let pods: Vec<String> = (0..12).map(|n| format!("p{n}")).collect();
    for name in &pods {
        running(&cluster, name, true).await;
    }
    budget(&cluster, "pdb", 12, 7, json!({})).await;
    let answers = join_all(pods.iter().map(|name| evict(&cluster, name, Value::Null))).await;
    let count = |wanted: u16| answers.iter().filter(|(code, _)| *code == wanted).count();
    assert_eq!((count(201), count(429)), (5, 7));
    let status = cluster.check(&format!("GET {BUDGETS}/pdb"), Value::Null, 200).await["status"].clone();
    assert_eq!((&status["disruptionsAllowed"], status["disruptedPods"].as_object().unwrap().len()), (&json!(0), 5));
}

#[tokio::test]
async fn pods_that_are_not_ready_go_as_the_policy_says() {
    for (healthy, desired, policy, code) in [
        (2, 2, json!({}), 201),
        (1, 2, json!({}), 429),
        (1, 2, json!({"unhealthyPodEvictionPolicy": "IfHealthyBudget"}), 429),
        (1, 2, json!({"unhealthyPodEvictionPolicy": "AlwaysAllow"}), 201),
        (0, 0, json!({}), 429),
    ] {
        let cluster = Cluster::new().await;
        running(&cluster, "p", false).await;
        budget(&cluster, "pdb", healthy, desired, policy.clone()).await;
        assert_eq!(evict(&cluster, "p", Value::Null).await.0, code, "{healthy} of {desired} {policy}");
        let status = cluster.check(&format!("GET {BUDGETS}/pdb"), Value::Null, 200).await["status"].clone();
        assert_eq!(status.get("disruptedPods"), None, "it does not count");
    }
}

#[tokio::test]
async fn pods_that_run_no_more_or_not_yet_need_no_leave() {
    let cluster = Cluster::new().await;
    for (name, phase, code) in [("a", "Succeeded", 201), ("b", "Failed", 201), ("c", "Pending", 201), ("d", "Running", 429)] {
        running(&cluster, name, true).await;
        cluster.check(&format!("PATCH {PODS}/{name}/status"), json!({"status": {"phase": phase}}), 200).await;
        if name == "a" {
            budget(&cluster, "pdb", 1, 1, json!({})).await;
        }
        assert_eq!(evict(&cluster, name, Value::Null).await.0, code, "{phase}");
    }
    let unnamed = json!({"deleteOptions": {}});
    cluster.check(&format!("POST {PODS}/d/eviction"), unnamed, 400).await;
    budget(&cluster, "second", 9, 1, json!({"selector": {}})).await;
    let (code, refused) = evict(&cluster, "d", Value::Null).await;
    let told = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    assert_eq!((code, &refused["message"]), (500, &json!(told)));
}
