//! Nodes join and leave; their daemons follow without a further command.

use crate::cluster::{Cluster, Store};
use anyhow::{Result, ensure};

#[test]
fn a_node_that_joins_gets_its_daemons_and_one_that_leaves_takes_them_along() -> Result<()> {
    nodes_join_and_leave(Store::File)
}

#[test]
fn on_etcd_too_a_node_that_joins_gets_its_daemons_and_one_that_leaves_takes_them_along() -> Result<()> {
    nodes_join_and_leave(Store::Etcd)
}

fn nodes_join_and_leave(store: Store) -> Result<()> {
    let cluster = Cluster::with_fluentd_in(store)?;
    cluster.wait_one_on_each("name=fluentd-elasticsearch", &["n1", "n2", "n3"])?;
    let init = cluster.pid("n2", "init")?;
    cluster.node("add", "n4")?;
    cluster.wait_one_on_each("name=fluentd-elasticsearch", &["n1", "n2", "n3", "n4"])?;
    cluster.node("remove", "n2")?;
    ensure!(!std::path::Path::new(&format!("/proc/{init}")).exists(), "the machine n2 still runs");
    ensure!(!cluster.node_dir("n2").exists(), "the disk of n2 is left");
    cluster.wait_one_on_each("name=fluentd-elasticsearch", &["n1", "n3", "n4"])?;
    let nodes = cluster.kubectl(&["get", "nodes", "-o", "name"])?;
    ensure!(!nodes.contains("node/n2"), "{nodes}");
    cluster.up_again(&["--nodes", "2"])?;
    cluster.wait_one_on_each("name=fluentd-elasticsearch", &["n1", "n3"])?;
    if store == Store::Etcd {
        let keys = cluster.etcdctl(&["get", "--prefix", "/registry/nodes", "--keys-only"])?;
        let keys: Vec<&str> = keys.split_whitespace().collect();
        ensure!(keys == ["/registry/nodes/n1", "/registry/nodes/n3"], "{keys:?}");
    }
    cluster.down()
}
