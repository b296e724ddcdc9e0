//! The example on three nodes: log lines of a node arrive from that node's pod, and the manifest's limits are in force.

use crate::bulk::Bulk;
use crate::cluster::{Cluster, FLUENTD, Store};
use anyhow::{Context, Result, ensure};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

fn append(file: &Path, line: &str) -> Result<()> {
    std::fs::create_dir_all(file.parent().context("a folder")?)?;
    Ok(writeln!(OpenOptions::new().create(true).append(true).open(file)?, "{line}")?)
}

/// Conformance: K6
#[test]
fn each_node_ships_its_own_logs() -> Result<()> {
    ships_its_own_logs(Store::File)
}

#[test]
fn each_node_ships_its_own_logs_on_etcd() -> Result<()> {
    ships_its_own_logs(Store::Etcd)
}

fn ships_its_own_logs(store: Store) -> Result<()> {
    let cluster = Cluster::with_fluentd_in(store)?;
    let bulk = Bulk::listen(cluster.gateway()?)?;
    let pods = cluster.wait_one_on_each("name=fluentd-elasticsearch", &["n1", "n2", "n3"])?;
    for pod in &pods {
        let directory = cluster.node_dir(&pod.node);
        let (line, docker) = (format!("hello from {}", pod.node), format!("docker says {}", pod.node));
        append(&directory.join("log/app.log"), &line)?;
        let json = format!(r#"{{"log":"{docker}\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}}"#);
        append(&directory.join("docker/containers/abc/abc-json.log"), &json)?;
        for message in [&line, &docker] {
            let documents = cluster.wait(&format!("{message:?} at the bulk endpoint"), || {
                let documents = bulk.with_message(message);
                ensure!(!documents.is_empty(), "nothing arrived");
                Ok(documents)
            })?;
            let from = documents[0]["host"].as_str().unwrap_or_default();
            ensure!(from == pod.name, "{message:?} came from {from}, not from {}", pod.name);
            ensure!(documents[0]["tag"] == FLUENTD, "tagged {}", documents[0]["tag"]);
        }
    }
    limits_are_in_force(&cluster, &pods[0].name)?;
    kubectl_reads_it(&cluster, &pods[0].name)?;
    cluster.down()
}

fn limits_are_in_force(cluster: &Cluster, pod: &str) -> Result<()> {
    let exec = |script: &str| cluster.kubectl(&["-n", "kube-system", "exec", pod, "--", "sh", "-c", script]);
    let limit = exec("cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max")?;
    ensure!(limit.trim() == (200 * 1024 * 1024).to_string(), "the memory limit is {limit}");
    let refused = cluster.kubectl_output(&["-n", "kube-system", "exec", pod, "--", "touch", "/var/lib/docker/containers/x"])?;
    ensure!(!refused.status.success(), "the read-only mount was written to");
    exec("touch /var/log/writable")?;
    Ok(())
}

fn kubectl_reads_it(cluster: &Cluster, pod: &str) -> Result<()> {
    let table = cluster.kubectl(&["-n", "kube-system", "get", "ds", FLUENTD])?;
    let row: Vec<&str> = table.lines().nth(1).context("a row")?.split_whitespace().collect();
    ensure!(row[..6] == [FLUENTD, "3", "3", "3", "3", "3"], "{table}");
    let log = cluster.kubectl(&["-n", "kube-system", "logs", pod, "--tail=5"])?;
    ensure!(log.contains("shipping the logs of this node"), "the log is {log:?}");
    let described = cluster.kubectl(&["-n", "kube-system", "describe", "ds", FLUENTD])?;
    ensure!(described.contains("Desired Number of Nodes Scheduled: 3") && described.contains("SuccessfulCreate"), "{described}");
    cluster.kubectl(&["-n", "kube-system", "rollout", "status", &format!("ds/{FLUENTD}"), "--timeout=30s"])?;
    Ok(())
}
