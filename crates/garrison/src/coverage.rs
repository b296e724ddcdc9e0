//! The coverage of the fleet: which node runs which daemon, and what is missing.

use crate::cluster::state::Cluster;
use crate::cluster::up::Progress;
use anyhow::Result;
use garrison_plan::{
    daemonset::template,
    node_lifecycle::health::{Readiness, readiness},
    placement::taints::{NOT_READY, UNREACHABLE},
};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use std::fmt;
use std::time::{Duration, Instant};

/// One DaemonSet on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The pod's state as `kubectl get pods` names it, and whether it is Ready.
    Pod { state: String, ready: bool },
    /// No pod there.
    Missing,
}

/// One node's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) node: String,
    pub(crate) ready: bool,
    /// Why it is not Ready.
    pub(crate) reason: String,
    pub(crate) address: String,
    pub(crate) cells: Vec<Cell>,
}

/// Nodes × DaemonSets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Coverage {
    /// `namespace/name`, desired, ready.
    pub(crate) daemon_sets: Vec<(String, i32, i32)>,
    pub(crate) rows: Vec<Row>,
    /// Whether the controllers have caught up: with specs, nodes and each other.
    settled: bool,
}

impl Coverage {
    /// Whether every DaemonSet is ready on all the nodes that it is meant for.
    pub(crate) fn complete(&self) -> bool {
        self.settled && self.daemon_sets.iter().all(|(_, desired, ready)| desired == ready)
    }

    pub(crate) fn to_json(&self) -> Value {
        let cell = |cell: &Cell| match cell {
            Cell::Pod { state, ready } => json!({"state": state, "ready": ready}),
            Cell::Missing => Value::Null,
        };
        let sets: Vec<Value> = self
            .daemon_sets
            .iter()
            .map(|(name, desired, ready)| json!({"name": name, "desired": desired, "ready": ready}))
            .collect();
        let row = |row: &Row| {
            let pods = self.daemon_sets.iter().zip(&row.cells).map(|((name, ..), c)| (name.clone(), cell(c)));
            json!({"name": row.node, "ready": row.ready, "reason": row.reason, "address": row.address, "daemons": serde_json::Map::from_iter(pods)})
        };
        json!({"complete": self.complete(), "daemonSets": sets, "nodes": self.rows.iter().map(row).collect::<Vec<_>>()})
    }
}

/// Looks at the cluster once.
pub(crate) async fn look(client: &kube::Client) -> Result<Coverage> {
    let all = ListParams::default();
    let (nodes, sets, pods) = tokio::try_join!(
        async { Api::<Node>::all(client.clone()).list(&all).await },
        async { Api::<DaemonSet>::all(client.clone()).list(&all).await },
        async { Api::<Pod>::all(client.clone()).list(&all).await },
    )?;
    Ok(assemble(&nodes.items, &sets.items, &pods.items))
}

fn assemble(nodes: &[Node], sets: &[DaemonSet], pods: &[Pod]) -> Coverage {
    let settled = !nodes.iter().any(is_changing) && sets.iter().all(|set| has_caught_up(set, nodes));
    let summary = |set: &DaemonSet| {
        let name = format!(
            "{}/{}",
            set.metadata.namespace.as_deref().unwrap_or_default(),
            set.metadata.name.as_deref().unwrap_or_default()
        );
        let counts = set.status.as_ref().map_or((0, 0), |status| (status.desired_number_scheduled, status.number_ready));
        (name, counts.0, counts.1)
    };
    let mut rows: Vec<Row> = nodes.iter().map(|node| row(node, sets, pods)).collect();
    rows.sort_by(|a, b| (a.node.len(), &a.node).cmp(&(b.node.len(), &b.node)));
    Coverage { daemon_sets: sets.iter().map(summary).collect(), rows, settled }
}

/// Whether a node has turned Ready and still carries the taints of before.
fn is_changing(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    readiness(node) == Readiness::Ready && taints.iter().any(|taint| [NOT_READY, UNREACHABLE].contains(&taint.key.as_str()))
}

