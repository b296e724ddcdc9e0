//! Kinds that come along with daemons in their manifests.

use super::with_defaults;
use serde_json::{Value, json};

#[test]
fn services_get_defaults_and_no_address_yet() {
    let service = |spec: Value| with_defaults("", "services", json!({"spec": spec}))["spec"].clone();
    let plain = service(json!({"ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "targetPort": "dns"}]}));
    let ports = json!([{"port": 80, "protocol": "TCP", "targetPort": 80}, {"port": 53, "protocol": "UDP", "targetPort": "dns"}]);
    assert_eq!(
        plain,
        json!({"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
            "ipFamilyPolicy": "SingleStack", "ports": ports})
    );
    for (given, field, wanted) in [
        (json!({"clusterIP": "None"}), "clusterIPs", json!(["None"])),
        (json!({"clusterIP": "None"}), "ipFamilyPolicy", json!("RequireDualStack")),
        (json!({"clusterIP": "None", "selector": {"a": "b"}}), "ipFamilyPolicy", json!("SingleStack")),
        (json!({"type": "NodePort"}), "externalTrafficPolicy", json!("Cluster")),
        (json!({"externalIPs": ["1.2.3.4"]}), "externalTrafficPolicy", json!("Cluster")),
        (json!({"type": "LoadBalancer"}), "allocateLoadBalancerNodePorts", json!(true)),
        (json!({"type": "ExternalName"}), "ipFamilies", Value::Null),
        (json!({"type": "ExternalName"}), "internalTrafficPolicy", Value::Null),
        (json!({"sessionAffinity": "ClientIP"}), "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10_800}})),
    ] {
        assert_eq!(service(given.clone())[field], wanted, "{given}");
    }
}

#[test]
fn workloads_get_theirs_and_their_templates_too() {
    let template = json!({"spec": {"containers": [{"name": "c", "image": "x:1"}]}});
    let spec = |group: &str, plural: &str, spec: Value| {
        with_defaults(group, plural, json!({"metadata": {"name": "w", "uid": "u-1"}, "spec": spec}))["spec"].clone()
    };
    let deployment = spec("apps", "deployments", json!({"template": template}));
    assert_eq!(
        deployment["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
    );
    for (field, wanted) in [("replicas", 1), ("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600)] {
        assert_eq!(deployment[field], wanted, "{field}");
    }
    assert_eq!(deployment["template"]["spec"]["dnsPolicy"], "ClusterFirst");
    assert_eq!(spec("apps", "deployments", json!({"strategy": {"type": "Recreate"}}))["strategy"], json!({"type": "Recreate"}));
    assert_eq!(spec("apps", "replicasets", json!({"replicas": 0}))["replicas"], 0);

    let set = spec("apps", "statefulsets", json!({"volumeClaimTemplates": [{"spec": {}}]}));
    assert_eq!(set["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    assert_eq!(set["persistentVolumeClaimRetentionPolicy"], json!({"whenDeleted": "Retain", "whenScaled": "Retain"}));
    assert_eq!((&set["replicas"], &set["podManagementPolicy"]), (&json!(1), &json!("OrderedReady")));
    assert_eq!(set["volumeClaimTemplates"][0]["spec"]["volumeMode"], "Filesystem");

    let job = spec("batch", "jobs", json!({"template": template}));
    assert_eq!((&job["parallelism"], &job["completions"], &job["backoffLimit"]), (&json!(1), &json!(1), &json!(6)));
    assert_eq!(job["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}));
    assert_eq!(job["template"]["metadata"]["labels"]["job-name"], "w");
    assert!(spec("batch", "jobs", json!({"parallelism": 2}))["completions"].is_null());
    assert!(spec("batch", "jobs", json!({"template": template, "manualSelector": true}))["selector"].is_null());
    let cron = spec("batch", "cronjobs", json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}));
    assert_eq!((&cron["concurrencyPolicy"], &cron["successfulJobsHistoryLimit"]), (&json!("Allow"), &json!(3)));
    assert!(cron["jobTemplate"]["spec"]["backoffLimit"].is_null());
}

#[test]
fn rules_of_the_cluster_get_theirs() {
    let binding = json!({"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]});
    let binding = with_defaults("rbac.authorization.k8s.io", "clusterrolebindings", binding);
    assert_eq!(binding["roleRef"]["apiGroup"], "rbac.authorization.k8s.io");
    assert_eq!(binding["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    assert!(binding["subjects"][1].get("apiGroup").is_none());

    let limits = json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2", "memory": "1024Mi"}, "defaultRequest": {"cpu": "1000m"}}]}});
    let limits = with_defaults("", "limitranges", limits)["spec"]["limits"][0].clone();
    assert_eq!(limits["default"], json!({"cpu": "2", "memory": "1Gi"}));
    assert_eq!(limits["defaultRequest"], json!({"cpu": "1", "memory": "1Gi"}));

    let hooks = json!({"webhooks": [{"clientConfig": {"service": {"name": "s"}}, "rules": [{}]}]});
    let hook = |plural| with_defaults("admissionregistration.k8s.io", plural, hooks.clone())["webhooks"][0].clone();
    let validating = hook("validatingwebhookconfigurations");
    assert_eq!((&validating["failurePolicy"], &validating["timeoutSeconds"]), (&json!("Fail"), &json!(10)));
    assert_eq!((&validating["clientConfig"]["service"]["port"], &validating["rules"][0]["scope"]), (&json!(443), &json!("*")));
    assert!(validating.get("reinvocationPolicy").is_none());
    assert_eq!(hook("mutatingwebhookconfigurations")["reinvocationPolicy"], "Never");

    for (egress, wanted) in [(json!([]), json!(["Ingress"])), (json!([{"ports": [{"port": 1}]}]), json!(["Ingress", "Egress"]))] {
        let policy = with_defaults("networking.k8s.io", "networkpolicies", json!({"spec": {"egress": egress}}));
        assert_eq!(policy["spec"]["policyTypes"], wanted);
    }
}

#[test]
fn storage_gets_its_own() {
    let driver = with_defaults("storage.k8s.io", "csidrivers", json!({"spec": {"attachRequired": false}}));
    assert_eq!(
        driver["spec"],
        json!({"attachRequired": false, "podInfoOnMount": false, "storageCapacity": false, "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "requiresRepublish": false, "seLinuxMount": false, "volumeLifecycleModes": ["Persistent"]})
    );
    let class = with_defaults("storage.k8s.io", "storageclasses", json!({"provisioner": "p"}));
    assert_eq!((&class["reclaimPolicy"], &class["volumeBindingMode"]), (&json!("Delete"), &json!("Immediate")));
    let claim = with_defaults("", "persistentvolumeclaims", json!({"spec": {"resources": {"requests": {"storage": "1024Mi"}}}}));
    assert_eq!(claim["spec"], json!({"volumeMode": "Filesystem", "resources": {"requests": {"storage": "1Gi"}}}));
}

#[test]
fn autoscalers_and_what_rules_the_cluster_get_theirs() {
    let spec = |group: &str, plural: &str, spec: Value| with_defaults(group, plural, json!({"spec": spec}))["spec"].clone();
    let resource = crate::resource::find("autoscaling", "v2", "horizontalpodautoscalers").expect("is served");
    let scaler = |spec: Value| {
        let mut object = json!({"spec": spec});
        crate::defaults::apply(resource, &mut object);
        object["spec"].clone()
    };
    let plain = scaler(json!({"maxReplicas": 3}));
    assert_eq!((&plain["minReplicas"], plain.get("behavior")), (&json!(1), None));
    assert_eq!(plain["metrics"][0]["resource"]["target"], json!({"type": "Utilization", "averageUtilization": 80}));
    let down = json!({"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]});
    let behaving = scaler(
        json!({"behavior": {"scaleDown": down}, "metrics": [{"type": "Pods", "pods": {"target": {"averageValue": "1000"}}}]}),
    );
    assert_eq!(behaving["behavior"]["scaleDown"]["policies"], down["policies"]);
    assert_eq!(behaving["behavior"]["scaleDown"].get("stabilizationWindowSeconds"), None);
    assert_eq!(behaving["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 0);
    assert_eq!(behaving["behavior"]["scaleUp"]["policies"].as_array().map(Vec::len), Some(2));
    assert_eq!(behaving["metrics"][0]["pods"]["target"]["averageValue"], "1k");

    assert_eq!(spec("apiregistration.k8s.io", "apiservices", json!({"service": {}}))["service"]["port"], 443);
    assert_eq!(spec("flowcontrol.apiserver.k8s.io", "flowschemas", json!({}))["matchingPrecedence"], 1000);
    let level = json!({"limited": {"limitResponse": {"queuing": {"queues": 2}}}});
    let level = spec("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", level);
    assert_eq!((&level["limited"]["nominalConcurrencyShares"], &level["limited"]["lendablePercent"]), (&json!(30), &json!(0)));
    assert_eq!(level["limited"]["limitResponse"]["queuing"], json!({"queues": 2, "handSize": 8, "queueLengthLimit": 50}));
    let policy =
        spec("admissionregistration.k8s.io", "validatingadmissionpolicies", json!({"matchConstraints": {"resourceRules": [{}]}}));
    let matched =
        json!({"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "resourceRules": [{"scope": "*"}]});
    assert_eq!(policy, json!({"failurePolicy": "Fail", "matchConstraints": matched}));
    let requests =
        json!({"devices": {"requests": [{"exactly": {}}, {"exactly": {"allocationMode": "All"}}, {"firstAvailable": [{}]}]}});
    let claim = spec("resource.k8s.io", "resourceclaims", requests.clone());
    let one = json!({"allocationMode": "ExactCount", "count": 1});
    assert_eq!(claim["devices"]["requests"][0]["exactly"], one);
    assert_eq!(claim["devices"]["requests"][1]["exactly"], json!({"allocationMode": "All"}));
    assert_eq!(claim["devices"]["requests"][2]["firstAvailable"][0], one);
    assert_eq!(spec("resource.k8s.io", "resourceclaimtemplates", json!({"spec": requests}))["spec"], claim);
}
