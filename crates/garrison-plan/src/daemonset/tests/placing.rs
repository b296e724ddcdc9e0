//! Conformance: which nodes get a pod, which keep theirs, which lose it.

use super::fleet::{Fleet, acts, counters, machine, tainted, template_with};
use super::*;

/// Plans once and compares how many pods are created and deleted.
fn check_counts(what: &str, spec: Value, machines: Vec<Arc<Node>>, pods: Vec<Arc<Pod>>, expected: (usize, usize)) {
    let done = acts(&Scene::new(set(spec), machines, pods).plan(0));
    assert_eq!((done.created.len(), done.deleted.len()), expected, "{what}: {done:?}");
}

/// So many nodes, with that label or none, numbered from `first`.
fn numbered(first: usize, count: usize, label: Option<&str>) -> Vec<Arc<Node>> {
    let labels = label.map_or(json!({}), |value| json!({ "kind": value }));
    let more = json!({"metadata": {"labels": labels}});
    (first..first + count).map(|number| machine(&format!("node-{number}"), more.clone())).collect()
}

/// So many pods on each of the nodes; those marked `x` belong to nobody and match no selector.
fn crowd(nodes: &[(usize, usize, &str)]) -> Vec<Arc<Pod>> {
    let stranger = json!({"metadata": {"labels": {"app": "x"}, "ownerReferences": null}});
    let mut pods = Vec::new();
    for (number, count, mark) in nodes {
        for index in 0..*count {
            let more = if *mark == "x" { stranger.clone() } else { Value::Null };
            pods.push(pod(&format!("p{number}-{index}{mark}"), &format!("node-{number}"), more));
        }
    }
    pods
}

fn labelled(value: &str) -> Value {
    template_with(json!({"nodeSelector": {"kind": value}}))
}

fn affine(value: &str) -> Value {
    let terms = json!([{"matchExpressions": [{"key": "kind", "operator": "In", "values": [value]}]}]);
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    template_with(json!({"affinity": {"nodeAffinity": required}}))
}

/// Conformance: U2
#[test]
fn as_many_pods_as_nodes() {
    for count in [0, 1, 5] {
        let mut fleet = Fleet::new(json!({}), count);
        assert_eq!(fleet.counts(), (count, 0));
        assert_eq!(fleet.counts(), (0, 0), "what is there is enough");
        let distinct: BTreeSet<_> = fleet.scene.pods.iter().map(|pod| pod.spec.as_ref().unwrap().node_name.clone()).collect();
        assert_eq!(distinct.len(), count);
    }
}

/// Conformance: U9
#[test]
fn surplus_goes_and_gaps_are_filled() {
    let dealing = crowd(&[(1, 1, ""), (2, 2, ""), (3, 5, ""), (4, 2, "x")]);
    check_counts("existing pods", json!({}), numbered(0, 5, None), dealing, (2, 5));

    let two_kinds = || [numbered(0, 5, None), numbered(5, 5, Some("a"))].concat();
    let unselected = crowd(&[(0, 2, "x"), (1, 3, ""), (1, 1, "x"), (4, 1, "")]);
    check_counts("pods where the selector is not met", labelled("a"), two_kinds(), unselected, (5, 4));
    let many = crowd(&[(0, 1, ""), (1, 3, ""), (1, 2, "x"), (2, 4, ""), (6, 13, ""), (7, 4, "x"), (9, 1, ""), (9, 1, "x")]);
    check_counts("existing pods and a selector", labelled("a"), two_kinds(), many, (3, 20));
    let with_few = || [numbered(0, 4, None), numbered(4, 3, Some("a"))].concat();
    check_counts("a selector", labelled("a"), with_few(), vec![], (3, 0));
    check_counts("a selector that no node meets", labelled("b"), with_few(), vec![], (0, 0));
    check_counts("an affinity", affine("a"), with_few(), vec![], (3, 0));
    check_counts("an affinity that no node meets", affine("b"), with_few(), vec![], (0, 0));

    let named = |name: &str| template_with(json!({"nodeName": name}));
    check_counts("a node's name", named("node-0"), numbered(0, 5, None), vec![], (1, 0));
    check_counts("the name of no node", named("node-10"), numbered(0, 5, None), vec![], (0, 0));
    let both = |name: &str| template_with(json!({"nodeName": name, "nodeSelector": {"kind": "a"}}));
    check_counts("a name and a selector", both("node-6"), with_few(), vec![], (1, 0));
    check_counts("a name and a selector that contradict each other", both("node-0"), with_few(), vec![], (0, 0));
    let mut torn = affine("a");
    torn["template"]["spec"]["nodeSelector"] = json!({"kind": "b"});
    check_counts("an affinity and a selector that contradict each other", torn, with_few(), vec![], (0, 0));
}

