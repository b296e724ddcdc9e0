//! What may never happen, checked against the truth at each write.

use super::cluster::{Cluster, facts};
use crate::daemonset::{
    Plan, Removal,
    daemon_pod::{DaemonPod, Phase},
    ownership::{self, Claim},
    per_node::Why,
    rollout::Strategy,
    template,
};
use garrison_api::selector::Labels;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        apps::v1::DaemonSet,
        core::v1::{Node, Pod},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the controller knew when it planned.
#[derive(Debug)]
pub(super) struct View {
    pub(super) set: Arc<DaemonSet>,
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) pods: Vec<Arc<Pod>>,
    pub(super) deleting: BTreeSet<String>,
    pub(super) now: Timestamp,
}

impl View {
    fn eligible(&self) -> BTreeSet<&str> {
        let demand = template::demand(&self.set);
        let nodes = self.nodes.iter().filter(|node| demand.eligibility(node).should_run());
        nodes.filter_map(|node| node.metadata.name.as_deref()).collect()
    }

    /// Whether a pod is available and not on its way out.
    pub(super) fn serves(&self, pod: &DaemonPod) -> bool {
        pod.is_running() && !self.deleting.contains(&pod.uid) && is_available(pod, &self.set, self.now)
    }

    fn limit(&self, amount: &IntOrString) -> usize {
        match amount {
            IntOrString::Int(number) => usize::try_from(*number).unwrap(),
            IntOrString::String(_) => self.eligible().len().div_ceil(2),
        }
    }

    /// The pods on a node that are the set's own, or will be.
    fn on(&self, node: &str) -> Vec<DaemonPod> {
        let selector = Labels::from_object(&self.set.spec.as_ref().unwrap().selector).unwrap();
        let is_own = |pod: &Pod| matches!(ownership::claim(&self.set, &selector, &pod.metadata), Claim::Owned | Claim::Adopt);
        let here = self.pods.iter().filter(|pod| template::target_node(pod) == Some(node) && is_own(pod));
        here.map(|pod| DaemonPod::of(pod, &self.deleting)).filter(|pod| !pod.is_over()).collect()
    }
}

/// Nodes that the controller has changed for an update, and that are not yet as they should be.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Nodes whose available pod it took and that have had none since.
    down: BTreeSet<String>,
    /// Nodes where it put a pod beside an available one.
    doubled: BTreeSet<String>,
}

impl Promises {
    /// Forgets nodes that are as they should be, or no longer the set's business, in truth or as far as is known.
    pub(super) fn look(&mut self, api: &Cluster, view: &View) {
        if self.down.is_empty() && self.doubled.is_empty() {
            return;
        }
        let (truly, known) = (api.eligible(), view.eligible());
        let on = |node: &str| -> Vec<DaemonPod> {
            let pods = api.pods.objects.values().filter(|pod| template::target_node(pod) == Some(node));
            pods.filter(|pod| ownership::is_owned(api.set(), &pod.metadata)).map(facts).filter(DaemonPod::is_running).collect()
        };
        let serves = |node: &str| on(node).iter().any(|pod| is_available(pod, api.set(), api.time()));
        self.down.retain(|node| truly.contains(node) && known.contains(node.as_str()) && !serves(node));
        self.doubled.retain(|node| truly.contains(node) && known.contains(node.as_str()) && on(node).len() > 1);
    }

    /// Without surge nothing of the set may be left on a node when a pod is made for it; with surge, nothing current. A
    /// stray that does not match any more, or that somebody deleted, is nobody's unless the controller knows that it has
    /// adopted it.
    pub(super) fn check_alone(&self, api: &Cluster, view: &View, node: &str, new: &Pod) {
        let current = facts(new).hash;
        let selector = Labels::from_object(&view.set.spec.as_ref().unwrap().selector).unwrap();
        let is_nobodys = |pod: &Pod| {
            let known = view.pods.iter().find(|known| known.metadata.uid == pod.metadata.uid);
            known.is_some_and(|known| ownership::claim(&view.set, &selector, &known.metadata) == Claim::Ignore)
        };
        let owned = |pod: &&Pod| ownership::is_owned(api.set(), &pod.metadata) && !is_nobodys(pod);
        for pod in api.pods.objects.values().filter(owned) {
            let (here, pod) = (template::target_node(pod) == Some(node), facts(pod));
            let surges = Strategy::of(&view.set).surges();
            let in_the_way = if surges { pod.is_running() && pod.hash == current } else { !pod.is_over() };
            assert!(!(here && in_the_way), "a second pod beside {pod:?}");
        }
    }

    pub(super) fn check_ours(&self, api: &Cluster, name: &str) {
        let pod = &api.pods.objects[name];
        assert!(ownership::is_owned(api.set(), &pod.metadata), "not ours: {:?}", facts(pod));
    }

    /// Every deletion has a cause that can be seen.
    pub(super) fn check_causes(&self, view: &View, plan: &Plan) {
        let demand = template::demand(&view.set);
        let nodes: BTreeMap<&str, &Arc<Node>> =
            view.nodes.iter().filter_map(|node| Some((node.metadata.name.as_deref()?, node))).collect();
        let going: BTreeSet<&str> = plan.delete.iter().map(|removal| removal.uid.as_str()).collect();
        assert_eq!(going.len(), plan.delete.len(), "one pod is deleted twice");
        for removal in &plan.delete {
            let pods = view.on(&removal.node);
            let pod = pods.iter().find(|pod| pod.uid == removal.uid).expect("a pod that is known");
            assert!(!pod.terminating, "{pod:?} is deleted again");
            let node = nodes.get(&*removal.node);
            let holds = match &removal.why {
                Why::Failed => pod.phase == Phase::Failed,
                Why::Succeeded => pod.phase == Phase::Succeeded,
                Why::Surplus => pods.iter().any(|other| other.is_running() && !going.contains(other.uid.as_str())),
                Why::Refused(_) => node.is_some_and(|node| !demand.eligibility(node).may_continue()),
                Why::NodeGone => node.is_none() && !pod.bound,
                Why::Outdated => Strategy::of(&view.set) != Strategy::OnDelete && pod.hash != plan.hash,
            };
            assert!(holds, "{pod:?} is deleted without cause: {}", removal.why);
        }
    }

    /// A pod was deleted: at no instant are more nodes without one by the controller's hand than the strategy allows.
    pub(super) fn deleted(&mut self, api: &Cluster, view: &View, removal: &Removal, was_available: bool) {
        let Strategy::Replace { max_unavailable } = Strategy::of(&view.set) else { return };
        if removal.why == Why::Outdated && was_available {
            self.down.insert(removal.node.to_string());
            self.look(api, view);
            let limit = view.limit(&max_unavailable).max(1);
            assert!(self.down.len() <= limit, "{:?} are down, {limit} may be", self.down);
        }
    }

    /// A pod was created: at no instant do more nodes have two by the controller's hand than the strategy allows.
    pub(super) fn created(&mut self, api: &Cluster, view: &View, node: &str) {
        let Strategy::Surge { max_surge } = Strategy::of(&view.set) else { return };
        if view.on(node).iter().any(|pod| view.serves(pod)) {
            self.doubled.insert(node.to_owned());
            self.look(api, view);
            let limit = view.limit(&max_surge);
            assert!(self.doubled.len() <= limit, "{:?} are doubled, {limit} may be", self.doubled);
        }
    }
}

fn is_available(pod: &DaemonPod, set: &DaemonSet, now: Timestamp) -> bool {
    let min_ready = set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    pod.available_from(SignedDuration::from_secs(i64::from(min_ready))).is_some_and(|from| from <= now)
}
