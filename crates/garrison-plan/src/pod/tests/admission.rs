//! Whether the node takes a pod, and what becomes of one that it does not take.

use super::super::{Memory, admit::Rejection, admit::admit, qos};
use super::{check, plain, world::World};
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

/// Conformance: U25
#[test]
fn a_refused_pod_fails_and_is_never_started() {
    let mut world = World::new(plain());
    let rejection = Rejection { reason: "OutOfcpu".into(), message: "Node didn't have enough resource: cpu".into() };
    world.memory = Memory::new(&world.pod, Some(rejection));
    let refused = ["0= Failed (OutOfcpu)", "0! OutOfcpu: Node didn't have enough resource: cpu", "0> tear down"];
    check(&mut world, 600, ">=!", &refused);
    assert_eq!(world.status().message.as_deref(), Some("Pod was rejected: Node didn't have enough resource: cpu"));
    assert_eq!(world.status().container_statuses, None);
    // Room that is found later does not matter.
    let before = world.status().clone();
    world.restart_agent(false);
    check(&mut world, 600, ">=!", &["600> tear down"]);
    assert_eq!(*world.status(), before);
    world.delete(0);
    check(&mut world, 60, ">=!", &["1200> tear down, remove", "1201> delete"]);
    assert!(world.done);
}

fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
}

fn hungry(cpu: &str) -> Value {
    json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]})
}

/// What the node says to the pod beside one other that requests a CPU and holds port 80: reason and message, or nothing.
#[track_caller]
fn check_admission(spec: Value, node: Value, expected: &str) {
    let mut node = node;
    node["metadata"]["name"] = json!("n");
    node["status"]["allocatable"] = json!({"cpu": "2", "memory": "1Gi", "pods": "2"});
    let node: Node = serde_json::from_value(node).unwrap();
    let mut other = hungry("1");
    other["containers"][0]["ports"] = json!([{"containerPort": 1, "hostPort": 80}]);
    let answer = admit(&pod(spec.clone()), &node, &[&pod(other)]);
    let told = answer.err().map(|rejection| format!("{}: {}", rejection.reason, rejection.message)).unwrap_or_default();
    assert_eq!(told, expected, "{spec}");
}

/// Conformance: U25
#[test]
fn resources_ports_labels_and_taints_are_looked_at() {
    let tainted = |effect: &str| json!({"spec": {"taints": [{"key": "k", "effect": effect}]}});
    check_admission(hungry("1"), json!({}), "");
    check_admission(
        hungry("1001m"),
        json!({}),
        "OutOfcpu: Node didn't have enough resource: cpu, requested: 1001, used: 1000, capacity: 2000",
    );
    let port = json!({"containers": [{"name": "c", "ports": [{"containerPort": 1, "hostPort": 80}]}]});
    let taken = "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
    check_admission(port, json!({}), taken);
    check_admission(
        json!({"nodeName": "m"}),
        json!({}),
        "NodeName: Predicate NodeName failed: node(s) didn't match the requested node name",
    );
    let labels = "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
    check_admission(json!({"nodeSelector": {"disk": "ssd"}}), json!({}), labels);
    check_admission(json!({}), tainted("NoSchedule"), "");
    let taint = "TaintToleration: Predicate TaintToleration failed: node(s) had untolerated taint: taint k:NoExecute is not \
                 tolerated";
    check_admission(json!({}), tainted("NoExecute"), taint);
    check_admission(json!({"tolerations": [{"operator": "Exists"}]}), tainted("NoExecute"), "");
    let windows = "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS: windows";
    check_admission(json!({"os": {"name": "windows"}}), json!({}), windows);
    let mut labelled = pod(json!({}));
    labelled.metadata.labels = Some([("kubernetes.io/os".to_owned(), "windows".to_owned())].into());
    let rejection = admit(&labelled, &Node::default(), &[]).unwrap_err();
    assert_eq!(rejection.reason, "PodOSSelectorNodeLabelDoesNotMatch");
}

