//! A machine from outside: switched on, cut from power, taken away.

use super::process::{self, Process, wait_until};
use super::state::{Cluster, Node, Runtime, StateDir};
use super::{cgroup, network, preflight, supervise};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a machine's pid 1 is told; kept as `machine.json` in the node's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) cluster_id: String,
    pub(crate) address: String,
    pub(crate) gateway: String,
    /// Directory of this node on the host: its disk.
    pub(crate) directory: PathBuf,
    pub(crate) cni_plugins: PathBuf,
    pub(crate) containerd: PathBuf,
    /// Whether this sandbox lets processes raise their `oom_score_adj` freely.
    pub(crate) may_raise_priority: bool,
    /// Command line of the agent.
    pub(crate) agent: Vec<String>,
}

/// The command line of a node's agent.
fn agent_command(state: &StateDir, cluster: &Cluster, name: &str, node: &Node) -> Result<Vec<String>> {
    let token = state.server_dir().join("join-token");
    let mut words = vec![supervise::own_program()?.display().to_string(), "agent".into()];
    let mut flag = |name: &str, value: String| words.extend([name.to_string(), value]);
    flag("--server", cluster.server_url());
    flag("--token-file", token.display().to_string());
    flag("--node-name", name.into());
    flag("--node-ip", node.address.to_string());
    flag("--port", node.port.to_string());
    if let Some(images) = &cluster.images {
        flag("--images", images.display().to_string());
    }
    match cluster.runtime {
        Runtime::Containerd => {
            flag("--data-dir", super::machine_init::NODE_DATA.into());
            flag("--cgroup-root", cgroup::node_root(&cluster.id, name));
        }
        Runtime::Simulated => {
            let directory = state.node_dir(name);
            flag("--runtime", "simulated".into());
            flag("--data-dir", directory.join("garrison").display().to_string());
            flag("--root-dir", directory.join("kubelet").display().to_string());
            flag("--log-dir", directory.join("log").display().to_string());
        }
    }
    Ok(words)
}

/// Switches a node on, unless it runs already.
pub(crate) fn start(state: &StateDir, cluster: &Cluster, name: &str) -> Result<()> {
    let node = cluster.nodes.get(name).with_context(|| format!("no node {name}"))?;
    let directory = state.node_dir(name);
    fs::create_dir_all(directory.join("machine")).with_context(|| format!("making {}", directory.display()))?;
    if Process::read(&pid_file(&directory)).is_some() {
        return Ok(());
    }
    let log = directory.join("machine/machine.log");
    let agent = agent_command(state, cluster, name, node)?;
    if cluster.runtime == Runtime::Simulated {
        for part in ["garrison", "kubelet", "log"] {
            fs::create_dir_all(directory.join(part))?;
        }
        return supervise::start(&agent, &cluster.id, None, &log, &pid_file(&directory)).map(drop);
    }
    let machine = Machine {
        name: name.into(),
        cluster_id: cluster.id.clone(),
        address: node.address.to_string(),
        gateway: cluster.gateway().to_string(),
        directory: directory.clone(),
        cni_plugins: preflight::cni_plugins()?,
        containerd: preflight::find_program("containerd").context("containerd is not installed")?,
        may_raise_priority: may_raise_priority(),
        agent,
    };
    let description = directory.join("machine/machine.json");
    fs::write(&description, serde_json::to_vec_pretty(&machine)?)?;
    let _ = fs::remove_file(pid_file(&directory));
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--mount", "--net", "--uts", "--fork", "--propagation", "private"]);
    unshare.arg(supervise::own_program()?).arg("machine-init").arg(&description);
    process::start_detached(&mut unshare, &cluster.id, &log)?;
    if !wait_until(Duration::from_secs(10), || Process::read(&pid_file(&directory)).is_some()) {
        bail!("the machine {name} did not come up; see {}", log.display());
    }
    let init = Process::read(&pid_file(&directory))
        .with_context(|| format!("the machine {name} went down at once; see {}", log.display()))?;
    network::attach(cluster, node, init.pid)
}

/// Cuts a node from power. Its disk stays.
pub(crate) fn stop(state: &StateDir, cluster: &Cluster, name: &str) -> Result<()> {
    let directory = state.node_dir(name);
    match cluster.runtime {
        Runtime::Containerd => {
            if let Some(init) = Process::read(&pid_file(&directory)) {
                init.kill();
            }
            cgroup::sweep(&cgroup::node_root(&cluster.id, name))?;
        }
        Runtime::Simulated => {
            if let Some(supervisor) = Process::read(&pid_file(&directory)) {
                supervisor.kill();
            }
            let data = directory.join("garrison");
            for process in process::strays(&cluster.id).into_iter().filter(|process| mentions(process.pid, &data)) {
                process.kill();
            }
        }
    }
    let _ = fs::remove_file(pid_file(&directory));
    Ok(())
}

/// Cuts a node from power and throws its disk away.
pub(crate) fn remove(state: &StateDir, cluster: &Cluster, name: &str) -> Result<()> {
    stop(state, cluster, name)?;
    let directory = state.node_dir(name);
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Pids of the node's parts by name, for people and tests: `init`, `containerd`, `agent`.
pub(crate) fn parts(directory: &Path) -> BTreeMap<String, i32> {
    let Some(init) = Process::read(&pid_file(directory)) else { return BTreeMap::new() };
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", init.pid)).unwrap_or_default();
    let mut parts = BTreeMap::from([("init".to_string(), init.pid)]);
    for pid in children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()) {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = command.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        let program = words.next().unwrap_or_default();
        let name = if program.ends_with("/containerd") {
            Some("containerd")
        } else {
            (words.next().as_deref() == Some("agent")).then_some("agent")
        };
        if let Some(name) = name {
            parts.insert(name.into(), pid);
        }
    }
    parts
}

pub(crate) fn pid_file(directory: &Path) -> PathBuf {
    directory.join("machine/pid")
}

/// Whether a process's command line names `path`.
fn mentions(pid: i32, path: &Path) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.split(|byte| *byte == 0).any(|word| word == path.as_os_str().as_encoded_bytes())
}

/// Whether this process has CAP_SYS_RESOURCE (bit 24): without it containerd must not lower `oom_score_adj`.
fn may_raise_priority() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map(str::trim);
    bits.and_then(|bits| u64::from_str_radix(bits, 16).ok()).is_some_and(|bits| bits & (1 << 24) != 0)
}
