//! From nothing to running.

use super::{
    check, container, plain,
    world::{ALWAYS, World, at},
};
use serde_json::json;

#[test]
fn a_plain_pod_becomes_ready() {
    let mut world = World::new(plain());
    check(
        &mut world,
        60,
        ">=!?",
        &["0= Pending a:ContainerCreating", "0> set up", "1> sandbox #0", "2> start a#0 in s0", "3= Running/ready a:ready"],
    );
}

#[test]
fn what_runs_is_left_alone_and_its_status_stands_still() {
    let mut world = World::new(plain());
    world.run(10);
    let settled = world.status().clone();
    check(&mut world, 100_000, ">!?", &[]);
    assert_eq!(*world.status(), settled);
    assert_eq!(settled.start_time.map(|time| time.0), Some(at(0)));
    assert_eq!(settled.pod_ip.as_deref(), Some("10.0.0.0"));
    assert_eq!(settled.host_ip.as_deref(), Some("192.0.2.1"));
    assert_eq!(settled.qos_class.as_deref(), Some("BestEffort"));
    assert_eq!(settled.container_statuses.unwrap()[0].container_id.as_deref(), Some("test://a#0"));
}

/// All conditions, each as type, status, reason, message and the time since which it is so.
#[track_caller]
fn check_conditions(world: &World, expected: &[&str]) {
    let told = world.status().conditions.iter().flatten().map(|condition| {
        let words = [&condition.reason, &condition.message].map(|word| word.clone().unwrap_or_default());
        let since = condition.last_transition_time.as_ref().unwrap().0.as_second();
        format!("{} {} {} {} since {since}", condition.type_, condition.status, words[0], words[1])
    });
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn conditions_tell_how_far_a_pod_is() {
    let mut world = World::new(json!({"initContainers": [container("i")], "containers": [container("a"), container("b")]}));
    world.run(2);
    let unready = "ContainersNotReady containers with unready status: [a b]";
    check_conditions(
        &world,
        &[
            "PodReadyToStartContainers True   since 2",
            "Initialized False ContainersNotInitialized containers with incomplete status: [i] since 0",
            &format!("Ready False {unready} since 0"),
            &format!("ContainersReady False {unready} since 0"),
            "PodScheduled True   since 0",
        ],
    );
    world.run(60);
    check_conditions(
        &world,
        &[
            "PodReadyToStartContainers True   since 2",
            "Initialized True   since 4",
            "Ready True   since 6",
            "ContainersReady True   since 6",
            "PodScheduled True   since 0",
        ],
    );
}

#[test]
fn conditions_of_others_stay_and_gates_hold_readiness_back() {
    let mut spec = plain();
    spec["readinessGates"] = json!([{"conditionType": "example.org/a"}, {"conditionType": "example.org/b"}]);
    let mut world = World::new(spec);
    let set = |world: &mut World, statuses: &[(&str, &str)]| {
        let theirs = statuses.iter().map(|(kind, status)| json!({"type": kind, "status": status}));
        let theirs = theirs.map(|condition| serde_json::from_value(condition).unwrap());
        world.pod.status.as_mut().unwrap().conditions = Some(theirs.collect());
        world.run(10);
        let conditions = world.status().conditions.clone().unwrap();
        let of = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind).unwrap().clone();
        assert_eq!(of("ContainersReady").status, "True");
        assert!(statuses.iter().all(|(kind, status)| of(kind).status == *status), "{conditions:?}");
        let ready = of("Ready");
        (ready.status, ready.message.unwrap_or_default())
    };
    let absent = "corresponding condition of pod readiness gate \"example.org/b\" does not exist.";
    let unknown = "the status of pod readiness gate \"example.org/a\" is not \"True\", but Unknown";
    for (statuses, expected, message) in [
        (&[("example.org/a", "True")][..], "False", absent.to_owned()),
        (&[("example.org/a", "Unknown")], "False", format!("{unknown}, {absent}")),
        (
            &[("example.org/a", "True"), ("example.org/b", "False")],
            "False",
            absent
                .replace("corresponding condition of pod", "the status of pod")
                .replace("does not exist.", "is not \"True\", but False"),
        ),
        (&[("example.org/b", "True"), ("example.org/a", "True")], "True", String::new()),
    ] {
        assert_eq!(set(&mut world, statuses), (expected.to_owned(), message), "{statuses:?}");
    }
}

