//! Every kind's row once filled and once empty, and the columns that are not what their cells look like.

use super::*;

fn line(group: &str, version: &str, plural: &str, object: Value) -> String {
    let resource = find(group, version, plural).unwrap_or_else(|| panic!("{plural} are not served"));
    let mut object = object;
    object["metadata"]["name"] = "x".into();
    object["metadata"]["creationTimestamp"] = "2026-01-01T00:59:00Z".into();
    let row = row(resource, &object, IncludeObject::None, NOW.parse().expect("a time"));
    let cells = row["cells"].as_array().expect("a list");
    let words: Vec<String> = cells.iter().map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect();
    words.join("|")
}

/// Group, version, plural; an object and its row; the row of an object that says nothing.
type Case = (&'static str, &'static str, &'static str, Value, &'static str, &'static str);

fn core() -> Vec<Case> {
    let pod = json!({"metadata": {"labels": {"b": "2", "a": "1"}}, "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}});
    let node = json!({
        "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "db"}},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "ExternalIP", "address": "1.2.3.4"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1", "osImage": "Linux X", "kernelVersion": "6", "containerRuntimeVersion": "containerd://2"},
        },
    });
    let running = json!({"spec": {"nodeName": "n", "containers": [{"name": "c"}], "readinessGates": [{"conditionType": "G"}]},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.1.0.1"}], "nominatedNodeName": "m", "conditions": [{"type": "G", "status": "True"}],
            "containerStatuses": [{"ready": true, "restartCount": 1, "state": {"running": {}}}]}});
    let ingress = json!([{"hostname": "b.io"}, {"ip": "1.1.1.2", "hostname": "no"}, {"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}]);
    let balanced = json!({"spec": {"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"], "externalIPs": ["9.9.9.9"], "ports": [{"port": 80, "nodePort": 30_080, "protocol": "TCP"}], "selector": {"b": "2", "a": "1"}},
        "status": {"loadBalancer": {"ingress": ingress}}});
    let volume = json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "n", "name": "c"}, "storageClassName": "fast", "volumeAttributesClassName": "gold", "volumeMode": "Block"},
        "status": {"phase": "Bound", "reason": "r"}});
    let claim = json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "old"}}, "spec": {"volumeName": "v", "storageClassName": "fast", "volumeMode": "Filesystem"},
        "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadOnlyMany", "ReadWriteOncePod"]}});
    let quota = json!({"status": {"hard": {"limits.cpu": "4", "requests.cpu": "2", "limitsOfMine": "1", "pods": "9"}, "used": {"pods": "1", "requests.cpu": "500m"}}});
    let event = json!({"type": "Normal", "reason": "R", "message": "m\n", "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "f"}, "reportingInstance": "i",
        "eventTime": "2026-01-01T00:50:00.000000Z", "count": 4, "series": {"count": 7}});
    vec![
        ("", "v1", "configmaps", json!({"data": {"a": "b"}, "binaryData": {"c": "ZA=="}}), "x|2|60s", "x|0|60s"),
        ("", "v1", "endpoints", json!({"subsets": [{"addresses": [{"ip": "1.1.1.1"}]}]}), "x|1.1.1.1|60s", "x|<none>|60s"),
        ("", "v1", "events", event, "<unknown>|Normal|R|pod/p|f|, i|m|10m|7|x", "<unknown>|||||||<unknown>|1|x"),
        ("", "v1", "limitranges", json!({}), "x|2026-01-01T00:59:00Z", "x|2026-01-01T00:59:00Z"),
        ("", "v1", "namespaces", json!({"status": {"phase": "Active"}}), "x|Active|60s", "x||60s"),
        (
            "",
            "v1",
            "nodes",
            node,
            "x|Ready|db,worker|60s|v1|10.0.0.1|1.2.3.4|Linux X|6|containerd://2",
            "x|Unknown|<none>|60s||<none>|<none>|<unknown>|<unknown>|<unknown>",
        ),
        (
            "",
            "v1",
            "persistentvolumeclaims",
            claim,
            "x|Bound|v|2Gi|ROX,RWOP|old|<unset>|60s|Filesystem",
            "x||||||<unset>|60s|<unset>",
        ),
        (
            "",
            "v1",
            "persistentvolumes",
            volume,
            "x|1Gi|RWO,RWX|Retain|Bound|n/c|fast|gold|r|60s|Block",
            "x|0||||||<unset>||60s|<unset>",
        ),
        ("", "v1", "pods", running, "x|1/1|Running|1|60s|10.1.0.1|n|m|1/1", "x|0/0||0|60s|<none>|<none>|<none>|<none>"),
        ("", "v1", "podtemplates", json!({"template": pod}), "x|c,d|i,j|a=1,b=2", "x|||<none>"),
        (
            "",
            "v1",
            "replicationcontrollers",
            json!({"spec": {"replicas": 3, "selector": {"a": "1"}, "template": pod}, "status": {"replicas": 2, "readyReplicas": 1}}),
            "x|3|2|1|60s|c,d|i,j|a=1",
            "x|0|0|0|60s|||<none>",
        ),
        (
            "",
            "v1",
            "resourcequotas",
            quota,
            "x|limitsOfMine: 0/1, pods: 1/9, requests.cpu: 500m/2|limits.cpu: 0/4|60s",
            "x|||60s",
        ),
        ("", "v1", "secrets", json!({"type": "Opaque", "data": {"a": "Yg=="}}), "x|Opaque|1|60s", "x||0|60s"),
        ("", "v1", "serviceaccounts", json!({"secrets": [{"name": "s"}]}), "x|1|60s", "x|0|60s"),
        (
            "",
            "v1",
            "services",
            balanced,
            "x|LoadBalancer|10.0.0.1|1.1.1.1,1.1.1.2,b.io,9.9.9.9|80:30080/TCP|60s|a=1,b=2",
            "x||<none>|<unknown>|<none>|60s|<none>",
        ),
    ]
}

