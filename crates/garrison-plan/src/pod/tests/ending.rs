//! The way out: deletion, deadlines, completion, and what is left behind.

use super::{
    check, container, plain,
    world::{ALWAYS, STUBBORN, World},
};
use serde_json::{Value, json};

fn with_sidecars() -> Value {
    let sidecar = |name: &str| json!({"name": name, "image": "i", "restartPolicy": "Always"});
    json!({"initContainers": [sidecar("s"), sidecar("t")], "containers": [container("a"), container("b")]})
}

/// A pod that has run for a while.
fn running(spec: Value) -> World {
    let mut world = World::new(spec);
    world.run(100);
    assert!(world.is_ready());
    world
}

#[test]
fn a_deleted_pod_is_stopped_told_cleared_away_and_deleted_in_this_order() {
    let mut world = running(with_sidecars());
    world.delete(30);
    check(
        &mut world,
        60,
        ">=!",
        &[
            "100> kill b#0 within 30 s: Deleted, hook",
            "100> kill a#0 within 30 s: Deleted, hook",
            "101= Running s:ready t:ready a:Completed(0) b:Completed(0)",
            // Sidecars serve until nobody is left to be served, those that others rest on longest.
            "101> kill t#0 within 29 s: Deleted, hook",
            "102= Running s:ready t:Completed(0) a:Completed(0) b:Completed(0)",
            "102> kill s#0 within 28 s: Deleted, hook",
            "103= Succeeded s:Completed(0) t:Completed(0) a:Completed(0) b:Completed(0)",
            "103> tear down, remove",
            "104> delete",
        ],
    );
    assert!(world.gone && world.done);
}

#[test]
fn who_does_not_react_is_killed_when_the_grace_is_over() {
    let mut world = running(with_sidecars());
    world.slow = ["stop a", "stop s", "stop t"].map(|name| (name.to_owned(), STUBBORN - 1)).into();
    world.delete(10);
    check(
        &mut world,
        60,
        ">",
        &[
            "100> kill b#0 within 10 s: Deleted, hook",
            "100> kill a#0 within 10 s: Deleted, hook",
            // The sidecars have what is left of it, but never nothing.
            "110> kill t#0 within 2 s: Deleted, hook",
            "112> kill s#0 within 2 s: Deleted, hook",
            "114> tear down, remove",
            "115> delete",
        ],
    );
    assert_eq!(super::shown(world.status()), "Failed s:Error(137) t:Error(137) a:Error(137) b:Completed(0)");
}

#[test]
fn a_second_deletion_may_hurry_the_first_but_not_slow_it_down() {
    let mut world = running(plain());
    world.slow.insert("stop a".into(), STUBBORN - 1);
    world.delete(30);
    check(&mut world, 5, ">", &["100> kill a#0 within 30 s: Deleted, hook"]);
    world.delete(10);
    check(&mut world, 5, ">", &["105> kill a#0 within 10 s: Deleted"]);
    world.delete(25);
    check(&mut world, 1, ">", &[]);
    world.delete(0);
    check(&mut world, 10, ">", &["111> kill a#0 within 2 s: Deleted", "113> tear down, remove", "114> delete"]);
    assert!(world.done);
}

#[test]
fn the_api_hears_of_the_end_before_the_pod_is_deleted() {
    let mut world = running(plain());
    world.connected = false;
    world.delete(30);
    check(&mut world, 600, ">", &["100> kill a#0 within 30 s: Deleted, hook", "101> tear down, remove"]);
    world.connected = true;
    check(&mut world, 60, ">", &["700> delete"]);
    assert!(world.done);
}

#[test]
fn what_is_being_started_is_broken_off() {
    let mut world = World::new(plain());
    world.slow.insert("pull a".into(), 500);
    world.run(50);
    world.delete(30);
    check(
        &mut world,
        60,
        ">=",
        &["50> abandon Start { container: \"a\" }", "50= Failed a:ContainerCreating", "50> tear down, remove", "51> delete"],
    );
    let mut world = World::new(plain());
    world.slow.insert("hook a".into(), 500);
    world.run(50);
    world.delete(30);
    check(
        &mut world,
        60,
        ">=",
        &[
            "50> abandon Start { container: \"a\" }",
            "50> kill a#0 within 30 s: Deleted, hook",
            "50= Running/ready a:ready",
            "51= Succeeded a:Completed(0)",
            "51> tear down, remove",
            "52> delete",
        ],
    );
}

