//! Kinds that come along with daemons in their manifests.

use super::*;

/// An object of a kind, in `default` if it lives in a namespace.
pub(super) fn object(api: &str, kind: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x.y.io", "uid": "u"}});
    if kind == "Service" {
        object["metadata"]["name"] = json!("x");
    }
    if row(&object).namespaced {
        object["metadata"]["namespace"] = json!("default");
    }
    for (name, value) in rest.as_object().expect("fields") {
        object[name] = value.clone();
    }
    object
}

/// No fault as it is, and exactly one for each change: pointer, value, beginning of the fault.
#[track_caller]
pub(super) fn check_changes(right: &Value, changes: &[(&str, Value, &str)]) {
    assert_eq!(created(right.clone()), Vec::<String>::new());
    for (pointer, value, expected) in changes {
        check(&created(spoil(right.clone(), pointer, value.clone())), expected);
    }
}

/// Exactly one fault when an object, with its defaults, is changed so.
#[track_caller]
pub(super) fn check_update(old: &Value, pointer: &str, value: Value, expected: &str) {
    let mut old = old.clone();
    defaults::apply(row(&old), &mut old);
    assert_eq!(words(&update(row(&old), None, &old, &old)), Vec::<String>::new());
    check(&words(&update(row(&old), None, &old, &spoil(old.clone(), pointer, value))), expected);
}

const ACCESS: &str = "rbac.authorization.k8s.io/v1";

#[test]
fn roles_and_bindings() {
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let cluster = object(ACCESS, "ClusterRole", json!({"rules": rules}));
    let urls = json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]);
    assert_eq!(created(spoil(cluster.clone(), "/rules", urls.clone())), Vec::<String>::new());
    assert_eq!(created(spoil(cluster.clone(), "/metadata/name", json!("system:node:x"))), Vec::<String>::new());
    check_changes(
        &cluster,
        &[
            ("/metadata/name", json!("a/b"), "metadata.name: Invalid value: \"a/b\": may not contain '/'"),
            ("/rules/0/verbs", json!([]), "rules[0].verbs: Required value: verbs must contain at least one value"),
            ("/rules/0/apiGroups", json!([]), "rules[0].apiGroups: Required value: resource rules must supply"),
            ("/rules/0/resources", json!([]), "rules[0].resources: Required value: resource rules must supply"),
            (
                "/rules/0/nonResourceURLs",
                json!(["/x"]),
                "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both",
            ),
            ("/aggregationRule", json!({}), "aggregationRule.clusterRoleSelectors: Required value: at least one"),
        ],
    );
    check_changes(
        &object(ACCESS, "Role", json!({"rules": rules})),
        &[("/rules", urls, "rules[0].nonResourceURLs: Invalid value: [\"/metrics\"]: namespaced rules cannot")],
    );
    let subjects = json!([{"kind": "ServiceAccount", "name": "s", "namespace": "n"}, {"kind": "User", "name": "u"}]);
    let binding =
        object(ACCESS, "ClusterRoleBinding", json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": subjects}));
    check_changes(
        &binding,
        &[
            ("/roleRef/kind", json!("Role"), "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\""),
            ("/roleRef/name", json!(""), "roleRef.name: Required value"),
            ("/roleRef/apiGroup", json!("x"), "roleRef.apiGroup: Unsupported value: \"x\""),
            ("/subjects/0/namespace", json!(""), "subjects[0].namespace: Required value"),
            ("/subjects/0/name", json!("A"), "subjects[0].name: Invalid value: \"A\""),
            ("/subjects/1/kind", json!("Robot"), "subjects[1].kind: Unsupported value: \"Robot\""),
        ],
    );
    check_update(&binding, "/roleRef/name", json!("other"), "roleRef: Invalid value: {");
    assert!(created(object(ACCESS, "RoleBinding", json!({"roleRef": {"kind": "Role", "name": "r"}}))).is_empty());
}

