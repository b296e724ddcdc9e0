//! Every state that a DaemonSet with three nodes and two revisions can get into, with the real planner: no promise is broken,
//! and every run ends in order. What is in the model, and how to go further: `docs/testing.md`.
#![allow(clippy::unwrap_used, reason = "in a test, it is an assertion")]

mod circles;
mod cluster;
mod explore;
mod planner;
mod state;

use cluster::{Cluster, Setting, Update};
use explore::{Counterexample, explore};
use planner::Sabotage;
use std::io::Write;

const SETTING: Setting = Setting {
    update: Update::MaxUnavailable(1),
    min_ready: 0,
    running: true,
    changes: 1,
    faults: 1,
    lag: 2,
    stale_list: false,
    sabotage: Sabotage::None,
};

/// Explores, and says how far.
fn run(setting: Setting) -> Result<(), Counterexample> {
    let mut cluster = Cluster::new(setting);
    let explored = explore(&mut cluster)?;
    say(&format!("{setting}: {explored}, {} plans", cluster.planner.plans()));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the bounds of a test, not of a decision")]
fn more(variable: &str) -> u8 {
    std::env::var(variable).map_or(0, |text| text.parse().expect("a small number"))
}

/// The test harness keeps what is printed, but not what is written.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("standard error is open");
}

/// The bounds can be raised from outside.
fn holds(setting: Setting) {
    let setting = Setting {
        changes: setting.changes + more("MODEL_CHANGES"),
        faults: setting.faults + more("MODEL_FAULTS"),
        lag: setting.lag + usize::from(more("MODEL_LAG")),
        ..setting
    };
    run(setting).unwrap_or_else(|counterexample| panic!("{setting}\n{counterexample}"));
}

/// What the model is there for: it must find out, and by the promise that is broken.
fn breaks(setting: Setting, promise: &str) {
    let counterexample = run(setting).expect_err("this cannot be kept");
    assert!(counterexample.broken.contains(promise), "{counterexample}");
    say(&format!("{setting}\n{counterexample}"));
}

#[test]
fn old_pods_first() {
    holds(Setting { lag: 3, ..SETTING });
    holds(Setting { update: Update::MaxUnavailable(2), lag: 1, ..SETTING });
}

#[test]
fn old_pods_first_and_two_faults() {
    holds(Setting { faults: 2, lag: 1, ..SETTING });
}

#[test]
fn old_pods_first_and_back_again() {
    holds(Setting { changes: 2, lag: 1, ..SETTING });
}

#[test]
fn new_pods_first() {
    holds(Setting { update: Update::MaxSurge(1), ..SETTING });
    holds(Setting { update: Update::MaxSurge(2), faults: 0, ..SETTING });
}

#[test]
fn new_pods_first_and_back_again() {
    holds(Setting { update: Update::MaxSurge(1), changes: 2, faults: 0, ..SETTING });
}

#[test]
fn deleted_by_hand() {
    holds(Setting { update: Update::OnDelete, faults: 2, ..SETTING });
}

#[test]
fn from_nothing() {
    for update in [Update::OnDelete, Update::MaxUnavailable(1), Update::MaxSurge(1)] {
        holds(Setting { update, running: false, changes: 0, ..SETTING });
    }
}

#[test]
fn pods_must_be_ready_for_a_while() {
    holds(Setting { min_ready: 10, ..SETTING });
    holds(Setting { update: Update::MaxSurge(1), min_ready: 10, faults: 0, ..SETTING });
}

#[test]
fn a_budget_too_large_is_noticed() {
    breaks(Setting { sabotage: Sabotage::RaisesBudget, faults: 0, ..SETTING }, "§10.4");
    breaks(Setting { sabotage: Sabotage::RaisesBudget, update: Update::MaxSurge(1), faults: 0, ..SETTING }, "§10.5");
}

#[test]
fn forgotten_writes_are_noticed() {
    breaks(Setting { sabotage: Sabotage::ForgetsWrites, changes: 2, faults: 0, ..SETTING }, "§10.4");
}

#[test]
fn names_left_to_the_server_are_noticed() {
    breaks(Setting { sabotage: Sabotage::LeavesNames, ..SETTING }, "§8.2");
}

/// Why the first list must be asked of the store and not of a cache.
#[test]
fn a_list_of_what_was_before_is_not_enough() {
    breaks(Setting { stale_list: true, ..SETTING }, "§8.2");
}

#[test]
fn forgotten_doubts_are_noticed() {
    breaks(Setting { sabotage: Sabotage::ForgetsLostAnswers, changes: 2, ..SETTING }, "§10.4");
}
