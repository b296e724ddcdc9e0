//! What rules a cluster: ingresses, autoscalers, certificates, policies, flow control, addresses, devices.

use super::companions::{check_changes, check_update, object};
use super::*;

const NET: &str = "networking.k8s.io/v1";
const ADMISSION: &str = "admissionregistration.k8s.io/v1";
const FLOW: &str = "flowcontrol.apiserver.k8s.io/v1";
const DEVICES: &str = "resource.k8s.io/v1";

#[test]
fn ingresses() {
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    let path = json!({"path": "/a", "pathType": "Prefix", "backend": backend});
    let rule = json!({"host": "*.a.io", "http": {"paths": [path]}});
    let spec = json!({"ingressClassName": "c", "rules": [rule], "tls": [{"hosts": ["a.io"], "secretName": "t"}]});
    let ingress = object(NET, "Ingress", json!({"spec": spec}));
    let at = |rest: &str| format!("/spec/rules/0/http/paths/0{rest}");
    let (kind, text, place) = (at("/pathType"), at("/path"), at("/backend"));
    let (name, port) = (at("/backend/service/name"), at("/backend/service/port"));
    let path = "spec.rules[0].http.paths[0]";
    check_changes(
        &ingress,
        &[
            ("/spec/rules", json!([]), "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"),
            ("/spec/rules/0/host", json!("1.2.3.4"), "spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name"),
            (
                "/spec/rules/0/host",
                json!("a.*.io"),
                "spec.rules[0].host: Invalid value: \"a.*.io\": a wildcard DNS-1123 subdomain must start",
            ),
            ("/spec/rules/0/http/paths", json!([]), "spec.rules[0].http.paths: Required value"),
            (&kind, Value::Null, &format!("{path}.pathType: Required value: pathType must be specified")),
            (
                &kind,
                json!("Regex"),
                &format!(
                    "{path}.pathType: Unsupported value: \"Regex\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\""
                ),
            ),
            (&text, json!("a"), &format!("{path}.path: Invalid value: \"a\": must be an absolute path")),
            (&text, json!("/a//b"), &format!("{path}.path: Invalid value: \"/a//b\": must not contain '//'")),
            (&text, json!("/a/.."), &format!("{path}.path: Invalid value: \"/a/..\": cannot end with '/..'")),
            (&place, json!({}), &format!("{path}.backend: Invalid value: \"\": resource or service backend is required")),
            (&name, json!("S"), &format!("{path}.backend.service.name: Invalid value: \"S\": a DNS-1035 label must consist")),
            (&port, json!({}), &format!("{path}.backend: Required value: port name or number is required")),
            (
                &port,
                json!({"name": "a", "number": 1}),
                &format!("{path}.backend: Invalid value: \"\": cannot set both port name & port number"),
            ),
            (
                &port,
                json!({"number": 70_000}),
                &format!("{path}.backend.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive"),
            ),
            ("/spec/tls/0/hosts", json!(["A"]), "spec.tls[0].hosts[0]: Invalid value: \"A\""),
            ("/spec/tls/0/secretName", json!("A"), "spec.tls[0].secretName: Invalid value: \"A\""),
            ("/spec/ingressClassName", json!("A"), "spec.ingressClassName: Invalid value: \"A\""),
            (
                "/metadata/annotations",
                json!({"kubernetes.io/ingress.class": "d"}),
                "annotations.kubernetes.io/ingress.class: Invalid value: \"d\": must match `ingressClassName`",
            ),
        ],
    );
    let whole = spoil(ingress, &at("/pathType"), json!("ImplementationSpecific"));
    assert_eq!(created(spoil(whole, &at("/path"), Value::Null)), Vec::<String>::new());
    let class = object(NET, "IngressClass", json!({"spec": {"controller": "a.io/b", "parameters": {"kind": "K", "name": "n"}}}));
    check_changes(
        &class,
        &[
            ("/spec/controller", json!(""), "spec.controller: Required value"),
            ("/spec/controller", json!("a.io/"), "spec.controller: Invalid value: \"a.io/\": must be a domain-prefixed path"),
            ("/spec/controller", json!("A/b"), "spec.controller: Invalid value: \"A\": a lowercase RFC 1123 subdomain"),
            ("/spec/controller", json!("a.io/b c"), "spec.controller: Invalid value: \"b c\": Invalid path (regex used"),
            ("/spec/parameters/kind", json!(""), "spec.parameters.kind: Required value: kind is required"),
            ("/spec/parameters/scope", json!("Node"), "spec.parameters.scope: Unsupported value: \"Node\""),
            (
                "/spec/parameters/scope",
                json!("Namespace"),
                "spec.parameters.namespace: Required value: `parameters.scope` is set",
            ),
            (
                "/spec/parameters/namespace",
                json!("n"),
                "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
            ),
        ],
    );
}

