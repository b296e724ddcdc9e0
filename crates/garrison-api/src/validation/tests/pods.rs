//! Faults of pods and pod templates.

use super::{check, created, daemon_set, row, spoil, update, words};
use crate::defaults;
use serde_json::{Value, json};

/// Spoils one place of the pod template, relative to `base`, and expects one fault that begins with the path of `base` and these words.
#[track_caller]
fn check_template(base: &str, rows: Vec<(&str, Value, &str)>) {
    let path = base.replace("containers/0", "containers[0]").replace('/', ".");
    for (field, value, expected) in rows {
        check(
            &created(spoil(daemon_set(), &format!("/spec/template/spec{base}/{field}"), value)),
            &format!("spec.template.spec{path}.{expected}"),
        );
    }
}

#[test]
fn pod_templates_are_checked() {
    check_template(
        "",
        vec![
            (
                "restartPolicy",
                json!("Sometimes"),
                "restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\", \"OnFailure\"",
            ),
            ("dnsPolicy", json!("Maybe"), "dnsPolicy: Unsupported value: \"Maybe\""),
            ("dnsPolicy", json!("None"), "dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
            (
                "terminationGracePeriodSeconds",
                json!(-1),
                "terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
            ),
            ("containers", json!([]), "containers: Required value"),
            (
                "ephemeralContainers",
                json!([{"name": "e"}]),
                "ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template",
            ),
        ],
    );
}

#[test]
fn volumes_are_checked() {
    check_template(
        "",
        vec![
            (
                "volumes",
                json!([{"name": "v", "hostPath": {"path": "/a/../b"}}]),
                "volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
            ),
            (
                "volumes",
                json!([{"name": "v", "hostPath": {"path": "/a", "type": "Any"}}]),
                "volumes[0].hostPath.type: Unsupported value: \"Any\": supported values: \"\", \"BlockDevice\"",
            ),
            (
                "volumes",
                json!([{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
                "volumes[1].name: Duplicate value: \"v\"",
            ),
            (
                "volumes",
                json!([{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]),
                "volumes[0].secret: Forbidden: may not specify more than 1 volume type",
            ),
            ("volumes", json!([{"name": "v", "configMap": {}}]), "volumes[0].configMap.name: Required value"),
            (
                "volumes",
                json!([{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "../x"}]}}]),
                "volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'",
            ),
            (
                "volumes",
                json!([{"name": "v", "secret": {"secretName": "s", "defaultMode": 512}}]),
                "volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777",
            ),
            (
                "volumes",
                json!([{"name": "v", "emptyDir": {"sizeLimit": "-1"}}]),
                "volumes[0].emptyDir.sizeLimit: Invalid value: \"-1\"",
            ),
            (
                "volumes",
                json!([{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}}]),
                "volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
            ),
            (
                "volumes",
                json!([{"name": "v", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "spec.nodeName"}}]}}]),
                "volumes[0].downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: \"spec.nodeName\"",
            ),
        ],
    );
}

#[test]
fn placement_and_rights_are_checked() {
    check_template(
        "",
        vec![
            (
                "tolerations",
                json!([{"key": "k", "operator": "Sometimes"}]),
                "tolerations[0].operator: Unsupported value: \"Sometimes\": supported values: \"Equal\", \"Exists\"",
            ),
            (
                "tolerations",
                json!([{"operator": "Equal"}]),
                "tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty",
            ),
            (
                "tolerations",
                json!([{"key": "k", "tolerationSeconds": 1, "effect": "NoSchedule"}]),
                "tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute'",
            ),
            ("nodeSelector", json!({"a": "b c"}), "nodeSelector: Invalid value: \"b c\": a valid label must be"),
            ("nodeName", json!("A"), "nodeName: Invalid value: \"A\""),
            ("hostname", json!("a.b"), "hostname: Invalid value: \"a.b\""),
            ("hostAliases", json!([{"ip": "1.2.3"}]), "hostAliases[0].ip: Invalid value: \"1.2.3\": must be a valid IP address"),
            (
                "securityContext",
                json!({"runAsUser": -1}),
                "securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            ),
            (
                "securityContext",
                json!({"sysctls": [{"name": "A", "value": "1"}]}),
                "securityContext.sysctls[0].name: Invalid value: \"A\": must have at most 253",
            ),
            (
                "securityContext",
                json!({"seccompProfile": {"type": "Localhost"}}),
                "securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
            ),
            (
                "affinity",
                json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}),
                "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one",
            ),
            (
                "affinity",
                json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]}]}}}),
                "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].values: Required value: must be only one",
            ),
            (
                "affinity",
                json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 101, "podAffinityTerm": {"topologyKey": "t"}}]}}),
                "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
            ),
        ],
    );
}

