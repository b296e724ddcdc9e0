//! How far an update may go now (behaviour reference §10).
//!
//! Each node is at a [`Stage`] that follows from its own pods alone; only the budget looks at all of them.

use super::{
    daemon_pod::DaemonPod,
    per_node::{Cell, Decision, Rules, Why},
};
use crate::placement::Eligibility;
use k8s_openapi::{
    api::apps::v1::{DaemonSet, RollingUpdateDaemonSet},
    apimachinery::pkg::util::intstr::IntOrString,
};

#[cfg(test)]
mod tests;

/// How a set is updated.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// Pods are replaced when somebody deletes them.
    OnDelete,
    /// Old pods go first, so many at a time.
    Replace {
        /// How many nodes may be without an available daemon.
        max_unavailable: IntOrString,
    },
    /// New pods come first, so many at a time.
    Surge {
        /// How many nodes may have two.
        max_surge: IntOrString,
    },
}

impl Strategy {
    /// The strategy of a set.
    pub fn of(set: &DaemonSet) -> Self {
        let strategy = set.spec.as_ref().and_then(|spec| spec.update_strategy.clone()).unwrap_or_default();
        if strategy.type_.as_deref() == Some("OnDelete") {
            return Self::OnDelete;
        }
        let RollingUpdateDaemonSet { max_surge, max_unavailable } = strategy.rolling_update.unwrap_or_default();
        match max_surge {
            Some(max_surge) if scaled(&max_surge, 1) > 0 => Self::Surge { max_surge },
            _ => Self::Replace { max_unavailable: max_unavailable.unwrap_or(IntOrString::Int(0)) },
        }
    }

    /// Whether two pods may be on a node.
    pub fn surges(&self) -> bool {
        matches!(self, Self::Surge { .. })
    }
}

/// A number, or the percentage of `total`, rounded up. What cannot be read counts as zero.
pub(crate) fn scaled(amount: &IntOrString, total: usize) -> usize {
    match amount {
        IntOrString::Int(number) => usize::try_from(*number).unwrap_or(0),
        IntOrString::String(text) => {
            let percent: usize = text.strip_suffix('%').and_then(|number| number.parse().ok()).unwrap_or(0);
            percent.saturating_mul(total).div_ceil(100)
        }
    }
}

/// What an update wants to do on a node, pods by their place in the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Nothing, and the node takes nothing from the budget.
    #[default]
    Settled,
    /// Nothing, and the node takes one from the budget.
    Busy,
    /// Delete this old pod: nothing is lost by it. Takes one from the budget when old pods go first.
    DeleteNow(usize),
    /// Delete this old pod if the budget allows.
    MayDelete(usize),
    /// Delete this old pod if so many others are available that it is not missed.
    Sunset(usize),
    /// Create a new pod: the old one is of no use.
    CreateNow,
    /// Create a new pod if the budget allows.
    MayCreate,
}

impl Stage {
    /// Adds to a decision what the update wants, given leave.
    pub(super) fn add_to(self, decision: &mut Decision) {
        match self {
            Self::DeleteNow(place) | Self::MayDelete(place) | Self::Sunset(place) => decision.delete.push((place, Why::Outdated)),
            Self::CreateNow | Self::MayCreate => decision.create = true,
            Self::Settled | Self::Busy => {}
        }
    }
}

/// The stage of a node when old pods go first (§10.4).
pub fn replace_stage(cell: &Cell, rules: &Rules) -> Stage {
    let should_run = cell.eligibility.as_ref().is_some_and(Eligibility::should_run);
    match pair(cell, rules) {
        // Nothing is there and nothing is missed.
        _ if cell.pods.is_empty() && !should_run => Stage::Settled,
        None | Some(Pair { old: None, new: None } | Pair { old: Some(_), new: Some(_) }) => Stage::Busy,
        Some(Pair { old: None, new: Some((_, new)) }) if rules.is_available(new) => Stage::Settled,
        Some(Pair { old: None, new: Some(_) }) => Stage::Busy,
        // Once deleted it would not come back: upstream deletes it all the same (behaviour reference, W8).
        Some(Pair { old: Some((_, old)), new: None }) if !should_run => {
            if rules.is_available(old) {
                Stage::Settled
            } else {
                Stage::Busy
            }
        }
        Some(Pair { old: Some((place, old)), new: None }) if rules.is_available(old) => Stage::MayDelete(place),
        Some(Pair { old: Some((place, _)), new: None }) => Stage::DeleteNow(place),
    }
}

