//! Status, binding, eviction, tokens, finalization.

use super::{Cluster, pod, revision};
use crate::identity::User;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn a_pod_is_bound_once() {
    let cluster = Cluster::new().await;
    cluster.pod("p").await;
    let binding = |node: &str| json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": node}});
    cluster.check(&format!("POST {PODS}/p/binding?dryRun=All"), binding("n1"), 201).await;
    cluster.check(&format!("POST {PODS}/p/binding"), json!({"target": {"kind": "Node"}}), 422).await;
    let bound = cluster.check(&format!("POST {PODS}/p/binding"), binding("n1"), 201).await;
    assert_eq!(bound["status"], "Success");
    let found = cluster.check(&format!("GET {PODS}/p"), Value::Null, 200).await;
    assert_eq!(found["spec"]["nodeName"], "n1");
    let condition = &found["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["status"]), (&json!("PodScheduled"), &json!("True")));
    for node in ["n1", "n2"] {
        let refused = cluster.check(&format!("POST {PODS}/p/binding"), binding(node), 409).await;
        assert!(refused["message"].as_str().unwrap().contains("already assigned to node \"n1\""), "{refused}");
    }
    cluster.check(&format!("POST {PODS}/missing/binding"), binding("n1"), 404).await;
}

#[tokio::test]
async fn status_and_the_rest_are_written_apart() {
    let cluster = Cluster::new().await;
    let made = cluster.pod("p").await;
    let both = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"activeDeadlineSeconds": 5}, "status": {"phase": "Running"}});
    let by_status = cluster.check(&format!("PATCH {PODS}/p/status"), both.clone(), 200).await;
    assert_eq!((&by_status["status"]["phase"], by_status["spec"].get("activeDeadlineSeconds")), (&json!("Running"), None));
    assert_eq!(cluster.check(&format!("GET {PODS}/p/status"), Value::Null, 200).await, by_status);
    let mut by_main = both;
    by_main["status"]["phase"] = json!("Failed");
    let by_main = cluster.check(&format!("PATCH {PODS}/p"), by_main, 200).await;
    assert_eq!((&by_main["status"]["phase"], &by_main["spec"]["activeDeadlineSeconds"]), (&json!("Running"), &json!(5)));
    let stale = cluster.check(&format!("PUT {PODS}/p/status"), made, 409).await;
    assert_eq!(stale["reason"], "Conflict");
}

#[tokio::test]
async fn a_namespace_goes_when_it_is_finalized() {
    let cluster = Cluster::new().await;
    cluster.check("POST /api/v1/namespaces", json!({"metadata": {"name": "x"}}), 201).await;
    cluster.check("DELETE /api/v1/namespaces/x", Value::Null, 200).await;
    let mut namespace = cluster.check("GET /api/v1/namespaces/x", Value::Null, 200).await;
    namespace["spec"]["finalizers"] = json!([]);
    // Finalizers of the spec are taken away through the subresource only.
    cluster.check("PUT /api/v1/namespaces/x", namespace.clone(), 200).await;
    cluster.check("GET /api/v1/namespaces/x", Value::Null, 200).await;
    cluster.check("PUT /api/v1/namespaces/x/finalize", namespace, 200).await;
    cluster.check("GET /api/v1/namespaces/x", Value::Null, 404).await;
}

#[tokio::test]
async fn tokens_are_issued_for_accounts_that_exist() {
    let cluster = Cluster::new().await;
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [], "expirationSeconds": 3600}});
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    cluster.check(&format!("POST {accounts}/robot/token"), request.clone(), 404).await;
    cluster.check(&format!("POST {accounts}"), json!({"metadata": {"name": "robot"}}), 201).await;
    let issued = cluster.check(&format!("POST {accounts}/robot/token"), request, 201).await;
    let token = issued["status"]["token"].as_str().unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let user = cluster.server.authenticator().authenticate(&headers, None).await.unwrap();
    assert_eq!(user.name, "system:serviceaccount:default:robot");
    cluster.check(&format!("DELETE {accounts}/robot"), Value::Null, 200).await;
    assert_eq!(cluster.server.authenticator().authenticate(&headers, None).await.map_err(|status| status.code), Err(401));
}

#[tokio::test]
async fn a_node_keeps_to_its_own() {
    let cluster = Cluster::new().await;
    for (name, node) in [("mine", "n1"), ("other", "n2")] {
        cluster.pod(&format!("free-{name}")).await;
        let mut object = pod(name);
        object["spec"]["nodeName"] = node.into();
        cluster.check(&format!("POST {PODS}"), object, 201).await;
    }
    let status = json!({"status": {"phase": "Running"}}).to_string();
    let patch = [("content-type", "application/merge-patch+json")];
    for (line, body, code) in [
        ("GET /api/v1/namespaces/default/pods/mine", "", 200),
        ("GET /api/v1/namespaces/default/pods/other", "", 403),
        ("GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1", "", 200),
        ("GET /api/v1/pods", "", 403),
        ("PATCH /api/v1/namespaces/default/pods/mine/status", status.as_str(), 200),
        ("PATCH /api/v1/namespaces/default/pods/other/status", status.as_str(), 403),
        ("DELETE /api/v1/namespaces/default/pods/other", "", 403),
        ("DELETE /api/v1/namespaces/default/pods/mine?gracePeriodSeconds=0", "", 200),
        ("POST /api/v1/nodes", "{\"metadata\":{\"name\":\"n2\"}}", 403),
        ("POST /api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}", 201),
    ] {
        let node = User::new("system:node:n1", ["system:nodes", "system:authenticated"]);
        let headers = if line.starts_with("PATCH") { &patch[..] } else { &[] };
        let response = cluster.send_as(node, line, headers, body.to_owned()).await;
        assert_eq!(response.status(), code, "{line}");
    }
    let before = revision(&cluster.check("GET /api/v1/nodes/n1", Value::Null, 200).await);
    assert!(before > 0);
}
