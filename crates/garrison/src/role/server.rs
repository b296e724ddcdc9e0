//! `garrison server`: API server and control loops in one process.
//!
//! The loops' client calls the server's router as a function; they would run unchanged against any other cluster.

use super::{duration::duration, etcd::EtcdArgs, limits::LimitArgs};
use anyhow::{Context, Result};
use garrison_controllers::selection::Selection;
use garrison_server::identity::User;
use garrison_server::{AddressRange, PortRange, Server, ServiceRanges};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// Where keys and the join token are kept, and objects unless they are in etcd
    #[arg(long, value_name = "DIR", default_value = "/var/lib/garrison/server")]
    data_dir: PathBuf,
    /// Where the API listens
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:6443")]
    listen: SocketAddr,
    /// Address that nodes and pods reach this server at [default: the one it listens on, or this machine's]
    #[arg(long, value_name = "ADDRESS")]
    advertise_address: Option<IpAddr>,
    /// A further name or address for the server's certificate; may be repeated
    #[arg(long = "tls-san", value_name = "NAME")]
    names: Vec<String>,
    /// Write an administrator's kubeconfig there
    #[arg(long, value_name = "FILE")]
    write_kubeconfig: Option<PathBuf>,
    /// The control loops that run: `*` is all, `-NAME` all but that one
    #[arg(long, value_name = "LIST", default_value = "*", allow_hyphen_values = true)]
    controllers: Selection,
    /// How long a node may be silent before it counts as unreachable
    #[arg(long, value_name = "TIME", default_value = "40s", value_parser = duration)]
    node_monitor_grace_period: Duration,
    /// The range that pods get their addresses from
    #[arg(long, value_name = "CIDR", default_value = "10.244.0.0/16")]
    cluster_cidr: String,
    /// Prefix length of one node's share of it
    #[arg(long, value_name = "BITS", default_value_t = 24)]
    node_cidr_mask_size: u8,
    /// The range that services get their addresses from
    #[arg(long, value_name = "CIDR", default_value_t = AddressRange::DEFAULT)]
    service_cluster_ip_range: AddressRange,
    /// The ports on every node that services may get
    #[arg(long, value_name = "FIRST-LAST", default_value_t = PortRange::DEFAULT)]
    service_node_port_range: PortRange,
    #[command(flatten)]
    etcd: EtcdArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// The address of the interface that leads outside: no packet is sent.
fn own_address() -> IpAddr {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    probe.map_or(IpAddr::from([127, 0, 0, 1]), |address| address.ip())
}

impl ServerArgs {
    pub(crate) fn run(self) -> Result<ExitCode> {
        super::log_to_stderr();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<ExitCode> {
        let mut limited = garrison_controllers::Config::default();
        self.limits.set(&mut limited)?;
        let advertise = self
            .advertise_address
            .unwrap_or_else(|| if self.listen.ip().is_unspecified() { own_address() } else { self.listen.ip() });
        let config = garrison_server::Config {
            data_dir: self.data_dir,
            etcd: self.etcd.config()?,
            listen: self.listen,
            advertise_address: advertise.to_string(),
            names: self.names,
            services: ServiceRanges { addresses: self.service_cluster_ip_range, node_ports: self.service_node_port_range },
        };
        let server = Server::open(config).await.context("opening the server")?;
        if let Some(file) = &self.write_kubeconfig {
            write_secret(file, &server.kubeconfig())?;
        }
        let shutdown = CancellationToken::new();
        tokio::spawn(super::cancel_on_signal(shutdown.clone()));
        let settings = garrison_controllers::Config {
            controllers: self.controllers,
            node_monitor_grace_period: self.node_monitor_grace_period,
            cluster_cidr: self.cluster_cidr,
            node_cidr_mask: self.node_cidr_mask_size,
            root_ca_pem: server.ca_pem().to_string(),
            ..limited
        };
        let client = kube::Client::new(server.in_process(User::controllers()), "default");
        tracing::info!(url = server.url(), "the API server listens");
        let loops =
            async { garrison_controllers::run(client, settings, shutdown.clone()).await.context("running the control loops") };
        let api = async { server.serve(shutdown.clone()).await.context("serving the API") };
        tokio::try_join!(api, loops)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_secret(file: &Path, content: &str) -> Result<()> {
    let new = file.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let write = || -> std::io::Result<()> {
        if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?.write_all(content.as_bytes())?;
        std::fs::rename(&new, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}
