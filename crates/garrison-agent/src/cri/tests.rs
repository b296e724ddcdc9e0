//! The meaning of specs, in tables.

use super::*;
use crate::runtime::{ContainerState, Mount, PortMapping, Propagation, labels};
use k8s_cri::v1::{NamespaceMode, security_profile::ProfileType};
use std::{collections::BTreeMap, sync::atomic::AtomicUsize, sync::atomic::Ordering};

#[test]
fn namespaces() {
    #[track_caller]
    fn check([network, pid, ipc, shared]: [bool; 4], expected: [NamespaceMode; 3]) {
        let options = security::namespaces(network, pid, ipc, shared);
        assert_eq!([options.network(), options.pid(), options.ipc()], expected);
    }
    use NamespaceMode::{Container, Node, Pod};
    check([false, false, false, false], [Pod, Container, Pod]);
    check([true, false, false, false], [Node, Container, Pod]);
    check([false, true, false, false], [Pod, Node, Pod]);
    check([false, false, true, false], [Pod, Container, Node]);
    check([false, false, false, true], [Pod, Pod, Pod]);
    check([true, true, true, true], [Node, Node, Node]);
}

#[test]
fn profiles() {
    #[track_caller]
    fn check(profile: &str, seccomp: (ProfileType, &str), apparmor: Option<(ProfileType, &str)>) {
        let plain = |profile: v1::SecurityProfile| (profile.profile_type(), profile.localhost_ref);
        let owned = |(kind, path): (ProfileType, &str)| (kind, path.to_owned());
        assert_eq!(plain(security::seccomp(profile)), owned(seccomp), "seccomp {profile:?}");
        assert_eq!(security::apparmor(profile).map(plain), apparmor.map(owned), "apparmor {profile:?}");
    }
    use ProfileType::{Localhost, RuntimeDefault, Unconfined};
    check("", (Unconfined, ""), None);
    check("Unconfined", (Unconfined, ""), Some((Unconfined, "")));
    check("RuntimeDefault", (RuntimeDefault, ""), None);
    check("Localhost/name", (Localhost, "name"), Some((Localhost, "name")));
    check(
        "Localhost//var/lib/kubelet/seccomp/a.json",
        (Localhost, "/var/lib/kubelet/seccomp/a.json"),
        Some((Localhost, "/var/lib/kubelet/seccomp/a.json")),
    );
}

#[test]
fn sandboxes() {
    let mapping = |protocol: &str, host_port| PortMapping {
        protocol: protocol.into(),
        container_port: 80,
        host_port,
        host_ip: "10.0.0.1".into(),
    };
    let spec = SandboxSpec {
        namespace: "ns".into(),
        name: "pod".into(),
        uid: "uid".into(),
        attempt: 2,
        hostname: "host".into(),
        log_directory: "/var/log/pods/ns_pod_uid".into(),
        cgroup_parent: "/garrison/n1/pod".into(),
        labels: BTreeMap::from([("a".into(), "b".into())]),
        annotations: BTreeMap::from([("c".into(), "d".into())]),
        dns_servers: vec!["10.0.0.10".into()],
        dns_searches: vec!["cluster.local".into()],
        dns_options: vec!["ndots:5".into()],
        port_mappings: vec![mapping("TCP", 1), mapping("UDP", 2), mapping("SCTP", 3), mapping("", 4)],
        privileged: true,
        sysctls: BTreeMap::from([("net.core.somaxconn".into(), "9".into())]),
        run_as_user: Some(0),
        supplemental_groups: vec![7],
        seccomp: "RuntimeDefault".into(),
        ..SandboxSpec::default()
    };
    let config = sandbox::config(&spec);
    let metadata = config.metadata.unwrap();
    assert_eq!((&*metadata.namespace, &*metadata.name, &*metadata.uid, metadata.attempt), ("ns", "pod", "uid", 2));
    assert_eq!((&*config.hostname, &*config.log_directory), ("host", "/var/log/pods/ns_pod_uid"));
    assert_eq!((&*config.labels["a"], &*config.annotations["c"]), ("b", "d"));
    let dns = config.dns_config.unwrap();
    assert_eq!((dns.servers, dns.searches, dns.options), (spec.dns_servers, spec.dns_searches, spec.dns_options));
    let ports: Vec<_> = config.port_mappings.iter().map(|port| (port.protocol().as_str_name(), port.host_port)).collect();
    assert_eq!(ports, [("TCP", 1), ("UDP", 2), ("SCTP", 3), ("TCP", 4)]);
    assert_eq!((config.port_mappings[0].container_port, &*config.port_mappings[0].host_ip), (80, "10.0.0.1"));
    let linux = config.linux.unwrap();
    assert_eq!((&*linux.cgroup_parent, &*linux.sysctls["net.core.somaxconn"]), ("/garrison/n1/pod", "9"));
    let security = linux.security_context.unwrap();
    assert!(security.privileged);
    assert_eq!(security.seccomp.unwrap().profile_type(), ProfileType::RuntimeDefault);
    // Root by wish is not the same as no wish.
    assert_eq!((security.run_as_user.unwrap().value, security.run_as_group), (0, None));
    assert_eq!(security.supplemental_groups, [7]);
    assert_eq!(sandbox::config(&SandboxSpec::default()).dns_config, None, "the machine's own");
}

