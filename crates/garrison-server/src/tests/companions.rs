//! Kinds that come along with daemons in their manifests: stored, and said to be no more than that.

use super::{Cluster, read, warnings};
use crate::identity::User;
use garrison_api::{Resource, resource};
use serde_json::{Value, json};

/// A small object of every kind that is stored only, without its metadata.
fn small(kind: &str) -> Value {
    let template = |restart: &str| {
        let spec = json!({"restartPolicy": restart, "containers": [{"name": "c", "image": "i"}]});
        json!({"metadata": {"labels": {"app": "a"}}, "spec": spec})
    };
    let replicas = json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template("Always")}});
    let role = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let binding = json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]});
    let modes = json!(["ReadWriteOnce"]);
    match kind {
        "Endpoints" => json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}),
        "EndpointSlice" => json!({"addressType": "IPv4", "endpoints": [], "ports": []}),
        "LimitRange" => json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}),
        "ResourceQuota" => json!({"spec": {"hard": {"pods": "1"}}}),
        "PersistentVolume" => {
            json!({"spec": {"accessModes": modes, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/a"}}})
        }
        "PersistentVolumeClaim" => json!({"spec": {"accessModes": modes, "resources": {"requests": {"storage": "1Gi"}}}}),
        "Service" => json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "a"}}}),
        "Deployment" | "ReplicaSet" | "StatefulSet" => replicas,
        "IngressClass" => json!({"spec": {"controller": "a.io/b"}}),
        "Job" => json!({"spec": {"template": template("Never")}}),
        "CronJob" => json!({"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template("Never")}}}}),
        "NetworkPolicy" => json!({"spec": {"podSelector": {}, "ingress": [{}]}}),
        "Role" | "ClusterRole" => role,
        "RoleBinding" | "ClusterRoleBinding" => binding,
        "CSIDriver" => json!({"spec": {}}),
        "CSINode" => json!({"spec": {"drivers": []}}),
        "StorageClass" => json!({"provisioner": "a.io/b"}),
        "VolumeAttachment" => {
            json!({"spec": {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}}})
        }
        "RuntimeClass" => json!({"handler": "runsc"}),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => json!({"webhooks": []}),
        other => panic!("{other} is stored only, and unknown to this test"),
    }
}

fn collection(resource: &Resource) -> String {
    let root = if resource.group.is_empty() { "/api".into() } else { format!("/apis/{}", resource.group) };
    let namespace = if resource.namespaced { "/namespaces/default" } else { "" };
    format!("{root}/{}{namespace}/{}", resource.version, resource.plural)
}

fn stored_only() -> impl Iterator<Item = &'static Resource> {
    resource::resources().iter().filter(|resource| !resource.stored_only.is_empty())
}

#[tokio::test]
async fn every_companion_is_made_changed_listed_and_deleted_and_every_write_warns() {
    let cluster = Cluster::new().await;
    let mut count = 0;
    for resource in stored_only() {
        let all = collection(resource);
        let mut object = small(resource.kind);
        object["metadata"] = json!({"name": "x"});
        let warned = json!([format!("299 - \"{}\"", resource.stored_only)]);
        let json = [("content-type", "application/json")];
        let query = "?fieldValidation=Strict&fieldManager=kubectl-client-side-apply";
        let made = cluster.send(&format!("POST {all}{query}"), &json, object.to_string()).await;
        assert_eq!(json!(warnings(made.headers())), warned, "{}", resource.kind);
        let (code, made) = read(made).await;
        assert_eq!(code, 201, "{}: {made}", resource.kind);
        let again = cluster.send(&format!("PUT {all}/x"), &json, made.to_string()).await;
        assert_eq!(json!(warnings(again.headers())), warned, "{}", resource.kind);
        let (code, again) = read(again).await;
        assert_eq!((code, &again), (200, &made), "{}: what was read is no change", resource.kind);
        let label = json!({"metadata": {"labels": {"a": "b"}}});
        let labelled = cluster.check(&format!("PATCH {all}/x"), label, 200).await;
        assert_eq!(labelled["metadata"]["generation"], made["metadata"]["generation"], "{}", resource.kind);
        if resource.has_status {
            let status = cluster.send(&format!("PUT {all}/x/status"), &json, labelled.to_string()).await;
            assert_eq!((status.status().as_u16(), warnings(status.headers())), (200, Vec::new()), "{}", resource.kind);
        }
        assert_eq!(super::names(&cluster.check(&format!("GET {all}?labelSelector=a"), Value::Null, 200).await), ["x"]);
        cluster.check(&format!("DELETE {all}/x"), Value::Null, 200).await;
        cluster.check(&format!("GET {all}/x"), Value::Null, 404).await;
        count += 1;
    }
    assert!(count > 20, "only {count} kinds");
}

