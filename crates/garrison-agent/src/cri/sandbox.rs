//! Pod sandboxes in CRI's words.

use super::security;
use crate::runtime::{PortMapping, Sandbox, SandboxSpec};
use k8s_cri::v1;

/// The sandbox that is asked for.
pub(super) fn config(spec: &SandboxSpec) -> v1::PodSandboxConfig {
    v1::PodSandboxConfig {
        metadata: Some(v1::PodSandboxMetadata {
            name: spec.name.clone(),
            uid: spec.uid.clone(),
            namespace: spec.namespace.clone(),
            attempt: spec.attempt,
        }),
        hostname: spec.hostname.clone(),
        log_directory: spec.log_directory.clone(),
        dns_config: dns(spec),
        port_mappings: spec.port_mappings.iter().map(port_mapping).collect(),
        labels: spec.labels.clone().into_iter().collect(),
        annotations: spec.annotations.clone().into_iter().collect(),
        linux: Some(v1::LinuxPodSandboxConfig {
            cgroup_parent: spec.cgroup_parent.clone(),
            security_context: Some(security_context(spec)),
            sysctls: spec.sysctls.clone().into_iter().collect(),
            overhead: None,
            resources: None,
        }),
        windows: None,
    }
}

/// Without any settings the runtime copies the machine's own `resolv.conf`, which an empty message would replace.
fn dns(spec: &SandboxSpec) -> Option<v1::DnsConfig> {
    let config = v1::DnsConfig {
        servers: spec.dns_servers.clone(),
        searches: spec.dns_searches.clone(),
        options: spec.dns_options.clone(),
    };
    (config != v1::DnsConfig::default()).then_some(config)
}

fn port_mapping(mapping: &PortMapping) -> v1::PortMapping {
    let protocol = match mapping.protocol.as_str() {
        "UDP" => v1::Protocol::Udp,
        "SCTP" => v1::Protocol::Sctp,
        _ => v1::Protocol::Tcp,
    };
    v1::PortMapping {
        protocol: protocol.into(),
        container_port: mapping.container_port,
        host_port: mapping.host_port,
        host_ip: mapping.host_ip.clone(),
    }
}

fn security_context(spec: &SandboxSpec) -> v1::LinuxSandboxSecurityContext {
    v1::LinuxSandboxSecurityContext {
        namespace_options: Some(security::namespaces(
            spec.host_network,
            spec.host_pid,
            spec.host_ipc,
            spec.share_process_namespace,
        )),
        run_as_user: spec.run_as_user.map(security::number),
        run_as_group: spec.run_as_group.map(security::number),
        supplemental_groups: spec.supplemental_groups.clone(),
        privileged: spec.privileged,
        seccomp: Some(security::seccomp(&spec.seccomp)),
        ..v1::LinuxSandboxSecurityContext::default()
    }
}

/// The sandbox that is there.
pub(super) fn observed(status: &v1::PodSandboxStatus) -> Sandbox {
    let metadata = status.metadata.clone().unwrap_or_default();
    let network = status.network.clone().unwrap_or_default();
    let more = network.additional_ips.into_iter().map(|address| address.ip);
    Sandbox {
        id: status.id.clone(),
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata.uid,
        attempt: metadata.attempt,
        ready: status.state() == v1::PodSandboxState::SandboxReady,
        created_at: status.created_at,
        ips: [network.ip].into_iter().chain(more).filter(|address| !address.is_empty()).collect(),
        annotations: status.annotations.clone().into_iter().collect(),
    }
}