#[test]
fn containers_start_in_the_order_of_the_spec() {
    let mut world = World::new(json!({"containers": [container("b"), container("a")]}));
    world.slow.insert("hook b".into(), 5);
    check(
        &mut world,
        60,
        ">=",
        &[
            "0= Pending b:ContainerCreating a:ContainerCreating",
            "0> set up",
            "1> sandbox #0",
            "2> start b#0 in s0",
            // The start hook still runs.
            "3= Pending b:running a:ContainerCreating",
            "8= Pending b:ready a:ContainerCreating",
            "8> start a#0 in s0",
            "9= Running/ready b:ready a:ready",
        ],
    );
}

#[test]
fn init_containers_run_one_after_the_other_before_all_else() {
    let mut world = World::new(json!({"initContainers": [container("i"), container("j")], "containers": [container("a")]}));
    check(
        &mut world,
        60,
        ">=",
        &[
            "0= Pending i:PodInitializing j:PodInitializing a:PodInitializing",
            "0> set up",
            "1> sandbox #0",
            "2> start i#0 in s0",
            "3= Pending i:running j:PodInitializing a:PodInitializing",
            "4= Pending i:Completed(0) j:PodInitializing a:PodInitializing",
            "4> start j#0 in s0",
            "5= Pending i:Completed(0) j:running a:PodInitializing",
            "6= Pending i:Completed(0) j:Completed(0) a:ContainerCreating",
            "6> start a#0 in s0",
            "7= Running/ready i:Completed(0) j:Completed(0) a:ready",
        ],
    );
}

#[test]
fn a_failing_init_container_is_tried_again_ever_more_slowly() {
    let mut world = World::new(json!({"initContainers": [container("i")], "containers": [container("a")]}));
    world.lives.insert("i".into(), vec![(1, 3), (1, 3), (1, 3)]);
    check(
        &mut world,
        60,
        ">=",
        &[
            "0= Pending i:PodInitializing a:PodInitializing",
            "0> set up",
            "1> sandbox #0",
            "2> start i#0 in s0",
            "3= Pending i:running a:PodInitializing",
            "4= Pending i:Error(3) a:PodInitializing",
            "4> start i#1 in s0",
            "5= Pending i:running#1<Error(3) a:PodInitializing",
            "6= Pending i:CrashLoopBackOff#1<Error(3) a:PodInitializing",
            "16= Pending i:Error(3)#1<Error(3) a:PodInitializing",
            "16> start i#2 in s0",
            "17= Pending i:running#2<Error(3) a:PodInitializing",
            "17> remove i#0",
            "18= Pending i:CrashLoopBackOff#2<Error(3) a:PodInitializing",
            "38= Pending i:Error(3)#2<Error(3) a:PodInitializing",
            "38> start i#3 in s0",
            "39= Pending i:running#3<Error(3) a:PodInitializing",
            "39> remove i#1",
            "40= Pending i:Completed(0)#3<Error(3) a:ContainerCreating",
            "40> start a#0 in s0",
            "41= Running/ready i:Completed(0)#3<Error(3) a:ready",
        ],
    );
}

