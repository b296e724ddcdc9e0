//! Faults of objects, with upstream's fields, reasons and words (`pkg/apis/*/validation`).
//!
//! Every rule takes an [`At`](fault::At), a value together with its path, and adds to [`Faults`](fault::Faults).

mod access;
mod address;
mod admission_policy;
mod amounts;
mod api_service;
mod autoscaler;
mod batch;
mod budget;
mod certificate;
mod container;
mod daemon_set;
mod data;
mod definition;
mod devices;
mod environment;
mod event;
mod fault;
mod flow_control;
mod form;
mod ingress;
mod labels;
mod limits;
mod metadata;
mod network;
mod node;
mod persistent;
mod pod;
mod pod_spec;
mod probe;
mod replicas;
mod review;
mod schedule;
mod scheduling;
mod security;
mod service;
mod small_kinds;
mod storage;
mod volume;
mod warnings;
mod webhook;

use crate::resource::Resource;
use crate::status_error::Cause;
use fault::{At, Faults};
use serde_json::Value;

/// All faults of a defaulted object about to be created.
pub fn create(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let at = At::root(object);
    metadata::create(resource, &at.field("metadata"), &mut faults);
    if resource.custom.is_some() {
        return faults.into_causes();
    }
    match resource.kind {
        "Ingress" => ingress::create(&at, &mut faults),
        "HorizontalPodAutoscaler" => autoscaler::spec(&at.field("spec"), 1, &mut faults),
        "CertificateSigningRequest" => certificate::create(&at, &mut faults),
        "ResourceClaim" => devices::claim(&at.field("spec"), &mut faults),
        "ResourceClaimTemplate" => devices::claim(&at.field("spec").field("spec"), &mut faults),
        _ => of_kind(resource, &at, &mut faults),
    }
    if crate::event::is_new_face(resource) {
        event::new_style(&at, &mut faults);
    }
    faults.into_causes()
}

/// All faults of an update of `old` to `new`, through the object's own path or a subresource's.
pub fn update(resource: &Resource, subresource: Option<&str>, old: &Value, new: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let (old, new) = (At::root(old), At::root(new));
    metadata::update(&old.field("metadata"), &new.field("metadata"), &mut faults);
    if resource.custom.is_some() {
        // Its definition says all else, be the kind called as one of those built in or not.
        return faults.into_causes();
    }
    match (resource.kind, subresource) {
        ("DaemonSet", None) => daemon_set::update(&old, &new, &mut faults),
        ("DaemonSet", Some("status")) => daemon_set::status(&old, &new, &mut faults),
        ("Pod", None) => pod::update(&old, &new, &mut faults),
        ("Pod", Some("status")) => pod::status(&old, &new, &mut faults),
        ("Node", None) => node::update(&old, &new, &mut faults),
        ("Node", Some("status")) => node::status(&new, &mut faults),
        (kind @ ("Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet"), Some("status")) => {
            replicas::status(kind, &old, &new, &mut faults);
        }
        ("Ingress", Some("status")) => ingress::status(&new, &mut faults),
        ("HorizontalPodAutoscaler", Some("status")) => autoscaler::status(&new, &mut faults),
        ("CertificateSigningRequest", part) => certificate::update(part, &old, &new, &mut faults),
        ("APIService", Some("status")) => api_service::status(&new, &mut faults),
        ("FlowSchema" | "PriorityLevelConfiguration", Some("status")) => flow_control::status(&new, &mut faults),
        ("ResourceClaim", Some("status")) => devices::claim_status(&old, &new, &mut faults),
        ("CustomResourceDefinition", None) => definition::update(&old, &new, &mut faults),
        ("CustomResourceDefinition", Some("status")) => definition::status(&new, &mut faults),
        ("Namespace", Some("finalize")) => small_kinds::namespace(&new, &mut faults),
        (_, Some(_)) => {}
        (kind, None) => {
            of_kind(resource, &new, &mut faults);
            match kind {
                "ConfigMap" => data::frozen(&old, &new, &mut faults),
                "Secret" => {
                    faults.immutable(&old.field("type"), &new.field("type"));
                    data::frozen(&old, &new, &mut faults);
                }
                "ControllerRevision" => faults.immutable(&old.field("data"), &new.field("data")),
                "Event" if crate::event::is_new_face(resource) => event::kept(&old, &new, &mut faults),
                "PriorityClass" => small_kinds::priority_kept(&old, &new, &mut faults),
                "Deployment" | "ReplicaSet" => {
                    faults.immutable(&old.field("spec").field("selector"), &new.field("spec").field("selector"));
                }
                "StatefulSet" => replicas::stateful_set_kept(&old, &new, &mut faults),
                "IngressClass" => {
                    faults.immutable(&old.field("spec").field("controller"), &new.field("spec").field("controller"));
                }
                "Job" => batch::job_kept(&old, &new, &mut faults),
                "Service" => service::kept(&old, &new, &mut faults),
                "RoleBinding" | "ClusterRoleBinding" => access::role_kept(&old, &new, &mut faults),
                "EndpointSlice" => faults.immutable(&old.field("addressType"), &new.field("addressType")),
                "StorageClass" => storage::class_kept(&old, &new, &mut faults),
                "CSINode" => storage::node_kept(&old, &new, &mut faults),
                "CSIStorageCapacity" => storage::capacity_kept(&old, &new, &mut faults),
                "VolumeAttributesClass" => storage::attributes_class_kept(&old, &new, &mut faults),
                "Ingress" => ingress::spec(&new.field("spec"), &mut faults),
                // Whoever scales to zero may go on doing so.
                "HorizontalPodAutoscaler" => {
                    let least = i64::from(old.field("spec").value["minReplicas"] != 0);
                    autoscaler::spec(&new.field("spec"), least, &mut faults);
                }
                "IPAddress" => {
                    faults.immutable(&old.field("spec").field("parentRef"), &new.field("spec").field("parentRef"));
                }
                "ServiceCIDR" => faults.immutable(&old.field("spec").field("cidrs"), &new.field("spec").field("cidrs")),
                "ResourceClaim" | "ResourceClaimTemplate" => faults.immutable(&old.field("spec"), &new.field("spec")),
                "ResourceSlice" => devices::slice_kept(&old, &new, &mut faults),
                "CSIDriver" => storage::driver_kept(&old, &new, &mut faults),
                "VolumeAttachment" => faults.immutable(&old.field("spec"), &new.field("spec")),
                "RuntimeClass" => faults.immutable(&old.field("handler"), &new.field("handler")),
                "ResourceQuota" => {
                    faults.immutable(&old.field("spec").field("scopes"), &new.field("spec").field("scopes"));
                }
                "PersistentVolume" => persistent::volume_kept(&old, &new, &mut faults),
                "PersistentVolumeClaim" => persistent::claim_kept(&old, &new, &mut faults),
                _ => {}
            }
        }
    }
    faults.into_causes()
}

