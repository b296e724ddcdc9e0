//! What makes the controller look at a DaemonSet: the whole list (behaviour reference §5.2).
//!
//! Upstream sends node changes through a queue of their own, compares bound pods with the status, and hears nothing of
//! deleted nodes or added NoSchedule taints. Here a set is looked at if and only if the change turns what the set thinks
//! of the node.

use super::news::News;
use crate::{
    Context,
    cache::{Cache, Change, Key},
    queue::Queue,
};
use garrison_api::selector::Labels;
use garrison_plan::daemonset::{ownership::controller_of, template};
use k8s_openapi::{
    api::{
        apps::v1::{ControllerRevision, DaemonSet},
        core::v1::{Node, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::Resource;
use std::{collections::BTreeMap, sync::Arc};

/// Feeds the queue and the news from now on, beginning with every set there is.
///
/// The news are more than what wakes: what a set is not woken by it must still know of when it is.
pub(super) fn subscribe(context: &Arc<Context>, queue: &Queue<Key>, news: &Arc<News>) {
    let keys = queue.clone();
    context.daemon_sets.subscribe(move |change| after_set(change).into_iter().for_each(|key| keys.add(key)));
    let (keys, news_of, sets) = (queue.clone(), news.clone(), context.clone());
    context.pods.subscribe(move |change| {
        let name = change.latest().metadata.name.as_deref().unwrap_or_default();
        news_of.pod(name, &concerned(change, &sets.daemon_sets));
        after_pod(change, &sets.daemon_sets).into_iter().for_each(|key| keys.add(key));
    });
    let (keys, news_of, sets) = (queue.clone(), news.clone(), context.clone());
    context.revisions.subscribe(move |change| {
        news_of.revision(&concerned(change, &sets.daemon_sets));
        after_revision(change, &sets.daemon_sets).into_iter().for_each(|key| keys.add(key));
    });
    let (keys, news_of, sets) = (queue.clone(), news.clone(), context.clone());
    context.nodes.subscribe(move |change| {
        if is_placement_changed(change) {
            news_of.node(change.latest().metadata.name.as_deref().unwrap_or_default());
            after_node(change, &sets.daemon_sets).into_iter().for_each(|key| keys.add(key));
        }
    });
}

fn after_set(change: &Change<DaemonSet>) -> Vec<Key> {
    vec![Key::of(&**change.latest())]
}

pub(super) fn after_pod(change: &Change<Pod>, sets: &Cache<DaemonSet>) -> Vec<Key> {
    match change {
        Change::Added(pod) if controller_of(&pod.metadata).is_none() && pod.metadata.deletion_timestamp.is_some() => vec![],
        Change::Added(pod) => owner_or_matching(&pod.metadata, sets),
        Change::Updated { old, new } => after_update(&old.metadata, &new.metadata, sets),
        Change::Removed(pod) => owner(&pod.metadata, sets).into_iter().collect(),
    }
}

pub(super) fn after_revision(change: &Change<ControllerRevision>, sets: &Cache<DaemonSet>) -> Vec<Key> {
    match change {
        // The controller made it itself, or will find it at its next look: nothing waits for it.
        Change::Added(revision) if controller_of(&revision.metadata).is_some() => vec![],
        Change::Added(revision) => owner_or_matching(&revision.metadata, sets),
        Change::Updated { old, new } => after_update(&old.metadata, &new.metadata, sets),
        // Of whichever set of that name: one made anew may wait for what is left of the one before.
        Change::Removed(revision) => namesake(&revision.metadata, sets).map(|set| Key::of(&*set)).into_iter().collect(),
    }
}

pub(super) fn after_node(change: &Change<Node>, sets: &Cache<DaemonSet>) -> Vec<Key> {
    let keys =
        |test: &dyn Fn(&DaemonSet) -> bool| sets.list().iter().filter(|set| test(set)).map(|set| Key::of(&**set)).collect();
    match change {
        Change::Added(_) | Change::Removed(_) => keys(&|_| true),
        Change::Updated { .. } if !is_placement_changed(change) => vec![],
        Change::Updated { old, new } => keys(&|set| {
            let demand = template::demand(set);
            demand.eligibility(old) != demand.eligibility(new)
        }),
    }
}

/// Whether the change is of what placement looks at.
fn is_placement_changed(change: &Change<Node>) -> bool {
    match change {
        Change::Added(_) | Change::Removed(_) => true,
        Change::Updated { old, new } => old.metadata.labels != new.metadata.labels || taints(old) != taints(new),
    }
}

/// The sets whose own the object is or was, or would be.
fn concerned<K: Resource>(change: &Change<K>, sets: &Cache<DaemonSet>) -> Vec<Key> {
    let states = change.old().into_iter().chain(change.new());
    let mut concerned: Vec<Key> = states.flat_map(|object| owner_or_matching(object.meta(), sets)).collect();
    concerned.sort();
    concerned.dedup();
    concerned
}

fn taints(node: &Node) -> Option<&[k8s_openapi::api::core::v1::Taint]> {
    node.spec.as_ref()?.taints.as_deref()
}

fn after_update(old: &ObjectMeta, new: &ObjectMeta, sets: &Cache<DaemonSet>) -> Vec<Key> {
    let handed_over = reference(old) != reference(new);
    let before = owner(old, sets).filter(|_| handed_over);
    let now = match controller_of(new) {
        Some(_) => owner(new, sets).into_iter().collect(),
        None if handed_over || old.labels != new.labels => matching(new, sets),
        None => vec![],
    };
    before.into_iter().chain(now).collect()
}

fn reference(meta: &ObjectMeta) -> Option<(&str, &str)> {
    controller_of(meta).map(|owner| (owner.name.as_str(), owner.uid.as_str()))
}

fn owner_or_matching(meta: &ObjectMeta, sets: &Cache<DaemonSet>) -> Vec<Key> {
    if controller_of(meta).is_some() { owner(meta, sets).into_iter().collect() } else { matching(meta, sets) }
}

/// The set that controls an object: kind, name and UID must agree.
fn owner(meta: &ObjectMeta, sets: &Cache<DaemonSet>) -> Option<Key> {
    let set = namesake(meta, sets)?;
    (set.metadata.uid.as_ref() == controller_of(meta).map(|owner| &owner.uid)).then(|| Key::of(&*set))
}

/// The set of the name of an object's controller, which may be another than that.
fn namesake(meta: &ObjectMeta, sets: &Cache<DaemonSet>) -> Option<Arc<DaemonSet>> {
    let OwnerReference { kind, name, .. } = controller_of(meta)?;
    if *kind != DaemonSet::kind(&()) {
        return None;
    }
    sets.get(&Key::new(meta.namespace.clone().unwrap_or_default(), name.clone()))
}

/// The sets of the namespace that would adopt an object.
fn matching(meta: &ObjectMeta, sets: &Cache<DaemonSet>) -> Vec<Key> {
    let no_labels = BTreeMap::new();
    let labels = meta.labels.as_ref().unwrap_or(&no_labels);
    let matches = |set: &DaemonSet| {
        let selector = set.spec.as_ref().and_then(|spec| Labels::from_object(&spec.selector).ok());
        selector.is_some_and(|selector| !selector.is_empty() && selector.matches(labels))
    };
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    sets.in_namespace(namespace).iter().filter(|set| matches(set)).map(|set| Key::of(&**set)).collect()
}
