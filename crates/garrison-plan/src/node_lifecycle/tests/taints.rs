//! From conditions to taints.

use super::super::taints::{is_driving, reconciled};
use super::{Permission, at, node, shown};

/// The taints that a node with these conditions and taints gets, or nothing if they stay as they are.
#[track_caller]
fn check(conditions: &[&str], taints: &[&str], permission: Permission, expected: Option<&[&str]>) {
    let mut node = node(conditions, taints);
    node.spec.as_mut().unwrap().unschedulable = Some(conditions.contains(&"Cordoned=True"));
    let found = reconciled(&node, permission, at(9)).map(|taints| taints.iter().map(shown).collect::<Vec<_>>());
    assert_eq!(found.as_deref(), expected.map(|words| words.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref());
}

/// Conformance: R3, U25
#[test]
fn each_condition_has_its_taint() {
    for (status, taint) in [
        ("Ready=False", "not-ready:NoSchedule@9"),
        ("Ready=Unknown", "unreachable:NoSchedule@9"),
        ("MemoryPressure=True", "memory-pressure:NoSchedule@9"),
        ("DiskPressure=True", "disk-pressure:NoSchedule@9"),
        ("PIDPressure=True", "pid-pressure:NoSchedule@9"),
        ("NetworkUnavailable=True", "network-unavailable:NoSchedule@9"),
        ("Cordoned=True", "unschedulable:NoSchedule@9"),
    ] {
        let others = if status.starts_with("Ready") { &[][..] } else { &["Ready=True"] };
        let conditions = [others, &[status]].concat();
        check(&conditions, &[], Permission::Wait(None), Some(&[taint]));
        // It stays as it is, whatever its time and value.
        let without_time = taint.strip_suffix("@9").unwrap();
        check(&conditions, &[without_time], Permission::Wait(None), None);
        // A taint whose condition does not hold is taken away, even if set by hand.
        check(&["Ready=True"], &[without_time], Permission::Wait(None), Some(&[]));
        check(
            &["Ready=True"],
            &["example.org/x:NoSchedule", without_time],
            Permission::Clear,
            Some(&["example.org/x:NoSchedule"]),
        );
    }
    for well in ["MemoryPressure=False", "MemoryPressure=Unknown", "NetworkUnavailable=Unknown", "Ready=True"] {
        check(&["Ready=True", well], &[], Permission::Clear, None);
    }
}

#[test]
fn taints_of_others_and_other_effects_are_left_alone() {
    let theirs =
        ["example.org/x:NoExecute", "memory-pressure:NoExecute", "not-ready:PreferNoSchedule", "out-of-service:NoExecute"];
    check(&["Ready=True"], &theirs, Permission::Clear, None);
    check(&["Ready=False"], &theirs, Permission::Wait(None), Some(&[&theirs[..], &["not-ready:NoSchedule@9"]].concat()));
}

#[test]
fn a_new_node_keeps_the_taint_that_it_was_made_with() {
    check(&[], &["not-ready:NoSchedule"], Permission::Wait(None), None);
    check(&[], &[], Permission::Wait(None), None);
    check(&["Ready=True"], &["not-ready:NoSchedule"], Permission::Clear, Some(&[]));
    check(&["Ready=Unknown"], &["not-ready:NoSchedule"], Permission::Wait(None), Some(&["unreachable:NoSchedule@9"]));
}

#[test]
fn pods_are_driven_off_only_with_permission() {
    let (not_ready, unreachable) = (["not-ready:NoSchedule"], ["unreachable:NoSchedule"]);
    let both = ["not-ready:NoSchedule", "not-ready:NoExecute@9"];
    check(&["Ready=False"], &not_ready, Permission::Wait(None), None);
    check(&["Ready=False"], &not_ready, Permission::Clear, None);
    check(&["Ready=False"], &not_ready, Permission::Drive, Some(&both));
    check(&["Ready=Unknown"], &unreachable, Permission::Drive, Some(&["unreachable:NoSchedule", "unreachable:NoExecute@9"]));
    // Begun is begun, unless it is called off.
    check(&["Ready=False"], &both, Permission::Wait(None), None);
    check(&["Ready=False"], &both, Permission::Drive, None);
    check(&["Ready=False"], &both, Permission::Clear, Some(&["not-ready:NoSchedule"]));
    check(&["Ready=True"], &both, Permission::Clear, Some(&[]));
    // One follows the other at once.
    let swapped = ["unreachable:NoSchedule@9", "unreachable:NoExecute@9"];
    check(&["Ready=Unknown"], &both, Permission::Drive, Some(&swapped));
    check(
        &["Ready=False"],
        &swapped,
        Permission::Drive,
        Some(&both.map(|taint| if taint.contains('@') { taint } else { "not-ready:NoSchedule@9" })),
    );
}

/// Conformance: U25
#[test]
fn a_node_drives_its_pods_off_by_two_taints() {
    for (taint, expected) in [
        ("not-ready:NoExecute", true),
        ("unreachable:NoExecute", true),
        ("not-ready:NoSchedule", false),
        ("example.org/x:NoExecute", false),
    ] {
        assert_eq!(is_driving(&node(&[], &[taint])), expected, "{taint}");
    }
}
