//! The nodes and what is taken of them.

use super::{NOT_NAMED, Refusal, Request};
use crate::placement::{
    Obstacle,
    ports::{self, HostPort},
    resources::Resources,
    taints::{self, Effect},
};
use k8s_openapi::api::core::v1::{Node, Pod};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What a pod without requests is taken to use when nodes are compared, as upstream: 0.1 cores and 200 MiB.
const ASSUMED_CPU: i64 = 100;
const ASSUMED_MEMORY: i64 = 200 << 20;

/// All nodes, and the pods that hold something of them.
#[derive(Debug, Default)]
pub struct Fleet {
    places: BTreeMap<String, Place>,
    nodes: usize,
    /// By UID.
    pods: HashMap<String, Held>,
}

/// One node. It may be missing while pods are bound to it: pods can be heard of first.
#[derive(Debug, Default)]
struct Place {
    node: Option<Arc<Node>>,
    allocatable: Resources,
    used: Resources,
    ports: HashMap<String, Vec<HostPort>>,
    pods: usize,
}

/// What a pod holds.
#[derive(Debug)]
struct Held {
    node: String,
    resources: Resources,
}

impl Fleet {
    /// Takes a node in, or its changes.
    pub fn put_node(&mut self, node: Arc<Node>) {
        let place = self.places.entry(node.metadata.name.clone().unwrap_or_default()).or_default();
        self.nodes += usize::from(place.node.is_none());
        place.allocatable = Resources::allocatable(&node);
        place.node = Some(node);
    }

    /// Forgets a node; what is bound to it stays known.
    pub fn remove_node(&mut self, name: &str) {
        if let Some(place) = self.places.get_mut(name) {
            self.nodes -= usize::from(place.node.take().is_some());
        }
        self.forget_empty(name);
    }

    /// Takes a pod in, or its changes: it holds what it requests of its node until it ends.
    pub fn put_pod(&mut self, pod: &Pod) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).filter(|name| !name.is_empty());
        match node {
            _ if matches!(phase, Some("Succeeded" | "Failed")) => self.remove_pod(uid),
            // An assumed pod stays where it was put until its binding is seen.
            None => {}
            Some(node) if self.pods.get(uid).is_some_and(|held| held.node == node) => {}
            Some(node) => {
                self.remove_pod(uid);
                let request = pod.spec.as_ref().map(Request::of).unwrap_or_default();
                self.hold(uid, node, &request);
            }
        }
    }

    /// Gives a pod a node before its binding is seen, so that the next pod finds it taken.
    pub fn assume(&mut self, uid: &str, node: &str, request: &Request) {
        self.remove_pod(uid);
        self.hold(uid, node, request);
    }

    /// Whether a pod has a node, be it only assumed.
    pub fn has_pod(&self, uid: &str) -> bool {
        self.pods.contains_key(uid)
    }

    /// Forgets a pod.
    pub fn remove_pod(&mut self, uid: &str) {
        let Some(held) = self.pods.remove(uid) else { return };
        if let Some(place) = self.places.get_mut(&held.node) {
            place.used.subtract(&held.resources);
            place.ports.remove(uid);
            place.pods -= 1;
        }
        self.forget_empty(&held.node);
    }

    /// The best node for a pod.
    ///
    /// # Errors
    /// Why there is none.
    pub fn place(&self, request: &Request) -> Result<String, Refusal> {
        let mut refusal = Refusal { nodes: self.nodes, ..Refusal::default() };
        let mut best: Option<(Rank, &str)> = None;
        let mut try_one = |name: &'_ str| {
            let Some((name, place)) = self.places.get_key_value(name) else { return 0 };
            let Some(node) = &place.node else { return 0 };
            match place.obstacles(node, request) {
                obstacles if obstacles.is_empty() => {
                    let candidate = (place.rank(node, request), name.as_str());
                    if best.as_ref().is_none_or(|best| candidate < *best) {
                        best = Some(candidate);
                    }
                }
                obstacles => refusal.add(&obstacles),
            }
            1
        };
        let tried: usize = match request.demand.affinity().and_then(|affinity| affinity.names()) {
            Some(names) => names.into_iter().map(&mut try_one).sum(),
            None => self.places.keys().map(|name| try_one(name)).sum(),
        };
        if let Some((_, name)) = best {
            return Ok(name.to_owned());
        }
        refusal.count(NOT_NAMED.to_owned(), self.nodes - tried);
        Err(refusal)
    }

    fn hold(&mut self, uid: &str, node: &str, request: &Request) {
        let place = self.places.entry(node.to_owned()).or_default();
        place.used.add(&request.resources);
        place.pods += 1;
        if !request.ports.is_empty() {
            place.ports.insert(uid.to_owned(), request.ports.clone());
        }
        self.pods.insert(uid.to_owned(), Held { node: node.to_owned(), resources: request.resources.clone() });
    }

    fn forget_empty(&mut self, name: &str) {
        if self.places.get(name).is_some_and(|place| place.node.is_none() && place.pods == 0) {
            self.places.remove(name);
        }
    }
}

/// The smaller the better: unwanted taints, then how full the node would be, then its pods.
type Rank = (usize, Reverse<i64>, usize);

impl Place {
    /// What keeps the pod off: the first rule that fails, with everything that this rule has to say.
    fn obstacles(&self, node: &Node, request: &Request) -> Vec<Obstacle> {
        let Request { demand, resources, ports } = request;
        let first = demand
            .cordoned(node)
            .or_else(|| demand.wrong_node(node))
            .or_else(|| demand.wrong_taint(node, &[Effect::NoSchedule, Effect::NoExecute]))
            .or_else(|| demand.wrong_labels(node))
            .or_else(|| ports::conflict(ports, self.ports.values().flatten()));
        first.map_or_else(|| resources.lacking(&self.used, &self.allocatable), |obstacle| vec![obstacle])
    }

    fn rank(&self, node: &Node, request: &Request) -> Rank {
        let unwanted = taints::of(node).iter().filter(|taint| Effect::of(taint) == Some(Effect::PreferNoSchedule));
        let tolerations = request.demand.tolerations();
        let unwanted =
            unwanted.filter(|taint| !tolerations.iter().any(|toleration| taints::tolerates(toleration, taint))).count();
        let free = self.free(request, "cpu", ASSUMED_CPU) + self.free(request, "memory", ASSUMED_MEMORY);
        (unwanted, Reverse(free), self.pods)
    }

    /// How many percent of a resource would be left.
    fn free(&self, request: &Request, name: &str, assumed: i64) -> i64 {
        let capacity = self.allocatable.get(name);
        let requested = match request.resources.get(name) {
            0 => assumed,
            requested => requested,
        };
        let rest = capacity.saturating_sub(self.used.get(name)).saturating_sub(requested).max(0);
        // In 128 bits: a hundred times the bytes of a large node is near the end of 64.
        if capacity > 0 { i64::try_from(i128::from(rest) * 100 / i128::from(capacity)).unwrap_or(0) } else { 0 }
    }
}
