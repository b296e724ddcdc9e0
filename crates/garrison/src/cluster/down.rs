//! `garrison down`: leaves no process, namespace, mount, interface, cgroup or container behind, whatever crashed before.

use super::process::{self, Process};
use super::state::{Cluster, Runtime, StateDir};
use super::{cgroup, machine, network};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Ends everything of the cluster and removes its state directory.
pub(crate) fn down(state: StateDir) -> Result<()> {
    // A damaged cluster.json must not keep the rest from being swept: names follow from the directory's path.
    let cluster = state.load().unwrap_or_else(|error| {
        eprintln!("warning: {error:#}");
        None
    });
    let id = state.id();
    for pid_file in ["server.pid", "etcd.pid"] {
        if let Some(supervisor) = Process::read(&state.root().join(pid_file)) {
            supervisor.end(Duration::from_secs(10));
        }
    }
    if let Ok(nodes) = fs::read_dir(state.root().join("nodes")) {
        for node in nodes.flatten() {
            if let Some(init) = Process::read(&machine::pid_file(&node.path())) {
                init.kill();
            }
        }
    }
    for stray in process::strays(&id) {
        stray.kill();
    }
    let root = rustix::process::geteuid().is_root();
    let simulated = cluster.as_ref().is_some_and(|cluster| cluster.runtime == Runtime::Simulated);
    if root && !simulated {
        cgroup::sweep(&format!("/garrison-{id}"))?;
        network::remove(&cluster.clone().unwrap_or_else(|| nameless(id.clone())));
        unmount_below(state.root());
    }
    if let Some(cluster) = &cluster {
        let _ = fs::remove_file(&cluster.kubeconfig);
    }
    fs::remove_dir_all(state.root()).with_context(|| format!("removing {}", state.root().display()))
}

/// Stand-in for a cluster whose description is lost: enough to name its bridge and rules.
fn nameless(id: String) -> Cluster {
    Cluster {
        subnet: network::choose_subnet(&id).unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
        id,
        runtime: Runtime::Containerd,
        listen: (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        kubeconfig: "/nonexistent".into(),
        images: None,
        etcd: None,
        nodes: Default::default(),
        ip_forward_before: None,
    }
}

/// A server or etcd whose supervisor was killed goes on alone: it holds its data's lock and must end before another starts.
pub(crate) fn end_strays_of(cluster: &Cluster, data_dir: &Path) {
    for stray in process::strays(&cluster.id) {
        let command = fs::read(format!("/proc/{}/cmdline", stray.pid)).unwrap_or_default();
        if command.split(|byte| *byte == 0).any(|word| word == data_dir.as_os_str().as_encoded_bytes()) {
            stray.end(Duration::from_secs(10));
        }
    }
}

/// Detaches mounts that leaked to the host's own namespace.
fn unmount_below(root: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for path in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(|path| Path::new(path).starts_with(root)) {
        let _ = process::run("umount", &["-l", path]);
    }
}