#[test]
fn containers_are_checked() {
    check_template(
        "/containers/0",
        vec![
            ("name", json!("Upper"), "name: Invalid value: \"Upper\": a lowercase RFC 1123 label"),
            ("image", json!(""), "image: Required value"),
            (
                "imagePullPolicy",
                json!("Sometimes"),
                "imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
            ),
            (
                "ports",
                json!([{"containerPort": 70000}]),
                "ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ),
            (
                "ports",
                json!([{"containerPort": 1, "name": "too-long-for-a-name"}]),
                "ports[0].name: Invalid value: \"too-long-for-a-name\": must be no more than 15",
            ),
            ("ports", json!([{"containerPort": 1, "protocol": "ICMP"}]), "ports[0].protocol: Unsupported value: \"ICMP\""),
            (
                "ports",
                json!([{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]),
                "ports[1].hostPort: Duplicate value: \"TCP//9\"",
            ),
        ],
    );
}

#[test]
fn variables_are_checked() {
    check_template(
        "/containers/0",
        vec![
            ("env", json!([{"name": ""}]), "env[0].name: Required value"),
            ("env", json!([{"name": "a=b"}]), "env[0].name: Invalid value: \"a=b\""),
            ("env", json!([{"name": "A", "valueFrom": {}}]), "env[0].valueFrom: Invalid value: \"\": must specify one of"),
            (
                "env",
                json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.bogus"}}}]),
                "env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.bogus\": error converting fieldPath",
            ),
            (
                "env",
                json!([{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}}]),
                "env[0].valueFrom.resourceFieldRef.resource: Unsupported value",
            ),
            (
                "env",
                json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "a/b"}}}]),
                "env[0].valueFrom.secretKeyRef.key: Invalid value: \"a/b\": a valid config key",
            ),
            ("envFrom", json!([{}]), "envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`"),
        ],
    );
}

