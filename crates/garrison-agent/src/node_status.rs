//! What the Node object says of this machine. [`machine`] reads, [`of`] decides, [`crate::register`] writes.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{DaemonEndpoint, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus, NodeSystemInfo},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Time},
};
use machine::Machine;
use std::collections::BTreeMap;

pub mod machine;

/// Kept back from pods, so that the machine itself does not starve; also where MemoryPressure begins.
const MEMORY_RESERVE: u64 = 100 << 20;
/// DiskPressure: less than a tenth free, and in bytes too little for an image: a tenth of a large disk is plenty.
const DISK_RESERVE: u64 = 2 << 30;

/// The version this agent claims: that of the API it speaks, as the server says it too.
pub const VERSION: &str = "v1.36.0-garrison";

/// Readiness of the runtime, as the Ready condition tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether the runtime answers and is well.
    pub runtime: Result<(), String>,
    /// Whether pods get addresses.
    pub network: Result<(), String>,
    /// `containerd://1.6.20`; empty until it has answered once.
    pub version: String,
}

/// What the settings say of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name.
    pub name: String,
    /// Addresses.
    pub ips: Vec<String>,
    /// Port of the node API.
    pub port: u16,
    /// Most pods.
    pub max_pods: u32,
}

/// The status of the node. `known` are the conditions reported before, for their times.
pub fn of(settings: &Settings, machine: &Machine, readiness: &Readiness, known: &[NodeCondition], now: Timestamp) -> NodeStatus {
    let amounts = |memory: u64, disk: u64| {
        BTreeMap::from([
            ("cpu".to_owned(), Quantity(machine.cpus.to_string())),
            ("memory".to_owned(), Quantity(format!("{}Ki", memory / 1024))),
            ("ephemeral-storage".to_owned(), Quantity(format!("{}Ki", disk / 1024))),
            ("pods".to_owned(), Quantity(settings.max_pods.to_string())),
        ])
    };
    let address = |kind: &str, address: &str| NodeAddress { type_: kind.into(), address: address.into() };
    let internal = settings.ips.iter().map(|ip| address("InternalIP", ip));
    NodeStatus {
        addresses: Some(internal.chain([address("Hostname", &settings.name)]).collect()),
        capacity: Some(amounts(machine.memory, machine.disk)),
        allocatable: Some(amounts(machine.memory.saturating_sub(MEMORY_RESERVE), machine.disk / 10 * 9)),
        conditions: Some(conditions(machine, readiness, known, now)),
        daemon_endpoints: Some(NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: settings.port.into() }) }),
        node_info: Some(NodeSystemInfo {
            architecture: architecture().into(),
            boot_id: machine.boot_id.clone(),
            container_runtime_version: readiness.version.clone(),
            kernel_version: machine.kernel.clone(),
            kube_proxy_version: String::new(),
            kubelet_version: VERSION.into(),
            machine_id: machine.machine_id.clone(),
            operating_system: "linux".into(),
            os_image: machine.os_image.clone(),
            system_uuid: machine.system_uuid.clone(),
            ..NodeSystemInfo::default()
        }),
        ..NodeStatus::default()
    }
}

/// The machine's architecture in Go's words, which labels and images use.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The conditions this agent owns; `NetworkUnavailable` is left to whoever provides the network.
fn conditions(machine: &Machine, readiness: &Readiness, known: &[NodeCondition], now: Timestamp) -> Vec<NodeCondition> {
    let dated = |kind: &str, holds: bool, reason: &str, message: String| {
        let status = if holds { "True" } else { "False" };
        let since = known.iter().find(|known| known.type_ == kind && known.status == status);
        NodeCondition {
            type_: kind.into(),
            status: status.into(),
            reason: Some(reason.into()),
            message: Some(message),
            last_heartbeat_time: Some(Time(now)),
            last_transition_time: since.and_then(|since| since.last_transition_time.clone()).or(Some(Time(now))),
        }
    };
    let memory = machine.memory_available < MEMORY_RESERVE;
    let disk = machine.disk_available < DISK_RESERVE.min(machine.disk / 10) || machine.inodes_free < machine.inodes / 20;
    let pids = machine.pids > machine.pids_max / 20 * 19;
    let pressure = |kind: &str, holds: bool, short: &str, enough: &str, noun: &str| {
        let word = if holds { short } else { enough };
        let message = format!("node has {} {noun}", if holds { "insufficient" } else { "sufficient" });
        dated(kind, holds, word, message)
    };
    let ready = match ready(readiness) {
        Ok(()) => dated("Ready", true, "KubeletReady", "the node is ready to run pods".into()),
        Err(message) => dated("Ready", false, "KubeletNotReady", message),
    };
    vec![
        pressure("MemoryPressure", memory, "KubeletHasInsufficientMemory", "KubeletHasSufficientMemory", "memory available"),
        pressure("DiskPressure", disk, "KubeletHasDiskPressure", "KubeletHasNoDiskPressure", "disk space"),
        pressure("PIDPressure", pids, "KubeletHasInsufficientPID", "KubeletHasSufficientPID", "PIDs available"),
        ready,
    ]
}

fn ready(readiness: &Readiness) -> Result<(), String> {
    readiness.runtime.as_ref().map_err(|why| format!("container runtime is not ready: {why}"))?;
    readiness.network.as_ref().map_err(|why| format!("container runtime network not ready: {why}"))?;
    Ok(())
}

/// Whether two statuses differ in more than the time of the heartbeat.
pub fn differs(one: &NodeStatus, other: &NodeStatus) -> bool {
    let still = |status: &NodeStatus| {
        let mut status = status.clone();
        status.conditions.iter_mut().flatten().for_each(|condition| condition.last_heartbeat_time = None);
        status
    };
    still(one) != still(other)
}

#[cfg(test)]
mod tests;