/// The stage of a node when new pods come first (§10.5).
///
/// A pod whose node is gone is left to the garbage collector; the reference fails the whole update over it.
pub fn surge_stage(cell: &Cell, rules: &Rules) -> Stage {
    let should_run = cell.eligibility.as_ref().is_some_and(Eligibility::should_run);
    match pair(cell, rules) {
        None => Stage::Busy,
        Some(Pair { old: None, .. }) => Stage::Settled,
        Some(Pair { old: Some((place, _)), new: Some((_, new)) }) if rules.is_available(new) => Stage::DeleteNow(place),
        Some(Pair { old: Some(_), new: Some(_) }) => Stage::Busy,
        Some(_) if cell.eligibility.is_none() => Stage::Settled,
        Some(Pair { old: Some((place, old)), new: None }) => match (rules.is_available(old), should_run) {
            (false, false) => Stage::DeleteNow(place),
            (false, true) => Stage::CreateNow,
            (true, false) => Stage::Sunset(place),
            (true, true) => Stage::MayCreate,
        },
    }
}

/// Whether the pod that serves a node during a surge is available (§10.5: the old one as long as it is there).
pub fn serves(cell: &Cell, rules: &Rules) -> bool {
    let serving = pair(cell, rules).and_then(|pair| pair.old.or(pair.new));
    cell.eligibility.is_some() && serving.is_some_and(|(_, pod)| rules.is_available(pod))
}

struct Pair<'a> {
    old: Option<(usize, &'a DaemonPod)>,
    new: Option<(usize, &'a DaemonPod)>,
}

/// The one old and one new pod that are not on their way out, in any phase; `None` if there are several of a sort.
fn pair<'a>(cell: &'a Cell, rules: &Rules) -> Option<Pair<'a>> {
    let mut pair = Pair { old: None, new: None };
    for (place, pod) in cell.pods.iter().enumerate().filter(|(_, pod)| !pod.terminating) {
        let slot = if rules.is_updated(pod) { &mut pair.new } else { &mut pair.old };
        if slot.replace((place, pod)).is_some() {
            return None;
        }
    }
    Some(pair)
}

/// One node's part in an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Part {
    /// Its stage.
    pub stage: Stage,
    /// Whether it is served by an available pod.
    pub serves: bool,
    /// Whether it should run the daemon.
    pub desired: bool,
}

/// The part of one node. A node where the reconcile step acts, or of which something is not known, is busy whatever its
/// pods.
pub fn part(cell: &Cell, rules: &Rules, strategy: &Strategy, is_busy: bool) -> Part {
    let stage = match strategy {
        Strategy::OnDelete => Stage::Settled,
        _ if is_busy => Stage::Busy,
        Strategy::Replace { .. } => replace_stage(cell, rules),
        Strategy::Surge { .. } => surge_stage(cell, rules),
    };
    let desired = cell.eligibility.as_ref().is_some_and(Eligibility::should_run);
    Part { stage, serves: !is_busy && serves(cell, rules), desired }
}

/// What the parts of all nodes add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    desired: usize,
    busy: usize,
    replaced_now: usize,
    serving: usize,
}

/// How many nodes may do what they want beyond those that need no leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Nodes where an available pod may be replaced, or get a second beside it.
    pub replace: usize,
    /// Nodes that may lose a pod which is not missed.
    pub sunset: usize,
}

impl Sums {
    /// Counts a node in.
    pub fn add(&mut self, part: &Part) {
        self.desired += usize::from(part.desired);
        self.busy += usize::from(part.stage == Stage::Busy);
        self.replaced_now += usize::from(matches!(part.stage, Stage::DeleteNow(_)));
        self.serving += usize::from(part.serves);
    }

    /// Takes a node out that was counted in with this part.
    pub fn remove(&mut self, part: &Part) {
        self.desired -= usize::from(part.desired);
        self.busy -= usize::from(part.stage == Stage::Busy);
        self.replaced_now -= usize::from(matches!(part.stage, Stage::DeleteNow(_)));
        self.serving -= usize::from(part.serves);
    }

    /// What the strategy allows now.
    pub fn budget(&self, strategy: &Strategy) -> Budget {
        let replace = match strategy {
            Strategy::OnDelete => 0,
            Strategy::Replace { max_unavailable } => {
                // Nought of both would never get anywhere.
                let most = scaled(max_unavailable, self.desired).max(usize::from(self.desired > 0));
                most.saturating_sub(self.busy + self.replaced_now)
            }
            Strategy::Surge { max_surge } => scaled(max_surge, self.desired).saturating_sub(self.busy),
        };
        Budget { replace, sunset: self.serving.saturating_sub(self.desired) }
    }
}

/// Which of the parts may do what they want, in their order.
pub fn allowed(strategy: &Strategy, parts: &[Part]) -> Vec<bool> {
    let mut sums = Sums::default();
    parts.iter().for_each(|part| sums.add(part));
    let Budget { mut replace, mut sunset } = sums.budget(strategy);
    let take = |budget: &mut usize| {
        let granted = *budget > 0;
        *budget -= usize::from(granted);
        granted
    };
    parts
        .iter()
        .map(|part| match part.stage {
            Stage::Settled | Stage::Busy => false,
            Stage::DeleteNow(_) | Stage::CreateNow => true,
            Stage::MayDelete(_) | Stage::MayCreate => take(&mut replace),
            Stage::Sunset(_) => take(&mut sunset),
        })
        .collect()
}
