//! Whatever happens to a pod, it ends in order once things calm down. What must hold at each step, the world checks.
//!
//! `PROPTEST_CASES=30000 cargo test -p garrison-plan pod::` tries more histories.

use super::super::{Container, ContainerState, ProbeKind, ProbeResult, phase};
use super::{container, shown, world::World};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes.
    Wait(i64),
    /// A container ends.
    Exit(&'static str, i32),
    /// The sandbox dies, its containers with it or not.
    Break(bool),
    /// A sandbox appears that an agent of former times had asked for.
    Twin,
    /// The runtime loses track of a container.
    LoseTrack(&'static str),
    /// The runtime forgets everything.
    Forget,
    /// A step will fail for that reason, so many times.
    Fail(&'static str, &'static str, usize),
    /// Something will take longer.
    Slow(&'static str, i64),
    /// The network comes or goes.
    Network(bool),
    /// Statuses reach the API, or not.
    Connected(bool),
    /// A probe will answer otherwise.
    Answer(&'static str, ProbeKind, ProbeResult),
    /// The agent starts anew, after what it was doing has come to its end or not.
    Restart(bool),
    /// Somebody wants another image.
    Image(usize, &'static str),
    /// Somebody deletes the pod.
    Delete(i64),
    /// The pod is gone from the API.
    Gone,
}

const NAMES: [&str; 4] = ["i", "s", "a", "b"];
const STEPS: [(&str, &str); 16] = [
    ("set up", "FailedMount"),
    ("sandbox", "FailedCreatePodSandBox"),
    ("start i", "ErrImagePull"),
    ("start i", "RunContainerError"),
    ("start s", "CreateContainerConfigError"),
    ("start a", "ErrImagePull"),
    ("start a", "RunContainerError"),
    ("start a", "PostStartHookError"),
    ("start b", "StartTimeout"),
    ("start b", "CreateContainerError"),
    ("kill a", "FailedKillPod"),
    ("kill s", "FailedKillPod"),
    ("remove a#0", "FailedKillPod"),
    ("tear down", "FailedKillPod"),
    ("tear down, remove", "FailedKillPod"),
    ("delete", "FailedDelete"),
];
const SLOW: [&str; 7] = ["pull i", "pull a", "hook a", "hook s", "stop a", "stop b", "stop s"];

fn event() -> impl Strategy<Value = Event> {
    let name = || prop::sample::select(&NAMES[..]);
    let kind = prop_oneof![Just(ProbeKind::Startup), Just(ProbeKind::Readiness), Just(ProbeKind::Liveness)];
    let result = prop_oneof![
        2 => Just(ProbeResult::Success),
        2 => Just(ProbeResult::Failure("no".into())),
        1 => Just(ProbeResult::Unknown)
    ];
    prop_oneof![
        12 => prop_oneof![4 => 0..3i64, 2 => 3..60i64, 1 => 60..900i64].prop_map(Event::Wait),
        4 => (name(), prop_oneof![Just(0), Just(1)]).prop_map(|(name, code)| Event::Exit(name, code)),
        2 => any::<bool>().prop_map(Event::Break),
        1 => Just(Event::Twin),
        1 => name().prop_map(Event::LoseTrack),
        1 => Just(Event::Forget),
        4 => (prop::sample::select(&STEPS[..]), 1..5usize).prop_map(|((step, why), times)| Event::Fail(step, why, times)),
        2 => (prop::sample::select(&SLOW[..]), 1..60i64).prop_map(|(what, seconds)| Event::Slow(what, seconds)),
        1 => any::<bool>().prop_map(Event::Network),
        1 => any::<bool>().prop_map(Event::Connected),
        2 => (prop::sample::select(&["s", "a"][..]), kind, result).prop_map(|(name, kind, result)| Event::Answer(name, kind, result)),
        2 => any::<bool>().prop_map(Event::Restart),
        1 => (0..2usize, prop::sample::select(&["i", "j"][..])).prop_map(|(number, image)| Event::Image(number, image)),
        1 => prop_oneof![Just(0), Just(5), Just(30)].prop_map(Event::Delete),
    ]
}

/// At most one of many ends with the API forgetting the pod; anything may follow.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let rows = (prop::collection::vec(event(), 0..40), prop::option::weighted(0.1, prop::collection::vec(event(), 0..10)));
    rows.prop_map(|(mut events, after)| {
        if let Some(after) = after {
            events.push(Event::Gone);
            events.extend(after);
        }
        events
    })
}

fn take(world: &mut World, event: Event) {
    match event {
        Event::Wait(seconds) => world.run(seconds),
        Event::Exit(name, code) => world.exit(name, code),
        Event::Break(containers_too) => world.break_sandbox(containers_too),
        Event::Twin if !phase::is_terminal(world.status().phase.as_deref()) => world.add_sandbox(),
        Event::LoseTrack(name) => {
            let lost = world.containers.iter_mut().find(|c| c.name == name && c.state == ContainerState::Running);
            lost.into_iter().for_each(|lost| lost.state = ContainerState::Unknown);
        }
        Event::Forget => {
            world.sandboxes.clear();
            world.containers.clear();
        }
        Event::Fail(step, reason, times) => world.fail(step, reason, times),
        Event::Slow(what, seconds) => drop(world.slow.insert(what.into(), seconds)),
        Event::Network(ready) => world.node.network = if ready { Ok(()) } else { Err("none".into()) },
        Event::Connected(connected) => world.connected = connected,
        Event::Answer(name, kind, result) => drop(world.probes.insert((name.into(), kind), result)),
        Event::Restart(finish) => world.restart_agent(finish),
        Event::Image(number, image) if !world.gone => world.set_image(number, image),
        Event::Delete(grace) if !world.gone => world.delete(grace),
        Event::Gone => world.gone = true,
        Event::Image(..) | Event::Delete(_) | Event::Twin => {}
    }
}

fn spec(policy: &str, host_network: bool) -> Value {
    json!({
        "restartPolicy": policy,
        "hostNetwork": host_network,
        "initContainers": [
            container("i"),
            {"name": "s", "image": "i", "restartPolicy": "Always", "startupProbe": {"periodSeconds": 2},
                "livenessProbe": {"periodSeconds": 30}},
        ],
        "containers": [
            {"name": "a", "image": "i", "startupProbe": {}, "readinessProbe": {"periodSeconds": 20},
                "livenessProbe": {"periodSeconds": 30}},
            container("b"),
        ],
    })
}

/// Everything works again, for longer than any pause.
fn calm(world: &mut World) {
    world.failures.clear();
    world.probes.clear();
    world.slow.clear();
    world.node.network = Ok(());
    world.connected = true;
    world.run(2000);
}

fn check(world: &mut World, policy: &str) -> Result<(), TestCaseError> {
    if world.gone || world.pod.metadata.deletion_timestamp.is_some() {
        prop_assert!(world.done, "something is left: {:?}", world);
        return Ok(());
    }
    let status = world.status().clone();
    let runs = |name: &str| world.containers.iter().filter(|c| c.name == name && c.state == ContainerState::Running).count();
    if phase::is_terminal(status.phase.as_deref()) {
        prop_assert_ne!(policy, "Always", "{:?}", world);
        prop_assert!(NAMES.iter().all(|name| runs(name) == 0), "{:?}", world);
        prop_assert!(world.sandboxes.iter().all(|sandbox| !sandbox.ready), "{:?}", world);
    } else {
        prop_assert!(status.phase.as_deref() == Some("Running") && runs("s") == 1, "{:?}", world);
        let mains = status.container_statuses.as_deref().unwrap_or_default();
        for main in mains {
            let ended = main.state.as_ref().and_then(|state| state.terminated.as_ref());
            let for_good = ended.is_some_and(|ended| policy == "Never" || policy == "OnFailure" && ended.exit_code == 0);
            prop_assert!(main.ready && runs(&main.name) == 1 || for_good, "{:?}", world);
        }
        prop_assert!(mains.iter().any(|main| main.ready), "{:?}", world);
        prop_assert_eq!(world.is_ready(), mains.iter().all(|main| main.ready), "{:?}", world);
        let ready = world.sandboxes.iter().filter(|sandbox| sandbox.ready).count();
        prop_assert!(ready == 1 || ready == 2 && policy != "Always", "{:?}", world);
    }
    let specs = world.pod.spec.iter().flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    let images: BTreeMap<_, _> = specs.map(|spec| (&spec.name, spec.image.as_ref())).collect();
    let outdated = |c: &&Container| c.state == ContainerState::Running && images[&c.name] != Some(&c.image);
    prop_assert_eq!(world.containers.iter().find(outdated), None);
    let (before, steps) = (shown(&status), world.story(600, ">=!"));
    prop_assert!(steps.is_empty(), "no rest in {}: {:?}", before, steps);
    prop_assert_eq!(world.status(), &status);
    // Two of each name; each sandbox holds one of them or is the newest, unless the pod ended before it was cleared away.
    let few = world.containers.len() <= 8 && world.sandboxes.len() <= 9;
    prop_assert!(few || phase::is_terminal(status.phase.as_deref()), "rubbish is left: {:?}", world);
    Ok(())
}

/// How many histories are tried unless `PROPTEST_CASES` says otherwise.
#[expect(clippy::disallowed_methods, reason = "a setting of the test; no decision reads it")]
fn histories(number: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(number);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(histories(150))]

    #[test]
    fn whatever_happens_it_ends_in_order(
        policy in prop::sample::select(&["Always", "OnFailure", "Never"][..]),
        host_network in any::<bool>(),
        events in events(),
    ) {
        let mut world = World::new(spec(policy, host_network));
        events.into_iter().for_each(|event| take(&mut world, event));
        calm(&mut world);
        check(&mut world, policy)?;
    }
}
