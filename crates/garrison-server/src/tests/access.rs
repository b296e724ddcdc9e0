//! Roles and bindings in force: what they give, when, and who may give it.

use super::{Cluster, config, names, read};
use crate::{Server, identity::User};
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

fn user(name: &str) -> User {
    User::new(name, ["dev", "system:authenticated"])
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": groups, "resources": resources})
}

fn role(name: &str, rules: &[Value]) -> Value {
    json!({"metadata": {"name": name}, "rules": rules})
}

fn binding(name: &str, kind: &str, role: &str, user: &str) -> Value {
    json!({"metadata": {"name": name}, "roleRef": {"kind": kind, "name": role}, "subjects": [{"kind": "User", "name": user}]})
}

impl Cluster {
    /// Asks as a user; code and answer.
    async fn ask_as(&self, name: &str, line: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let patch = if line.starts_with("PATCH ") { "application/merge-patch+json" } else { "application/json" };
        read(self.send_as(user(name), line, &[("content-type", patch)], body).await).await
    }

    /// Gives a user rules in the whole cluster.
    async fn give(&self, name: &str, rules: &[Value]) {
        self.check(&format!("POST {RBAC}/clusterroles"), role(name, rules), 201).await;
        let bindings = format!("POST {RBAC}/clusterrolebindings");
        self.check(&bindings, binding(name, "ClusterRole", name, name), 201).await;
    }
}

#[tokio::test]
async fn what_is_written_is_in_force_at_once() {
    let cluster = Cluster::new().await;
    let (roles, bindings) = (format!("{RBAC}/namespaces/default/roles"), format!("{RBAC}/namespaces/default/rolebindings"));
    let pods = "GET /api/v1/namespaces/default/pods";
    for round in 0..20 {
        let read_pods = [rule(&["list"], &[""], &["pods"])];
        cluster.check(&format!("POST {bindings}"), binding("b", "Role", "r", "ann"), 201).await;
        let (code, refusal) = cluster.ask_as("ann", pods, Value::Null).await;
        assert_eq!(code, 403, "{round}");
        let told = r#"pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default": RBAC: role.rbac.authorization.k8s.io "r" not found"#;
        assert_eq!(refusal["message"], told);
        cluster.check(&format!("POST {roles}"), role("r", &read_pods), 201).await;
        assert_eq!(cluster.ask_as("ann", pods, Value::Null).await.0, 200, "{round}: the role is there");
        assert_eq!(cluster.ask_as("ann", "GET /api/v1/namespaces/kube-system/pods", Value::Null).await.0, 403);
        cluster.check(&format!("PATCH {roles}/r"), json!({"rules": [rule(&["get"], &[""], &["pods"])]}), 200).await;
        assert_eq!(cluster.ask_as("ann", pods, Value::Null).await.0, 403, "{round}: the role has changed");
        cluster.check(&format!("PATCH {roles}/r"), json!({"rules": read_pods}), 200).await;
        cluster.check(&format!("DELETE {bindings}/b"), Value::Null, 200).await;
        assert_eq!(cluster.ask_as("ann", pods, Value::Null).await.0, 403, "{round}: the binding is gone");
        cluster.check(&format!("DELETE {roles}/r"), Value::Null, 200).await;
    }
}

#[tokio::test]
async fn whether_a_kind_is_served_is_told_to_those_who_might_use_it() {
    let cluster = Cluster::new().await;
    cluster.check("GET /apis/example.com/v1/things", Value::Null, 404).await;
    let (code, refusal) = cluster.ask_as("ann", "GET /apis/example.com/v1/namespaces/a/things/x/status", Value::Null).await;
    let told = r#"things.example.com "x" is forbidden: User "ann" cannot get resource "things/status" in API group "example.com" in the namespace "a""#;
    assert_eq!((code, refusal["message"].as_str()), (403, Some(told)));
    assert_eq!(cluster.ask_as("ann", "GET /nothing", Value::Null).await.0, 403);
    // Who opens a stream makes something.
    cluster.give("eve", &[rule(&["get"], &[""], &["pods/exec"])]).await;
    let (code, refusal) = cluster.ask_as("eve", "GET /api/v1/namespaces/a/pods/p/exec", Value::Null).await;
    assert!(code == 403 && refusal["message"].as_str().unwrap().contains("cannot create resource \"pods/exec\""), "{refusal}");
}

