//! Containers in CRI's words.

use super::{image, security};
use crate::runtime::{Container, ContainerSpec, ContainerState, Mount, Propagation, labels};
use k8s_cri::v1;

/// The container that is asked for.
pub(super) fn config(spec: &ContainerSpec) -> v1::ContainerConfig {
    v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata { name: spec.name.clone(), attempt: spec.attempt }),
        image: Some(image::spec(&spec.image)),
        command: spec.command.clone(),
        args: spec.args.clone(),
        working_dir: spec.working_dir.clone(),
        envs: spec.env.iter().map(|(key, value)| v1::KeyValue { key: key.clone(), value: value.clone() }).collect(),
        mounts: spec.mounts.iter().map(mount).collect(),
        devices: spec.devices.iter().map(device).collect(),
        labels: spec.labels.clone().into_iter().collect(),
        annotations: spec.annotations.clone().into_iter().collect(),
        log_path: spec.log_path.clone(),
        stdin: spec.stdin,
        stdin_once: spec.stdin_once,
        tty: spec.tty,
        linux: Some(v1::LinuxContainerConfig {
            resources: Some(resources(spec)),
            security_context: Some(security_context(spec)),
        }),
        windows: None,
        cdi_devices: Vec::new(),
    }
}

fn mount(mount: &Mount) -> v1::Mount {
    let propagation = match mount.propagation {
        Propagation::None => v1::MountPropagation::PropagationPrivate,
        Propagation::HostToContainer => v1::MountPropagation::PropagationHostToContainer,
        Propagation::Bidirectional => v1::MountPropagation::PropagationBidirectional,
    };
    v1::Mount {
        container_path: mount.container_path.clone(),
        host_path: mount.host_path.clone(),
        readonly: mount.readonly,
        selinux_relabel: mount.selinux_relabel,
        propagation: propagation.into(),
        ..v1::Mount::default()
    }
}

fn device((host_path, container_path, permissions): &(String, String, String)) -> v1::Device {
    v1::Device { container_path: container_path.clone(), host_path: host_path.clone(), permissions: permissions.clone() }
}

fn resources(spec: &ContainerSpec) -> v1::LinuxContainerResources {
    v1::LinuxContainerResources {
        cpu_period: spec.cpu_period,
        cpu_quota: spec.cpu_quota,
        cpu_shares: spec.cpu_shares,
        memory_limit_in_bytes: spec.memory_limit,
        oom_score_adj: spec.oom_score_adj,
        ..v1::LinuxContainerResources::default()
    }
}

fn security_context(spec: &ContainerSpec) -> v1::LinuxContainerSecurityContext {
    v1::LinuxContainerSecurityContext {
        capabilities: Some(v1::Capability {
            add_capabilities: spec.add_capabilities.clone(),
            drop_capabilities: spec.drop_capabilities.clone(),
            add_ambient_capabilities: Vec::new(),
        }),
        privileged: spec.privileged,
        namespace_options: Some(security::namespaces(
            spec.host_network,
            spec.host_pid,
            spec.host_ipc,
            spec.share_process_namespace,
        )),
        selinux_options: spec.selinux.clone().map(security::selinux),
        run_as_user: spec.run_as_user.map(security::number),
        run_as_group: spec.run_as_group.map(security::number),
        readonly_rootfs: spec.readonly_rootfs,
        supplemental_groups: spec.supplemental_groups.clone(),
        no_new_privs: spec.no_new_privs,
        masked_paths: spec.masked_paths.clone(),
        readonly_paths: spec.readonly_paths.clone(),
        seccomp: Some(security::seccomp(&spec.seccomp)),
        apparmor: security::apparmor(&spec.apparmor),
        ..v1::LinuxContainerSecurityContext::default()
    }
}

/// The container that is there. Its sandbox is told by the list only.
pub(super) fn observed(status: &v1::ContainerStatus, sandbox_id: String) -> Container {
    let metadata = status.metadata.clone().unwrap_or_default();
    Container {
        id: status.id.clone(),
        sandbox_id,
        pod_uid: status.labels.get(labels::POD_UID).cloned().unwrap_or_default(),
        name: metadata.name,
        attempt: metadata.attempt,
        state: match status.state() {
            v1::ContainerState::ContainerCreated => ContainerState::Created,
            v1::ContainerState::ContainerRunning => ContainerState::Running,
            v1::ContainerState::ContainerExited => ContainerState::Exited,
            v1::ContainerState::ContainerUnknown => ContainerState::Unknown,
        },
        image: status.image.clone().unwrap_or_default().image,
        image_ref: status.image_ref.clone(),
        created_at: status.created_at,
        started_at: status.started_at,
        finished_at: status.finished_at,
        exit_code: status.exit_code,
        reason: status.reason.clone(),
        message: status.message.clone(),
        log_path: status.log_path.clone(),
        annotations: status.annotations.clone().into_iter().collect(),
    }
}
