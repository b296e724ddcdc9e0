//! May this pod be on that node, and if not, why.
//!
//! Four parties ask: the DaemonSet planner (labels, affinity and taints only, behaviour reference §6), the scheduler
//! (§16), the agent when it admits a pod (§17), and whoever explains. They share the questions of this module and its
//! one answer type, [`Obstacle`].

pub mod affinity;
pub mod ports;
pub mod resources;
pub mod taints;

#[cfg(test)]
mod tests;

use affinity::{Affinity, Unmet};
use k8s_openapi::api::core::v1::{Node, PodSpec, Taint, Toleration};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};
use taints::{Effect, untolerated};

/// Why a pod may not be on a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Obstacle {
    /// The pod names another node.
    OtherNode {
        /// The node it names.
        wanted: String,
    },
    /// A label does not have the value that the pod's `nodeSelector` wants.
    Selector {
        /// Label key.
        key: String,
        /// Value wanted.
        wanted: String,
        /// Value of the node, if it has the label.
        found: Option<String>,
    },
    /// The required node affinity is not met.
    Affinity {
        /// What kept each term from matching; empty when there is no term that could match anything.
        unmet: Vec<Unmet>,
    },
    /// The node has a taint that the pod does not tolerate.
    Taint {
        /// Taint key.
        key: String,
        /// Taint value.
        value: String,
        /// What it does.
        effect: Effect,
    },
    /// The node is cordoned.
    Unschedulable,
    /// The node has too little of a resource left.
    Resource {
        /// Name of the resource.
        name: String,
        /// In thousandths for `cpu`, whole units for all others.
        requested: i64,
        /// Requested by the pods that are there.
        used: i64,
        /// What the node offers.
        capacity: i64,
    },
    /// A port of the node is taken.
    HostPort {
        /// The port.
        port: i32,
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
    },
}

impl Obstacle {
    fn taint(taint: &Taint) -> Self {
        Self::Taint {
            key: taint.key.clone(),
            value: taint.value.clone().unwrap_or_default(),
            effect: Effect::of(taint).unwrap_or(Effect::NoSchedule),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNode { wanted } => write!(f, "the pod is for node {wanted}"),
            Self::Selector { key, wanted, found: Some(found) } => write!(f, "label {key} is {found}, not {wanted}"),
            Self::Selector { key, wanted, found: None } => write!(f, "label {key} is missing, wanted {wanted}"),
            Self::Affinity { unmet } if unmet.is_empty() => f.write_str("the node affinity has no term that can match"),
            Self::Affinity { unmet } => {
                let unmet: Vec<String> = unmet.iter().map(ToString::to_string).collect();
                write!(f, "node affinity not met: {}", unmet.join("; "))
            }
            Self::Taint { key, value, effect } if value.is_empty() => write!(f, "taint {key}:{effect} is not tolerated"),
            Self::Taint { key, value, effect } => write!(f, "taint {key}={value}:{effect} is not tolerated"),
            Self::Unschedulable => f.write_str("the node is cordoned"),
            Self::Resource { name, requested, used, capacity } => {
                write!(f, "too little {name}: requested {requested}, used {used}, capacity {capacity}")
            }
            Self::HostPort { port, protocol } => write!(f, "host port {port}/{protocol} is taken"),
        }
    }
}

/// Whether a node should run a daemon, and whether one that is there may stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Eligibility {
    /// It should run one.
    Run,
    /// None is to be started; one that runs may stay.
    Keep(Obstacle),
    /// None may be there.
    Refuse(Obstacle),
}

impl Eligibility {
    /// Whether the node should run one.
    pub fn should_run(&self) -> bool {
        matches!(self, Self::Run)
    }

    /// Whether one that is there may stay.
    pub fn may_continue(&self) -> bool {
        !matches!(self, Self::Refuse(_))
    }

    /// What stands in the way.
    pub fn obstacle(&self) -> Option<&Obstacle> {
        match self {
            Self::Run => None,
            Self::Keep(obstacle) | Self::Refuse(obstacle) => Some(obstacle),
        }
    }
}