#[test]
fn containers() {
    let mount = |propagation| Mount {
        host_path: "/h".into(),
        container_path: "/c".into(),
        readonly: true,
        propagation,
        selinux_relabel: true,
    };
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let spec = ContainerSpec {
        name: "main".into(),
        attempt: 3,
        image: "image:1".into(),
        command: strings(&["run"]),
        args: strings(&["-v"]),
        working_dir: "/w".into(),
        env: vec![("K".into(), "V".into())],
        mounts: vec![mount(Propagation::None), mount(Propagation::HostToContainer), mount(Propagation::Bidirectional)],
        devices: vec![("/dev/host".into(), "/dev/inside".into(), "rw".into())],
        labels: BTreeMap::from([("a".into(), "b".into())]),
        annotations: BTreeMap::from([("c".into(), "d".into())]),
        log_path: "main/3.log".into(),
        stdin: true,
        stdin_once: true,
        tty: true,
        cpu_shares: 1,
        cpu_quota: 2,
        cpu_period: 3,
        memory_limit: 4,
        oom_score_adj: -5,
        add_capabilities: strings(&["NET_ADMIN"]),
        drop_capabilities: strings(&["ALL"]),
        run_as_user: Some(1),
        run_as_group: Some(2),
        supplemental_groups: vec![3],
        readonly_rootfs: true,
        no_new_privs: true,
        seccomp: "Localhost/p".into(),
        apparmor: "Unconfined".into(),
        selinux: Some(["u", "r", "t", "l"].map(String::from)),
        host_network: true,
        masked_paths: strings(&["/proc/kcore"]),
        readonly_paths: strings(&["/proc/sys"]),
        ..ContainerSpec::default()
    };
    let config = container::config(&spec);
    let metadata = config.metadata.unwrap();
    assert_eq!((&*metadata.name, metadata.attempt, &*config.image.unwrap().image), ("main", 3, "image:1"));
    assert_eq!((&config.command, &config.args, &config.working_dir), (&spec.command, &spec.args, &spec.working_dir));
    assert_eq!((&*config.envs[0].key, &*config.envs[0].value), ("K", "V"));
    let propagations: Vec<_> = config.mounts.iter().map(|mount| mount.propagation().as_str_name()).collect();
    assert_eq!(propagations, ["PROPAGATION_PRIVATE", "PROPAGATION_HOST_TO_CONTAINER", "PROPAGATION_BIDIRECTIONAL"]);
    let mount = &config.mounts[0];
    assert_eq!((&*mount.host_path, &*mount.container_path, mount.readonly, mount.selinux_relabel), ("/h", "/c", true, true));
    let device = &config.devices[0];
    assert_eq!((&*device.host_path, &*device.container_path, &*device.permissions), ("/dev/host", "/dev/inside", "rw"));
    assert_eq!((&*config.labels["a"], &*config.annotations["c"], &*config.log_path), ("b", "d", "main/3.log"));
    assert!(config.stdin && config.stdin_once && config.tty);
    let linux = config.linux.unwrap();
    let limits = linux.resources.unwrap();
    assert_eq!((limits.cpu_shares, limits.cpu_quota, limits.cpu_period), (1, 2, 3));
    assert_eq!((limits.memory_limit_in_bytes, limits.oom_score_adj), (4, -5));
    let security = linux.security_context.unwrap();
    let capabilities = security.capabilities.clone().unwrap();
    assert_eq!((capabilities.add_capabilities, capabilities.drop_capabilities), (spec.add_capabilities, spec.drop_capabilities));
    assert_eq!((security.run_as_user.unwrap().value, security.run_as_group.unwrap().value), (1, 2));
    assert_eq!(
        (security.supplemental_groups, security.masked_paths, security.readonly_paths),
        (vec![3], spec.masked_paths, spec.readonly_paths)
    );
    assert!(security.readonly_rootfs && security.no_new_privs && !security.privileged);
    assert_eq!(security.seccomp.unwrap().localhost_ref, "p");
    assert_eq!(security.apparmor.unwrap().profile_type(), ProfileType::Unconfined);
    let selinux = security.selinux_options.unwrap();
    assert_eq!([selinux.user, selinux.role, selinux.r#type, selinux.level], ["u", "r", "t", "l"]);
    assert_eq!(security.namespace_options.unwrap().network(), NamespaceMode::Node);
}

#[test]
fn what_runs() {
    let status = v1::ContainerStatus {
        id: "abc".into(),
        metadata: Some(v1::ContainerMetadata { name: "main".into(), attempt: 3 }),
        state: v1::ContainerState::ContainerExited.into(),
        exit_code: 137,
        reason: "OOMKilled".into(),
        image: Some(image::spec("image:1")),
        labels: [(labels::POD_UID.to_owned(), "uid".to_owned())].into(),
        ..v1::ContainerStatus::default()
    };
    let container = container::observed(&status, "sandbox".into());
    assert_eq!((&*container.id, &*container.sandbox_id, &*container.pod_uid), ("abc", "sandbox", "uid"));
    assert_eq!((&*container.name, container.attempt, container.state), ("main", 3, ContainerState::Exited));
    assert_eq!((container.exit_code, &*container.reason, &*container.image), (137, "OOMKilled", "image:1"));

    #[track_caller]
    fn addresses(ip: &str, more: &[&str], expected: &[&str]) {
        let additional_ips = more.iter().map(|ip| v1::PodIp { ip: ip.to_string() }).collect();
        let network = Some(v1::PodSandboxNetworkStatus { ip: ip.into(), additional_ips });
        assert_eq!(sandbox::observed(&v1::PodSandboxStatus { network, ..v1::PodSandboxStatus::default() }).ips, expected);
    }
    addresses("", &[], &[]);
    addresses("10.0.0.1", &[], &["10.0.0.1"]);
    addresses("10.0.0.1", &["fd00::1"], &["10.0.0.1", "fd00::1"]);
}

#[test]
fn conditions() {
    let condition = |kind: &str, status| v1::RuntimeCondition {
        r#type: kind.into(),
        status,
        reason: "Why".into(),
        message: "because".into(),
    };
    let conditions = [condition("RuntimeReady", true), condition("NetworkReady", false)];
    assert_eq!(super::condition(&conditions, "RuntimeReady"), Ok(()));
    assert_eq!(super::condition(&conditions, "NetworkReady"), Err("Why: because".into()));
    assert_eq!(super::condition(&[], "NetworkReady"), Err("NetworkReady is not reported by the runtime".into()));
}

#[test]
fn seconds() {
    #[track_caller]
    fn check(milliseconds: u64, expected: i64) {
        assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), expected);
    }
    check(0, 0);
    check(1, 1);
    check(1000, 1);
    check(1001, 2);
}

