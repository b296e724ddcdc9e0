//! Resources: what pods request, what nodes offer.

use super::Obstacle;
use garrison_api::quantity::Quantity as Amount;
use k8s_openapi::{
    api::core::v1::{Container, Node, PodSpec},
    apimachinery::pkg::api::resource::Quantity,
};
use std::collections::BTreeMap;

/// Every pod takes one of these.
const PODS: &str = "pods";

/// Amounts by resource name: `cpu` in thousandths, everything else in whole units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources(BTreeMap<String, i64>);

impl Resources {
    /// What a pod requests of its node: its containers and sidecars together, or the largest init container with the
    /// sidecars started before it if that is more, or what the pod itself states; plus overhead; and one of `pods`.
    pub fn requested(spec: &PodSpec) -> Self {
        let mut running = Self::default();
        let mut starting = Self::default();
        for container in spec.init_containers.iter().flatten() {
            let own = Self::of_container(container);
            if container.restart_policy.as_deref() == Some("Always") {
                running.add(&own);
                starting.raise_to(&running);
            } else {
                let mut together = running.clone();
                together.add(&own);
                starting.raise_to(&together);
            }
        }
        spec.containers.iter().for_each(|container| running.add(&Self::of_container(container)));
        running.raise_to(&starting);
        let pod_level = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        pod_level.map(Self::read).unwrap_or_default().0.into_iter().for_each(|(name, amount)| {
            running.0.insert(name, amount);
        });
        spec.overhead.iter().for_each(|overhead| running.add(&Self::read(overhead)));
        running.0.insert(PODS.to_owned(), 1);
        running
    }

    /// What a node offers to pods.
    pub fn allocatable(node: &Node) -> Self {
        let status = node.status.as_ref();
        let offered = status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
        offered.map(Self::read).unwrap_or_default()
    }

    /// The amount of one resource; zero when there is none.
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds amounts.
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let sum = self.0.entry(name.clone()).or_insert(0);
            *sum = sum.saturating_add(*amount);
        }
    }

    /// Takes amounts away again.
    pub fn subtract(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let rest = self.0.entry(name.clone()).or_insert(0);
            *rest = rest.saturating_sub(*amount);
        }
    }

    /// What a node with these `allocatable` resources, of which `used` are taken, lacks for a pod that requests `self`.
    ///
    /// A resource that is not asked for (or asked for with zero) is never lacking, even if overcommitted.
    pub fn lacking(&self, used: &Self, allocatable: &Self) -> Vec<Obstacle> {
        self.0
            .iter()
            .filter(|(name, requested)| **requested > 0 && requested.saturating_add(used.get(name)) > allocatable.get(name))
            .map(|(name, requested)| Obstacle::Resource {
                name: name.clone(),
                requested: *requested,
                used: used.get(name),
                capacity: allocatable.get(name),
            })
            .collect()
    }

    fn of_container(container: &Container) -> Self {
        let resources = container.resources.as_ref();
        let limits = resources.and_then(|resources| resources.limits.as_ref()).map(Self::read).unwrap_or_default();
        let requests = resources.and_then(|resources| resources.requests.as_ref()).map(Self::read).unwrap_or_default();
        // The server's defaulting copies limits to missing requests; pods of other origin may lack that.
        let mut all = limits.0;
        all.extend(requests.0);
        Self(all)
    }

    fn read(quantities: &BTreeMap<String, Quantity>) -> Self {
        let amount = |name: &str, quantity: &Quantity| {
            // The server refuses unreadable quantities; what is not readable cannot be counted.
            let amount = Amount::parse(&quantity.0).unwrap_or_default();
            if name == "cpu" { amount.milli_value() } else { amount.value() }
        };
        Self(quantities.iter().map(|(name, quantity)| (name.clone(), amount(name, quantity))).collect())
    }

    fn raise_to(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let current = self.0.entry(name.clone()).or_insert(0);
            *current = (*current).max(*amount);
        }
    }
}
