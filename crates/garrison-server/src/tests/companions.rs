//! Kinds that come along with daemons in their manifests: stored, and said to be no more than that.

use super::{Cluster, read, warnings};
use crate::identity::User;
use base64::{Engine, engine::general_purpose::STANDARD};
use garrison_api::{Resource, resource};
use serde_json::{Value, json};

/// A small object of every kind that is stored only, without its metadata.
fn small(kind: &str) -> Value {
    let template = |restart: &str| {
        let spec = json!({"restartPolicy": restart, "containers": [{"name": "c", "image": "i"}]});
        json!({"metadata": {"labels": {"app": "a"}}, "spec": spec})
    };
    let replicas = json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template("Always")}});
    let modes = json!(["ReadWriteOnce"]);
    let claim = json!({"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}});
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
        "CSIDriver" => json!({"spec": {}}),
        "CSINode" => json!({"spec": {"drivers": []}}),
        "StorageClass" => json!({"provisioner": "a.io/b"}),
        "VolumeAttachment" => {
            json!({"spec": {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}}})
        }
        "RuntimeClass" => json!({"handler": "runsc"}),
        "PodTemplate" => json!({"template": template("Always")}),
        "ReplicationController" => json!({"spec": {"selector": {"app": "a"}, "template": template("Always")}}),
        "HorizontalPodAutoscaler" => {
            json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}})
        }
        "CertificateSigningRequest" => {
            json!({"spec": {"request": signing_request(), "signerName": "a.io/b", "usages": ["client auth"]}})
        }
        "Ingress" => json!({"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}}),
        "IPAddress" => json!({"spec": {"parentRef": {"resource": "services", "namespace": "n", "name": "s"}}}),
        "ServiceCIDR" => json!({"spec": {"cidrs": ["10.1.0.0/16"]}}),
        "CSIStorageCapacity" => json!({"storageClassName": "c", "capacity": "1Gi"}),
        "VolumeAttributesClass" => json!({"driverName": "a.io", "parameters": {"a": "b"}}),
        "ValidatingAdmissionPolicy" => {
            json!({"spec": {"matchConstraints": matched(), "validations": [{"expression": "true"}]}})
        }
        "MutatingAdmissionPolicy" => {
            let patch = json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}});
            json!({"spec": {"matchConstraints": matched(), "reinvocationPolicy": "Never", "mutations": [patch]}})
        }
        "ValidatingAdmissionPolicyBinding" => json!({"spec": {"policyName": "p", "validationActions": ["Deny"]}}),
        "MutatingAdmissionPolicyBinding" => json!({"spec": {"policyName": "p"}}),
        "APIService" => {
            let service = json!({"namespace": "n", "name": "s"});
            json!({"spec": {"group": "x.io", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10, "service": service}})
        }
        "FlowSchema" => json!({"spec": {"priorityLevelConfiguration": {"name": "p"}}}),
        "PriorityLevelConfiguration" => {
            json!({"spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}})
        }
        "DeviceClass" => json!({"spec": {"selectors": [{"cel": {"expression": "true"}}]}}),
        "ResourceClaim" => json!({"spec": claim}),
        "ResourceClaimTemplate" => json!({"spec": {"spec": claim}}),
        "ResourceSlice" => {
            let pool = json!({"name": "p", "generation": 0, "resourceSliceCount": 1});
            json!({"spec": {"driver": "a.io", "pool": pool, "nodeName": "n", "devices": [{"name": "d"}]}})
        }
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => json!({"webhooks": []}),
        other => panic!("{other} is stored only, and unknown to this test"),
    }
}

/// What an object of the kind is called: some kinds are named after what they say.
fn name(kind: &str) -> &'static str {
    match kind {
        "APIService" => "v1.x.io",
        "IPAddress" => "10.0.0.9",
        _ => "x",
    }
}

