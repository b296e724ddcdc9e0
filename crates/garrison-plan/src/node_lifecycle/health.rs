//! Whether a node is heard of, and what is said of one that is not.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{Node, NodeCondition, Pod, PodCondition},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

/// The conditions that only the node's own agent can know.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// How long silence is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// With a node that has reported before.
    pub grace: SignedDuration,
    /// With a node that has never reported.
    pub startup: SignedDuration,
}

/// What a node's Ready condition says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It is well.
    Ready,
    /// It says that it is not.
    NotReady,
    /// Nobody knows.
    Unknown,
    /// It has never said anything.
    Unreported,
}

/// What the node's Ready condition says.
pub fn readiness(node: &Node) -> Readiness {
    match condition(node, "Ready").map(|condition| condition.status.as_str()) {
        Some("True") => Readiness::Ready,
        Some("False") => Readiness::NotReady,
        Some(_) => Readiness::Unknown,
        None => Readiness::Unreported,
    }
}

/// A condition of a node.
pub fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

/// When a node was last heard of, by our own clock: a wrong clock of a node does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    heard: Timestamp,
    /// The node's own time of its last status.
    reported: Option<Timestamp>,
    /// The node's own time of its last lease renewal.
    renewed: Option<Timestamp>,
}

impl Heartbeat {
    /// A node seen for the first time. If it has never reported, its time runs from its creation.
    pub fn first(node: &Node, now: Timestamp) -> Self {
        let created = node.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
        let heard = if readiness(node) == Readiness::Unreported { created.min(now) } else { now };
        Self { heard, reported: reported(node), renewed: None }
    }

    /// Takes note of the node as it is now. Writing its conditions for it does not count as hearing of it.
    pub fn see_node(&mut self, node: &Node, now: Timestamp) {
        let reported = reported(node);
        if reported.is_some() && reported != self.reported {
            self.heard = now;
            self.reported = reported;
        }
    }

    /// Takes note of the node's lease.
    pub fn see_lease(&mut self, lease: &Lease, now: Timestamp) {
        let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
        // Also if the node's clock was set back.
        if renewed.is_some() && renewed != self.renewed {
            self.heard = now;
            self.renewed = renewed;
        }
    }

    /// When the node counts as silent unless it is heard of before.
    pub fn due(&self, readiness: Readiness, patience: &Patience) -> Timestamp {
        let grace = if readiness == Readiness::Unreported { patience.startup } else { patience.grace };
        self.heard.saturating_add(grace).unwrap_or(Timestamp::MAX)
    }
}

/// The node's own time of its last status. That it is not known is never its own word.
fn reported(node: &Node) -> Option<Timestamp> {
    let ready = condition(node, "Ready").filter(|ready| ready.status != "Unknown")?;
    ready.last_heartbeat_time.as_ref().map(|time| time.0)
}

/// The conditions of a silent node that do not say yet that nobody knows.
pub fn unknown(node: &Node, now: Timestamp) -> Vec<NodeCondition> {
    let unknown = |kind: &str, heartbeat: Option<Time>, reason: &str, message: &str| NodeCondition {
        type_: kind.into(),
        status: "Unknown".into(),
        reason: Some(reason.into()),
        message: Some(message.into()),
        last_heartbeat_time: heartbeat,
        last_transition_time: Some(Time(now)),
    };
    let change = |kind: &&str| match condition(node, kind) {
        None => {
            let created = node.metadata.creation_timestamp.clone();
            Some(unknown(kind, created, "NodeStatusNeverUpdated", "Kubelet never posted node status."))
        }
        Some(known) if known.status == "Unknown" => None,
        Some(known) => {
            let heartbeat = known.last_heartbeat_time.clone();
            Some(unknown(kind, heartbeat, "NodeStatusUnknown", "Kubelet stopped posting node status."))
        }
    };
    REPORTED.iter().filter_map(change).collect()
}

/// The Ready condition that a pod gets when its node is not Ready, if it claims to be.
pub fn unready(pod: &Pod, now: Timestamp) -> Option<PodCondition> {
    let ready = pod.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")?;
    (ready.status == "True").then(|| PodCondition {
        status: "False".into(),
        last_transition_time: Some(Time(now)),
        ..ready.clone()
    })
}
