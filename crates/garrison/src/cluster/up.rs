//! `garrison up`: from nothing (or from what is left) to a running cluster and its daemons.

use super::machine;
use super::process::{Process, wait_until};
use super::state::{Cluster, Runtime, StateDir};
use super::{cgroup, etcd, network, node, preflight, supervise};
use crate::{apply, coverage};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pulling images over a slow line takes minutes; a cluster with images at hand takes seconds.
const READY_LIMIT: Duration = Duration::from_secs(300);

/// What the command line asks for.
pub(crate) struct Request {
    pub(crate) nodes: Option<usize>,
    pub(crate) images: Option<PathBuf>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) network: bool,
    pub(crate) runtime: Option<Runtime>,
    pub(crate) etcd: bool,
    pub(crate) server_flags: Vec<String>,
    pub(crate) json: bool,
}

/// Steps shown to the person who waits: one line each, with its seconds.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        bar.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, started: Instant::now() }
    }

    /// Says what is being waited for.
    pub(crate) fn now(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// Leaves a line behind: what was reached, and when.
    pub(crate) fn done(&self, what: &str) {
        let line = format!("{:>6.1}s  {what}", self.started.elapsed().as_secs_f32());
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Brings the cluster to what `request` asks for.
pub(crate) fn up(state: &StateDir, request: &Request) -> Result<()> {
    let manifests = apply::read_files(&request.files)?;
    let mut cluster = match state.load()? {
        Some(cluster) => adopt(cluster, request)?,
        None => create(state, request)?,
    };
    if cluster.runtime == Runtime::Containerd {
        preflight::check_in_sight(state.root())?;
        cluster.images.as_deref().map_or(Ok(()), preflight::check_in_sight)?;
    }
    let progress = Progress::new(false);
    if cluster.runtime == Runtime::Containerd {
        network::ensure_bridge(&mut cluster)?;
    }
    state.save(&cluster)?;
    progress.now("starting the control plane");
    let mut server_flags = cluster.etcd.map_or_else(|| Ok(Vec::new()), |etcd| etcd::start(state, &cluster, etcd))?;
    server_flags.extend_from_slice(&request.server_flags);
    start_control_plane(state, &cluster, &server_flags)?;
    progress.done(&format!("control plane answers at {}", cluster.server_url()));

    let count = request.nodes.unwrap_or(cluster.nodes.len().max(1));
    let (add, remove) = cluster.resize(count);
    for name in &add {
        cluster.add_node(name, free_port)?;
    }
    state.save(&cluster)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let client = runtime.block_on(apply::client(&cluster.kubeconfig))?;
    for name in remove {
        progress.now(format!("removing node {name}"));
        node::remove(state, &mut cluster, &name, &runtime, &client)?;
        progress.done(&format!("node {name} removed"));
    }
    if request.network && cluster.runtime == Runtime::Containerd {
        runtime.block_on(apply::apply(&client, &crate::network_agent::manifests()?))?;
    }
    runtime.block_on(apply::apply(&client, &manifests))?;
    for name in cluster.nodes.iter().filter(|(_, node)| !node.stopped).map(|(name, _)| name) {
        progress.now(format!("switching on node {name}"));
        machine::start(state, &cluster, name)?;
    }
    progress.done(&format!("{} machines are on", cluster.nodes.values().filter(|node| !node.stopped).count()));
    let shown = runtime.block_on(coverage::wait(&client, &cluster, request.network, READY_LIMIT, &progress));
    progress.finish();
    let report = shown?;
    if request.json {
        println!("{}", serde_json::to_string_pretty(&report.to_json())?);
    } else {
        println!("{report}");
        println!("{}", how_to_go_on(state, &cluster));
    }
    if !report.complete() {
        bail!("not everything runs yet; the table above says what is missing, and `garrison status` shows it again");
    }
    Ok(())
}

/// The cluster that is there, with what the request changes.
fn adopt(mut cluster: Cluster, request: &Request) -> Result<Cluster> {
    if request.runtime.is_some_and(|runtime| runtime != cluster.runtime) {
        bail!("this cluster was made with another --runtime; `garrison down` it first");
    }
    if request.listen.is_some_and(|listen| listen != cluster.listen) {
        bail!("this cluster's API server listens on {}; `garrison down` it first to move it", cluster.listen);
    }
    etcd::check_unchanged(&cluster, request.etcd)?;
    if let Some(images) = &request.images {
        cluster.images = Some(absolute(images)?);
    }
    preflight::check(cluster.runtime, cluster.images.as_deref())?;
    Ok(cluster)
}

/// A cluster that was not there before.
fn create(state: &StateDir, request: &Request) -> Result<Cluster> {
    let runtime = request.runtime.unwrap_or(Runtime::Containerd);
    preflight::check(runtime, request.images.as_deref())?;
    if let (Runtime::Containerd, Some(listen)) = (runtime, request.listen.filter(|listen| listen.ip().is_loopback())) {
        bail!("nodes have a loopback of their own and cannot reach {listen}; choose 0.0.0.0 or an address of this machine");
    }
    let id = state.id();
    let (subnet, listen) = match runtime {
        Runtime::Containerd => {
            let subnet = network::choose_subnet(&id)?;
            let [a, b, c, _] = subnet.octets();
            (subnet, SocketAddr::from(([a, b, c, 1], 6443)))
        }
        Runtime::Simulated => (Ipv4Addr::LOCALHOST, SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?))),
    };
    let kubeconfig = request.kubeconfig.clone().unwrap_or_else(|| state.root().join("kubeconfig"));
    Ok(Cluster {
        id,
        runtime,
        subnet,
        listen: request.listen.unwrap_or(listen),
        kubeconfig: absolute(&kubeconfig)?,
        images: request.images.as_deref().map(absolute).transpose()?,
        etcd: request.etcd.then(etcd::choose).transpose()?,
        nodes: Default::default(),
        ip_forward_before: None,
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("finding {}", path.display()))
}

/// A port nobody listens on now.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("asking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Starts the server under its supervisor, unless it runs, and waits until it answers.
pub(crate) fn start_control_plane(state: &StateDir, cluster: &Cluster, flags: &[String]) -> Result<()> {
    let directory = state.server_dir();
    fs::create_dir_all(&directory)?;
    let pid_file = state.root().join("server.pid");
    let log = directory.join("server.log");
    if Process::read(&pid_file).is_none() {
        super::down::end_strays_of(cluster, &directory);
        preflight::check_listen(cluster)?;
        let mut command = vec![supervise::own_program()?.display().to_string(), "server".into()];
        for (flag, value) in [
            ("--data-dir", directory.display().to_string()),
            ("--listen", cluster.listen.to_string()),
            ("--advertise-address", cluster.advertised().ip().to_string()),
            ("--write-kubeconfig", cluster.kubeconfig.display().to_string()),
        ] {
            command.extend([flag.to_string(), value]);
        }
        command.extend_from_slice(flags);
        let cgroup = (cluster.runtime == Runtime::Containerd).then(|| cgroup::node_root(&cluster.id, "control-plane"));
        supervise::start(&command, &cluster.id, cgroup.as_deref(), &log, &pid_file)?;
    }
    let answers = wait_until(Duration::from_secs(30), || {
        cluster.kubeconfig.exists() && std::net::TcpStream::connect_timeout(&cluster.advertised(), Duration::from_secs(1)).is_ok()
    });
    if !answers {
        bail!("the API server does not answer at {}; its log is {}", cluster.listen, log.display());
    }
    Ok(())
}

fn how_to_go_on(state: &StateDir, cluster: &Cluster) -> String {
    let program = supervise::own_program().map_or_else(|_| "garrison".into(), |path| path.display().to_string());
    let state_flag =
        if state.root() == StateDir::default_path() { String::new() } else { format!(" --state-dir {}", state.root().display()) };
    let store = cluster
        .etcd
        .map_or_else(String::new, |etcd| format!("\n\nIts objects are in etcd:\n  {}", etcd::how_to_look(state, etcd)));
    format!(
        "\nThe cluster keeps running. Use it:\n  export KUBECONFIG={}\n  kubectl get daemonsets,pods -A -o wide{store}\n\nA node joins and leaves:\n  {program} node add n{}{state_flag}\n  {program} node remove n1{state_flag}\n\nStop it and leave no trace:\n  {program} down{state_flag}",
        cluster.kubeconfig.display(),
        cluster.nodes.len() + 1,
    )
}
