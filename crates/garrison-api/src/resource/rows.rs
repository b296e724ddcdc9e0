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
};

pub(super) const ROWS: &[Resource] = &[
    Resource { kind: "ConfigMap", plural: "configmaps", singular: "configmap", short_names: &["cm"], ..BASE },
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
    Resource { kind: "Secret", plural: "secrets", singular: "secret", selectable_fields: &["type"], field: fields::path, ..BASE },
    Resource {
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        subresources: &[sub("token", "authentication.k8s.io/v1", "TokenRequest", CREATE)],
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
];
