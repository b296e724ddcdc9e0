//! Everything is killed and started again: the same objects, and no daemon restarted that was running.

use crate::cluster::{Cluster, kill};
use anyhow::{Context, Result, ensure};

const LABEL: &str = "name=fluentd-elasticsearch";

/// Conformance: E12, E14, E16
#[test]
fn state_and_daemons_survive_the_death_of_every_garrison_process() -> Result<()> {
    let cluster = Cluster::with_fluentd()?;
    let before = cluster.wait_one_on_each(LABEL, &["n1", "n2", "n3"])?;
    cluster.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, namespace: default}, data: {a: b}}")?;
    let version = |what: &str| -> Result<u64> {
        cluster.kubectl(&["get", what, "-o", "jsonpath={.metadata.resourceVersion}"])?.parse().context("a resourceVersion")
    };
    let kept = version("configmap/kept")?;
    for node in ["n1", "n2", "n3"] {
        for part in ["agent", "containerd"] {
            kill(cluster.pid(node, part)?)?;
        }
    }
    let (supervisor, server) = (cluster.supervisor_pid()?, cluster.server_pid()?);
    kill(supervisor)?;
    kill(server)?;
    cluster.up_again(&[])?;
    ensure!(version("configmap/kept")? == kept, "the ConfigMap changed");
    cluster.kubectl(&["annotate", "configmap", "kept", "touched=yes"])?;
    ensure!(version("configmap/kept")? > kept, "resource versions do not go on");
    let after = cluster.wait_one_on_each(LABEL, &["n1", "n2", "n3"])?;
    ensure!(after == before, "a daemon was restarted: {before:?} became {after:?}");
    cluster.down()
}

#[test]
fn two_clusters_run_side_by_side_and_down_sweeps_a_crashed_one() -> Result<()> {
    let port = std::net::TcpListener::bind("0.0.0.0:0")?.local_addr()?.port();
    let first = Cluster::up(&["--nodes", "1"])?;
    let second = Cluster::up(&["--nodes", "1", "--listen", &format!("0.0.0.0:{port}")])?;
    ensure!(first.gateway()? != second.gateway()?, "they share a subnet");
    kill(first.supervisor_pid()?)?;
    kill(first.pid("n1", "agent")?)?;
    std::fs::write(first.state_dir().join("server.pid"), "")?;
    first.down()?;
    second.kubectl(&["get", "nodes"])?;
    second.down()
}
