//! What is to happen to a node that is silent, unwell or cordoned (behaviour reference §13, §14).
//!
//! [`health`] tells silence from life, [`disruption`] how fast nodes may be emptied, [`taints`] what follows for the node
//! and [`eviction`] what follows for its pods. [`address_range`] hands out the pods' addresses.

pub mod address_range;
pub mod disruption;
pub mod eviction;
pub mod health;
pub mod taints;

#[cfg(test)]
mod tests;

use disruption::Permission;
use health::{Heartbeat, Patience, Readiness};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Taint};

/// Everything one decision about a node may look at.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The node.
    pub node: &'a Node,
    /// When it was last heard of.
    pub heartbeat: &'a Heartbeat,
    /// Whether its pods may be driven off.
    pub permission: Permission,
    /// Whether it was seen to turn from Ready to not Ready and its pods have not been told yet.
    pub turned_unready: bool,
    /// How long silence is borne.
    pub patience: &'a Patience,
    /// Now.
    pub now: Timestamp,
}

/// What should happen to a node now.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Conditions to write, by type; all others stay.
    pub conditions: Vec<NodeCondition>,
    /// Taints to write in place of all it has, if they differ.
    pub taints: Option<Vec<Taint>>,
    /// Whether its pods are to be marked not Ready.
    pub unready_pods: bool,
    /// When to look again if nothing happens.
    pub wake_at: Option<Timestamp>,
}

/// Decides about one node.
///
/// A node that falls silent first gets its conditions. All that follows from them is planned when they are seen, so that
/// one rule leads from conditions to taints, whoever wrote the conditions.
pub fn plan(observed: &Observed<'_>) -> Plan {
    let Observed { node, heartbeat, permission, patience, now, .. } = *observed;
    let readiness = health::readiness(node);
    let heard_until = heartbeat.due(readiness, patience);
    let silent = heard_until <= now;
    let conditions = if silent { health::unknown(node, now) } else { Vec::new() };
    let later = match permission {
        Permission::Wait(later) => later,
        _ => None,
    };
    Plan {
        taints: if conditions.is_empty() { taints::reconciled(node, permission, now) } else { None },
        conditions,
        // A silent agent contradicts nobody. One that says that its node is not Ready reports its pods itself, so it is
        // corrected once, when it says so first, and not fought with.
        unready_pods: observed.turned_unready || silent && readiness == Readiness::Unknown,
        wake_at: [Some(heard_until).filter(|_| !silent), later].into_iter().flatten().min(),
    }
}
