//! Exactly one: whatever is deleted, killed or added by hand.

use crate::cluster::{Cluster, Store, kill, project, text};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

const LABEL: &str = "name=fluentd-elasticsearch";
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Conformance: E1, E4
#[test]
fn a_deleted_pod_is_replaced_and_a_killed_process_restarted_in_place() -> Result<()> {
    deleted_and_killed(Store::File)
}

#[test]
fn on_etcd_too_a_deleted_pod_is_replaced_and_a_killed_process_restarted_in_place() -> Result<()> {
    deleted_and_killed(Store::Etcd)
}

fn deleted_and_killed(store: Store) -> Result<()> {
    let cluster = Cluster::with_fluentd_in(store)?;
    let before = cluster.wait_one_on_each(LABEL, &NODES)?;
    cluster.kubectl(&["-n", "kube-system", "delete", "pod", &before[0].name])?;
    let after = cluster.wait("a replacement", || {
        let pods = cluster.wait_one_on_each(LABEL, &NODES)?;
        ensure!(pods[0].uid != before[0].uid, "still the same pod");
        Ok(pods)
    })?;
    ensure!((&after[1].uid, &after[2].uid) == (&before[1].uid, &before[2].uid), "other pods were replaced");

    cluster.machine("n2", &["pkill", "-9", "rsyslogd"])?;
    let restarted = cluster.wait("a restart in place", || {
        let pods = cluster.pods(LABEL)?;
        let pod = pods.into_iter().find(|pod| pod.uid == after[1].uid).context("the pod is gone")?;
        ensure!(pod.restarts == 1 && pod.ready, "{pod:?}");
        Ok(pod)
    })?;
    ensure!(restarted.name == after[1].name, "another pod");

    pods_made_by_hand_are_adopted_and_pruned(&cluster)?;
    a_pod_that_a_client_calls_failed_is_replaced(&cluster)?;
    cluster.down()
}

fn a_pod_that_a_client_calls_failed_is_replaced(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_one_on_each(LABEL, &NODES)?;
    let name = before[0].name.as_str();
    // The agent writes, too: what it wrote in between is read again.
    cluster.wait("the status to be taken", || {
        let mut pod: Value = serde_json::from_str(&cluster.kubectl(&["-n", "kube-system", "get", "pod", name, "-o", "json"])?)?;
        pod["status"]["phase"] = "Failed".into();
        let path = format!("/api/v1/namespaces/kube-system/pods/{name}/status");
        let answer = cluster.kubectl_with(&["replace", "--raw", &path, "-f", "-"], &pod.to_string())?;
        ensure!(answer.status.success(), "{}", text(&answer.stderr));
        Ok(())
    })?;
    let after = cluster.wait("a replacement of the failed pod", || {
        let pods = cluster.wait_one_on_each(LABEL, &NODES)?;
        ensure!(pods[0].uid != before[0].uid, "still the same pod");
        Ok(pods)
    })?;
    ensure!((&after[1].uid, &after[2].uid) == (&before[1].uid, &before[2].uid), "other pods were replaced");
    Ok(())
}

fn pods_made_by_hand_are_adopted_and_pruned(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_one_on_each(LABEL, &NODES)?;
    for name in ["by-hand-1", "by-hand-2"] {
        cluster.apply(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: kube-system, labels: {{name: fluentd-elasticsearch}}}},
              spec: {{nodeName: n3, containers: [{{name: c, image: 'docker.io/library/busybox:1.35', command: [sleep, '3600']}}], terminationGracePeriodSeconds: 1}}}}"
        ))?;
    }
    let after = cluster.wait_one_on_each(LABEL, &NODES)?;
    ensure!(after == before, "the oldest pod stays: {after:?}");
    Ok(())
}

