//! How long pods stay on nodes with NoExecute taints.

use super::super::eviction::{Countdown, Stay, disruption, stay};
use super::{at, node, time};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// A pod made at second 10, with tolerations `key` or `key=seconds`; no key means all taints.
fn pod(tolerations: &[&str]) -> Pod {
    let tolerations: Vec<Value> = tolerations
        .iter()
        .map(|words| {
            let (key, seconds) = words.split_once('=').map_or((*words, None), |(key, seconds)| (key, Some(seconds)));
            let key = if key.is_empty() { Value::Null } else { json!(format!("node.kubernetes.io/{key}")) };
            json!({"key": key, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": seconds.map(|seconds| seconds.parse::<i64>().unwrap())})
        })
        .collect();
    serde_json::from_value(
        json!({"metadata": {"creationTimestamp": time(10)}, "spec": {"containers": [], "tolerations": tolerations}}),
    )
    .unwrap()
}

/// What becomes of the pod as the node's taints change: at each time, these taints, and the answer.
#[track_caller]
fn check(tolerations: &[&str], course: &[(i64, &[&str], Stay)]) {
    let pod = pod(tolerations);
    let mut countdown: Option<Countdown> = None;
    for (now, taints, expected) in course {
        let (stays, next) = stay(&pod, &node(&[], taints), countdown, at(*now));
        assert_eq!(stays, *expected, "{tolerations:?} {taints:?} at {now}");
        countdown = next;
    }
}

fn until(second: i64) -> Stay {
    Stay::Until(at(second))
}

#[test]
fn only_noexecute_taints_drive_pods_off() {
    check(&[], &[(100, &[], Stay::Forever), (100, &["a:NoSchedule", "b:PreferNoSchedule"], Stay::Forever)]);
    check(&[], &[(100, &["a:NoExecute"], Stay::Never)]);
}

/// Conformance: R1
#[test]
fn every_taint_must_be_tolerated() {
    check(&["a"], &[(100, &["a:NoExecute"], Stay::Forever), (100, &["a:NoExecute", "b:NoExecute"], Stay::Never)]);
    check(&["a=60"], &[(100, &["a:NoExecute", "b:NoExecute"], Stay::Never)]);
    check(&["a", "b"], &[(100, &["a:NoExecute", "b:NoExecute"], Stay::Forever)]);
    check(&[""], &[(100, &["a:NoExecute", "b:NoExecute"], Stay::Forever)]);
}

/// Conformance: R2, U25
#[test]
fn the_shortest_patience_counts() {
    check(&["a=60"], &[(100, &["a:NoExecute"], until(160))]);
    check(&["a=60", "b=30"], &[(100, &["a:NoExecute", "b:NoExecute"], until(130))]);
    check(&["a", "b=30"], &[(100, &["a:NoExecute", "b:NoExecute"], until(130))]);
    check(&["a=0"], &[(100, &["a:NoExecute"], Stay::Never)]);
    check(&["a=-5"], &[(100, &["a:NoExecute"], Stay::Never)]);
    check(&["a=60", "b=0"], &[(100, &["a:NoExecute", "b:NoExecute"], Stay::Never)]);
}

#[test]
fn of_several_tolerations_the_first_that_matches_counts() {
    check(&["=60", "a"], &[(100, &["a:NoExecute"], until(160))]);
    check(&["a", "=60"], &[(100, &["a:NoExecute"], Stay::Forever)]);
    check(&["a=300", "a=60"], &[(100, &["a:NoExecute"], until(400))]);
    // A daemon tolerates these for ever, unless its template says otherwise first.
    let daemon = ["not-ready", "unreachable"];
    check(&daemon, &[(100, &["not-ready:NoExecute", "unreachable:NoExecute"], Stay::Forever)]);
    check(&["=60", daemon[0], daemon[1]], &[(100, &["not-ready:NoExecute"], until(160))]);
}

#[test]
fn the_time_runs_from_when_the_taint_was_added() {
    check(&["a=60"], &[(100, &["a:NoExecute@90"], until(150)), (151, &["a:NoExecute@90"], Stay::Never)]);
    check(&["a=60"], &[(150, &["a:NoExecute@90"], Stay::Never)]);
    // But not from before the pod was there, nor from a time that is still to come.
    check(&["a=60"], &[(20, &["a:NoExecute@5"], until(70))]);
    check(&["a=60"], &[(100, &["a:NoExecute@500"], until(160))]);
}

#[test]
fn the_time_goes_on_when_one_taint_follows_another() {
    let both = ["not-ready=300", "unreachable=300"];
    check(
        &both,
        &[
            (100, &["not-ready:NoExecute@100"], until(400)),
            (300, &["unreachable:NoExecute@300"], until(400)),
            (400, &["unreachable:NoExecute@300"], Stay::Never),
        ],
    );
    // Without taints it ends.
    check(
        &both,
        &[
            (100, &["not-ready:NoExecute@100"], until(400)),
            (200, &[], Stay::Forever),
            (300, &["not-ready:NoExecute@300"], until(600)),
        ],
    );
    check(&["a=60", "b"], &[(100, &["a:NoExecute"], until(160)), (110, &["b:NoExecute"], Stay::Forever)]);
    // Looked at again later, the same taint gives no more time.
    check(&["a=60"], &[(100, &["a:NoExecute"], until(160)), (130, &["a:NoExecute"], until(160))]);
}

#[test]
fn a_taint_that_is_borne_for_ever_does_not_shorten_the_time_for_another() {
    check(
        &["a", "b=60"],
        &[(100, &["a:NoExecute@50"], Stay::Forever), (5000, &["a:NoExecute@50", "b:NoExecute@5000"], until(5060))],
    );
    check(
        &["a=3600", "b=60"],
        &[(100, &["a:NoExecute@100"], until(3700)), (2000, &["a:NoExecute@100", "b:NoExecute@2000"], until(2060))],
    );
}

/// Conformance: R1
#[test]
fn the_last_state_of_a_pod_says_why_it_goes() {
    let told = disruption(at(7));
    assert_eq!((told.type_.as_str(), told.status.as_str()), ("DisruptionTarget", "True"));
    assert_eq!(told.reason.as_deref(), Some("DeletionByTaintManager"));
    assert_eq!(told.last_transition_time.unwrap().0, at(7));
}
