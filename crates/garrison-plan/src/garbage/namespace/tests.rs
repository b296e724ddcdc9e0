//! When a namespace is looked at again.

use super::*;

fn check(emptying: &Emptying, age: i64, pause: i64) {
    let seconds = SignedDuration::from_secs;
    assert_eq!(emptying.pause(seconds(age)), seconds(pause), "{emptying:?} after {age} s");
}

#[test]
fn a_grace_period_says_when_to_look_again() {
    check(&Emptying { longest_grace: 30, ..Emptying::default() }, 0, 16);
    check(&Emptying { longest_grace: 1, ..Emptying::default() }, 100, 1);
}

#[test]
fn what_no_grace_period_ends_is_looked_at_less_and_less_often() {
    let held = Emptying { longest_grace: 30, kept_by: BTreeMap::from([("example.org/x".into(), 1)]), ..Emptying::default() };
    let failed = Emptying { longest_grace: 30, failed: vec!["secrets: no".into()], ..Emptying::default() };
    let unknown = Emptying { undiscovered: vec!["a.b/v1: no".into()], ..Emptying::default() };
    for emptying in [held, failed, unknown] {
        check(&emptying, 0, 1);
        check(&emptying, 20, 5);
        check(&emptying, 86_400, 15);
        // The server's clock is not ours.
        check(&emptying, -5, 1);
    }
}
