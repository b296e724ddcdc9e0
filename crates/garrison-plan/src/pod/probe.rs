//! Probes: when one is due, and what a row of results means.

use super::{Container, ContainerMemory, ContainerState, Memory, Plan, Step, Work, init_containers, main_containers, view::View};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1 as core;

/// The three probes of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "Kubernetes' own names")]
pub enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

impl ProbeKind {
    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// What one attempt showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// It answered well.
    Success,
    /// It did not, and why.
    Failure(String),
    /// The attempt itself failed: nothing is learnt.
    Unknown,
}

/// The recent results of one probe of one container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// What the results amount to; `None` before the first threshold is reached.
    pub(super) verdict: Option<bool>,
    /// Last failure.
    pub(super) message: String,
    last: Option<Timestamp>,
    alike: i32,
    last_succeeded: bool,
}

impl Tally {
    fn passed() -> Self {
        Self { verdict: Some(true), ..Self::default() }
    }

    pub(super) fn record(&mut self, probe: &core::Probe, result: &ProbeResult, now: Timestamp) {
        self.last = Some(now);
        let succeeded = match result {
            ProbeResult::Success => true,
            ProbeResult::Failure(message) => {
                self.message.clone_from(message);
                false
            }
            ProbeResult::Unknown => return,
        };
        self.alike = if self.last_succeeded == succeeded { self.alike + 1 } else { 1 };
        self.last_succeeded = succeeded;
        let threshold = if succeeded { probe.success_threshold.unwrap_or(1) } else { probe.failure_threshold.unwrap_or(3) };
        if self.alike >= threshold {
            self.verdict = Some(succeeded);
        }
    }
}

/// The probe of a kind that a container has.
pub fn of(container: &core::Container, kind: ProbeKind) -> Option<&core::Probe> {
    match kind {
        ProbeKind::Startup => container.startup_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
    }
}

/// Asks for the probes whose time has come.
pub(super) fn due(view: &View<'_>, memory: &Memory, plan: &mut Plan) {
    let over = super::terminate::is_over(view, memory);
    let pod = view.facts.pod;
    for spec in main_containers(pod).iter().chain(init_containers(pod)) {
        let Some(container) = view.current(&spec.name).filter(|container| container.state == ContainerState::Running) else {
            continue;
        };
        let started = memory.is_started(spec, container);
        for kind in [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness] {
            // While a pod ends only its readiness is of interest; a restart would be pointless.
            let wanted = if kind == ProbeKind::Startup { !started && !over } else { started };
            let wanted = wanted && (!over || kind == ProbeKind::Readiness);
            let failed = kind != ProbeKind::Readiness && memory.verdict(&spec.name, container, kind) == Some(false);
            if let Some(probe) = of(spec, kind).filter(|_| wanted && !failed) {
                ask(view, memory, spec, container, (kind, probe), plan);
            }
        }
    }
}

fn ask(
    view: &View<'_>,
    memory: &Memory,
    spec: &core::Container,
    container: &Container,
    (kind, probe): (ProbeKind, &core::Probe),
    plan: &mut Plan,
) {
    if memory.busy(&Work::Probe { container: spec.name.clone(), kind }) {
        return;
    }
    let seconds = |seconds: Option<i32>, otherwise| SignedDuration::from_secs(seconds.unwrap_or(otherwise).into());
    let known = memory.containers.get(&spec.name).filter(|known| known.probed_id == container.id);
    let last = known.and_then(|known| known.probes.get(&kind)?.last);
    let next = match last {
        Some(last) => last.saturating_add(seconds(probe.period_seconds, 10)),
        None => container.started_at.unwrap_or(container.created_at).saturating_add(seconds(probe.initial_delay_seconds, 0)),
    }
    .unwrap_or(Timestamp::MAX);
    if next > view.facts.now {
        return plan.wake(next);
    }
    let pod_ip = super::phase::pod_ips(view, memory).into_iter().next();
    plan.steps.push(Step::Probe { container: spec.name.clone(), id: container.id.clone(), kind, pod_ip });
}

impl Memory {
    /// Forgets what probes said of containers that have been replaced.
    ///
    /// What the API already believes of a running container holds until probes say otherwise, so that a restart of the
    /// agent makes no daemon unready.
    pub(super) fn forget_old_probes(&mut self, view: &View<'_>) {
        let pod = view.facts.pod;
        for spec in main_containers(pod).iter().chain(init_containers(pod)) {
            let Some(current) = view.current(&spec.name) else { continue };
            if self.containers.get(&spec.name).is_some_and(|known| known.probed_id == current.id) {
                continue;
            }
            let believed = self.believed(&spec.name, &current.id);
            let known = self.containers.entry(spec.name.clone()).or_default();
            known.probed_id.clone_from(&current.id);
            known.probes.clear();
            if let Some((started, ready)) = believed {
                restore(known, started, ready);
            }
        }
    }

    /// Whether the status says of this very container that it is started and ready.
    fn believed(&self, name: &str, id: &str) -> Option<(bool, bool)> {
        let status = self.reported(name)?;
        let same = status.container_id.as_deref()?.rsplit_once("://")?.1 == id;
        same.then_some((status.started.unwrap_or(false), status.ready))
    }

    fn verdict(&self, name: &str, container: &Container, kind: ProbeKind) -> Option<bool> {
        let known = self.containers.get(name).filter(|known| known.probed_id == container.id)?;
        known.probes.get(&kind)?.verdict
    }

    /// Whether a running container has got through its startup probe.
    pub(super) fn is_started(&self, spec: &core::Container, container: &Container) -> bool {
        let starting = self.busy(&Work::Start { container: spec.name.clone() });
        container.state == ContainerState::Running
            && !starting
            && (spec.startup_probe.is_none() || self.verdict(&spec.name, container, ProbeKind::Startup) == Some(true))
    }

    /// Whether a container may be sent work.
    pub(super) fn is_ready(&self, spec: &core::Container, container: &Container) -> bool {
        self.is_started(spec, container)
            && (spec.readiness_probe.is_none() || self.verdict(&spec.name, container, ProbeKind::Readiness) == Some(true))
    }
}

fn restore(known: &mut ContainerMemory, started: bool, ready: bool) {
    if started {
        known.probes.insert(ProbeKind::Startup, Tally::passed());
    }
    if ready {
        known.probes.insert(ProbeKind::Readiness, Tally::passed());
    }
}
