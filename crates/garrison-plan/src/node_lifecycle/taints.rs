//! The taints that follow from a node's conditions and from its being cordoned (behaviour reference §13.2).

use super::{
    disruption::Permission,
    health::{Readiness, condition, readiness},
};
use crate::placement::taints::{
    DISK_PRESSURE, Effect, MEMORY_PRESSURE, NETWORK_UNAVAILABLE, NOT_READY, PID_PRESSURE, UNREACHABLE, UNSCHEDULABLE, of,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Node, Taint},
    apimachinery::pkg::apis::meta::v1::Time,
};

/// The condition that a taint tells of while it is True.
const WHILE_TRUE: [(&str, &str); 4] = [
    (MEMORY_PRESSURE, "MemoryPressure"),
    (DISK_PRESSURE, "DiskPressure"),
    (PID_PRESSURE, "PIDPressure"),
    (NETWORK_UNAVAILABLE, "NetworkUnavailable"),
];

/// The taints a node should have, if they are not those it has. Taints that others set are left alone.
pub fn reconciled(node: &Node, permission: Permission, now: Timestamp) -> Option<Vec<Taint>> {
    let current = of(node);
    let no_schedule = |key: &str| no_schedule(node, key);
    let no_execute = |key: &str| match permission {
        Permission::Drive => Some(readiness(node)) == meaning(key),
        Permission::Clear => false,
        Permission::Wait(_) => has(current, key, Effect::NoExecute),
    };
    let wanted = |key: &str, effect: Effect| match effect {
        Effect::NoSchedule => no_schedule(key),
        Effect::NoExecute => no_execute(key),
        Effect::PreferNoSchedule => true,
    };
    let kept = current.iter().filter(|taint| match Effect::of(taint) {
        Some(effect) if is_ours(&taint.key, effect) => wanted(&taint.key, effect),
        _ => true,
    });
    let missing = OURS.iter().filter(|(key, effect)| wanted(key, *effect) && !has(current, key, *effect));
    let new = |(key, effect): &(&str, Effect)| Taint {
        key: (*key).into(),
        effect: effect.to_string(),
        value: None,
        time_added: Some(Time(now)),
    };
    let taints: Vec<Taint> = kept.cloned().chain(missing.map(new)).collect();
    (taints != current).then_some(taints)
}

/// Whether the node has a taint that drives its pods off because it is not Ready.
pub fn is_driving(node: &Node) -> bool {
    has(of(node), NOT_READY, Effect::NoExecute) || has(of(node), UNREACHABLE, Effect::NoExecute)
}

/// All taints that the node lifecycle sets and takes away.
const OURS: [(&str, Effect); 9] = [
    (NOT_READY, Effect::NoSchedule),
    (UNREACHABLE, Effect::NoSchedule),
    (MEMORY_PRESSURE, Effect::NoSchedule),
    (DISK_PRESSURE, Effect::NoSchedule),
    (PID_PRESSURE, Effect::NoSchedule),
    (NETWORK_UNAVAILABLE, Effect::NoSchedule),
    (UNSCHEDULABLE, Effect::NoSchedule),
    (NOT_READY, Effect::NoExecute),
    (UNREACHABLE, Effect::NoExecute),
];

fn is_ours(key: &str, effect: Effect) -> bool {
    OURS.contains(&(key, effect))
}

fn has(taints: &[Taint], key: &str, effect: Effect) -> bool {
    taints.iter().any(|taint| taint.key == key && Effect::of(taint) == Some(effect))
}

/// What a node says that has this taint.
fn meaning(key: &str) -> Option<Readiness> {
    match key {
        NOT_READY => Some(Readiness::NotReady),
        UNREACHABLE => Some(Readiness::Unknown),
        _ => None,
    }
}

fn no_schedule(node: &Node, key: &str) -> bool {
    match (key, readiness(node)) {
        // Admission taints a new node, and nothing is known that would clear it.
        (NOT_READY, Readiness::Unreported) => has(of(node), key, Effect::NoSchedule),
        (NOT_READY | UNREACHABLE, readiness) => meaning(key) == Some(readiness),
        (UNSCHEDULABLE, _) => node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
        _ => WHILE_TRUE
            .iter()
            .find(|(taint, _)| *taint == key)
            .and_then(|(_, kind)| condition(node, kind))
            .is_some_and(|condition| condition.status == "True"),
    }
}
