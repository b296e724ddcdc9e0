//! Whether and when an ended container is started again, and which remains are cleared away.

use super::{
    Container, ContainerMemory, ContainerState, Crash, Memory, Plan, Sandbox, Step, Work, init_containers, is_sidecar,
    main_containers, view::View,
};
use crate::backoff::{Attempts, Backoff};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1 as core;

/// CrashLoopBackOff: 10 s, doubling to 5 min, forgotten after 10 min of running.
pub(super) const CRASH: Backoff = Backoff {
    first: SignedDuration::from_secs(10),
    longest: SignedDuration::from_mins(5),
    forget: SignedDuration::from_mins(10),
};
/// Images: the same pauses; a registry is not pressed harder than a crashing program.
pub(super) const IMAGE: Backoff = CRASH;
/// Whatever else keeps a container or a sandbox from starting: mostly a matter of seconds (a ConfigMap not yet there).
pub(super) const START: Backoff =
    Backoff { first: SignedDuration::from_secs(1), longest: SignedDuration::from_secs(30), forget: SignedDuration::from_mins(2) };

/// Whether an ended container is to be started again: by its policy, or because it was stopped for just that.
pub(super) fn wanted_again(view: &View<'_>, memory: &Memory, container: &core::Container, ended: &Container) -> bool {
    let known = memory.containers.get(&container.name);
    known.is_some_and(|known| known.replaced.as_ref() == Some(&ended.id)) || by_policy(view, container, ended.exit_code)
}

/// Whether the container's policy wants it started again after it ended with this code.
pub(super) fn by_policy(view: &View<'_>, container: &core::Container, exit_code: i32) -> bool {
    let by_rule = container.restart_policy_rules.iter().flatten().any(|rule| {
        let codes = rule.exit_codes.as_ref();
        rule.action == "Restart"
            && codes.is_some_and(|codes| {
                let listed = codes.values.iter().flatten().any(|value| *value == exit_code);
                if codes.operator == "NotIn" { !listed } else { listed }
            })
    });
    by_rule
        || match view.restart_policy(container) {
            "Never" => false,
            "OnFailure" => exit_code != 0,
            // An ordinary init container that succeeded has done its work.
            _ => is_sidecar(container) || exit_code != 0 || !is_init(view, container),
        }
}

fn is_init(view: &View<'_>, container: &core::Container) -> bool {
    init_containers(view.facts.pod).iter().any(|init| init.name == container.name)
}

/// The pause between the end of a container and its next start, if there is one to keep.
pub(super) fn pause_after(known: &ContainerMemory, ended: &Container) -> Option<SignedDuration> {
    // What is restarted already has kept its pause: the one remembered is for its next end.
    let crash = known.crash.as_ref().filter(|crash| crash.after != ended.id)?;
    (!CRASH.forgotten(&crash.attempts, finished(ended))).then_some(crash.attempts.pause)
}

/// The earliest time to start a container again.
pub(super) fn not_before(known: &ContainerMemory, ended: &Container) -> Option<Timestamp> {
    Some(finished(ended).saturating_add(pause_after(known, ended)?).unwrap_or(Timestamp::MAX))
}

/// Counts a restart, once, however often it is tried.
pub(super) fn note_restart(known: &mut ContainerMemory, ended: &Container, now: Timestamp) {
    if known.crash.as_ref().is_some_and(|crash| crash.after == ended.id) {
        return;
    }
    let pause = pause_after(known, ended).map_or(CRASH.first, |past| past.saturating_mul(2).min(CRASH.longest));
    known.crash = Some(Crash { after: ended.id.clone(), attempts: Attempts { pause, last: now } });
}

/// How a container ended that is not to be started again: as the runtime says, or if that has forgotten it, as was told.
pub(super) fn ended_for_good(view: &View<'_>, memory: &Memory, container: &core::Container) -> Option<i32> {
    let Some(newest) = view.newest(&container.name) else {
        let code = memory.unseen_end(&container.name)?.exit_code;
        return (!by_policy(view, container, code)).then_some(code);
    };
    let is_over = newest.state == ContainerState::Exited && !wanted_again(view, memory, container, newest);
    is_over.then_some(newest.exit_code)
}

/// When an ended container ended; if the runtime does not say, when it was made.
pub(super) fn finished(container: &Container) -> Timestamp {
    container.finished_at.or(container.started_at).unwrap_or(container.created_at)
}

/// Removes ended containers beyond the newest two of each name (the older one is `lastState` and `logs --previous`),
/// and surplus sandboxes that hold none.
pub(super) fn remove_surplus(view: &View<'_>, memory: &Memory, plan: &mut Plan) {
    let tearing_down = memory.busy(&Work::TearDown) || plan.steps.iter().any(|step| step.work() == Work::TearDown);
    if tearing_down || memory.torn_down.is_some() {
        return;
    }
    let known = main_containers(view.facts.pod).iter().chain(init_containers(view.facts.pod));
    let containers = known
        .flat_map(|container| view.attempts(&container.name).skip(2))
        .filter(|old| matches!(old.state, ContainerState::Exited | ContainerState::Created))
        .map(|old| Step::RemoveContainer { id: old.id.clone() });
    // A second sandbox that runs is not kept for the sake of what has been replaced, but something may be about to start.
    let starting = memory.in_flight.keys().any(|work| matches!(work, Work::Start { .. }));
    let is_newest = |container: &Container| view.newest(&container.name).is_some_and(|newest| newest.id == container.id);
    let holds = |sandbox: &Sandbox, container: &Container| {
        // What was made and never started comes to nothing once another has taken its place.
        let is_alive = matches!(container.state, ContainerState::Running | ContainerState::Unknown);
        container.sandbox_id == sandbox.id && (!sandbox.ready || is_alive || is_newest(container))
    };
    let is_kept = |sandbox: &Sandbox| {
        view.newest_sandbox.is_some_and(|newest| newest.id == sandbox.id)
            || sandbox.ready && starting
            || view.facts.containers.iter().any(|container| holds(sandbox, container))
    };
    let sandboxes = view.facts.sandboxes.iter().filter(|sandbox| !is_kept(sandbox));
    let sandboxes = sandboxes.map(|sandbox| Step::RemoveSandbox { id: sandbox.id.clone() });
    let mut steps = containers.chain(sandboxes).filter(|step| !memory.busy(&step.work())).peekable();
    match memory.hindered_until(view.facts.now).filter(|_| steps.peek().is_some()) {
        Some(next) => plan.wake(next),
        None => plan.steps.extend(steps),
    }
}
