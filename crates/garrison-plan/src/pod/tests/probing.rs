//! Probes: when they are made, and what follows from a row of results.

use super::super::{
    ProbeKind::{self, Liveness, Readiness, Startup},
    ProbeResult,
    probe::Tally,
};
use super::{
    check,
    world::{World, at},
};
use serde_json::{Value, json};

fn probed(probes: Value) -> Value {
    let mut container = super::container("a");
    probes.as_object().unwrap().iter().for_each(|(kind, probe)| container[kind] = probe.clone());
    json!({"containers": [container]})
}

fn answer(world: &mut World, kind: ProbeKind, result: ProbeResult) {
    world.probes.insert(("a".into(), kind), result);
}

fn failure() -> ProbeResult {
    ProbeResult::Failure("no".into())
}

/// What a row of results amounts to after each of them, with these thresholds: `s` success, `f` failure, `u` unknown.
#[track_caller]
fn check_row(success: i32, failures: i32, row: &str, expected: &str) {
    let probe = serde_json::from_value(json!({"successThreshold": success, "failureThreshold": failures})).unwrap();
    let mut tally = Tally::default();
    let verdicts: String = row
        .chars()
        .map(|result| {
            let result = match result {
                's' => ProbeResult::Success,
                'f' => failure(),
                _ => ProbeResult::Unknown,
            };
            tally.record(&probe, &result, at(0));
            match tally.verdict {
                Some(true) => '+',
                Some(false) => '-',
                None => '.',
            }
        })
        .collect();
    assert_eq!(verdicts, expected, "{row} with {success}, {failures}");
}

#[test]
fn only_enough_results_in_a_row_make_a_verdict() {
    check_row(1, 3, "fffsff", "..-+++");
    check_row(1, 3, "sffsfff", "++++++-");
    check_row(2, 1, "sfssfs", ".--+--");
    check_row(3, 3, "ssfsss", ".....+");
    check_row(1, 2, "fufuus", "..---+");
    check_row(1, 1, "uuu", "...");
}

#[test]
fn a_container_is_ready_once_its_probe_says_so() {
    let mut world = World::new(probed(json!({"readinessProbe": {"initialDelaySeconds": 5, "periodSeconds": 4}})));
    answer(&mut world, Readiness, failure());
    check(
        &mut world,
        20,
        "?=!",
        &[
            "0= Pending a:ContainerCreating",
            "3= Running a:running",
            "8? probe a Readiness",
            "9! Unhealthy: Readiness probe failed: no",
            "13? probe a Readiness",
            "14! Unhealthy: Readiness probe failed: no",
            "18? probe a Readiness",
            "19! Unhealthy: Readiness probe failed: no",
        ],
    );
    answer(&mut world, Readiness, ProbeResult::Success);
    check(&mut world, 10, "?=!", &["23? probe a Readiness", "24= Running/ready a:ready", "28? probe a Readiness"]);
    // It takes three failures to lose it, and no container is restarted for it.
    answer(&mut world, Readiness, failure());
    check(&mut world, 20, "=>", &["44= Running a:running"]);
}

#[test]
fn probes_have_the_usual_periods_and_thresholds() {
    let mut world = World::new(probed(json!({"livenessProbe": {}, "readinessProbe": {}})));
    answer(&mut world, Liveness, failure());
    check(
        &mut world,
        28,
        "?>=",
        &[
            "0= Pending a:ContainerCreating",
            "0> set up",
            "1> sandbox #0",
            "2> start a#0 in s0",
            "3= Running a:running",
            "3? probe a Readiness",
            "3? probe a Liveness",
            "4= Running/ready a:ready",
            "14? probe a Readiness",
            "14? probe a Liveness",
            "25? probe a Readiness",
            "25? probe a Liveness",
            "26> kill a#0 within 30 s: Probe(Liveness, \"no\"), hook",
            "27= Running a:Completed(0)",
            "27> start a#1 in s0",
            "28= Running a:running#1<Completed(0)",
            "28? probe a Readiness",
            "28? probe a Liveness",
        ],
    );
    // One that takes its time to go is not asked any more, and the new one starts with a clean slate.
    world.slow.insert("stop a".into(), 25);
    check(&mut world, 21, ">", &[]);
    world.run(1);
    let going = ["51> kill a#1 within 30 s: Probe(Liveness, \"no\"), hook", "61? probe a Readiness", "72? probe a Readiness"];
    check(&mut world, 25, "?>", &going);
}

