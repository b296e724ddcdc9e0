//! What a node's agent gets to read, and what not.

use super::{Cluster, pod, read};
use crate::identity::{AUTHENTICATED, NODES, User};
use serde_json::json;

const DEFAULT: &str = "/api/v1/namespaces/default";

/// The code with which the agent of `node` is answered.
async fn asked_by(cluster: &Cluster, node: &str, path: &str) -> u16 {
    let user = User::new(&format!("system:node:{node}"), [NODES, AUTHENTICATED]);
    let response = cluster.send_as(user, &format!("GET {DEFAULT}/{path}"), &[], "").await;
    let (code, answer) = read(response).await;
    if code == 403 {
        let why = format!("no relationship found between node \"{node}\" and this object");
        assert!(path.contains("pods") || answer["message"].as_str().unwrap().contains(&why), "{answer}");
    }
    code
}

#[tokio::test]
async fn a_node_reads_the_secrets_of_its_own_pods_only() {
    let cluster = Cluster::new().await;
    for name in ["used", "other"] {
        cluster.check(&format!("POST {DEFAULT}/secrets"), json!({"metadata": {"name": name}}), 201).await;
        cluster.config_map(name, json!({})).await;
    }
    cluster.check(&format!("POST {DEFAULT}/serviceaccounts"), json!({"metadata": {"name": "default"}}), 201).await;
    let mut user = pod("user");
    user["spec"]["nodeName"] = "n1".into();
    user["spec"]["volumes"] =
        json!([{"name": "s", "secret": {"secretName": "used"}}, {"name": "c", "configMap": {"name": "used"}}]);
    cluster.check(&format!("POST {DEFAULT}/pods"), user, 201).await;
    for kind in ["secrets", "configmaps"] {
        assert_eq!(asked_by(&cluster, "n1", &format!("{kind}/used")).await, 200);
        assert_eq!(asked_by(&cluster, "n1", &format!("{kind}/other")).await, 403);
        assert_eq!(asked_by(&cluster, "n1", &format!("{kind}/missing")).await, 403);
        assert_eq!(asked_by(&cluster, "n2", &format!("{kind}/used")).await, 403);
    }
    assert_eq!(asked_by(&cluster, "n2", "pods/user").await, 403);
    // Nor by the old way of watching one object, which no handler looks at.
    let stranger = User::new("system:node:n2", [NODES, AUTHENTICATED]);
    let watched = cluster.send_as(stranger, "GET /api/v1/watch/namespaces/default/pods/user", &[], "").await;
    assert_eq!(watched.status(), 403);
    cluster.check(&format!("DELETE {DEFAULT}/pods/user?gracePeriodSeconds=0"), json!(null), 200).await;
    assert_eq!(asked_by(&cluster, "n1", "secrets/used").await, 403);
}
