//! Running again: after exits, dead sandboxes, changes, and restarts of the agent.

use super::super::{Container, ContainerState, Memory, ProbeKind, ProbeResult};
use super::{
    check, container, plain,
    world::{World, at},
};
use serde_json::{Value, json};

/// When containers are started, as the story tells it.
fn starts(story: &[String]) -> Vec<i64> {
    let starts = story.iter().filter(|line| line.contains("> start"));
    starts.map(|line| line.split_once('>').unwrap().0.parse().unwrap()).collect()
}

/// How long after each end the container is started again, given how long it lives each time.
#[track_caller]
fn check_pauses(lives: &[i64], expected: &[i64]) {
    let mut world = World::new(plain());
    world.lives.insert("a".into(), lives.iter().map(|life| (*life, 1)).collect());
    let times = starts(&world.story(100_000, ">"));
    let pauses: Vec<i64> = times.windows(2).zip(lives).map(|(pair, life)| pair[1] - (pair[0] + 1 + life)).collect();
    assert_eq!(pauses, expected);
    assert!(world.is_ready());
}

#[test]
fn pauses_double_up_to_five_minutes() {
    check_pauses(&[0; 9], &[0, 10, 20, 40, 80, 160, 300, 300, 300]);
    check_pauses(&[100; 8], &[0, 10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn ten_minutes_of_running_make_up_for_past_crashes() {
    check_pauses(&[0, 0, 0, 590, 0], &[0, 10, 20, 40, 80]);
    check_pauses(&[0, 0, 0, 600, 0, 0], &[0, 10, 20, 0, 10, 20]);
}

#[test]
fn a_crashing_container_is_counted_and_its_last_end_is_told() {
    let mut world = World::new(plain());
    world.run(10);
    world.lives.insert("a".into(), vec![(2, 7)]);
    world.exit("a", 1);
    check(
        &mut world,
        60,
        ">=!",
        &[
            "10= Running a:Error(1)",
            "10> start a#1 in s0",
            "11= Running/ready a:ready#1<Error(1)",
            "13= Running a:CrashLoopBackOff#1<Error(7)",
            "13! BackOff: Back-off restarting failed container a in pod p_ns(u)",
            "23= Running a:Error(7)#1<Error(1)",
            "23> start a#2 in s0",
            "24= Running/ready a:ready#2<Error(7)",
            // Only the last two are kept.
            "24> remove a#0",
        ],
    );
    let last = world.status().container_statuses.as_ref().unwrap()[0].last_state.clone().unwrap().terminated.unwrap();
    assert_eq!(last.exit_code, 7);
    assert_eq!(last.container_id.as_deref(), Some("test://a#1"));
    assert_eq!((last.started_at.unwrap().0, last.finished_at.unwrap().0), (at(11), at(13)));
}

#[test]
fn a_pause_is_told_with_its_length() {
    let mut world = World::new(plain());
    world.lives.insert("a".into(), vec![(0, 1); 8]);
    let mut told: Vec<String> = Vec::new();
    for _ in 0..1200 {
        world.run(1);
        let state = world.status().container_statuses.as_ref().unwrap()[0].state.clone().unwrap();
        told.extend(state.waiting.and_then(|waiting| waiting.message));
    }
    told.dedup();
    let words = |pause: &str| format!("back-off {pause} restarting failed container=a pod=p_ns(u)");
    assert_eq!(told, ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s"].map(words));
}

#[test]
fn starts_that_fail_are_no_crashes() {
    let mut world = World::new(plain());
    world.lives.insert("a".into(), vec![(0, 1), (0, 1), (0, 1)]);
    assert_eq!(starts(&world.story(5, ">")), [2, 3]);
    world.fail("start a", "CreateContainerConfigError", 5);
    assert_eq!(starts(&world.story(60, ">")), [14, 16, 19, 24, 33, 50]);
    // It ends at 51. Two restarts have been made, so the pause is twenty seconds, and the next is twice as long.
    world.lives.insert("a".into(), vec![(0, 1)]);
    assert_eq!(starts(&world.story(60, ">")), [71, 112]);
}

/// How a pod of this policy goes on after its two containers end with these codes.
#[track_caller]
fn check_policy(policy: &str, codes: [i32; 2], expected: &str) {
    let mut world = World::new(json!({"restartPolicy": policy, "containers": [container("a"), container("b")]}));
    world.lives = [("a".to_owned(), vec![(20, codes[0])]), ("b".to_owned(), vec![(20, codes[1])])].into();
    let story = world.story(60, "=");
    assert_eq!(story.last().unwrap().split_once("= ").unwrap().1, expected, "{policy} {codes:?}");
}

#[test]
fn the_policy_says_what_is_started_again() {
    check_policy("Always", [0, 1], "Running/ready a:ready#1<Completed(0) b:ready#1<Error(1)");
    check_policy("OnFailure", [0, 1], "Running a:Completed(0) b:ready#1<Error(1)");
    check_policy("OnFailure", [0, 0], "Succeeded a:Completed(0) b:Completed(0)");
    check_policy("Never", [0, 0], "Succeeded a:Completed(0) b:Completed(0)");
    check_policy("Never", [0, 3], "Failed a:Completed(0) b:Error(3)");
    check_policy("Never", [1, 3], "Failed a:Error(1) b:Error(3)");
}

#[test]
fn a_container_may_have_a_policy_of_its_own() {
    let rule = |operator: &str| json!([{"action": "Restart", "exitCodes": {"operator": operator, "values": [42]}}]);
    for (own, code, again) in [
        (json!({"restartPolicy": "Never"}), 1, false),
        (json!({"restartPolicy": "OnFailure"}), 1, true),
        (json!({"restartPolicy": "OnFailure"}), 0, false),
        (json!({"restartPolicy": "Never", "restartPolicyRules": rule("In")}), 42, true),
        (json!({"restartPolicy": "Never", "restartPolicyRules": rule("In")}), 1, false),
        (json!({"restartPolicy": "Never", "restartPolicyRules": rule("NotIn")}), 42, false),
        (json!({"restartPolicy": "Never", "restartPolicyRules": rule("NotIn")}), 1, true),
    ] {
        let mut spec = json!({"containers": [container("a"), container("b")]});
        own.as_object().unwrap().iter().for_each(|(key, value)| spec["containers"][0][key] = value.clone());
        let mut world = World::new(spec);
        world.run(10);
        world.exit("a", code);
        assert_eq!(starts(&world.story(60, ">")).len(), usize::from(again), "{own} {code}");
    }
}

#[test]
fn a_failing_init_container_ends_a_pod_that_never_restarts() {
    let sidecar = json!({"name": "s", "image": "i", "restartPolicy": "Always"});
    let mut world = World::new(
        json!({"restartPolicy": "Never", "initContainers": [sidecar, container("i")], "containers": [container("a")]}),
    );
    world.lives.insert("i".into(), vec![(5, 1)]);
    check(
        &mut world,
        60,
        ">=",
        &[
            "0= Pending s:PodInitializing i:PodInitializing a:PodInitializing",
            "0> set up",
            "1> sandbox #0",
            "2> start s#0 in s0",
            "3= Pending s:ready i:PodInitializing a:PodInitializing",
            "3> start i#0 in s0",
            "4= Pending s:ready i:running a:PodInitializing",
            "9= Pending s:ready i:Error(1) a:PodInitializing",
            "9> kill s#0 within 30 s: Finished, hook",
            "10= Failed s:Completed(0) i:Error(1) a:PodInitializing",
            "10> tear down",
        ],
    );
}

#[test]
fn a_dead_sandbox_is_replaced_and_everything_runs_again() {
    let spec = json!({"initContainers": [container("i")], "containers": [container("a"), container("b")]});
    let mut world = World::new(spec.clone());
    world.run(100);
    world.break_sandbox(true);
    check(
        &mut world,
        60,
        ">=",
        &[
            // It has got as far as running once, and nothing takes that back.
            "100= Running i:Completed(0) a:Error(137) b:Error(137)",
            "100> sandbox #1",
            "101> start i#1 in s1",
            "102= Running i:running#1<Completed(0) a:Error(137) b:Error(137)",
            "103= Running i:Completed(0)#1<Completed(0) a:Error(137) b:Error(137)",
            "103> start a#1 in s1",
            "104= Running i:Completed(0)#1<Completed(0) a:ready#1<Error(137) b:Error(137)",
            "104> start b#1 in s1",
            "105= Running/ready i:Completed(0)#1<Completed(0) a:ready#1<Error(137) b:ready#1<Error(137)",
        ],
    );
    assert_eq!(world.status().pod_ip.as_deref(), Some("10.0.0.1"));
    // What still runs must go first: it holds the pod's volumes and ports.
    let mut world = World::new(spec);
    world.run(100);
    world.break_sandbox(false);
    check(
        &mut world,
        60,
        ">",
        &[
            "100> kill b#0 within 30 s: SandboxGone, hook",
            "100> kill a#0 within 30 s: SandboxGone, hook",
            "101> sandbox #1",
            "102> start i#1 in s1",
            "104> start a#1 in s1",
            "105> start b#1 in s1",
        ],
    );
    assert!(world.is_ready());
}

#[test]
fn a_dead_sandbox_is_removed_with_the_last_of_its_containers() {
    let mut world = World::new(plain());
    for left in [["s0", "s1"], ["s1", "s2"], ["s2", "s3"]] {
        world.run(1000);
        world.break_sandbox(true);
        world.run(20);
        assert_eq!(world.sandboxes.iter().map(|sandbox| &sandbox.id).collect::<Vec<_>>(), left);
    }
}

#[test]
fn of_two_sandboxes_the_newer_one_counts() {
    let mut world = World::new(plain());
    world.run(100);
    world.add_sandbox();
    let steps = ["100> kill a#0 within 30 s: SandboxGone, hook", "101> start a#1 in s1", "102> remove s0"];
    check(&mut world, 60, ">", &steps);
    assert_eq!(super::shown(world.status()), "Running/ready a:ready#1<Completed(0)");
    // Even if both have the same container.
    world.add_sandbox();
    let twin = Container { id: "a#2".into(), attempt: 2, sandbox_id: "s2".into(), ..world.containers[0].clone() };
    world.containers.push(twin);
    check(&mut world, 60, ">", &["160> kill a#1 within 30 s: SandboxGone, hook", "161> remove s1"]);
}

#[test]
fn a_container_that_never_started_does_not_keep_its_surplus_sandbox() {
    let mut world = World::new(json!({"containers": [container("a"), container("b")]}));
    world.fail("start b", "StartTimeout", 1);
    world.run(3);
    world.add_sandbox();
    check(
        &mut world,
        60,
        ">",
        &[
            "3> kill a#0 within 30 s: SandboxGone, hook",
            "4> start a#1 in s1",
            // Until its successor is made, the failed one says how far `b` has got.
            "5> start b#1 in s1",
            "6> remove s0",
        ],
    );
    assert_eq!(super::shown(world.status()), "Running/ready a:ready#1<Completed(0) b:ready#1");
    assert_eq!(world.sandboxes.iter().map(|sandbox| &sandbox.id).collect::<Vec<_>>(), ["s1"]);
    assert_eq!(world.containers.iter().map(|container| &container.id).collect::<Vec<_>>(), ["a#1", "b#1"]);
}

#[test]
fn of_two_attempts_that_run_the_newer_one_counts() {
    let mut world = World::new(plain());
    world.run(100);
    let twin = Container { id: "a#1".into(), attempt: 1, ..world.containers[0].clone() };
    world.containers.push(twin);
    check(&mut world, 60, ">", &["100> kill a#0 within 30 s: SandboxGone, hook"]);
}

#[test]
fn records_that_somebody_removes_are_not_missed() {
    let mut world = World::new(json!({"initContainers": [container("i")], "containers": [container("a")]}));
    world.run(100);
    world.containers.retain(|container| container.name == "a");
    check(&mut world, 60, ">", &[]);
    let mut world = World::new(plain());
    world.run(100);
    world.exit("a", 1);
    check(&mut world, 0, ">", &["100> start a#1 in s0"]);
    world.containers.clear();
    world.run(60);
    assert_eq!(super::shown(world.status()), "Running/ready a:ready#1<Error(1)");
}

#[test]
fn what_has_ended_for_good_does_not_run_again_in_a_new_sandbox() {
    let with = |policy: &str| {
        let mut world = World::new(json!({"restartPolicy": policy, "containers": [container("a"), container("b")]}));
        world.lives.insert("a".into(), vec![(5, 0)]);
        world.run(100);
        world.break_sandbox(true);
        world
    };
    let again = ["100> sandbox #1", "101> start b#1 in s1", "102= Running a:Completed(0) b:ready#1<Error(137)"];
    check(&mut with("OnFailure"), 60, ">=", &[&["100= Running a:Completed(0) b:Error(137)"], &again[..]].concat());
    check(&mut with("Never"), 60, ">=", &["100= Failed a:Completed(0) b:Error(137)", "100> tear down"]);
}

#[test]
fn a_new_image_replaces_the_container_that_runs() {
    let mut world = World::new(json!({"containers": [container("a"), container("b")]}));
    world.run(100);
    world.set_image(1, "j");
    check(
        &mut world,
        60,
        ">=",
        &[
            "100> kill b#0 within 30 s: Changed, hook",
            "101= Running a:ready b:Completed(0)",
            "101> start b#1 in s0",
            "102= Running/ready a:ready b:ready#1<Completed(0)",
        ],
    );
    assert_eq!(world.status().container_statuses.as_ref().unwrap()[1].image, "j");
}

#[test]
fn what_was_stopped_to_be_replaced_starts_again_however_it_ended() {
    let stop = |world: &mut World, what: &str| match what {
        "image" => world.set_image(0, "j"),
        "probe" => drop(world.probes.insert(("a".into(), ProbeKind::Liveness), ProbeResult::Failure("no".into()))),
        "lost" => world.containers[0].state = ContainerState::Unknown,
        _ => world.break_sandbox(false),
    };
    for (policy, what, again) in [
        ("OnFailure", "image", true),
        ("OnFailure", "probe", true),
        ("OnFailure", "lost", true),
        ("OnFailure", "sandbox", true),
        ("Never", "image", true),
        ("Never", "probe", false),
        ("Never", "lost", false),
        ("Never", "sandbox", false),
    ] {
        let mut spec = json!({"restartPolicy": policy, "containers": [container("a")]});
        spec["containers"][0]["livenessProbe"] = json!({"failureThreshold": 1});
        let mut world = World::new(spec);
        world.run(100);
        stop(&mut world, what);
        world.run(5);
        world.probes.clear();
        world.run(60);
        let expected = if again { "Running/ready a:ready#1<Completed(0)" } else { "Succeeded a:Completed(0)" };
        assert_eq!(super::shown(world.status()), expected, "{policy} {what}");
        world.exit("a", 0);
        world.run(60);
        assert_eq!(world.status().phase.as_deref(), Some("Succeeded"), "{policy} {what}");
    }
}

#[test]
fn a_container_that_the_runtime_lost_track_of_is_replaced() {
    let mut world = World::new(plain());
    world.run(100);
    world.containers[0].state = ContainerState::Unknown;
    check(
        &mut world,
        60,
        ">=",
        &[
            "100= Running a:ContainerStatusUnknown(137)",
            "100> kill a#0 within 30 s: Lost",
            "101= Running a:Completed(0)",
            "101> start a#1 in s0",
            "102= Running/ready a:ready#1<Completed(0)",
        ],
    );
}

/// What becomes of a pod whose containers the runtime has forgotten, sandbox included.
#[track_caller]
fn check_lost(policy: &str, before: &str, expected: &[&str]) {
    let containers = [container("a"), container("b")];
    let mut world = World::new(json!({"restartPolicy": policy, "initContainers": [container("i")], "containers": containers}));
    world.lives.insert("a".into(), vec![(5, 0)]);
    world.run(50);
    assert_eq!(super::shown(world.status()), before);
    world.sandboxes.clear();
    world.containers.clear();
    check(&mut world, 60, ">=", expected);
}

#[test]
fn what_the_runtime_has_forgotten_has_ended_all_the_same() {
    let (lost, done) = ("<ContainerStatusUnknown(137)", "i:Completed(0)#1<Completed(0)");
    check_lost(
        "Always",
        "Running/ready i:Completed(0) a:ready#1<Completed(0) b:ready",
        &[
            &format!("50= Running i:PodInitializing<Completed(0) a:PodInitializing#1{lost} b:PodInitializing{lost}"),
            "50> sandbox #0",
            "51> start i#1 in s0",
            &format!("52= Running i:running#1<Completed(0) a:PodInitializing#1{lost} b:PodInitializing{lost}"),
            &format!("53= Running {done} a:ContainerCreating#1{lost} b:ContainerCreating{lost}"),
            "53> start a#2 in s0",
            &format!("54= Running {done} a:ready#2{lost} b:ContainerCreating{lost}"),
            "54> start b#1 in s0",
            &format!("55= Running/ready {done} a:ready#2{lost} b:ready#1{lost}"),
        ],
    );
    check_lost(
        "OnFailure",
        "Running i:Completed(0) a:Completed(0) b:ready",
        &[
            &format!("50= Running i:PodInitializing<Completed(0) a:Completed(0) b:PodInitializing{lost}"),
            "50> sandbox #0",
            "51> start i#1 in s0",
            &format!("52= Running i:running#1<Completed(0) a:Completed(0) b:PodInitializing{lost}"),
            &format!("53= Running {done} a:Completed(0) b:ContainerCreating{lost}"),
            "53> start b#1 in s0",
            &format!("54= Running {done} a:Completed(0) b:ready#1{lost}"),
        ],
    );
    check_lost(
        "Never",
        "Running i:Completed(0) a:Completed(0) b:ready",
        &["50= Failed i:Completed(0) a:Completed(0) b:ContainerStatusUnknown(137)", "50> tear down"],
    );
}

#[test]
fn a_removal_that_failed_is_tried_again() {
    let mut world = World::new(plain());
    world.lives.insert("a".into(), vec![(1, 1), (1, 1)]);
    world.fail("remove a#0", "FailedKillPod", 2);
    let removals = world.story(60, ">!").into_iter().filter(|line| line.contains("remove"));
    assert_eq!(
        removals.collect::<Vec<_>>(),
        [
            "17> remove a#0",
            "18! FailedKillPod: no remove a#0",
            "19> remove a#0",
            "20! FailedKillPod: no remove a#0",
            "22> remove a#0",
        ]
    );
}

fn elaborate() -> Value {
    json!({
        "initContainers": [container("i"), {"name": "s", "image": "i", "restartPolicy": "Always", "startupProbe": {}}],
        "containers": [
            {"name": "a", "image": "i", "startupProbe": {}, "readinessProbe": {"periodSeconds": 1000}, "livenessProbe": {}},
            container("b"),
        ],
    })
}

#[test]
fn a_restart_of_the_agent_changes_nothing_that_runs() {
    let mut world = World::new(elaborate());
    world.run(1000);
    assert!(world.is_ready());
    let before = world.status().clone();
    world.restart_agent(true);
    check(&mut world, 1000, ">=!", &["1000> set up"]);
    assert_eq!(*world.status(), before);
    // Losing the status as well costs readiness for a moment, and nothing else.
    world.memory = Memory::default();
    world.run(0);
    assert!(!world.is_ready());
    assert!(world.story(1000, ">").iter().all(|line| line == "2000> set up"));
    assert!(world.is_ready());
}

#[test]
fn a_restart_of_the_agent_at_any_time_is_survived() {
    for second in 0..20 {
        for finish in [false, true] {
            let mut world = World::new(elaborate());
            world.run(second);
            world.restart_agent(finish);
            world.run(200);
            assert!(world.is_ready(), "restarted at {second} ({finish}): {world:?}");
            assert_eq!(super::shown(world.status()), "Running/ready i:Completed(0) s:ready a:ready b:ready", "{second} {finish}");
        }
    }
}
