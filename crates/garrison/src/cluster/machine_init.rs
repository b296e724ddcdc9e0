//! `garrison machine-init`: pid 1 of a node. Mounts its disk, waits for its wire, keeps containerd and the agent running.

use super::machine::{Machine, pid_file};
use super::process::{Process, append, run, wait_until};
use super::supervise::Pause;
use super::{cgroup, network};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, WaitOptions};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Folders of the node's own: name in the node's directory, place in the machine, whether it is emptied at power-on.
const OWN: [(&str, &str, bool); 9] = [
    ("run", "/run", true),
    ("log", "/var/log", false),
    ("containerd", "/var/lib/containerd", false),
    ("docker", "/var/lib/docker", false),
    ("kubelet", "/var/lib/kubelet", false),
    ("garrison", NODE_DATA, false),
    ("etc-cni", "/etc/cni", false),
    ("opt-cni", "/opt/cni", false),
    // Which addresses are taken, by the plugin that gives them out.
    ("var-lib-cni", "/var/lib/cni", false),
];

/// Where a machine's agent keeps its data: not below the host's own state directory, which must stay in sight.
pub(crate) const NODE_DATA: &str = "/var/lib/garrison-node";

const CONTAINERD_CONFIG: &str = "/run/containerd.toml";

/// Runs the machine; returns only on failure, for a machine without pid 1 is off.
pub(crate) fn run_machine(description: &Path) -> Result<ExitCode> {
    let text = fs::read(description).with_context(|| format!("reading {}", description.display()))?;
    let machine: Machine = serde_json::from_slice(&text).context("reading the machine's description")?;
    // Before /proc is our own, it still shows this process under its pid on the host.
    let pid: i32 = fs::read_link("/proc/self")?.display().to_string().parse().context("reading the pid")?;
    let init = Process::find(pid).context("finding this process")?;
    cgroup::enter(&format!("{}/machine", cgroup::node_root(&machine.cluster_id, &machine.name)))?;
    rustix::system::sethostname(machine.name.as_bytes()).context("setting the host name")?;
    mount_disk(&machine)?;
    init.write(&pid_file(&machine.directory))?;
    mount_kernel_views()?;
    ensure!(wait_until(Duration::from_secs(20), network::wire_arrived), "the machine's network interface did not arrive");
    network::configure_inside(&machine.address, &machine.gateway)?;
    fs::write(CONTAINERD_CONFIG, containerd_config(&machine))?;
    keep_running(&machine)
}

/// Whether a path would be out of sight inside a machine.
pub(crate) fn covered(path: &Path) -> bool {
    OWN.iter().any(|(_, place, _)| path.starts_with(place))
}

/// Binds the node's own folders over the host's.
fn mount_disk(machine: &Machine) -> Result<()> {
    for (name, place, emptied) in OWN {
        let own = machine.directory.join(name);
        if emptied {
            let _ = fs::remove_dir_all(&own);
        }
        fs::create_dir_all(&own).with_context(|| format!("making {}", own.display()))?;
        fs::create_dir_all(place).with_context(|| format!("making {place}"))?;
    }
    fs::create_dir_all(machine.directory.join("opt-cni/bin"))?;
    fs::create_dir_all(machine.directory.join("etc-cni/net.d"))?;
    fs::create_dir_all(machine.directory.join("docker/containers"))?;
    for entry in fs::read_dir(&machine.cni_plugins)?.flatten() {
        let copy = machine.directory.join("opt-cni/bin").join(entry.file_name());
        if !copy.exists() {
            fs::copy(entry.path(), &copy).with_context(|| format!("copying {}", entry.path().display()))?;
        }
    }
    for (name, place, _) in OWN {
        run("mount", &["--bind", &machine.directory.join(name).display().to_string(), place])?;
    }
    Ok(())
}

/// Its own /proc and /sys, cgroups kept; then everything shared, as systemd does, so that daemons' mounts can spread.
fn mount_kernel_views() -> Result<()> {
    run("mount", &["-t", "proc", "proc", "/proc"])?;
    let aside = "/run/cgroup-aside";
    fs::create_dir_all(aside)?;
    run("mount", &["--rbind", "/sys/fs/cgroup", aside])?;
    run("mount", &["-t", "sysfs", "sysfs", "/sys"])?;
    run("mount", &["--rbind", aside, "/sys/fs/cgroup"])?;
    run("umount", &["-R", "-l", aside])?;
    run("mount", &["--make-rshared", "/"])?;
    Ok(())
}

fn containerd_config(machine: &Machine) -> String {
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = {restrict}
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"
"#,
        pause = crate::role::PAUSE_IMAGE,
        restrict = !machine.may_raise_priority,
    )
}

/// One program that pid 1 keeps running.
struct Service<'a> {
    name: &'static str,
    command: Vec<String>,
    machine: &'a Machine,
    running: Option<(Pid, Instant)>,
    pause: Pause,
    start_at: Instant,
}

impl Service<'_> {
    fn start(&mut self) -> Result<()> {
        let log = self.machine.directory.join("machine").join(format!("{}.log", self.name));
        let output = append(&log)?;
        let child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .env(super::process::MARK, &self.machine.cluster_id)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}", self.name))?;
        self.running = Pid::from_raw(child.id().cast_signed()).map(|pid| (pid, Instant::now()));
        Ok(())
    }
}

/// Starts what does not run, reaps what ended (orphans included), for ever.
fn keep_running(machine: &Machine) -> Result<ExitCode> {
    let containerd = vec![machine.containerd.display().to_string(), "--config".into(), CONTAINERD_CONFIG.into()];
    let service =
        |name, command| Service { name, command, machine, running: None, pause: Pause::default(), start_at: Instant::now() };
    let mut services = [service("containerd", containerd), service("agent", machine.agent.clone())];
    loop {
        for service in services.iter_mut().filter(|service| service.running.is_none() && service.start_at <= Instant::now()) {
            service.start()?;
        }
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            for service in &mut services {
                let Some((_, started)) = service.running.filter(|(own, _)| *own == pid) else { continue };
                let wait = service.pause.after(started.elapsed());
                eprintln!("machine {}: {} ended ({status:?}); starting it again in {wait:?}", machine.name, service.name);
                service.running = None;
                service.start_at = Instant::now() + wait;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
