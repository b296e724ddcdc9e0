//! How long a pod may stay on a node with NoExecute taints (behaviour reference §14.2).

use crate::placement::taints::{Effect, of, tolerates};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{Node, Pod, PodCondition, Taint},
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
    /// When its time is over. A taint that follows another, as not-ready and unreachable do, gives it no more time.
    pub until: Timestamp,
}

/// How long the pod may stay, and what to remember if that is not forever.
pub fn stay(pod: &Pod, node: &Node, past: Option<Countdown>, now: Timestamp) -> (Stay, Option<Countdown>) {
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let mut end: Option<Timestamp> = None;
    for taint in of(node).iter().filter(|taint| Effect::of(taint) == Some(Effect::NoExecute)) {
        // Of several tolerations of one taint the first counts, even if a later one is more patient.
        let Some(used) = tolerations.iter().find(|toleration| tolerates(toleration, taint)) else { return (Stay::Never, None) };
        match used.toleration_seconds {
            None => {}
            Some(..=0) => return (Stay::Never, None),
            Some(seconds) => {
                let patience = SignedDuration::from_secs(seconds);
                let until = start(pod, taint, now).saturating_add(patience).unwrap_or(Timestamp::MAX);
                end = Some(end.map_or(until, |end| end.min(until)));
            }
        }
    }
    let Some(end) = end else { return (Stay::Forever, None) };
    let until = past.map_or(end, |past| past.until.min(end));
    (if until <= now { Stay::Never } else { Stay::Until(until) }, Some(Countdown { until }))
}

/// When a pod began to bear a taint, as far as that says: so a restart of the controller gives nobody more time.
fn start(pod: &Pod, taint: &Taint, now: Timestamp) -> Timestamp {
    let created = pod.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    taint.time_added.as_ref().map_or(now, |added| added.0.max(created).min(now))
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