#[tokio::test]
async fn memory_asks_only_for_what_has_changed() {
    let (memory, questions) = (Memory::default(), AtomicUsize::new(0));
    let check = async |listed: &[(&str, i32)], expected: &[&str], asked: usize| {
        let before = questions.load(Ordering::Relaxed);
        let listed = listed.iter().map(|(id, state)| (id.to_string(), *state)).collect();
        let ask = |id: String| {
            questions.fetch_add(1, Ordering::Relaxed);
            async move { Ok((id != "vanishing").then_some(id)) }
        };
        let found = memory.complete(listed, ask).await.unwrap();
        let found: Vec<&str> = found.iter().map(|status| status.as_str()).collect();
        assert_eq!((found.as_slice(), questions.load(Ordering::Relaxed) - before), (expected, asked));
    };
    check(&[("a", 1), ("b", 1)], &["a", "b"], 2).await;
    check(&[("a", 1), ("b", 1)], &["a", "b"], 0).await;
    check(&[("a", 2), ("b", 1), ("vanishing", 1)], &["a", "b"], 2).await;
    check(&[("b", 1)], &["b"], 0).await;
    check(&[("a", 2), ("b", 1)], &["a", "b"], 1).await;
}

#[tokio::test]
async fn absent_runtimes() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("unix://{}/none.sock", dir.path().display());
    let error = connect(&endpoint).unwrap().version().await.unwrap_err();
    assert_eq!(error.to_string(), format!("the container runtime at {endpoint} does not answer"));
    assert!(error.source().unwrap().to_string().contains("No such file or directory"));
    assert!(connect("tcp://127.0.0.1:1").is_err());
    assert!(connect("relative.sock").is_err());
}