#[test]
fn mounts_resources_and_probes_are_checked() {
    check_template(
        "/containers/0",
        vec![
            ("volumeMounts", json!([{"name": "nowhere", "mountPath": "/x"}]), "volumeMounts[0].name: Not found: \"nowhere\""),
            (
                "volumeMounts",
                json!([{"name": "v", "mountPath": "/x", "mountPropagation": "Bidirectional"}]),
                "volumeMounts[0].mountPropagation: Forbidden: Bidirectional",
            ),
            (
                "volumeMounts",
                json!([{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}]),
                "volumeMounts[1].mountPath: Invalid value: \"/x\": must be unique",
            ),
            (
                "volumeMounts",
                json!([{"name": "v", "mountPath": "/x", "subPath": "/abs"}]),
                "volumeMounts[0].subPath: Invalid value: \"/abs\": must be a relative path",
            ),
            (
                "resources",
                json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
                "resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            ),
            (
                "resources",
                json!({"requests": {"memory": "-1"}}),
                "resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
            ),
            (
                "livenessProbe",
                json!({"httpGet": {"path": "/", "port": 0}}),
                "livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ),
            (
                "livenessProbe",
                json!({"exec": {"command": ["a"]}, "successThreshold": 2}),
                "livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ),
            ("readinessProbe", json!({}), "readinessProbe: Required value: must specify a handler type"),
            ("startupProbe", json!({"exec": {"command": []}}), "startupProbe.exec.command: Required value"),
            (
                "lifecycle",
                json!({"preStop": {"sleep": {"seconds": 31}}}),
                "lifecycle.preStop.sleep.seconds: Invalid value: 31: must be non-negative",
            ),
            ("terminationMessagePolicy", json!("Shout"), "terminationMessagePolicy: Unsupported value: \"Shout\""),
            (
                "securityContext",
                json!({"privileged": true, "allowPrivilegeEscalation": false}),
                "securityContext: Invalid value: {",
            ),
        ],
    );
}

#[test]
fn what_is_right_has_no_faults() {
    let spec = json!({
        "hostNetwork": true, "hostPID": true, "dnsPolicy": "ClusterFirstWithHostNet", "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}, {"key": "a.io/b", "effect": "NoExecute", "tolerationSeconds": 30}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{
            "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}],
            "matchExpressions": [{"key": "a", "operator": "Gt", "values": ["5"]}, {"key": "b", "operator": "DoesNotExist"}]}]}}},
        "initContainers": [{"name": "side", "image": "i", "restartPolicy": "Always", "startupProbe": {"tcpSocket": {"port": "web"}}}],
        "containers": [{
            "name": "c", "image": "i:1", "ports": [{"containerPort": 80, "name": "web"}],
            "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                    {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}],
            "envFrom": [{"prefix": "P_", "configMapRef": {"name": "m"}}],
            "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}, "limits": {"memory": "200Mi"}},
            "livenessProbe": {"httpGet": {"path": "/", "port": "web"}}, "readinessProbe": {"grpc": {"port": 9}},
            "lifecycle": {"preStop": {"exec": {"command": ["a"]}}},
            "securityContext": {"privileged": true},
            "volumeMounts": [{"name": "h", "mountPath": "/h", "mountPropagation": "Bidirectional"}, {"name": "p", "mountPath": "/p", "subPath": "a/b"}]
        }],
        "volumes": [
            {"name": "h", "hostPath": {"path": "/var/log", "type": ""}},
            {"name": "p", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}}
        ]
    });
    assert_eq!(created(spoil(daemon_set(), "/spec/template/spec", spec.clone())), Vec::<String>::new());
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec});
    assert_eq!(created(pod), Vec::<String>::new());
}

#[test]
fn pods_change_little() {
    let mut old = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}], "containers": [{"name": "c", "image": "i"}], "hostNetwork": false}
    });
    defaults::apply(row(&old), &mut old);
    let updated = |pointer: &str, value| words(&update(row(&old), None, &old, &spoil(old.clone(), pointer, value)));
    for (pointer, value) in [
        ("/spec/containers/0/image", json!("j")),
        ("/spec/activeDeadlineSeconds", json!(9)),
        (
            "/spec/tolerations",
            json!([{"key": "b", "operator": "Exists"}, {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}]),
        ),
        ("/spec/hostNetwork", Value::Null),
        ("/metadata/labels", json!({"a": "b"})),
    ] {
        assert_eq!(updated(pointer, value), Vec::<String>::new(), "{pointer}");
    }
    check(&updated("/spec/nodeName", json!("n")), "spec: Forbidden: pod updates may not change fields other than");
    check(&updated("/spec/containers/0/command", json!(["a"])), "spec: Forbidden: pod updates may not change");
    check(&updated("/spec/containers/0/image", json!("")), "spec.containers[0].image: Required value");
    check(&updated("/spec/containers", json!([])), "spec.containers: Forbidden: pod updates may not add or remove containers");
    check(&updated("/spec/tolerations", json!([])), "spec.tolerations: Forbidden: existing toleration can not be modified");
}