#[test]
fn autoscalers() {
    let target = json!({"type": "Utilization", "averageUtilization": 50});
    let spec = json!({"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 2, "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}], "behavior": {}});
    let scaler = object("autoscaling/v2", "HorizontalPodAutoscaler", json!({"spec": spec}));
    let metric = "spec.metrics[0]";
    check_changes(
        &scaler,
        &[
            ("/spec/minReplicas", json!(4), "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"),
            ("/spec/minReplicas", json!(-1), "spec.minReplicas: Invalid value: -1: must be greater than or equal to 1"),
            ("/spec/scaleTargetRef/kind", json!(""), "spec.scaleTargetRef.kind: Required value"),
            ("/spec/scaleTargetRef/name", json!("a/b"), "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"),
            (
                "/spec/metrics/0/resource/name",
                json!(""),
                &format!("{metric}.resource.name: Required value: must specify a resource name"),
            ),
            (
                "/spec/metrics/0/resource/target/type",
                json!("Some"),
                &format!("{metric}.resource.target.type: Invalid value: \"Some\": must be either"),
            ),
            (
                "/spec/metrics/0/resource/target/averageUtilization",
                json!(0),
                &format!("{metric}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0"),
            ),
            (
                "/spec/metrics/0/resource/target/averageUtilization",
                Value::Null,
                &format!("{metric}.resource.target.averageUtilization: Required value: must set either"),
            ),
            (
                "/spec/metrics/0/resource/target/averageValue",
                json!("1"),
                &format!("{metric}.resource.target.averageValue: Forbidden: may not set both"),
            ),
            (
                "/spec/metrics/0/containerResource",
                json!({}),
                &format!("{metric}.containerResource: Forbidden: must populate the given metric source only"),
            ),
            (
                "/spec/behavior/scaleUp",
                json!({"policies": []}),
                "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
            ),
            (
                "/spec/behavior/scaleDown",
                json!({"stabilizationWindowSeconds": 3601}),
                "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
            ),
            (
                "/spec/behavior/scaleDown",
                json!({"selectPolicy": "Any"}),
                "spec.behavior.scaleDown.selectPolicy: Unsupported value: \"Any\"",
            ),
            (
                "/spec/behavior/scaleUp",
                json!({"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1}]}),
                "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
            ),
        ],
    );
    let external =
        json!([{"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1"}}}]);
    let to_zero = spoil(spoil(scaler.clone(), "/spec/metrics", external), "/spec/minReplicas", json!(0));
    check(&created(to_zero.clone()), "spec.minReplicas: Invalid value: 0");
    check_update(
        &to_zero,
        "/spec/metrics/0/external/metric/name",
        json!(""),
        "spec.metrics[0].external.metric.name: Required value",
    );
}