#[test]
fn a_sidecar_runs_on_beside_what_follows() {
    let sidecar = json!({"name": "s", "image": "i", "restartPolicy": "Always", "startupProbe": {"periodSeconds": 5}});
    let mut world = World::new(json!({"initContainers": [sidecar, container("i")], "containers": [container("a")]}));
    check(
        &mut world,
        60,
        "?>=",
        &[
            "0= Pending s:PodInitializing i:PodInitializing a:PodInitializing",
            "0> set up",
            "1> sandbox #0",
            "2> start s#0 in s0",
            "3= Pending s:running i:PodInitializing a:PodInitializing",
            "3? probe s Startup",
            "4= Pending s:ready i:PodInitializing a:PodInitializing",
            "4> start i#0 in s0",
            "5= Pending s:ready i:running a:PodInitializing",
            "6= Pending s:ready i:Completed(0) a:ContainerCreating",
            "6> start a#0 in s0",
            "7= Running/ready s:ready i:Completed(0) a:ready",
        ],
    );
    // Once it has run it is started again at its end, however it ended, and nothing else is touched.
    world.exit("s", 0);
    check(
        &mut world,
        60,
        ">=",
        &[
            "60= Running s:Completed(0) i:Completed(0) a:ready",
            "60> start s#1 in s0",
            "61= Running s:running#1<Completed(0) i:Completed(0) a:ready",
            "62= Running/ready s:ready#1<Completed(0) i:Completed(0) a:ready",
        ],
    );
}

#[test]
fn a_sidecar_that_ends_too_early_holds_up_what_follows() {
    let probe = json!({"initialDelaySeconds": 5});
    let sidecar = json!({"name": "s", "image": "i", "restartPolicy": "Always", "startupProbe": probe});
    let mut world = World::new(json!({"initContainers": [sidecar, container("i")], "containers": [container("a")]}));
    world.lives.insert("s".into(), vec![(1, 0), (1, 0)]);
    world.run(3);
    check(
        &mut world,
        20,
        "?>",
        &["4> start s#1 in s0", "16> start s#2 in s0", "17> remove s#0", "22? probe s Startup", "23> start i#0 in s0"],
    );
}

#[test]
fn without_a_network_a_pod_waits_and_says_so_once() {
    let mut world = World::new(plain());
    world.node.network = Err("cni is not there".into());
    check(
        &mut world,
        600,
        ">=!",
        &[
            "0= Pending a:ContainerCreating",
            "0! NetworkNotReady: network is not ready: container runtime network not ready: cni is not there",
        ],
    );
    check_conditions(
        &world,
        &[
            "PodReadyToStartContainers False NetworkNotReady container runtime network not ready: cni is not there since 0",
            "Initialized True   since 0",
            "Ready False ContainersNotReady containers with unready status: [a] since 0",
            "ContainersReady False ContainersNotReady containers with unready status: [a] since 0",
            "PodScheduled True   since 0",
        ],
    );
    world.node.network = Ok(());
    let started = ["600> set up", "601> sandbox #0", "602> start a#0 in s0", "603= Running/ready a:ready"];
    check(&mut world, 60, ">=!", &started);
    // What has an address keeps it.
    world.node.network = Err("cni is gone".into());
    check(&mut world, 60, ">=!", &[]);
}

#[test]
fn a_pod_of_the_nodes_network_needs_no_other() {
    let mut spec = plain();
    spec["hostNetwork"] = json!(true);
    let mut world = World::new(spec);
    world.node.network = Err("cni is not there".into());
    check(
        &mut world,
        60,
        ">=!",
        &["0= Pending a:ContainerCreating", "0> set up", "1> sandbox #0", "2> start a#0 in s0", "3= Running/ready a:ready"],
    );
    assert_eq!(world.status().pod_ip.as_deref(), Some("192.0.2.1"));
}

