//! Hearing of nodes, and what is said of those that are not heard of.

use super::super::health::{condition, readiness, unknown, unready};
use super::{Heartbeat, Node, NodeCondition, PATIENCE, Readiness, at, node, node_at, time};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use serde_json::json;

/// Conformance: U25
#[test]
fn a_node_is_what_its_ready_condition_says() {
    for (conditions, expected) in [
        (&["Ready=True"][..], Readiness::Ready),
        (&["Ready=False"], Readiness::NotReady),
        (&["Ready=Unknown"], Readiness::Unknown),
        (&["MemoryPressure=False"], Readiness::Unreported),
        (&[], Readiness::Unreported),
    ] {
        assert_eq!(readiness(&node(conditions, &[])), expected, "{conditions:?}");
    }
}

fn lease(renewed: i64) -> Lease {
    serde_json::from_value(json!({"spec": {"renewTime": time(renewed)}})).unwrap()
}

/// When the node counts as silent.
fn due(heartbeat: &Heartbeat, node: &Node) -> i64 {
    heartbeat.due(readiness(node), &PATIENCE).as_second()
}

/// Conformance: U25
#[test]
fn every_report_and_renewal_counts_from_when_it_is_seen() {
    let node = node_at(7, &["Ready=True"], &[]);
    let mut heartbeat = Heartbeat::first(&node, at(1000));
    assert_eq!(due(&heartbeat, &node), 1050);
    // Seeing the same again is no news.
    heartbeat.see_node(&node, at(1010));
    assert_eq!(due(&heartbeat, &node), 1050);
    heartbeat.see_node(&node_at(8, &["Ready=False"], &[]), at(1020));
    assert_eq!(due(&heartbeat, &node), 1070);
    heartbeat.see_lease(&lease(3), at(1030));
    assert_eq!(due(&heartbeat, &node), 1080);
    heartbeat.see_lease(&lease(3), at(1040));
    assert_eq!(due(&heartbeat, &node), 1080);
    heartbeat.see_lease(&lease(4), at(1050));
    assert_eq!(due(&heartbeat, &node), 1100);
    heartbeat.see_lease(&Lease::default(), at(1060));
    assert_eq!(due(&heartbeat, &node), 1100);
}

#[test]
fn a_clock_that_is_set_back_is_no_silence() {
    let node = node_at(9_000, &["Ready=True"], &[]);
    let mut heartbeat = Heartbeat::first(&node, at(1000));
    heartbeat.see_lease(&lease(9_000), at(1000));
    heartbeat.see_node(&node_at(1_010, &["Ready=True"], &[]), at(1010));
    assert_eq!(due(&heartbeat, &node), 1060);
    heartbeat.see_lease(&lease(1_020), at(1020));
    assert_eq!(due(&heartbeat, &node), 1070);
}

#[test]
fn a_node_that_has_never_reported_has_its_time_from_its_creation() {
    let new = node(&[], &[]);
    assert_eq!(due(&Heartbeat::first(&new, at(5)), &new), 60);
    assert_eq!(due(&Heartbeat::first(&new, at(5000)), &new), 60);
    // Our clock may be behind the server's.
    assert_eq!(due(&Heartbeat::first(&new, at(-10)), &new), 50);
    let nameless = Node::default();
    assert_eq!(due(&Heartbeat::first(&nameless, at(100)), &nameless), 160);
}

#[test]
fn what_was_written_for_a_silent_node_is_no_sign_of_life() {
    for before in [node_at(7, &["Ready=True"], &[]), node(&[], &[])] {
        let mut heartbeat = Heartbeat::first(&before, at(0));
        let known = heartbeat.clone();
        let mut silent = before.clone();
        silent.status.get_or_insert_default().conditions = Some(unknown(&before, at(1000)));
        heartbeat.see_node(&silent, at(1000));
        assert_eq!(heartbeat, known, "{before:?}");
        // But what the node then says of itself is.
        heartbeat.see_node(&node_at(8, &["Ready=True"], &[]), at(2000));
        assert_eq!(due(&heartbeat, &node(&["Ready=True"], &[])), 2050);
    }
}

fn shown(conditions: &[NodeCondition]) -> Vec<String> {
    let line = |condition: &NodeCondition| {
        let words = [&condition.reason, &condition.message].map(|word| word.clone().unwrap_or_default());
        let times = [&condition.last_heartbeat_time, &condition.last_transition_time];
        let [heartbeat, since] = times.map(|time| time.as_ref().map_or(-1, |time| time.0.as_second()));
        format!("{}={} {}: {} heard {heartbeat} since {since}", condition.type_, condition.status, words[0], words[1])
    };
    conditions.iter().map(line).collect()
}

/// Conformance: U25
#[test]
fn of_a_silent_node_nothing_is_known() {
    let silent = node_at(7, &["Ready=True", "MemoryPressure=True", "PIDPressure=Unknown", "NetworkUnavailable=False"], &[]);
    assert_eq!(
        shown(&unknown(&silent, at(100))),
        [
            "Ready=Unknown NodeStatusUnknown: Kubelet stopped posting node status. heard 7 since 100",
            "MemoryPressure=Unknown NodeStatusUnknown: Kubelet stopped posting node status. heard 7 since 100",
            "DiskPressure=Unknown NodeStatusNeverUpdated: Kubelet never posted node status. heard 0 since 100",
        ]
    );
    assert_eq!(condition(&silent, "Ready").unwrap().status, "True");
}

/// Conformance: U25
#[test]
fn only_pods_that_claim_to_be_ready_are_corrected() {
    let pod = |conditions: &[(&str, &str)]| -> Pod {
        let conditions: Vec<_> = conditions.iter().map(|(kind, status)| json!({"type": kind, "status": status})).collect();
        serde_json::from_value(json!({"status": {"conditions": conditions}})).unwrap()
    };
    let corrected = unready(&pod(&[("Initialized", "True"), ("Ready", "True")]), at(5)).unwrap();
    assert_eq!((corrected.type_.as_str(), corrected.status.as_str()), ("Ready", "False"));
    assert_eq!(corrected.last_transition_time.unwrap().0, at(5));
    assert_eq!(unready(&pod(&[("Ready", "False")]), at(5)), None);
    assert_eq!(unready(&pod(&[("ContainersReady", "True")]), at(5)), None);
    assert_eq!(unready(&Pod::default(), at(5)), None);
}
