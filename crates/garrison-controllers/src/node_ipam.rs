//! Pod address ranges: each node has its own share of the cluster's.
//!
//! What the nodes that are there say they have is noted before anything is given away, so nothing has to be remembered
//! across a restart. A share belongs to its node until the node is removed.

#[cfg(test)]
mod tests;

use crate::{
    Config, Context,
    cache::{Change, Key},
    event::{Kind, Recorder, reference},
    queue::Queue,
};
use garrison_plan::node_lifecycle::address_range::{self, Allocator, Range};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The name under which events are recorded.
const COMPONENT: &str = "cidrAllocator";
/// Nodes written at once: a fleet that starts together shares commits.
const WORKERS: usize = 16;
/// A node without a range is tried again after this, besides whenever a node is removed: ranges set by hand change, too.
const NONE_LEFT: Duration = Duration::from_secs(30);
/// A refused write is tried again after this: the watch has brought the newer node by then.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// A node could not be given its range.
#[derive(Debug, thiserror::Error)]
#[error("writing the pod address range of a node")]
struct Error(#[source] kube::Error);

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let state = match allocator(&context.config) {
        Ok(allocator) => State { allocator, without: BTreeSet::new() },
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "no node gets a range of pod addresses: cluster_cidr and node_cidr_mask make none"
            );
            return shutdown.cancelled().await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = context.nodes.synced() => {}
    }
    let recorder = Recorder::start(context.client.clone(), COMPONENT);
    let ranges = Arc::new(Ranges { context, recorder, queue: Queue::default(), state: Mutex::new(state) });
    ranges.subscribe();
    ranges.queue.work("node address", WORKERS, &shutdown, |name| ranges.look_at(name)).await;
}

fn allocator(config: &Config) -> Result<Allocator, address_range::Error> {
    Allocator::new(config.cluster_cidr.parse()?, config.node_cidr_mask)
}

struct Ranges {
    context: Arc<Context>,
    recorder: Recorder,
    queue: Queue<String>,
    /// Held for one change or one assignment, never across a request.
    state: Mutex<State>,
}

struct State {
    allocator: Allocator,
    /// Nodes for which nothing was left.
    without: BTreeSet<String>,
}

impl Ranges {
    /// Everything that wakes the loop. All nodes have been noted when this returns, before the first of them is served.
    fn subscribe(self: &Arc<Self>) {
        self.context.nodes.tell(self, Self::node_changed);
    }

    fn node_changed(&self, change: &Change<Node>) {
        let name = change.latest().metadata.name.clone().unwrap_or_default();
        let mut state = self.state.lock();
        match change.new() {
            // A heartbeat, most likely.
            Some(node) if change.old().is_some_and(|old| given(old) == given(node)) => {}
            Some(node) if given(node).is_empty() => {
                state.allocator.release(&name);
                self.queue.add(name);
            }
            Some(node) => state.allocator.note(&name, ranges(node)),
            None => {
                state.allocator.release(&name);
                std::mem::take(&mut state.without).into_iter().for_each(|other| self.queue.add(other));
            }
        }
    }

    async fn look_at(&self, name: String) -> Result<Option<Duration>, Error> {
        let Some((node, range)) = self.assign(&name) else { return Ok(None) };
        let Some(range) = range else {
            let Config { cluster_cidr, node_cidr_mask, .. } = &self.context.config;
            let message =
                format!("no range of pod addresses is left: all shares of /{node_cidr_mask} in {cluster_cidr} are taken");
            self.recorder.record(&reference(&*node), Kind::Warning, "CIDRNotAvailable", message);
            return Ok(Some(NONE_LEFT));
        };
        self.write(&name, &node, range).await
    }

    /// The node, if it needs a range, and the range, if there is one.
    ///
    /// The node is read under the lock that its removal waits for: nothing is assigned to one that was released already.
    fn assign(&self, name: &str) -> Option<(Arc<Node>, Option<Range>)> {
        let mut state = self.state.lock();
        let node = self.context.nodes.get(&Key::new("", name)).filter(|node| given(node).is_empty())?;
        let range = state.allocator.assign(name);
        if range.is_none() {
            state.without.insert(name.to_owned());
        }
        Some((node, range))
    }

    /// Writes the range to the version of the node that has none. Whatever comes of it, the share stays the node's own.
    async fn write(&self, name: &str, node: &Node, range: Range) -> Result<Option<Duration>, Error> {
        let nodes: Api<Node> = Api::all(self.context.client.clone());
        let range = range.to_string();
        let patch = json!({
            "metadata": { "uid": node.metadata.uid, "resourceVersion": node.metadata.resource_version },
            "spec": { "podCIDR": range, "podCIDRs": [range] },
        });
        match nodes.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Some(AFTER_CONFLICT)),
            written => {
                written.map_err(Error)?;
                tracing::debug!(node = name, range, "the node has its pod address range");
                Ok(None)
            }
        }
    }
}

/// What a node says it has.
fn given(node: &Node) -> Vec<&str> {
    let Some(spec) = &node.spec else { return Vec::new() };
    // The single one is the first of the list, where both are there.
    let all = spec.pod_cidr.iter().chain(spec.pod_cidrs.iter().flatten()).map(String::as_str);
    let mut given: Vec<&str> = all.filter(|range| !range.is_empty()).collect();
    given.dedup();
    given
}

/// Those of its ranges that can be ours; others, of the newer protocol perhaps, are nobody's business here.
fn ranges(node: &Node) -> Vec<Range> {
    given(node).into_iter().filter_map(|range| range.parse().ok()).collect()
}