/// Conformance: U5
#[test]
fn nodes_in_trouble_get_their_pod() {
    let condition = |type_: &str, status: &str| json!({"status": {"conditions": [{"type": type_, "status": status}]}});
    let taint = |key: &str, effect: &str| tainted("a", &format!("node.kubernetes.io/{key}"), effect);
    for (what, spec, node) in [
        ("not ready", json!({}), machine("a", condition("Ready", "False"))),
        ("unknown", json!({}), machine("a", condition("Ready", "Unknown"))),
        ("no network yet", json!({}), machine("a", condition("NetworkUnavailable", "True"))),
        ("not ready, tainted", json!({}), taint("not-ready", "NoExecute")),
        ("unreachable", json!({}), taint("unreachable", "NoExecute")),
        ("memory", json!({}), taint("memory-pressure", "NoSchedule")),
        ("disk", json!({}), taint("disk-pressure", "NoSchedule")),
        ("processes", json!({}), taint("pid-pressure", "NoSchedule")),
        ("cordoned", json!({}), taint("unschedulable", "NoSchedule")),
        ("no network", template_with(json!({"hostNetwork": true})), taint("network-unavailable", "NoSchedule")),
    ] {
        check_counts(what, spec, vec![node], vec![], (1, 0));
    }
    check_counts("no network", json!({}), vec![taint("network-unavailable", "NoSchedule")], vec![], (0, 0));
}

/// Conformance: U6, U13
#[test]
fn resources_and_ports_play_no_part() {
    let small = || vec![machine("node-0", json!({"status": {"allocatable": {"cpu": "1m", "memory": "1Mi", "pods": "1"}}}))];
    let hungry = json!([{"name": "c", "image": "one", "ports": [{"containerPort": 80, "hostPort": 666}],
        "resources": {"requests": {"cpu": "2", "memory": "75M"}}}]);
    let spec = || template_with(json!({ "containers": hungry }));
    check_counts("a small node", spec(), small(), vec![], (1, 0));
    let with_ports = |pods: Vec<Arc<Pod>>| -> Vec<Arc<Pod>> {
        let with_port = |mut pod: Arc<Pod>| {
            Arc::make_mut(&mut pod).spec.as_mut().unwrap().containers = serde_json::from_value(hungry.clone()).unwrap();
            pod
        };
        pods.into_iter().map(with_port).collect()
    };
    check_counts("a node whose port another has", spec(), small(), with_ports(crowd(&[(0, 1, "x")])), (1, 0));
    check_counts("its own pod has the port", spec(), small(), with_ports(crowd(&[(0, 1, "")])), (0, 0));
}

/// Conformance: U11
#[test]
fn taints_keep_away_or_drive_off() {
    let tolerant = |effect: &str| {
        let toleration = json!({"key": "k", "operator": "Exists", "effect": effect});
        template_with(json!({"tolerations": [toleration]}))
    };
    let running = || vec![pod("x", "a", Value::Null)];
    for effect in ["NoSchedule", "NoExecute"] {
        let node = || vec![tainted("a", "k", effect)];
        check_counts("not launched", json!({}), node(), vec![], (0, 0));
        let leaves = usize::from(effect == "NoExecute");
        check_counts("running", json!({}), node(), running(), (0, leaves));
        check_counts("launched", tolerant(effect), node(), vec![], (1, 0));
        check_counts("running and tolerant", tolerant(effect), node(), running(), (0, 0));
        let other = if effect == "NoExecute" { "NoSchedule" } else { "NoExecute" };
        check_counts("tolerates the other effect only", tolerant(other), node(), vec![], (0, 0));
    }
    // A cordon's flag is no taint, and the taint that follows on it is tolerated.
    check_counts("cordoned", json!({}), vec![machine("a", json!({"spec": {"unschedulable": true}}))], vec![], (1, 0));
    let kept = Scene::new(set(json!({})), vec![tainted("a", "k", "NoSchedule")], running()).plan(0);
    assert_eq!(counters(&kept)[..3], [0, 0, 1], "it counts as misscheduled");
}