#[test]
fn services() {
    let service = object("v1", "Service", json!({"spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}}));
    check_changes(
        &service,
        &[
            ("/metadata/name", json!("1a"), "metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist"),
            ("/spec/trafficDistribution", json!("Far"), "spec.trafficDistribution: Unsupported value: \"Far\""),
            ("/spec/ports/0/appProtocol", json!("a b"), "spec.ports[0].appProtocol: Invalid value: \"a b\""),
            (
                "/spec/loadBalancerSourceRanges",
                json!(["10.0.0.0/8"]),
                "spec.LoadBalancerSourceRanges: Forbidden: may only be used when",
            ),
            ("/spec/ports", json!([]), "spec.ports: Required value"),
            (
                "/spec/ports",
                json!([{"port": 0, "targetPort": 1}]),
                "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535",
            ),
            ("/spec/ports/0/protocol", json!("ICMP"), "spec.ports[0].protocol: Unsupported value: \"ICMP\""),
            (
                "/spec/ports/0/nodePort",
                json!(30_000),
                "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'Cluster",
            ),
            ("/spec/ports", json!([{"name": "a", "port": 1}, {"port": 2}]), "spec.ports[1].name: Required value"),
            ("/spec/ports", json!([{"name": "a", "port": 1}, {"name": "b", "port": 1}]), "spec.ports[1]: Duplicate value"),
            ("/spec/type", json!("Magic"), "spec.type: Unsupported value: \"Magic\""),
            ("/spec/clusterIP", json!("here"), "spec.clusterIPs[0]: Invalid value: \"here\": must be a valid IP address"),
            ("/spec/clusterIPs", json!(["10.0.0.2"]), "spec.clusterIPs: Invalid value: \"10.0.0.1\": first value must match"),
            ("/spec/externalTrafficPolicy", json!("Local"), "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be"),
            ("/spec/loadBalancerClass", json!("a.io/b"), "spec.loadBalancerClass: Forbidden: may only be used when"),
        ],
    );
    let named = object("v1", "Service", json!({"spec": {"type": "ExternalName", "externalName": "a.example.com."}}));
    check_changes(&named, &[("/spec/externalName", json!(""), "spec.externalName: Required value")]);
    let headless = json!({"spec": {"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]}});
    check(&created(object("v1", "Service", headless)), "spec.clusterIPs[0]: Invalid value: [\"None\"]: may not be set to 'None'");
    let mut other = service.clone();
    defaults::apply(row(&other), &mut other);
    other["spec"]["clusterIPs"] = json!(["10.0.0.9"]);
    let old = service.clone();
    other["spec"]["clusterIP"] = json!("10.0.0.9");
    check(&words(&update(row(&old), None, &old, &other)), "spec.clusterIPs[0]: Invalid value: [\"10.0.0.9\"]: may not change");
}

#[test]
fn deployments_and_replica_sets() {
    let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"selector": {"matchLabels": {"app": "a"}}, "template": template});
    let deployment = object("apps/v1", "Deployment", json!({"spec": spec}));
    check_changes(
        &deployment,
        &[
            ("/spec/replicas", json!(-1), "spec.replicas: Invalid value: -1"),
            ("/spec/selector", json!({}), "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
            ("/spec/selector", Value::Null, "spec.selector: Required value"),
            (
                "/spec/selector",
                json!({"matchLabels": {"app": "b"}}),
                "spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match",
            ),
            (
                "/spec/template/spec/restartPolicy",
                json!("Never"),
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\"",
            ),
            (
                "/spec/progressDeadlineSeconds",
                json!(0),
                "spec.progressDeadlineSeconds: Invalid value: 0: must be greater than min",
            ),
            (
                "/spec/strategy",
                json!({"type": "Recreate", "rollingUpdate": {}}),
                "spec.strategy.rollingUpdate: Forbidden: may not",
            ),
            ("/spec/strategy", json!({"type": "Magic"}), "spec.strategy.type: Unsupported value: \"Magic\""),
            (
                "/spec/strategy",
                json!({"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}),
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
            ),
            (
                "/spec/strategy",
                json!({"rollingUpdate": {"maxUnavailable": "101%"}}),
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
            ),
        ],
    );
    let surging = spoil(deployment.clone(), "/spec/strategy", json!({"rollingUpdate": {"maxSurge": "200%"}}));
    assert_eq!(created(surging), Vec::<String>::new());
    let both = json!({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "app", "operator": "Exists"}]});
    for kind in ["Deployment", "ReplicaSet"] {
        let old = object("apps/v1", kind, json!({"spec": spec}));
        check_update(&old, "/spec/selector", both.clone(), "spec.selector: Invalid value: {");
        let mut counted = old.clone();
        counted["status"] = json!({"replicas": 1, "readyReplicas": 2});
        let faults = words(&update(row(&old), Some("status"), &old, &counted));
        check(&faults, "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas");
    }
}

#[test]
fn stateful_sets_and_ingress_classes() {
    let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"selector": {"matchLabels": {"app": "a"}}, "serviceName": "s", "template": template});
    let set = object("apps/v1", "StatefulSet", json!({"spec": spec}));
    check_changes(
        &set,
        &[
            ("/spec/selector", json!({}), "spec.selector: Invalid value: {}: empty selector is invalid for statefulset"),
            (
                "/spec/podManagementPolicy",
                json!("Magic"),
                "spec.podManagementPolicy: Invalid value: \"Magic\": must be 'OrderedReady' or 'Parallel'",
            ),
            (
                "/spec/updateStrategy",
                json!({"type": "Magic"}),
                "spec.updateStrategy: Invalid value: {\"type\":\"Magic\"}: must be 'RollingUpdate' or",
            ),
            ("/spec/template/metadata", json!({}), "spec.template.metadata.labels: Invalid value: null: `selector` does not"),
        ],
    );
    check_update(&set, "/spec/serviceName", json!("t"), "spec: Forbidden: updates to statefulset spec for fields other than");
    let class = object("networking.k8s.io/v1", "IngressClass", json!({"spec": {"controller": "a.io/b"}}));
    check_changes(
        &class,
        &[
            ("/spec/controller", json!("b"), "spec.controller: Invalid value: \"b\": must be a domain-prefixed path"),
            ("/spec/parameters", json!({"kind": "K"}), "spec.parameters.name: Required value"),
            (
                "/spec/parameters",
                json!({"kind": "K", "name": "n", "scope": "Namespace"}),
                "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
            ),
        ],
    );
    check_update(&class, "/spec/controller", json!("a.io/c"), "spec.controller: Invalid value: \"a.io/c\": field is immutable");
}

#[test]
fn jobs() {
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let job = object("batch/v1", "Job", json!({"spec": {"template": template}}));
    check_changes(
        &job,
        &[
            (
                "/spec/template/spec/restartPolicy",
                json!("Always"),
                "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
            ),
            ("/spec/backoffLimit", json!(-1), "spec.backoffLimit: Invalid value: -1"),
            ("/spec/completionMode", json!("Magic"), "spec.completionMode: Unsupported value: \"Magic\""),
            ("/spec/manualSelector", json!(true), "spec.selector: Required value"),
            ("/spec/maxFailedIndexes", json!(1), "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode"),
        ],
    );
    let own = spoil(job.clone(), "/spec/selector", json!({"matchLabels": {"a": "b"}}));
    let faults = created(own);
    assert!(faults[0].ends_with(": `selector` not auto-generated"), "{faults:?}");
    let indexed = spoil(spoil(job.clone(), "/spec/completionMode", json!("Indexed")), "/spec/completions", json!(2));
    check_changes(
        &spoil(indexed, "/spec/backoffLimitPerIndex", json!(1)),
        &[
            (
                "/spec/parallelism",
                json!(100_001),
                "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000",
            ),
            (
                "/spec/maxFailedIndexes",
                json!(3),
                "spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions",
            ),
        ],
    );
    check_update(&job, "/spec/completions", json!(2), "spec.completions: Invalid value: 2: field is immutable");
    let cron = object(
        "batch/v1",
        "CronJob",
        json!({"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template}}}}),
    );
    check_changes(
        &cron,
        &[
            ("/spec/schedule", json!(""), "spec.schedule: Required value"),
            ("/spec/schedule", json!("* * *"), "spec.schedule: Invalid value: \"* * *\": expected exactly 5 fields, found 3"),
            (
                "/spec/schedule",
                json!("61 * * * *"),
                "spec.schedule: Invalid value: \"61 * * * *\": end of range (61) above maximum",
            ),
            ("/spec/timeZone", json!("Local"), "spec.timeZone: Invalid value: \"Local\": timeZone must be an explicit time zone"),
            ("/spec/concurrencyPolicy", json!("Magic"), "spec.concurrencyPolicy: Unsupported value: \"Magic\""),
            ("/metadata/name", json!("a".repeat(53)), "metadata.name: Invalid value: \"aaa"),
        ],
    );
}

#[test]
fn budgets_and_network() {
    let budget = object("policy/v1", "PodDisruptionBudget", json!({"spec": {"minAvailable": "50%", "selector": {}}}));
    check_changes(
        &budget,
        &[
            ("/spec/maxUnavailable", json!(1), "spec: Invalid value: {"),
            ("/spec/minAvailable", json!("half"), "spec.minAvailable: Invalid value: \"half\": a valid percent string"),
            ("/spec/minAvailable", json!("101%"), "spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%"),
        ],
    );
    let rule =
        json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"podSelector": {}}], "ports": [{"port": 80, "endPort": 90}]});
    let policy = object("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": {"ingress": [rule]}}));
    check_changes(
        &policy,
        &[
            (
                "/spec/ingress/0/from/0/ipBlock/cidr",
                json!("10/8"),
                "spec.ingress[0].from[0].ipBlock.cidr: Invalid value: \"10/8\"",
            ),
            ("/spec/ingress/0/from/0/podSelector", json!({}), "spec.ingress[0].from[0]: Forbidden: may not specify both"),
            ("/spec/ingress/0/from", json!([{}]), "spec.ingress[0].from[0]: Required value: must specify a peer"),
            (
                "/spec/ingress/0/ports/0/port",
                json!("http"),
                "spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric",
            ),
            (
                "/spec/ingress/0/from/0/ipBlock/except",
                json!(["11.0.0.0/16"]),
                "spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`",
            ),
            ("/spec/ingress/0/ports/0/endPort", json!(7), "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater"),
            ("/spec/policyTypes", json!(["Sideways"]), "spec.policyTypes[0]: Unsupported value: \"Sideways\""),
        ],
    );
    let slice = json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]});
    let slice = object("discovery.k8s.io/v1", "EndpointSlice", slice);
    check_changes(
        &slice,
        &[
            ("/addressType", json!("Name"), "addressType: Unsupported value: \"Name\""),
            ("/endpoints/0/addresses", json!([]), "endpoints[0].addresses: Required value"),
            (
                "/endpoints/0/addresses",
                json!(["fd00::1"]),
                "endpoints[0].addresses[0]: Invalid value: \"fd00::1\": must be an IPv4",
            ),
            ("/ports", json!([{"port": 1}, {"port": 2}]), "ports[1].name: Duplicate value: \"\""),
        ],
    );
    check_update(&spoil(slice, "/endpoints", json!([])), "/addressType", json!("IPv6"), "addressType: Invalid value: \"IPv6\"");
    let old = object("v1", "Endpoints", json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}));
    check_changes(
        &old,
        &[
            ("/subsets/0/addresses/0/ip", json!("here"), "subsets[0].addresses[0].ip: Invalid value: \"here\""),
            ("/subsets/0/addresses", json!([]), "subsets[0]: Required value: must specify `addresses` or"),
        ],
    );
}

