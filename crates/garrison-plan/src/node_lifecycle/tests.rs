use super::*;
use crate::placement::taints::Effect;
use serde_json::{Value, json};

mod disruption;
mod eviction;
mod health;
mod taints;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A time as objects have it.
fn time(second: i64) -> Value {
    json!(at(second).to_string())
}

/// A node with these conditions, written `Ready=True`, all heard of at this second.
fn node_at(heartbeat: i64, conditions: &[&str], taints: &[&str]) -> Node {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|words| {
            let (kind, status) = words.split_once('=').unwrap();
            json!({"type": kind, "status": status, "lastHeartbeatTime": time(heartbeat)})
        })
        .collect();
    let taints: Vec<Taint> = taints.iter().map(|words| taint(words)).collect();
    let mut node: Node = serde_json::from_value(json!({"metadata": {"name": "n", "creationTimestamp": time(0)}, "spec": {},
        "status": {"conditions": conditions}}))
    .unwrap();
    node.spec.as_mut().unwrap().taints = Some(taints).filter(|taints| !taints.is_empty());
    node
}

fn node(conditions: &[&str], taints: &[&str]) -> Node {
    node_at(0, conditions, taints)
}

/// A taint from `key:Effect` or `key:Effect@second`, where a key without a dot is one of Kubernetes' own.
fn taint(words: &str) -> Taint {
    let (key, effect) = words.split_once(':').unwrap();
    let (effect, added) = effect.split_once('@').map_or((effect, None), |(effect, second)| (effect, Some(second)));
    let key = if key.contains('.') { key.to_owned() } else { format!("node.kubernetes.io/{key}") };
    let added = added.map(|second| time(second.parse().unwrap()));
    serde_json::from_value(json!({"key": key, "effect": effect, "timeAdded": added})).unwrap()
}

fn shown(taint: &Taint) -> String {
    let key = taint.key.strip_prefix("node.kubernetes.io/").unwrap_or(&taint.key);
    let added = taint.time_added.as_ref().map(|time| format!("@{}", time.0.as_second())).unwrap_or_default();
    format!("{key}:{}{added}", Effect::of(taint).unwrap())
}

const PATIENCE: Patience = Patience { grace: jiff::SignedDuration::from_secs(50), startup: jiff::SignedDuration::from_secs(60) };

/// A plan in one line: the conditions that change, the taints if they do, whether the pods are marked, when it wakes.
#[track_caller]
fn check(node: &Node, heard: i64, permission: Permission, now: i64, expected: &str) {
    let heartbeat = Heartbeat::first(node, at(heard));
    let observed = Observed { node, heartbeat: &heartbeat, permission, turned_unready: false, patience: &PATIENCE, now: at(now) };
    let planned = plan(&observed);
    let mut parts: Vec<String> = planned.conditions.iter().map(|c| format!("{}={}", c.type_, c.status)).collect();
    parts.extend(planned.taints.map(|taints| format!("[{}]", taints.iter().map(shown).collect::<Vec<_>>().join(" "))));
    parts.extend(planned.unready_pods.then(|| "pods".to_owned()));
    parts.extend(planned.wake_at.map(|wake| format!("wake {}", wake.as_second())));
    assert_eq!(parts.join(" "), expected);
}

#[test]
fn a_node_that_is_heard_of_is_looked_at_when_its_time_is_over() {
    let well = node(&["Ready=True"], &[]);
    check(&well, 100, Permission::Clear, 100, "wake 150");
    check(&well, 100, Permission::Clear, 149, "wake 150");
    let new = node(&[], &["not-ready:NoSchedule"]);
    // From its creation it has a minute to report.
    check(&new, 100, Permission::Wait(None), 59, "wake 60");
}

#[test]
fn a_silent_node_gets_its_conditions_first_and_what_follows_from_them_later() {
    let well = node(&["Ready=True", "MemoryPressure=False"], &[]);
    let unknown = "Ready=Unknown MemoryPressure=Unknown DiskPressure=Unknown PIDPressure=Unknown";
    check(&well, 100, Permission::Clear, 150, unknown);
    check(&node(&["Ready=True"], &["not-ready:NoExecute"]), 100, Permission::Clear, 150, unknown);
    check(&node(&[], &["not-ready:NoSchedule"]), 100, Permission::Wait(None), 60, unknown);
    let all = ["Ready=Unknown", "MemoryPressure=Unknown", "DiskPressure=Unknown", "PIDPressure=Unknown"];
    let silent = node(&all, &[]);
    check(&silent, 100, Permission::Wait(Some(at(170))), 160, "[unreachable:NoSchedule@160] pods wake 170");
    check(&silent, 100, Permission::Drive, 170, "[unreachable:NoSchedule@170 unreachable:NoExecute@170] pods");
    let driven = node(&all, &["unreachable:NoSchedule", "unreachable:NoExecute"]);
    check(&driven, 100, Permission::Drive, 180, "pods");
    // It reports again: its own word counts from now on.
    let back = node(&["Ready=True"], &["unreachable:NoSchedule", "unreachable:NoExecute"]);
    check(&back, 190, Permission::Clear, 190, "[] wake 240");
}

#[test]
fn pods_are_marked_when_their_node_turns_and_while_it_is_silent() {
    let marked = |status: &str, turned_unready: bool, now: i64| {
        let node =
            node(&[&format!("Ready={status}"), "MemoryPressure=Unknown", "DiskPressure=Unknown", "PIDPressure=Unknown"], &[]);
        let heartbeat = Heartbeat::first(&node, at(100));
        let permission = Permission::Wait(None);
        plan(&Observed { node: &node, heartbeat: &heartbeat, permission, turned_unready, patience: &PATIENCE, now: at(now) })
            .unready_pods
    };
    assert!(marked("False", true, 100));
    // A node that says that it is not Ready reports its pods itself.
    assert!(!marked("False", false, 100));
    assert!(!marked("True", false, 100));
    assert!(!marked("Unknown", false, 149));
    assert!(marked("Unknown", false, 150));
}
