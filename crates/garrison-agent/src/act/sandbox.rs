//! What the runtime is told of a pod's sandbox.

use crate::{
    context::Context,
    etc_files::{self, Dns},
    runtime::{PortMapping, SandboxSpec, labels},
};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, SeccompProfile};
use std::{collections::BTreeMap, fs};

/// The machine's own host name.
pub(super) fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The sandbox of a pod.
pub(super) fn spec(context: &Context, pod: &Pod, attempt: u32) -> SandboxSpec {
    let metadata = &pod.metadata;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let default = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&default);
    let security = spec.security_context.clone().unwrap_or_default();
    let dns = Dns::of(pod, &context.config, Dns::parse(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default()));
    let (name, namespace, uid) = (text(&metadata.name), text(&metadata.namespace), text(&metadata.uid));
    let mut own_labels: BTreeMap<String, String> = metadata.labels.clone().unwrap_or_default();
    for (key, value) in [(labels::POD_NAME, &name), (labels::POD_NAMESPACE, &namespace), (labels::POD_UID, &uid)] {
        own_labels.insert(key.into(), value.clone());
    }
    let all = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let host_network = spec.host_network.unwrap_or(false);
    SandboxSpec {
        namespace,
        name,
        uid,
        attempt,
        hostname: if host_network { String::new() } else { etc_files::host_name(pod, &machine_name()) },
        log_directory: context.log_dir(pod).display().to_string(),
        cgroup_parent: context.cgroups.of_pod(pod),
        labels: own_labels,
        annotations: metadata.annotations.clone().unwrap_or_default(),
        dns_servers: dns.servers,
        dns_searches: dns.searches,
        dns_options: dns.options,
        // In the machine's own network a port is taken as it is.
        port_mappings: if host_network { Vec::new() } else { all().flat_map(ports).collect() },
        host_network,
        host_pid: spec.host_pid.unwrap_or(false),
        host_ipc: spec.host_ipc.unwrap_or(false),
        share_process_namespace: spec.share_process_namespace.unwrap_or(false),
        privileged: all().any(is_privileged),
        sysctls: security.sysctls.iter().flatten().map(|sysctl| (sysctl.name.clone(), sysctl.value.clone())).collect(),
        run_as_user: security.run_as_user,
        run_as_group: security.run_as_group,
        supplemental_groups: security.fs_group.into_iter().chain(security.supplemental_groups.unwrap_or_default()).collect(),
        seccomp: seccomp(context, security.seccomp_profile.as_ref(), "RuntimeDefault"),
    }
}

fn ports(container: &Container) -> impl Iterator<Item = PortMapping> {
    container.ports.iter().flatten().filter_map(|port| {
        Some(PortMapping {
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()),
            container_port: port.container_port,
            host_port: port.host_port.filter(|port| *port > 0)?,
            host_ip: port.host_ip.clone().unwrap_or_default(),
        })
    })
}

pub(super) fn is_privileged(container: &Container) -> bool {
    container.security_context.as_ref().and_then(|security| security.privileged).unwrap_or(false)
}

/// A seccomp profile as the runtime is told it.
pub(super) fn seccomp(context: &Context, profile: Option<&SeccompProfile>, otherwise: &str) -> String {
    match profile.map(|profile| (profile.type_.as_str(), profile.localhost_profile.as_deref())) {
        Some(("Localhost", Some(path))) => {
            format!("Localhost/{}", context.config.root_dir.join("seccomp").join(path).display())
        }
        Some((kind, _)) => kind.to_owned(),
        None => otherwise.to_owned(),
    }
}
