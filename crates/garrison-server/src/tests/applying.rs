//! Server-side apply and who owns what, through the router.

use super::{Cluster, revision};
use crate::write::APPLY;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SETS: &str = "/apis/apps/v1/namespaces/default/daemonsets";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// Applies a configuration as `PATH?query`; code and answer.
async fn try_apply(cluster: &Cluster, path: &str, config: &Value) -> (u16, Value) {
    super::read(cluster.send(&format!("PATCH {path}"), &[("content-type", APPLY)], config.to_string()).await).await
}

#[track_caller]
fn apply<'a>(cluster: &'a Cluster, path: &'a str, config: &'a Value, code: u16) -> impl Future<Output = Value> + 'a {
    let place = std::panic::Location::caller();
    async move {
        let (found, answer) = try_apply(cluster, path, config).await;
        assert_eq!(found, code, "{place}: {path} was answered {found}: {answer}");
        answer
    }
}

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

/// Manager, operation and subresource of every entry.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let shown = |entry| [text(entry, "manager"), text(entry, "operation"), text(entry, "subresource")].join("/");
    entries.map(shown).collect()
}

fn fields<'v>(object: &'v Value, manager: &str) -> &'v Value {
    let entries = object["metadata"]["managedFields"].as_array().expect("entries");
    &entries.iter().find(|entry| entry["manager"] == manager).unwrap_or_else(|| panic!("{manager}: {object}"))["fieldsV1"]
}

fn deployment(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }})
}

#[tokio::test]
async fn an_apply_makes_changes_and_leaves_alone() {
    let cluster = Cluster::new().await;
    let path = format!("{MAPS}/a?fieldManager=m");
    let made = apply(&cluster, &path, &map(&json!({"k": "1"})), 201).await;
    assert_eq!((managers(&made), fields(&made, "m")), (vec!["m/Apply/".into()], &json!({"f:data": {"f:k": {}}})));
    let again = apply(&cluster, &path, &map(&json!({"k": "1"})), 200).await;
    assert_eq!(again, made, "nothing changed");
    let changed = apply(&cluster, &path, &map(&json!({"l": "2"})), 200).await;
    assert_eq!(changed["data"], json!({"l": "2"}));
    assert!(revision(&changed) > revision(&made));
    let dry = apply(&cluster, &format!("{path}&dryRun=All"), &map(&json!({"x": "3"})), 200).await;
    assert_eq!(dry["data"], json!({"x": "3"}));
    assert_eq!(cluster.check(&format!("GET {MAPS}/a"), Value::Null, 200).await, changed);
    apply(
        &cluster,
        &format!("{MAPS}/b?fieldManager=m&dryRun=All"),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}),
        201,
    )
    .await;
    cluster.check(&format!("GET {MAPS}/b"), Value::Null, 404).await;
    // Who only joins in changes no value.
    let joined = apply(&cluster, &format!("{MAPS}/a?fieldManager=n"), &map(&json!({"l": "2"})), 200).await;
    assert_eq!(fields(&joined, "n"), fields(&joined, "m"));
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata:\n  k: \"1\"\n";
    let response = cluster.send(&format!("PATCH {MAPS}/y?fieldManager=m"), &[("content-type", APPLY)], yaml).await;
    assert_eq!(response.status(), 201);
}

