use crate::resource;
use serde_json::{Value, json};

fn with_defaults(group: &str, plural: &str, mut object: Value) -> Value {
    super::apply(resource::find(group, "v1", plural).expect("is served"), &mut object);
    object
}

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
fn secrets_merge_string_data() {
    let secret = with_defaults("", "secrets", json!({"data": {"a": "eA=="}, "stringData": {"b": "y"}}));
    assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "eA==", "b": "eQ=="}}));
}
