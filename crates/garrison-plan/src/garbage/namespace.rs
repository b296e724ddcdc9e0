//! What is left in a namespace that is being deleted, told as its conditions.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::NamespaceCondition,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use std::collections::BTreeMap;

/// The shortest and the longest pause before the next attempt, where no grace period says how long it will take.
const PAUSES: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(1), SignedDuration::from_secs(15));

/// What one attempt to empty a namespace came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emptying {
    /// Groups whose kinds are not known, and why.
    pub undiscovered: Vec<String>,
    /// Kinds whose objects could not be deleted, and why.
    pub failed: Vec<String>,
    /// Objects left, by resource (`pods`, `daemonsets.apps`).
    pub left: BTreeMap<String, usize>,
    /// Objects that a finalizer keeps, by finalizer.
    pub kept_by: BTreeMap<String, usize>,
    /// The longest grace period among what is left, in seconds.
    pub longest_grace: i64,
}

impl Emptying {
    /// Takes note of an object that is still there.
    pub fn leave(&mut self, resource: &str, object: &ObjectMeta) {
        *self.left.entry(resource.into()).or_default() += 1;
        for finalizer in object.finalizers.iter().flatten() {
            *self.kept_by.entry(finalizer.clone()).or_default() += 1;
        }
        self.longest_grace = self.longest_grace.max(object.deletion_grace_period_seconds.unwrap_or(0));
    }

    /// Whether the namespace may go: nothing is left, and nothing is unknown.
    pub fn is_complete(&self) -> bool {
        self.undiscovered.is_empty() && self.failed.is_empty() && self.left.is_empty()
    }

    /// How long to wait before the next attempt if nothing is heard of what is left. `age` is the time since the namespace
    /// was deleted.
    pub fn pause(&self, age: SignedDuration) -> SignedDuration {
        let only_grace = self.kept_by.is_empty() && self.failed.is_empty() && self.undiscovered.is_empty();
        if only_grace && self.longest_grace > 0 {
            // As upstream: most end before their time, and the rest a moment after it.
            return SignedDuration::from_secs((self.longest_grace / 2).saturating_add(1));
        }
        // The longer it has taken, the less does it matter when exactly it ends.
        (age / 4).clamp(PAUSES.0, PAUSES.1)
    }

    /// The conditions that tell of it, if they say anything new.
    pub fn conditions(&self, past: &[NamespaceCondition], now: Timestamp) -> Option<Vec<NamespaceCondition>> {
        let told = |counts: &BTreeMap<String, usize>, of: &str| {
            counts.iter().map(|(name, count)| format!("{name}{of} {count} resource instances")).collect::<Vec<_>>().join(", ")
        };
        let fresh = [
            Fact {
                kind: "NamespaceDeletionDiscoveryFailure",
                holds: !self.undiscovered.is_empty(),
                reasons: ("DiscoveryFailed", "ResourcesDiscovered"),
                messages: (self.undiscovered.join("; "), "All kinds of objects are known"),
            },
            Fact {
                kind: "NamespaceDeletionContentFailure",
                holds: !self.failed.is_empty(),
                reasons: ("ContentDeletionFailed", "ContentDeleted"),
                messages: (self.failed.join("; "), "Everything was deleted, though finalizers may keep some of it"),
            },
            Fact {
                kind: "NamespaceContentRemaining",
                holds: !self.left.is_empty(),
                reasons: ("SomeResourcesRemain", "ContentRemoved"),
                messages: (format!("Some resources are remaining: {}", told(&self.left, " has")), "Nothing is left"),
            },
            Fact {
                kind: "NamespaceFinalizersRemaining",
                holds: !self.kept_by.is_empty(),
                reasons: ("SomeFinalizersRemain", "ContentHasNoFinalizers"),
                messages: (format!("Finalizers keep objects: {}", told(&self.kept_by, " in")), "No finalizer keeps anything"),
            },
        ]
        .map(|fact| fact.condition(past, now));
        let same = |one: &NamespaceCondition| past.iter().any(|other| one == other);
        (!fresh.iter().all(same)).then(|| {
            let others = past.iter().filter(|other| fresh.iter().all(|one| one.type_ != other.type_));
            others.chain(&fresh).cloned().collect()
        })
    }
}

/// One condition: whether it holds, and what is said if it does and if it does not.
struct Fact<'a> {
    kind: &'a str,
    holds: bool,
    reasons: (&'a str, &'a str),
    messages: (String, &'a str),
}

impl Fact<'_> {
    fn condition(self, past: &[NamespaceCondition], now: Timestamp) -> NamespaceCondition {
        let status = if self.holds { "True" } else { "False" };
        let (reason, message) =
            if self.holds { (self.reasons.0, self.messages.0) } else { (self.reasons.1, self.messages.1.to_owned()) };
        let known = past.iter().find(|known| known.type_ == self.kind && known.status == status);
        NamespaceCondition {
            type_: self.kind.into(),
            status: status.into(),
            reason: Some(reason.into()),
            message: Some(message),
            last_transition_time: known.and_then(|known| known.last_transition_time.clone()).or(Some(Time(now))),
        }
    }
}

#[cfg(test)]
mod tests;
