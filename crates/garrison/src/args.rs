//! The command line.

use crate::cluster::{cgroup, commands, machine_init, supervise};
use crate::{bench, network_agent, role};
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exactly one copy of each daemon on each eligible machine, spoken to through the Kubernetes API.
#[derive(Debug, Parser)]
#[command(name = "garrison", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A real cluster on this machine: a control plane and N nodes, each with containers of its own
    Up(commands::Up),
    /// Remove every trace of the cluster
    Down(commands::Down),
    /// Add, remove, stop or start one node of the cluster
    Node(commands::Node),
    /// Show which node runs which daemon
    Status(commands::Status),
    /// The control plane: API server, DaemonSet controller, scheduler, node lifecycle
    Server(Box<role::server::ServerArgs>),
    /// The DaemonSet controller alone, for a cluster whose own is switched off
    Controller(role::controller::ControllerArgs),
    /// The node agent: makes this machine a node
    Agent(Box<role::agent::AgentArgs>),
    /// The network daemon: CNI configuration and routes of one node
    NetworkAgent(network_agent::NetworkAgent),
    /// Measure this build on this machine
    Bench(bench::Bench),
    /// Hold a pod's namespaces open
    #[command(hide = true)]
    Pause,
    /// Keep a command running
    #[command(hide = true)]
    Supervise {
        #[arg(long)]
        cgroup: Option<String>,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Be pid 1 of a node
    #[command(hide = true)]
    MachineInit { description: PathBuf },
    /// Run a program of the host
    #[command(hide = true)]
    ChrootRun {
        root: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Up(up) => up.run(),
            Self::Down(down) => down.run(),
            Self::Node(node) => node.run(),
            Self::Status(status) => status.run(),
            Self::Server(server) => server.run(),
            Self::Controller(controller) => controller.run(),
            Self::Agent(agent) => agent.run(),
            Self::NetworkAgent(agent) => {
                role::log_to_stderr();
                agent.run()
            }
            Self::Bench(bench) => bench.run(),
            Self::Pause => role::pause::run(),
            Self::Supervise { cgroup, command } => {
                cgroup.as_deref().map_or(Ok(()), cgroup::enter)?;
                supervise::supervise(&command)
            }
            Self::MachineInit { description } => machine_init::run_machine(&description),
            Self::ChrootRun { root, command } => network_agent::masquerade::chroot_run(&root, &command),
        }
    }
}
