//! A cluster under test, and how tests wait for it.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for a slow machine; a test that works never waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The example's name and the label of its pods.
pub(crate) const FLUENTD: &str = "fluentd-elasticsearch";

/// Where a cluster keeps its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    File,
    /// An etcd of the cluster's own.
    Etcd,
}

/// A running cluster; taken down when dropped.
pub(crate) struct Cluster {
    directory: TempDir,
}

/// Path of a file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests live in the project").join(path)
}

pub(crate) fn garrison() -> Command {
    let binary = std::env::var_os("GARRISON").map_or_else(|| project("target/release/garrison"), PathBuf::from);
    Command::new(binary)
}

fn images() -> PathBuf {
    std::env::var_os("GARRISON_IMAGES").map_or_else(|| project("target/images"), PathBuf::from)
}

impl Cluster {
    /// `garrison up` with images, and the rest of the flags as given.
    pub(crate) fn up(flags: &[&str]) -> Result<Self> {
        let cluster = Self { directory: tempfile::Builder::new().prefix("garrison-e2e-").tempdir_in("/var/tmp")? };
        cluster.up_again(flags)?;
        Ok(cluster)
    }

    /// The example on three nodes.
    pub(crate) fn with_fluentd() -> Result<Self> {
        Self::with_fluentd_in(Store::File)
    }

    /// The example on three nodes, with the objects in that store.
    pub(crate) fn with_fluentd_in(store: Store) -> Result<Self> {
        let example = project("examples/fluentd-elasticsearch.yaml");
        let mut flags = vec!["--nodes", "3", "-f", example.to_str().context("a path")?];
        flags.extend((store == Store::Etcd).then_some("--etcd"));
        Self::up(&flags)
    }

