mod kinds;

use super::*;
use crate::resource::{find, resources};

const NOW: &str = "2026-01-01T01:00:00Z";

fn cells_of(group: &str, plural: &str, object: &Value) -> Value {
    row(find(group, "v1", plural).expect("is served"), object, IncludeObject::None, NOW.parse().expect("a time"))["cells"].clone()
}

#[test]
fn every_row_has_a_cell_for_every_column() {
    for resource in resources() {
        let cells = row(resource, &json!({"metadata": {"name": "x"}}), IncludeObject::Metadata, NOW.parse().expect("a time"));
        let count = cells["cells"].as_array().expect("a list").len();
        assert_eq!(columns(resource).as_array().expect("a list").len(), count, "{}", resource.kind);
        assert_eq!(cells["object"]["kind"], "PartialObjectMetadata");
    }
}

#[test]
fn pods_show_what_keeps_them_from_running() {
    let check = |status: Value, deleted: bool, wanted: &str| {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]}, "status": status});
        if deleted {
            pod["metadata"]["deletionTimestamp"] = NOW.into();
        }
        assert_eq!(cells_of("", "pods", &pod)[2], wanted, "{pod}");
    };
    check(json!({"phase": "Pending"}), false, "Pending");
    check(json!({"phase": "Failed", "reason": "Evicted"}), false, "Evicted");
    check(json!({"phase": "Running", "containerStatuses": [{"ready": true, "state": {"running": {}}}]}), false, "Running");
    check(json!({"phase": "Running", "containerStatuses": [{"ready": true, "state": {"running": {}}}]}), true, "Terminating");
    check(
        json!({"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        false,
        "CrashLoopBackOff",
    );
    check(json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}), false, "ExitCode:3");
    check(
        json!({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"reason": "Completed"}}}]}),
        false,
        "Completed",
    );
    check(
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}}]}),
        false,
        "Init:0/1",
    );
    check(
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}]}),
        false,
        "Init:ErrImagePull",
    );
    check(
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
        false,
        "Init:Error",
    );
}