#[test]
fn the_first_of_several_reasons_is_told() {
    let mut spec = hungry("5");
    spec["nodeName"] = json!("m");
    spec["nodeSelector"] = json!({"disk": "ssd"});
    spec["containers"][0]["ports"] = json!([{"containerPort": 1, "hostPort": 80}]);
    let first = |spec: &Value| {
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "1", "pods": "9"}},
            "spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}}))
            .unwrap();
        let other = pod(json!({"containers": [{"name": "c", "ports": [{"containerPort": 1, "hostPort": 80}]}]}));
        admit(&pod(spec.clone()), &node, &[&other]).unwrap_err().reason
    };
    let mut reasons = vec![first(&spec)];
    for part in ["resources", "nodeSelector", "nodeName", "ports"] {
        let holder = if spec.get(part).is_some() { &mut spec } else { &mut spec["containers"][0] };
        holder.as_object_mut().unwrap().remove(part);
        reasons.push(first(&spec));
    }
    assert_eq!(reasons, ["OutOfcpu", "NodeAffinity", "NodeName", "NodePorts", "TaintToleration"]);
}

/// Conformance: U25
#[test]
fn pressure_keeps_away_who_would_have_to_go_first() {
    let under = |kinds: &[&str]| {
        let conditions: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
        json!({"status": {"conditions": conditions}})
    };
    let daemon =
        json!({"tolerations": [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}]});
    let (memory, disk) =
        ("Evicted: The node had condition: [MemoryPressure]. ", "Evicted: The node had condition: [DiskPressure]. ");
    check_admission(json!({}), under(&["MemoryPressure"]), memory);
    check_admission(hungry("1m"), under(&["MemoryPressure"]), "");
    check_admission(daemon.clone(), under(&["MemoryPressure"]), "");
    check_admission(daemon.clone(), under(&["DiskPressure"]), disk);
    check_admission(hungry("1m"), under(&["DiskPressure"]), disk);
    check_admission(
        daemon,
        under(&["MemoryPressure", "PIDPressure"]),
        "Evicted: The node had condition: [MemoryPressure PIDPressure]. ",
    );
    check_admission(json!({"priority": 1_999_999_999}), under(&["DiskPressure"]), disk);
    check_admission(json!({"priority": 2_000_000_000}), under(&["DiskPressure", "PIDPressure"]), "");
}

#[test]
fn a_pod_is_guaranteed_what_all_its_containers_may_use() {
    let both = json!({"cpu": "1", "memory": "1Gi"});
    for (resources, expected) in [
        (vec![json!({})], "BestEffort"),
        (vec![json!({"requests": {"cpu": "0"}})], "BestEffort"),
        (vec![json!({"requests": {"example.org/x": "1"}})], "BestEffort"),
        (vec![json!({"requests": {"cpu": "1m"}})], "Burstable"),
        (vec![json!({"limits": both})], "Guaranteed"),
        (vec![json!({"limits": both, "requests": {"cpu": "1000m", "memory": "1024Mi"}})], "Guaranteed"),
        (vec![json!({"limits": both, "requests": {"cpu": "1"}})], "Guaranteed"),
        (vec![json!({"limits": both, "requests": {"cpu": "999m"}})], "Burstable"),
        (vec![json!({"limits": {"cpu": "1"}})], "Burstable"),
        (vec![json!({"limits": both}), json!({})], "Burstable"),
        (vec![json!({"limits": both}), json!({"limits": both})], "Guaranteed"),
    ] {
        let containers: Vec<Value> = resources.iter().map(|own| json!({"name": "c", "resources": own})).collect();
        assert_eq!(qos::class(&pod(json!({"containers": containers}))), expected, "{resources:?}");
        let init = json!({"name": "i", "resources": {"limits": {"memory": "1Gi"}}});
        let mixed = pod(json!({"containers": containers, "initContainers": [init]}));
        assert_eq!(qos::class(&mixed), "Burstable", "{resources:?}");
    }
}