/// What a pod asks of its node by name, labels, affinity and tolerations: read once, compared with many nodes.
#[derive(Debug, Clone, Default)]
pub struct Demand {
    node_name: Option<String>,
    node_selector: BTreeMap<String, String>,
    affinity: Option<Affinity>,
    tolerations: Vec<Toleration>,
}

impl Demand {
    /// The demand of a pod.
    pub fn of(spec: &PodSpec) -> Self {
        Self::with_tolerations(spec, spec.tolerations.clone().unwrap_or_default())
    }

    /// The demand of a pod that will have these tolerations instead of its own.
    pub fn with_tolerations(spec: &PodSpec, tolerations: Vec<Toleration>) -> Self {
        Self {
            node_name: spec.node_name.clone().filter(|name| !name.is_empty()),
            node_selector: spec.node_selector.clone().unwrap_or_default(),
            affinity: Affinity::required(spec),
            tolerations,
        }
    }

    /// The node that the pod is bound to.
    pub fn node_name(&self) -> Option<&str> {
        self.node_name.as_deref()
    }

    /// The required node affinity.
    pub fn affinity(&self) -> Option<&Affinity> {
        self.affinity.as_ref()
    }

    /// The tolerations.
    pub fn tolerations(&self) -> &[Toleration] {
        &self.tolerations
    }

    /// Whether a daemon with this demand belongs on the node (behaviour reference §6).
    ///
    /// Resources, ports, conditions and cordoning play no part, on purpose: a daemon belongs to its node.
    pub fn eligibility(&self, node: &Node) -> Eligibility {
        if let Some(obstacle) = self.wrong_node(node).or_else(|| self.wrong_labels(node)) {
            return Eligibility::Refuse(obstacle);
        }
        let taints = taints::of(node);
        if let Some(taint) = untolerated(taints, &self.tolerations, &[Effect::NoExecute]) {
            return Eligibility::Refuse(Obstacle::taint(taint));
        }
        match untolerated(taints, &self.tolerations, &[Effect::NoSchedule]) {
            Some(taint) => Eligibility::Keep(Obstacle::taint(taint)),
            None => Eligibility::Run,
        }
    }

    /// Whether the pod names another node.
    pub fn wrong_node(&self, node: &Node) -> Option<Obstacle> {
        let wanted = self.node_name.as_ref()?;
        (Some(wanted) != node.metadata.name.as_ref()).then(|| Obstacle::OtherNode { wanted: wanted.clone() })
    }

    /// Whether the node fails the pod's `nodeSelector` or required node affinity.
    pub fn wrong_labels(&self, node: &Node) -> Option<Obstacle> {
        self.wrong_selector(node).or_else(|| self.affinity.as_ref()?.mismatch(node))
    }

    /// The first taint of one of these effects that the pod does not tolerate.
    pub fn wrong_taint(&self, node: &Node, effects: &[Effect]) -> Option<Obstacle> {
        untolerated(taints::of(node), &self.tolerations, effects).map(Obstacle::taint)
    }

    /// Whether the node is cordoned and the pod does not tolerate that.
    pub fn cordoned(&self, node: &Node) -> Option<Obstacle> {
        let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
        let taint = Taint { key: taints::UNSCHEDULABLE.into(), effect: Effect::NoSchedule.to_string(), ..Taint::default() };
        let tolerated = || self.tolerations.iter().any(|toleration| taints::tolerates(toleration, &taint));
        (cordoned && !tolerated()).then_some(Obstacle::Unschedulable)
    }

    fn wrong_selector(&self, node: &Node) -> Option<Obstacle> {
        let found = |key: &str| node.metadata.labels.as_ref().and_then(|labels| labels.get(key));
        let (key, wanted) = self.node_selector.iter().find(|(key, wanted)| found(key) != Some(*wanted))?;
        Some(Obstacle::Selector { key: key.clone(), wanted: wanted.clone(), found: found(key).cloned() })
    }
}