#[tokio::test]
async fn bad_applies_are_refused_in_upstreams_words() {
    let cluster = Cluster::new().await;
    let made = apply(&cluster, &format!("{MAPS}/a?fieldManager=m"), &map(&json!({"k": "1"})), 201).await;
    let with = |field: &str, value: Value| {
        let mut config = map(&json!({}));
        config["metadata"][field] = value;
        config
    };
    for (path, config, code, message) in [
        ("a?fieldManager=", map(&json!({})), 422, "fieldManager: Required value: is required for apply patch"),
        ("a?fieldManager=m", json!({"apiVersion": "v1", "kind": "Secret"}), 400, "invalid object type: /v1, Kind=Secret"),
        ("a?fieldManager=m", json!({"apiVersion": "v2", "kind": "ConfigMap"}), 400, "invalid object type: /v2, Kind=ConfigMap"),
        ("a?fieldManager=m", json!([]), 400, "error decoding YAML"),
        ("a?fieldManager=m", with("managedFields", json!([])), 400, "metadata.managedFields must be nil"),
        ("a?fieldManager=m", with("name", json!("b")), 400, "the name of the object (b) does not match the name on the URL (a)"),
        ("a?fieldManager=m", with("resourceVersion", json!("1")), 409, "the object has been modified"),
        ("a?fieldManager=m", with("uid", json!("other")), 409, "Precondition failed: UID in precondition: other"),
        (
            "a?fieldManager=m",
            with("bogus", json!(1)),
            500,
            "(/a; /v1, Kind=ConfigMap): .metadata.bogus: field not declared in schema",
        ),
        ("n?fieldManager=m", with("name", Value::Null), 400, "name must be provided"),
        ("a/status?fieldManager=m", map(&json!({})), 404, ""),
    ] {
        let (found, status) = try_apply(&cluster, &format!("{MAPS}/{path}"), &config).await;
        assert_eq!(found, code, "{path} {config}: {status}");
        assert!(status["message"].as_str().unwrap().contains(message), "{status}");
    }
    let uid = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "uid": "u"}});
    let refused = apply(&cluster, &format!("{MAPS}/n?fieldManager=m"), &uid, 409).await;
    assert!(refused["message"].as_str().unwrap().ends_with("no existing object was found"), "{refused}");
    let doubled = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1", "k": "2"}}"#;
    for (validation, code) in [("Strict", 400), ("Warn", 200)] {
        let line = format!("PATCH {MAPS}/a?fieldManager=m&dryRun=All&fieldValidation={validation}");
        let response = cluster.send(&line, &[("content-type", APPLY)], doubled).await;
        assert_eq!(response.status().as_u16(), code);
        assert_eq!(response.headers().contains_key("warning"), code == 200);
    }
    assert_eq!(cluster.check(&format!("GET {MAPS}/a"), Value::Null, 200).await, made);
}

#[tokio::test]
async fn a_conflict_names_who_is_in_the_way_and_force_takes_over() {
    let cluster = Cluster::new().await;
    cluster.check(&format!("POST {DEPLOYMENTS}?fieldManager=kubectl-create"), deployment(1), 201).await;
    let path = format!("{DEPLOYMENTS}/d?fieldManager=m");
    let refused = apply(&cluster, &path, &deployment(3), 409).await;
    assert_eq!(
        refused["message"],
        "Apply failed with 1 conflict: conflict with \"kubectl-create\" using apps/v1: .spec.replicas"
    );
    assert_eq!(
        refused["details"]["causes"],
        json!([{"reason": "FieldManagerConflict", "message": "conflict with \"kubectl-create\" using apps/v1", "field": ".spec.replicas"}])
    );
    let forced = apply(&cluster, &format!("{path}&force=true"), &deployment(3), 200).await;
    assert_eq!((&forced["spec"]["replicas"], &forced["metadata"]["generation"]), (&json!(3), &json!(2)));
    assert!(fields(&forced, "kubectl-create")["f:spec"].get("f:replicas").is_none());
    cluster.check(&format!("PATCH {DEPLOYMENTS}/d?fieldManager=u&force=true"), json!({}), 422).await;
}

