//! Conformance: rolling updates, plan after plan.

use super::fleet::{Fleet, counters, machine, name, tainted};
use super::*;

fn replacing(max_unavailable: i32) -> Value {
    json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max_unavailable}}})
}

fn surging(max_surge: i32) -> Value {
    json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": max_surge}}})
}

/// A fleet all of whose pods are Ready, after a change of the template.
fn outdated(spec: Value, count: usize) -> Fleet {
    let mut fleet = Fleet::new(spec, count);
    assert_eq!(fleet.counts(), (count, 0));
    fleet.all_ready();
    fleet.now += 100;
    fleet.update();
    fleet
}

fn of_nodes(numbers: std::ops::Range<usize>) -> impl Fn(&Pod) -> bool {
    let names: Vec<String> = numbers.map(name).collect();
    move |pod: &Pod| names.iter().any(|name| pod.spec.as_ref().unwrap().node_name.as_ref() == Some(name))
}

/// Conformance: U19
#[test]
fn pods_are_replaced_as_many_at_a_time_as_may_be_out() {
    let mut fleet = outdated(replacing(2), 5);
    for expected in [(0, 2), (2, 0), (0, 2), (2, 0), (0, 1), (1, 0), (0, 0)] {
        assert_eq!(fleet.counts(), expected);
        fleet.all_ready();
    }
    assert_eq!(counters(&fleet.look()), [5, 5, 0, 5, 5, 5]);
}

/// Conformance: U19
#[test]
fn an_update_whose_pods_do_not_get_ready_stops() {
    let mut fleet = outdated(replacing(3), 5);
    for expected in [(0, 3), (3, 0), (0, 0), (0, 0)] {
        assert_eq!(fleet.counts(), expected);
    }
    // A second change replaces the broken pods, and the healthy ones stay.
    let healthy: Vec<_> = fleet.scene.pods[..2].to_vec();
    fleet.now += 100;
    fleet.update();
    for expected in [(0, 3), (3, 0), (0, 0)] {
        assert_eq!(fleet.counts(), expected);
    }
    assert_eq!(fleet.scene.pods[..2], healthy[..]);
}

/// Conformance: U19
#[test]
fn healthy_old_pods_stay_while_too_many_nodes_are_out() {
    for (max_unavailable, of_healthy) in [(1, 0), (10, 0), (11, 1)] {
        let mut fleet = outdated(replacing(max_unavailable), 20);
        // Ten were replaced, and what came is broken.
        fleet.scene.pods.retain(|pod| !of_nodes(0..10)(pod));
        (0..10).for_each(|number| drop(fleet.add(&name(number))));
        assert_eq!(fleet.counts(), (0, of_healthy), "{max_unavailable} may be out");
        // A change for the better reaches the broken ones whatever the budget.
        fleet.now += 100;
        fleet.update();
        assert_eq!(fleet.counts().1, 10, "{max_unavailable} may be out");
    }
}

/// Conformance: U19
#[test]
fn old_pods_that_are_out_are_replaced_beside_new_ones_that_are() {
    let mut fleet = outdated(replacing(10), 100);
    fleet.scene.pods.retain(|pod| !of_nodes(12..100)(pod));
    (12..100).for_each(|number| drop(fleet.add(&name(number))));
    fleet.set_ready(false, of_nodes(10..12));
    assert_eq!(fleet.counts(), (0, 2));
    assert_eq!(fleet.counts(), (2, 0));
    assert_eq!(fleet.counts(), (0, 0));
}

/// Conformance: U19
#[test]
fn old_pods_none_of_which_is_available_are_replaced_all_together() {
    let mut fleet = outdated(replacing(3), 5);
    fleet.set_ready(false, |_| true);
    for expected in [(0, 5), (5, 0), (0, 0)] {
        assert_eq!(fleet.counts(), expected);
    }
}

/// Conformance: U19
#[test]
fn without_a_change_nothing_is_replaced() {
    for spec in [replacing(3), surging(3)] {
        let mut fleet = Fleet::new(spec, 5);
        fleet.step();
        fleet.all_ready();
        assert_eq!(fleet.counts(), (0, 0));
        fleet.set_ready(false, |_| true);
        assert_eq!(fleet.counts(), (0, 0));
    }
}

/// Conformance: W8
#[test]
fn an_update_leaves_what_would_not_come_back() {
    let mut fleet = outdated(replacing(1), 3);
    fleet.scene.nodes[0] = tainted(&name(0), "k", "NoSchedule");
    let kept = fleet.scene.pods[0].clone();
    for expected in [(0, 1), (1, 0), (0, 1), (1, 0), (0, 0)] {
        assert_eq!(fleet.counts(), expected);
        fleet.all_ready();
    }
    assert!(fleet.scene.pods.contains(&kept));
}

