//! What the rules look at in a pod of the set. A few facts instead of a whole pod: thousands of them are kept and compared.

use super::template;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use std::{cmp::Ordering, collections::BTreeSet};

/// Label with the hash of the revision that a pod was made from.
pub const HASH_LABEL: &str = "controller-revision-hash";
/// Label with the template generation that a pod was made from; older than revisions and still counted.
pub const GENERATION_LABEL: &str = "pod-template-generation";

/// How far a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Pending, Running or Unknown: it lives or will live.
    Alive,
    /// Ended with success.
    Succeeded,
    /// Ended without success.
    Failed,
}

/// Facts of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonPod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Whether `spec.nodeName` is set.
    pub bound: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// How far it is.
    pub phase: Phase,
    /// Whether it has been asked to end.
    pub terminating: bool,
    /// Whether it is Ready, and since when if that is known.
    pub ready: Option<Option<Timestamp>>,
    /// Revision hash label.
    pub hash: String,
    /// Template generation label.
    pub generation: String,
}

impl DaemonPod {
    /// The facts of a pod. `deleting` are the UIDs of pods whose deletion was asked for but is not seen yet.
    pub fn of(pod: &Pod, deleting: &BTreeSet<String>) -> Self {
        let meta = &pod.metadata;
        let label = |key: &str| meta.labels.as_ref().and_then(|labels| labels.get(key)).cloned().unwrap_or_default();
        let uid = meta.uid.clone().unwrap_or_default();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            terminating: meta.deletion_timestamp.is_some() || deleting.contains(&uid),
            uid,
            bound: template::is_bound(pod),
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            phase: match pod.status.as_ref().and_then(|status| status.phase.as_deref()) {
                Some("Failed") => Phase::Failed,
                Some("Succeeded") => Phase::Succeeded,
                _ => Phase::Alive,
            },
            ready: ready(pod),
            hash: label(HASH_LABEL),
            generation: label(GENERATION_LABEL),
        }
    }

    /// Whether it runs or will run.
    pub fn is_running(&self) -> bool {
        !self.terminating && self.phase == Phase::Alive
    }

    /// Whether it has ended and only waits to be forgotten: it no longer stands in the way of a new one.
    pub fn is_over(&self) -> bool {
        self.terminating && self.phase != Phase::Alive
    }

    /// From when on it counts as available; `None` while it is not Ready.
    pub fn available_from(&self, min_ready: SignedDuration) -> Option<Timestamp> {
        match self.ready? {
            _ if min_ready <= SignedDuration::ZERO => Some(Timestamp::MIN),
            Some(since) => since.checked_add(min_ready).ok(),
            None => None,
        }
    }

    /// Which of several pods on a node comes first: bound before unbound, older before younger, then by name.
    pub fn precedence(&self, other: &Self) -> Ordering {
        let key = |pod: &Self| (!pod.bound, pod.created);
        key(self).cmp(&key(other)).then_with(|| self.name.cmp(&other.name))
    }
}

/// The hash label of a pod.
pub(super) fn hash_of(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(HASH_LABEL).map(String::as_str)
}

fn ready(pod: &Pod) -> Option<Option<Timestamp>> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    (ready.status == "True").then(|| ready.last_transition_time.as_ref().map(|time| time.0))
}
