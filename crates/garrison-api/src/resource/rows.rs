//! The rows: everything that is served, and nothing else.

use super::{Resource, Subresource, fields};

const ALL: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS: &[&str] = &["get", "patch", "update"];
const CREATE: &[&str] = &["create"];
const CONNECT: &[&str] = &["create", "get"];

const fn sub(name: &'static str, api_version: &'static str, kind: &'static str, verbs: &'static [&'static str]) -> Subresource {
    Subresource { name, api_version, kind, verbs }
}

/// A row of the core group with what most kinds share.
const BASE: Resource = Resource {
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
/// Roles and bindings are no source of the authorizer yet: it must not look as if access had been granted.
const NO_ROLE: &str = "roles are stored and grant nothing: access follows the built-in policy";
const NO_BINDING: &str = "role bindings are stored and grant nothing: access follows the built-in policy";
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
        stored_only: "services are stored, no address is allocated and no traffic is forwarded",
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
        group: "networking.k8s.io",
        kind: "IngressClass",
        plural: "ingressclasses",
        singular: "ingressclass",
        namespaced: false,
        stored_only: "ingress classes are stored, ingresses are not served",
        ..BASE
    },
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
        group: "policy",
        kind: "PodDisruptionBudget",
        plural: "poddisruptionbudgets",
        singular: "poddisruptionbudget",
        short_names: &["pdb"],
        subresources: &[sub("status", "", "PodDisruptionBudget", STATUS)],
        unconditional_update: false,
        has_status: true,
        stored_only: "disruption budgets are stored, evictions do not heed them",
        ..BASE
    },
    Resource {
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        namespaced: false,
        stored_only: NO_BINDING,
        ..ACCESS
    },
    Resource {
        kind: "ClusterRole",
        plural: "clusterroles",
        singular: "clusterrole",
        namespaced: false,
        stored_only: NO_ROLE,
        ..ACCESS
    },
    Resource { kind: "RoleBinding", plural: "rolebindings", singular: "rolebinding", stored_only: NO_BINDING, ..ACCESS },
    Resource { kind: "Role", plural: "roles", singular: "role", stored_only: NO_ROLE, ..ACCESS },
    Resource { kind: "CSIDriver", plural: "csidrivers", singular: "csidriver", ..CSI },
    Resource { kind: "CSINode", plural: "csinodes", singular: "csinode", ..CSI },
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
        kind: "MutatingWebhookConfiguration",
        plural: "mutatingwebhookconfigurations",
        singular: "mutatingwebhookconfiguration",
        ..WEBHOOKS
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