/// Conformance: U10
#[test]
fn failed_pods_are_cleared_away() {
    let failed = |number: usize| pod(&format!("f{number}"), "a", json!({"status": {"phase": "Failed"}}));
    let normal = |number: usize| pod(&format!("r{number}"), "a", Value::Null);
    for (failures, running, expected) in [(0, 1, (0, 0)), (0, 0, (1, 0)), (1, 0, (0, 1)), (1, 3, (0, 3)), (2, 1, (0, 1))] {
        let pods = (0..failures).map(failed).chain((0..running).map(normal)).collect();
        check_counts(&format!("{failures} failed, {running} run"), json!({}), nodes(&["a"]), pods, expected);
    }
}

/// Conformance: U10
#[test]
fn the_next_failed_pod_waits_and_waiting_does_not_prolong_it() {
    let mut fleet = Fleet::new(json!({}), 1);
    let fail = |fleet: &mut Fleet| {
        fleet.scene.pods = vec![pod("f", "n00", json!({"status": {"phase": "Failed"}}))];
    };
    fail(&mut fleet);
    assert_eq!(fleet.counts(), (0, 1));
    fail(&mut fleet);
    // The look within the delay asks for another at its end, and does not raise it.
    for _ in 0..3 {
        assert_eq!(fleet.look().wake_at, Some(at(1)));
        assert_eq!(fleet.counts(), (0, 0));
    }
    fleet.now = 1;
    assert_eq!(fleet.counts(), (0, 1));
    fail(&mut fleet);
    fleet.now = 2;
    assert_eq!((fleet.counts(), fleet.look().wake_at), ((0, 0), Some(at(3))));
    fleet.now = 3;
    assert_eq!(fleet.counts(), (0, 1));
}

/// Conformance: U17
#[test]
fn a_pod_that_is_over_counts_for_the_history_only() {
    let mut over = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "labels": {HASH_LABEL: "old"}},
        "status": {"phase": "Failed"}});
    let removed = |over: &Value| {
        let mut scene = Scene::new(set(json!({"revisionHistoryLimit": 0})), nodes(&["a"]), vec![pod("x", "a", over.clone())]);
        let old = json!({"metadata": {"namespace": "ns", "name": "d-old", "uid": "old", "labels": {"app": "d", HASH_LABEL: "old"},
            "ownerReferences": [{"uid": "u", "controller": true}]}, "data": {"of": "old"}, "revision": 1});
        scene.revisions = vec![Arc::new(serde_json::from_value(old).unwrap())];
        let plan = scene.plan(0);
        assert_eq!(acts(&plan).created, ["a"], "its place is free");
        plan.obsolete.len()
    };
    assert_eq!(removed(&over), 0, "its revision stays");
    over["metadata"]["labels"][HASH_LABEL] = json!("another");
    assert_eq!(removed(&over), 1);
}

/// Conformance: U16, W6
#[test]
fn pending_pods_go_with_their_node_or_its_eligibility() {
    let meant_for = |node: &str| {
        let terms = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]);
        json!({"spec": {"nodeName": null, "affinity": {"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}}, "status": {"phase": "Pending"}})
    };
    let pods = || vec![pod("bound", "gone", Value::Null), pod("pending", "", meant_for("gone"))];
    let done = acts(&Scene::new(set(json!({})), vec![], pods()).plan(0));
    assert_eq!(done.deleted, ["pending"], "the bound one is the garbage collector's");
    let refusing = vec![tainted("a", "k", "NoExecute")];
    let done = acts(&Scene::new(set(json!({})), refusing, vec![pod("pending", "", meant_for("a"))]).plan(0));
    assert_eq!(done.deleted, ["pending"]);
}