/// Whether the set's status speaks of its newest spec and of the nodes as they are now.
fn has_caught_up(set: &DaemonSet, nodes: &[Node]) -> bool {
    let Some(status) = &set.status else { return false };
    let demand = template::demand(set);
    let wanted = nodes.iter().filter(|node| demand.eligibility(node).should_run()).count();
    status.observed_generation >= set.metadata.generation && usize::try_from(status.desired_number_scheduled) == Ok(wanted)
}

fn row(node: &Node, sets: &[DaemonSet], pods: &[Pod]) -> Row {
    let name = node.metadata.name.clone().unwrap_or_default();
    let status = node.status.as_ref();
    let condition = status.and_then(|status| status.conditions.as_ref()?.iter().find(|condition| condition.type_ == "Ready"));
    let ready = condition.is_some_and(|condition| condition.status == "True");
    let reason = condition.filter(|_| !ready).map(|condition| condition.message.clone().unwrap_or_default()).unwrap_or_default();
    let address = status.and_then(|status| status.addresses.as_ref()?.iter().find(|address| address.type_ == "InternalIP"));
    let cells = sets.iter().map(|set| cell(&name, set, pods)).collect();
    Row { ready, reason, address: address.map(|address| address.address.clone()).unwrap_or_default(), cells, node: name }
}

fn cell(node: &str, set: &DaemonSet, pods: &[Pod]) -> Cell {
    let owned =
        |pod: &&Pod| pod.metadata.owner_references.iter().flatten().any(|owner| Some(&owner.uid) == set.metadata.uid.as_ref());
    let here = |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node);
    // While a pod is replaced, its successor is what there is to see.
    let going = |pod: &&Pod| pod.metadata.deletion_timestamp.is_some();
    pods.iter().filter(owned).filter(here).min_by_key(going).map_or(Cell::Missing, |pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let ready =
            conditions.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"));
        Cell::Pod { state: state(pod), ready }
    })
}

/// The pod's state in one word, a waiting container's reason first.
fn state(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".into();
    }
    let status = pod.status.as_ref();
    let waiting = status.and_then(|status| {
        status
            .container_statuses
            .iter()
            .flatten()
            .find_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.clone())
    });
    waiting.or_else(|| status?.phase.clone()).unwrap_or_else(|| "Pending".into())
}

