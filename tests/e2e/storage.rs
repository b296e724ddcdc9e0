//! A real storage daemon: it mounts a filesystem on its node, and ordinary pods there read from it.

use crate::cluster::Cluster;
use anyhow::{Result, ensure};

const DAEMON: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: storage, namespace: default}
spec:
  selector: {matchLabels: {app: storage}}
  template:
    metadata: {labels: {app: storage}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: c
        image: docker.io/library/busybox:1.35
        command: [sh, -c, 'mkdir -p /mnt/volume && mount -t tmpfs storage /mnt/volume && echo stored-by-$(hostname) > /mnt/volume/file && exec sleep 3600']
        securityContext: {privileged: true}
        readinessProbe: {exec: {command: [test, -s, /mnt/volume/file]}, periodSeconds: 1}
        volumeMounts: [{name: mnt, mountPath: /mnt, mountPropagation: Bidirectional}]
      volumes: [{name: mnt, hostPath: {path: /var/lib/kubelet/storage-test, type: DirectoryOrCreate}}]
";

const READER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: reader, namespace: default, labels: {app: reader}}
spec:
  nodeName: n2
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: docker.io/library/busybox:1.35
    command: [sleep, '3600']
    volumeMounts: [{name: mnt, mountPath: /data, mountPropagation: HostToContainer}]
  volumes: [{name: mnt, hostPath: {path: /var/lib/kubelet/storage-test, type: DirectoryOrCreate}}]
";

#[test]
fn a_filesystem_mounted_by_a_daemon_is_seen_by_pods_of_its_node() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "2"])?;
    // The reader first: the mount has to spread into a container that runs already.
    cluster.apply(READER)?;
    cluster.wait_one_on_each("app=reader", &["n2"])?;
    cluster.apply(DAEMON)?;
    let pods = cluster.wait_one_on_each("app=storage", &["n1", "n2"])?;
    let content =
        cluster.wait("the file in the reader", || cluster.kubectl(&["exec", "reader", "--", "cat", "/data/volume/file"]))?;
    ensure!(content.trim() == format!("stored-by-{}", pods[1].name), "it reads {content:?}");
    cluster.down()
}
