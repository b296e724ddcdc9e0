//! The coverage of the fleet: which node runs which daemon, and what is missing.

use crate::cluster::state::Cluster;
use crate::cluster::up::Progress;
use anyhow::Result;
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
    /// Whether every controller has seen the newest spec.
    observed: bool,
}

impl Coverage {
    /// Whether every DaemonSet is ready on all the nodes that it is meant for.
    pub(crate) fn complete(&self) -> bool {
        self.observed && self.daemon_sets.iter().all(|(_, desired, ready)| desired == ready)
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
    let observed = sets.iter().all(|set| {
        set.status
            .as_ref()
            .and_then(|status| status.observed_generation)
            .is_some_and(|seen| Some(seen) >= set.metadata.generation)
    });
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
    Coverage { daemon_sets: sets.iter().map(summary).collect(), rows, observed }
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
    pods.iter().filter(owned).find(here).map_or(Cell::Missing, |pod| {
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