/// Otherwise a role for one name would do for all.
#[tokio::test]
async fn nothing_is_created_under_a_name_in_the_path() {
    let cluster = Cluster::new().await;
    let mut one = rule(&["create"], &[""], &["configmaps"]);
    one["resourceNames"] = json!(["x"]);
    cluster.give("ann", &[one]).await;
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = json!({"metadata": {"name": "x"}});
    assert_eq!(cluster.ask_as("ann", &format!("POST {maps}"), map.clone()).await.0, 403);
    assert_eq!(cluster.ask_as("ann", &format!("POST {maps}/x"), map.clone()).await.0, 405);
    cluster.check(&format!("PUT {maps}"), map.clone(), 405).await;
    cluster.check(&format!("PATCH {maps}"), map, 405).await;
}

#[tokio::test]
async fn the_first_roles_are_made_kept_and_brought_up_to_date() {
    let cluster = Cluster::new().await;
    let all = names(&cluster.check(&format!("GET {RBAC}/clusterroles"), Value::Null, 200).await);
    assert!(all.len() > 60 && all.contains(&"system:controller:daemon-set-controller".to_owned()), "{all:?}");
    let dns = format!("{RBAC}/clusterroles/system:kube-dns");
    let made = cluster.check(&format!("GET {dns}"), Value::Null, 200).await;
    assert_eq!(made["metadata"]["labels"], json!({"kubernetes.io/bootstrapping": "rbac-defaults"}));
    let extended = json!({"rules": [rule(&["list"], &[""], &["services", "pods"])]});
    cluster.check(&format!("PATCH {dns}"), extended, 200).await;
    let heapster = format!("{RBAC}/clusterroles/system:heapster");
    let protected = json!({"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}, "rules": []});
    cluster.check(&format!("PATCH {heapster}"), protected, 200).await;
    cluster
        .check(&format!("DELETE {RBAC}/namespaces/kube-public/roles/system:controller:bootstrap-signer"), Value::Null, 200)
        .await;
    let viewer = format!("{RBAC}/clusterrolebindings/system:public-info-viewer");
    cluster.check(&format!("DELETE {viewer}"), Value::Null, 200).await;
    cluster
        .check(&format!("POST {RBAC}/clusterrolebindings"), binding("system:public-info-viewer", "ClusterRole", "x", "ann"), 201)
        .await;
    cluster.server.storage().store().close().await;
    let Cluster { server, dir } = cluster;
    drop(server);

    let cluster = Cluster { server: Server::open(config(dir.path())).await.unwrap(), dir };
    let rules = cluster.check(&format!("GET {dns}"), Value::Null, 200).await["rules"].clone();
    assert_eq!(rules.as_array().map(Vec::len), Some(4), "three pieces were lacking: {rules}");
    assert_eq!(rules[0], rule(&["list"], &[""], &["services", "pods"]));
    assert_eq!(cluster.check(&format!("GET {heapster}"), Value::Null, 200).await.get("rules"), Some(&json!([])));
    cluster.check(&format!("GET {RBAC}/namespaces/kube-public/roles/system:controller:bootstrap-signer"), Value::Null, 200).await;
    let binding = cluster.check(&format!("GET {viewer}"), Value::Null, 200).await;
    assert_eq!(
        (&binding["roleRef"]["name"], binding["subjects"].as_array().map(Vec::len)),
        (&json!("system:public-info-viewer"), Some(2))
    );
    let stranger = cluster.send_as(User::anonymous(), "GET /version", &[], "").await;
    assert_eq!(stranger.status(), 200, "and all is in force");
}

#[tokio::test]
async fn nobody_writes_a_role_with_more_than_he_has() {
    let cluster = Cluster::new().await;
    let roles = format!("{RBAC}/clusterroles");
    cluster.give("ann", &[rule(&["*"], &["rbac.authorization.k8s.io"], &["clusterroles"])]).await;
    cluster
        .give(
            "bob",
            &[
                rule(&["create", "update", "patch"], &["rbac.authorization.k8s.io"], &["clusterroles"]),
                rule(&["get", "list"], &[""], &["pods"]),
            ],
        )
        .await;
    // A star among the verbs holds `escalate`.
    let many = [rule(&["get", "list", "watch"], &[""], &["pods", "nodes"])];
    assert_eq!(cluster.ask_as("ann", &format!("POST {roles}"), role("by-ann", &many)).await.0, 201);
    for line in [format!("POST {roles}"), format!("POST {roles}?dryRun=All")] {
        let (code, refusal) = cluster.ask_as("bob", &line, role("by-bob", &many)).await;
        let told = "clusterroles.rbac.authorization.k8s.io \"by-bob\" is forbidden: user \"bob\" (groups=[\"dev\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\" \"watch\"]}\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"watch\"]}";
        assert_eq!((code, refusal["message"].as_str()), (403, Some(told)));
    }
    // Nor by saying nothing in a roundabout way.
    let (mut null, mut extra) = (many[0].clone(), many[0].clone());
    null["resourceNames"] = Value::Null;
    extra["unknown"] = json!({"a": 1});
    for rule in [null, extra] {
        assert_eq!(cluster.ask_as("bob", &format!("POST {roles}"), role("by-bob", &[rule])).await.0, 403);
    }
    let less = [rule(&["list"], &[""], &["pods"])];
    assert_eq!(cluster.ask_as("bob", &format!("POST {roles}"), role("by-bob", &less)).await.0, 201);
    for (line, body, code) in [
        ("PATCH", json!({"rules": many}), 403),
        ("PATCH", json!({"rules": [rule(&["get"], &[""], &["pods"])]}), 200),
        ("PUT", role("by-bob", &many), 403),
        ("PUT", role("by-bob", &less), 200),
        ("PATCH", json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}), 403),
    ] {
        let (found, answer) = cluster.ask_as("bob", &format!("{line} {roles}/by-bob"), body).await;
        assert_eq!(found, code, "{line}: {answer}");
    }
    // What it holds already is not his either, but finalizers give nothing.
    assert_eq!(cluster.ask_as("bob", &format!("PATCH {roles}/by-ann"), json!({"metadata": {"labels": {"a": "b"}}})).await.0, 403);
    assert_eq!(
        cluster.ask_as("bob", &format!("PATCH {roles}/by-ann"), json!({"metadata": {"finalizers": ["a/b"]}})).await.0,
        200
    );
}