/// Conformance: E13
#[test]
fn killing_any_part_during_a_rollout_ends_with_one_pod_on_each_node() -> Result<()> {
    for part in ["server", "agent", "containerd"] {
        let cluster = Cluster::up(&["--nodes", "3"])?;
        let example = project("examples/fluentd-elasticsearch.yaml");
        cluster.kubectl(&["apply", "-f", example.to_str().context("a path")?])?;
        cluster.wait("the rollout to begin", || {
            ensure!(!cluster.pods(LABEL)?.is_empty(), "no pod yet");
            Ok(())
        })?;
        if part == "server" {
            kill(cluster.server_pid()?)?;
        } else {
            for node in NODES {
                kill(cluster.pid(node, part)?)?;
            }
        }
        let pods = cluster.wait_one_on_each(LABEL, &NODES)?;
        for pod in &pods {
            no_container_without_a_pod(&cluster, &pod.node).with_context(|| format!("after killing the {part}"))?;
        }
        cluster.down().with_context(|| format!("after killing the {part}"))?;
    }
    Ok(())
}

/// A small generator, so that a failure can be repeated: its seed stands in the test.
struct Dice(u64);

impl Dice {
    fn roll<'a, T>(&mut self, sides: &'a [T]) -> &'a T {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        &sides[(self.0 >> 33) as usize % sides.len()]
    }
}

/// Rollout upon rollout, each begun while parts of the cluster die of the one before.
#[test]
fn rollouts_among_random_deaths_never_double_a_daemon_and_end_well() -> Result<()> {
    deaths_among_rollouts(Cluster::with_fluentd()?, 20, &["server", "agent", "containerd", "process"])
}

/// The same while etcd dies, too.
#[test]
fn on_etcd_rollouts_among_random_deaths_never_double_a_daemon_and_end_well() -> Result<()> {
    deaths_among_rollouts(
        Cluster::with_fluentd_in(Store::Etcd)?,
        8,
        &["server", "agent", "containerd", "process", "etcd", "etcd"],
    )
}

fn deaths_among_rollouts(cluster: Cluster, rounds: usize, victims: &[&str]) -> Result<()> {
    let mut dice = Dice(20);
    for round in 0..rounds {
        // The server may be the one that is dead.
        let _ = cluster.kubectl_output(&[
            "-n",
            "kube-system",
            "set",
            "env",
            "ds/fluentd-elasticsearch",
            &format!("ROUND={round}"),
        ])?;
        for _ in 0..*dice.roll(&[1, 2, 3]) {
            let node = dice.roll(&NODES);
            let victim = match *dice.roll(victims) {
                "server" => cluster.server_pid(),
                "etcd" => cluster.etcd_pid(),
                "process" => cluster.machine(node, &["pkill", "-9", "rsyslogd"]).map(|_| 0),
                part => cluster.pid(node, part),
            };
            // What is dead already, or not there at the moment, cannot be killed.
            victim.and_then(kill).unwrap_or_default();
        }
        let mut nodes = std::collections::BTreeSet::new();
        for pod in cluster.pods(LABEL).unwrap_or_default() {
            let lives = !pod.terminating && !pod.node.is_empty() && !["Failed", "Succeeded"].contains(&pod.phase.as_str());
            ensure!(!lives || nodes.insert(pod.node.clone()), "round {round}: two daemons live on {}", pod.node);
        }
    }
    cluster.wait("the last rollout", || {
        cluster.kubectl(&["-n", "kube-system", "set", "env", "ds/fluentd-elasticsearch", "ROUND=last"])?;
        cluster.kubectl(&["-n", "kube-system", "rollout", "status", "ds/fluentd-elasticsearch", "--timeout=60s"])
    })?;
    cluster.wait_one_on_each(LABEL, &NODES)?;
    for node in NODES {
        no_container_without_a_pod(&cluster, node)?;
    }
    cluster.down()
}

fn no_container_without_a_pod(cluster: &Cluster, node: &str) -> Result<()> {
    cluster.wait(&format!("no container without a pod on {node}"), || {
        let list = cluster.machine(node, &["ctr", "-n", "k8s.io", "tasks", "list", "-q"])?;
        // Two pods here, the daemon and the network agent: a sandbox and a container each.
        ensure!(list.lines().count() == 4, "tasks: {list}");
        Ok(())
    })
}