#[tokio::test]
async fn every_writer_owns_what_it_wrote() {
    let cluster = Cluster::new().await;
    let headers = [("content-type", "application/json"), ("user-agent", "tool/1.0 (x)")];
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "1"}}).to_string();
    let made = super::read(cluster.send(&format!("POST {MAPS}"), &headers, body).await).await.1;
    let entry = &made["metadata"]["managedFields"][0];
    assert_eq!(
        (&entry["manager"], &entry["operation"], &entry["apiVersion"], &entry["fieldsType"], &entry["fieldsV1"]),
        (&json!("tool"), &json!("Update"), &json!("v1"), &json!("FieldsV1"), &json!({"f:data": {".": {}, "f:k": {}}}))
    );
    assert_eq!(entry["time"], made["metadata"]["creationTimestamp"]);
    let patched = cluster.check(&format!("PATCH {MAPS}/a?fieldManager=p"), json!({"data": {"l": "2"}}), 200).await;
    assert_eq!(fields(&patched, "p"), &json!({"f:data": {"f:l": {}}}));
    let same = cluster.check(&format!("PATCH {MAPS}/a?fieldManager=q"), json!({"data": {"l": "2"}}), 200).await;
    assert_eq!(same, patched, "a patch that changes nothing is no write");
    let mut put = patched.clone();
    put["data"] = json!({"k": "1"});
    put["metadata"].as_object_mut().unwrap().remove("managedFields");
    let put = cluster.check(&format!("PUT {MAPS}/a?fieldManager=r"), put, 200).await;
    assert_eq!(managers(&put), ["tool/Update/"], "what is gone is nobody's, and an update without entries keeps them");
    // A pod's status is another matter than the pod, and binding and marking for deletion are nobody's doing.
    cluster.pod("p").await;
    let pods = "/api/v1/namespaces/default/pods";
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let running = cluster.check(&format!("PATCH {pods}/p/status?fieldManager=kubelet"), status, 200).await;
    assert_eq!(managers(&running), ["garrison-controllers/Update/", "kubelet/Update/status"]);
    let key = r#"k:{"type":"Ready"}"#;
    let condition = json!({".": {}, "f:type": {}, "f:status": {}});
    assert_eq!(fields(&running, "kubelet"), &json!({"f:status": {"f:phase": {}, "f:conditions": {".": {}, key: condition}}}));
    let binding = json!({"target": {"kind": "Node", "name": "n"}});
    cluster.check(&format!("POST {pods}/p/binding?fieldManager=s"), binding, 201).await;
    let bound = cluster.check(&format!("GET {pods}/p"), Value::Null, 200).await;
    assert_eq!(bound["metadata"]["managedFields"], running["metadata"]["managedFields"]);
    assert!(!fields(&bound, "garrison-controllers").to_string().contains("f:serviceAccount"), "admission is nobody: {bound}");
    let marked = cluster.check(&format!("DELETE {pods}/p"), Value::Null, 200).await;
    assert_eq!(marked["metadata"]["managedFields"], running["metadata"]["managedFields"]);
}

