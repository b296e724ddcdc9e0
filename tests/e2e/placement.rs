//! Taints, selectors, affinity, cordon and nodeName: pods are where they should be, and follow when that changes.

use crate::cluster::Cluster;
use anyhow::{Result, ensure};

fn daemon_set(name: &str, extra: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: c, image: 'docker.io/library/busybox:1.35', command: [sleep, '3600']}}]
{extra}
"
    )
}

/// Conformance: E2, E3, K5
#[test]
fn pods_are_where_labels_and_taints_say() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "3"])?;
    cluster.apply(&daemon_set("everywhere", ""))?;
    cluster.apply(&daemon_set("blue", "      nodeSelector: {color: blue}"))?;
    cluster.apply(&daemon_set(
        "zoned",
        "      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a, b]}]}]}}}",
    ))?;
    cluster.apply(&daemon_set("pinned", "      nodeName: n2"))?;
    cluster.wait_one_on_each("app=everywhere", &["n1", "n2", "n3"])?;
    cluster.wait_one_on_each("app=pinned", &["n2"])?;
    ensure!(cluster.pods("app in (blue,zoned)")?.is_empty(), "pods on nodes without the labels");

    cluster.kubectl(&["label", "node", "n1", "color=blue", "zone=a"])?;
    cluster.kubectl(&["label", "node", "n3", "zone=b"])?;
    cluster.wait_one_on_each("app=blue", &["n1"])?;
    cluster.wait_one_on_each("app=zoned", &["n1", "n3"])?;
    cluster.kubectl(&["label", "node", "n1", "color=green", "--overwrite"])?;
    cluster.kubectl(&["label", "node", "n2", "color=blue"])?;
    cluster.wait_one_on_each("app=blue", &["n2"])?;
    let green = r#"{"spec":{"template":{"spec":{"nodeSelector":{"color":"green"}}}}}"#;
    cluster.kubectl(&["patch", "ds", "blue", "-p", green])?;
    cluster.wait_one_on_each("app=blue", &["n1"])?;
    cluster.kubectl(&["label", "node", "n3", "zone-"])?;
    cluster.wait_one_on_each("app=zoned", &["n1"])?;

    taints_move_pods(&cluster)?;
    cordon_and_drain_leave_daemons(&cluster)?;
    cluster.down()
}

fn taints_move_pods(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["taint", "node", "n3", "maintenance=yes:NoExecute"])?;
    cluster.wait_one_on_each("app=everywhere", &["n1", "n2"])?;
    cluster.kubectl(&["taint", "node", "n3", "maintenance-"])?;
    cluster.wait_one_on_each("app=everywhere", &["n1", "n2", "n3"])?;
    cluster.kubectl(&["taint", "node", "n1", "quiet=yes:NoSchedule"])?;
    let kept = cluster.wait_one_on_each("app=everywhere", &["n1", "n2", "n3"])?;
    // A NoSchedule taint keeps what runs; what is deleted there does not come back.
    cluster.kubectl(&["delete", "pod", &kept[0].name])?;
    cluster.wait_one_on_each("app=everywhere", &["n2", "n3"])?;
    cluster.kubectl(&["taint", "node", "n1", "quiet-"])?;
    cluster.wait_one_on_each("app=everywhere", &["n1", "n2", "n3"]).map(drop)
}

fn cordon_and_drain_leave_daemons(cluster: &Cluster) -> Result<()> {
    cluster.apply("{apiVersion: v1, kind: Pod, metadata: {name: ordinary, namespace: default, labels: {app: ordinary}}, spec: {nodeName: n2, terminationGracePeriodSeconds: 1, containers: [{name: c, image: 'docker.io/library/busybox:1.35', command: [sleep, '3600']}]}}")?;
    cluster.wait_one_on_each("app=ordinary", &["n2"])?;
    let before = cluster.wait_one_on_each("app=everywhere", &["n1", "n2", "n3"])?;
    cluster.kubectl(&["drain", "n2", "--ignore-daemonsets", "--force", "--timeout=60s"])?;
    ensure!(cluster.pods("app=ordinary")?.is_empty(), "the ordinary pod was not drained");
    ensure!(cluster.wait_one_on_each("app=everywhere", &["n1", "n2", "n3"])? == before, "the drain touched daemons");
    cluster.kubectl(&["delete", "pod", &before[1].name])?;
    cluster.wait_one_on_each("app=everywhere", &["n1", "n2", "n3"])?;
    cluster.kubectl(&["uncordon", "n2"]).map(drop)
}
