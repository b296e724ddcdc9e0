//! The arguments of `garrison up`, `down`, `node` and `status`, and what each calls.

use super::state::{Cluster, Runtime, StateDir, read_cluster};
use super::{down, machine, node, up};
use crate::{apply, coverage};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Where the cluster keeps its state.
#[derive(Debug, Args)]
pub(crate) struct StateFlag {
    /// Directory that holds the cluster; several clusters run side by side in several directories
    #[arg(long, value_name = "DIR", global = true)]
    state_dir: Option<PathBuf>,
}

impl StateFlag {
    fn path(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(StateDir::default_path)
    }

    fn open(&self) -> Result<(StateDir, Cluster)> {
        let path = self.path();
        // Looked at first, so that a mistyped directory is not made.
        read_cluster(&path)?.with_context(|| format!("no cluster in {}; make one with `garrison up`", path.display()))?;
        let state = StateDir::open(&path)?;
        let cluster = state.load()?.context("the cluster went away just now")?;
        Ok((state, cluster))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// How many nodes there should be; nodes are added or removed to match [default: as many as there are, or 1]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Directory of OCI archives (*.tar) that every node loads at start
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Manifests to apply; may be repeated
    #[arg(short, long = "filename", value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Where to write the kubeconfig [default: in the state directory]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where the API server listens [default: port 6443 on the cluster's bridge]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Do not install the network agent: nodes stay NotReady until another one comes
    #[arg(long)]
    without_network: bool,
    /// What runs the pods
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
    /// Keep the objects in an etcd of the cluster's own; it is started from the PATH
    #[arg(long)]
    etcd: bool,
    /// A flag for the server, such as --server-flag=--node-monitor-grace-period=20s; may be repeated
    #[arg(long = "server-flag", value_name = "FLAG", allow_hyphen_values = true)]
    server_flags: Vec<String>,
    /// Print the result as JSON
    #[arg(short, long, value_name = "json")]
    output: Option<Output>,
    #[command(flatten)]
    state: StateFlag,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    #[command(flatten)]
    state: StateFlag,
}

#[derive(Debug, Args)]
pub(crate) struct Node {
    #[command(subcommand)]
    action: NodeAction,
    #[command(flatten)]
    state: StateFlag,
}

#[derive(Debug, Subcommand)]
enum NodeAction {
    /// Add a machine and switch it on
    Add { name: String },
    /// Take a machine and its Node object away
    Remove { name: String },
    /// Cut a machine from power; its Node object and its disk stay
    Stop { name: String },
    /// Switch a stopped machine on again
    Start { name: String },
    /// Print the pids of a machine's parts
    #[command(hide = true)]
    Pids { name: String },
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print JSON
    #[arg(short, long, value_name = "json")]
    output: Option<Output>,
    /// Any cluster's kubeconfig instead of a state directory
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    state: StateFlag,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Output {
    Json,
}

impl Up {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let state = StateDir::open(&self.state.path())?;
        let request = up::Request {
            nodes: self.nodes,
            images: self.images,
            files: self.file,
            kubeconfig: self.kubeconfig,
            listen: self.listen,
            network: !self.without_network,
            runtime: self.runtime,
            etcd: self.etcd,
            server_flags: self.server_flags,
            json: self.output.is_some(),
        };
        up::up(&state, &request)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Down {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let path = self.state.path();
        if !path.exists() {
            println!("no cluster in {}", path.display());
            return Ok(ExitCode::SUCCESS);
        }
        let state = StateDir::open(&path)?;
        down::down(state)?;
        println!("the cluster of {} is gone", path.display());
        Ok(ExitCode::SUCCESS)
    }
}

impl Node {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let (state, mut cluster) = self.state.open()?;
        match self.action {
            NodeAction::Add { name } => {
                node::add(&state, &mut cluster, &name)?;
                println!("node {name} is on");
            }
            NodeAction::Remove { name } => {
                let runtime = small_runtime()?;
                let client = runtime.block_on(apply::client(&cluster.kubeconfig))?;
                node::remove(&state, &mut cluster, &name, &runtime, &client)?;
                println!("node {name} is gone");
            }
            NodeAction::Stop { name } => {
                node::stop(&state, &mut cluster, &name)?;
                println!("node {name} is off");
            }
            NodeAction::Start { name } => {
                node::start(&state, &mut cluster, &name)?;
                println!("node {name} is on");
            }
            NodeAction::Pids { name } => println!("{}", serde_json::to_string(&machine::parts(&state.node_dir(&name)))?),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Status {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let kubeconfig = match &self.kubeconfig {
            Some(file) => file.clone(),
            None => {
                let path = self.state.path();
                read_cluster(&path)?
                    .with_context(|| format!("no cluster in {}; make one with `garrison up`", path.display()))?
                    .kubeconfig
            }
        };
        let runtime = small_runtime()?;
        let report = runtime.block_on(async {
            let client = apply::client(&kubeconfig).await?;
            tokio::time::timeout(Duration::from_secs(30), coverage::look(&client))
                .await
                .context("the API server did not answer in 30 s")?
        })?;
        if self.output.is_some() {
            println!("{}", serde_json::to_string_pretty(&report.to_json())?);
        } else {
            println!("{report}");
        }
        Ok(if report.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn small_runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