/// All faults of a review, as decoded.
pub fn review(kind: &str, object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    review::check(kind, &At::root(object), &mut faults);
    faults.into_causes()
}

/// What to warn the writer of: on create, and for a DaemonSet when its template changes. People seldom update pods.
pub fn warnings(resource: &Resource, old: Option<&Value>, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let at = At::root(new);
    match (resource.kind, old) {
        _ if resource.custom.is_some() => {}
        ("Pod", None) => warnings::pod(&at, &mut found),
        ("CustomResourceDefinition", None) => definition::warnings(&at, &mut found),
        ("DaemonSet", old) if old.is_none_or(|old| old["spec"]["template"] != new["spec"]["template"]) => {
            warnings::template(&at.field("spec").field("template"), &mut found);
        }
        _ => {}
    }
    found
}

/// What a writer must know of a kind that nothing acts on.
pub fn stored_only(resource: &Resource) -> Option<String> {
    (!resource.stored_only.is_empty()).then(|| resource.stored_only.into())
}

/// What holds for an object of that kind when it is created, and for most also when it is changed.
fn of_kind(resource: &Resource, at: &At<'_>, faults: &mut Faults) {
    match resource.kind {
        "DaemonSet" => daemon_set::spec(&at.field("spec"), faults),
        "Pod" => pod::create(at, faults),
        "Node" => node::check(at, faults),
        "ConfigMap" => data::config_map(at, faults),
        "Secret" => data::secret(at, faults),
        "ControllerRevision" => data::revision(at, faults),
        "PriorityClass" => small_kinds::priority_class(at, faults),
        "Lease" => small_kinds::lease(at, faults),
        "Event" => event::check(at, faults),
        "Namespace" => small_kinds::namespace(at, faults),
        "Deployment" => replicas::deployment(&at.field("spec"), faults),
        "ReplicaSet" => replicas::replica_set(&at.field("spec"), faults),
        "StatefulSet" => replicas::stateful_set(&at.field("spec"), faults),
        "Job" => batch::job(at, faults),
        "CronJob" => batch::cron_job(at, faults),
        "Service" => service::spec(&at.field("spec"), faults),
        "Role" | "ClusterRole" => access::role(at, resource.namespaced, faults),
        "RoleBinding" | "ClusterRoleBinding" => access::binding(at, resource.namespaced, faults),
        "PodDisruptionBudget" => budget::spec(&at.field("spec"), faults),
        "IngressClass" => network::ingress_class(&at.field("spec"), faults),
        "NetworkPolicy" => network::policy(&at.field("spec"), faults),
        "Endpoints" => network::endpoints(at, faults),
        "EndpointSlice" => network::endpoint_slice(at, faults),
        "LimitRange" => limits::limit_range(&at.field("spec"), faults),
        "ResourceQuota" => limits::quota(&at.field("spec"), faults),
        "StorageClass" => storage::class(at, faults),
        "CSIDriver" => storage::driver(at, faults),
        "CSINode" => storage::node(&at.field("spec"), faults),
        "VolumeAttachment" => storage::attachment(&at.field("spec"), faults),
        "RuntimeClass" => storage::runtime(at, faults),
        "PersistentVolume" => persistent::volume(&at.field("spec"), faults),
        "PersistentVolumeClaim" => persistent::claim(&at.field("spec"), faults),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => webhook::configuration(at, faults),
        "ReplicationController" => replicas::replication_controller(&at.field("spec"), faults),
        "PodTemplate" => daemon_set::any_template(&at.field("template"), faults),
        "IPAddress" => address::parent(&at.field("spec"), faults),
        "ServiceCIDR" => address::ranges(&at.field("spec"), faults),
        "CSIStorageCapacity" => storage::capacity(at, faults),
        "VolumeAttributesClass" => storage::attributes_class(at, faults),
        "ValidatingAdmissionPolicy" => admission_policy::validating(at, faults),
        "MutatingAdmissionPolicy" => admission_policy::mutating(at, faults),
        "ValidatingAdmissionPolicyBinding" => admission_policy::binding(&at.field("spec"), true, faults),
        "MutatingAdmissionPolicyBinding" => admission_policy::binding(&at.field("spec"), false, faults),
        "APIService" => api_service::check(at, faults),
        "FlowSchema" => flow_control::schema(at, faults),
        "PriorityLevelConfiguration" => flow_control::level(at, faults),
        "DeviceClass" => devices::class(&at.field("spec"), faults),
        "ResourceSlice" => devices::slice(&at.field("spec"), faults),
        "CustomResourceDefinition" => definition::create(at, faults),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
