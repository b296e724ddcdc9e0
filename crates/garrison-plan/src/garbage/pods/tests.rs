use super::*;
use serde_json::{Value, json};

/// A pod from a word: its name, then `:` and marks. `b` bound, `t` terminating, `z` with no grace left, `f` failed,
/// `s` succeeded, `e` evicted, and a digit for when it was made.
fn pod(word: &str) -> Pod {
    let (name, marks) = word.split_once(':').unwrap_or((word, ""));
    let has = |mark: char| marks.contains(mark);
    let phase = if has('f') || has('e') {
        "Failed"
    } else if has('s') {
        "Succeeded"
    } else {
        "Running"
    };
    let mut pod: Value =
        json!({"metadata": {"name": name, "namespace": "ns"}, "spec": {"containers": []}, "status": {"phase": phase}});
    if has('b') {
        pod["spec"]["nodeName"] = json!("n");
    }
    if has('t') {
        pod["metadata"]["deletionTimestamp"] = json!("2020-01-01T00:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(if has('z') { 0 } else { 30 });
    }
    if has('e') {
        pod["status"]["reason"] = json!("Evicted");
    }
    if let Some(day) = marks.chars().find(char::is_ascii_digit) {
        pod["metadata"]["creationTimestamp"] = json!(format!("2020-01-0{day}T00:00:00Z"));
    }
    serde_json::from_value(pod).unwrap()
}

/// A node whose Ready condition has this status, if any, and which has these taints.
fn node(ready: Option<&str>, taints: &[&str]) -> Node {
    let taints: Vec<Value> = taints.iter().map(|key| json!({"key": key, "effect": "NoExecute"})).collect();
    let conditions: Vec<Value> = ready.iter().map(|status| json!({"type": "Ready", "status": status})).collect();
    serde_json::from_value(json!({"metadata": {"name": "n"}, "spec": {"taints": taints}, "status": {"conditions": conditions}}))
        .unwrap()
}

#[track_caller]
fn check(word: &str, home: Home<'_>, expected: Option<Why>) {
    assert_eq!(fate(&pod(word), home), expected, "{word} {home:?}");
}

/// Conformance: R4, U25
#[test]
fn a_pod_goes_with_its_node() {
    for (word, expected) in [
        ("p:b", Some(Why::Orphaned)),
        ("p:bt", Some(Why::Orphaned)),
        ("p:bs", Some(Why::Orphaned)),
        ("p:bf", Some(Why::Orphaned)),
        ("p:btf", Some(Why::Orphaned)),
        // It was removed as far as that is possible.
        ("p:btzf", None),
        ("p:btz", Some(Why::Orphaned)),
    ] {
        check(word, Home::Gone, expected);
        // Nothing is done on a suspicion.
        check(word, Home::Unseen, None);
        check(word, Home::There(&node(Some("True"), &[])), None);
        check(word, Home::There(&node(Some("Unknown"), &[])), None);
    }
}

/// Conformance: R4, U25
#[test]
fn a_node_out_of_service_cannot_confirm_that_a_pod_has_ended() {
    let out = [OUT_OF_SERVICE];
    for (ready, taints, expected) in [
        (Some("Unknown"), &out[..], Some(Why::OutOfService)),
        (Some("False"), &out, Some(Why::OutOfService)),
        (None, &out, Some(Why::OutOfService)),
        // It can, for it is well.
        (Some("True"), &out, None),
        (Some("Unknown"), &["node.kubernetes.io/unreachable"], None),
    ] {
        let node = node(ready, taints);
        check("p:bt", Home::There(&node), expected);
        check("p:b", Home::There(&node), None);
        check("p:btzf", Home::There(&node), None);
    }
}

#[test]
fn a_pod_without_a_node_goes_when_it_is_deleted() {
    check("p", Home::Unseen, None);
    check("p:s", Home::Unseen, None);
    check("p:t", Home::Unseen, Some(Why::NeverPlaced));
    check("p:tf", Home::Unseen, Some(Why::NeverPlaced));
    check("p:tzf", Home::Unseen, None);
    let mut nowhere = pod("p:t");
    nowhere.spec.as_mut().unwrap().node_name = Some(String::new());
    assert_eq!(fate(&nowhere, Home::Unseen), Some(Why::NeverPlaced));
}

/// Conformance: R4
#[test]
fn the_last_state_of_a_pod_says_that_its_node_is_gone() {
    let told = condition(Why::Orphaned, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((told.type_.as_str(), told.status.as_str()), ("DisruptionTarget", "True"));
    assert_eq!(told.reason.as_deref(), Some("DeletionByPodGC"));
    assert_eq!(told.message.as_deref(), Some("PodGC: node no longer exists"));
    assert_eq!(condition(Why::OutOfService, Timestamp::UNIX_EPOCH), None);
    assert_eq!(condition(Why::NeverPlaced, Timestamp::UNIX_EPOCH), None);
}

/// Which of the finished pods are too many.
#[track_caller]
fn check_surplus(words: &str, threshold: usize, expected: &str) {
    let ended: Vec<std::sync::Arc<Pod>> = words.split(' ').map(|word| pod(word).into()).collect();
    let names = surplus(ended, threshold).iter().map(|pod| pod.metadata.name.clone().unwrap()).collect::<Vec<_>>().join(" ");
    assert_eq!(names, expected, "{words} beyond {threshold}");
}

/// Conformance: U25
#[test]
fn evicted_pods_go_first_then_the_oldest() {
    check_surplus("a:s3 b:f1 c:e9 d:s2 e:e4", 5, "");
    check_surplus("a:s3 b:f1 c:e9 d:s2 e:e4", 4, "e");
    check_surplus("a:s3 b:f1 c:e9 d:s2 e:e4", 3, "e c");
    check_surplus("a:s3 b:f1 c:e9 d:s2 e:e4", 1, "e c b d");
    check_surplus("a:s3 b:f1 c:e9 d:s2 e:e4", 0, "");
    check_surplus("b:s1 c:s1 a:s1", 1, "a b");
    assert!(has_ended(&pod("p:s")) && has_ended(&pod("p:e")) && !has_ended(&pod("p")));
}
