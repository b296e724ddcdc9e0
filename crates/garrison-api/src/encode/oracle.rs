//! What is written, read with the messages that are generated from Kubernetes' own definitions.

use super::tests::{kinds, object, read};
use super::*;
use k8s_pb::api::{
    admissionregistration, apps, authentication, authorization, autoscaling, batch, certificates, coordination, core, discovery,
    events, flowcontrol, networking, node, policy, rbac, resource, scheduling, storage,
};
use k8s_pb::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_pb::apimachinery::pkg::{apis::meta, runtime::Unknown};
use k8s_pb::kube_aggregator::pkg::apis::apiregistration;
use proptest::prelude::*;
use prost::{DecodeError, Message};
use serde_json::json;

/// The message in a body that says this version and kind.
pub(super) fn open<M: Message + Default>(body: &[u8], version: &str, kind: &str) -> M {
    let unknown = Unknown::decode(body.strip_prefix(MAGIC).unwrap()).unwrap();
    let said = unknown.type_meta.unwrap();
    assert_eq!((said.api_version.as_deref(), said.kind.as_deref()), (Some(version), Some(kind)));
    M::decode(&unknown.raw.unwrap()[..]).unwrap()
}

/// Reads a message as Kubernetes' own definition has it, and writes it again.
fn again<M: Message + Default>(message: &[u8]) -> Result<Vec<u8>, DecodeError> {
    M::decode(message).map(|message| message.encode_to_vec())
}

/// [`again`] with the definition of that kind.
fn through(version: &str, kind: &str, message: &[u8]) -> Result<Vec<u8>, DecodeError> {
    macro_rules! read_as {
        ($($group:ident { $($kind:ident)* })*) => {
            match (version.split_once('/').map_or("core", |(group, _)| group.trim_end_matches(".k8s.io")), kind) {
                (_, "DeleteOptions") => again::<meta::v1::DeleteOptions>(message),
                (_, "Status") => again::<meta::v1::Status>(message),
                ("autoscaling", "HorizontalPodAutoscaler") if version == "autoscaling/v2" => again::<autoscaling::v2::HorizontalPodAutoscaler>(message),
                // The same messages, which were promoted as they are.
                (_, "MutatingAdmissionPolicy") => again::<admissionregistration::v1beta1::MutatingAdmissionPolicy>(message),
                (_, "MutatingAdmissionPolicyBinding") => {
                    again::<admissionregistration::v1beta1::MutatingAdmissionPolicyBinding>(message)
                }
                $($((stringify!($group), stringify!($kind)) => again::<$group::v1::$kind>(message),)*)*
                _ => panic!("{version} {kind} has no definition here"),
            }
        };
    }
    read_as! {
        core {
            Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate
            ReplicationController ResourceQuota Secret Service ServiceAccount
        }
        admissionregistration {
            MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
            ValidatingWebhookConfiguration
        }
        apiextensions { CustomResourceDefinition }
        apiregistration { APIService }
        apps { ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet }
        authentication { SelfSubjectReview TokenRequest TokenReview }
        authorization { LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview }
        autoscaling { HorizontalPodAutoscaler Scale }
        batch { CronJob Job }
        certificates { CertificateSigningRequest }
        coordination { Lease }
        discovery { EndpointSlice }
        events { Event }
        flowcontrol { FlowSchema PriorityLevelConfiguration }
        networking { IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR }
        node { RuntimeClass }
        policy { Eviction PodDisruptionBudget }
        rbac { ClusterRole ClusterRoleBinding Role RoleBinding }
        resource { DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice }
        scheduling { PriorityClass }
        storage { CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass }
    }
}

proptest! {
    /// A field that the definition does not have, or has otherwise, would not come back.
    #[test]
    fn kubernetes_own_messages_hold_all_of_it(object in object(kinds(), true)) {
        let text = |field: &str| object[field].as_str().unwrap();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let theirs = through(version, kind, &message(version, kind, &object).unwrap());
        prop_assert_eq!(read(&envelope(version, kind, &theirs.unwrap()), &object), object);
    }
}

