//! Updates of a daemon on a real cluster: within their budget, with surge, broken and healed, by hand.

use crate::cluster::{Cluster, Pod};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;

const LABEL: &str = "app=rolled";
const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn daemon(strategy: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: rolled, namespace: default}}
spec:
  selector: {{matchLabels: {{app: rolled}}}}
  updateStrategy: {strategy}
  template:
    metadata: {{labels: {{app: rolled}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: c
        image: docker.io/library/busybox:1.35
        command: [sh, -c, 'trap exit TERM; sleep 3600 & wait']
        readinessProbe: {{exec: {{command: ['true']}}, periodSeconds: 1}}
"
    )
}

fn set(cluster: &Cluster, words: &[&str]) -> Result<()> {
    cluster.kubectl(&[&["set"], words].concat()).map(drop)
}

fn names(pods: &[Pod]) -> BTreeSet<&str> {
    pods.iter().map(|pod| pod.name.as_str()).collect()
}

/// Waits until the update is through, and looks at every state on the way.
fn watch_rollout(cluster: &Cluster, mut look: impl FnMut(&[Pod]) -> Result<()>) -> Result<Vec<Pod>> {
    cluster.wait("the rollout", || {
        let pods = cluster.pods(LABEL)?;
        look(&pods).expect("the rollout keeps to its budget");
        let done = cluster.kubectl_output(&["rollout", "status", "ds/rolled", "--watch=false"])?;
        ensure!(String::from_utf8_lossy(&done.stdout).contains("successfully rolled out"), "{done:?}");
        Ok(())
    })?;
    cluster.wait_one_on_each(LABEL, &NODES)
}

/// Conformance: E6, E7, E8, E5
#[test]
fn updates_keep_to_their_budget_and_can_be_taken_back() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "3"])?;
    cluster.apply(&daemon("{rollingUpdate: {maxUnavailable: 1}}"))?;
    let first = cluster.wait_one_on_each(LABEL, &NODES)?;
    set(&cluster, &["env", "ds/rolled", "STEP=1"])?;
    let second = watch_rollout(&cluster, |pods| {
        let ready: BTreeSet<&str> = pods.iter().filter(|pod| pod.ready).map(|pod| pod.node.as_str()).collect();
        ensure!(ready.len() >= 2, "more than one node is out: {pods:?}");
        let live = pods.iter().filter(|pod| !pod.terminating).map(|pod| pod.node.as_str());
        let mut nodes = BTreeSet::new();
        ensure!(live.into_iter().all(|node| nodes.insert(node)), "two live pods on a node: {pods:?}");
        Ok(())
    })?;
    ensure!(names(&first).is_disjoint(&names(&second)), "a pod was not replaced");
    pods_carry_the_second_revision(&cluster)?;
    a_broken_image_stops_at_the_budget_and_is_taken_back(&cluster)?;
    with_surge_no_node_is_ever_out(&cluster)?;
    by_hand_only(&cluster)?;
    cluster.down()
}

fn pods_carry_the_second_revision(cluster: &Cluster) -> Result<()> {
    let revision = "jsonpath={.items[?(@.revision==2)].metadata.labels.controller-revision-hash}";
    let wanted = cluster.kubectl(&["get", "controllerrevisions", "-l", LABEL, "-o", revision])?;
    let hashes =
        cluster.kubectl(&["get", "pods", "-l", LABEL, "-o", "jsonpath={.items[*].metadata.labels.controller-revision-hash}"])?;
    ensure!(!wanted.is_empty() && hashes == [wanted.as_str(); 3].join(" "), "{hashes:?} of {wanted:?}");
    Ok(())
}