/// The words for a container that cannot be started for so long, and the times at which it was tried.
#[track_caller]
fn check_trouble(reason: &str, seconds: i64, words: &[&str], tries: &[i64]) {
    let mut world = World::new(plain());
    world.fail("start a", reason, ALWAYS);
    let story = world.story(seconds, ">=");
    let of = |mark: &str| -> Vec<&str> { story.iter().filter_map(|line| line.split_once(mark)).map(|(_, text)| text).collect() };
    let shown: Vec<&str> = of("= ").into_iter().map(|text| text.strip_prefix("Pending a:").unwrap_or(text)).collect();
    assert_eq!(shown[..words.len()], *words, "{reason}");
    let starts = story.iter().filter(|line| line.contains("> start"));
    let times: Vec<i64> = starts.map(|line| line.split_once('>').unwrap().0.parse().unwrap()).collect();
    assert_eq!(times, tries, "{reason}");
    world.failures.clear();
    world.run(300);
    assert!(world.is_ready(), "{world:?}");
}

#[test]
fn what_keeps_a_container_from_starting_is_told_and_tried_again() {
    let creating = "ContainerCreating";
    let both = "ErrImagePull";
    check_trouble(
        "ErrImagePull",
        400,
        &[creating, both, "ImagePullBackOff", both, "ImagePullBackOff", both],
        &[2, 13, 34, 75, 156, 317],
    );
    check_trouble("ErrImageNeverPull", 60, &[creating, "ErrImageNeverPull"], &[2, 13, 34]);
    check_trouble("InvalidImageName", 60, &[creating, "InvalidImageName"], &[2, 13, 34]);
    let seconds = &[2, 4, 7, 12, 21, 38, 69, 100];
    check_trouble("CreateContainerConfigError", 110, &[creating, "CreateContainerConfigError"], seconds);
    check_trouble("CreateContainerError", 110, &[creating, "CreateContainerError"], seconds);
    // A container that was there for a moment has crashed.
    check_trouble("RunContainerError", 60, &[creating, "Running a:RunContainerError<StartError(128)"], &[2, 4, 15, 36]);
    check_trouble("PostStartHookError", 60, &[creating, "Running a:PostStartHookError<Error(137)"], &[2, 4, 15, 36]);
}

#[test]
fn events_tell_of_pauses() {
    let mut world = World::new(plain());
    world.fail("start a", "ErrImagePull", 2);
    check(&mut world, 60, "!", &["4! BackOff: Back-off pulling image \"i\"", "15! BackOff: Back-off pulling image \"i\""]);
    world.exit("a", 1);
    world.lives.insert("a".into(), vec![(0, 1)]);
    check(&mut world, 60, "!", &["61! BackOff: Back-off restarting failed container a in pod p_ns(u)"]);
}

#[test]
fn volumes_and_sandbox_are_tried_again() {
    let mut world = World::new(plain());
    world.fail("set up", "FailedMount", 2);
    world.fail("sandbox", "FailedCreatePodSandBox", 3);
    check(
        &mut world,
        60,
        ">!",
        &[
            "0> set up",
            "1! FailedMount: no set up",
            "2> set up",
            "3! FailedMount: no set up",
            "5> set up",
            "6> sandbox #0",
            "7! FailedCreatePodSandBox: no sandbox",
            "8> sandbox #0",
            "9! FailedCreatePodSandBox: no sandbox",
            "11> sandbox #0",
            "12! FailedCreatePodSandBox: no sandbox",
            "16> sandbox #0",
            "17> start a#0 in s0",
        ],
    );
    assert!(world.is_ready());
}

#[test]
fn a_new_image_is_not_held_up_by_the_pauses_of_the_old() {
    let mut world = World::new(plain());
    world.fail("start a", "ErrImagePull", ALWAYS);
    world.run(200);
    world.failures.clear();
    world.set_image(0, "j");
    check(&mut world, 10, ">=", &["200= Pending a:ContainerCreating", "200> start a#0 in s0", "201= Running/ready a:ready"]);
    world.lives.insert("a".into(), vec![(0, 1); 5]);
    world.exit("a", 1);
    world.run(120);
    world.lives.clear();
    world.set_image(0, "k");
    check(&mut world, 10, ">", &["330> start a#5 in s0", "331> remove a#3"]);
}