#[test]
fn values_lie_in_the_fields_of_their_names() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "p", "annotations": {"a": "b"}, "generation": 3, "creationTimestamp": "2024-01-02T03:04:05Z",
            "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true}],
        },
        "spec": {
            "hostNetwork": true,
            "volumes": [{"name": "v", "hostPath": {"path": "/x", "type": ""}}],
            "containers": [{
                "name": "c", "image": "i", "ports": [{"containerPort": 80}],
                "resources": {"limits": {"memory": "1Gi", "cpu": "100m"}},
                "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
                "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                "securityContext": {"runAsUser": 0},
            }],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null}]},
    });
    let pod: core::v1::Pod = open(&body(&pod).unwrap(), "v1", "Pod");
    let (metadata, spec, status) = (pod.metadata.unwrap(), pod.spec.unwrap(), pod.status.unwrap());
    assert_eq!((metadata.name.as_deref(), metadata.generation), (Some("p"), Some(3)));
    assert_eq!(metadata.annotations["a"], "b");
    assert_eq!(metadata.creation_timestamp.unwrap().seconds, Some(1_704_164_645));
    assert_eq!(metadata.managed_fields[0].fields_v1.as_ref().unwrap().raw.as_deref(), Some(&b"{\"f:spec\":{}}"[..]));
    let owner = &metadata.owner_references[0];
    assert_eq!((owner.kind.as_deref(), owner.controller, owner.block_owner_deletion), (Some("DaemonSet"), Some(true), None));
    assert_eq!(spec.host_network, Some(true));
    let source = spec.volumes[0].volume_source.as_ref().unwrap();
    assert_eq!(source.host_path.as_ref().unwrap().path.as_deref(), Some("/x"));
    let container = &spec.containers[0];
    assert_eq!((container.image.as_deref(), container.ports[0].container_port), (Some("i"), Some(80)));
    assert_eq!(container.resources.as_ref().unwrap().limits["memory"].string.as_deref(), Some("1Gi"));
    let probe = container.liveness_probe.as_ref().unwrap();
    let port = probe.handler.as_ref().unwrap().http_get.as_ref().unwrap().port.as_ref().unwrap();
    assert_eq!((port.r#type, port.str_val.as_deref(), probe.period_seconds), (Some(1), Some("http"), Some(5)));
    let from = container.env[0].value_from.as_ref().unwrap();
    assert_eq!(from.field_ref.as_ref().unwrap().field_path.as_deref(), Some("spec.nodeName"));
    assert_eq!(container.security_context.as_ref().unwrap().run_as_user, Some(0), "root is not nobody");
    assert_eq!((status.phase.as_deref(), status.conditions[0].last_probe_time), (Some("Running"), None));
}

#[test]
fn types_within_objects_are_not_those_of_the_objects() {
    let about = json!({"kind": "Pod", "apiVersion": "v1", "name": "p"});
    let event = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": about, "eventTime": "2024-01-02T03:04:05.000006Z"});
    let event: core::v1::Event = open(&body(&event).unwrap(), "v1", "Event");
    assert_eq!(event.involved_object.unwrap().kind.as_deref(), Some("Pod"));
    assert_eq!(event.event_time.unwrap().nanos, Some(6000));
    let status = crate::Status::not_found("apps", "daemonsets", "d").with_cause("r", "m", "f");
    let status: meta::v1::Status = open(&body(&status.to_value()).unwrap(), "v1", "Status");
    let details = status.details.unwrap();
    assert_eq!((status.code, details.kind.as_deref()), (Some(404), Some("daemonsets")));
    assert_eq!(details.causes[0].field.as_deref(), Some("f"));
}

#[test]
fn a_frame_is_as_long_as_it_says() {
    let partial = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "x".repeat(300)}});
    let frame = frame("ADDED", &body(&partial).unwrap());
    let (length, event) = frame.split_at(4);
    assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, event.len());
    let event = meta::v1::WatchEvent::decode(event).unwrap();
    assert_eq!(event.r#type.as_deref(), Some("ADDED"));
    let object: meta::v1::PartialObjectMetadata =
        open(&event.object.unwrap().raw.unwrap(), "meta.k8s.io/v1", "PartialObjectMetadata");
    assert_eq!(object.metadata.unwrap().name.unwrap().len(), 300);
}