fn a_broken_image_stops_at_the_budget_and_is_taken_back(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_one_on_each(LABEL, &NODES)?;
    set(cluster, &["image", "ds/rolled", "c=localhost:1/broken:1"])?;
    let stuck = cluster.wait("the rollout to get stuck", || {
        let pods = cluster.pods(LABEL)?;
        let stuck: Vec<Pod> = pods.iter().filter(|pod| !names(&before).contains(pod.name.as_str())).cloned().collect();
        let described = cluster.kubectl(&["get", "pods", "-l", LABEL])?;
        ensure!(stuck.len() == 1 && described.contains("ImagePullBackOff"), "{described}");
        Ok(stuck)
    })?;
    cluster.kubectl(&["rollout", "undo", "ds/rolled"])?;
    let healed = watch_rollout(cluster, |_| Ok(()))?;
    let untouched: Vec<&Pod> = before.iter().filter(|pod| pod.node != stuck[0].node).collect();
    ensure!(untouched.len() == 2 && untouched.iter().all(|pod| healed.contains(pod)), "{healed:?} of {before:?}");
    let history = cluster.kubectl(&["rollout", "history", "ds/rolled"])?;
    let numbers: Vec<&str> =
        history.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u32>().ok().map(|_| line)).collect();
    ensure!(numbers.len() == 3 && numbers.last().is_some_and(|line| line.starts_with('4')), "{history}");
    Ok(())
}

fn with_surge_no_node_is_ever_out(cluster: &Cluster) -> Result<()> {
    cluster.apply(&daemon("{rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}"))?;
    let before = watch_rollout(cluster, |_| Ok(()))?;
    set(cluster, &["env", "ds/rolled", "STEP=2"])?;
    let mut doubled = BTreeSet::new();
    let after = watch_rollout(cluster, |pods| {
        let ready: BTreeSet<&str> = pods.iter().filter(|pod| pod.ready).map(|pod| pod.node.as_str()).collect();
        ensure!(ready.len() == 3, "a node is out: {pods:?}");
        for node in NODES {
            let here = pods.iter().filter(|pod| pod.node == node && !pod.terminating).count();
            ensure!(here <= 2, "three pods on {node}: {pods:?}");
            if here == 2 {
                doubled.insert(node);
            }
        }
        Ok(())
    })?;
    ensure!(names(&before).is_disjoint(&names(&after)), "a pod was not replaced");
    ensure!(!doubled.is_empty(), "no old pod was ever seen beside its successor");
    Ok(())
}

fn by_hand_only(cluster: &Cluster) -> Result<()> {
    cluster.apply(&daemon("{type: OnDelete}"))?;
    let before = watch_on_delete(cluster)?;
    set(cluster, &["env", "ds/rolled", "STEP=3"])?;
    cluster.wait("the new revision", || {
        let hashes = cluster.kubectl(&["get", "controllerrevisions", "-o", "jsonpath={.items[*].revision}"])?;
        ensure!(hashes.split(' ').filter_map(|number| number.parse::<u32>().ok()).max() >= Some(6), "{hashes}");
        Ok(())
    })?;
    ensure!(cluster.wait_one_on_each(LABEL, &NODES)? == before, "a pod was replaced");
    cluster.kubectl(&["delete", "pod", &before[0].name])?;
    let after = cluster.wait("the replacement", || {
        let pods = cluster.wait_one_on_each(LABEL, &NODES)?;
        ensure!(pods[0].uid != before[0].uid, "still the old one");
        Ok(pods)
    })?;
    ensure!(after[1..] == before[1..], "others were replaced, too");
    let env = |pod: &Pod| cluster.kubectl(&["get", "pod", &pod.name, "-o", "jsonpath={.spec.containers[0].env[*].value}"]);
    ensure!(env(&after[0])?.contains('3') && !env(&after[1])?.contains('3'), "templates of {after:?}");
    Ok(())
}

/// `rollout status` does not speak of OnDelete.
fn watch_on_delete(cluster: &Cluster) -> Result<Vec<Pod>> {
    cluster.wait("the controller to see the strategy", || {
        let seen =
            cluster.kubectl(&["get", "ds", "rolled", "-o", "jsonpath={.metadata.generation} {.status.observedGeneration}"])?;
        let (generation, observed) = seen.split_once(' ').context("two numbers")?;
        ensure!(generation == observed, "{seen}");
        Ok(())
    })?;
    cluster.wait_one_on_each(LABEL, &NODES)
}
