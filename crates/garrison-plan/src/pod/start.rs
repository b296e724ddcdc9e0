//! From nothing to running, and running again.

use super::{
    Container, ContainerState, KillReason, Memory, Note, Plan, Sandbox, Step, Work, container_status, init_containers,
    is_sidecar, main_containers, probe, restart, terminate, view::View,
};
use k8s_openapi::api::core::v1 as core;

/// Takes the pod one step further towards all its containers running.
pub(super) fn advance(view: &View<'_>, memory: &mut Memory, plan: &mut Plan) {
    kill_what_must_not_run(view, memory, plan);
    if let Some(deadline) = terminate::deadline_of_pod(view, memory) {
        plan.wake(deadline);
    }
    let Some(sandbox) = view.sandbox() else { return make_sandbox(view, memory, plan) };
    // Running containers are not touched while volumes are looked after again (the agent was restarted).
    if !memory.prepared {
        return set_up(view, memory, plan);
    }
    if view.initialized(memory) {
        for sidecar in init_containers(view.facts.pod).iter().filter(|container| is_sidecar(container)) {
            start(view, memory, sandbox, sidecar, plan);
        }
        start_in_order(view, memory, sandbox, plan);
    } else {
        initialize(view, memory, sandbox, plan);
    }
}

/// Containers in dead sandboxes, with the wrong image, lost ones, and those whose probes failed.
fn kill_what_must_not_run(view: &View<'_>, memory: &Memory, plan: &mut Plan) {
    for container in view.alive() {
        let spec = spec_of(view, &container.name);
        let is_newest = view.newest(&container.name).is_some_and(|newest| newest.id == container.id);
        let homeless = view.sandbox().is_none_or(|sandbox| sandbox.id != container.sandbox_id);
        let reason = match container.state {
            ContainerState::Exited | ContainerState::Created => continue,
            ContainerState::Unknown => KillReason::Lost,
            ContainerState::Running if homeless || !is_newest => KillReason::SandboxGone,
            ContainerState::Running => {
                let Some(spec) = spec else { continue };
                if spec.image.as_ref().is_some_and(|image| *image != container.image) {
                    KillReason::Changed
                } else if let Some((kind, message)) = memory.failed_probe(spec, container) {
                    KillReason::Probe(kind, message)
                } else {
                    continue;
                }
            }
        };
        terminate::kill(view, memory, container, reason, plan);
    }
}

fn spec_of<'a>(view: &View<'a>, name: &str) -> Option<&'a core::Container> {
    let pod = view.facts.pod;
    main_containers(pod).iter().chain(init_containers(pod)).find(|container| container.name == name)
}

fn set_up(view: &View<'_>, memory: &Memory, plan: &mut Plan) {
    if memory.busy(&Work::SetUp) {
        return;
    }
    match memory.trouble.as_ref().map(|trouble| trouble.attempts.next()) {
        Some(next) if next > view.facts.now => plan.wake(next),
        _ => plan.steps.push(Step::SetUp),
    }
}

fn make_sandbox(view: &View<'_>, memory: &Memory, plan: &mut Plan) {
    let busy = memory.busy(&Work::Sandbox) || memory.busy(&Work::SetUp);
    // The containers of the dead sandbox hold its volumes and ports.
    let occupied = view.alive().next().is_some();
    if busy || occupied || !view.host_network() && view.facts.node.network.is_err() {
        return;
    }
    match memory.trouble.as_ref().map(|trouble| trouble.attempts.next()) {
        Some(next) if next > view.facts.now => plan.wake(next),
        _ if !memory.prepared => plan.steps.push(Step::SetUp),
        _ => {
            let attempt = view.newest_sandbox.map_or(0, |dead| dead.attempt + 1);
            plan.steps.push(Step::CreateSandbox { attempt });
        }
    }
}

/// Init containers run one after the other; a sidecar lets the next one start once it has started itself.
fn initialize(view: &View<'_>, memory: &mut Memory, sandbox: &Sandbox, plan: &mut Plan) {
    for container in init_containers(view.facts.pod) {
        let done = view.init_done(container, memory);
        if is_sidecar(container) || !done {
            start(view, memory, sandbox, container, plan);
        }
        if !done {
            return;
        }
    }
}