#[test]
fn limits_and_webhooks() {
    let limits = json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}]}});
    let limits = object("v1", "LimitRange", limits);
    check_changes(
        &limits,
        &[
            ("/spec/limits/0/type", json!(""), "spec.limits[0].type: Required value"),
            (
                "/spec/limits/0/type",
                json!("Robot"),
                "spec.limits[0].type: Invalid value: \"Robot\": must be a standard limit type",
            ),
            (
                "/spec/limits/0/defaultRequest",
                json!({"cpu": "500m"}),
                "spec.limits[0].defaultRequest[cpu]: Invalid value: \"500m\": min value 1 is greater than default request value 500m",
            ),
            (
                "/spec/limits/0/default",
                json!({"cpu": "3"}),
                "spec.limits[0].default[cpu]: Invalid value: \"2\": default value 3 is greater than max value 2",
            ),
        ],
    );
    let quota = object("v1", "ResourceQuota", json!({"spec": {"hard": {"pods": "10", "requests.cpu": "2"}}}));
    check_changes(
        &quota,
        &[
            ("/spec/hard/pods", json!("-1"), "spec.hard[pods]: Invalid value: \"-1\""),
            ("/spec/scopes", json!(["Magic"]), "spec.scopes[0]: Invalid value: \"Magic\": unsupported scope"),
        ],
    );
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    let hook = json!({"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "rules": [rule],
        "clientConfig": {"service": {"name": "s", "namespace": "n"}}});
    let hooks = object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", json!({"webhooks": [hook]}));
    check_changes(
        &hooks,
        &[
            (
                "/webhooks/0/name",
                json!("a.b"),
                "webhooks[0].name: Invalid value: \"a.b\": should be a domain with at least three",
            ),
            ("/webhooks/0/sideEffects", json!(""), "webhooks[0].sideEffects: Required value"),
            (
                "/webhooks/0/admissionReviewVersions",
                json!(["v7"]),
                "webhooks[0].admissionReviewVersions: Invalid value: [\"v7\"]",
            ),
            ("/webhooks/0/timeoutSeconds", json!(31), "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must"),
            ("/webhooks/0/clientConfig/url", json!("https://x"), "webhooks[0].clientConfig: Required value: exactly one of"),
            ("/webhooks/0/clientConfig", json!({"url": "http://x"}), "webhooks[0].clientConfig.url: Invalid value: \"http://x\""),
            (
                "/webhooks/0/sideEffects",
                Value::Null,
                "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
            ),
            (
                "/webhooks/0/rules/0/operations",
                json!(["*", "CREATE"]),
                "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*'",
            ),
            (
                "/webhooks/0/rules/0/resources",
                json!(["*", "pods"]),
                "webhooks[0].rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*'",
            ),
            (
                "/webhooks/0/rules/0/resources",
                json!(["pods/*", "pods/log"]),
                "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*'",
            ),
            ("/webhooks/0/rules/0/operations", json!(["EAT"]), "webhooks[0].rules[0].operations[0]: Unsupported value: \"EAT\""),
        ],
    );
}

