//! Create, read, update, patch, delete.

use super::{Cluster, names, pod, read, revision, warnings};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn an_object_lives() {
    let cluster = Cluster::new().await;
    let created = cluster.config_map("a", json!({"x": "y"})).await;
    assert_eq!(
        (&created["kind"], &created["apiVersion"], &created["metadata"]["namespace"]),
        (&json!("ConfigMap"), &json!("v1"), &json!("default"))
    );
    let one = format!("{MAPS}/a");
    assert_eq!(cluster.check(&format!("GET {one}"), Value::Null, 200).await, created);

    let mut changed = created.clone();
    changed["data"] = json!({"k": "v"});
    let updated = cluster.check(&format!("PUT {one}"), changed.clone(), 200).await;
    assert!(revision(&updated) > revision(&created));
    assert_eq!(updated["metadata"]["uid"], created["metadata"]["uid"]);
    let stale = cluster.check(&format!("PUT {one}"), changed, 409).await;
    assert_eq!((&stale["reason"], &stale["details"]["name"]), (&json!("Conflict"), &json!("a")));

    let same = cluster.check(&format!("PUT {one}"), updated.clone(), 200).await;
    assert_eq!(same, updated, "a change of nothing keeps the revision");
    let same = cluster.check(&format!("PATCH {one}"), json!({"data": {"k": "v"}}), 200).await;
    assert_eq!(same, updated);
    let patched = cluster.check(&format!("PATCH {one}"), json!({"data": {"k": null, "l": "w"}}), 200).await;
    assert_eq!(patched["data"], json!({"l": "w"}));

    let gone = cluster.check(&format!("DELETE {one}"), json!({"propagationPolicy": "Background"}), 200).await;
    assert_eq!((&gone["status"], &gone["details"]["uid"]), (&json!("Success"), &created["metadata"]["uid"]));
    cluster.check(&format!("GET {one}"), Value::Null, 404).await;
    cluster.check(&format!("DELETE {one}"), Value::Null, 404).await;
    cluster.check(&format!("PUT {one}"), updated, 404).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let cluster = Cluster::new().await;
    let a = cluster.config_map("a", json!({})).await;
    let named = |name: &str| json!({"metadata": {"name": name}});
    for (line, body, code, reason) in [
        (format!("POST {MAPS}"), named("a"), 409, "AlreadyExists"),
        (format!("POST {MAPS}"), json!({"metadata": {"name": "b", "resourceVersion": "1"}}), 500, "InternalError"),
        (format!("POST {MAPS}"), json!({"metadata": {"name": "b", "namespace": "other"}}), 400, "BadRequest"),
        (format!("POST {MAPS}"), json!({"metadata": {"name": "B!"}}), 422, "Invalid"),
        (format!("POST {MAPS}"), json!({"kind": "Secret", "metadata": {"name": "b"}}), 400, "BadRequest"),
        ("POST /api/v1/namespaces/nowhere/configmaps".into(), named("b"), 404, "NotFound"),
        ("POST /api/v1/configmaps".into(), named("b"), 405, "MethodNotAllowed"),
        ("DELETE /api/v1/namespaces".into(), Value::Null, 405, "MethodNotAllowed"),
        (format!("PUT {MAPS}/a"), named("b"), 400, "BadRequest"),
        (format!("PUT {MAPS}/a"), json!({"metadata": {"name": "a", "uid": "other"}}), 409, "Conflict"),
        (format!("PATCH {MAPS}/a"), json!({"metadata": {"resourceVersion": "1"}}), 409, "Conflict"),
        (format!("DELETE {MAPS}/a"), json!({"preconditions": {"uid": "other"}}), 409, "Conflict"),
        (format!("DELETE {MAPS}/a?dryRun=Some"), Value::Null, 422, "Invalid"),
        (format!("GET {MAPS}/a/status"), Value::Null, 404, "NotFound"),
        ("GET /api/v1/nothings".into(), Value::Null, 404, "NotFound"),
        ("DELETE /api/v1/namespaces/kube-system".into(), Value::Null, 403, "Forbidden"),
    ] {
        let (found, status) = cluster.ask(&line, body).await;
        assert_eq!(
            (found, &status["reason"], &status["kind"], &status["code"]),
            (code, &json!(reason), &json!("Status"), &json!(code)),
            "{line}: {status}"
        );
    }
    assert_eq!(cluster.check(&format!("GET {MAPS}/a"), Value::Null, 200).await, a);
    let lease = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    cluster.check(&format!("POST {leases}"), lease.clone(), 201).await;
    let refused = cluster.check(&format!("PUT {leases}/l"), lease, 422).await;
    assert_eq!(refused["details"]["causes"][0]["field"], "metadata.resourceVersion");
    let response = cluster.send(&format!("PATCH {MAPS}/a"), &[("content-type", "application/apply-patch+cbor")], "{}").await;
    assert_eq!(response.status(), 415);
    let response = cluster.send(&format!("POST {MAPS}"), &[], vec![b' '; (3 << 20) + 1]).await;
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_of_or_ignored() {
    let cluster = Cluster::new().await;
    for (validation, code, warned) in [("Strict", 400, 0), ("Warn", 201, 1), ("Ignore", 201, 0), ("Other", 422, 0)] {
        let body = json!({"metadata": {"name": validation.to_lowercase()}, "bogus": 1}).to_string();
        let response = cluster.send(&format!("POST {MAPS}?fieldValidation={validation}"), &[], body).await;
        assert_eq!((response.status().as_u16(), warnings(response.headers()).len()), (code, warned), "{validation}");
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let cluster = Cluster::new().await;
    let a = cluster.config_map("a", json!({})).await;
    let before = cluster.check("GET /api/v1/configmaps", Value::Null, 200).await;
    let created = cluster.check(&format!("POST {MAPS}?dryRun=All"), json!({"metadata": {"name": "b"}}), 201).await;
    assert!(created["metadata"]["uid"].is_string() && created["metadata"].get("resourceVersion").is_none());
    cluster.check(&format!("POST {MAPS}?dryRun=All"), json!({"metadata": {"name": "a"}}), 409).await;
    let patched = cluster.check(&format!("PATCH {MAPS}/a?dryRun=All"), json!({"data": {"k": "v"}}), 200).await;
    assert_eq!((&patched["data"], revision(&patched)), (&json!({"k": "v"}), revision(&a)));
    cluster.check(&format!("DELETE {MAPS}/a"), json!({"dryRun": ["All"]}), 200).await;
    cluster.check(&format!("DELETE {MAPS}/a?dryRun=All"), Value::Null, 200).await;
    cluster.check(&format!("DELETE {MAPS}?dryRun=All"), Value::Null, 200).await;
    assert_eq!(cluster.check("GET /api/v1/configmaps", Value::Null, 200).await, before);
}

#[tokio::test]
async fn names_are_generated() {
    let cluster = Cluster::new().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let made = cluster.check(&format!("POST {MAPS}"), json!({"metadata": {"generateName": "p-"}}), 201).await;
        let name = made["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("p-") && name.len() == 7, "{name}");
        assert!(seen.insert(name));
    }
    cluster.check(&format!("POST {MAPS}"), json!({"metadata": {}}), 422).await;
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let cluster = Cluster::new().await;
    let object = json!({"metadata": {"name": "a", "finalizers": ["example.org/x", "example.org/y"]}});
    cluster.check(&format!("POST {MAPS}"), object, 201).await;
    let marked = cluster.check(&format!("DELETE {MAPS}/a"), Value::Null, 200).await;
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(cluster.check(&format!("DELETE {MAPS}/a"), Value::Null, 200).await, marked, "a second delete changes nothing");
    cluster.check(&format!("PATCH {MAPS}/a"), json!({"metadata": {"finalizers": ["example.org/x"]}}), 200).await;
    let last = cluster.check(&format!("PATCH {MAPS}/a"), json!({"metadata": {"finalizers": null}}), 200).await;
    assert!(revision(&last) > revision(&marked));
    cluster.check(&format!("GET {MAPS}/a"), Value::Null, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_patches_none_is_lost() {
    let cluster = std::sync::Arc::new(Cluster::new().await);
    cluster.config_map("a", json!({})).await;
    let patches: Vec<_> = (0..24)
        .map(|n| {
            let cluster = std::sync::Arc::clone(&cluster);
            tokio::spawn(async move { cluster.ask(&format!("PATCH {MAPS}/a"), json!({"data": {format!("k{n}"): "v"}})).await.0 })
        })
        .collect();
    for patch in patches {
        assert_eq!(patch.await.unwrap(), 200);
    }
    let all = cluster.check(&format!("GET {MAPS}/a"), Value::Null, 200).await;
    assert_eq!(all["data"].as_object().unwrap().len(), 24);
}

/// Conformance: E9
#[tokio::test]
async fn a_collection_is_deleted_as_selected() {
    let cluster = Cluster::new().await;
    for (name, label) in [("a", "1"), ("b", "2"), ("c", "1")] {
        cluster.config_map(name, json!({"l": label})).await;
    }
    let deleted = cluster.check(&format!("DELETE {MAPS}?labelSelector=l%3D1"), Value::Null, 200).await;
    assert_eq!(names(&deleted), ["a", "c"]);
    assert_eq!(names(&cluster.check(&format!("GET {MAPS}"), Value::Null, 200).await), ["b"]);
}

#[tokio::test]
async fn a_pod_ends_when_its_node_says_so() {
    let cluster = Cluster::new().await;
    let pods = "/api/v1/namespaces/default/pods";
    cluster.pod("unbound").await;
    let gone = cluster.check(&format!("DELETE {pods}/unbound"), Value::Null, 200).await;
    assert_eq!(gone["kind"], "Pod");
    cluster.check(&format!("GET {pods}/unbound"), Value::Null, 404).await;

    let mut bound = pod("bound");
    bound["spec"]["nodeName"] = json!("n1");
    cluster.check(&format!("POST {pods}"), bound, 201).await;
    let marked = cluster.check(&format!("DELETE {pods}/bound"), Value::Null, 200).await;
    assert_eq!((&marked["kind"], &marked["metadata"]["deletionGracePeriodSeconds"]), (&json!("Pod"), &json!(30)));
    let shorter = cluster.check(&format!("DELETE {pods}/bound?gracePeriodSeconds=5"), Value::Null, 200).await;
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    cluster.check(&format!("DELETE {pods}/bound"), json!({"gracePeriodSeconds": 0}), 200).await;
    cluster.check(&format!("GET {pods}/bound"), Value::Null, 404).await;
}

#[tokio::test]
async fn forms_are_negotiated() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    for (accept, path, kind) in [
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", MAPS.to_owned(), "Table"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", format!("{MAPS}/a"), "Table"),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", MAPS.to_owned(), "PartialObjectMetadataList"),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", format!("{MAPS}/a"), "PartialObjectMetadata"),
        ("application/json,application/vnd.kubernetes.protobuf", MAPS.to_owned(), "ConfigMapList"),
    ] {
        let (code, answer) = read(cluster.send(&format!("GET {path}"), &[("accept", accept)], "").await).await;
        assert_eq!((code, &answer["kind"]), (200, &json!(kind)), "{accept}: {answer}");
        assert!(revision(&answer) > 0);
        if kind == "Table" {
            assert_eq!(answer["rows"].as_array().unwrap().len(), 1);
            assert_eq!(answer["rows"][0]["cells"][0], "a");
            assert!(!answer["columnDefinitions"].as_array().unwrap().is_empty());
        }
    }
    let (code, _) = read(cluster.send(&format!("GET {MAPS}"), &[("accept", "text/html")], "").await).await;
    assert_eq!(code, 406);
}
