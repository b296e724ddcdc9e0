//! Whether the node takes a pod at all (behaviour reference §17). A pod refused is never tried again.

use crate::placement::{
    Demand, Obstacle, ports,
    resources::Resources,
    taints::{Effect, MEMORY_PRESSURE, tolerates},
};
use k8s_openapi::api::core::v1::{Node, Pod, Taint};

/// From this priority on a pod is critical: pressure on the node does not keep it away.
const CRITICAL: i32 = 2_000_000_000;

/// Why the node does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// One word, such as `OutOfcpu`.
    pub reason: String,
    /// Why.
    pub message: String,
}

impl Rejection {
    fn predicate(name: &str, why: &str) -> Self {
        Self { reason: name.into(), message: format!("Predicate {name} failed: {why}") }
    }
}

/// Decides whether `node` takes `pod` beside `others`, the pods that it has taken and that have not ended.
///
/// # Errors
/// The first thing that stands in the way.
pub fn admit(pod: &Pod, node: &Node, others: &[&Pod]) -> Result<(), Rejection> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    pressure(pod, node)?;
    // As upstream, by the pod's own label; its selector is a matter of affinity.
    let label = pod.metadata.labels.as_ref().and_then(|labels| labels.get("kubernetes.io/os"));
    if label.is_some_and(|label| label != "linux") {
        return Err(Rejection {
            reason: "PodOSSelectorNodeLabelDoesNotMatch".into(),
            message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label".into(),
        });
    }
    let os = spec.os.as_ref().map_or("linux", |os| os.name.as_str());
    if os != "linux" {
        return Err(Rejection {
            reason: "PodOSNotSupported".into(),
            message: format!("Failed to admit pod as the OS field doesn't match node OS: {os}"),
        });
    }
    resources(spec, node, others)?;
    let demand = Demand::of(spec);
    if demand.wrong_labels(node).is_some() {
        return Err(Rejection::predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));
    }
    if demand.wrong_node(node).is_some() {
        return Err(Rejection::predicate("NodeName", "node(s) didn't match the requested node name"));
    }
    let taken: Vec<ports::HostPort> = others.iter().filter_map(|other| other.spec.as_ref()).flat_map(ports::of).collect();
    if ports::conflict(&ports::of(spec), &taken).is_some() {
        return Err(Rejection::predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports"));
    }
    match demand.wrong_taint(node, &[Effect::NoExecute]) {
        Some(obstacle) => Err(Rejection::predicate("TaintToleration", &format!("node(s) had untolerated taint: {obstacle}"))),
        None => Ok(()),
    }
}

fn resources(spec: &k8s_openapi::api::core::v1::PodSpec, node: &Node, others: &[&Pod]) -> Result<(), Rejection> {
    let mut used = Resources::default();
    for other in others.iter().filter_map(|other| other.spec.as_ref()) {
        used.add(&Resources::requested(other));
    }
    let lacking = Resources::requested(spec).lacking(&used, &Resources::allocatable(node));
    let Some(Obstacle::Resource { name, requested, used, capacity }) = lacking.into_iter().next() else { return Ok(()) };
    Err(Rejection {
        reason: format!("OutOf{name}"),
        message: format!("Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"),
    })
}

/// A node short of memory, disk or process numbers takes no pods that would have to go first.
fn pressure(pod: &Pod, node: &Node) -> Result<(), Rejection> {
    let spec = pod.spec.as_ref();
    let has = |kind: &str| {
        let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
    };
    let pressures: Vec<&str> = ["MemoryPressure", "DiskPressure", "PIDPressure"].into_iter().filter(|kind| has(kind)).collect();
    let critical = spec.and_then(|spec| spec.priority).unwrap_or(0) >= CRITICAL;
    if pressures.is_empty() || critical {
        return Ok(());
    }
    let taint = Taint { key: MEMORY_PRESSURE.into(), effect: Effect::NoSchedule.to_string(), ..Taint::default() };
    let tolerated =
        || spec.and_then(|spec| spec.tolerations.as_ref()).is_some_and(|all| all.iter().any(|t| tolerates(t, &taint)));
    if pressures == ["MemoryPressure"] && (super::qos::class(pod) != "BestEffort" || tolerated()) {
        return Ok(());
    }
    Err(Rejection { reason: "Evicted".into(), message: format!("The node had condition: [{}]. ", pressures.join(" ")) })
}
