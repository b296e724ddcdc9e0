//! The loop against an API: rules follow labels, selectors and the rules of others, over several steps.

use super::*;
use crate::{
    Config,
    fake_api::{FakeApi, Fault, text},
};
use serde_json::Value;

fn put(api: &FakeApi, name: &str, label: &str, resources: &[&str], gathers: Option<&str>) {
    let rule = json!({"verbs": ["get"], "apiGroups": [""], "resources": resources});
    let rules = if resources.is_empty() { json!([]) } else { json!([rule]) };
    let mut role = json!({"metadata": {"name": name, "labels": {label: "true"}}, "rules": rules});
    if let Some(label) = gathers {
        role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    }
    api.put("rbac.authorization.k8s.io/v1", "ClusterRole", role);
}

/// The resources that a role's rules name.
fn holds(api: &FakeApi, name: &str) -> Vec<Value> {
    let roles = api.list("clusterroles");
    let role = roles.iter().find(|role| text(role, "/metadata/name") == name);
    let rules = role.and_then(|role| role["rules"].as_array());
    rules.into_iter().flatten().map(|rule| rule["resources"][0].clone()).collect()
}

#[tokio::test]
async fn rules_are_gathered_over_several_steps_and_given_back() {
    let api = FakeApi::new();
    put(&api, "view", "to-edit", &[], Some("to-view"));
    put(&api, "edit", "none", &["stale"], Some("to-edit"));
    put(&api, "pods", "to-view", &["pods"], None);
    api.fail(|method, path, before| {
        (method == http::Method::PATCH && path.ends_with("/view") && before == 0).then_some(Fault::Refused(409, "Conflict"))
    });
    let shutdown = CancellationToken::new();
    let context = Context::new(api.client(), Config::default());
    let (fed, token) = (context.clone(), shutdown.clone());
    let feeding = tokio::spawn(async move { fed.cluster_roles.feed(Api::all(fed.client.clone()), token).await });
    let running = tokio::spawn(run(context, shutdown.clone()));
    api.until("both hold pods", |api| holds(api, "view") == ["pods"] && holds(api, "edit") == ["pods"]).await;
    put(&api, "nodes", "to-edit", &["nodes"], None);
    api.until("edit holds nodes, too", |api| holds(api, "edit") == ["nodes", "pods"]).await;
    put(&api, "pods", "elsewhere", &["pods"], None);
    api.until("pods are given back", |api| holds(api, "view").is_empty() && holds(api, "edit") == ["nodes"]).await;
    api.remove("clusterroles", "nodes");
    api.until("nothing is left", |api| holds(api, "edit").is_empty()).await;
    shutdown.cancel();
    running.await.expect("ends");
    feeding.await.expect("ends");
}
