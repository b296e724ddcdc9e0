//! Numbers and booleans that Go holds by value and leaves out of JSON when zero.
//!
//! Go's protobuf encoder writes such fields always, its JSON encoder only when they say something. Behind a pointer a zero
//! says something: `runAsUser: 0` is root. No generated source tells the two apart, so the plain ones are listed here.

use serde_json::Value;

/// Plain wherever they occur, but for [`POINTERS`]; where other types have a pointer of that name, with their type.
const PLAIN: &[&str] = &[
    "active",
    "authenticated",
    "availableReplicas",
    "chapAuthDiscovery",
    "chapAuthSession",
    "clusterScope",
    "code",
    "count",
    "CustomResourceColumnDefinition.priority",
    "currentReplicas",
    "denied",
    "deprecated",
    "deprecatedCount",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "failed",
    "failureThreshold",
    "fullyLabeledReplicas",
    "generation",
    "globalDefault",
    "healthCheckNodePort",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "initialDelaySeconds",
    "insecureSkipTLSVerify",
    "minReadySeconds",
    "nodePort",
    "nullable",
    "number",
    "numberAvailable",
    "numberUnavailable",
    "observedGeneration",
    "partition",
    "paused",
    "periodSeconds",
    "preserveUnknownFields",
    "publishNotReadyAddresses",
    "readOnly",
    "readyReplicas",
    "replicas",
    "retryAfterSeconds",
    "signal",
    "sizeBytes",
    "sslEnabled",
    "start",
    "stdin",
    "stdinOnce",
    "succeeded",
    "successThreshold",
    "timeoutSeconds",
    "tty",
    "unavailableReplicas",
    "uniqueItems",
    "unschedulable",
    "updatedNumberScheduled",
    "updatedReplicas",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
];

/// Of those names, the fields that are pointers after all, or that JSON always has.
const POINTERS: &[&str] = &[
    "AzureDiskVolumeSource.readOnly",
    "CSIVolumeSource.readOnly",
    "ClientIPConfig.timeoutSeconds",
    "DeploymentSpec.replicas",
    "ReplicaSetSpec.replicas",
    "HorizontalPodAutoscalerStatus.observedGeneration",
    "ReplicationControllerSpec.replicas",
    "ResourcePool.generation",
    "RollingUpdateStatefulSetStrategy.partition",
    "StatefulSetSpec.replicas",
    "VolumeNodeResources.count",
];

/// Whether a field's zero is the same as its absence.
pub(crate) fn is_plain(type_name: &str, field: &str, described: &Value) -> bool {
    let short = type_name.rsplit('.').next().unwrap_or_default();
    let scalar = matches!(described["type"].as_str(), Some("int32" | "int64" | "bool"))
        && described["list"].is_null()
        && described["map"].is_null();
    let full = format!("{short}.{field}");
    let is_in = |list: &[&str], name: &str| list.contains(&name);
    scalar && (is_in(PLAIN, field) || is_in(PLAIN, &full)) && !is_in(POINTERS, &full)
}
