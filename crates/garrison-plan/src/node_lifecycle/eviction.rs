//! How long a pod may stay on a node with NoExecute taints (behaviour reference §14.2).

use crate::placement::taints::{Effect, of, tolerates};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{Node, Pod, PodCondition, Toleration},
    apimachinery::pkg::apis::meta::v1::Time,
};

/// How long a pod may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// As long as it likes.
    Forever,
    /// It bears the taints for some time.
    Until(Timestamp),
    /// It has to go at once.
    Never,
}

/// What is remembered of a pod whose time runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Countdown {
    /// When it began. It goes on when one taint follows another, as not-ready and unreachable do.
    pub since: Timestamp,
}

/// How long the pod may stay, and what to remember if that is not forever.
pub fn stay(pod: &Pod, node: &Node, past: Option<Countdown>, now: Timestamp) -> (Stay, Option<Countdown>) {
    let mut taints = of(node).iter().filter(|taint| Effect::of(taint) == Some(Effect::NoExecute)).peekable();
    if taints.peek().is_none() {
        return (Stay::Forever, None);
    }
    let begun = taints.clone().filter_map(|taint| taint.time_added.as_ref()).map(|time| time.0).min();
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    // Of several tolerations of one taint the first counts, even if a later one is more patient.
    let used: Option<Vec<&Toleration>> =
        taints.map(|taint| tolerations.iter().find(|toleration| tolerates(toleration, taint))).collect();
    let Some(used) = used else { return (Stay::Never, None) };
    match used.iter().filter_map(|toleration| toleration.toleration_seconds).min() {
        None => (Stay::Forever, None),
        Some(..=0) => (Stay::Never, None),
        Some(seconds) => {
            let countdown = past.unwrap_or_else(|| Countdown { since: start(pod, begun, now) });
            let end = countdown.since.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
            (if end <= now { Stay::Never } else { Stay::Until(end) }, Some(countdown))
        }
    }
}

/// When a pod began to bear the taints, as far as they say: so a restart of the controller gives nobody more time.
fn start(pod: &Pod, taints_added: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let created = pod.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    taints_added.map_or(now, |added| added.max(created).min(now))
}

/// The condition that tells why the pod goes.
pub fn disruption(now: Timestamp) -> PodCondition {
    PodCondition {
        type_: "DisruptionTarget".into(),
        status: "True".into(),
        reason: Some("DeletionByTaintManager".into()),
        message: Some("Taint manager: deleting due to NoExecute taint".into()),
        last_transition_time: Some(Time(now)),
        ..PodCondition::default()
    }
}
