use crate::resource;
use serde_json::{Value, json};

mod companions;

fn with_defaults(group: &str, plural: &str, mut object: Value) -> Value {
    super::apply(resource::find(group, "v1", plural).expect("is served"), &mut object);
    object
}

/// Conformance: U24
#[test]
fn a_daemon_set_gets_its_defaults_and_its_template_no_pod_defaults() {
    let set = with_defaults(
        "apps",
        "daemonsets",
        json!({"spec": {"template": {"spec": {"containers": [
            {"name": "c", "image": "x:1", "resources": {"limits": {"cpu": "1"}}, "readinessProbe": {"httpGet": {"port": 80}}}
        ]}}}}),
    );
    assert_eq!(
        set["spec"]["updateStrategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
    );
    assert_eq!(set["spec"]["revisionHistoryLimit"], 10);
    let spec = &set["spec"]["template"]["spec"];
    assert_eq!(
        (&spec["dnsPolicy"], &spec["restartPolicy"], &spec["terminationGracePeriodSeconds"]),
        (&json!("ClusterFirst"), &json!("Always"), &json!(30))
    );
    assert_eq!((&spec["schedulerName"], &spec["securityContext"]), (&json!("default-scheduler"), &json!({})));
    let probe = json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3});
    assert_eq!(spec["containers"][0]["readinessProbe"], probe);
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert!(spec.get("enableServiceLinks").is_none() && spec["containers"][0]["resources"].get("requests").is_none());
}

/// Conformance: U24
#[test]
fn on_delete_leaves_rolling_update_alone_and_explicit_values_stay() {
    let set =
        with_defaults("apps", "daemonsets", json!({"spec": {"revisionHistoryLimit": 0, "updateStrategy": {"type": "OnDelete"}}}));
    assert_eq!(set["spec"], json!({"revisionHistoryLimit": 0, "updateStrategy": {"type": "OnDelete"}}));
}

#[test]
fn pull_policies_follow_the_tag() {
    for (image, policy) in [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("host:5000/a", "Always"),
        ("host:5000/a:1", "IfNotPresent"),
        ("a@sha256:00", "IfNotPresent"),
        ("a:latest@sha256:00", "Always"),
    ] {
        let pod = with_defaults("", "pods", json!({"spec": {"containers": [{"image": image}]}}));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
    }
}

#[test]
fn pods_get_quality_classes_requests_and_host_ports() {
    let resources = |resources: Value| {
        with_defaults(
            "",
            "pods",
            json!({"spec": {"hostNetwork": true, "containers": [
                {"name": "c", "image": "x:1", "resources": resources, "ports": [{"containerPort": 80}]}
            ]}}),
        )
    };
    for (given, class) in [
        (json!({}), "BestEffort"),
        (json!({"requests": {"cpu": "100m"}}), "Burstable"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}}), "Guaranteed"),
        (json!({"limits": {"cpu": 1}}), "Burstable"),
    ] {
        assert_eq!(resources(given.clone())["status"]["qosClass"], class, "{given}");
    }
    let pod = resources(json!({"limits": {"memory": "1Gi"}}));
    assert_eq!(pod["spec"]["containers"][0]["resources"]["requests"], json!({"memory": "1Gi"}));
    assert_eq!(pod["spec"]["containers"][0]["ports"][0], json!({"containerPort": 80, "hostPort": 80, "protocol": "TCP"}));
}

#[test]
fn amounts_are_stored_in_one_form() {
    let resources = json!({"limits": {"cpu": 1, "memory": "1024Mi"}, "requests": {"cpu": "0.5", "memory": "much"}});
    let pod = json!({"spec": {"containers": [{"name": "c", "resources": resources}], "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1000k"}}]}});
    let pod = with_defaults("", "pods", pod);
    let stored = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "much"}});
    assert_eq!(pod["spec"]["containers"][0]["resources"], stored);
    assert_eq!(pod["spec"]["volumes"][0]["emptyDir"]["sizeLimit"], "1M");
    let node = with_defaults("", "nodes", json!({"status": {"capacity": {"memory": "2048Ki"}}}));
    assert_eq!(node["status"], json!({"capacity": {"memory": "2Mi"}, "allocatable": {"memory": "2Mi"}}));
}

#[test]
fn volumes_and_downward_fields_get_theirs() {
    let check = |given: Value, wanted: Value| {
        let pod = with_defaults("", "pods", json!({"spec": {"volumes": [given]}}));
        assert_eq!(pod["spec"]["volumes"][0], wanted);
    };
    check(json!({"name": "v"}), json!({"name": "v", "emptyDir": {}}));
    check(json!({"name": "v", "hostPath": {"path": "/a"}}), json!({"name": "v", "hostPath": {"path": "/a", "type": ""}}));
    check(
        json!({"name": "v", "secret": {"secretName": "s"}}),
        json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 420}}),
    );
    check(
        json!({"name": "v", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}}),
        json!({"name": "v", "downwardAPI": {"defaultMode": 420, "items": [{"path": "p", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}]}}),
    );
    check(
        json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}),
        json!({"name": "v", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}}),
    );
    let from = json!({"resourceFieldRef": {"resource": "limits.cpu"}});
    let pod = with_defaults("", "pods", json!({"spec": {"containers": [{"env": [{"name": "A", "valueFrom": from}]}]}}));
    assert_eq!(pod["spec"]["containers"][0]["env"][0]["valueFrom"]["resourceFieldRef"]["divisor"], "0");
}

#[test]
fn an_empty_text_is_no_value() {
    let pod = with_defaults(
        "",
        "pods",
        json!({"spec": {"dnsPolicy": "", "schedulerName": "", "serviceAccount": "robot", "containers": [
            {"name": "c", "image": "x:1", "imagePullPolicy": "", "terminationMessagePath": "", "livenessProbe": {"periodSeconds": 0, "httpGet": {"path": ""}}}
        ]}}),
    );
    let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
    assert_eq!((&spec["dnsPolicy"], &spec["schedulerName"]), (&json!("ClusterFirst"), &json!("default-scheduler")));
    assert_eq!(spec["serviceAccountName"], "robot");
    assert_eq!(
        (&container["imagePullPolicy"], &container["terminationMessagePath"]),
        (&json!("IfNotPresent"), &json!("/dev/termination-log"))
    );
    assert_eq!(
        (&container["livenessProbe"]["periodSeconds"], &container["livenessProbe"]["httpGet"]["path"]),
        (&json!(10), &json!("/"))
    );
}

#[test]
fn secrets_merge_string_data() {
    let secret = with_defaults("", "secrets", json!({"data": {"a": "eA=="}, "stringData": {"b": "y"}}));
    assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "eA==", "b": "eQ=="}}));
}
