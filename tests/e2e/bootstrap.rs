//! Without a network, nodes are NotReady: only hostNetwork daemons start there, and everything else says why it waits.

use crate::cluster::{Cluster, project};
use anyhow::{Context, Result, ensure};

const HOST_DAEMON: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: host-daemon, namespace: kube-system}
spec:
  selector: {matchLabels: {app: host-daemon}}
  template:
    metadata: {labels: {app: host-daemon}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: 'docker.io/library/busybox:1.35', command: [sleep, '3600']}]
";

const PLAIN_POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: plain, namespace: default, labels: {app: plain}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: 'docker.io/library/busybox:1.35', command: [sleep, '3600']}]
";

#[test]
fn the_network_comes_from_a_daemon() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "2", "--without-network"])?;
    let example = project("examples/fluentd-elasticsearch.yaml");
    cluster.kubectl(&["apply", "-f", example.to_str().context("a path")?])?;
    cluster.apply(HOST_DAEMON)?;
    cluster.apply(PLAIN_POD)?;
    cluster.wait_one_on_each("app=host-daemon", &["n1", "n2"])?;
    for node in ["n1", "n2"] {
        let message = cluster.get(&format!("node/{node}"), "{.status.conditions[?(@.type=='Ready')].message}")?;
        ensure!(message.contains("network"), "{node} is not Ready because: {message}");
        let taints = cluster.get(&format!("node/{node}"), "{.spec.taints[*].key}")?;
        ensure!(taints.contains("node.kubernetes.io/not-ready"), "taints of {node}: {taints}");
    }
    ensure!(
        cluster.pods("name=fluentd-elasticsearch")?.iter().all(|pod| pod.phase == "Pending"),
        "fluentd runs without a network"
    );
    cluster.wait("kubectl describe to say why the plain pod waits", || {
        let described = cluster.kubectl(&["describe", "pod", "plain"])?;
        ensure!(described.contains("not-ready"), "{described}");
        Ok(())
    })?;
    cluster.wait("the DaemonSet to say why its nodes get no pod", || {
        let described = cluster.kubectl(&["-n", "kube-system", "describe", "ds", "fluentd-elasticsearch"])?;
        ensure!(described.contains("2 of 2 nodes get no pod: taint node.kubernetes.io/not-ready:NoSchedule"), "{described}");
        Ok(())
    })?;
    cluster.up_again(&["--nodes", "2"])?;
    cluster.wait_one_on_each("name=fluentd-elasticsearch", &["n1", "n2"])?;
    cluster.wait("the plain pod", || {
        ensure!(cluster.pods("app=plain")?.iter().all(|pod| pod.ready), "not Ready");
        Ok(())
    })?;
    pods_reach_each_other(&cluster)?;
    ensure!(cluster.node_dir("n1").join("var-lib-cni/networks/garrison").exists(), "nodes share the addresses that are taken");
    cluster.down()
}

/// A pod on each node serves its name over HTTP; each fetches the other's.
fn pods_reach_each_other(cluster: &Cluster) -> Result<()> {
    cluster.apply(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: c
        image: docker.io/library/busybox:1.35
        command: [sh, -c, 'mkdir -p /tmp/www && hostname > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www']
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
",
    )?;
    let pods = cluster.wait_one_on_each("app=web", &["n1", "n2"])?;
    for (from, to) in [(&pods[0], &pods[1]), (&pods[1], &pods[0])] {
        let ip = cluster.kubectl(&["get", "pod", &to.name, "-o", "jsonpath={.status.podIP}"])?;
        let page = cluster.kubectl(&[
            "exec",
            &from.name,
            "--",
            "timeout",
            "10",
            "wget",
            "-q",
            "-O",
            "-",
            &format!("http://{ip}:8080/"),
        ])?;
        ensure!(page.trim() == to.name, "{} got {page:?} from {ip}", from.name);
    }
    Ok(())
}
