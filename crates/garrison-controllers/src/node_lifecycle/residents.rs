//! Which pods are bound to which node.

use crate::cache::{Cache, Change, Key};
use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The pods of each node, kept up to date by the pod cache. Whoever subscribes to that cache later finds a change in here.
#[derive(Debug, Default)]
pub(crate) struct Residents(Mutex<HashMap<String, BTreeSet<Key>>>);

impl Residents {
    /// Follows a cache from now on.
    pub(crate) fn follow(pods: &Cache<Pod>) -> Arc<Self> {
        let residents = Arc::new(Self::default());
        pods.tell(&residents, Self::take);
        residents
    }

    /// The pods bound to a node.
    pub(crate) fn on(&self, node: &str) -> Vec<Key> {
        self.0.lock().get(node).into_iter().flatten().cloned().collect()
    }

    fn take(&self, change: &Change<Pod>) {
        let (before, now) = (change.old().and_then(|pod| home(pod)), change.new().and_then(|pod| home(pod)));
        if before == now {
            return;
        }
        let key = Key::of(&**change.latest());
        let mut nodes = self.0.lock();
        if let Some(node) = before
            && let Some(pods) = nodes.get_mut(node)
        {
            pods.remove(&key);
            if pods.is_empty() {
                nodes.remove(node);
            }
        }
        if let Some(node) = now {
            nodes.entry(node.to_owned()).or_default().insert(key);
        }
    }
}

/// The node that a pod is bound to.
pub(crate) fn home(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())
}