fn matched() -> Value {
    json!({"resourceRules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]})
}

/// A request for a certificate, as it lies in an object.
fn signing_request() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default().serialize_request(&key).expect("a request");
    STANDARD.encode(request.pem().expect("text"))
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
        let name = name(resource.kind);
        object["metadata"] = json!({"name": name});
        let warned = json!([format!("299 - \"{}\"", resource.stored_only)]);
        let json = [("content-type", "application/json")];
        let query = "?fieldValidation=Strict&fieldManager=kubectl-client-side-apply";
        let made = cluster.send(&format!("POST {all}{query}"), &json, object.to_string()).await;
        assert_eq!(json!(warnings(made.headers())), warned, "{}", resource.kind);
        let (code, made) = read(made).await;
        assert_eq!(code, 201, "{}: {made}", resource.kind);
        let again = cluster.send(&format!("PUT {all}/{name}"), &json, made.to_string()).await;
        assert_eq!(json!(warnings(again.headers())), warned, "{}", resource.kind);
        let (code, again) = read(again).await;
        assert_eq!((code, &again), (200, &made), "{}: what was read is no change", resource.kind);
        let label = json!({"metadata": {"labels": {"a": "b"}}});
        let labelled = cluster.check(&format!("PATCH {all}/{name}"), label, 200).await;
        assert_eq!(labelled["metadata"]["generation"], made["metadata"]["generation"], "{}", resource.kind);
        if resource.has_status {
            let status = cluster.send(&format!("PUT {all}/{name}/status"), &json, labelled.to_string()).await;
            assert_eq!((status.status().as_u16(), warnings(status.headers())), (200, Vec::new()), "{}", resource.kind);
        }
        assert_eq!(super::names(&cluster.check(&format!("GET {all}?labelSelector=a"), Value::Null, 200).await), [name]);
        cluster.check(&format!("DELETE {all}/{name}"), Value::Null, 200).await;
        cluster.check(&format!("GET {all}/{name}"), Value::Null, 404).await;
        count += 1;
    }
    assert!(count > 40, "only {count} kinds");
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

#[tokio::test]
async fn signing_requests_say_who_asks_and_are_decided_apart_from_the_rest() {
    let cluster = Cluster::new().await;
    let all = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let mut request = small("CertificateSigningRequest");
    request["metadata"] = json!({"name": "r"});
    request["spec"]["username"] = "somebody else".into();
    let made = cluster.check(&format!("POST {all}"), request, 201).await;
    assert_eq!(made["spec"]["username"], User::controllers().name);
    assert_eq!(made["spec"]["groups"], json!(User::controllers().groups));

    let approved = json!([{"type": "Approved", "status": "True", "reason": "ByHand"}]);
    let mut changed = made.clone();
    changed["spec"]["signerName"] = "other.io/x".into();
    changed["status"] = json!({"conditions": approved});
    let kept = cluster.check(&format!("PUT {all}/r"), changed.clone(), 200).await;
    assert_eq!((&kept["spec"], &kept["status"]), (&made["spec"], &json!({})), "what is asked for stays");
    let refused = cluster.check(&format!("PUT {all}/r/status"), changed.clone(), 422).await;
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("may not add a condition of type")), "{refused}");
    let decided = cluster.check(&format!("PUT {all}/r/approval"), changed, 200).await;
    assert!(decided["status"]["conditions"][0]["lastUpdateTime"].is_string(), "{decided}");
    cluster.check(&format!("PATCH {all}/r/approval"), json!({"status": {"conditions": []}}), 422).await;
    let both = json!({"status": {"conditions": [{"type": "Denied", "status": "True"}]}});
    cluster.check(&format!("PATCH {all}/r/approval"), both, 422).await;

    let certificate = STANDARD.encode("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    cluster.check(&format!("PATCH {all}/r/approval"), json!({"status": {"certificate": certificate}}), 200).await;
    assert_eq!(cluster.check(&format!("GET {all}/r/approval"), Value::Null, 200).await["status"]["certificate"], Value::Null);
    let bad = json!({"status": {"certificate": STANDARD.encode("text")}});
    cluster.check(&format!("PATCH {all}/r/status"), bad, 422).await;
    cluster.check(&format!("PATCH {all}/r/status"), json!({"status": {"certificate": certificate}}), 200).await;
    let selected = cluster.check(&format!("GET {all}?fieldSelector=spec.signerName%3Da.io%2Fb"), Value::Null, 200).await;
    assert_eq!(super::names(&selected), ["r"]);
}

#[tokio::test]
async fn own_api_services_are_available_and_those_of_others_are_not() {
    let cluster = Cluster::new().await;
    let all = "/apis/apiregistration.k8s.io/v1/apiservices";
    let available = |service: &Value| service["status"]["conditions"][0].clone();
    let own = cluster.check(&format!("GET {all}/v1.apps"), Value::Null, 200).await;
    assert_eq!((&available(&own)["status"], &available(&own)["reason"]), (&json!("True"), &json!("Local")));
    let mut foreign = small("APIService");
    foreign["metadata"] = json!({"name": "v1.x.io"});
    let made = cluster.check(&format!("POST {all}"), foreign, 201).await;
    assert_eq!((&available(&made)["status"], &available(&made)["reason"]), (&json!("False"), &json!("NotAggregated")));
    assert_eq!(made["spec"]["service"]["port"], 443);
    cluster.check("GET /apis/x.io/v1", Value::Null, 404).await;
}

#[tokio::test]
async fn a_replication_controller_is_scaled_by_its_bare_selector() {
    let cluster = Cluster::new().await;
    let all = "/api/v1/namespaces/default/replicationcontrollers";
    let mut controller = small("ReplicationController");
    controller["metadata"] = json!({"name": "c"});
    controller["spec"]["selector"] = Value::Null;
    let made = cluster.check(&format!("POST {all}"), controller, 201).await;
    assert_eq!((&made["spec"]["selector"], &made["metadata"]["labels"]), (&json!({"app": "a"}), &json!({"app": "a"})));
    let more = json!({"spec": {"replicas": 3}});
    let scaled = cluster.check(&format!("PATCH {all}/c/scale"), more, 200).await;
    assert_eq!((&scaled["spec"]["replicas"], &scaled["status"]["selector"]), (&json!(3), &json!("app=a")));
    let found = cluster.check(&format!("GET {all}?fieldSelector=status.replicas%3D0"), Value::Null, 200).await;
    assert_eq!(super::names(&found), ["c"]);
}
