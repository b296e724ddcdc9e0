//! How fast nodes are emptied, and when not at all.

use super::super::disruption::{Fleet, Permission, ZoneState};
use super::{Node, at, node};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A node of a zone from a word: its name, and after a colon its readiness: `r` Ready, `u` Unknown, `n` not Ready, `-` never
/// reported; then `x` if it does not count, `d` if it has its taint.
fn member(zone: &str, word: &str) -> Node {
    let (name, marks) = word.split_once(':').unwrap();
    let ready = match marks.chars().next().unwrap() {
        'r' => &["Ready=True"][..],
        'n' => &["Ready=False"],
        'u' => &["Ready=Unknown"],
        _ => &[],
    };
    let taints: &[&str] = if marks.contains('d') { &["unreachable:NoExecute"] } else { &[] };
    let mut node = node(ready, taints);
    node.metadata.name = Some(name.into());
    let mut labels = vec![("topology.kubernetes.io/zone".to_owned(), zone.to_owned())];
    labels.extend(marks.contains('x').then(|| ("node.kubernetes.io/exclude-disruption".to_owned(), String::new())));
    node.metadata.labels = Some(labels.into_iter().collect());
    node
}

/// So many nodes of a readiness, named by zone, mark and number.
fn put(fleet: &mut Fleet, zone: &str, count: usize, marks: &str, now: i64) {
    for number in 0..count {
        let word = format!("{zone}{}{number}:{marks}", &marks[..1]);
        fleet.put(&member(zone, &word), at(now));
    }
}

/// Ready nodes come first: nodes that have all failed at first would have the time of one step to come back.
fn fleet(zones: &[(&str, usize, &str)]) -> Fleet {
    let mut fleet = Fleet::default();
    let (well, others): (Vec<_>, Vec<_>) = zones.iter().partition(|(_, _, marks)| marks.starts_with('r'));
    well.into_iter().chain(others).for_each(|(zone, count, marks)| put(&mut fleet, zone, count, marks, 0));
    fleet.take_woken();
    fleet
}

#[track_caller]
fn check_state(zones: &[(&str, usize, &str)], node: &str, expected: ZoneState, all_down: bool) {
    let fleet = fleet(zones);
    assert_eq!((fleet.zone_state(node), fleet.is_all_down()), (Some(expected), all_down), "{zones:?}");
}

/// Conformance: R2, U25
#[test]
fn a_zone_is_partly_down_from_fifty_five_percent_and_three_nodes() {
    use ZoneState::{Full, Normal, Partial};
    check_state(&[("a", 1, "r")], "ar0", Normal, false);
    check_state(&[("a", 1, "u")], "au0", Full, true);
    check_state(&[("a", 1, "n"), ("b", 1, "r")], "an0", Full, false);
    check_state(&[("a", 1, "n"), ("b", 1, "u")], "an0", Full, true);
    check_state(&[("a", 2, "u"), ("a", 1, "r")], "au0", Normal, false);
    check_state(&[("a", 3, "u"), ("a", 1, "r")], "au0", Partial, false);
    check_state(&[("a", 3, "u"), ("a", 2, "r")], "au0", Partial, false);
    check_state(&[("a", 3, "u"), ("a", 3, "r")], "au0", Normal, false);
    check_state(&[("a", 11, "u"), ("a", 9, "r")], "au0", Partial, false);
    check_state(&[("a", 10, "u"), ("a", 9, "r")], "au0", Normal, false);
    check_state(&[("a", 54, "n"), ("a", 46, "r")], "an0", Normal, false);
    check_state(&[("a", 55, "n"), ("a", 45, "r")], "an0", Partial, false);
    // One that has never reported is not well either; one that comes and goes says nothing.
    check_state(&[("a", 3, "-"), ("a", 1, "r")], "ar0", Partial, false);
    check_state(&[("a", 3, "ux"), ("a", 1, "r")], "au0", Normal, false);
    check_state(&[("a", 3, "rx"), ("a", 1, "u")], "au0", Full, true);
    check_state(&[("a", 3, "ux")], "au0", Normal, false);
    assert_eq!(Fleet::default().zone_state("a"), None);
    assert!(!Fleet::default().is_all_down());
}

/// At which times the nodes of the zone `a` that are down may be emptied, each asked when it is woken or its time has come.
fn drives(fleet: &mut Fleet, until: i64) -> Vec<i64> {
    let names: Vec<String> =
        (0..100).map(|number| format!("au{number}")).filter(|name| fleet.zone_state(name).is_some()).collect();
    let mut driven: Vec<(i64, String)> = Vec::new();
    let mut wakes: Vec<(i64, String)> = names.into_iter().map(|name| (0, name)).collect();
    while let Some(position) = (0..wakes.len()).min_by_key(|position| wakes[*position].0) {
        let (now, name) = wakes.remove(position);
        if now > until {
            break;
        }
        match fleet.permission(&name, at(now)) {
            Permission::Drive if driven.iter().all(|(_, known)| *known != name) => driven.push((now, name)),
            Permission::Wait(Some(later)) => wakes.push((later.as_second(), name)),
            _ => {}
        }
        wakes.extend(fleet.take_woken().into_iter().map(|name| (now, name)));
    }
    driven.into_iter().map(|(time, _)| time).collect()
}

