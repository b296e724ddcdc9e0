use super::*;
use crate::placement::taints::Effect;

const NOW: i64 = 1_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn rules(surge: bool) -> Rules {
    Rules { hashes: vec!["new".into()], generation: None, min_ready: SignedDuration::from_secs(15), surge, now: at(NOW) }
}

/// A pod from a word: name, then `:` and marks. `u` unbound, `t` terminating, `f` failed, `s` succeeded, `o` of the old
/// revision, `r` Ready for 10 s, `a` Ready for 20 s and so available.
fn pod(word: &str) -> DaemonPod {
    let (name, marks) = word.split_once(':').unwrap_or((word, ""));
    let has = |mark: char| marks.contains(mark);
    DaemonPod {
        name: name.into(),
        uid: name.into(),
        bound: !has('u'),
        created: Some(at(0)),
        phase: match (has('f'), has('s')) {
            (true, _) => Phase::Failed,
            (_, true) => Phase::Succeeded,
            _ => Phase::Alive,
        },
        terminating: has('t'),
        ready: if has('a') { Some(Some(at(NOW - 20))) } else { has('r').then_some(Some(at(NOW - 10))) },
        hash: if has('o') { "old" } else { "new" }.into(),
        generation: String::new(),
    }
}

fn cell(eligibility: Option<Eligibility>, pods: &str) -> Cell {
    let mut pods: Vec<DaemonPod> = pods.split_whitespace().map(pod).collect();
    pods.sort_by(DaemonPod::precedence);
    Cell { eligibility, pods }
}

fn taint() -> Obstacle {
    Obstacle::Taint { key: "k".into(), value: String::new(), effect: Effect::NoSchedule }
}

fn shown(cell: &Cell, decision: &Decision) -> String {
    let mut parts: Vec<String> = decision
        .delete
        .iter()
        .map(|(place, why)| {
            let why = match why {
                Why::Failed => "failed",
                Why::Succeeded => "succeeded",
                Why::Surplus => "surplus",
                Why::Refused(_) => "refused",
                Why::NodeGone => "gone",
                Why::Outdated => "outdated",
            };
            format!("-{} {why}", cell.pods[*place].name)
        })
        .collect();
    parts.sort();
    if decision.create {
        parts.push("create".into());
    }
    parts.join(", ")
}

fn check(eligibility: Option<Eligibility>, surge: bool, pods: &str, expected: &str) -> Decision {
    let cell = cell(eligibility, pods);
    let decision = decide(&cell, &rules(surge), None);
    assert_eq!(shown(&cell, &decision), expected, "{pods:?} on {:?}, surge: {surge}", cell.eligibility);
    decision
}

fn run() -> Option<Eligibility> {
    Some(Eligibility::Run)
}

fn keep() -> Option<Eligibility> {
    Some(Eligibility::Keep(taint()))
}

fn refuse() -> Option<Eligibility> {
    Some(Eligibility::Refuse(taint()))
}

/// Conformance: U9
#[test]
fn without_surge() {
    check(run(), false, "", "create");
    check(keep(), false, "", "");
    check(refuse(), false, "", "");
    for eligibility in [run(), keep()] {
        check(eligibility.clone(), false, "a:t", "");
        check(eligibility.clone(), false, "a:t b:t", "");
        check(eligibility.clone(), false, "a:f", "-a failed");
        check(eligibility.clone(), false, "a:s", "-a succeeded");
        check(eligibility.clone(), false, "a", "");
        check(eligibility.clone(), false, "a:u", "");
        check(eligibility.clone(), false, "a b c", "-b surplus, -c surplus");
        check(eligibility.clone(), false, "a:u b", "-a surplus");
        check(eligibility.clone(), false, "a b:t", "");
        check(eligibility.clone(), false, "a:f b c d", "-a failed, -c surplus, -d surplus");
        check(eligibility.clone(), false, "a:s b", "-a succeeded");
        check(eligibility, false, "a:to b:o c", "-c surplus");
    }
    check(refuse(), false, "a b:u c:t d:f e:s", "-a refused, -b refused, -d refused, -e refused");
}

#[test]
fn the_oldest_is_kept() {
    let mut cell = cell(run(), "a b c");
    cell.pods[2].created = Some(at(-5));
    cell.pods.sort_by(DaemonPod::precedence);
    assert_eq!(shown(&cell, &decide(&cell, &rules(false), None)), "-a surplus, -b surplus");
}

/// Conformance: U18
#[test]
fn with_surge() {
    check(run(), true, "", "create");
    check(keep(), true, "", "");
    check(refuse(), true, "", "");
    check(refuse(), true, "a b:o c:t", "-a refused, -b refused");
    // Nothing runs: what is on its way out does not hold up the next.
    check(run(), true, "a:t", "create");
    check(run(), true, "a:f", "-a failed, create");
    check(run(), true, "a:s", "-a succeeded, create");
    check(keep(), true, "a:t", "");
    check(keep(), true, "a:f", "-a failed");
    for eligibility in [run(), keep()] {
        check(eligibility.clone(), true, "a", "");
        check(eligibility.clone(), true, "a:o", "");
        check(eligibility.clone(), true, "a:oa b", "");
        check(eligibility.clone(), true, "a:or b:r", "");
        check(eligibility.clone(), true, "a:o b", "-a outdated");
        check(eligibility.clone(), true, "a:oa b:a", "-a outdated");
        check(eligibility.clone(), true, "a b c", "-b surplus, -c surplus");
        check(eligibility.clone(), true, "a:oa b:oa", "-b surplus");
        check(eligibility, true, "a:oa b:oa c d", "-b surplus, -d surplus");
    }
}

