//! The way out: containers stopped in order and in time, then everything undone, then the API told.

use super::{
    Container, ContainerState, KillReason, Memory, Plan, ProbeKind, Step, Work, init_containers, is_sidecar, main_containers,
    phase, restart, view::View,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1 as core;

/// Even a pod deleted with no grace may finish what it is writing (the kubelet's own minimum).
const LEAST_GRACE: SignedDuration = SignedDuration::from_secs(2);
const DEFAULT_GRACE: i64 = 30;

/// What has been undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TornDown {
    /// Sandboxes stopped, volumes and cgroup gone; ended containers and logs kept for their readers.
    Stopped,
    /// Nothing is left.
    Removed,
}

/// Whether the pod is on its way out.
pub(super) fn is_over(view: &View<'_>, memory: &Memory) -> bool {
    being_deleted(view)
        || memory.rejection.is_some()
        || phase::ended(view, memory).is_some()
        || overdue(view, memory)
        || finished(view, memory)
}

fn being_deleted(view: &View<'_>) -> bool {
    view.facts.gone || view.facts.pod.metadata.deletion_timestamp.is_some()
}

/// Whether the pod has run longer than `activeDeadlineSeconds`.
pub(super) fn overdue(view: &View<'_>, memory: &Memory) -> bool {
    deadline_of_pod(view, memory).is_some_and(|deadline| deadline <= view.facts.now)
}

/// When `activeDeadlineSeconds` is over.
pub(super) fn deadline_of_pod(view: &View<'_>, memory: &Memory) -> Option<Timestamp> {
    let seconds = view.facts.pod.spec.as_ref()?.active_deadline_seconds?;
    let started = memory.status.start_time.as_ref().map_or(view.facts.now, |time| time.0);
    Some(after(started, seconds))
}

/// Whether every main container has ended for good, or an init container has failed for good.
fn finished(view: &View<'_>, memory: &Memory) -> bool {
    let ended = |container: &core::Container| restart::ended_for_good(view, memory, container);
    let main = main_containers(view.facts.pod);
    !main.is_empty() && main.iter().all(|container| ended(container).is_some())
        || init_containers(view.facts.pod)
            .iter()
            .any(|container| !is_sidecar(container) && ended(container).is_some_and(|code| code != 0))
}

/// Kills, tears down and deletes, each once the one before is complete.
pub(super) fn wind_down(view: &View<'_>, memory: &mut Memory, plan: &mut Plan) {
    note_deletion(view, memory);
    let starting = memory.in_flight.keys().filter(|work| matches!(work, Work::Start { .. }));
    plan.abandon = starting.cloned().collect();
    let reason = if being_deleted(view) { KillReason::Deleted } else { KillReason::Finished };
    kill_in_order(view, memory, &reason, plan);
    let starting = !plan.abandon.is_empty() || memory.busy(&Work::Sandbox) || memory.busy(&Work::SetUp);
    if starting || view.alive().next().is_some() || memory.busy(&Work::TearDown) || memory.busy(&Work::Delete) {
        return;
    }
    let goal = if being_deleted(view) { TornDown::Removed } else { TornDown::Stopped };
    let reported = phase::is_terminal(view.facts.pod.status.as_ref().and_then(|status| status.phase.as_deref()));
    let step = match memory.torn_down {
        Some(reached) if reached >= goal => {
            plan.done = view.facts.gone;
            let deletable = view.facts.pod.metadata.deletion_timestamp.is_some() && !view.facts.gone;
            if !deletable || !reported || memory.deleted {
                return;
            }
            Step::Delete
        }
        _ => Step::TearDown { remove: goal == TornDown::Removed },
    };
    match memory.hindered_until(view.facts.now) {
        Some(next) => plan.wake(next),
        None => plan.steps.push(step),
    }
}

fn note_deletion(view: &View<'_>, memory: &mut Memory) {
    if !being_deleted(view) {
        return;
    }
    let pod = view.facts.pod;
    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_else(|| grace_of_spec(pod));
    // A later wish may hurry the end, but not put it off.
    let until = after(view.facts.now, grace);
    memory.ends_at = Some(memory.ends_at.map_or(until, |known| known.min(until)));
}

/// Main containers at once; then the sidecars, last started first.
fn kill_in_order(view: &View<'_>, memory: &Memory, reason: &KillReason, plan: &mut Plan) {
    let sidecars: Vec<&str> = init_containers(view.facts.pod)
        .iter()
        .filter(|container| is_sidecar(container))
        .map(|container| container.name.as_str())
        .collect();
    let (last, first): (Vec<&Container>, Vec<&Container>) =
        view.alive().partition(|container| sidecars.contains(&container.name.as_str()));
    if !first.is_empty() {
        return first.into_iter().for_each(|container| kill(view, memory, container, reason.clone(), plan));
    }
    let position = |container: &&Container| sidecars.iter().position(|name| *name == container.name);
    if let Some(container) = last.into_iter().max_by_key(position) {
        kill(view, memory, container, reason.clone(), plan);
    }
}

/// Asks for a container to be stopped, unless that is under way and soon enough.
pub(super) fn kill(view: &View<'_>, memory: &Memory, container: &Container, reason: KillReason, plan: &mut Plan) {
    let now = view.facts.now;
    if let Some(next) = memory.hindered_until(now) {
        return plan.wake(next);
    }
    let grace = grace(view, memory, container, &reason).max(LEAST_GRACE);
    let under_way = memory.in_flight.get(&Work::Kill { id: container.id.clone() });
    if under_way.is_some_and(|deadline| *deadline <= later(now, grace + SignedDuration::from_secs(1))) {
        return;
    }
    // A hook is not run twice, and an unreachable container has none to run.
    let hook = under_way.is_none() && container.state == ContainerState::Running && !memory.killed.contains(&container.id);
    plan.steps.push(Step::Kill { container: container.name.clone(), id: container.id.clone(), grace, reason, hook });
}

fn grace(view: &View<'_>, memory: &Memory, container: &Container, reason: &KillReason) -> SignedDuration {
    if let Some(end) = memory.ends_at {
        return end.duration_since(view.facts.now);
    }
    let pod = view.facts.pod;
    let own = match reason {
        KillReason::Probe(kind, _) => probe_grace(pod, &container.name, *kind),
        _ => None,
    };
    SignedDuration::from_secs(own.unwrap_or_else(|| grace_of_spec(pod)))
}

fn probe_grace(pod: &core::Pod, name: &str, kind: ProbeKind) -> Option<i64> {
    let container = main_containers(pod).iter().chain(init_containers(pod)).find(|container| container.name == name)?;
    super::probe::of(container, kind)?.termination_grace_period_seconds
}

fn grace_of_spec(pod: &core::Pod) -> i64 {
    pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(DEFAULT_GRACE)
}

/// When a step ends at the latest, as far as it matters to planning.
pub(super) fn deadline(step: &Step, now: Timestamp) -> Timestamp {
    match step {
        Step::Kill { grace, .. } => later(now, *grace),
        _ => Timestamp::MAX,
    }
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn after(from: Timestamp, seconds: i64) -> Timestamp {
    later(from, SignedDuration::from_secs(seconds))
}
