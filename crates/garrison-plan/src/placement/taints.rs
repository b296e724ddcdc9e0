//! Taints and tolerations.

use k8s_openapi::api::core::v1::{Node, Taint, Toleration};
use serde::Serialize;
use std::fmt;

/// Set by the node lifecycle while the Ready condition is False.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Set by the node lifecycle while nothing is heard of the node.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The node runs short of disk.
pub const DISK_PRESSURE: &str = "node.kubernetes.io/disk-pressure";
/// The node runs short of memory.
pub const MEMORY_PRESSURE: &str = "node.kubernetes.io/memory-pressure";
/// The node runs short of process numbers.
pub const PID_PRESSURE: &str = "node.kubernetes.io/pid-pressure";
/// The node is cordoned.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// The node's pod network is not set up.
pub const NETWORK_UNAVAILABLE: &str = "node.kubernetes.io/network-unavailable";

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Effect {
    /// They are not started there.
    NoSchedule,
    /// They are started there only if nowhere else fits.
    PreferNoSchedule,
    /// They are not started there, and those that run are evicted.
    NoExecute,
}

impl Effect {
    /// The effect of a taint, if it is a known one.
    pub fn of(taint: &Taint) -> Option<Self> {
        match taint.effect.as_str() {
            "NoSchedule" => Some(Self::NoSchedule),
            "PreferNoSchedule" => Some(Self::PreferNoSchedule),
            "NoExecute" => Some(Self::NoExecute),
            _ => None,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        })
    }
}

/// The taints of a node.
pub fn of(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
}

/// The first taint with one of `effects` that none of the tolerations tolerates.
pub fn untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration], effects: &[Effect]) -> Option<&'a Taint> {
    taints
        .iter()
        .filter(|taint| Effect::of(taint).is_some_and(|effect| effects.contains(&effect)))
        .find(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

/// Whether a toleration tolerates a taint. The operators `Lt` and `Gt` never do: they are off by default upstream.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let key = given(&toleration.key);
    if given(&toleration.effect).is_some_and(|effect| effect != taint.effect) || key.as_ref().is_some_and(|key| *key != taint.key)
    {
        return false;
    }
    match given(&toleration.operator).as_deref() {
        Some("Exists") => true,
        None | Some("Equal") => {
            key.is_some() && toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
        }
        Some(_) => false,
    }
}