/// A binding must not look as if it had given access, nor give it.
#[tokio::test]
async fn a_role_binding_grants_nothing() {
    let cluster = Cluster::new().await;
    let mut binding = small("ClusterRoleBinding");
    binding["metadata"] = json!({"name": "x"});
    cluster.check("POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding, 201).await;
    let user = User { name: "u".into(), ..User::default() };
    let answer = cluster.send_as(user, "GET /api/v1/namespaces/default/pods", &[], "").await;
    assert_eq!(answer.status().as_u16(), 403);
}

#[tokio::test]
async fn replicas_are_scaled() {
    let cluster = Cluster::new().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let mut deployment = small("Deployment");
    deployment["metadata"] = json!({"name": "d"});
    let made = cluster.check(&format!("POST {deployments}"), deployment, 201).await;
    let scale = cluster.check(&format!("GET {deployments}/d/scale"), Value::Null, 200).await;
    assert_eq!(
        (&scale["kind"], &scale["spec"], &scale["status"]["selector"]),
        (&json!("Scale"), &json!({"replicas": 1}), &json!("app=a"))
    );
    let more = json!({"spec": {"replicas": 3}});
    let scaled = cluster.check(&format!("PATCH {deployments}/d/scale?fieldManager=kubectl-scale"), more, 200).await;
    assert_eq!((&scaled["spec"]["replicas"], &scaled["metadata"]["uid"]), (&json!(3), &made["metadata"]["uid"]));
    // The first scale has been overtaken.
    cluster.check(&format!("PUT {deployments}/d/scale"), scale, 409).await;
    cluster.check(&format!("PATCH {deployments}/d/scale"), json!({"spec": {"replicas": -1}}), 422).await;
    let now = cluster.check(&format!("GET {deployments}/d"), Value::Null, 200).await;
    assert_eq!((&now["spec"]["replicas"], &now["metadata"]["generation"]), (&json!(3), &json!(2)));
    cluster.check(&format!("PUT {deployments}/d/scale"), json!({"metadata": {"name": "d"}, "spec": {}}), 200).await;
    assert_eq!(cluster.check(&format!("GET {deployments}/d"), Value::Null, 200).await["spec"]["replicas"], 0);
}

#[tokio::test]
async fn a_service_keeps_the_address_that_it_was_given() {
    let cluster = Cluster::new().await;
    let services = "/api/v1/namespaces/default/services";
    let service = |address: Value| json!({"metadata": {"name": "s"}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}});
    cluster.check(&format!("POST {services}"), service(json!("10.96.0.7")), 201).await;
    let kept = cluster.check(&format!("PUT {services}/s"), service(Value::Null), 200).await;
    assert_eq!((&kept["spec"]["clusterIP"], &kept["spec"]["clusterIPs"]), (&json!("10.96.0.7"), &json!(["10.96.0.7"])));
    cluster.check(&format!("PUT {services}/s"), service(json!("10.96.0.8")), 422).await;
    let named = cluster.check(&format!("GET {services}?fieldSelector=spec.clusterIP%3D10.96.0.7"), Value::Null, 200).await;
    assert_eq!(super::names(&named), ["s"]);
}
