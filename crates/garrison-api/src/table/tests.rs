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
fn restarts_tell_when_the_last_one_was() {
    let pod = json!({"status": {"containerStatuses": [{"restartCount": 3, "lastState": {"terminated": {"finishedAt": "2026-01-01T00:55:00Z"}}}]}});
    assert_eq!(cells_of("", "pods", &pod)[3], "3 (5m ago)");
    assert_eq!(cells_of("", "pods", &json!({}))[3], "0");
}

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
