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
    if view.alive().any(|container| container.sandbox_id != sandbox.id) {
        // They hold the pod's volumes and ports, and are on their way out.
        return;
    }
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
fn kill_what_must_not_run(view: &View<'_>, memory: &mut Memory, plan: &mut Plan) {
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
        // It starts again however well it takes its end; a new image even has its turn where nothing else is repeated.
        let again = spec.is_some_and(|spec| reason == KillReason::Changed || view.restart_policy(spec) != "Never");
        let before = plan.steps.len();
        terminate::kill(view, memory, container, reason, plan);
        if again && plan.steps.len() > before {
            memory.containers.entry(container.name.clone()).or_default().replaced = Some(container.id.clone());
        }
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
    if let Some(next) = init_containers(view.facts.pod).iter().find(|container| !view.init_done(container, memory)) {
        start(view, memory, sandbox, next, plan);
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
    if view.alive().any(|other| other.name == *name) {
        return false;
    }
    // What has ended in a former sandbox has ended, except that initialization begins anew.
    let is_main = main_containers(view.facts.pod).iter().any(|main| main.name == *name);
    let counts = is_main || view.current(name).is_some();
    if counts && restart::ended_for_good(view, memory, container).is_some() {
        return false;
    }
    let past = view.newest(name).filter(|past| past.state == ContainerState::Exited);
    let now = view.facts.now;
    let known = memory.containers.entry(name.clone()).or_default();
    if known.image != container.image {
        (known.image, known.trouble, known.crash) = (container.image.clone(), None, None);
    }
    let trouble = known.trouble.as_ref().map(|trouble| trouble.attempts.next());
    let crash = past.and_then(|past| restart::not_before(known, past));
    if let Some(next) = trouble.max(crash).filter(|next| *next > now) {
        plan.wake(next);
        if let Some(change) = container_status::wording_changes(memory, name).filter(|change| *change > now) {
            plan.wake(change);
        }
        return false;
    }
    if let Some(past) = past {
        restart::note_restart(known, past, now);
    }
    let attempt = next_attempt(view, memory, name);
    plan.steps.push(Step::Start { container: name.clone(), attempt, sandbox_id: sandbox.id.clone() });
    true
}

/// The restart count continues over sandboxes, and over runtimes that forgot everything.
fn next_attempt(view: &View<'_>, memory: &Memory, name: &str) -> u32 {
    if let Some(newest) = view.newest(name) {
        return newest.attempt + 1;
    }
    let status = memory.reported(name);
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
