//! The pod's status as a whole.

use super::{
    Memory, Note, Work, condition,
    container_status::{Reporter, Role},
    init_containers, is_sidecar, main_containers, qos, start, terminate,
    view::View,
};
use k8s_openapi::{
    api::core::v1::{ContainerStatus, HostIP, PodIP, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

/// Whether a pod of this phase runs no more, ever.
pub fn is_terminal(phase: Option<&str>) -> bool {
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// The status that says that the pod has ended, once one does: ours, or what somebody wrote.
pub(super) fn ended<'a>(view: &View<'a>, memory: &'a Memory) -> Option<&'a PodStatus> {
    let known = [Some(&memory.status), view.facts.pod.status.as_ref()];
    known.into_iter().flatten().find(|status| is_terminal(status.phase.as_deref()))
}

/// The status to report now.
pub(super) fn status(view: &View<'_>, memory: &Memory) -> PodStatus {
    let pod = view.facts.pod;
    let over = terminate::is_over(view, memory);
    let initialized = view.initialized(memory);
    let init = init_containers(pod);
    let reporter = |waiting_for| Reporter { view, memory, over, waiting_for };
    let of_init = reporter("PodInitializing");
    let of_main = reporter(if init.is_empty() || initialized { "ContainerCreating" } else { "PodInitializing" });
    let role = |container| if is_sidecar(container) { Role::Sidecar } else { Role::Init };
    let ended = ended(view, memory);
    // Of a pod that never got as far as to wait for its containers there is nothing to tell.
    let unborn = ended.is_some_and(|ended| ended.container_statuses.is_none()) && view.facts.containers.is_empty();
    let (inits, mains): (Vec<_>, Vec<_>) = if memory.rejection.is_some() || unborn {
        (Vec::new(), Vec::new())
    } else {
        (
            init.iter().map(|container| of_init.report(container, role(container))).collect(),
            main_containers(pod).iter().map(|container| of_main.report(container, Role::Main)).collect(),
        )
    };
    let gone = over && nothing_left(view, memory);
    let phase = match ended.and_then(|ended| ended.phase.as_deref()) {
        Some(phase) => phase,
        None if gone => terminal_phase(view, memory, &mains),
        None => living_phase(&mains),
    };
    let mut status = PodStatus {
        phase: Some(phase.into()),
        qos_class: Some(qos::class(pod).into()),
        start_time: memory.status.start_time.clone().or(Some(Time(view.facts.now))),
        observed_generation: pod.metadata.generation,
        ..PodStatus::default()
    };
    set_reason(view, memory, gone, &mut status);
    set_addresses(view, memory, &mut status);
    status.conditions = Some(condition::all(view, memory, initialized, &status, (&inits, &mains)));
    status.init_container_statuses = Some(inits).filter(|list| !list.is_empty());
    status.container_statuses = Some(mains).filter(|list| !list.is_empty());
    status
}

/// Whether nothing runs and nothing is about to.
fn nothing_left(view: &View<'_>, memory: &Memory) -> bool {
    let starting = memory.in_flight.keys().any(|work| matches!(work, Work::Start { .. } | Work::Sandbox));
    !starting && view.alive().next().is_none()
}

fn terminal_phase(view: &View<'_>, memory: &Memory, mains: &[ContainerStatus]) -> &'static str {
    let succeeded = |status: &ContainerStatus| {
        status.state.as_ref().and_then(|state| state.terminated.as_ref()).is_some_and(|ended| ended.exit_code == 0)
    };
    let refused = memory.rejection.is_some() || terminate::overdue(view, memory);
    if !refused && !mains.is_empty() && mains.iter().all(succeeded) { "Succeeded" } else { "Failed" }
}

/// A pod is Running from the moment all its main containers have been started once.
fn living_phase(mains: &[ContainerStatus]) -> &'static str {
    let started = |status: &ContainerStatus| {
        let has = |state: Option<&k8s_openapi::api::core::v1::ContainerState>| {
            state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        };
        has(status.state.as_ref()) || has(status.last_state.as_ref())
    };
    if !mains.is_empty() && mains.iter().all(started) { "Running" } else { "Pending" }
}

fn set_reason(view: &View<'_>, memory: &Memory, gone: bool, status: &mut PodStatus) {
    let (reason, message) = match (&memory.rejection, ended(view, memory)) {
        (Some(rejection), _) => (Some(rejection.reason.clone()), Some(format!("Pod was rejected: {}", rejection.message))),
        (None, Some(ended)) => (ended.reason.clone(), ended.message.clone()),
        (None, None) if gone && terminate::overdue(view, memory) => {
            (Some("DeadlineExceeded".into()), Some("Pod was active on the node longer than the specified deadline".into()))
        }
        (None, None) => (None, None),
    };
    (status.reason, status.message) = (reason, message);
}

fn set_addresses(view: &View<'_>, memory: &Memory, status: &mut PodStatus) {
    let hosts = &view.facts.node.ips;
    status.host_ip = hosts.first().cloned();
    status.host_ips = Some(hosts.iter().map(|ip| HostIP { ip: ip.clone() }).collect());
    let ips = pod_ips(view, memory);
    status.pod_ip = ips.first().cloned();
    status.pod_ips = Some(ips.into_iter().map(|ip| PodIP { ip }).collect()).filter(|ips: &Vec<PodIP>| !ips.is_empty());
}

/// The pod's addresses. A pod that ends keeps showing the one it had.
pub(super) fn pod_ips(view: &View<'_>, memory: &Memory) -> Vec<String> {
    let alive = view.sandbox();
    if view.host_network() && alive.is_some() {
        return view.facts.node.ips.clone();
    }
    let known = || memory.status.pod_ips.iter().flatten().map(|pod_ip| pod_ip.ip.clone()).collect();
    match alive {
        Some(sandbox) if !sandbox.ips.is_empty() => sandbox.ips.clone(),
        _ if terminate::is_over(view, memory) => known(),
        _ => Vec::new(),
    }
}

/// What the change from one status to the next should tell the user.
pub(super) fn notes(before: &PodStatus, after: &PodStatus, view: &View<'_>, memory: &Memory) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(rejection) = memory.rejection.as_ref().filter(|_| before.reason.as_ref() != after.reason.as_ref()) {
        notes.push(warning(&rejection.reason, &rejection.message, None));
    }
    let waits = |status: &PodStatus| status.conditions.iter().flatten().any(|c| c.reason.as_deref() == Some("NetworkNotReady"));
    if let Some(reason) = view.facts.node.network.as_ref().err().filter(|_| waits(after) && !waits(before)) {
        notes.push(start::network_note(reason));
    }
    let all = |status: &'_ PodStatus| -> Vec<ContainerStatus> {
        status.init_container_statuses.iter().chain(&status.container_statuses).flatten().cloned().collect()
    };
    let old = all(before);
    for status in all(after) {
        let reason = waiting_reason(&status);
        let same = old.iter().any(|old| old.name == status.name && waiting_reason(old) == reason);
        let message = match reason {
            Some("CrashLoopBackOff") => {
                format!("Back-off restarting failed container {} in pod {}", status.name, view.long_name())
            }
            Some("ImagePullBackOff") => format!("Back-off pulling image \"{}\"", status.image),
            _ => continue,
        };
        if !same {
            notes.push(warning("BackOff", &message, Some(status.name.clone())));
        }
    }
    notes
}

fn waiting_reason(status: &ContainerStatus) -> Option<&str> {
    status.state.as_ref()?.waiting.as_ref()?.reason.as_deref()
}

fn warning(reason: &str, message: &str, container: Option<String>) -> Note {
    Note { warning: true, reason: reason.into(), message: message.into(), container }
}