#[test]
fn sidecars_count_as_containers_and_their_restarts_as_the_pods() {
    let ran = |name: &str, restarts: i64| json!({"name": name, "restartCount": restarts, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
    let runs = |name: &str, restarts: i64| json!({"name": name, "restartCount": restarts, "ready": true, "started": true, "state": {"running": {}}});
    let waits = |name: &str| json!({"name": name, "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}});
    let check = |status: Value, wanted: [&str; 3]| {
        let spec =
            json!({"containers": [{"name": "c"}], "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]});
        let cells = cells_of("", "pods", &json!({"spec": spec, "status": status}));
        assert_eq!([&cells[1], &cells[2], &cells[3]], wanted);
    };
    check(json!({"phase": "Pending", "initContainerStatuses": [runs("i", 2), waits("s")]}), ["0/2", "Init:0/2", "2"]);
    check(json!({"phase": "Pending", "initContainerStatuses": [ran("i", 2), waits("s")]}), ["0/2", "Init:1/2", "2"]);
    let initialized = json!([ran("i", 2), runs("s", 1)]);
    check(
        json!({"phase": "Pending", "initContainerStatuses": initialized, "containerStatuses": [waits("c")]}),
        ["1/2", "PodInitializing", "1"],
    );
    check(
        json!({"phase": "Running", "initContainerStatuses": initialized, "containerStatuses": [runs("c", 3)]}),
        ["2/2", "Running", "4"],
    );
    check(
        json!({"phase": "Running", "initContainerStatuses": initialized, "containerStatuses": [ran("c", 3)]}),
        ["1/2", "Completed", "4"],
    );
    // A sidecar that fails later does not make the pod initialize again.
    let failed = json!([ran("i", 0), {"name": "s", "restartCount": 1, "started": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    check(
        json!({"phase": "Running", "conditions": [{"type": "Initialized", "status": "True"}], "initContainerStatuses": failed, "containerStatuses": [runs("c", 0)]}),
        ["1/2", "Init:CrashLoopBackOff", "1"],
    );
}

#[test]
fn a_pod_of_which_some_containers_ended_is_not_over() {
    let check = |ready: &str, wanted: &str| {
        let containers = json!([{"ready": true, "state": {"running": {}}}, {"state": {"terminated": {"reason": "Completed"}}}]);
        let status =
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}], "containerStatuses": containers});
        assert_eq!(cells_of("", "pods", &json!({"status": status}))[2], wanted);
    };
    check("True", "Running");
    check("False", "NotReady");
}

#[test]
fn a_pod_that_is_over_says_so_beside_its_cells() {
    let pods = find("", "v1", "pods").expect("is served");
    let conditions = |phase: &str| {
        row(pods, &json!({"status": {"phase": phase}}), IncludeObject::None, NOW.parse().expect("a time"))["conditions"].clone()
    };
    assert_eq!(conditions("Succeeded")[0]["reason"], "Succeeded");
    assert_eq!(conditions("Failed")[0]["type"], "Completed");
    assert_eq!(conditions("Running"), Value::Null);
}

#[test]
fn selectors_are_written_by_key_and_value() {
    let given = json!({"matchLabels": {"b": "1"}, "matchExpressions": [
        {"key": "c", "operator": "In", "values": ["z", "y"]}, {"key": "a", "operator": "DoesNotExist"}, {"key": "d", "operator": "NotIn", "values": ["x"]}, {"key": "e", "operator": "Exists"}
    ]});
    assert_eq!(selector(&given), "!a,b=1,c in (y,z),d notin (x),e");
    assert_eq!(selector(&Value::Null), "<none>");
}

#[test]
fn events_read_as_upstream() {
    let check = |event: Value, wanted: Value| assert_eq!(cells_of("", "events", &event), wanted);
    check(
        json!({
            "metadata": {"name": "e"}, "type": "Normal", "reason": "Started", "message": " it did \n",
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"}, "source": {"component": "agent", "host": "n1"},
            "firstTimestamp": "2026-01-01T00:50:00Z", "lastTimestamp": "2026-01-01T00:55:00Z", "count": 3
        }),
        json!(["5m", "Normal", "Started", "pod/p", "spec.containers{c}", "agent, n1", "it did", "10m", 3, "e"]),
    );
    check(
        json!({"involvedObject": {"kind": "Node"}, "eventTime": "2026-01-01T00:59:00.000000Z", "reportingComponent": "scheduler"}),
        json!(["60s", "", "", "node", "", "scheduler", "", "60s", 1, ""]),
    );
    check(
        json!({"involvedObject": {"kind": "Node", "name": "n"}, "eventTime": "2026-01-01T00:50:00Z", "series": {"count": 7, "lastObservedTime": "2026-01-01T00:58:00Z"}}),
        json!(["2m", "", "", "node/n", "", "", "", "10m", 7, ""]),
    );
}

#[test]
fn restarts_tell_when_the_last_one_was() {
    let pod = json!({"status": {"containerStatuses": [{"restartCount": 3, "lastState": {"terminated": {"finishedAt": "2026-01-01T00:55:00Z"}}}]}});
    assert_eq!(cells_of("", "pods", &pod)[3], "3 (5m ago)");
    assert_eq!(cells_of("", "pods", &json!({}))[3], "0");
}

/// Conformance: K6
#[test]
fn nodes_and_daemon_sets_read_as_upstream() {
    let node = json!({
        "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": ""}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "nodeInfo": {"kubeletVersion": "v1"}}
    });
    let cells = cells_of("", "nodes", &node);
    assert_eq!(
        cells,
        json!([
            "n",
            "NotReady,SchedulingDisabled",
            "control-plane",
            "60m",
            "v1",
            "10.0.0.1",
            "<none>",
            "<unknown>",
            "<unknown>",
            "<unknown>"
        ])
    );
    let set = json!({
        "metadata": {"name": "s", "creationTimestamp": "2026-01-01T00:59:00Z"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}}},
        "status": {"desiredNumberScheduled": 3, "numberReady": 2}
    });
    assert_eq!(cells_of("apps", "daemonsets", &set), json!(["s", 3, 0, 2, 0, 0, "<none>", "60s", "c,d", "i,j", "a=b"]));
}

#[test]
fn companions_of_daemons_show_what_matters() {
    let check = |group: &str, plural: &str, object: Value, wanted: &str| {
        let cells = cells_of(group, plural, &object);
        let words: Vec<String> = cells
            .as_array()
            .expect("a list")
            .iter()
            .map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned))
            .collect();
        assert_eq!(words.join("|"), wanted, "{plural}");
    };
    let metadata = json!({"name": "x", "creationTimestamp": "2026-01-01T00:59:00Z"});
    let with = |rest: Value| {
        let mut object = json!({"metadata": metadata});
        rest.as_object().expect("fields").iter().for_each(|(name, value)| object[name] = value.clone());
        object
    };
    let pods = json!({"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}});
    let counts = json!({"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1});
    check("apps", "deployments", with(json!({"spec": pods, "status": counts})), "x|1/3|2|1|60s|c|i|a=b");
    check("apps", "replicasets", with(json!({"spec": pods, "status": counts})), "x|3|2|1|60s|c|i|a=b");
    check("apps", "statefulsets", with(json!({"spec": pods, "status": counts})), "x|1/3|60s|c|i");
    let class = json!({"controller": "a.io/b", "parameters": {"apiGroup": "g", "kind": "K", "name": "n"}});
    check("networking.k8s.io", "ingressclasses", with(json!({"spec": class})), "x|a.io/b|K.g/n|60s");
    let ports = json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "nodePort": 30_053, "protocol": "UDP"}]);
    let service = json!({"type": "NodePort", "clusterIPs": ["10.0.0.1"], "ports": ports, "selector": {"a": "b"}});
    check("", "services", with(json!({"spec": service})), "x|NodePort|10.0.0.1|<none>|80/TCP,53:30053/UDP|60s|a=b");
    check("", "services", with(json!({"spec": {"type": "LoadBalancer"}})), "x|LoadBalancer|<none>|<pending>|<none>|60s|<none>");
    let subset = json!([{"addresses": [{"ip": "1.1.1.1"}, {"ip": "::1"}], "ports": [{"port": 1}, {"port": 2}]}]);
    check("", "endpoints", with(json!({"subsets": subset})), "x|1.1.1.1:1,[::1]:1,1.1.1.1:2 + 1 more...|60s");
    let slice = json!({"addressType": "IPv4", "ports": [{"port": 1}, {}], "endpoints": [{"addresses": ["1.1.1.1"]}]});
    check("discovery.k8s.io", "endpointslices", with(slice), "x|IPv4|1,*|1.1.1.1|60s");
    let subjects = json!([{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]);
    let binding = with(json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": subjects}));
    check("rbac.authorization.k8s.io", "rolebindings", binding, "x|ClusterRole/r|60s|u||n/s");
    check("rbac.authorization.k8s.io", "roles", with(json!({})), "x|2026-01-01T00:59:00Z");
    check("policy", "poddisruptionbudgets", with(json!({"spec": {"maxUnavailable": 1}})), "x|N/A|1|0|60s");
    let quota = json!({"status": {"hard": {"limits.cpu": "4", "pods": "9"}, "used": {"pods": "1"}}});
    check("", "resourcequotas", with(quota), "x|pods: 1/9|limits.cpu: 0/4|60s");
    let spec = json!({"attachRequired": false, "volumeLifecycleModes": ["Persistent", "Ephemeral"]});
    check(
        "storage.k8s.io",
        "csidrivers",
        with(json!({"spec": spec})),
        "x|false|false|false|<unset>|false|Persistent,Ephemeral|60s",
    );
    check("storage.k8s.io", "storageclasses", with(json!({"provisioner": "p"})), "x|p|Delete|Immediate|false|60s");
    let job = json!({"spec": {"completions": 2}, "status": {"succeeded": 1, "startTime": "2026-01-01T00:59:30Z"}});
    check("batch", "jobs", with(job), "x|Running|1/2|30s|60s|||<none>");
    let cron = json!({"spec": {"schedule": "@daily", "suspend": false}});
    check("batch", "cronjobs", with(cron), "x|@daily|<none>|False|0|<none>|60s|||<none>");
    let claim = json!({"spec": {"volumeName": "v", "volumeMode": "Block"}, "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"]}});
    check("", "persistentvolumeclaims", with(claim), "x|Bound|v|0|RWO||<unset>|60s|Block");
}
