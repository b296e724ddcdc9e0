//! Which node an unbound pod gets (behaviour reference §16).
//!
//! A [`Fleet`] knows the nodes and what is taken of them; it is kept up to date change by change, so placing a pod costs
//! the nodes that come into question, not the pods there are. A daemon's pod names its node, and so costs one.
//!
//! Not weighed yet: preemption, volumes, affinity between pods, topology spread, preferred node affinity.

mod fleet;
#[cfg(test)]
mod tests;

pub use fleet::Fleet;

use crate::placement::{
    Demand, Obstacle,
    ports::{self, HostPort},
    resources::Resources,
};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use std::collections::BTreeMap;

/// The scheduler that pods get which name none.
pub const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// Whether a pod waits for this scheduler to give it a node.
pub fn is_waiting(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let ended = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .is_some_and(|phase| matches!(phase, "Succeeded" | "Failed"));
    spec.node_name.as_deref().is_none_or(str::is_empty)
        && spec.scheduler_name.as_deref().is_none_or(|name| name.is_empty() || name == DEFAULT_SCHEDULER)
        && spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
        && pod.metadata.deletion_timestamp.is_none()
        && !ended
}

/// What a pod asks of a node, read once.
#[derive(Debug, Clone, Default)]
pub struct Request {
    demand: Demand,
    resources: Resources,
    ports: Vec<HostPort>,
}

impl Request {
    /// The request of a pod.
    pub fn of(spec: &PodSpec) -> Self {
        Self { demand: Demand::of(spec), resources: Resources::requested(spec), ports: ports::of(spec) }
    }

    /// Whether the pod can be helped by a change of this node at all.
    pub fn considers(&self, node: &str) -> bool {
        self.demand.affinity().and_then(|affinity| affinity.names()).is_none_or(|names| names.contains(node))
    }
}

/// Why no node takes a pod: each reason with the number of nodes that have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    nodes: usize,
    reasons: BTreeMap<String, usize>,
}

impl Refusal {
    fn add(&mut self, obstacles: &[Obstacle]) {
        for obstacle in obstacles {
            self.count(wording(obstacle), 1);
        }
    }

    fn count(&mut self, reason: String, nodes: usize) {
        if nodes > 0 {
            *self.reasons.entry(reason).or_insert(0) += nodes;
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        let mut reasons: Vec<String> = self.reasons.iter().map(|(reason, nodes)| format!("{nodes} {reason}")).collect();
        reasons.sort();
        write!(f, "0/{} nodes are available: {}.", self.nodes, reasons.join(", "))
    }
}

/// The scheduler's own words, which users of `kubectl describe` know.
fn wording(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::OtherNode { .. } => "node(s) didn't match the requested node name".to_owned(),
        Obstacle::Selector { .. } | Obstacle::Affinity { .. } => "node(s) didn't match Pod's node affinity/selector".to_owned(),
        Obstacle::Taint { key, value, .. } => format!("node(s) had untolerated taint {{{key}: {value}}}"),
        Obstacle::Unschedulable => "node(s) were unschedulable".to_owned(),
        Obstacle::Resource { name, .. } if name == "pods" => "Too many pods".to_owned(),
        Obstacle::Resource { name, .. } => format!("Insufficient {name}"),
        Obstacle::HostPort { .. } => "node(s) didn't have free ports for the requested pod ports".to_owned(),
    }
}

/// What nodes are called that a pod's affinity does not even name.
const NOT_NAMED: &str = "node(s) didn't satisfy plugin(s) [NodeAffinity]";