#[tokio::test]
async fn entries_are_written_by_clients_as_upstream_lets_them() {
    let cluster = Cluster::new().await;
    apply(&cluster, &format!("{MAPS}/a?fieldManager=m"), &map(&json!({"k": "1"})), 201).await;
    let patch = |value: Value| json!([{"op": "replace", "path": "/metadata/managedFields", "value": value}]).to_string();
    let json_patch = [("content-type", "application/json-patch+json")];
    // As kubectl does to make a client-side apply its own.
    let entry = json!({"manager": "n", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:k": {}}}});
    let migrated = super::read(cluster.send(&format!("PATCH {MAPS}/a"), &json_patch, patch(json!([entry]))).await).await;
    assert_eq!((migrated.0, managers(&migrated.1)), (200, vec!["n/Apply/".into()]));
    for unreadable in [json!([{"manager": "x", "operation": "Apply"}]), Value::Null] {
        let kept = super::read(cluster.send(&format!("PATCH {MAPS}/a"), &json_patch, patch(unreadable)).await).await;
        assert_eq!((kept.0, managers(&kept.1)), (200, vec!["n/Apply/".into()]));
    }
    let wrong = super::read(cluster.send(&format!("PATCH {MAPS}/a"), &json_patch, patch(json!("x"))).await).await;
    assert_eq!(wrong.0, 400, "{}", wrong.1);
    let reset = super::read(cluster.send(&format!("PATCH {MAPS}/a"), &json_patch, patch(json!([{}]))).await).await;
    assert_eq!((reset.0, reset.1["metadata"].get("managedFields")), (200, None), "{}", reset.1);
    let first = apply(&cluster, &format!("{MAPS}/a?fieldManager=m"), &map(&json!({"k": "1"})), 200).await;
    assert_eq!(managers(&first), ["m/Apply/", "before-first-apply/Update/"]);
}

#[tokio::test]
async fn scale_and_status_are_applied_by_themselves() {
    let cluster = Cluster::new().await;
    apply(&cluster, &format!("{DEPLOYMENTS}/d?fieldManager=m"), &deployment(1), 201).await;
    let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 4}});
    let path = format!("{DEPLOYMENTS}/d/scale?fieldManager=s");
    let refused = apply(&cluster, &path, &scale, 409).await;
    assert_eq!(refused["message"], "Apply failed with 1 conflict: conflict with \"m\": .spec.replicas");
    let scaled = apply(&cluster, &format!("{path}&force=true"), &scale, 200).await;
    assert_eq!(scaled["spec"]["replicas"], 4);
    let found = cluster.check(&format!("GET {DEPLOYMENTS}/d"), Value::Null, 200).await;
    assert_eq!(managers(&found), ["s/Apply/scale", "m/Apply/"]);
    let by_patch = json!({"spec": {"replicas": 5}});
    cluster.check(&format!("PATCH {DEPLOYMENTS}/d/scale?fieldManager=k"), by_patch, 200).await;
    let found = cluster.check(&format!("GET {DEPLOYMENTS}/d"), Value::Null, 200).await;
    assert_eq!(managers(&found), ["m/Apply/", "k/Update/scale"]);
    assert_eq!(fields(&found, "k"), &json!({"f:spec": {"f:replicas": {}}}));
    let status = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"paused": true}, "status": {"replicas": 5}});
    let told = apply(&cluster, &format!("{DEPLOYMENTS}/d/status?fieldManager=t"), &status, 200).await;
    assert_eq!((fields(&told, "t"), told["spec"].get("paused")), (&json!({"f:status": {"f:replicas": {}}}), None));
    let mut absent = status;
    absent["metadata"]["name"] = "e".into();
    apply(&cluster, &format!("{DEPLOYMENTS}/e/status?fieldManager=t"), &absent, 404).await;
}

#[tokio::test]
async fn a_daemon_set_is_taken_over_from_client_side_apply() {
    let cluster = Cluster::new().await;
    let mut set = deployment(1);
    set["kind"] = "DaemonSet".into();
    set["spec"].as_object_mut().unwrap().remove("replicas");
    let mut before = set.clone();
    before["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": set.to_string()});
    let made = cluster.check(&format!("POST {SETS}?fieldManager=kubectl-client-side-apply"), before, 201).await;
    assert_eq!(
        fields(&made, "kubectl-client-side-apply")["f:metadata"]["f:annotations"],
        json!({".": {}, "f:deprecated.daemonset.template.generation": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}})
    );
    let mut next = set.clone();
    next["spec"]["template"]["spec"]["containers"][0]["image"] = "j".into();
    let taken = apply(&cluster, &format!("{SETS}/d?fieldManager=kubectl"), &next, 200).await;
    assert_eq!((&taken["metadata"]["generation"], managers(&taken)[0].as_str()), (&json!(2), "kubectl/Apply/"));
    let annotation = taken["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(annotation).unwrap(), next);
    // An image set by hand belongs to who set it.
    let image = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "k"}]).to_string();
    let line = format!("PATCH {SETS}/d?fieldManager=kubectl-set");
    let set_image = super::read(cluster.send(&line, &[("content-type", "application/json-patch+json")], image).await).await.1;
    assert!(managers(&set_image).contains(&"kubectl-set/Update/".to_owned()), "{set_image}");
    assert_eq!(fields(&set_image, "kubectl-set")["f:metadata"], Value::Null, "counting templates is no writer's doing");
}