#[tokio::test]
async fn nobody_binds_a_role_with_more_than_he_has() {
    let cluster = Cluster::new().await;
    let bindings = format!("{RBAC}/namespaces/default/rolebindings");
    let write_bindings = rule(&["create", "update"], &["rbac.authorization.k8s.io"], &["rolebindings", "clusterrolebindings"]);
    cluster.give("ann", &[write_bindings.clone(), rule(&["list", "watch"], &[""], &["endpoints", "services"])]).await;
    let mut bind = rule(&["bind"], &["rbac.authorization.k8s.io"], &["clusterroles"]);
    bind["resourceNames"] = json!(["cluster-admin"]);
    cluster.give("bob", &[write_bindings, bind]).await;
    for (name, role, code) in [
        ("ann", "system:kube-dns", 201),
        ("ann", "cluster-admin", 403),
        ("ann", "nothing", 404),
        ("bob", "cluster-admin", 201),
        ("bob", "system:kube-dns", 403),
    ] {
        let object = binding(&format!("{name}-{role}"), "ClusterRole", role, "eve");
        let (found, answer) = cluster.ask_as(name, &format!("POST {bindings}"), object).await;
        assert_eq!(found, code, "{name} {role}: {answer}");
    }
    let (_, refusal) = cluster.ask_as("ann", &format!("POST {bindings}"), binding("x", "ClusterRole", "nothing", "eve")).await;
    assert_eq!(refusal["message"], "clusterrole.rbac.authorization.k8s.io \"nothing\" not found");
    // Eve was made an administrator of the namespace, and of no more.
    assert_eq!(cluster.ask_as("eve", "DELETE /api/v1/namespaces/default/configmaps/x", Value::Null).await.0, 404);
    assert_eq!(cluster.ask_as("eve", "GET /api/v1/nodes", Value::Null).await.0, 403);
    let whole = binding("more", "ClusterRole", "cluster-admin", "eve");
    assert_eq!(cluster.ask_as("eve", &format!("POST {RBAC}/clusterrolebindings"), whole).await.0, 403);
}