#[test]
fn certificate_requests() {
    // A PEM block whose content is a sequence.
    let request = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUFBPQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K";
    let spec = json!({"request": request, "signerName": "a.io/b", "usages": ["client auth"], "expirationSeconds": 600});
    let csr = object("certificates.k8s.io/v1", "CertificateSigningRequest", json!({"spec": spec}));
    assert_eq!(created(spoil(csr.clone(), "/metadata/name", json!("system:node:Any"))), Vec::<String>::new());
    check_changes(
        &csr,
        &[
            (
                "/spec/request",
                json!("dGV4dA=="),
                "spec.request: Invalid value: \"dGV4dA==\": PEM block type must be CERTIFICATE REQUEST",
            ),
            ("/spec/usages", json!([]), "spec.usages: Required value"),
            ("/spec/usages", json!(["any", "any"]), "spec.usages[1]: Duplicate value: \"any\""),
            (
                "/spec/usages",
                json!(["fun"]),
                "spec.usages[0]: Unsupported value: \"fun\": supported values: \"any\", \"cert sign\"",
            ),
            ("/spec/signerName", json!(""), "spec.signerName: Required value"),
            (
                "/spec/signerName",
                json!("a.io"),
                "spec.signerName: Invalid value: \"a.io\": must be a fully qualified domain and path",
            ),
            (
                "/spec/signerName",
                json!("a/b"),
                "spec.signerName: Invalid value: \"a\": should be a domain with at least two segments",
            ),
            (
                "/spec/signerName",
                json!("kubernetes.io/legacy-unknown"),
                "spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy",
            ),
            (
                "/spec/expirationSeconds",
                json!(599),
                "spec.expirationSeconds: Invalid value: 599: may not specify a duration less",
            ),
        ],
    );
    let approved = json!({"conditions": [{"type": "Approved", "status": "True"}]});
    let with = |status: Value| spoil(csr.clone(), "/status", status);
    let faults = |part: Option<&str>, old: Value, new: Value| words(&update(row(&csr), part, &with(old), &with(new)));
    assert_eq!(faults(Some("approval"), json!({}), approved.clone()), Vec::<String>::new());
    check(
        &faults(Some("status"), json!({}), approved.clone()),
        "status.conditions: Forbidden: updates may not add a condition of type \"Approved\"",
    );
    check(
        &faults(Some("approval"), approved.clone(), json!({})),
        "status.conditions: Forbidden: updates may not remove a condition of type",
    );
    let undone = json!({"conditions": [{"type": "Approved", "status": "False"}]});
    check(
        &faults(Some("approval"), json!({}), undone),
        "status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\"",
    );
    let both = json!({"conditions": [{"type": "Approved", "status": "True"}, {"type": "Denied", "status": "True"}]});
    check(
        &faults(Some("approval"), json!({}), both),
        "status.conditions[1].type: Invalid value: \"Denied\": Approved and Denied conditions are mutually",
    );
    check(
        &faults(Some("approval"), json!({}), json!({"certificate": "eA=="})),
        "status.certificate: Forbidden: updates may not set certificate content",
    );
    check(
        &faults(Some("status"), json!({}), json!({"certificate": "eA=="})),
        "status.certificate: Invalid value: \"<certificate data>\": must contain at least one",
    );
}

