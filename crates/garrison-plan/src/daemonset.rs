//! What one DaemonSet needs now.
//!
//! ```text
//! revisions ─► revision ─► hash ─┐
//! pods ──────► ownership ► cells ┼► per_node ─► rollout ─► Plan
//! nodes ─────► placement ► cells ┘                └► status
//! ```
//! Each node is a [`Cell`](per_node::Cell) that [`per_node::decide`] decides from its own pods alone; only the budget of
//! an update ([`rollout`]) and the counters of the status look at all of them, and they are sums. So the work is done
//! twice, in two shapes: [`matrix`] keeps the cells and decides those that an event touched, [`oracle`] takes everything
//! there is and decides every cell anew. They must always agree. Between a write and its event, [`pace`] keeps the
//! picture right.

pub mod daemon_pod;
mod fnv;
pub mod matrix;
pub mod memory;
pub mod oracle;
pub mod ownership;
pub mod pace;
pub mod per_node;
pub mod revision;
pub mod rollout;
pub mod status;
pub mod template;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use crate::{backoff::Attempts, placement::Obstacle};
use daemon_pod::DaemonPod;
use fnv::fnv64;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, DaemonSetStatus},
    core::v1::Pod,
};
use ownership::OwnerChange;
use per_node::Why;
use revision::{Obsolete, RevisionChange};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A pod to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// The node it is for.
    pub node: Arc<str>,
    /// What its names are made from.
    seed: u64,
    /// How many of them are known to be others'.
    taken: u32,
}

/// Names tried for one pod, as many as the server tries for a generated name.
const NAMES: u32 = 8;

impl Creation {
    /// The pod under each name to try in turn, when objects of the names before exist and are not it. `hash` is that of
    /// the plan.
    pub fn pods(&self, set: &DaemonSet, hash: &str) -> impl Iterator<Item = Pod> {
        self.names(set).map(|name| template::pod(set, &self.node, hash, name))
    }

    /// These names.
    pub fn names(&self, set: &DaemonSet) -> impl Iterator<Item = String> {
        (self.taken..NAMES).map(move |number| {
            let seed = fnv64(&[&self.seed.to_le_bytes()[..], &number.to_le_bytes()[..]]);
            template::name(set, seed)
        })
    }

    /// The same, when the first `tried` of the names turned out to be others'. Whoever repeats it must not go back to them
    /// when they are free again: under the next one there may be a pod already.
    pub fn after(&self, tried: usize) -> Self {
        Self { taken: self.taken.saturating_add(u32::try_from(tried).unwrap_or(NAMES)), ..self.clone() }
    }

    /// Whether an existing pod is the one of that name, made by a request whose answer was lost: of the same set and for
    /// the same node. It may have ended or been deleted meanwhile; unless it is over, the node is not free for another.
    pub fn is(&self, set: &DaemonSet, name: &str, existing: &Pod) -> bool {
        let facts = DaemonPod::of(existing, &BTreeSet::new());
        facts.name == name
            && ownership::is_owned(set, &existing.metadata)
            && template::target_node(existing) == Some(&self.node)
            && !facts.is_over()
    }
}

/// What is not known of a node: whether requests were done whose answer was lost. Until it is read from the API, the node
/// counts as one that an update is changing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The node.
    pub node: Arc<str>,
    /// The pod that may have been created.
    pub created: Option<Creation>,
    /// Names and UIDs of the pods that may have been deleted.
    pub deleted: Vec<(String, String)>,
}

/// A pod to delete, on condition that it still has this UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Its node.
    pub node: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Why.
    pub why: Why,
}

/// A pod whose hash label is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relabel {
    /// Its name.
    pub name: String,
    /// The hash.
    pub hash: String,
}

/// Something that users are to be told and that no action of the plan tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The selector is empty, which would mean every pod: nothing is done.
    SelectingAll,
    /// The selector cannot be read: nothing is done.
    UnreadableSelector,
    /// The template has no labels, so its pods would not match: nothing is created.
    NoLabels,
    /// Taints keep nodes without a pod that would otherwise get one: which, and on how many nodes each. Upstream says
    /// nothing of them anywhere (behaviour reference, W14).
    Waiting {
        /// The taints.
        obstacles: Vec<(Obstacle, usize)>,
        /// All nodes that there are.
        nodes: usize,
    },
}

/// What should happen now, in the order of the fields. Each list is sorted, by node or name, so that plans compare.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What to find out.
    pub doubts: Vec<Doubt>,
    /// Pods to make the set's own.
    pub adopt: Vec<OwnerChange>,
    /// Pods to let go.
    pub release: Vec<OwnerChange>,
    /// Revisions to make the set's own.
    pub adopt_revisions: Vec<OwnerChange>,
    /// Revisions to let go.
    pub release_revisions: Vec<OwnerChange>,
    /// Changes of revisions.
    pub revisions: Vec<RevisionChange>,
    /// Pods to label anew because several revisions had the same content.
    pub relabel: Vec<Relabel>,
    /// Those revisions.
    pub duplicates: Vec<Obsolete>,
    /// Hash of the revision that new pods are of.
    pub hash: String,
    /// Pods to create.
    pub create: Vec<Creation>,
    /// Pods to delete.
    pub delete: Vec<Removal>,
    /// Whether more is to be created or deleted than was asked for.
    pub more: bool,
    /// Old revisions that are no longer needed; only if everything before succeeded.
    pub obsolete: Vec<Obsolete>,
    /// The status as of now, before any of this is done. `None` if it is to be left alone.
    pub status: Option<DaemonSetStatus>,
    /// What is to be remembered of failed pods, by node, once this is about to be carried out.
    pub attempts: BTreeMap<Arc<str>, Attempts>,
    /// When to plan again although nothing happens.
    pub wake_at: Option<Timestamp>,
    /// To be told.
    pub notes: Vec<Note>,
}

impl Plan {
    /// Whether carrying it out changes anything but the status.
    pub fn acts(&self) -> bool {
        let owners = [&self.adopt, &self.release, &self.adopt_revisions, &self.release_revisions];
        owners.iter().any(|changes| !changes.is_empty())
            || !(self.revisions.is_empty() && self.relabel.is_empty() && self.duplicates.is_empty())
            || !(self.create.is_empty() && self.delete.is_empty() && self.obsolete.is_empty() && self.doubts.is_empty())
    }
}

fn template_has_no_labels(set: &DaemonSet) -> bool {
    let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    template.and_then(|template| template.labels.as_ref()).is_none_or(BTreeMap::is_empty)
}