fn workloads() -> Vec<Case> {
    let template = json!({"spec": {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"b": "2", "a": "1"}}});
    let spec = json!({"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": template});
    let counts = json!({"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1});
    let daemons = json!({"desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3, "updatedNumberScheduled": 2, "numberAvailable": 1});
    let metrics = json!([
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
        {"type": "External", "external": {"metric": {"name": "m"}, "target": {"averageValue": "5"}}},
        {"type": "Pods", "pods": {"target": {"averageValue": "1"}}},
    ]);
    let scaler = json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 2, "maxReplicas": 9, "metrics": metrics},
        "status": {"currentReplicas": 4, "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40}}}]}});
    let job = json!({"spec": {"parallelism": 3, "template": template}, "status": {"succeeded": 1, "startTime": "2026-01-01T00:50:00Z", "completionTime": "2026-01-01T00:51:00Z",
        "conditions": [{"type": "Complete", "status": "True"}]}});
    let cron = json!({"spec": {"schedule": "@daily", "timeZone": "Etc/UTC", "suspend": true, "jobTemplate": {"spec": {"template": template}}},
        "status": {"active": [{}], "lastScheduleTime": "2026-01-01T00:50:00Z"}});
    let owner = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": true}]);
    vec![
        (
            "apps",
            "v1",
            "controllerrevisions",
            json!({"metadata": {"ownerReferences": owner}, "revision": 2}),
            "x|daemonset.apps/d|2|60s",
            "x|<none>|0|60s",
        ),
        (
            "apps",
            "v1",
            "daemonsets",
            json!({"spec": spec, "status": daemons}),
            "x|5|4|3|2|1|a=1,b=2|60s|c|i|a=b",
            "x|0|0|0|0|0|<none>|60s|||<none>",
        ),
        ("apps", "v1", "deployments", json!({"spec": spec, "status": counts}), "x|1/3|2|1|60s|c|i|a=b", "x|0/0|0|0|60s|||"),
        ("apps", "v1", "replicasets", json!({"spec": spec, "status": counts}), "x|3|2|1|60s|c|i|a=b", "x|0|0|0|60s|||<none>"),
        ("apps", "v1", "statefulsets", json!({"spec": spec, "status": counts}), "x|1/3|60s|c|i", "x|0/0|60s||"),
        (
            "autoscaling",
            "v1",
            "horizontalpodautoscalers",
            json!({
                "spec": {"maxReplicas": 9, "minReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                    "targetCPUUtilizationPercentage": 80},
                "status": {"currentReplicas": 4, "currentCPUUtilizationPercentage": 40}}),
            "x|Deployment/d|cpu: 40%/80%|2|9|4|60s",
            "x|/|<none>|<unset>|0|0|60s",
        ),
        (
            "autoscaling",
            "v2",
            "horizontalpodautoscalers",
            scaler,
            "x|Deployment/d|cpu: 40%/80%, <unknown>/5 (avg) + 1 more...|2|9|4|60s",
            "x|/|<none>|<unset>|0|0|60s",
        ),
        ("batch", "v1", "jobs", job, "x|Complete|1/1 of 3|60s|60s|c|i|<none>", "x|Running|0/1||60s|||<none>"),
        (
            "batch",
            "v1",
            "cronjobs",
            cron,
            "x|@daily|Etc/UTC|True|1|10m|60s|c|i|<none>",
            "x||<none>|<unset>|0|<none>|60s|||<none>",
        ),
        (
            "policy",
            "v1",
            "poddisruptionbudgets",
            json!({"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 2}}),
            "x|50%|N/A|2|60s",
            "x|N/A|N/A|0|60s",
        ),
    ]
}

fn network_and_storage() -> Vec<Case> {
    const NET: &str = "networking.k8s.io";
    const STORAGE: &str = "storage.k8s.io";
    let rules = json!([{"host": "a"}, {}, {"host": "b"}, {"host": "c"}, {"host": "d"}]);
    let ingress = json!({"spec": {"ingressClassName": "k", "rules": rules, "tls": [{}]}, "status": {"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}, {"ip": "1.1.1.1"}]}}});
    let parent = json!({"group": "G.io", "resource": "things", "namespace": "n", "name": "t"});
    let slice = json!({"addressType": "IPv4", "ports": [{"port": 1}, {"name": "n"}, {}, {"port": 4}], "endpoints": [{"addresses": ["1.1.1.1"]}]});
    let driver = json!({"spec": {"attachRequired": false, "podInfoOnMount": true, "storageCapacity": true, "tokenRequests": [{"audience": "a"}, {"audience": "b"}], "requiresRepublish": true, "volumeLifecycleModes": ["Persistent"]}});
    let class = json!({"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "p", "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true});
    let attachment = json!({"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}, "status": {"attached": true}});
    let gold = json!({"metadata": {"annotations": {"volumeattributesclass.alpha.kubernetes.io/is-default-class": "true"}}, "driverName": "d"});
    vec![
        (NET, "v1", "ingresses", ingress, "x|k|a,b,c + 2 more...|1.1.1.1,2.2.2.2|80, 443|60s", "x|<none>|*||80|60s"),
        (
            NET,
            "v1",
            "ingressclasses",
            json!({"spec": {"controller": "c", "parameters": {"kind": "K", "name": "p"}}}),
            "x|c|K/p|60s",
            "x||<none>|60s",
        ),
        (
            NET,
            "v1",
            "networkpolicies",
            json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}),
            "x|a=b|60s",
            "x|<none>|60s",
        ),
        (NET, "v1", "ipaddresses", json!({"spec": {"parentRef": parent}}), "x|things.g.io/n/t", "x|<none>"),
        (
            NET,
            "v1",
            "servicecidrs",
            json!({"spec": {"cidrs": ["10.0.0.0/16", "fd00::/112"]}}),
            "x|10.0.0.0/16,fd00::/112|60s",
            "x||60s",
        ),
        ("discovery.k8s.io", "v1", "endpointslices", slice, "x|IPv4|1,n,* + 1 more...|1.1.1.1|60s", "x||<unset>|<unset>|60s"),
        (
            STORAGE,
            "v1",
            "csidrivers",
            driver,
            "x|false|true|true|a,b|true|Persistent|60s",
            "x|true|false|false|<unset>|false|<none>|60s",
        ),
        (STORAGE, "v1", "csinodes", json!({"spec": {"drivers": [{}]}}), "x|1|60s", "x|0|60s"),
        (STORAGE, "v1", "csistoragecapacities", json!({"capacity": "1Gi"}), "x|2026-01-01T00:59:00Z", "x|2026-01-01T00:59:00Z"),
        (
            STORAGE,
            "v1",
            "storageclasses",
            class,
            "x (default)|p|Retain|WaitForFirstConsumer|true|60s",
            "x||Delete|Immediate|false|60s",
        ),
        (STORAGE, "v1", "volumeattachments", attachment, "x|a|v|n|true|60s", "x||||false|60s"),
        (STORAGE, "v1", "volumeattributesclasses", gold, "x (default)|d|60s", "x||60s"),
    ]
}

fn cluster() -> Vec<Case> {
    const ADMISSION: &str = "admissionregistration.k8s.io";
    const ACCESS: &str = "rbac.authorization.k8s.io";
    const FLOW: &str = "flowcontrol.apiserver.k8s.io";
    const DEVICES: &str = "resource.k8s.io";
    let service = json!({"spec": {"service": {"namespace": "n", "name": "s"}}, "status": {"conditions": [{"type": "Available", "status": "False", "reason": "R"}]}});
    let request = json!({"spec": {"signerName": "a.io/b", "username": "u", "expirationSeconds": 86_400},
        "status": {"certificate": "eA==", "conditions": [{"type": "Approved", "status": "True"}]}});
    let binding = json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "User", "name": "v"}, {"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "name": "a"}]});
    let policy =
        json!({"spec": {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "validations": [{}], "mutations": [{}, {}]}});
    let bound = |parameters: Value| json!({"spec": {"policyName": "p", "paramRef": parameters}});
    let schema = json!({"spec": {"priorityLevelConfiguration": {"name": "p"}, "matchingPrecedence": 7, "distinguisherMethod": {"type": "ByUser"}}, "status": {"conditions": [{"type": "Dangling", "status": "False"}]}});
    let level = json!({"spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"queuing": {"queues": 1, "handSize": 2, "queueLengthLimit": 3}}}}});
    let claim = json!({"metadata": {"deletionTimestamp": NOW}, "status": {"allocation": {}, "reservedFor": [{}]}});
    let slice = json!({"spec": {"nodeName": "n", "driver": "d", "pool": {"name": "p"}}});
    let class = json!({"value": 7, "globalDefault": true, "preemptionPolicy": "Never"});
    vec![
        (ACCESS, "v1", "roles", json!({}), "x|2026-01-01T00:59:00Z", "x|2026-01-01T00:59:00Z"),
        (ACCESS, "v1", "clusterroles", json!({}), "x|2026-01-01T00:59:00Z", "x|2026-01-01T00:59:00Z"),
        (ACCESS, "v1", "rolebindings", binding.clone(), "x|Role/r|60s|u, v|g|/a", "x|/|60s|||"),
        (ACCESS, "v1", "clusterrolebindings", binding, "x|Role/r|60s|u, v|g|/a", "x|/|60s|||"),
        ("apiregistration.k8s.io", "v1", "apiservices", service, "x|n/s|False (R)|60s", "x|Local|Unknown|60s"),
        (
            "certificates.k8s.io",
            "v1",
            "certificatesigningrequests",
            request,
            "x|60s|a.io/b|u|24h|Approved,Issued",
            "x|60s|<none>||<none>|Pending",
        ),
        ("coordination.k8s.io", "v1", "leases", json!({"spec": {"holderIdentity": "h"}}), "x|h|60s", "x||60s"),
        ("node.k8s.io", "v1", "runtimeclasses", json!({"handler": "h"}), "x|h|60s", "x||60s"),
        ("scheduling.k8s.io", "v1", "priorityclasses", class, "x|7|true|60s|Never", "x|0|false|60s|"),
        (ADMISSION, "v1", "mutatingwebhookconfigurations", json!({"webhooks": [{}]}), "x|1|60s", "x|0|60s"),
        (ADMISSION, "v1", "validatingwebhookconfigurations", json!({"webhooks": [{}, {}]}), "x|2|60s", "x|0|60s"),
        (ADMISSION, "v1", "validatingadmissionpolicies", policy.clone(), "x|1|v1/ConfigMap|60s", "x|0|<unset>|60s"),
        (ADMISSION, "v1", "mutatingadmissionpolicies", policy, "x|2|v1/ConfigMap|60s", "x|0|<unset>|60s"),
        (ADMISSION, "v1", "validatingadmissionpolicybindings", bound(json!({"name": "c"})), "x|p|*/c|60s", "x||<unset>|60s"),
        (
            ADMISSION,
            "v1",
            "mutatingadmissionpolicybindings",
            bound(json!({"name": "c", "namespace": "n"})),
            "x|p|n/c|60s",
            "x||<unset>|60s",
        ),
        (FLOW, "v1", "flowschemas", schema, "x|p|7|ByUser|60s|False", "x||0|<none>|60s|?"),
        (FLOW, "v1", "prioritylevelconfigurations", level, "x|Limited|5|1|2|3|60s", "x||<none>|<none>|<none>|<none>|60s"),
        (DEVICES, "v1", "deviceclasses", json!({}), "x|60s", "x|60s"),
        (DEVICES, "v1", "resourceclaims", claim, "x|deleted,allocated,reserved|60s", "x|pending|60s"),
        (DEVICES, "v1", "resourceclaimtemplates", json!({}), "x|60s", "x|60s"),
        (DEVICES, "v1", "resourceslices", slice, "x|n|d|p|60s", "x||||60s"),
    ]
}

#[test]
fn rows_read_as_upstream_filled_and_empty() {
    let cases = [core(), workloads(), network_and_storage(), cluster()].concat();
    for (group, version, plural, object, filled, empty) in &cases {
        assert_eq!(line(group, version, plural, object.clone()), *filled, "{plural}");
        assert_eq!(line(group, version, plural, json!({})), *empty, "{plural}, empty");
    }
    let unseen =
        |row: &&crate::Resource| !cases.iter().any(|case| (case.0, case.1, case.2) == (row.group, row.version, row.plural));
    let companions = resources().iter().filter(|row| !row.stored_only.is_empty());
    let missing: Vec<&str> = companions.filter(unseen).map(|row| row.plural).collect();
    assert!(missing.is_empty(), "without a row here: {missing:?}");
}

#[test]
fn columns_have_the_types_that_upstream_gives_them() {
    let check = |group: &str, plural: &str, name: &str, wanted: [&str; 2], priority: i32| {
        let columns = columns(find(group, "v1", plural).expect("is served"));
        let column = columns.as_array().expect("a list").iter().find(|column| column["name"] == name).expect("the column");
        assert_eq!([&column["type"], &column["format"]], wanted, "{plural} {name}");
        assert_eq!(column["priority"], priority, "{plural} {name}");
    };
    for (group, plural, name, kind) in [
        ("", "configmaps", "Data", "string"),
        ("", "secrets", "Data", "string"),
        ("", "serviceaccounts", "Secrets", "string"),
        ("", "limitranges", "Created At", "date"),
        ("rbac.authorization.k8s.io", "roles", "Created At", "date"),
        ("apps", "deployments", "Available", "string"),
        ("apps", "replicasets", "Ready", "integer"),
        ("apps", "controllerrevisions", "Revision", "string"),
        ("storage.k8s.io", "storageclasses", "AllowVolumeExpansion", "string"),
        ("storage.k8s.io", "csinodes", "Drivers", "integer"),
        ("policy", "poddisruptionbudgets", "Allowed Disruptions", "integer"),
    ] {
        check(group, plural, name, [kind, ""], 0);
    }
    check("", "events", "Count", ["string", ""], 1);
    check("", "events", "Name", ["string", "name"], 1);
    check("storage.k8s.io", "volumeattachments", "Attacher", ["string", "name"], 0);
    check("", "pods", "Name", ["string", "name"], 0);
}