#[test]
fn api_services() {
    let spec = json!({"group": "y.io", "version": "x", "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"namespace": "n", "name": "s"}});
    let service = object("apiregistration.k8s.io/v1", "APIService", json!({"metadata": {"name": "x.y.io"}, "spec": spec}));
    check_changes(
        &service,
        &[
            (
                "/metadata/name",
                json!("x.y"),
                "metadata.name: Invalid value: \"x.y\": must be `spec.version+\".\"+spec.group`: \"x.y.io\"",
            ),
            (
                "/spec/groupPriorityMinimum",
                json!(0),
                "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
            ),
            (
                "/spec/versionPriority",
                json!(1001),
                "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
            ),
            ("/spec/service/namespace", json!(""), "spec.service.namespace: Required value"),
            (
                "/spec/service/port",
                json!(70_000),
                "spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive",
            ),
        ],
    );
    let local = spoil(service, "/spec/service", Value::Null);
    check_changes(
        &local,
        &[
            (
                "/spec/caBundle",
                json!("eHh4"),
                "spec.caBundle: Invalid value: \"3 bytes\": local APIServices may not have a caBundle",
            ),
            (
                "/spec/insecureSkipTLSVerify",
                json!(true),
                "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not",
            ),
        ],
    );
}

#[test]
fn admission_policies() {
    let rules = json!([{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]);
    let spec = json!({"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true", "message": "m"}],
        "variables": [{"name": "v", "expression": "1"}], "paramKind": {"apiVersion": "a.io/v1", "kind": "K"},
        "matchConditions": [{"name": "c", "expression": "true"}]});
    check_changes(
        &object(ADMISSION, "ValidatingAdmissionPolicy", json!({"spec": spec})),
        &[
            (
                "/spec/failurePolicy",
                json!("Try"),
                "spec.failurePolicy: Unsupported value: \"Try\": supported values: \"Fail\", \"Ignore\"",
            ),
            ("/spec/matchConstraints", Value::Null, "spec.matchConstraints: Required value"),
            ("/spec/matchConstraints/resourceRules", json!([]), "spec.matchConstraints.resourceRules: Required value"),
            (
                "/spec/matchConstraints/resourceRules/0/operations",
                json!([]),
                "spec.matchConstraints.resourceRules[0].operations: Required value",
            ),
            (
                "/spec/validations/0/expression",
                json!(" "),
                "spec.validations[0].expression: Required value: expression is not specified",
            ),
            (
                "/spec/validations/0/message",
                json!("a\nb"),
                "spec.validations[0].message: Invalid value: \"a\\nb\": message must not contain line breaks",
            ),
            ("/spec/validations/0/reason", json!("Because"), "spec.validations[0].reason: Unsupported value: \"Because\""),
            (
                "/spec/variables/0/name",
                json!("in"),
                "spec.variables[0].name: Invalid value: \"in\": name is not a valid CEL identifier",
            ),
            (
                "/spec/paramKind/kind",
                json!("1K"),
                "spec.paramKind.kind: Invalid value: \"1K\": may have mixed case, but should otherwise match:",
            ),
            (
                "/spec/paramKind/apiVersion",
                json!("a/b/c"),
                "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
            ),
            ("/spec/matchConditions/0/name", json!(""), "spec.matchConditions[0].name: Required value"),
            (
                "/spec/auditAnnotations",
                json!([{"key": "k", "valueExpression": ""}]),
                "spec.auditAnnotations[0].valueExpression: Required value: valueExpression",
            ),
        ],
    );
    let patch = json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}});
    let spec = json!({"matchConstraints": {"resourceRules": rules}, "mutations": [patch], "reinvocationPolicy": "Never"});
    check_changes(
        &object(ADMISSION, "MutatingAdmissionPolicy", json!({"spec": spec})),
        &[
            ("/spec/mutations", json!([]), "spec.mutations: Required value: mutations must contain at least one item"),
            ("/spec/reinvocationPolicy", json!("Often"), "spec.reinvocationPolicy: Unsupported value: \"Often\""),
            ("/spec/mutations/0/patchType", json!("Merge"), "spec.mutations[0].patchType: Unsupported value: \"Merge\""),
            (
                "/spec/mutations/0/jsonPatch",
                Value::Null,
                "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
            ),
        ],
    );
    let reference = json!({"name": "n", "parameterNotFoundAction": "Deny"});
    let spec = json!({"policyName": "p", "validationActions": ["Deny"], "paramRef": reference});
    check_changes(
        &object(ADMISSION, "ValidatingAdmissionPolicyBinding", json!({"spec": spec})),
        &[
            ("/spec/policyName", json!(""), "spec.policyName: Required value"),
            (
                "/spec/validationActions",
                json!([]),
                "spec.validationActions: Required value: at least one validation action is required",
            ),
            ("/spec/validationActions", json!(["Shout"]), "spec.validationActions[0]: Unsupported value: \"Shout\""),
            (
                "/spec/validationActions",
                json!(["Deny", "Warn"]),
                "spec.validationActions: Invalid value: [\"Deny\",\"Warn\"]: must not contain both Deny and Warn",
            ),
            ("/spec/paramRef/name", json!(""), "spec.paramRef: Required value: one of name or selector must be specified"),
            ("/spec/paramRef/parameterNotFoundAction", json!(""), "spec.paramRef.parameterNotFoundAction: Required value"),
        ],
    );
    assert!(created(object(ADMISSION, "MutatingAdmissionPolicyBinding", json!({"spec": {"policyName": "p"}}))).is_empty());
}