/// Waits until the nodes are there and everything runs, saying on the way what is reached; the last look otherwise.
pub(crate) async fn wait(
    client: &kube::Client,
    cluster: &Cluster,
    network: bool,
    limit: Duration,
    progress: &Progress,
) -> Result<Coverage> {
    let wanted = cluster.nodes.values().filter(|node| !node.stopped).count();
    let deadline = Instant::now() + limit;
    let (mut registered, mut all_ready) = (false, false);
    loop {
        let seen = look(client).await?;
        let on = |name: &str| cluster.nodes.get(name).is_some_and(|node| !node.stopped);
        let present = seen.rows.iter().filter(|row| on(&row.node)).count();
        let ready = seen.rows.iter().filter(|row| on(&row.node) && row.ready).count();
        if present == wanted && !std::mem::replace(&mut registered, present == wanted) {
            progress.done(&format!("{present} nodes have joined"));
        }
        if ready == wanted && !std::mem::replace(&mut all_ready, ready == wanted) {
            progress.done(&format!("{ready} nodes are Ready"));
        }
        // Without a network, nodes stay NotReady: then only what can run there is waited for.
        if present == wanted && (ready == wanted || !network) && seen.complete() {
            let total: i32 = seen.daemon_sets.iter().map(|(_, desired, _)| desired).sum();
            progress.done(&format!("{total} daemons run"));
            return Ok(seen);
        }
        if Instant::now() > deadline {
            return Ok(seen);
        }
        let daemons: Vec<String> =
            seen.daemon_sets.iter().map(|(name, desired, ready)| format!("{name} {ready}/{desired}")).collect();
        progress.now(format!("nodes Ready {ready}/{wanted}; {}", daemons.join(", ")));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<Vec<String>> = vec![["NODE", "STATUS", "ADDRESS"].map(String::from).to_vec()];
        lines[0].extend(
            self.daemon_sets
                .iter()
                .map(|(name, ..)| name.rsplit_once('/').map_or(name.as_str(), |(_, name)| name).to_uppercase()),
        );
        for row in &self.rows {
            let mut line =
                vec![row.node.clone(), if row.ready { "Ready".into() } else { "NotReady".into() }, row.address.clone()];
            line.extend(row.cells.iter().map(|cell| match cell {
                Cell::Pod { state, ready: true } => format!("● {state}"),
                Cell::Pod { state, ready: false } => format!("◐ {state}"),
                Cell::Missing => "○ –".into(),
            }));
            lines.push(line);
        }
        let mut total = vec![String::new(), String::new(), "ready".into()];
        total.extend(self.daemon_sets.iter().map(|(_, desired, ready)| format!("{ready}/{desired}")));
        lines.push(total);
        let widths: Vec<usize> =
            (0..lines[0].len()).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)).collect();
        for line in &lines {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", cells.join("   ").trim_end())?;
        }
        for row in self.rows.iter().filter(|row| !row.ready) {
            writeln!(f, "{} is not Ready: {}", row.node, row.reason)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).expect("an object")
    }

    fn node(ready: &str, taints: &[&str]) -> Node {
        let taints: Vec<Value> = taints.iter().map(|key| json!({"key": key, "effect": "NoSchedule"})).collect();
        let conditions = json!([{"type": "Ready", "status": ready, "message": "because"}]);
        object(json!({"metadata": {"name": "n1"}, "spec": {"taints": taints}, "status": {"conditions": conditions}}))
    }

    fn set(desired: i32, ready: i32, observed: i64) -> DaemonSet {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}});
        let counts = json!({"desiredNumberScheduled": desired, "numberReady": ready, "observedGeneration": observed,
            "currentNumberScheduled": 0, "numberMisscheduled": 0});
        object(json!({"metadata": {"name": "d", "namespace": "ns", "uid": "u", "generation": 2},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}, "status": counts}))
    }

    #[test]
    fn complete_is_what_the_controllers_have_caught_up_with() {
        let check = |node: Node, set: DaemonSet, expected: bool| {
            let coverage = assemble(&[node], &[set], &[]);
            assert_eq!(coverage.complete(), expected, "{coverage:?}");
        };
        check(node("True", &[]), set(1, 1, 2), true);
        check(node("True", &[]), set(1, 0, 2), false);
        check(node("True", &[]), set(1, 1, 1), false);
        // The node has just turned Ready, and nobody has looked since.
        check(node("True", &[NOT_READY]), set(0, 0, 2), false);
        check(node("True", &[]), set(0, 0, 2), false);
        // Nothing is to run there, be it for now or for ever.
        check(node("False", &[NOT_READY]), set(0, 0, 2), true);
        check(node("True", &["other"]), set(0, 0, 2), true);
    }

    #[test]
    fn a_cell_shows_the_pod_that_stays() {
        let pod = |name: &str, going: Option<&str>| -> Pod {
            object(
                json!({"metadata": {"name": name, "deletionTimestamp": going, "ownerReferences": [{"uid": "u", "apiVersion": "", "kind": "", "name": ""}]},
                "spec": {"nodeName": "n1", "containers": []}, "status": {"phase": "Running"}}),
            )
        };
        let pods = [pod("a", Some("2026-01-01T00:00:00Z")), pod("b", None)];
        assert_eq!(cell("n1", &set(1, 1, 2), &pods), Cell::Pod { state: "Running".into(), ready: false });
        assert_eq!(cell("n2", &set(1, 1, 2), &pods), Cell::Missing);
    }
}
