//! Namespaces and security profiles, the same for sandboxes and containers.

use k8s_cri::v1::{self, NamespaceMode, security_profile::ProfileType};

/// Which namespaces are shared with the machine, or among the containers of the pod.
pub(super) fn namespaces(host_network: bool, host_pid: bool, host_ipc: bool, shared_pid: bool) -> v1::NamespaceOption {
    let node_or_pod = |host| if host { NamespaceMode::Node } else { NamespaceMode::Pod };
    let pid = match (host_pid, shared_pid) {
        (true, _) => NamespaceMode::Node,
        (false, true) => NamespaceMode::Pod,
        (false, false) => NamespaceMode::Container,
    };
    v1::NamespaceOption {
        network: node_or_pod(host_network).into(),
        pid: pid.into(),
        ipc: node_or_pod(host_ipc).into(),
        target_id: String::new(),
        userns_options: None,
    }
}

/// `RuntimeDefault`, `Localhost/<path of the profile>`, or anything else for none.
pub(super) fn seccomp(profile: &str) -> v1::SecurityProfile {
    let (kind, path) = match (profile, profile.strip_prefix("Localhost/")) {
        (_, Some(path)) => (ProfileType::Localhost, path),
        ("RuntimeDefault", None) => (ProfileType::RuntimeDefault, ""),
        _ => (ProfileType::Unconfined, ""),
    };
    v1::SecurityProfile { profile_type: kind.into(), localhost_ref: path.into() }
}

/// Like seccomp, but the default is left to the runtime: it is refused where the machine has no AppArmor, silence is not.
pub(super) fn apparmor(profile: &str) -> Option<v1::SecurityProfile> {
    let (kind, name) = match (profile, profile.strip_prefix("Localhost/")) {
        (_, Some(name)) => (ProfileType::Localhost, name),
        ("Unconfined", None) => (ProfileType::Unconfined, ""),
        _ => return None,
    };
    Some(v1::SecurityProfile { profile_type: kind.into(), localhost_ref: name.into() })
}

/// User, role, type and level of a process.
pub(super) fn selinux([user, role, r#type, level]: [String; 4]) -> v1::SeLinuxOption {
    v1::SeLinuxOption { user, role, r#type, level }
}

/// CRI wraps numbers of which zero means something.
pub(super) fn number(value: i64) -> v1::Int64Value {
    v1::Int64Value { value }
}
