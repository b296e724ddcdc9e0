//! Pods that nobody will ever end: their node is gone or declared dead, or they never had one (behaviour reference §14.3).

use crate::node_lifecycle::health::{Readiness, readiness};
use crate::placement::taints;
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Node, Pod, PodCondition},
    apimachinery::pkg::apis::meta::v1::Time,
};

/// An operator's word that a node is dead for good.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// What is known of a pod's node.
#[derive(Debug, Clone, Copy)]
pub enum Home<'a> {
    /// It is there.
    There(&'a Node),
    /// It is not known, which may be because it is too new.
    Unseen,
    /// It was asked for and is not there.
    Gone,
}

/// Why a pod is removed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its node is gone.
    Orphaned,
    /// Its node is out of service and cannot confirm that the pod has ended.
    OutOfService,
    /// It was deleted before it had a node.
    NeverPlaced,
}

/// What keeps a pod from being removed at once, or why it is.
pub fn fate(pod: &Pod, home: Home<'_>) -> Option<Why> {
    let deleted = pod.metadata.deletion_timestamp.is_some();
    let placed = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).is_some_and(|node| !node.is_empty());
    // Nothing but a finalizer keeps it, and that is not ours to take.
    let done = deleted && has_ended(pod) && pod.metadata.deletion_grace_period_seconds == Some(0);
    let dead =
        |node: &Node| readiness(node) != Readiness::Ready && taints::of(node).iter().any(|taint| taint.key == OUT_OF_SERVICE);
    match home {
        _ if done => None,
        _ if !placed => deleted.then_some(Why::NeverPlaced),
        Home::Gone => Some(Why::Orphaned),
        Home::There(node) => (deleted && dead(node)).then_some(Why::OutOfService),
        Home::Unseen => None,
    }
}

/// Whether a pod has come to its end.
pub fn has_ended(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The condition that a pod gets before it is removed, for whoever reads its last state.
pub fn condition(why: Why, now: Timestamp) -> Option<PodCondition> {
    (why == Why::Orphaned).then(|| PodCondition {
        type_: "DisruptionTarget".into(),
        status: "True".into(),
        reason: Some("DeletionByPodGC".into()),
        message: Some("PodGC: node no longer exists".into()),
        last_transition_time: Some(Time(now)),
        ..PodCondition::default()
    })
}

/// Those of the finished pods that are too many: evicted ones first, then the oldest. A threshold of 0 keeps all.
pub fn surplus<P: AsRef<Pod>>(mut ended: Vec<P>, threshold: usize) -> Vec<P> {
    if threshold == 0 || ended.len() <= threshold {
        return Vec::new();
    }
    let kept = |pod: &Pod| {
        let evicted = phase(pod) == "Failed" && pod.status.as_ref().and_then(|s| s.reason.as_deref()) == Some("Evicted");
        let meta = &pod.metadata;
        (!evicted, meta.creation_timestamp.clone(), meta.namespace.clone(), meta.name.clone())
    };
    ended.sort_by_cached_key(|pod| kept(pod.as_ref()));
    ended.truncate(ended.len() - threshold);
    ended
}

#[cfg(test)]
mod tests;