#[test]
fn what_was_never_started_is_told_as_it_is_left() {
    for (reason, expected) in [
        ("ErrImagePull", "Failed a:ContainerCreating"),
        ("StartTimeout", "Failed a:ContainerStatusUnknown(137)"),
        ("RunContainerError", "Failed a:StartError(128)"),
    ] {
        let mut world = World::new(plain());
        world.fail("start a", reason, 1);
        world.run(3);
        world.delete(30);
        let story = world.story(60, "=>");
        assert_eq!(story, [&format!("3= {expected}"), "3> tear down, remove", "4> delete"], "{reason}");
    }
}

#[test]
fn a_pod_deleted_at_any_time_of_its_life_goes_and_leaves_nothing() {
    for second in 0..12 {
        for gone in [false, true] {
            let mut world = World::new(with_sidecars());
            world.run(second);
            if gone {
                world.gone = true
            } else {
                world.delete(30)
            }
            world.run(60);
            assert!(world.done, "deleted at {second} ({gone}): {world:?}");
        }
    }
}

#[test]
fn of_a_pod_that_the_api_does_not_have_nothing_is_left() {
    let mut world = running(with_sidecars());
    world.gone = true;
    let steps = [
        "100> kill b#0 within 30 s: Deleted, hook",
        "100> kill a#0 within 30 s: Deleted, hook",
        "101> kill t#0 within 29 s: Deleted, hook",
        "102> kill s#0 within 28 s: Deleted, hook",
        "103> tear down, remove",
    ];
    check(&mut world, 60, ">", &steps);
    assert!(world.done);
    // Not even its spec is known.
    let mut world = running(with_sidecars());
    world.gone = true;
    world.restart_agent(false);
    world.run(60);
    assert!(world.done, "{world:?}");
}

#[test]
fn what_fails_on_the_way_out_is_tried_again() {
    let mut world = running(plain());
    world.delete(30);
    for (step, times) in [("kill a", 2), ("tear down, remove", 2), ("delete", 2)] {
        world.fail(step, "FailedKillPod", times);
    }
    check(
        &mut world,
        60,
        ">!",
        &[
            "100> kill a#0 within 30 s: Deleted, hook",
            "101! FailedKillPod: no kill a",
            "102> kill a#0 within 28 s: Deleted",
            "103! FailedKillPod: no kill a",
            "105> kill a#0 within 25 s: Deleted",
            "106> tear down, remove",
            "107! FailedKillPod: no tear down, remove",
            "108> tear down, remove",
            "109! FailedKillPod: no tear down, remove",
            "111> tear down, remove",
            "112> delete",
            "113! FailedKillPod: no delete",
            "114> delete",
            "115! FailedKillPod: no delete",
            "117> delete",
        ],
    );
    assert!(world.done);
}

#[test]
fn failures_at_different_times_share_their_pauses() {
    let mut world = running(json!({"containers": [container("a"), container("b")]}));
    world.slow.insert("stop b".into(), 3);
    world.delete(30);
    world.fail("kill a", "FailedKillPod", 2);
    world.fail("kill b", "FailedKillPod", 1);
    check(
        &mut world,
        60,
        ">",
        &[
            "100> kill b#0 within 30 s: Deleted, hook",
            "100> kill a#0 within 30 s: Deleted, hook",
            "102> kill a#0 within 28 s: Deleted",
            // The pause of two seconds begins anew at 104, when the other one fails.
            "106> kill b#0 within 24 s: Deleted",
            "106> kill a#0 within 24 s: Deleted",
            "110> tear down, remove",
            "111> delete",
        ],
    );
}

#[test]
fn a_finalizer_keeps_the_pod_but_nothing_of_it_here() {
    let mut world = running(plain());
    world.pod.metadata.finalizers = Some(vec!["example.org/x".into()]);
    world.delete(30);
    world.run(60);
    assert!(!world.gone && world.sandboxes.is_empty());
    check(&mut world, 600, ">=", &[]);
    world.gone = true;
    check(&mut world, 60, ">=", &[]);
    assert!(world.done);
}

#[test]
fn a_finished_pod_keeps_what_its_readers_may_ask_for() {
    let mut world = World::new(json!({"restartPolicy": "Never", "containers": [container("a")]}));
    world.lives.insert("a".into(), vec![(5, 0)]);
    world.run(7);
    let ended = ["8= Succeeded a:Completed(0)", "8> tear down"];
    check(&mut world, 600, ">=", &ended);
    assert_eq!(world.containers.len(), 1);
    assert_eq!(world.status().pod_ip.as_deref(), Some("10.0.0.0"));
    let before = world.status().clone();
    world.restart_agent(false);
    check(&mut world, 600, ">=", &["607> tear down"]);
    assert_eq!(*world.status(), before);
    world.delete(0);
    check(&mut world, 60, ">=", &["1207> tear down, remove", "1208> delete"]);
    assert!(world.done);
}

