use super::*;
use crate::{
    daemonset::daemon_pod::Phase,
    placement::{Obstacle, taints::Effect},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

fn rules() -> Rules {
    Rules {
        hashes: vec!["new".into()],
        generation: None,
        min_ready: SignedDuration::ZERO,
        surge: false,
        now: Timestamp::from_second(0).unwrap(),
    }
}

/// A pod from marks: `o` old or `n` new, `a` available, `f` failed, `t` terminating.
fn pod(marks: &str) -> DaemonPod {
    let has = |mark: char| marks.contains(mark);
    DaemonPod {
        name: marks.into(),
        uid: marks.into(),
        bound: true,
        created: None,
        phase: if has('f') { Phase::Failed } else { Phase::Alive },
        terminating: has('t'),
        ready: has('a').then_some(None),
        hash: if has('o') { "old" } else { "new" }.into(),
        generation: String::new(),
    }
}

fn keep() -> Option<Eligibility> {
    Some(Eligibility::Keep(Obstacle::Taint { key: "k".into(), value: String::new(), effect: Effect::NoSchedule }))
}

fn cell(eligibility: Option<Eligibility>, pods: &str) -> Cell {
    Cell { eligibility, pods: pods.split_whitespace().map(pod).collect() }
}

/// Conformance: U19, W8
#[test]
fn stages_when_old_pods_go_first() {
    for (pods, expected) in [
        ("o o", Stage::Busy),
        ("n n", Stage::Busy),
        ("oa oa na", Stage::Busy),
        ("", Stage::Busy),
        ("ot", Stage::Busy),
        ("nat", Stage::Busy),
        ("oa na", Stage::Busy),
        ("na", Stage::Settled),
        ("n", Stage::Busy),
        ("nf", Stage::Busy),
        ("o", Stage::DeleteNow(0)),
        ("of", Stage::DeleteNow(0)),
        ("oa", Stage::MayDelete(0)),
        ("nt oa", Stage::MayDelete(1)),
    ] {
        assert_eq!(replace_stage(&cell(Some(Eligibility::Run), pods), &rules()), expected, "{pods:?}");
    }
    // A node that should not run one counts only as long as something is there.
    assert_eq!(replace_stage(&cell(keep(), ""), &rules()), Stage::Settled);
    assert_eq!(replace_stage(&cell(keep(), "ot"), &rules()), Stage::Busy);
    // What may stay there and would not come back is not deleted for an update (W8).
    assert_eq!(replace_stage(&cell(keep(), "oa"), &rules()), Stage::Settled);
    assert_eq!(replace_stage(&cell(keep(), "o"), &rules()), Stage::Busy);
    assert_eq!(replace_stage(&cell(None, "o"), &rules()), Stage::Busy);
}

/// Conformance: U20, W4
#[test]
fn stages_when_new_pods_come_first() {
    for (pods, run, kept) in [
        ("o o", Stage::Busy, Stage::Busy),
        ("n n", Stage::Busy, Stage::Busy),
        ("", Stage::Settled, Stage::Settled),
        ("ot", Stage::Settled, Stage::Settled),
        ("n", Stage::Settled, Stage::Settled),
        ("o", Stage::CreateNow, Stage::DeleteNow(0)),
        ("of", Stage::CreateNow, Stage::DeleteNow(0)),
        ("oa", Stage::MayCreate, Stage::Sunset(0)),
        ("oa n", Stage::Busy, Stage::Busy),
        ("oa na", Stage::DeleteNow(0), Stage::DeleteNow(0)),
        ("o na", Stage::DeleteNow(0), Stage::DeleteNow(0)),
        ("oa nat", Stage::MayCreate, Stage::Sunset(0)),
    ] {
        assert_eq!(surge_stage(&cell(Some(Eligibility::Run), pods), &rules()), run, "{pods:?}");
        assert_eq!(surge_stage(&cell(keep(), pods), &rules()), kept, "{pods:?} kept");
    }
    assert_eq!(surge_stage(&cell(None, "oa"), &rules()), Stage::Settled, "the garbage collector's");
}

/// Conformance: U21
#[test]
fn amounts_are_rounded_up() {
    let percent = |text: &str| IntOrString::String(text.into());
    for (amount, total, expected) in [
        (IntOrString::Int(3), 2, 3),
        (IntOrString::Int(-1), 2, 0),
        (percent("1%"), 2, 1),
        (percent("50%"), 2, 1),
        (percent("50%"), 3, 2),
        (percent("100%"), 3, 3),
        (percent("0%"), 3, 0),
        (percent("50%"), 0, 0),
        (percent("many"), 3, 0),
    ] {
        assert_eq!(scaled(&amount, total), expected, "{amount:?} of {total}");
    }
}

#[test]
fn strategies_of_a_set() {
    let surge = |amount: IntOrString| Strategy::Surge { max_surge: amount };
    let replace = |amount: i32| Strategy::Replace { max_unavailable: IntOrString::Int(amount) };
    for (strategy, expected) in [
        (json!({"type": "OnDelete"}), Strategy::OnDelete),
        (json!({"type": "RollingUpdate"}), replace(0)),
        (json!({}), replace(0)),
        (json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}), replace(2)),
        (json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}}), replace(2)),
        (json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": "0%"}}), replace(2)),
        (json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}), surge(IntOrString::Int(1))),
        (json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%"}}), surge(IntOrString::String("10%".into()))),
    ] {
        let set = serde_json::from_value(json!({"spec": {"selector": {}, "template": {}, "updateStrategy": strategy}})).unwrap();
        assert_eq!(Strategy::of(&set), expected, "{strategy}");
    }
}

