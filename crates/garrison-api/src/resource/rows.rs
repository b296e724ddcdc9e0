//! The rows: everything that is served, and nothing else.

use super::{Resource, Subresource, fields, reviews};

const ALL: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS: &[&str] = &["get", "patch", "update"];
pub(super) const CREATE: &[&str] = &["create"];
const CONNECT: &[&str] = &["create", "get"];

const fn sub(name: &'static str, api_version: &'static str, kind: &'static str, verbs: &'static [&'static str]) -> Subresource {
    Subresource { name, api_version, kind, verbs }
}

/// A row of the core group with what most kinds share.
pub(super) const BASE: Resource = Resource {
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL,
    subresources: &[],
    selectable_fields: &[],
    field: fields::none,
    unconditional_update: true,
    has_status: false,
    stored_only: "",
    custom: None,
};

/// How many replicas there shall be, for all kinds that have some.
const SCALE: Subresource = sub("scale", "autoscaling/v1", "Scale", STATUS);

/// Of the kinds that say who may do what.
const ACCESS: Resource = Resource { group: "rbac.authorization.k8s.io", ..BASE };
const NO_ENDPOINTS: &str = "endpoints are stored, nothing sends traffic to them";
const NO_VOLUME: &str = "persistent volumes and claims are stored, nothing binds, provisions or mounts them";

/// Of the kinds around storage drivers.
const CSI: Resource = Resource {
    group: "storage.k8s.io",
    namespaced: false,
    unconditional_update: false,
    stored_only: "CSI objects are stored, nothing attaches, mounts or provisions volumes by them",
    ..BASE
};
/// Of the kinds that let others have a say in admission.
const WEBHOOKS: Resource = Resource {
    group: "admissionregistration.k8s.io",
    categories: &["api-extensions"],
    namespaced: false,
    unconditional_update: false,
    stored_only: "webhook configurations are stored, no webhook is called",
    ..BASE
};
/// Of the kinds that have a say in admission themselves.
const POLICIES: Resource = Resource { stored_only: "admission policies are stored, none is evaluated", ..WEBHOOKS };
/// Of the kinds that say which request comes before which.
const FLOW_CONTROL: Resource = Resource {
    group: "flowcontrol.apiserver.k8s.io",
    namespaced: false,
    has_status: true,
    stored_only: "flow schemas and priority levels are stored, no request waits because of them",
    ..BASE
};
/// Of the addresses from which services get theirs.
const ADDRESSES: Resource = Resource {
    group: "networking.k8s.io",
    namespaced: false,
    stored_only: "addresses and ranges of services are stored, none is allocated from them",
    ..BASE
};
/// Of the devices that pods may claim.
const DEVICES: Resource =
    Resource { group: "resource.k8s.io", stored_only: "devices, their classes and claims are stored, none is allocated", ..BASE };

/// What scales pods by itself; it is shown in two versions.
const AUTOSCALER: Resource = Resource {
    group: "autoscaling",
    version: "v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    singular: "horizontalpodautoscaler",
    short_names: &["hpa"],
    categories: &["all"],
    subresources: &[sub("status", "", "HorizontalPodAutoscaler", STATUS)],
    has_status: true,
    stored_only: "pod autoscalers are stored, nothing is scaled by them",
    ..BASE
};

pub(super) const ROWS: &[Resource] = &[
    Resource { kind: "ConfigMap", plural: "configmaps", singular: "configmap", short_names: &["cm"], ..BASE },
    Resource {
        kind: "Endpoints",
        plural: "endpoints",
        singular: "endpoints",
        short_names: &["ep"],
        stored_only: NO_ENDPOINTS,
        ..BASE
    },
    Resource {
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        selectable_fields: &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        field: fields::event,
        ..BASE
    },
    Resource {
        kind: "LimitRange",
        plural: "limitranges",
        singular: "limitrange",
        short_names: &["limits"],
        stored_only: "limit ranges are stored, admission does not apply them",
        ..BASE
    },
    Resource {
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        short_names: &["ns"],
        namespaced: false,
        // As upstream: a collection of namespaces is never deleted at once.
        verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
        subresources: &[sub("finalize", "", "Namespace", &["update"]), sub("status", "", "Namespace", STATUS)],
        selectable_fields: &["status.phase"],
        field: fields::path,
        has_status: true,
        ..BASE
    },
    Resource {
        kind: "Node",
        plural: "nodes",
        singular: "node",
        short_names: &["no"],
        namespaced: false,
        subresources: &[sub("status", "", "Node", STATUS)],
        selectable_fields: &["spec.unschedulable"],
        field: fields::node,
        has_status: true,
        ..BASE
    },
    Resource {
        kind: "PersistentVolumeClaim",
        plural: "persistentvolumeclaims",
        singular: "persistentvolumeclaim",
        short_names: &["pvc"],
        subresources: &[sub("status", "", "PersistentVolumeClaim", STATUS)],
        has_status: true,
        stored_only: NO_VOLUME,
        ..BASE
    },
    Resource {
        kind: "PersistentVolume",
        plural: "persistentvolumes",
        singular: "persistentvolume",
        short_names: &["pv"],
        namespaced: false,
        subresources: &[sub("status", "", "PersistentVolume", STATUS)],
        has_status: true,
        stored_only: NO_VOLUME,
        ..BASE
    },
    Resource {
        kind: "Pod",
        plural: "pods",
        singular: "pod",
        short_names: &["po"],
        categories: &["all"],
        subresources: &[
            sub("attach", "", "PodAttachOptions", CONNECT),
            sub("binding", "", "Binding", CREATE),
            sub("eviction", "policy/v1", "Eviction", CREATE),
            sub("exec", "", "PodExecOptions", CONNECT),
            sub("log", "", "Pod", &["get"]),
            sub("portforward", "", "PodPortForwardOptions", CONNECT),
            sub("status", "", "Pod", STATUS),
        ],
        selectable_fields: &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        field: fields::pod,
        has_status: true,
        ..BASE
    },
    Resource {
        kind: "PodTemplate",
        plural: "podtemplates",
        singular: "podtemplate",
        stored_only: "pod templates are stored, no pods are made of them",
        ..BASE
    },
    Resource {
        kind: "ReplicationController",
        plural: "replicationcontrollers",
        singular: "replicationcontroller",
        short_names: &["rc"],
        categories: &["all"],
        subresources: &[SCALE, sub("status", "", "ReplicationController", STATUS)],
        selectable_fields: &["status.replicas"],
        field: fields::replication_controller,
        has_status: true,
        stored_only: "replication controllers are stored, no controller acts on them: no pods are created",
        ..BASE
    },
    Resource {
        kind: "ResourceQuota",
        plural: "resourcequotas",
        singular: "resourcequota",
        short_names: &["quota"],
        subresources: &[sub("status", "", "ResourceQuota", STATUS)],
        has_status: true,
        stored_only: "resource quotas are stored, admission does not enforce them",
        ..BASE
    },
    Resource { kind: "Secret", plural: "secrets", singular: "secret", selectable_fields: &["type"], field: fields::path, ..BASE },
    Resource {
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        subresources: &[sub("token", "authentication.k8s.io/v1", "TokenRequest", CREATE)],
        ..BASE
    },
    Resource {
        kind: "Service",
        plural: "services",
        singular: "service",
        short_names: &["svc"],
        categories: &["all"],
        subresources: &[sub("status", "", "Service", STATUS)],
        selectable_fields: &["spec.clusterIP", "spec.type"],
        field: fields::path,
        has_status: true,
        stored_only: "services get their addresses, and nothing forwards traffic to them yet",
        ..BASE
    },
    Resource {
        group: "apiregistration.k8s.io",
        kind: "APIService",
        plural: "apiservices",
        singular: "apiservice",
        categories: &["api-extensions"],
        namespaced: false,
        subresources: &[sub("status", "", "APIService", STATUS)],
        unconditional_update: false,
        has_status: true,
        stored_only: "API services are stored, no API of another server is served",
        ..BASE
    },
    Resource { group: "apps", kind: "ControllerRevision", plural: "controllerrevisions", singular: "controllerrevision", ..BASE },
    Resource {
        group: "apps",
        kind: "DaemonSet",
        plural: "daemonsets",
        singular: "daemonset",
        short_names: &["ds"],
        categories: &["all"],
        subresources: &[sub("status", "", "DaemonSet", STATUS)],
        has_status: true,
        ..BASE
    },
    Resource {
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        singular: "deployment",
        short_names: &["deploy"],
        categories: &["all"],
        subresources: &[SCALE, sub("status", "", "Deployment", STATUS)],
        has_status: true,
        stored_only: "deployments are stored, no controller acts on them: no pods are created",
        ..BASE
    },
    Resource {
        group: "apps",
        kind: "ReplicaSet",
        plural: "replicasets",
        singular: "replicaset",
        short_names: &["rs"],
        categories: &["all"],
        subresources: &[SCALE, sub("status", "", "ReplicaSet", STATUS)],
        has_status: true,
        stored_only: "replica sets are stored, no controller acts on them: no pods are created",
        ..BASE
    },
    Resource {
        group: "apps",
        kind: "StatefulSet",
        plural: "statefulsets",
        singular: "statefulset",
        short_names: &["sts"],
        categories: &["all"],
        subresources: &[SCALE, sub("status", "", "StatefulSet", STATUS)],
        has_status: true,
        stored_only: "stateful sets are stored, no controller acts on them: no pods are created",
        ..BASE
    },
    reviews::SELF_SUBJECT,
    reviews::TOKEN,
    reviews::SELF_SUBJECT_BETA,
    reviews::LOCAL_SUBJECT_ACCESS,
    reviews::SELF_SUBJECT_ACCESS,
    reviews::SELF_SUBJECT_RULES,
    reviews::SUBJECT_ACCESS,
    AUTOSCALER,
    Resource { version: "v1", ..AUTOSCALER },
    Resource {
        group: "events.k8s.io",
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        selectable_fields: &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        field: fields::path,
        ..BASE
    },
    Resource {
        group: "batch",
        kind: "CronJob",
        plural: "cronjobs",
        singular: "cronjob",
        short_names: &["cj"],
        categories: &["all"],
        subresources: &[sub("status", "", "CronJob", STATUS)],
        has_status: true,
        stored_only: "cron jobs are stored, no controller acts on them: no jobs are created",
        ..BASE
    },
    Resource {
        group: "batch",
        kind: "Job",
        plural: "jobs",
        singular: "job",
        categories: &["all"],
        subresources: &[sub("status", "", "Job", STATUS)],
        selectable_fields: &["status.successful"],
        field: fields::job,
        has_status: true,
        stored_only: "jobs are stored, no controller acts on them: no pods are created",
        ..BASE
    },
    Resource {
        group: "certificates.k8s.io",
        kind: "CertificateSigningRequest",
        plural: "certificatesigningrequests",
        singular: "certificatesigningrequest",
        short_names: &["csr"],
        namespaced: false,
        subresources: &[
            sub("approval", "", "CertificateSigningRequest", STATUS),
            sub("status", "", "CertificateSigningRequest", STATUS),
        ],
        selectable_fields: &["spec.signerName"],
        field: fields::path,
        has_status: true,
        stored_only: "certificate signing requests are stored, nothing signs them",
        ..BASE
    },
    Resource {
        group: "networking.k8s.io",
        kind: "IngressClass",
        plural: "ingressclasses",
        singular: "ingressclass",
        namespaced: false,
        stored_only: "ingress classes are stored, no traffic is routed by them",
        ..BASE
    },
    Resource {
        group: "networking.k8s.io",
        kind: "Ingress",
        plural: "ingresses",
        singular: "ingress",
        short_names: &["ing"],
        subresources: &[sub("status", "", "Ingress", STATUS)],
        has_status: true,
        stored_only: "ingresses are stored, no traffic is routed by them",
        ..BASE
    },
    Resource { kind: "IPAddress", plural: "ipaddresses", singular: "ipaddress", short_names: &["ip"], ..ADDRESSES },
    Resource {
        group: "networking.k8s.io",
        kind: "NetworkPolicy",
        plural: "networkpolicies",
        singular: "networkpolicy",
        short_names: &["netpol"],
        stored_only: "network policies are stored, the built-in network agent filters no traffic by them",
        ..BASE
    },
    Resource {
        kind: "ServiceCIDR",
        plural: "servicecidrs",
        singular: "servicecidr",
        subresources: &[sub("status", "", "ServiceCIDR", STATUS)],
        has_status: true,
        ..ADDRESSES
    },
    Resource {
        group: "policy",
        kind: "PodDisruptionBudget",
        plural: "poddisruptionbudgets",
        singular: "poddisruptionbudget",
        short_names: &["pdb"],
        subresources: &[sub("status", "", "PodDisruptionBudget", STATUS)],
        unconditional_update: false,
        has_status: true,
        ..BASE
    },
    Resource {
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        namespaced: false,
        ..ACCESS
    },
    Resource { kind: "ClusterRole", plural: "clusterroles", singular: "clusterrole", namespaced: false, ..ACCESS },
    Resource { kind: "RoleBinding", plural: "rolebindings", singular: "rolebinding", ..ACCESS },
    Resource { kind: "Role", plural: "roles", singular: "role", ..ACCESS },
    Resource { kind: "CSIDriver", plural: "csidrivers", singular: "csidriver", ..CSI },
    Resource { kind: "CSINode", plural: "csinodes", singular: "csinode", ..CSI },
    Resource {
        kind: "CSIStorageCapacity",
        plural: "csistoragecapacities",
        singular: "csistoragecapacity",
        namespaced: true,
        ..CSI
    },
    Resource {
        kind: "StorageClass",
        plural: "storageclasses",
        singular: "storageclass",
        short_names: &["sc"],
        unconditional_update: true,
        stored_only: "storage classes are stored, nothing provisions volumes by them",
        ..CSI
    },
    Resource {
        kind: "VolumeAttachment",
        plural: "volumeattachments",
        singular: "volumeattachment",
        subresources: &[sub("status", "", "VolumeAttachment", STATUS)],
        has_status: true,
        ..CSI
    },
    Resource {
        kind: "VolumeAttributesClass",
        plural: "volumeattributesclasses",
        singular: "volumeattributesclass",
        short_names: &["vac"],
        unconditional_update: true,
        stored_only: "classes of volume attributes are stored, no volume is changed by them",
        ..CSI
    },
    Resource {
        kind: "MutatingAdmissionPolicy",
        plural: "mutatingadmissionpolicies",
        singular: "mutatingadmissionpolicy",
        ..POLICIES
    },
    Resource {
        kind: "MutatingAdmissionPolicyBinding",
        plural: "mutatingadmissionpolicybindings",
        singular: "mutatingadmissionpolicybinding",
        ..POLICIES
    },
    Resource {
        kind: "MutatingWebhookConfiguration",
        plural: "mutatingwebhookconfigurations",
        singular: "mutatingwebhookconfiguration",
        ..WEBHOOKS
    },
    Resource {
        kind: "ValidatingAdmissionPolicy",
        plural: "validatingadmissionpolicies",
        singular: "validatingadmissionpolicy",
        subresources: &[sub("status", "", "ValidatingAdmissionPolicy", STATUS)],
        has_status: true,
        ..POLICIES
    },
    Resource {
        kind: "ValidatingAdmissionPolicyBinding",
        plural: "validatingadmissionpolicybindings",
        singular: "validatingadmissionpolicybinding",
        ..POLICIES
    },
    Resource {
        kind: "ValidatingWebhookConfiguration",
        plural: "validatingwebhookconfigurations",
        singular: "validatingwebhookconfiguration",
        ..WEBHOOKS
    },
    Resource {
        group: "coordination.k8s.io",
        kind: "Lease",
        plural: "leases",
        singular: "lease",
        // A lease without a version would let two holders believe that each has it.
        unconditional_update: false,
        ..BASE
    },
    Resource {
        group: "scheduling.k8s.io",
        kind: "PriorityClass",
        plural: "priorityclasses",
        singular: "priorityclass",
        short_names: &["pc"],
        namespaced: false,
        ..BASE
    },
    Resource {
        group: "node.k8s.io",
        kind: "RuntimeClass",
        plural: "runtimeclasses",
        singular: "runtimeclass",
        namespaced: false,
        unconditional_update: false,
        stored_only: "runtime classes are stored, pods run with the default handler",
        ..BASE
    },
    Resource {
        group: "discovery.k8s.io",
        kind: "EndpointSlice",
        plural: "endpointslices",
        singular: "endpointslice",
        stored_only: NO_ENDPOINTS,
        ..BASE
    },
    Resource {
        kind: "FlowSchema",
        plural: "flowschemas",
        singular: "flowschema",
        subresources: &[sub("status", "", "FlowSchema", STATUS)],
        ..FLOW_CONTROL
    },
    Resource {
        kind: "PriorityLevelConfiguration",
        plural: "prioritylevelconfigurations",
        singular: "prioritylevelconfiguration",
        subresources: &[sub("status", "", "PriorityLevelConfiguration", STATUS)],
        ..FLOW_CONTROL
    },
    Resource { kind: "DeviceClass", plural: "deviceclasses", singular: "deviceclass", namespaced: false, ..DEVICES },
    Resource {
        kind: "ResourceClaim",
        plural: "resourceclaims",
        singular: "resourceclaim",
        subresources: &[sub("status", "", "ResourceClaim", STATUS)],
        has_status: true,
        ..DEVICES
    },
    Resource { kind: "ResourceClaimTemplate", plural: "resourceclaimtemplates", singular: "resourceclaimtemplate", ..DEVICES },
    Resource {
        kind: "ResourceSlice",
        plural: "resourceslices",
        singular: "resourceslice",
        namespaced: false,
        selectable_fields: &["spec.nodeName", "spec.driver"],
        field: fields::path,
        ..DEVICES
    },
    Resource {
        group: "apiextensions.k8s.io",
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        singular: "customresourcedefinition",
        short_names: &["crd", "crds"],
        categories: &["api-extensions"],
        namespaced: false,
        subresources: &[sub("status", "", "CustomResourceDefinition", STATUS)],
        unconditional_update: false,
        has_status: true,
        ..BASE
    },
];