    /// `garrison up` once more on the same state directory.
    pub(crate) fn up_again(&self, flags: &[&str]) -> Result<()> {
        let mut command = garrison();
        command.arg("up").arg("--state-dir").arg(self.state_dir()).arg("--images").arg(images()).args(flags);
        let output = command.output().context("running garrison up")?;
        ensure!(output.status.success(), "garrison up failed: {}\n{}", text(&output.stderr), self.logs());
        Ok(())
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn node_dir(&self, node: &str) -> PathBuf {
        self.state_dir().join("nodes").join(node)
    }

    /// `garrison node ACTION NAME`.
    pub(crate) fn node(&self, action: &str, name: &str) -> Result<String> {
        let mut command = garrison();
        finish(command.args(["node", action, name, "--state-dir"]).arg(self.state_dir()))
    }

    /// Pid on this machine of a node's `init`, `containerd` or `agent`.
    pub(crate) fn pid(&self, node: &str, part: &str) -> Result<i32> {
        let parts: Value = serde_json::from_str(&self.node("pids", node)?)?;
        let pid = parts[part].as_i64().with_context(|| format!("node {node} has no {part}: {parts}"))?;
        Ok(pid.try_into()?)
    }

    /// Pid of the API server itself, not of its supervisor.
    pub(crate) fn server_pid(&self) -> Result<i32> {
        self.child_of("server.pid")
    }

    fn child_of(&self, pid_file: &str) -> Result<i32> {
        let supervisor = self.pid_in(pid_file)?;
        let children = std::fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"))?;
        children.split_whitespace().next().context("the supervisor has no child now")?.parse().context("a pid")
    }

    pub(crate) fn supervisor_pid(&self) -> Result<i32> {
        self.pid_in("server.pid")
    }

    fn pid_in(&self, file: &str) -> Result<i32> {
        let line = std::fs::read_to_string(self.state_dir().join(file))?;
        line.split(' ').next().context("a pid")?.parse().context("a pid")
    }

    /// Pid of the cluster's etcd, not of its supervisor.
    pub(crate) fn etcd_pid(&self) -> Result<i32> {
        self.child_of("etcd.pid")
    }

    /// Runs etcdctl on the cluster's etcd; its standard output.
    pub(crate) fn etcdctl(&self, arguments: &[&str]) -> Result<String> {
        let cluster: Value = serde_json::from_slice(&std::fs::read(self.state_dir().join("cluster.json"))?)?;
        let port = cluster["etcd"]["port"].as_u64().context("the port of etcd")?;
        let file = |name: &str| self.state_dir().join("etcd/pki").join(name);
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &format!("https://127.0.0.1:{port}")]);
        command.arg("--cacert").arg(file("ca.crt")).arg("--cert").arg(file("etcd.crt")).arg("--key").arg(file("etcd.key"));
        finish(command.args(arguments))
    }

    /// Runs a command inside a node's machine; its standard output.
    pub(crate) fn machine(&self, node: &str, command: &[&str]) -> Result<String> {
        let init = self.pid(node, "init")?.to_string();
        finish(Command::new("nsenter").args(["-t", &init, "-m", "-p", "-n", "-u"]).args(command))
    }

    /// This machine's address on the cluster's bridge.
    pub(crate) fn gateway(&self) -> Result<Ipv4Addr> {
        let cluster: Value = serde_json::from_slice(&std::fs::read(self.state_dir().join("cluster.json"))?)?;
        let subnet: Ipv4Addr = cluster["subnet"].as_str().context("a subnet")?.parse()?;
        let [a, b, c, _] = subnet.octets();
        Ok(Ipv4Addr::new(a, b, c, 1))
    }

    pub(crate) fn address(&self, node: &str) -> Result<String> {
        self.get(&format!("node/{node}"), "{.status.addresses[?(@.type=='InternalIP')].address}")
    }

    /// A kubectl of this cluster, to be run.
    pub(crate) fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()));
        command.env("KUBECONFIG", self.state_dir().join("kubeconfig")).env("HOME", self.directory.path()).args(arguments);
        command
    }

    /// Runs kubectl; its standard output.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        finish(&mut self.kubectl_command(arguments))
    }

    /// Runs kubectl whatever comes of it.
    pub(crate) fn kubectl_output(&self, arguments: &[&str]) -> Result<Output> {
        self.kubectl_command(arguments).output().context("running kubectl")
    }

    /// Runs kubectl with text on its standard input.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<Output> {
        use std::io::Write;
        let mut command = self.kubectl_command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("a pipe")?.write_all(input.as_bytes())?;
        Ok(child.wait_with_output()?)
    }

    /// `kubectl apply` of a manifest text.
    pub(crate) fn apply(&self, manifest: &str) -> Result<()> {
        // The mark keeps kubectl from taking a flow-style manifest for JSON.
        let output = self.kubectl_with(&["apply", "-f", "-"], &format!("---\n{manifest}"))?;
        ensure!(output.status.success(), "kubectl apply: {}", text(&output.stderr));
        Ok(())
    }

    /// `kubectl get WHAT -o jsonpath=…` in kube-system.
    pub(crate) fn get(&self, what: &str, jsonpath: &str) -> Result<String> {
        self.kubectl(&["-n", "kube-system", "get", what, "-o", &format!("jsonpath={jsonpath}")])
    }

    /// Live pods with a label, as (node, name), Running and Ready or not.
    pub(crate) fn pods(&self, label: &str) -> Result<Vec<Pod>> {
        let list: Value = serde_json::from_str(&self.kubectl(&["get", "pods", "-A", "-l", label, "-o", "json"])?)?;
        Ok(list["items"].as_array().into_iter().flatten().map(Pod::read).collect())
    }

    /// Waits until exactly one Ready pod with the label is on each of the nodes, and none elsewhere.
    pub(crate) fn wait_one_on_each(&self, label: &str, nodes: &[&str]) -> Result<Vec<Pod>> {
        self.wait(&format!("one {label} pod on each of {nodes:?}"), || {
            let mut pods = self.pods(label)?;
            pods.sort_by(|a, b| a.node.cmp(&b.node));
            let on: Vec<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
            ensure!(on == nodes && pods.iter().all(|pod| pod.ready && !pod.terminating), "there are {pods:?}");
            Ok(pods)
        })
    }

    /// Repeats `check` until it succeeds; its last error when patience ends.
    pub(crate) fn wait<T>(&self, what: &str, check: impl FnMut() -> Result<T>) -> Result<T> {
        self.wait_for(what, PATIENCE, check)
    }

    pub(crate) fn wait_for<T>(&self, what: &str, limit: Duration, mut check: impl FnMut() -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            match check() {
                Ok(value) => return Ok(value),
                Err(error) if Instant::now() > deadline => bail!("waited {limit:?} for {what}: {error:#}\n{}", self.logs()),
                Err(_) => std::thread::sleep(Duration::from_millis(250)),
            }
        }
    }

    /// The last lines of every log, for a failed test's message.
    fn logs(&self) -> String {
        let mut all = String::new();
        let mut files = vec![self.state_dir().join("server/server.log"), self.state_dir().join("etcd/etcd.log")];
        for node in std::fs::read_dir(self.state_dir().join("nodes")).into_iter().flatten().flatten() {
            files.extend(
                ["machine", "agent", "containerd"].map(|part| node.path().join("machine").join(part).with_extension("log")),
            );
        }
        for file in files {
            let log = std::fs::read_to_string(&file).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(12)..].join("\n");
            all.push_str(&format!("--- {}\n{tail}\n", file.strip_prefix(self.state_dir()).unwrap_or(&file).display()));
        }
        all
    }

    /// `garrison down`, and a look that nothing is left.
    pub(crate) fn down(self) -> Result<()> {
        let cluster: Value = serde_json::from_slice(&std::fs::read(self.state_dir().join("cluster.json"))?)?;
        let id = cluster["id"].as_str().context("an id")?.to_string();
        finish(garrison().args(["down", "--state-dir"]).arg(self.state_dir()))?;
        assert_no_trace(&id, &self.state_dir())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.state_dir().exists() {
            let _ = garrison().args(["down", "--state-dir"]).arg(self.state_dir()).output();
        }
    }
}

