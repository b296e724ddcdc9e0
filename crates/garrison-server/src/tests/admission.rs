//! What a create must fit into, and what is added to it.

use super::{Cluster, pod};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[tokio::test]
async fn a_namespace_must_be_there_and_stay() {
    let cluster = Cluster::new().await;
    let missing = cluster.check("POST /api/v1/namespaces/x/configmaps", json!({"metadata": {"name": "a"}}), 404).await;
    assert_eq!((&missing["details"]["kind"], &missing["details"]["name"]), (&json!("namespaces"), &json!("x")));
    cluster.check("POST /api/v1/namespaces", json!({"metadata": {"name": "x"}}), 201).await;
    cluster.check("POST /api/v1/namespaces/x/configmaps", json!({"metadata": {"name": "a"}}), 201).await;
    let marked = cluster.check("DELETE /api/v1/namespaces/x", Value::Null, 200).await;
    assert_eq!(marked["status"]["phase"], "Terminating");
    let refused = cluster.check("POST /api/v1/namespaces/x/configmaps", json!({"metadata": {"name": "b"}}), 403).await;
    assert_eq!(refused["details"]["causes"][0]["reason"], "NamespaceTerminating");
    cluster.check("PATCH /api/v1/namespaces/x/configmaps/a", json!({"data": {"k": "v"}}), 200).await;
}

#[tokio::test]
async fn the_first_objects_are_there() {
    let cluster = Cluster::new().await;
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let namespace = cluster.check(&format!("GET /api/v1/namespaces/{name}"), Value::Null, 200).await;
        assert_eq!((&namespace["status"]["phase"], &namespace["spec"]["finalizers"]), (&json!("Active"), &json!(["kubernetes"])));
    }
    let critical = cluster.check("GET /apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical", Value::Null, 200).await;
    assert_eq!(critical["value"], 2_000_001_000);
}

#[tokio::test]
async fn a_pod_gets_its_account_and_token() {
    let cluster = Cluster::new().await;
    let refused = cluster.check(&format!("POST {PODS}"), pod("a"), 403).await;
    assert!(refused["message"].as_str().unwrap().contains("serviceaccount \"default\" not found"), "{refused}");
    cluster
        .check(&format!("POST {ACCOUNTS}"), json!({"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "pull"}]}), 201)
        .await;
    let made = cluster.check(&format!("POST {PODS}"), pod("a"), 201).await;
    let spec = &made["spec"];
    assert_eq!((&spec["serviceAccountName"], &spec["imagePullSecrets"]), (&json!("default"), &json!([{"name": "pull"}])));
    let volume = &spec["volumes"][0];
    assert!(volume["name"].as_str().unwrap().starts_with("kube-api-access-"), "{volume}");
    let sources = volume["projected"]["sources"].as_array().unwrap();
    assert_eq!(sources[0]["serviceAccountToken"]["expirationSeconds"], 3607);
    assert_eq!(sources[1]["configMap"]["name"], "kube-root-ca.crt");
    assert_eq!(sources[2]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"], "metadata.namespace");
    let mount = &spec["containers"][0]["volumeMounts"][0];
    assert_eq!((&mount["mountPath"], &mount["readOnly"], &mount["name"]), (&json!(MOUNT), &json!(true), &volume["name"]));
}

#[tokio::test]
async fn a_token_is_mounted_only_where_it_is_wanted() {
    let cluster = Cluster::new().await;
    cluster.check(&format!("POST {ACCOUNTS}"), json!({"metadata": {"name": "default"}}), 201).await;
    cluster
        .check(&format!("POST {ACCOUNTS}"), json!({"metadata": {"name": "quiet"}, "automountServiceAccountToken": false}), 201)
        .await;
    let mut own = pod("own");
    own["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": MOUNT}]);
    own["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    let mut refuses = pod("refuses");
    refuses["spec"]["automountServiceAccountToken"] = json!(false);
    let mut quiet = pod("quiet");
    quiet["spec"]["serviceAccountName"] = json!("quiet");
    let mut insists = pod("insists");
    insists["spec"]["serviceAccountName"] = json!("quiet");
    insists["spec"]["automountServiceAccountToken"] = json!(true);
    for (object, volumes) in [(own, 1), (refuses, 0), (quiet, 0), (insists, 1)] {
        let made = cluster.check(&format!("POST {PODS}"), object, 201).await;
        let found = made["spec"]["volumes"].as_array().map_or(0, Vec::len);
        assert_eq!(found, volumes, "{made}");
    }
}

#[tokio::test]
async fn priorities_come_from_their_classes() {
    let cluster = Cluster::new().await;
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let none = cluster.pod("none").await;
    assert_eq!((&none["spec"]["priority"], none["spec"].get("priorityClassName")), (&json!(0), None));
    cluster
        .check(&format!("POST {classes}"), json!({"metadata": {"name": "usual"}, "value": 7, "globalDefault": true}), 201)
        .await;
    cluster
        .check(&format!("POST {classes}"), json!({"metadata": {"name": "other"}, "value": 8, "globalDefault": true}), 403)
        .await;
    let usual = cluster.pod("usual").await;
    assert_eq!((&usual["spec"]["priority"], &usual["spec"]["priorityClassName"]), (&json!(7), &json!("usual")));
    for (class, priority, code) in [
        ("system-node-critical", json!(null), 201),
        ("usual", json!(8), 403),
        ("usual", json!(7), 201),
        ("missing", json!(null), 403),
    ] {
        let mut object = pod(&format!("p-{class}-{code}"));
        object["spec"]["priorityClassName"] = class.into();
        object["spec"]["priority"] = priority;
        cluster.check(&format!("POST {PODS}"), object, code).await;
    }
}

/// Conformance: R2
#[tokio::test]
async fn pods_stay_a_while_on_nodes_in_trouble() {
    let cluster = Cluster::new().await;
    let usual = cluster.pod("usual").await;
    let tolerations = usual["spec"]["tolerations"].as_array().unwrap();
    assert_eq!(tolerations.len(), 2);
    assert!(tolerations.iter().all(|each| each["tolerationSeconds"] == 300 && each["effect"] == "NoExecute"));
    for (own, total) in [
        (json!({"operator": "Exists"}), 1),
        (json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}), 2),
        (json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"}), 3),
    ] {
        let mut object = pod(&format!("p{total}"));
        object["spec"]["tolerations"] = json!([own]);
        let made = cluster.check(&format!("POST {PODS}"), object, 201).await;
        assert_eq!(made["spec"]["tolerations"].as_array().unwrap().len(), total, "{made}");
    }
}

#[tokio::test]
async fn a_new_node_takes_no_pods_yet() {
    let cluster = Cluster::new().await;
    for own in [json!(null), json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])] {
        let name = if own.is_null() { "n1" } else { "n2" };
        let node = cluster.check("POST /api/v1/nodes", json!({"metadata": {"name": name}, "spec": {"taints": own}}), 201).await;
        assert_eq!(node["spec"]["taints"], json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]));
    }
}