#[test]
fn storage_and_runtimes() {
    const STORAGE: &str = "storage.k8s.io/v1";
    let class = object(STORAGE, "StorageClass", json!({"provisioner": "a.io/b", "parameters": {"a": "b"}}));
    check_changes(&class, &[("/provisioner", json!(""), "provisioner: Required value")]);
    check_update(&class, "/parameters", json!({"a": "c"}), "parameters: Forbidden: updates to parameters are forbidden.");
    let driver = object(STORAGE, "CSIDriver", json!({"spec": {}}));
    let seconds =
        "spec.tokenRequests[0].expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32";
    check_changes(
        &driver,
        &[
            ("/spec/fsGroupPolicy", json!("Magic"), "spec.fsGroupPolicy: Unsupported value: \"Magic\""),
            ("/spec/volumeLifecycleModes", json!(["Brief"]), "spec.volumeLifecycleModes: Unsupported value: \"Brief\""),
            ("/spec/tokenRequests", json!([{"audience": "a", "expirationSeconds": 4_294_967_297_i64}]), seconds),
        ],
    );
    check_update(&driver, "/spec/attachRequired", json!(false), "spec.attachRequired: Invalid value: false: field is immutable");
    let node = object(STORAGE, "CSINode", json!({"spec": {"drivers": [{"name": "a.b", "nodeID": "n"}]}}));
    check_changes(&node, &[("/spec/drivers/0/nodeID", json!(""), "spec.drivers[0].nodeID: Required value")]);
    let spec = json!({"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}});
    let attachment = object(STORAGE, "VolumeAttachment", json!({"spec": spec}));
    check_changes(&attachment, &[("/spec/source", json!({}), "spec.source: Required value: must specify exactly one of")]);
    check_update(&attachment, "/spec/nodeName", json!("m"), "spec: Invalid value: {");
    let runtime = object("node.k8s.io/v1", "RuntimeClass", json!({"handler": "runsc"}));
    check_changes(&runtime, &[("/handler", json!(""), "handler: Invalid value: \"\"")]);
    check_update(&runtime, "/handler", json!("other"), "handler: Invalid value: \"other\": field is immutable");

    let spec = json!({"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/a"}});
    let volume = object("v1", "PersistentVolume", json!({"spec": spec}));
    check_changes(
        &volume,
        &[
            ("/spec/accessModes", json!([]), "spec.accessModes: Required value"),
            ("/spec/capacity", json!({}), "spec.capacity: Required value"),
            ("/spec/hostPath", Value::Null, "spec: Required value: must specify a volume type"),
            ("/spec/nfs", json!({"server": "s", "path": "/"}), "spec.nfs: Forbidden: may not specify more than 1 volume type"),
        ],
    );
    check_update(&volume, "/spec/volumeMode", json!("Block"), "volumeMode: Invalid value: \"Block\": field is immutable");
    check_update(
        &volume,
        "/spec/hostPath/path",
        json!("/b"),
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource",
    );
    let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let claim = object("v1", "PersistentVolumeClaim", json!({"spec": spec}));
    check_changes(
        &claim,
        &[
            ("/spec/resources/requests", json!({}), "spec.resources[storage]: Required value"),
            (
                "/spec/resources/requests/storage",
                json!("0"),
                "spec.resources[storage]: Invalid value: \"0\": must be greater than zero",
            ),
            ("/spec/storageClassName", json!("A"), "spec.storageClassName: Invalid value: \"A\""),
            ("/spec/accessModes", json!([]), "spec.accessModes: Required value: at least 1 access mode is required"),
            ("/spec/accessModes", json!(["All"]), "spec.accessModes: Unsupported value: \"All\""),
        ],
    );
    check_update(&claim, "/spec/resources/requests/storage", json!("2Gi"), "spec: Forbidden: spec is immutable after creation");
    let bound = spoil(claim.clone(), "/status", json!({"phase": "Bound", "capacity": {"storage": "1Gi"}}));
    let faults = |size: &str| {
        words(&update(row(&claim), None, &bound, &spoil(bound.clone(), "/spec/resources/requests/storage", json!(size))))
    };
    assert_eq!(faults("2Gi"), Vec::<String>::new());
    check(&faults("512Mi"), "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity");
    check_update(&claim, "/spec/accessModes", json!(["ReadOnlyMany"]), "spec: Forbidden: spec is immutable after creation");
}
