//! `garrison node add|remove|stop|start`: one machine at a time.

use super::machine;
use super::state::{Cluster, StateDir};
use super::up::free_port;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DeleteParams};

/// Adds a machine and switches it on; its daemons follow by themselves.
pub(crate) fn add(state: &StateDir, cluster: &mut Cluster, name: &str) -> Result<()> {
    cluster.add_node(name, free_port)?;
    state.save(cluster)?;
    machine::start(state, cluster, name)
}

/// Takes a machine and its Node object away.
pub(crate) fn remove(
    state: &StateDir,
    cluster: &mut Cluster,
    name: &str,
    runtime: &tokio::runtime::Runtime,
    client: &kube::Client,
) -> Result<()> {
    known(cluster, name)?;
    // The machine first: an agent that still runs would register its Node again.
    machine::remove(state, cluster, name)?;
    let nodes: Api<Node> = Api::all(client.clone());
    match runtime.block_on(nodes.delete(name, &DeleteParams::default())) {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => other.map(drop).with_context(|| format!("deleting the Node object {name}"))?,
    }
    cluster.nodes.remove(name);
    state.save(cluster)
}

/// Cuts a machine from power; its Node object and its disk stay.
pub(crate) fn stop(state: &StateDir, cluster: &mut Cluster, name: &str) -> Result<()> {
    set_stopped(state, cluster, name, true)?;
    machine::stop(state, cluster, name)
}

/// Switches a stopped machine on again.
pub(crate) fn start(state: &StateDir, cluster: &mut Cluster, name: &str) -> Result<()> {
    set_stopped(state, cluster, name, false)?;
    machine::start(state, cluster, name)
}

fn set_stopped(state: &StateDir, cluster: &mut Cluster, name: &str, stopped: bool) -> Result<()> {
    known(cluster, name)?;
    if let Some(node) = cluster.nodes.get_mut(name) {
        node.stopped = stopped;
    }
    state.save(cluster)
}

fn known(cluster: &Cluster, name: &str) -> Result<()> {
    let names: Vec<&str> = cluster.nodes.keys().map(String::as_str).collect();
    cluster.nodes.get(name).map(drop).with_context(|| format!("no node {name}; there are: {}", names.join(", ")))
}