#[test]
fn flow_control() {
    let account = json!({"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": "n"}});
    let resources = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}]);
    let rule = json!({"subjects": [account], "resourceRules": resources, "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/x/*"]}]});
    let spec = json!({"priorityLevelConfiguration": {"name": "p"}, "rules": [rule]});
    let rule = "spec.rules[0]";
    check_changes(
        &object(FLOW, "FlowSchema", json!({"spec": spec})),
        &[
            (
                "/spec/matchingPrecedence",
                json!(10_001),
                "spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000",
            ),
            ("/spec/matchingPrecedence", json!(1), "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt'"),
            (
                "/spec/priorityLevelConfiguration/name",
                json!(""),
                "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
            ),
            (
                "/spec/rules/0/subjects",
                json!([]),
                &format!("{rule}.subjects: Required value: subjects must contain at least one value"),
            ),
            ("/spec/rules/0/subjects/0/kind", json!("Robot"), &format!("{rule}.subjects[0].kind: Unsupported value: \"Robot\"")),
            (
                "/spec/rules/0/subjects/0/user",
                json!({"name": "u"}),
                &format!("{rule}.subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'"),
            ),
            (
                "/spec/rules/0/subjects/0/serviceAccount/namespace",
                json!(""),
                &format!("{rule}.subjects[0].serviceAccount.namespace: Required value: must specify namespace"),
            ),
            (
                "/spec/rules/0/resourceRules/0/verbs",
                json!(["*", "get"]),
                &format!("{rule}.resourceRules[0].verbs: Invalid value: [\"*\",\"get\"]: if '*' is present"),
            ),
            (
                "/spec/rules/0/resourceRules/0/namespaces",
                json!([]),
                &format!("{rule}.resourceRules[0].namespaces: Required value: resource rules that are not"),
            ),
            (
                "/spec/rules/0/nonResourceRules/0/nonResourceURLs",
                json!(["x"]),
                &format!("{rule}.nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"x\": must start with slash"),
            ),
        ],
    );
    let queuing = json!({"queues": 64, "handSize": 8, "queueLengthLimit": 50});
    let limited = json!({"limitResponse": {"type": "Queue", "queuing": queuing}});
    check_changes(
        &object(FLOW, "PriorityLevelConfiguration", json!({"spec": {"type": "Limited", "limited": limited}})),
        &[
            ("/spec/limited", Value::Null, "spec.limited: Required value: must not be empty when type is Limited"),
            (
                "/spec/limited/nominalConcurrencyShares",
                json!(-1),
                "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
            ),
            ("/spec/limited/limitResponse/type", json!("Wait"), "spec.limited.limitResponse.type: Unsupported value: \"Wait\""),
            (
                "/spec/limited/limitResponse/queuing/handSize",
                json!(65),
                "spec.limited.limitResponse.queuing.handSize: Invalid value: 65: should not be greater than queues (64)",
            ),
            (
                "/spec/limited/limitResponse/queuing/handSize",
                json!(11),
                "spec.limited.limitResponse.queuing.handSize: Invalid value: 11: required entropy bits of deckSize 64 and handSize 11 should not be greater than 60",
            ),
        ],
    );
}