#[test]
fn what_is_left_of_a_finished_pod_is_left_alone() {
    let mut world = World::new(json!({"restartPolicy": "OnFailure", "containers": [container("a")]}));
    world.lives.insert("a".into(), vec![(1, 1), (1, 1), (1, 0)]);
    world.fail("remove a#0", "FailedKillPod", ALWAYS);
    world.run(60);
    assert_eq!((world.status().phase.as_deref(), world.containers.len()), (Some("Succeeded"), 3));
    check(&mut world, 600, ">=!", &[]);
}

#[test]
fn what_is_surplus_only_as_the_pod_ends_goes_with_the_pod() {
    let mut world = World::new(json!({"restartPolicy": "OnFailure", "containers": [container("a")]}));
    world.lives.insert("a".into(), vec![(1, 1), (1, 1)]);
    check(
        &mut world,
        16,
        ">",
        &["0> set up", "1> sandbox #0", "2> start a#0 in s0", "4> start a#1 in s0", "16> start a#2 in s0"],
    );
    // The third attempt is made unseen and ends at once, so there is no time to remove the first.
    world.restart_agent(true);
    world.exit("a", 0);
    check(&mut world, 600, ">=", &["16= Succeeded a:Completed(0)#2<Error(1)", "16> tear down"]);
    assert_eq!(world.containers.iter().map(|container| &container.id).collect::<Vec<_>>(), ["a#0", "a#1", "a#2"]);
    world.delete(0);
    check(&mut world, 60, ">", &["616> tear down, remove", "617> delete"]);
    assert!(world.done && world.containers.is_empty() && world.sandboxes.is_empty());
}

#[test]
fn a_pod_past_its_deadline_fails() {
    let mut spec = with_sidecars();
    spec["activeDeadlineSeconds"] = json!(50);
    let mut world = World::new(spec.clone());
    world.run(40);
    check(
        &mut world,
        60,
        ">=",
        &[
            "50> kill b#0 within 30 s: Finished, hook",
            "50> kill a#0 within 30 s: Finished, hook",
            "51= Running s:ready t:ready a:Completed(0) b:Completed(0)",
            "51> kill t#0 within 30 s: Finished, hook",
            "52= Running s:ready t:Completed(0) a:Completed(0) b:Completed(0)",
            "52> kill s#0 within 30 s: Finished, hook",
            "53= Failed (DeadlineExceeded) s:Completed(0) t:Completed(0) a:Completed(0) b:Completed(0)",
            "53> tear down",
        ],
    );
    let message = "Pod was active on the node longer than the specified deadline";
    assert_eq!(world.status().message.as_deref(), Some(message));
    // Even one that has never got further than waiting.
    let mut world = World::new(spec);
    world.node.network = Err("none".into());
    world.run(1);
    let waiting = "s:PodInitializing t:PodInitializing a:PodInitializing b:PodInitializing";
    check(&mut world, 60, ">=", &[&format!("50= Failed (DeadlineExceeded) {waiting}"), "50> tear down"]);
}

#[test]
fn a_pod_that_somebody_calls_ended_has_ended() {
    for phase in ["Failed", "Succeeded"] {
        let mut world = running(plain());
        let status = world.pod.status.as_mut().unwrap();
        status.phase = Some(phase.into());
        (status.reason, status.message) = (Some("Evicted".into()), Some("The node was short of it.".into()));
        let expected = [
            &format!("100= {phase} (Evicted) a:ready"),
            "100> kill a#0 within 30 s: Finished, hook",
            &format!("101= {phase} (Evicted) a:Completed(0)"),
            "101> tear down",
        ];
        check(&mut world, 600, ">=", &expected);
        assert_eq!(world.status().message.as_deref(), Some("The node was short of it."));
    }
}

#[test]
fn a_restart_of_the_agent_does_not_bring_back_what_was_ending() {
    for second in 0..8 {
        for (finish, deleted) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut spec = with_sidecars();
            spec["activeDeadlineSeconds"] = json!(100);
            let mut world = running(spec);
            if deleted {
                world.delete(30);
            }
            world.run(second);
            world.restart_agent(finish);
            let story = world.story(600, ">");
            assert!(!story.iter().any(|line| line.contains("start") || line.contains("sandbox")), "{second} {finish}: {story:?}");
            assert_eq!(world.done, deleted);
            assert!(world.sandboxes.iter().all(|sandbox| !sandbox.ready));
        }
    }
}