#[tokio::test]
async fn who_applies_what_is_not_there_creates_it() {
    let cluster = Cluster::new().await;
    let apply = async |path: &str, config: Value| {
        let media_type = [("content-type", "application/apply-patch+yaml")];
        let line = format!("PATCH {path}?fieldManager=m&force=true");
        read(cluster.send_as(user("ann"), &line, &media_type, config.to_string()).await).await
    };
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    cluster.give("ann", &[rule(&["patch"], &["", "rbac.authorization.k8s.io"], &["configmaps", "clusterroles"])]).await;
    let (code, refusal) = apply(&format!("{maps}/a"), map.clone()).await;
    assert!(code == 403 && refusal["message"].as_str().unwrap().contains("cannot create resource \"configmaps\""), "{refusal}");
    cluster.check(&format!("POST {maps}"), map.clone(), 201).await;
    assert_eq!(apply(&format!("{maps}/a"), map).await.0, 200, "what is there is patched");

    // Nor does applying give anybody more than he has.
    let role = |rules: &[Value]| {
        let mut role = role("r", rules);
        (role["apiVersion"], role["kind"]) = (json!("rbac.authorization.k8s.io/v1"), json!("ClusterRole"));
        role
    };
    let secrets = [rule(&["get"], &[""], &["secrets"])];
    cluster.check(&format!("POST {RBAC}/clusterroles"), role(&[]), 201).await;
    let (code, refusal) = apply(&format!("{RBAC}/clusterroles/r"), role(&secrets)).await;
    assert!(code == 403 && refusal["message"].as_str().unwrap().contains("is attempting to grant RBAC permissions"), "{refusal}");
    let both = [rule(&["create", "patch"], &["rbac.authorization.k8s.io"], &["clusterroles"])];
    cluster.check(&format!("PATCH {RBAC}/clusterroles/ann"), json!({"rules": both}), 200).await;
    cluster.check(&format!("DELETE {RBAC}/clusterroles/r"), Value::Null, 200).await;
    let (code, refusal) = apply(&format!("{RBAC}/clusterroles/r"), role(&secrets)).await;
    assert!(code == 403 && refusal["message"].as_str().unwrap().contains("is attempting to grant RBAC permissions"), "{refusal}");
    cluster.check(&format!("GET {RBAC}/clusterroles/r"), Value::Null, 404).await;
}

#[tokio::test]
async fn a_role_for_one_name_gives_the_watch_of_that_name_alone() {
    let cluster = Cluster::new().await;
    let mut one = rule(&["watch"], &[""], &["configmaps"]);
    one["resourceNames"] = json!(["a"]);
    cluster.give("ann", &[one]).await;
    let watch = "/api/v1/watch/namespaces/default/configmaps";
    for (line, code) in [
        (format!("GET {watch}/a?timeoutSeconds=1"), 200),
        (format!("GET {watch}/b?timeoutSeconds=1"), 403),
        (format!("GET {watch}?timeoutSeconds=1"), 403),
        (format!("GET {watch}/a?timeoutSeconds=1&fieldSelector=metadata.name%3Db"), 200),
        ("GET /api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Da".into(), 200),
        ("GET /api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Db".into(), 403),
    ] {
        let answer = cluster.send_as(user("ann"), &line, &[], "").await;
        assert_eq!(answer.status().as_u16(), code, "{line}");
    }
    // The selector cannot lead the watch of one name to another.
    cluster.check("POST /api/v1/namespaces/default/configmaps", json!({"metadata": {"name": "b"}}), 201).await;
    let line = format!("GET {watch}/a?timeoutSeconds=1&fieldSelector=metadata.name%3Db");
    let answer = cluster.send_as(user("ann"), &line, &[], "").await;
    let told = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&told).contains("\"b\""), "{told:?}");
}
