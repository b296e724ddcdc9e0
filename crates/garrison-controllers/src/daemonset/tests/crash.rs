//! A controller that dies, or whose requests go unanswered, at any of its writes: in the end all is as if it had not.
//!
//! Each scenario is run undisturbed first, which tells how many writes it takes and how it ends. Then it is run again for
//! every write and every way in which that can go wrong. The clock is paused: it jumps whenever everybody waits.

mod scenarios;
mod wire;

use super::*;
use std::time::Duration;
use wire::{Fate, Mishap, Promises, Wire};

/// So many seconds without a change and nothing will come any more. The controller looks again after 30 in any case, and after
/// failures when as much time has passed as before.
const QUIET: usize = 90;
/// Longest time that a step may take, in seconds.
const PATIENCE: usize = 2000;

/// Something that happens to a set.
struct Scenario {
    nodes: usize,
    /// What is there before. Nothing goes wrong until the controller has come to rest.
    before: fn(&FakeApi),
    /// What happens, one after the other; the controller comes to rest after each.
    steps: &'static [fn(&FakeApi)],
    promises: Promises,
    /// How it ends, as [`state`] tells it.
    end: &'static str,
}

#[derive(Debug)]
struct Outcome {
    state: String,
    writes: usize,
    deaths: usize,
}

/// Runs a scenario once for each write and each mishap; the end is always the same.
async fn replay(scenario: Scenario) {
    let undisturbed = run(&scenario, None).await;
    assert_eq!((undisturbed.state.as_str(), undisturbed.deaths), (scenario.end, 0));
    assert!(undisturbed.writes > 0, "nothing is done, so nothing is shown");
    let mut replays = 0;
    for at in 1..=undisturbed.writes {
        for (mishap, deaths) in [
            (Mishap::DiesAfter, 1),
            (Mishap::DiesBefore, 1),
            (Mishap::AnswerLost, 0),
            (Mishap::AnswerLostNewsLate, 0),
            (Mishap::AnswerLostAndDies, 1),
        ] {
            let fate = Fate { at, mishap };
            let disturbed = run(&scenario, Some(fate)).await;
            assert_eq!((disturbed.state.as_str(), disturbed.deaths), (scenario.end, deaths), "{fate:?}");
            replays += 1;
        }
    }
    let fate = Fate { at: 0, mishap: Mishap::DiesAfterEach };
    let stubborn = run(&scenario, Some(fate)).await;
    assert_eq!(stubborn.state, scenario.end, "{fate:?}");
    assert!(stubborn.deaths > 0);
    println!("{} writes, {} replays, then one with {} deaths", undisturbed.writes, replays, stubborn.deaths);
}

async fn run(scenario: &Scenario, fate: Option<Fate>) -> Outcome {
    let api = cluster(scenario.nodes);
    let wire = Wire::new(&api, fate, scenario.promises);
    (scenario.before)(&api);
    let shutdown = CancellationToken::new();
    let controllers = tokio::spawn(one_after_the_other(wire.clone(), shutdown.clone()));
    come_to_rest(&api).await;
    wire.arm();
    for step in scenario.steps {
        step(&api);
        come_to_rest(&api).await;
    }
    shutdown.cancel();
    let deaths = controllers.await.expect("controllers end one way or the other");
    assert_eq!(wire.broken(), Vec::<String>::new(), "{fate:?}");
    Outcome { state: state(&api), writes: wire.writes(), deaths }
}

/// Starts a controller whenever the one before has died; how many did.
async fn one_after_the_other(wire: Wire, shutdown: CancellationToken) -> usize {
    for deaths in 0.. {
        let (client, death) = wire.client();
        let token = shutdown.clone();
        let task = tokio::spawn(run_daemonset_only(client, Config::default(), Arc::default(), token));
        tokio::select! {
            () = death.cancelled() => {
                task.abort();
                let _ = task.await;
            }
            () = shutdown.cancelled() => {
                task.await.expect("no panic").expect("the loop runs");
                return deaths;
            }
        }
    }
    unreachable!("there is always another controller")
}

/// Plays the kubelets until nothing changes any more.
async fn come_to_rest(api: &FakeApi) {
    let (mut quiet, mut seen) = (0, usize::MAX);
    for _ in 0..PATIENCE {
        let changes = api.changes();
        quiet = if changes == seen { quiet + 1 } else { 0 };
        if quiet > QUIET {
            return;
        }
        if changes != seen {
            play_kubelets(api);
        }
        seen = changes;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("never comes to rest: {}", api.requests().join("\n"));
}

/// All that concerns the set, without what may be different each time: `node:image@revision` of pods, `number:image` of revisions, then
/// the status. Marked are pods that do not run (`~`) and what is not the set's own (`!`).
fn state(api: &FakeApi) -> String {
    let set = api.list("daemonsets").pop().unwrap_or_default();
    let revisions = api.list("controllerrevisions");
    let mark = |object: &Value| {
        let owner = &object["metadata"]["ownerReferences"][0]["uid"];
        if owner.is_string() && *owner == set["metadata"]["uid"] { "" } else { "!" }
    };
    let hash = |object: &Value| object["metadata"]["labels"]["controller-revision-hash"].clone();
    let number = |pod: &Value| {
        let of_pod = revisions.iter().find(|revision| hash(revision).is_string() && hash(revision) == hash(pod));
        of_pod.map_or("?".into(), |revision| revision["revision"].to_string())
    };
    let image = |spec: &Value| text(spec, "/containers/0/image");
    let mut pods: Vec<String> = api
        .list("pods")
        .iter()
        .filter(|pod| pod["metadata"]["labels"].is_object())
        .map(|pod| {
            let runs = text(pod, "/status/phase") == "Running" && pod["metadata"]["deletionTimestamp"].is_null();
            let ended = if runs { "" } else { "~" };
            format!("{}:{}@{}{ended}{}", target(pod), image(&pod["spec"]), number(pod), mark(pod))
        })
        .collect();
    pods.sort();
    let mut history: Vec<String> = revisions
        .iter()
        .map(|revision| {
            format!("{}:{}{}", revision["revision"], image(&revision["data"]["spec"]["template"]["spec"]), mark(revision))
        })
        .collect();
    history.sort();
    let counted = |field: &str| set["status"][field].as_i64().unwrap_or(0);
    let counts = ["desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"].map(counted);
    let wrong = ["numberMisscheduled", "numberUnavailable"].map(counted);
    let (generation, collisions) = (counted("observedGeneration"), counted("collisionCount"));
    format!("{} | {} | {counts:?} {wrong:?} g{generation} c{collisions}", pods.join(" "), history.join(" "))
}