#[track_caller]
fn check_pace(zones: &[(&str, usize, &str)], until: i64, expected: &[i64]) {
    assert_eq!(drives(&mut fleet(zones), until), expected, "{zones:?}");
}

#[test]
fn nodes_are_emptied_one_by_one() {
    let every = |seconds: i64, count: i64| (0..count).map(|number| number * seconds).collect::<Vec<_>>();
    check_pace(&[("a", 2, "u"), ("a", 5, "r")], 1000, &every(10, 2));
    check_pace(&[("a", 4, "u"), ("a", 40, "r")], 1000, &every(10, 4));
    // A zone that is wholly down, beside one that is not.
    check_pace(&[("a", 4, "u"), ("b", 1, "r")], 1000, &every(10, 4));
    // A large one that is partly down: slowly. A small one: not at all.
    check_pace(&[("a", 30, "u"), ("a", 21, "r")], 450, &every(100, 5));
    check_pace(&[("a", 30, "u"), ("a", 20, "r")], 100_000, &[]);
    // If everything is down, it is the network.
    check_pace(&[("a", 4, "u")], 100_000, &[]);
    check_pace(&[("a", 4, "u"), ("b", 2, "n")], 100_000, &[]);
    check_pace(&[("a", 1, "u")], 100_000, &[]);
}

#[test]
fn each_zone_has_a_pace_of_its_own() {
    let mut fleet = fleet(&[("a", 2, "u"), ("a", 5, "r"), ("b", 2, "u"), ("b", 5, "r")]);
    let mut ask = |name: &str, now: i64| fleet.permission(name, at(now));
    assert_eq!(ask("au0", 0), Permission::Drive);
    assert_eq!(ask("bu0", 0), Permission::Drive);
    assert_eq!(ask("au1", 1), Permission::Wait(Some(at(10))));
    assert_eq!(ask("bu1", 2), Permission::Wait(Some(at(10))));
    assert_eq!(ask("au1", 10), Permission::Drive);
    // Asked again, it is still so, until the taint is seen and beyond.
    assert_eq!(ask("au1", 11), Permission::Drive);
}

#[test]
fn who_waits_longest_is_next_and_who_leaves_wakes_the_next() {
    let mut fleet = fleet(&[("a", 3, "u"), ("a", 9, "r")]);
    let ask = |fleet: &mut Fleet, name: &str, now: i64| fleet.permission(name, at(now));
    assert_eq!(ask(&mut fleet, "au2", 0), Permission::Drive);
    assert_eq!(ask(&mut fleet, "au1", 1), Permission::Wait(Some(at(10))));
    assert_eq!(ask(&mut fleet, "au0", 2), Permission::Wait(None));
    assert_eq!(ask(&mut fleet, "au0", 10), Permission::Wait(None));
    assert!(fleet.take_woken().is_empty());
    // The first in line recovers.
    fleet.put(&member("a", "au1:r"), at(11));
    assert_eq!(ask(&mut fleet, "au1", 11), Permission::Clear);
    assert_eq!(fleet.take_woken(), ["au0".to_owned()].into());
    assert_eq!(ask(&mut fleet, "au0", 11), Permission::Drive);
    // Or it is removed.
    put(&mut fleet, "a", 3, "u", 12);
    fleet.put(&member("a", "au9:u"), at(12));
    assert_eq!(ask(&mut fleet, "au1", 12), Permission::Wait(Some(at(21))));
    assert_eq!(ask(&mut fleet, "au9", 12), Permission::Wait(None));
    fleet.remove("au1", at(13));
    assert_eq!(fleet.take_woken(), ["au9".to_owned()].into());
    // Or it moves to another zone, where it stands last.
    assert_eq!(ask(&mut fleet, "au9", 13), Permission::Wait(Some(at(21))));
    fleet.put(&member("a", "au8:u"), at(13));
    assert_eq!(ask(&mut fleet, "au8", 13), Permission::Wait(None));
    fleet.put(&member("b", "au9:u"), at(14));
    assert_eq!(fleet.take_woken(), ["au8".to_owned()].into());
    assert_eq!(ask(&mut fleet, "au8", 14), Permission::Wait(Some(at(21))));
    assert_eq!(ask(&mut fleet, "au9", 14), Permission::Drive);
}