#[test]
fn pods_of_vanished_nodes() {
    for surge in [false, true] {
        check(None, surge, "", "");
        check(None, surge, "a b:u c:ut", "-b gone");
    }
}

/// Looks at a node with failed pods at one time after the other; deleted pods are replaced by failed ones at once.
fn check_failures(seconds: &[i64], expected: &[&str]) {
    let cell = cell(run(), "a:f");
    let mut past = None;
    for (second, expected) in seconds.iter().zip(expected) {
        let decision = decide(&cell, &Rules { now: at(*second), ..rules(false) }, past);
        past = decision.attempts;
        let found = match decision.wake_at {
            Some(until) => format!("wait until {}", until.as_second()),
            None => shown(&cell, &decision),
        };
        assert_eq!(found, *expected, "at {second}");
    }
}

/// Conformance: U10
#[test]
fn failed_pods_are_replaced_ever_more_slowly() {
    check_failures(&[0, 0, 1, 2, 3], &["-a failed", "wait until 1", "-a failed", "wait until 3", "-a failed"]);
    check_failures(&[0, 1800, 1801, 3603], &["-a failed", "-a failed", "wait until 1802", "-a failed"]);
    check_failures(&[0, 1801, 1802], &["-a failed", "-a failed", "-a failed"]);
}

#[test]
fn of_several_failed_pods_one_goes_now() {
    let decision = check(run(), false, "a:f b:f", "-a failed");
    assert_eq!(decision.wake_at, Some(at(NOW + 1)));
}

/// Conformance: W5
#[test]
fn a_failed_pod_that_waits_holds_back_a_surge() {
    let cell = cell(run(), "a:f");
    let past = Some(Attempts { pause: SignedDuration::from_secs(8), last: at(NOW - 1) });
    let decision = decide(&cell, &rules(true), past);
    assert_eq!((decision.create, decision.delete.len(), decision.wake_at), (false, 0, Some(at(NOW + 7))));
}

/// Conformance: U18
#[test]
fn availability_comes_with_time() {
    assert_eq!(check(run(), false, "a:r", "").wake_at, Some(at(NOW + 5)));
    assert_eq!(check(run(), false, "a:a", "").wake_at, None);
    assert_eq!(check(run(), false, "a", "").wake_at, None);
    for (ready, min_ready, available) in [
        (None, 0, false),
        (Some(None), 0, true),
        (Some(None), 1, false),
        (Some(Some(NOW - 1)), 1, true),
        (Some(Some(NOW)), 1, false),
    ] {
        let pod = DaemonPod { ready: ready.map(|since: Option<i64>| since.map(at)), ..pod("a") };
        let rules = Rules { min_ready: SignedDuration::from_secs(min_ready), ..rules(false) };
        assert_eq!(rules.is_available(&pod), available, "{ready:?} {min_ready}");
    }
}

/// Conformance: U22
#[test]
fn hash_or_generation_suffices() {
    for (hash, generation, current, updated) in [
        ("new", "", None, true),
        ("old", "", None, false),
        ("", "", None, false),
        ("old", "3", Some("3"), true),
        ("old", "2", Some("3"), false),
        ("", "", Some("3"), false),
        ("new", "2", Some("3"), true),
    ] {
        let pod = DaemonPod { hash: hash.into(), generation: generation.into(), ..pod("a") };
        let rules = Rules { generation: current.map(Into::into), ..rules(false) };
        assert_eq!(rules.is_updated(&pod), updated, "{hash:?} {generation:?} {current:?}");
    }
    assert!(!Rules { hashes: vec![String::new()], ..rules(false) }.is_updated(&DaemonPod { hash: String::new(), ..pod("a") }));
}

/// Conformance: W14
#[test]
fn every_decision_has_a_reason() {
    let kept = |running| Standing::Kept { obstacle: taint(), running };
    for (eligibility, pods, expected) in [
        (run(), "", Standing::Creating),
        (run(), "a:a", Standing::Running),
        (run(), "a:r", Standing::Starting),
        (run(), "a:u", Standing::Starting),
        (run(), "a:ao", Standing::Outdated),
        (run(), "a:t", Standing::Ending),
        (run(), "a:f", Standing::Clearing),
        (run(), "a b", Standing::Clearing),
        (keep(), "", kept(false)),
        (keep(), "a", kept(true)),
        (refuse(), "", Standing::Refused(taint())),
        (refuse(), "a", Standing::Refused(taint())),
        (None, "a", Standing::NodeGone),
    ] {
        assert_eq!(decide(&cell(eligibility, pods), &rules(false), None).standing, expected, "{pods}");
    }
    let past = Some(Attempts { pause: SignedDuration::from_secs(8), last: at(NOW) });
    assert_eq!(decide(&cell(run(), "a:f"), &rules(false), past).standing, Standing::BackingOff(at(NOW + 8)));
}
