//! HorizontalPodAutoscalers in their two versions.

use super::{Cluster, names, read, watches::Events};
use serde_json::{Value, json};

const OLD: &str = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
const NEW: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";

/// One made as kubectl before 1.34 makes them.
async fn one() -> (Cluster, Value) {
    let cluster = Cluster::new().await;
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
    let spec = json!({"maxReplicas": 5, "minReplicas": 2, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 50});
    let object =
        json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": spec});
    let made = cluster.check(&format!("POST {OLD}"), object, 201).await;
    (cluster, made)
}

#[tokio::test]
async fn both_versions_are_one_collection() {
    let (cluster, made) = one().await;
    assert_eq!((&made["apiVersion"], &made["spec"]["targetCPUUtilizationPercentage"]), (&json!("autoscaling/v1"), &json!(50)));
    assert_eq!(made["status"], json!({"currentReplicas": 0, "desiredReplicas": 0}));
    let found = cluster.check(&format!("GET {NEW}/a"), Value::Null, 200).await;
    let target = json!({"type": "Utilization", "averageUtilization": 50});
    assert_eq!(found["spec"]["metrics"], json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
    assert_eq!((&found["apiVersion"], &found["metadata"]["uid"]), (&json!("autoscaling/v2"), &made["metadata"]["uid"]));
    for (path, version) in [(OLD, "autoscaling/v1"), (NEW, "autoscaling/v2")] {
        let list = cluster.check(&format!("GET {path}"), Value::Null, 200).await;
        assert_eq!((names(&list), &list["apiVersion"]), (vec!["a".to_owned()], &json!(version)));
        let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
        let (_, table) = read(cluster.send(&format!("GET {path}"), &table, "").await).await;
        let cells = table["rows"][0]["cells"].as_array().unwrap();
        assert_eq!(json!(cells[1..6]), json!(["Deployment/d", "cpu: <unknown>/50%", "2", 5, 0]));
    }
    let group = cluster.check("GET /apis/autoscaling", Value::Null, 200).await;
    assert_eq!(group["preferredVersion"]["version"], "v2");
    assert_eq!(group["versions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn each_version_hears_and_changes_what_the_other_wrote() {
    let (cluster, made) = one().await;
    let revision = made["metadata"]["resourceVersion"].as_str().unwrap();
    let watch =
        async |path: &str| Events::new(cluster.send(&format!("GET {path}?watch=1&resourceVersion={revision}"), &[], "").await);
    let (mut old, mut new) = (watch(OLD).await, watch(NEW).await);
    let memory =
        json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}});
    let patch = json!({"spec": {"metrics": [memory]}});
    cluster.check(&format!("PATCH {NEW}/a"), patch, 200).await;
    let (told, told_new) = (old.next().await.unwrap(), new.next().await.unwrap());
    let annotation = "autoscaling.alpha.kubernetes.io/metrics";
    let text = r#"[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}}]"#;
    assert_eq!(
        (&told["object"]["apiVersion"], &told["object"]["metadata"]["annotations"][annotation]),
        (&json!("autoscaling/v1"), &json!(text))
    );
    assert_eq!(
        (&told_new["object"]["apiVersion"], &told_new["object"]["spec"]["metrics"]),
        (&json!("autoscaling/v2"), &json!([memory]))
    );
    // The older version keeps what it has no fields for.
    let patched = cluster.check(&format!("PATCH {OLD}/a"), json!({"spec": {"targetCPUUtilizationPercentage": 70}}), 200).await;
    assert_eq!(patched["metadata"]["annotations"][annotation], text);
    let found = cluster.check(&format!("GET {NEW}/a"), Value::Null, 200).await;
    let sources: Vec<&Value> =
        found["spec"]["metrics"].as_array().unwrap().iter().map(|metric| &metric["resource"]["name"]).collect();
    assert_eq!((json!(sources), &found["metadata"]["annotations"]), (json!(["memory", "cpu"]), &Value::Null));
    let again = cluster.check(&format!("PATCH {OLD}/a"), json!({"spec": {"targetCPUUtilizationPercentage": 70}}), 200).await;
    assert_eq!(again["metadata"]["resourceVersion"], patched["metadata"]["resourceVersion"]);
    let status = json!({"status": {"currentReplicas": 2, "desiredReplicas": 3, "currentCPUUtilizationPercentage": 9}});
    cluster.check(&format!("PATCH {OLD}/a/status"), status, 200).await;
    let status = cluster.check(&format!("GET {NEW}/a"), Value::Null, 200).await["status"].take();
    assert_eq!(
        (&status["currentReplicas"], &status["currentMetrics"][0]["resource"]["current"]["averageUtilization"]),
        (&json!(2), &json!(9))
    );
    let refused = cluster.check(&format!("PATCH {OLD}/a"), json!({"spec": {"maxReplicas": 1}}), 422).await;
    assert!(refused["message"].as_str().unwrap().contains("HorizontalPodAutoscaler.autoscaling \"a\" is invalid"), "{refused}");
}

#[tokio::test]
async fn the_older_version_is_applied() {
    let (cluster, _) = one().await;
    let apply = [("content-type", "application/apply-patch+yaml")];
    let config = "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: b}\nspec: {maxReplicas: 3, \
                  targetCPUUtilizationPercentage: 30, scaleTargetRef: {kind: Deployment, name: d}}\n";
    for code in [201, 200] {
        let (found, applied) = read(cluster.send(&format!("PATCH {OLD}/b?fieldManager=m"), &apply, config).await).await;
        assert_eq!((found, &applied["spec"]["targetCPUUtilizationPercentage"]), (code, &json!(30)), "{applied}");
    }
    let found = cluster.check(&format!("GET {NEW}/b"), Value::Null, 200).await;
    assert_eq!(found["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 30);
}
