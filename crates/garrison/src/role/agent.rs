//! `garrison agent`: makes this machine a node.

use anyhow::{Context, Result, bail};
use garrison_agent::{Config, RuntimeChoice};
use k8s_openapi::api::core::v1::Taint;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// An agent mostly waits: two threads keep probes going while a step blocks on the disk.
const THREADS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Runtime {
    /// A container runtime that speaks CRI v1
    Cri,
    /// Containers in memory only, without root
    Simulated,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {
    /// URL of the API server
    #[arg(long, value_name = "https://HOST:PORT", required_unless_present = "kubeconfig")]
    server: Option<String>,
    /// Join token, which `garrison server` keeps in its data directory; needed once
    #[arg(long, value_name = "TOKEN", env = "GARRISON_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// File that holds the join token
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// Credentials for a cluster that Garrison does not serve; no logs, exec or port-forward then
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "token_file"])]
    kubeconfig: Option<PathBuf>,
    /// Name of the Node object [default: the host name]
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// This machine's address in the cluster [default: the one from which the server is reached]
    #[arg(long, value_name = "ADDRESS")]
    node_ip: Option<IpAddr>,
    /// Port of the node's own API (logs, exec, port-forward)
    #[arg(long, value_name = "PORT", default_value_t = 10250)]
    port: u16,
    /// Directory of OCI archives (*.tar) to load at start
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// What runs the pods
    #[arg(long, value_enum, default_value = "cri")]
    runtime: Runtime,
    /// Socket of the container runtime
    #[arg(long, value_name = "ENDPOINT", default_value = "unix:///run/containerd/containerd.sock")]
    container_runtime_endpoint: String,
    /// Keys, certificates, and what is needed to start without the server
    #[arg(long, value_name = "DIR", default_value = "/var/lib/garrison-node")]
    data_dir: PathBuf,
    /// Pods' volumes; daemons expect the default
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kubelet")]
    root_dir: PathBuf,
    /// Parent of `pods` and `containers`, where log shippers look
    #[arg(long, value_name = "DIR", default_value = "/var/log")]
    log_dir: PathBuf,
    /// Cgroup below which the pods' cgroups are made [default: the root]
    #[arg(long, value_name = "PATH", default_value = "")]
    cgroup_root: String,
    /// HOST:PORT at which pods reach the API [default: that of --server]
    #[arg(long, value_name = "HOST:PORT")]
    cluster_endpoint: Option<String>,
    /// Nameserver for pods; may be repeated [default: those of this machine]
    #[arg(long, value_name = "ADDRESS")]
    cluster_dns: Vec<IpAddr>,
    /// Domain of services
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// Label of the Node; may be repeated
    #[arg(long = "node-label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Taint that the Node registers with; may be repeated
    #[arg(long = "register-with-taint", value_name = "KEY=VALUE:EFFECT", value_parser = taint)]
    taints: Vec<Taint>,
    /// Most pods that this node takes
    #[arg(long, value_name = "N", default_value_t = 110)]
    max_pods: u32,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text} is no label like zone=a"))?;
    Ok((key.into(), value.into()))
}

/// `key=value:effect` or `key:effect`.
fn taint(text: &str) -> Result<Taint, String> {
    let bad = || format!("{text} is no taint like dedicated=daemons:NoSchedule");
    let (name, effect) = text.rsplit_once(':').ok_or_else(bad)?;
    if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
        return Err(format!("{effect} is no effect of a taint; there are NoSchedule, PreferNoSchedule and NoExecute"));
    }
    let (key, value) = name.split_once('=').map_or((name, None), |(key, value)| (key, Some(value.to_owned())));
    if key.is_empty() {
        return Err(bad());
    }
    Ok(Taint { key: key.into(), value, effect: effect.into(), time_added: None })
}

impl AgentArgs {
    pub(crate) fn run(self) -> Result<ExitCode> {
        super::log_to_stderr();
        let config = self.config()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        runtime.block_on(async {
            let shutdown = CancellationToken::new();
            tokio::spawn(super::cancel_on_signal(shutdown.clone()));
            garrison_agent::run(config, shutdown).await.context("running the node agent")?;
            Ok(ExitCode::SUCCESS)
        })
    }

    fn config(self) -> Result<Config> {
        let token = match &self.token_file {
            // With a certificate of its own the node needs no token, and the file may be gone.
            Some(file) => {
                let read = std::fs::read_to_string(file);
                let told = read.inspect_err(|error| tracing::warn!(file = %file.display(), %error, "no join token"));
                told.ok().map(|text| text.trim().to_owned())
            }
            None => self.token,
        };
        let node_name = match self.node_name {
            Some(name) => name,
            None => rustix::system::uname().nodename().to_string_lossy().to_lowercase(),
        };
        if node_name.is_empty() {
            bail!("this machine has no host name; name the node with --node-name");
        }
        if self.runtime == Runtime::Cri && !rustix::process::geteuid().is_root() {
            bail!("an agent that runs containers needs root; run it as root, or add `--runtime simulated`");
        }
        if let Some(images) = &self.images {
            std::fs::read_dir(images).with_context(|| format!("--images {}: not a readable directory", images.display()))?;
        }
        Ok(Config {
            server: self.server.unwrap_or_default(),
            token,
            kubeconfig: self.kubeconfig,
            node_name,
            node_ip: self.node_ip,
            runtime: match self.runtime {
                Runtime::Cri => RuntimeChoice::Cri { endpoint: self.container_runtime_endpoint },
                Runtime::Simulated => RuntimeChoice::Simulated,
            },
            images: self.images,
            root_dir: self.root_dir,
            data_dir: self.data_dir,
            log_dir: self.log_dir,
            cgroup_root: self.cgroup_root,
            port: self.port,
            cluster_endpoint: self.cluster_endpoint,
            cluster_dns: self.cluster_dns,
            cluster_domain: self.cluster_domain,
            labels: BTreeMap::from_iter(self.labels),
            taints: self.taints,
            max_pods: self.max_pods,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_read() {
        let check = |text: &str, expected: Option<(&str, Option<&str>, &str)>| {
            let read = taint(text).ok();
            let parts = read.as_ref().map(|taint| (taint.key.as_str(), taint.value.as_deref(), taint.effect.as_str()));
            assert_eq!(parts, expected, "{text}");
        };
        check("a=b:NoSchedule", Some(("a", Some("b"), "NoSchedule")));
        check("a:NoExecute", Some(("a", None, "NoExecute")));
        check("a=b", None);
        check("a:Never", None);
        check("=b:NoSchedule", None);
    }
}
