//! The built-in network daemon: writes this node's CNI configuration and routes to the other nodes' pods.
//!
//! It runs as a hostNetwork DaemonSet from this binary's own image, on nodes that are NotReady for lack of just this.
//! Each node's pods sit on a bridge `cni0` with addresses of the node's podCIDR; other nodes' podCIDRs are routed to their
//! addresses. What leaves the pod network is masqueraded; pods see each other's own addresses.

mod bridge;
mod conflist;
pub(crate) mod masquerade;
mod routes;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

const MANIFEST: &str = include_str!("network_agent/manifest.yaml");

fn manifest() -> String {
    MANIFEST.replace("GARRISON_IMAGE", crate::role::GARRISON_IMAGE)
}

/// The objects that install the network agent.
pub(crate) fn manifests() -> Result<Vec<Value>> {
    crate::apply::parse(&manifest()).context("in the network agent's own manifest")
}

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkAgent {
    /// This node's name
    #[arg(long, env = "NODE_NAME", required_unless_present = "print_manifest", default_value = "")]
    node_name: String,
    /// Print the objects that install the network daemon, for `kubectl apply -f -`, and do nothing else
    #[arg(long)]
    print_manifest: bool,
    /// Where CNI configurations are read from
    #[arg(long, default_value = "/etc/cni/net.d")]
    cni_config_dir: PathBuf,
    /// The host's root as seen by this process, whose `iptables` is used; none to leave masquerading to others
    #[arg(long, default_value = "/host")]
    host_root: PathBuf,
    /// Addresses of all pods, which are not masqueraded among themselves
    #[arg(long, env = "CLUSTER_CIDR", default_value = "10.244.0.0/16")]
    cluster_cidr: String,
}

/// What the agent knows of a node: where its pods are, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Peer {
    pod_cidr: String,
    address: String,
}

fn peer(node: &Node) -> Option<Peer> {
    let pod_cidr = node.spec.as_ref()?.pod_cidr.clone().filter(|cidr| !cidr.is_empty())?;
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    let address = addresses.iter().find(|address| address.type_ == "InternalIP")?.address.clone();
    Some(Peer { pod_cidr, address })
}

impl NetworkAgent {
    pub(crate) fn run(self) -> Result<ExitCode> {
        if self.print_manifest {
            print!("{}", manifest());
            return Ok(ExitCode::SUCCESS);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<ExitCode> {
        let config = kube::Config::incluster().context("reading the pod's service account")?;
        let client = kube::Client::try_from(config).context("making a client")?;
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("switching on forwarding")?;
        let mut routes = routes::Routes::open()?;
        let mut peers = BTreeMap::new();
        let mut nodes = std::pin::pin!(watcher(Api::<Node>::all(client), watcher::Config::default()).default_backoff());
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut listed = BTreeMap::new();
        loop {
            let event = tokio::select! {
                event = nodes.try_next() => event,
                _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
            };
            match event {
                Ok(Some(watcher::Event::Init)) => listed.clear(),
                Ok(Some(watcher::Event::InitApply(node))) => note(&mut listed, &node),
                Ok(Some(watcher::Event::InitDone)) => {
                    peers = std::mem::take(&mut listed);
                    self.act(&mut routes, &peers).await;
                }
                Ok(Some(watcher::Event::Apply(node))) => {
                    note(&mut peers, &node);
                    self.act(&mut routes, &peers).await;
                }
                Ok(Some(watcher::Event::Delete(node))) => {
                    peers.remove(&node.metadata.name.unwrap_or_default());
                    self.act(&mut routes, &peers).await;
                }
                Ok(None) => anyhow::bail!("the watch of nodes ended"),
                // The watcher waits and tries again by itself.
                Err(error) => tracing::warn!(error = %error, "watching nodes failed"),
            }
        }
    }

    /// Brings configuration, masquerading and routes to what the peers call for; the next event repeats what failed.
    async fn act(&self, routes: &mut routes::Routes, peers: &BTreeMap<String, Peer>) {
        let others = peers.iter().filter(|(name, _)| **name != self.node_name).map(|(_, peer)| peer.clone()).collect::<Vec<_>>();
        if let Err(error) = routes.set(&others).await {
            tracing::warn!("setting routes failed: {error:#}");
        }
        let Some(own) = peers.get(&self.node_name) else {
            tracing::info!(node = self.node_name, "waiting for this node's podCIDR");
            return;
        };
        if let Err(error) = bridge::ensure(&routes.handle, &own.pod_cidr).await {
            tracing::warn!("{error:#}");
        }
        if let Err(error) = masquerade::ensure(&self.host_root, &own.pod_cidr, &self.cluster_cidr).await {
            tracing::warn!("masquerading is not set up: {error:#}");
        }
        match conflist::write(&self.cni_config_dir, &own.pod_cidr) {
            Ok(true) => tracing::info!(pod_cidr = own.pod_cidr, "wrote the CNI configuration"),
            Ok(false) => {}
            Err(error) => tracing::error!("writing the CNI configuration failed: {error:#}"),
        }
    }
}

fn note(peers: &mut BTreeMap<String, Peer>, node: &Node) {
    let name = node.metadata.name.clone().unwrap_or_default();
    match peer(node) {
        Some(peer) => peers.insert(name, peer),
        None => peers.remove(&name),
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_manifest_is_whole_and_lets_the_agent_read_nodes() {
        let objects = super::manifests().expect("parses");
        let [account, role, binding, set] = objects.as_slice() else { panic!("{} objects", objects.len()) };
        let account = &account["metadata"];
        assert_eq!(set["spec"]["template"]["spec"]["serviceAccountName"], account["name"]);
        let subject = &binding["subjects"][0];
        assert_eq!((&subject["name"], &subject["namespace"]), (&account["name"], &account["namespace"]));
        assert_eq!((&binding["roleRef"]["kind"], &binding["roleRef"]["name"]), (&role["kind"], &role["metadata"]["name"]));
        // It lists and watches them, and nothing else.
        let nodes = serde_json::json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]}]);
        assert_eq!(role["rules"], nodes);
    }
}
