//! A real monitoring daemon: node-exporter of every node, scraped from outside.

use crate::cluster::{Cluster, FLUENTD};
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const EXPORTER: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-exporter, namespace: default}
spec:
  selector: {matchLabels: {app: node-exporter}}
  template:
    metadata: {labels: {app: node-exporter}}
    spec:
      hostNetwork: true
      hostPID: true
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers:
      - name: node-exporter
        image: quay.io/prometheus/node-exporter:v1.5.0
        args: ['--path.procfs=/host/proc', '--path.sysfs=/host/sys', '--path.rootfs=/host', '--web.listen-address=$(HOST_IP):9100']
        env: [{name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]
        volumeMounts: [{name: root, mountPath: /host, readOnly: true, mountPropagation: HostToContainer}]
      volumes: [{name: root, hostPath: {path: /, type: Directory}}]
";

fn scrape(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&format!("{address}:9100").parse()?, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn node_exporter_is_scraped_on_each_node() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "3"])?;
    cluster.apply(EXPORTER)?;
    cluster.wait_one_on_each("app=node-exporter", &["n1", "n2", "n3"])?;
    for node in ["n1", "n2", "n3"] {
        let address = cluster.address(node)?;
        let metrics = cluster.wait(&format!("metrics of {node}"), || scrape(&address))?;
        let name = metrics.lines().find(|line| line.starts_with("node_uname_info")).context("node_uname_info")?;
        ensure!(name.contains(&format!("nodename=\"{node}\"")), "{node} says {name}");
    }
    ensure!(
        cluster.kubectl(&["get", "ds", "-A", "-o", "name"])?.lines().count() == 2,
        "the {FLUENTD} example is not part of this"
    );
    cluster.down()
}
