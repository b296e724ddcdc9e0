//! Whether and when an ended container is started again, and which remains are cleared away.

use super::{Container, ContainerState, Memory, Plan, Step, Work, init_containers, is_sidecar, main_containers, view::View};
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

/// Whether the container's policy wants it started again after it ended with this code.
pub(super) fn wanted_again(view: &View<'_>, container: &core::Container, exit_code: i32) -> bool {
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

/// The earliest time to start a container again that ended at `finished`.
pub(super) fn not_before(crash: Option<Attempts>, finished: Timestamp) -> Option<Timestamp> {
    let past = crash.filter(|past| !CRASH.forgotten(past, finished))?;
    Some(finished.saturating_add(past.pause).unwrap_or(Timestamp::MAX))
}

/// The back-off after one more restart.
pub(super) fn after_restart(crash: Option<Attempts>, finished: Timestamp, now: Timestamp) -> Attempts {
    let pause = crash
        .filter(|past| !CRASH.forgotten(past, finished))
        .map_or(CRASH.first, |past| past.pause.saturating_mul(2).min(CRASH.longest));
    Attempts { pause, last: now }
}

/// When an ended container ended; if the runtime does not say, when it was made.
pub(super) fn finished(container: &Container) -> Timestamp {
    container.finished_at.or(container.started_at).unwrap_or(container.created_at)
}

/// Removes ended containers beyond the newest two of each name (the older one is `lastState` and `logs --previous`),
/// and dead sandboxes that hold none.
pub(super) fn remove_surplus(view: &View<'_>, memory: &Memory, plan: &mut Plan) {
    if memory.torn_down.is_some() || memory.busy(&Work::TearDown) || memory.hindered_until(view.facts.now).is_some() {
        return;
    }
    let mut surplus = Vec::new();
    let known = main_containers(view.facts.pod).iter().chain(init_containers(view.facts.pod));
    for container in known {
        surplus.extend(
            view.attempts(&container.name)
                .skip(2)
                .filter(|old| matches!(old.state, ContainerState::Exited | ContainerState::Created)),
        );
    }
    plan.steps.extend(
        surplus.into_iter().map(|old| Step::RemoveContainer { id: old.id.clone() }).filter(|step| !memory.busy(&step.work())),
    );
    let keeps = |id: &str| view.facts.containers.iter().any(|container| container.sandbox_id == id);
    for sandbox in view.facts.sandboxes {
        let newest = view.newest_sandbox.is_some_and(|newest| newest.id == sandbox.id);
        let step = Step::RemoveSandbox { id: sandbox.id.clone() };
        if !newest && !keeps(&sandbox.id) && !memory.busy(&step.work()) {
            plan.steps.push(step);
        }
    }
}