/// No process, mount, interface, cgroup or file of that cluster is on this machine.
pub(crate) fn assert_no_trace(id: &str, state_dir: &Path) -> Result<()> {
    let links = finish(Command::new("ip").args(["-o", "link"]))?;
    ensure!(!links.contains(id), "interfaces are left: {links}");
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    ensure!(!mounts.contains(&state_dir.display().to_string()), "mounts are left: {mounts}");
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup")?.flatten() {
        ensure!(!hierarchy.path().join(format!("garrison-{id}")).exists(), "a cgroup is left in {}", hierarchy.path().display());
    }
    let rules = finish(Command::new("iptables-save").stderr(Stdio::null()))?;
    ensure!(!rules.contains(id), "firewall rules are left: {rules}");
    for process in std::fs::read_dir("/proc")?.flatten() {
        let environ = std::fs::read(process.path().join("environ")).unwrap_or_default();
        let mark = format!("GARRISON_CLUSTER={id}");
        let marked = environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        ensure!(!marked, "process {} is left", process.path().display());
    }
    ensure!(!state_dir.exists(), "{} is left", state_dir.display());
    Ok(())
}

/// What tests look at in a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) node: String,
    pub(crate) phase: String,
    pub(crate) ready: bool,
    pub(crate) terminating: bool,
    pub(crate) restarts: i64,
    pub(crate) container_id: String,
}

impl Pod {
    fn read(pod: &Value) -> Self {
        let word = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
        let conditions = pod["status"]["conditions"].as_array();
        Self {
            namespace: word("/metadata/namespace"),
            name: word("/metadata/name"),
            uid: word("/metadata/uid"),
            node: word("/spec/nodeName"),
            phase: word("/status/phase"),
            ready: conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")),
            terminating: pod["metadata"]["deletionTimestamp"].is_string(),
            restarts: pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_i64).unwrap_or(0),
            container_id: word("/status/containerStatuses/0/containerID"),
        }
    }
}

/// Runs a command to success; its standard output.
pub(crate) fn finish(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", text(&output.stderr));
    Ok(text(&output.stdout))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn kill(pid: i32) -> Result<()> {
    let pid = rustix::process::Pid::from_raw(pid).context("a pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).context("killing")
}