/// Conformance: U20
#[test]
fn new_pods_come_first_as_many_at_a_time_as_may_surge() {
    let mut fleet = outdated(surging(2), 5);
    let mut most = 0;
    for expected in [(2, 0), (0, 2), (2, 0), (0, 2), (1, 0), (0, 1), (0, 0)] {
        assert_eq!(fleet.counts(), expected);
        most = most.max(fleet.scene.pods.len());
        assert!(fleet.scene.pods.len() >= 5, "no node is ever without a pod");
        fleet.all_ready();
    }
    assert_eq!((most, counters(&fleet.look())), (7, [5, 5, 0, 5, 5, 5]));
}

/// Conformance: U20
#[test]
fn a_node_that_is_not_tolerated_any_more_keeps_its_pod_until_it_is_not_missed() {
    let mut fleet = outdated(surging(1), 2);
    fleet.scene.nodes[0] = tainted(&name(0), "k", "NoSchedule");
    fleet.scene.nodes.push(machine(&name(2), json!({})));
    let (first, second) = (fleet.scene.pods[0].clone(), fleet.scene.pods[1].clone());
    let there = |fleet: &Fleet, pod: &Arc<Pod>| fleet.scene.pods.contains(pod);
    // The node that joined is served first, and the old pod stays as long as one is missing.
    assert_eq!(fleet.counts(), (1, 0));
    assert_eq!(fleet.counts().1, 0);
    assert!(there(&fleet, &first) && there(&fleet, &second));
    for _ in 0..6 {
        fleet.all_ready();
        fleet.step();
    }
    assert!(!there(&fleet, &first) && !there(&fleet, &second));
    assert_eq!((fleet.counts(), counters(&fleet.look())), ((0, 0), [2, 2, 0, 2, 2, 2]));
}

/// Conformance: U20
#[test]
fn old_pods_that_are_out_get_successors_beyond_the_surge() {
    let mut patient = surging(3);
    patient["minReadySeconds"] = json!(50);
    let mut fleet = outdated(patient.clone(), 5);
    fleet.set_ready(false, |_| true);
    assert_eq!(fleet.counts(), (5, 0), "none of them serves, so that none is lost");
    let mut fleet = outdated(patient.clone(), 5);
    fleet.set_ready(false, |_| true);
    fleet.set_ready(true, |_| true);
    fleet.now += 49;
    assert_eq!(fleet.look().wake_at, Some(at(fleet.now + 1)));
    assert_eq!(fleet.counts(), (5, 0), "Ready, and not for long enough");
    let mut fleet = outdated(patient, 5);
    fleet.now += 50;
    assert_eq!(fleet.counts(), (3, 0), "all are available, so that the limit holds");
}

/// Conformance: U18
#[test]
fn a_surge_goes_on_where_the_old_pod_is_on_its_way_out() {
    let mut fleet = outdated(surging(1), 3);
    assert_eq!(fleet.counts(), (1, 0));
    assert_eq!(fleet.counts(), (0, 0), "the limit is reached");
    // Somebody deletes an old pod: its node gets a new one although the limit is reached.
    let deleted = fleet.scene.pods.iter_mut().find(|pod| of_nodes(2..3)(pod)).unwrap();
    Arc::make_mut(deleted).metadata.deletion_timestamp = serde_json::from_value(json!(at(0))).unwrap();
    let done = fleet.step();
    assert_eq!((done.created, done.deleted), (vec![name(2)], vec![]));
}

/// Conformance: W4
#[test]
fn an_old_pod_on_a_vanished_node_stops_no_surge() {
    let mut fleet = outdated(surging(1), 3);
    fleet.scene.nodes.remove(0);
    for expected in [(1, 0), (0, 1), (1, 0), (0, 1), (0, 0)] {
        assert_eq!(fleet.counts(), expected);
        fleet.all_ready();
    }
    assert_eq!(fleet.scene.pods.len(), 3, "two new ones, and the one that the garbage collector takes");
}

/// Conformance: W5
#[test]
fn failed_pods_do_not_pile_up_during_a_surge() {
    let mut fleet = outdated(surging(1), 1);
    fleet.scene.pods.clear();
    let mut most = 0;
    for _ in 0..50 {
        let done = fleet.step();
        // The node refuses whatever comes.
        fleet
            .scene
            .pods
            .iter_mut()
            .for_each(|pod| Arc::make_mut(pod).status.get_or_insert_default().phase = Some("Failed".into()));
        assert!(done.created.len() <= 1);
        most = most.max(fleet.scene.pods.len());
    }
    assert!(most <= 2, "{most} failed pods at once");
}