#[test]
fn a_probe_may_have_a_grace_of_its_own() {
    let mut spec = probed(json!({"livenessProbe": {"failureThreshold": 1, "terminationGracePeriodSeconds": 7}}));
    spec["terminationGracePeriodSeconds"] = json!(60);
    let mut world = World::new(spec);
    world.run(3);
    answer(&mut world, Liveness, failure());
    check(&mut world, 1, ">", &["4> kill a#0 within 7 s: Probe(Liveness, \"no\"), hook"]);
    // The pod's end is another matter.
    world.probes.clear();
    world.run(50);
    world.delete(60);
    check(&mut world, 0, ">", &["54> kill a#1 within 60 s: Deleted, hook"]);
}

#[test]
fn a_startup_probe_holds_back_the_others() {
    let probes = json!({"startupProbe": {"periodSeconds": 2, "failureThreshold": 10}, "livenessProbe": {"failureThreshold": 1},
        "readinessProbe": {}});
    let mut world = World::new(probed(probes));
    answer(&mut world, Startup, failure());
    world.run(3);
    check(&mut world, 8, "?>=", &["6? probe a Startup", "9? probe a Startup"]);
    answer(&mut world, Startup, ProbeResult::Success);
    let started = ["12? probe a Startup", "13? probe a Readiness", "13? probe a Liveness", "14= Running/ready a:ready"];
    check(&mut world, 9, "?>=", &started);
    // What has started once is not asked again.
    assert!(world.story(600, "?").iter().all(|line| !line.contains("Startup")));
}

#[test]
fn a_container_that_does_not_get_through_its_startup_probe_is_replaced() {
    let mut world = World::new(probed(json!({"startupProbe": {"periodSeconds": 1, "failureThreshold": 2}})));
    answer(&mut world, Startup, failure());
    world.run(3);
    check(
        &mut world,
        9,
        ">=",
        &[
            "6> kill a#0 within 30 s: Probe(Startup, \"no\"), hook",
            "7= Running a:Completed(0)",
            "7> start a#1 in s0",
            "8= Running a:running#1<Completed(0)",
            "11> kill a#1 within 30 s: Probe(Startup, \"no\"), hook",
            "12= Running a:CrashLoopBackOff#1<Completed(0)",
        ],
    );
}

#[test]
fn probes_that_could_not_be_made_change_nothing() {
    let mut world =
        World::new(probed(json!({"livenessProbe": {"failureThreshold": 1}, "readinessProbe": {"failureThreshold": 1}})));
    answer(&mut world, Readiness, ProbeResult::Unknown);
    world.run(100);
    assert!(!world.is_ready());
    world.probes.clear();
    world.run(20);
    assert!(world.is_ready());
    answer(&mut world, Readiness, ProbeResult::Unknown);
    answer(&mut world, Liveness, ProbeResult::Unknown);
    check(&mut world, 600, ">=!", &[]);
}

#[test]
fn a_pod_that_ends_is_only_asked_whether_it_is_ready() {
    let mut world = World::new(probed(json!({"livenessProbe": {}, "readinessProbe": {}})));
    world.slow.insert("stop a".into(), 50);
    world.run(10);
    world.delete(60);
    answer(&mut world, Liveness, failure());
    answer(&mut world, Readiness, failure());
    let story = world.story(45, "?>=");
    assert!(!story.iter().any(|line| line.contains("Liveness")), "{story:?}");
    assert_eq!(story.iter().filter(|line| line.contains("Readiness")).count(), 4);
    assert_eq!(story.iter().filter(|line| line.contains("> ")).count(), 1);
    assert_eq!(story.last().unwrap(), "47? probe a Readiness");
    assert!(!world.is_ready());
}

#[test]
fn what_is_said_of_a_replaced_container_does_not_count() {
    let probes = json!({"livenessProbe": {"failureThreshold": 1}, "readinessProbe": {}});
    for (kind, result) in [(Liveness, failure()), (Readiness, ProbeResult::Success)] {
        let mut world = World::new(probed(probes.clone()));
        world.slow.insert("probe a".into(), 5);
        world.run(3);
        world.exit("a", 1);
        answer(&mut world, kind, result);
        // The probe of the first container is still under way when the second one runs.
        check(&mut world, 5, "?>=!", &["3= Running a:Error(1)", "3> start a#1 in s0", "4= Running a:running#1<Error(1)"]);
        world.probes.clear();
        answer(&mut world, Readiness, failure());
        check(&mut world, 1, "?>=!", &["9? probe a Readiness", "9? probe a Liveness"]);
    }
}
