//! The pod's conditions.

use super::{Memory, init_containers, is_sidecar, start::network_message, view::View};
use k8s_openapi::{
    api::core::v1::{ContainerStatus, PodCondition, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

/// The types of condition that the node's agent owns; all others belong to someone else.
pub(super) const OWN: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

struct Verdict {
    holds: bool,
    reason: Option<String>,
    message: Option<String>,
}

impl Verdict {
    fn yes() -> Self {
        Self { holds: true, reason: None, message: None }
    }

    fn no(reason: &str, message: impl Into<Option<String>>) -> Self {
        Self { holds: false, reason: Some(reason.into()), message: message.into() }
    }
}

/// All conditions: those of [`OWN`] as decided now, all others as they stand in the API.
pub(super) fn all(
    view: &View<'_>,
    memory: &Memory,
    initialized: bool,
    status: &PodStatus,
    (inits, mains): (&[ContainerStatus], &[ContainerStatus]),
) -> Vec<PodCondition> {
    let containers_ready = containers_ready(view, status.phase.as_deref(), inits, mains);
    let in_api = view.facts.pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = ready(view, &containers_ready, in_api);
    let verdicts = [
        ("PodReadyToStartContainers", sandbox_ready(view)),
        ("Initialized", initialization(view, initialized, status.phase.as_deref(), inits)),
        ("Ready", ready),
        ("ContainersReady", containers_ready),
        ("PodScheduled", Verdict::yes()),
    ];
    let own = verdicts.into_iter().map(|(kind, verdict)| {
        let known = memory.status.conditions.iter().flatten().find(|known| known.type_ == kind);
        dated(view, kind, verdict, known)
    });
    own.chain(in_api.iter().filter(|theirs| !OWN.contains(&theirs.type_.as_str())).cloned()).collect()
}

fn dated(view: &View<'_>, kind: &str, verdict: Verdict, known: Option<&PodCondition>) -> PodCondition {
    let status = if verdict.holds { "True" } else { "False" };
    let since = known.filter(|known| known.status == status).and_then(|known| known.last_transition_time.clone());
    PodCondition {
        type_: kind.into(),
        status: status.into(),
        reason: verdict.reason,
        message: verdict.message,
        last_transition_time: since.or(Some(Time(view.facts.now))),
        observed_generation: view.facts.pod.metadata.generation,
        ..PodCondition::default()
    }
}

fn sandbox_ready(view: &View<'_>) -> Verdict {
    match (view.sandbox(), &view.facts.node.network) {
        (Some(sandbox), _) if view.host_network() || !sandbox.ips.is_empty() => Verdict::yes(),
        (None, Err(reason)) if !view.host_network() => Verdict::no("NetworkNotReady", network_message(reason)),
        _ => Verdict { holds: false, reason: None, message: None },
    }
}

fn initialization(view: &View<'_>, initialized: bool, phase: Option<&str>, inits: &[ContainerStatus]) -> Verdict {
    if phase == Some("Succeeded") {
        return Verdict { reason: Some("PodCompleted".into()), ..Verdict::yes() };
    }
    if initialized || inits.is_empty() {
        return Verdict::yes();
    }
    let incomplete = |status: &&ContainerStatus| {
        let spec = init_containers(view.facts.pod).iter().find(|container| container.name == status.name);
        let done = if spec.is_some_and(is_sidecar) { status.started.unwrap_or(false) } else { status.ready };
        !done
    };
    let names: Vec<&str> = inits.iter().filter(incomplete).map(|status| status.name.as_str()).collect();
    if names.is_empty() {
        return Verdict::yes();
    }
    Verdict::no("ContainersNotInitialized", format!("containers with incomplete status: [{}]", names.join(" ")))
}

fn containers_ready(view: &View<'_>, phase: Option<&str>, inits: &[ContainerStatus], mains: &[ContainerStatus]) -> Verdict {
    match phase {
        Some("Succeeded") => return Verdict::no("PodCompleted", None),
        Some("Failed") => return Verdict::no("PodFailed", None),
        _ => {}
    }
    let sidecar = |name: &str| init_containers(view.facts.pod).iter().any(|c| c.name == name && is_sidecar(c));
    let counted = inits.iter().filter(|status| sidecar(&status.name)).chain(mains);
    let unready: Vec<&str> = counted.filter(|status| !status.ready).map(|status| status.name.as_str()).collect();
    if unready.is_empty() {
        return Verdict::yes();
    }
    Verdict::no("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")))
}

fn ready(view: &View<'_>, containers: &Verdict, in_api: &[PodCondition]) -> Verdict {
    if !containers.holds {
        return Verdict { holds: false, reason: containers.reason.clone(), message: containers.message.clone() };
    }
    let gates = view.facts.pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_deref()).unwrap_or_default();
    let unmet: Vec<String> = gates
        .iter()
        .filter_map(|gate| {
            let kind = &gate.condition_type;
            match in_api.iter().find(|condition| condition.type_ == *kind) {
                None => Some(format!("corresponding condition of pod readiness gate \"{kind}\" does not exist.")),
                Some(condition) if condition.status == "True" => None,
                Some(condition) => {
                    Some(format!("the status of pod readiness gate \"{kind}\" is not \"True\", but {}", condition.status))
                }
            }
        })
        .collect();
    if unmet.is_empty() { Verdict::yes() } else { Verdict::no("ReadinessGatesNotReady", unmet.join(", ")) }
}
