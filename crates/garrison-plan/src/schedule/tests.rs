use super::*;
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};
use std::sync::Arc;

fn node(name: &str, rest: Value) -> Arc<Node> {
    let mut value = json!({"metadata": {"name": name, "labels": {"name": name}},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "3"}}});
    if let Value::Object(rest) = rest {
        rest.into_iter().for_each(|(key, part)| value[key] = part);
    }
    Arc::new(serde_json::from_value(value).unwrap())
}

fn pod(uid: &str, spec: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": uid, "uid": uid}, "spec": spec})).unwrap()
}

fn hungry(cpu: &str, memory: &str) -> Value {
    json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]})
}

fn on(node: &str, mut spec: Value) -> Value {
    spec["nodeName"] = json!(node);
    spec
}

fn for_node(node: &str) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}}}})
}

fn fleet(nodes: &[(&str, Value)], pods: &[Value]) -> Fleet {
    let mut fleet = Fleet::default();
    nodes.iter().for_each(|(name, rest)| fleet.put_node(node(name, rest.clone())));
    pods.iter().enumerate().for_each(|(number, spec)| fleet.put_pod(&pod(&format!("p{number}"), spec.clone())));
    fleet
}

fn check(fleet: &Fleet, spec: Value, expected: &str) {
    let outcome = fleet.place(&Request::of(pod("new", spec.clone()).spec.as_ref().unwrap()));
    assert_eq!(outcome.unwrap_or_else(|refusal| refusal.to_string()), expected, "{spec}");
}

#[test]
fn refusals_count_the_nodes_by_reason() {
    let tainted = |key: &str, effect: &str| json!({"taints": [{"key": key, "value": "v", "effect": effect}]});
    let nodes = [
        ("a", json!({"spec": tainted("k", "NoSchedule")})),
        ("b", json!({"spec": tainted("k", "NoExecute")})),
        ("c", json!({"spec": {"unschedulable": true}})),
        ("d", json!({})),
        ("e", json!({})),
    ];
    let port = json!({"containers": [{"name": "c", "ports": [{"containerPort": 1, "hostPort": 80}]}]});
    let fleet = fleet(&nodes, &[on("d", port.clone()), on("e", hungry("2", "4Gi"))]);
    let mut greedy = hungry("1", "1Gi");
    greedy["containers"][0]["ports"] = port["containers"][0]["ports"].clone();
    check(
        &fleet,
        greedy,
        "0/5 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 node(s) didn't have free ports for the requested \
         pod ports, 1 node(s) were unschedulable, 2 node(s) had untolerated taint {k: v}.",
    );
    let elsewhere = json!({"nodeSelector": {"name": "z"}, "tolerations": [{"operator": "Exists"}]});
    check(&fleet, elsewhere, "0/5 nodes are available: 5 node(s) didn't match Pod's node affinity/selector.");
    check(&Fleet::default(), json!({}), "no nodes available to schedule pods");
}

/// Conformance: U25
#[test]
fn a_daemons_pod_is_tried_on_its_node_only() {
    let tainted = json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}});
    let fleet = fleet(&[("a", json!({})), ("b", tainted), ("c", json!({}))], &[]);
    check(&fleet, for_node("c"), "c");
    let others = "2 node(s) didn't satisfy plugin(s) [NodeAffinity]";
    check(&fleet, for_node("b"), &format!("0/3 nodes are available: 1 node(s) had untolerated taint {{k: }}, {others}."));
    check(&fleet, for_node("gone"), "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity].");
}

#[test]
fn the_emptiest_node_wins() {
    let nodes = [("a", json!({})), ("b", json!({})), ("c", json!({}))];
    check(&fleet(&nodes, &[on("a", hungry("1", "1Gi")), on("b", hungry("1", "1"))]), hungry("1m", "1"), "c");
    check(&fleet(&nodes, &[on("a", hungry("1", "1")), on("c", hungry("1m", "1"))]), hungry("1m", "1"), "b");
    check(&fleet(&nodes, &[]), json!({}), "a");
    check(&fleet(&nodes, &[on("a", json!({}))]), json!({}), "b");
    let unwanted = json!({"spec": {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}});
    check(&fleet(&[("a", unwanted), ("b", json!({}))], &[on("b", hungry("1", "1Gi"))]), json!({}), "b");
}

#[test]
fn a_node_takes_so_many_pods() {
    let full = [on("a", json!({})), on("a", json!({})), on("a", json!({}))];
    check(&fleet(&[("a", json!({}))], &full), json!({}), "0/1 nodes are available: 1 Too many pods.");
}

#[test]
fn what_a_pod_holds_it_gives_back() {
    let mut fleet = fleet(&[("a", json!({}))], &[]);
    let request = Request::of(pod("x", hungry("2", "1Gi")).spec.as_ref().unwrap());
    fleet.assume("x", "a", &request);
    assert!(fleet.has_pod("x"));
    let full = "0/1 nodes are available: 1 Insufficient cpu.";
    check(&fleet, hungry("1", "1"), full);
    fleet.put_pod(&pod("x", on("a", hungry("2", "1Gi"))));
    check(&fleet, hungry("2", "1"), full);
    let mut ended = pod("x", on("a", hungry("2", "1Gi")));
    ended.status.get_or_insert_default().phase = Some("Failed".into());
    fleet.put_pod(&ended);
    check(&fleet, hungry("2", "1"), "a");
    fleet.assume("x", "a", &request);
    fleet.remove_pod("x");
    check(&fleet, hungry("2", "1"), "a");
}

#[test]
fn pods_may_be_heard_of_before_their_node() {
    let mut fleet = fleet(&[], &[on("a", hungry("2", "1Gi"))]);
    check(&fleet, json!({}), "no nodes available to schedule pods");
    fleet.put_node(node("a", json!({})));
    check(&fleet, hungry("1", "1"), "0/1 nodes are available: 1 Insufficient cpu.");
    fleet.remove_node("a");
    check(&fleet, json!({}), "no nodes available to schedule pods");
    fleet.put_node(node("a", json!({})));
    check(&fleet, hungry("1", "1"), "0/1 nodes are available: 1 Insufficient cpu.");
}

#[test]
fn who_waits_for_a_node() {
    for (spec, waits) in [
        (json!({}), true),
        (json!({"schedulerName": "default-scheduler"}), true),
        (json!({"schedulerName": "other"}), false),
        (json!({"nodeName": "a"}), false),
        (json!({"schedulingGates": [{"name": "g"}]}), false),
    ] {
        assert_eq!(is_waiting(&pod("x", spec.clone())), waits, "{spec}");
    }
    let mut going = pod("x", json!({}));
    going.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    assert!(!is_waiting(&going));
}

#[test]
fn which_nodes_can_help() {
    let request = |spec: Value| Request::of(pod("x", spec).spec.as_ref().unwrap());
    assert!(request(json!({})).considers("a"));
    assert!(request(for_node("a")).considers("a"));
    assert!(!request(for_node("b")).considers("a"));
}
