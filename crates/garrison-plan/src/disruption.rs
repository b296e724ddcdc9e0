//! Disruption budgets: how many of the pods that a PodDisruptionBudget selects may be evicted now.
//!
//! What an eviction takes from a budget is written into its status by who evicts; here it is only counted, until the pod
//! goes or two minutes have passed.

#[cfg(test)]
mod tests;

use crate::daemonset::rollout::scaled;
use garrison_api::selector::Labels;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        core::v1::Pod,
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus},
    },
    apimachinery::pkg::{
        apis::meta::v1::{Condition, OwnerReference, Time},
        util::intstr::IntOrString,
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// How long a pod that was evicted may take to be marked for deletion.
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);
/// The condition that says whether evictions are allowed.
const ALLOWED: &str = "DisruptionAllowed";

/// Everything one decision about a budget may look at.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The budget.
    pub budget: &'a PodDisruptionBudget,
    /// The pods that it selects.
    pub pods: &'a [Arc<Pod>],
    /// How many pods their controllers want, where the budget [asks for that](needs_scale); or why nobody knows.
    pub scale: Result<i32, String>,
    /// Now.
    pub now: Timestamp,
}

/// What should happen to a budget now.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The status to write, if it differs from what stands there.
    pub status: Option<PodDisruptionBudgetStatus>,
    /// What people should know.
    pub notices: Vec<Notice>,
    /// When to look again if nothing happens.
    pub wake_at: Option<Timestamp>,
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// No pod is selected.
    NoPods,
    /// Pods without a controller are selected: a share of all cannot be counted for them.
    Unmanaged,
    /// A share of all cannot be counted.
    Failed(String),
    /// A pod was evicted long ago, and is still there: its name.
    NotDeleted(String),
}

/// What a budget selects; nothing if it has no selector, or one that cannot be read.
pub fn selector(budget: &PodDisruptionBudget) -> Option<Labels> {
    let selector = budget.spec.as_ref()?.selector.as_ref()?;
    Labels::from_object(selector).ok()
}

/// Whether the budget is a share of what the pods' controllers want. A plain `minAvailable` is not.
pub fn needs_scale(budget: &PodDisruptionBudget) -> bool {
    let Some(spec) = &budget.spec else { return false };
    spec.max_unavailable.is_some() || matches!(spec.min_available, Some(IntOrString::String(_)))
}

/// The controllers of the pods, each once, with the first pod that it has.
pub fn controllers(pods: &[Arc<Pod>]) -> Vec<(&OwnerReference, &Pod)> {
    let mut found = BTreeMap::new();
    for pod in pods {
        if let Some(owner) = controller(pod) {
            found.entry(owner.uid.as_str()).or_insert((owner, &**pod));
        }
    }
    found.into_values().collect()
}

/// The owner that controls a pod.
fn controller(pod: &Pod) -> Option<&OwnerReference> {
    pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether the pod says that it is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Decides about one budget.
pub fn plan(observed: &Observed<'_>) -> Plan {
    let Observed { budget, pods, now, .. } = *observed;
    let mut notices = Vec::new();
    if pods.is_empty() {
        notices.push(Notice::NoPods);
    }
    let old = budget.status.clone().unwrap_or_default();
    let (expected, desired) = match counts(observed) {
        Ok(counts) => counts,
        Err(why) => {
            notices.push(Notice::Failed(why.clone()));
            // Whoever evicts must not rely on what was once counted.
            let mut status = PodDisruptionBudgetStatus { disruptions_allowed: Some(0), ..old.clone() };
            set_allowed(&mut status, "SyncFailed", why, now);
            return Plan { status: (status != old).then_some(status), notices, wake_at: None };
        }
    };
    if needs_scale(budget) && pods.iter().any(|pod| controller(pod).is_none()) {
        notices.push(Notice::Unmanaged);
    }
    let (disrupted, wake_at) = disrupted(&old, pods, now, &mut notices);
    let healthy = pods.iter().filter(|pod| {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        pod.metadata.deletion_timestamp.is_none() && !disrupted.contains_key(name) && is_ready(pod)
    });
    let healthy = number(healthy.count());
    // A budget that selects nothing yet allows nothing: its first pods may come before it is looked at again.
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    let mut status = PodDisruptionBudgetStatus {
        current_healthy: Some(healthy),
        desired_healthy: Some(desired),
        expected_pods: Some(expected),
        disruptions_allowed: Some(allowed),
        disrupted_pods: (!disrupted.is_empty()).then_some(disrupted),
        observed_generation: budget.metadata.generation,
        conditions: old.conditions.clone(),
    };
    set_allowed(&mut status, if allowed > 0 { "SufficientPods" } else { "InsufficientPods" }, String::new(), now);
    Plan { status: (status != old).then_some(status), notices, wake_at }
}

/// How many pods are expected, and how many of them have to be healthy.
fn counts(observed: &Observed<'_>) -> Result<(i32, i32), String> {
    let Some(spec) = &observed.budget.spec else { return Ok((0, 0)) };
    let share = |bound: &IntOrString, of: i32| number(scaled(bound, usize::try_from(of).unwrap_or(0)));
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(most), _) => {
            let expected = observed.scale.clone()?;
            Ok((expected, (expected - share(most, expected)).max(0)))
        }
        (None, Some(IntOrString::Int(least))) => Ok((number(observed.pods.len()), *least)),
        (None, Some(least)) => {
            let expected = observed.scale.clone()?;
            Ok((expected, share(least, expected)))
        }
        (None, None) => Ok((0, 0)),
    }
}

/// The evicted pods that are yet to be marked for deletion, and when the first of them is given up.
fn disrupted(
    old: &PodDisruptionBudgetStatus,
    pods: &[Arc<Pod>],
    now: Timestamp,
    notices: &mut Vec<Notice>,
) -> (BTreeMap<String, Time>, Option<Timestamp>) {
    let mut waiting = BTreeMap::new();
    let mut wake_at: Option<Timestamp> = None;
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let Some(evicted) = old.disrupted_pods.as_ref().and_then(|pods| pods.get(&name)) else { continue };
        let until = evicted.0.saturating_add(DELETION_TIMEOUT).unwrap_or(Timestamp::MAX);
        if until <= now {
            notices.push(Notice::NotDeleted(name));
        } else {
            wake_at = Some(wake_at.map_or(until, |earlier| earlier.min(until)));
            waiting.insert(name, evicted.clone());
        }
    }
    (waiting, wake_at)
}

/// Says in the conditions whether evictions are allowed, and since when that is so.
fn set_allowed(status: &mut PodDisruptionBudgetStatus, reason: &str, message: String, now: Timestamp) {
    let truth = if status.disruptions_allowed > Some(0) { "True" } else { "False" };
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let conditions = status.conditions.get_or_insert_default();
    let since = conditions.iter().find(|known| known.type_ == ALLOWED && known.status == truth);
    let condition = Condition {
        type_: ALLOWED.into(),
        status: truth.into(),
        reason: reason.into(),
        message,
        observed_generation: status.observed_generation,
        last_transition_time: since.map_or(Time(second), |known| known.last_transition_time.clone()),
    };
    match conditions.iter_mut().find(|known| known.type_ == ALLOWED) {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
