use super::*;
use serde_json::{Value, json};

fn pod(name: &str, ready: bool, more: Value) -> Arc<Pod> {
    let mut pod = json!({
        "metadata": {"name": name, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": true}]},
        "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
    });
    for (name, value) in more.as_object().unwrap() {
        pod["metadata"][name] = value.clone();
    }
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn budget(spec: Value, status: Value) -> PodDisruptionBudget {
    serde_json::from_value(json!({"metadata": {"name": "b", "generation": 3}, "spec": spec, "status": status})).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn empty() -> Value {
    json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0})
}

fn planned(spec: Value, pods: &[Arc<Pod>], scale: i32) -> [i32; 4] {
    let budget = budget(spec, empty());
    let plan = plan(&Observed { budget: &budget, pods, scale: Ok(scale), now: at(9) });
    let status = plan.status.expect("the first look says something");
    let condition = &status.conditions.as_ref().unwrap()[0];
    assert_eq!(condition.status == "True", status.disruptions_allowed > Some(0));
    assert_eq!((status.observed_generation, condition.observed_generation), (Some(3), Some(3)));
    [status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed].map(|count| count.unwrap())
}

#[test]
fn a_budget_counts_what_it_is_a_share_of() {
    let mut pods: Vec<_> = (0..4).map(|n| pod(&format!("p{n}"), n > 0, json!({}))).collect();
    for (spec, scale, expected) in [
        (json!({"minAvailable": 2}), 9, [4, 2, 3, 1]),
        (json!({"minAvailable": 3}), 9, [4, 3, 3, 0]),
        (json!({"minAvailable": 7}), 9, [4, 7, 3, 0]),
        (json!({"minAvailable": "50%"}), 5, [5, 3, 3, 0]),
        (json!({"minAvailable": "50%"}), 4, [4, 2, 3, 1]),
        (json!({"maxUnavailable": 1}), 4, [4, 3, 3, 0]),
        (json!({"maxUnavailable": "30%"}), 4, [4, 2, 3, 1]),
        (json!({"maxUnavailable": 9}), 4, [4, 0, 3, 3]),
        (json!({"maxUnavailable": 1}), 0, [0, 0, 3, 0]),
        (json!({}), 4, [0, 0, 3, 0]),
    ] {
        assert_eq!(planned(spec.clone(), &pods, scale), expected, "{spec} of {scale}");
    }
    pods.push(pod("going", true, json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})));
    assert_eq!(planned(json!({"minAvailable": 2}), &pods, 0), [5, 2, 3, 1]);
    assert_eq!(planned(json!({"minAvailable": 0}), &[], 0), [0, 0, 0, 0], "no pods, no evictions");
}

#[test]
fn who_was_evicted_counts_as_gone_for_two_minutes() {
    let pods = [
        pod("a", true, json!({})),
        pod("b", true, json!({})),
        pod("c", true, json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})),
    ];
    let mut status = empty();
    status["disruptedPods"] = json!({"a": at(1000).to_string(), "c": at(1000).to_string(), "gone": at(1000).to_string()});
    let budget = budget(json!({"minAvailable": 1}), status);
    let plan = |second| plan(&Observed { budget: &budget, pods: &pods, scale: Ok(0), now: at(second) });
    let early = plan(1119);
    let status = early.status.unwrap();
    assert_eq!(status.disrupted_pods.unwrap().into_keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!((status.current_healthy, status.disruptions_allowed, early.wake_at), (Some(1), Some(0), Some(at(1120))));
    let late = plan(1120);
    let status = late.status.unwrap();
    assert_eq!((status.disrupted_pods, status.current_healthy, late.wake_at), (None, Some(2), None));
    assert_eq!(late.notices, [Notice::NotDeleted("a".into())]);
}

#[test]
fn what_cannot_be_counted_allows_nothing_and_says_why() {
    let mut status = empty();
    status["disruptionsAllowed"] = 5.into();
    let mut budget = budget(json!({"maxUnavailable": 1}), status);
    let pods = [pod("a", true, json!({}))];
    let why = "daemonsets.apps does not implement the scale subresource";
    let failed = plan(&Observed { budget: &budget, pods: &pods, scale: Err(why.into()), now: at(9) });
    let status = failed.status.unwrap();
    let condition = &status.conditions.as_ref().unwrap()[0];
    assert_eq!((condition.reason.as_str(), condition.message.as_str(), condition.status.as_str()), ("SyncFailed", why, "False"));
    assert_eq!((status.disruptions_allowed, failed.notices), (Some(0), vec![Notice::Failed(why.into())]));
    budget.status = Some(status);
    let again = plan(&Observed { budget: &budget, pods: &pods, scale: Err(why.into()), now: at(99) });
    assert_eq!(again.status, None, "nothing new is not written");
    let counted = plan(&Observed { budget: &budget, pods: &pods, scale: Ok(1), now: at(99) });
    let condition = &counted.status.unwrap().conditions.unwrap()[0];
    assert_eq!((condition.reason.as_str(), &condition.last_transition_time), ("SufficientPods", &Time(at(99))));
}

#[test]
fn pods_without_a_controller_are_told_of_where_a_share_is_asked_for() {
    let pods = [pod("a", true, json!({"ownerReferences": []})), pod("b", true, json!({}))];
    for (spec, notices) in [(json!({"maxUnavailable": 1}), vec![Notice::Unmanaged]), (json!({"minAvailable": 1}), vec![])] {
        let budget = budget(spec.clone(), empty());
        assert_eq!(needs_scale(&budget), !notices.is_empty());
        assert_eq!(plan(&Observed { budget: &budget, pods: &pods, scale: Ok(1), now: at(9) }).notices, notices, "{spec}");
    }
    assert_eq!(controllers(&pods).len(), 1);
}