#[test]
fn addresses_of_services() {
    let parent = json!({"resource": "services", "namespace": "n", "name": "s"});
    let address = object(NET, "IPAddress", json!({"metadata": {"name": "10.0.0.1"}, "spec": {"parentRef": parent}}));
    check_changes(
        &address,
        &[
            (
                "/metadata/name",
                json!("a"),
                "metadata.name: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ),
            (
                "/metadata/name",
                json!("fd00:0::1"),
                "metadata.name: Invalid value: \"fd00:0::1\": must be in canonical form (\"fd00::1\")",
            ),
            ("/spec/parentRef", Value::Null, "spec.parentRef: Required value"),
            ("/spec/parentRef/resource", json!(""), "spec.parentRef.resource: Required value"),
        ],
    );
    check_update(&address, "/spec/parentRef/name", json!("t"), "spec.parentRef: Invalid value: {");
    let ranges = object(NET, "ServiceCIDR", json!({"spec": {"cidrs": ["10.0.0.0/16", "fd00::/112"]}}));
    check_changes(
        &ranges,
        &[
            ("/spec/cidrs", json!([]), "spec.cidrs: Required value: at least one CIDR required"),
            ("/spec/cidrs", json!(["10.0.0.0/16", "10.1.0.0/16"]), "spec.cidrs: Invalid value: {"),
            (
                "/spec/cidrs",
                json!(["10.0.0.1/16"]),
                "spec.cidrs[0]: Invalid value: \"10.0.0.1/16\": must not have bits set beyond the prefix length",
            ),
        ],
    );
    check(
        &created(spoil(ranges, "/spec/cidrs", json!(["10.0.0.0"]))),
        "spec.cidrs[0]: Invalid value: \"10.0.0.0\": must be a valid CIDR value",
    );
}

#[test]
fn devices() {
    let request = json!({"name": "r", "exactly": {"deviceClassName": "c"}});
    let claim = object(
        DEVICES,
        "ResourceClaim",
        json!({"spec": {"devices": {"requests": [request], "constraints": [{"requests": ["r"], "matchAttribute": "a.io/b"}]}}}),
    );
    let at = "spec.devices.requests[0]";
    check_changes(
        &claim,
        &[
            (
                "/spec/devices/requests/0/exactly",
                Value::Null,
                &format!("{at}: Required value: exactly one of `exactly` or `firstAvailable` is required"),
            ),
            (
                "/spec/devices/requests/0/exactly/deviceClassName",
                json!(""),
                &format!("{at}.exactly.deviceClassName: Required value"),
            ),
            (
                "/spec/devices/requests/0/exactly/allocationMode",
                json!("Some"),
                &format!("{at}.exactly.allocationMode: Unsupported value: \"Some\": supported values: \"All\", \"ExactCount\""),
            ),
            (
                "/spec/devices/requests/0/exactly/count",
                json!(-1),
                &format!("{at}.exactly.count: Invalid value: -1: must be greater than zero"),
            ),
            (
                "/spec/devices/constraints/0/requests",
                json!(["s"]),
                "spec.devices.constraints[0].requests[0]: Invalid value: \"s\": must be the name of a request",
            ),
        ],
    );
    check_update(&claim, "/spec/devices/requests/0/exactly/count", json!(2), "spec: Invalid value: {");
    let class = object(
        DEVICES,
        "DeviceClass",
        json!({"spec": {"selectors": [{"cel": {"expression": "true"}}], "config": [{"opaque": {"driver": "a.io", "parameters": {}}}]}}),
    );
    check_changes(
        &class,
        &[
            ("/spec/selectors/0/cel", Value::Null, "spec.selectors[0].cel: Required value"),
            ("/spec/config/0/opaque", Value::Null, "spec.config[0].opaque: Required value"),
            ("/spec/config/0/opaque/driver", json!(""), "spec.config[0].opaque.driver: Required value"),
            (
                "/spec/extendedResourceName",
                json!("cpu"),
                "spec.extendedResourceName: Invalid value: \"cpu\": must be a valid extended resource name",
            ),
        ],
    );
    let slice = json!({"driver": "a.io", "nodeName": "n", "pool": {"name": "p", "generation": 0, "resourceSliceCount": 1}, "devices": [{"name": "d", "attributes": {"a": {"int": 1}}}]});
    let slice = object(DEVICES, "ResourceSlice", json!({"spec": slice}));
    check_changes(
        &slice,
        &[
            ("/spec/driver", json!(""), "spec.driver: Required value"),
            ("/spec/pool/name", json!(""), "spec.pool.name: Required value"),
            (
                "/spec/pool/resourceSliceCount",
                json!(0),
                "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
            ),
            ("/spec/nodeName", Value::Null, "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`"),
            ("/spec/allNodes", json!(true), "spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of"),
            ("/spec/devices/0/name", json!("D"), "spec.devices[0].name: Invalid value: \"D\": a lowercase RFC 1123 label"),
            (
                "/spec/devices/0/attributes/a",
                json!({}),
                "spec.devices[0].attributes[a]: Invalid value: \"\": exactly one value must be specified",
            ),
        ],
    );
    check_update(&slice, "/spec/nodeName", json!("m"), "spec.nodeName: Invalid value: \"m\": field is immutable");
}

#[test]
fn classes_and_capacities_of_storage() {
    let class = object("storage.k8s.io/v1", "VolumeAttributesClass", json!({"driverName": "a.io", "parameters": {"a": "b"}}));
    check_changes(
        &class,
        &[
            ("/driverName", json!(""), "driverName: Required value"),
            ("/parameters", json!({}), "parameters: Required value: must contain at least one key/value pair"),
        ],
    );
    check_update(&class, "/parameters/a", json!("c"), "parameters: Forbidden: updates to parameters are forbidden.");
    let capacity = object("storage.k8s.io/v1", "CSIStorageCapacity", json!({"storageClassName": "c", "capacity": "1Gi"}));
    check_changes(
        &capacity,
        &[
            ("/storageClassName", json!("C"), "storageClassName: Invalid value: \"C\""),
            ("/capacity", json!("-1"), "capacity: Invalid value: \"-1\": must be greater than or equal to 0"),
        ],
    );
    check_update(&capacity, "/storageClassName", json!("d"), "storageClassName: Invalid value: \"d\": field is immutable");
}

#[test]
fn replication_controllers() {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}]}});
    let controller = object("v1", "ReplicationController", json!({"spec": {"selector": {"a": "b"}, "template": template}}));
    check_changes(
        &controller,
        &[
            ("/spec/replicas", json!(-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
            (
                "/spec/selector",
                json!({"a": "c"}),
                "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
            ),
            (
                "/spec/template/spec/restartPolicy",
                json!("Never"),
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\"",
            ),
        ],
    );
}