/// Gives the nodes, separated by `|`, and compares which of them may act. `!` before the pods: should not run.
fn check(strategy: &Strategy, nodes: &str, expected: &str) {
    let part = |text: &str| {
        let eligibility = if text.contains('!') { keep() } else { Some(Eligibility::Run) };
        part(&cell(eligibility, text.trim().trim_start_matches('!')), &rules(), strategy, false)
    };
    let parts: Vec<Part> = nodes.split('|').map(part).collect();
    let found: String = allowed(strategy, &parts).into_iter().map(|allowed| if allowed { 'x' } else { '.' }).collect();
    assert_eq!(found, expected, "{strategy:?} {nodes}");
}

/// Conformance: U19, U21
#[test]
fn the_budget_of_unavailable_nodes() {
    let replace = |amount| Strategy::Replace { max_unavailable: IntOrString::Int(amount) };
    check(&replace(2), "oa|oa|oa", "xx.");
    check(&replace(0), "oa|oa|oa", "x..");
    check(&replace(2), "oa|oa|n", "x..");
    check(&replace(2), "oa|oa|n|ot", "....");
    check(&replace(1), "oa|o|o", ".xx");
    check(&replace(1), "na|na|oa", "..x");
    check(&replace(1), "na|na|na", "...");
    check(&replace(9), "oa|oa|oa", "xxx");
    // Unlike upstream, an old pod stays where none would follow it; one that is not available still takes from the budget.
    check(&replace(1), "!oa|oa", ".x");
    check(&replace(1), "!o|oa", "..");
    check(&Strategy::Replace { max_unavailable: IntOrString::String("50%".into()) }, "oa|oa|oa", "xx.");
    check(&Strategy::OnDelete, "oa|o|of", "...");
}

/// Conformance: U20
#[test]
fn the_budget_of_surge_nodes() {
    let surge = |amount| Strategy::Surge { max_surge: IntOrString::Int(amount) };
    check(&surge(2), "oa|oa|oa", "xx.");
    check(&surge(2), "oa|oa|oa n", "x..");
    check(&surge(1), "oa|oa n|oa na", "..x");
    check(&surge(1), "o|o|oa", "xxx");
    check(&surge(1), "oa n|o|oa", ".x.");
    check(&surge(1), "na|na|na", "...");
    // The pod of a node that lost its daemon goes when enough others are available.
    check(&surge(1), "!oa|na|na", "x..");
    check(&surge(1), "!oa|na|n", "...");
    check(&surge(1), "!o|na|n", "x..");
}

#[test]
fn a_node_where_something_is_done_anyway_is_busy() {
    let strategy = Strategy::Replace { max_unavailable: IntOrString::Int(1) };
    let part = part(&cell(Some(Eligibility::Run), "oa"), &rules(), &strategy, true);
    assert_eq!((part.stage, part.serves), (Stage::Busy, false));
}
