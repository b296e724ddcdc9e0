use super::*;
use serde_json::{Value, json};

#[track_caller]
fn check_pause(emptying: &Emptying, age: i64, pause: i64) {
    let seconds = SignedDuration::from_secs;
    assert_eq!(emptying.pause(seconds(age)), seconds(pause), "{emptying:?} after {age} s");
}

#[test]
fn a_grace_period_says_when_to_look_again() {
    check_pause(&Emptying { longest_grace: 30, ..Emptying::default() }, 0, 16);
    check_pause(&Emptying { longest_grace: 1, ..Emptying::default() }, 100, 1);
}

#[test]
fn what_no_grace_period_ends_is_looked_at_less_and_less_often() {
    let held = Emptying { longest_grace: 30, kept_by: BTreeMap::from([("example.org/x".into(), 1)]), ..Emptying::default() };
    let failed = Emptying { longest_grace: 30, failed: vec!["secrets: no".into()], ..Emptying::default() };
    let unknown = Emptying { undiscovered: vec!["a.b/v1: no".into()], ..Emptying::default() };
    for emptying in [held, failed, unknown] {
        check_pause(&emptying, 0, 1);
        check_pause(&emptying, 20, 5);
        check_pause(&emptying, 86_400, 15);
        // The server's clock is not ours.
        check_pause(&emptying, -5, 1);
    }
}

fn meta(value: Value) -> ObjectMeta {
    serde_json::from_value(value).unwrap()
}

#[test]
fn what_is_left_is_counted() {
    let mut emptying = Emptying::default();
    emptying.leave("pods", &meta(json!({"deletionGracePeriodSeconds": 30})));
    emptying.leave("pods", &meta(json!({"deletionGracePeriodSeconds": 5, "finalizers": ["a", "b"]})));
    emptying.leave("daemonsets.apps", &meta(json!({"finalizers": ["b"]})));
    let counts = |pairs: [(&str, usize); 2]| pairs.map(|(name, count)| (name.to_owned(), count)).into();
    assert_eq!(
        emptying,
        Emptying {
            left: counts([("pods", 2), ("daemonsets.apps", 1)]),
            kept_by: counts([("a", 1), ("b", 2)]),
            longest_grace: 30,
            ..Emptying::default()
        }
    );
}

/// An attempt that left this: two pods kept by `example.org/x`, a kind that could not be deleted, a group not known.
fn stuck() -> Emptying {
    let mut emptying = Emptying { failed: vec!["secrets: no".into()], undiscovered: vec!["a.b/v1: no".into()], ..clean() };
    (0..2).for_each(|_| emptying.leave("pods", &meta(json!({"finalizers": ["example.org/x"]}))));
    emptying
}

fn clean() -> Emptying {
    Emptying::default()
}

#[test]
fn a_namespace_is_empty_when_nothing_is_left_and_nothing_is_unknown() {
    assert!(clean().is_complete());
    assert!(!stuck().is_complete());
    assert!(!Emptying { failed: Vec::new(), undiscovered: Vec::new(), ..stuck() }.is_complete());
    assert!(!Emptying { failed: vec!["x".into()], ..clean() }.is_complete());
    assert!(!Emptying { undiscovered: vec!["x".into()], ..clean() }.is_complete());
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Conditions in one line each: type, status, reason, message, and since when it is so.
fn shown(conditions: &[NamespaceCondition]) -> Vec<String> {
    let line = |condition: &NamespaceCondition| {
        let words = [&condition.reason, &condition.message].map(|word| word.clone().unwrap_or_default());
        let since = condition.last_transition_time.as_ref().map_or(0, |time| time.0.as_second());
        format!("{} {} {}: {} since {since}", condition.type_, condition.status, words[0], words[1])
    };
    conditions.iter().map(line).collect()
}

#[test]
fn conditions_tell_what_holds_a_namespace_up() {
    let first = stuck().conditions(&[], at(10)).unwrap();
    assert_eq!(
        shown(&first),
        [
            "NamespaceDeletionDiscoveryFailure True DiscoveryFailed: a.b/v1: no since 10",
            "NamespaceDeletionContentFailure True ContentDeletionFailed: secrets: no since 10",
            "NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: pods has 2 resource instances since 10",
            "NamespaceFinalizersRemaining True SomeFinalizersRemain: Finalizers keep objects: example.org/x in 2 resource instances \
             since 10",
        ]
    );
    // The same again is no news; other numbers are, though they have been so for long.
    assert_eq!(stuck().conditions(&first, at(20)), None);
    let mut fewer = stuck();
    fewer.left.insert("pods".into(), 1);
    let second = fewer.conditions(&first, at(30)).unwrap();
    assert_eq!(
        shown(&second)[2],
        "NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: pods has 1 resource instances since 10"
    );
    assert_eq!(
        shown(&clean().conditions(&second, at(40)).unwrap()),
        [
            "NamespaceDeletionDiscoveryFailure False ResourcesDiscovered: All kinds of objects are known since 40",
            "NamespaceDeletionContentFailure False ContentDeleted: Everything was deleted, though finalizers may keep some of it \
             since 40",
            "NamespaceContentRemaining False ContentRemoved: Nothing is left since 40",
            "NamespaceFinalizersRemaining False ContentHasNoFinalizers: No finalizer keeps anything since 40",
        ]
    );
}

#[test]
fn conditions_of_others_stay() {
    let theirs = NamespaceCondition { type_: "Theirs".into(), status: "True".into(), ..NamespaceCondition::default() };
    let first = clean().conditions(std::slice::from_ref(&theirs), at(1)).unwrap();
    assert_eq!((first.len(), &first[0]), (5, &theirs));
    assert_eq!(clean().conditions(&first, at(2)), None);
    let second = stuck().conditions(&first, at(3)).unwrap();
    assert_eq!((second.len(), &second[0]), (5, &theirs));
}
