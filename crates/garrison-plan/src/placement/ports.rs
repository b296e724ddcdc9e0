//! Host ports.

use super::Obstacle;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// One port of a node that a pod takes for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Address; `0.0.0.0` stands for all.
    pub ip: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Number.
    pub port: i32,
}

const ALL_ADDRESSES: &str = "0.0.0.0";

/// The host ports of a pod's containers and of its sidecars (init containers that keep running).
pub fn of(spec: &PodSpec) -> Vec<HostPort> {
    let sidecars =
        spec.init_containers.iter().flatten().filter(|container| container.restart_policy.as_deref() == Some("Always"));
    spec.containers.iter().chain(sidecars).flat_map(of_container).collect()
}

fn of_container(container: &Container) -> impl Iterator<Item = HostPort> {
    let given =
        |text: &Option<String>, default: &str| text.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned());
    container.ports.iter().flatten().filter_map(move |port| {
        let number = port.host_port.filter(|number| *number > 0)?;
        Some(HostPort { ip: given(&port.host_ip, ALL_ADDRESSES), protocol: given(&port.protocol, "TCP"), port: number })
    })
}

/// The first wanted port that one of `taken` excludes.
pub fn conflict<'a>(wanted: &[HostPort], taken: impl IntoIterator<Item = &'a HostPort> + Clone) -> Option<Obstacle> {
    let clash = wanted.iter().find(|wanted| taken.clone().into_iter().any(|taken| clashes(wanted, taken)))?;
    Some(Obstacle::HostPort { port: clash.port, protocol: clash.protocol.clone() })
}

fn clashes(one: &HostPort, other: &HostPort) -> bool {
    one.port == other.port
        && one.protocol == other.protocol
        && (one.ip == other.ip || one.ip == ALL_ADDRESSES || other.ip == ALL_ADDRESSES)
}