/// Main containers start in the order of the spec, each once the one before is started or cannot be.
fn start_in_order(view: &View<'_>, memory: &mut Memory, sandbox: &Sandbox, plan: &mut Plan) {
    for container in main_containers(view.facts.pod) {
        if memory.busy(&Work::Start { container: container.name.clone() }) || start(view, memory, sandbox, container, plan) {
            return;
        }
    }
}

/// Starts a container if it should be and may be now; says whether it does.
fn start(view: &View<'_>, memory: &mut Memory, sandbox: &Sandbox, container: &core::Container, plan: &mut Plan) -> bool {
    let name = &container.name;
    if memory.busy(&Work::Start { container: name.clone() }) {
        return false;
    }
    let current = view.current(name);
    match current.map(|current| current.state) {
        Some(ContainerState::Running | ContainerState::Unknown) => return false,
        Some(ContainerState::Exited) if !current.is_some_and(|c| restart::wanted_again(view, container, c.exit_code)) => {
            return false;
        }
        _ => {}
    }
    // A container of a former sandbox that must not run again stays ended.
    let past = view.newest(name).filter(|past| past.state == ContainerState::Exited);
    if current.is_none() && past.is_some_and(|past| ended_for_good(view, container, past)) {
        return false;
    }
    let now = view.facts.now;
    let known = memory.containers.get(name).cloned().unwrap_or_default();
    let trouble = known.trouble.map(|trouble| trouble.attempts.next());
    let crash = past.and_then(|past| restart::not_before(known.crash, restart::finished(past)));
    if let Some(next) = trouble.max(crash).filter(|next| *next > now) {
        plan.wake(next);
        if let Some(change) = container_status::wording_changes(memory, name).filter(|change| *change > now) {
            plan.wake(change);
        }
        return false;
    }
    if let Some(past) = past {
        let attempts = restart::after_restart(known.crash, restart::finished(past), now);
        memory.containers.entry(name.clone()).or_default().crash = Some(attempts);
    }
    let attempt = next_attempt(view, memory, name);
    plan.steps.push(Step::Start { container: name.clone(), attempt, sandbox_id: sandbox.id.clone() });
    true
}

/// Whether a main container that ended in a former sandbox has no reason to run in this one.
fn ended_for_good(view: &View<'_>, container: &core::Container, past: &Container) -> bool {
    let is_main = main_containers(view.facts.pod).iter().any(|main| main.name == container.name);
    is_main && !restart::wanted_again(view, container, past.exit_code)
}

/// The restart count continues over sandboxes, and over runtimes that forgot everything.
fn next_attempt(view: &View<'_>, memory: &Memory, name: &str) -> u32 {
    if let Some(newest) = view.newest(name) {
        return newest.attempt + 1;
    }
    let lists = [&memory.status.container_statuses, &memory.status.init_container_statuses];
    let status = lists.into_iter().flatten().flatten().find(|status| status.name == name);
    status.filter(|status| status.container_id.is_some()).map_or(0, |status| u32::try_from(status.restart_count).unwrap_or(0) + 1)
}

/// The event that says why a pod waits for the network.
pub(super) fn network_note(reason: &str) -> Note {
    Note {
        warning: true,
        reason: "NetworkNotReady".into(),
        message: format!("network is not ready: {}", network_message(reason)),
        container: None,
    }
}

/// The words in conditions and events for a network that is not there.
pub(super) fn network_message(reason: &str) -> String {
    format!("container runtime network not ready: {reason}")
}

impl Memory {
    /// The probe that demands a restart, and what it last said.
    fn failed_probe(&self, spec: &core::Container, container: &Container) -> Option<(super::ProbeKind, String)> {
        let known = self.containers.get(&spec.name).filter(|known| known.probed_id == container.id)?;
        [super::ProbeKind::Startup, super::ProbeKind::Liveness].into_iter().find_map(|kind| {
            let tally = known.probes.get(&kind).filter(|tally| tally.verdict == Some(false))?;
            probe::of(spec, kind).map(|_| (kind, tally.message.clone()))
        })
    }
}