#[test]
fn a_node_that_is_well_or_unknown_is_let_be() {
    let mut fleet = fleet(&[("a", 1, "r"), ("a", 1, "-"), ("a", 1, "u")]);
    assert_eq!(fleet.permission("ar0", at(0)), Permission::Clear);
    assert_eq!(fleet.permission("a-0", at(0)), Permission::Wait(None));
    assert_eq!(fleet.permission("nobody", at(0)), Permission::Wait(None));
    // One that has its taint keeps it while its zone is too far down to go on.
    fleet.put(&member("a", "au0:ud"), at(1));
    put(&mut fleet, "a", 4, "n", 1);
    assert_eq!(fleet.zone_state("au0"), Some(ZoneState::Partial));
    assert_eq!(fleet.permission("au0", at(1)), Permission::Drive);
    assert_eq!(fleet.permission("an0", at(1)), Permission::Wait(None));
    // When somebody takes the taint away, it waits like all others.
    fleet.put(&member("a", "au0:u"), at(2));
    assert_eq!(fleet.permission("au0", at(2)), Permission::Wait(None));
    put(&mut fleet, "a", 5, "r", 3);
    assert_eq!(fleet.permission("an0", at(3)), Permission::Drive);
    assert_eq!(fleet.permission("au0", at(13)), Permission::Drive);
    fleet.put(&member("a", "au0:ud"), at(14));
    fleet.put(&member("a", "au0:u"), at(15));
    assert_eq!(fleet.permission("au0", at(15)), Permission::Wait(Some(at(23))));
}

/// Conformance: R2, U25
#[test]
fn when_everything_fails_nothing_is_emptied_and_all_hear_of_it() {
    let mut fleet = fleet(&[("a", 2, "u"), ("b", 1, "u"), ("b", 1, "r")]);
    assert_eq!(fleet.permission("au0", at(0)), Permission::Drive);
    fleet.put(&member("a", "au0:ud"), at(1));
    fleet.take_woken();
    fleet.put(&member("b", "br0:u"), at(2));
    assert!(fleet.is_all_down());
    assert_eq!(fleet.take_woken(), ["au0", "au1", "br0", "bu0"].map(str::to_owned).into());
    for name in ["au0", "au1", "br0", "bu0"] {
        assert_eq!(fleet.permission(name, at(3)), Permission::Clear, "{name}");
    }
    fleet.put(&member("a", "au0:u"), at(4));
    // One comes back: the others get the time of one step to do so as well.
    fleet.put(&member("b", "bu0:r"), at(100));
    assert_eq!(fleet.take_woken(), ["au0", "au1", "br0"].map(str::to_owned).into());
    assert_eq!(fleet.permission("au0", at(100)), Permission::Wait(Some(at(110))));
    assert_eq!(fleet.permission("au1", at(100)), Permission::Wait(None));
    assert_eq!(fleet.permission("br0", at(101)), Permission::Wait(Some(at(110))));
    assert_eq!(fleet.permission("au0", at(110)), Permission::Drive);
}

#[test]
fn a_zone_that_gets_better_goes_on() {
    let mut fleet = fleet(&[("a", 4, "u"), ("a", 3, "r")]);
    assert_eq!(fleet.permission("au0", at(0)), Permission::Wait(None));
    assert!(fleet.take_woken().is_empty());
    fleet.put(&member("a", "au3:r"), at(5));
    assert_eq!(fleet.take_woken(), ["au0".to_owned()].into());
    assert_eq!(fleet.permission("au0", at(5)), Permission::Drive);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// However nodes came to be as they are, the fleet counts as one that sees them for the first time, and lets no two
    /// nodes of a zone through within ten seconds.
    #[test]
    fn counts_do_not_depend_on_the_past(
        changes in prop::collection::vec((0..8usize, 0..2usize, prop::sample::select(&["r", "u", "n", "-", "ux", "gone"][..])), 0..60)
    ) {
        // One node of each zone stays, so that no zone is forgotten.
        let mut fleet = fleet(&[("a", 1, "r"), ("b", 1, "r")]);
        let mut nodes: BTreeMap<String, (usize, Node)> = BTreeMap::new();
        let mut driven: BTreeMap<String, usize> = BTreeMap::new();
        let mut last = [-10; 2];
        for (now, (number, zone, marks)) in (0i64..).step_by(3).zip(changes) {
            let name = format!("n{number}");
            nodes.remove(&name);
            if marks == "gone" {
                fleet.remove(&name, at(now));
            } else {
                let node = member(["a", "b"][zone], &format!("{name}:{marks}"));
                fleet.put(&node, at(now));
                nodes.insert(name, (zone, node));
            }
            for name in (0..8).map(|number| format!("n{number}")) {
                let permission = fleet.permission(&name, at(now));
                match (permission, nodes.get(&name)) {
                    (Permission::Drive, Some((zone, _))) => {
                        if driven.insert(name, *zone) != Some(*zone) {
                            prop_assert!(now - last[*zone] >= 10, "two at {} and {now}", last[*zone]);
                            last[*zone] = now;
                        }
                    }
                    (Permission::Wait(_), Some(_)) => {}
                    (_, _) => drop(driven.remove(&name)),
                }
            }
        }
        let mut fresh = self::fleet(&[("a", 1, "r"), ("b", 1, "r")]);
        nodes.values().for_each(|(_, node)| fresh.put(node, at(0)));
        for name in nodes.keys() {
            prop_assert_eq!(fleet.zone_state(name), fresh.zone_state(name));
        }
        for name in ["ar0", "br0"] {
            fleet.remove(name, at(1000));
            fresh.remove(name, at(1000));
        }
        prop_assert_eq!(fleet.is_all_down(), fresh.is_all_down());
    }
}
