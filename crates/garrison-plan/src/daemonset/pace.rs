//! What the controller did and has not seen yet.
//!
//! Between a write and its event the cache is behind. The planner is shown the cache with these writes laid over it, so it
//! never creates a second pod or deletes one twice, and one late event holds up one node instead of the whole set. After a
//! restart the first list shows everything that was ever written.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

/// A write whose event has not come after this time never will (upstream's expectation timeout). By then the cache has
/// been filled anew, or the cluster has bigger trouble.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// What it means that the cache has a pod as it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// It is so.
    News,
    /// It was so: something newer was written.
    Stale,
    /// It is so, and the pod of this UID, written under the same name, is gone.
    InsteadOf(String),
}

/// Writes that are not seen yet, by UID.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    written: BTreeMap<String, (Arc<Pod>, Timestamp)>,
    deleted: BTreeMap<String, Timestamp>,
    /// UID of the last pod written under a name.
    names: BTreeMap<String, String>,
    /// What was written, oldest first. One that is no longer in `written` counts for nothing.
    in_order: BTreeSet<(Option<u64>, String)>,
    /// What was deleted, oldest first, with the pod's name. Likewise.
    deleted_in_order: VecDeque<(Timestamp, String, String)>,
}

impl Pace {
    /// Takes note of a pod that was created or changed, as the server answered.
    pub fn written(&mut self, pod: Arc<Pod>, now: Timestamp) {
        self.in_order.insert((version(&pod), uid(&pod).to_owned()));
        self.names.insert(name(&pod).to_owned(), uid(&pod).to_owned());
        self.written.insert(uid(&pod).to_owned(), (pod, now));
    }

    /// Takes note of a pod whose deletion was accepted.
    pub fn deleted(&mut self, uid: &str, name: &str, now: Timestamp) {
        self.deleted.insert(uid.to_owned(), now);
        self.deleted_in_order.push_back((now, uid.to_owned(), name.to_owned()));
    }

    /// What a pod as the cache has it means, given what was written.
    pub fn sight(&mut self, pod: &Pod) -> Sight {
        let written = self.names.get(name(pod)).and_then(|uid| self.written.get(uid)).map(|(written, _)| written.clone());
        let mut sight = Sight::News;
        if let Some(written) = written {
            if version(&written) > version(pod) {
                return Sight::Stale;
            }
            self.forget_written(uid(&written), &written);
            if uid(&written) != uid(pod) {
                self.deleted.remove(uid(&written));
                sight = Sight::InsteadOf(uid(&written).to_owned());
            }
        }
        if pod.metadata.deletion_timestamp.is_some() {
            self.deleted.remove(uid(pod));
        }
        sight
    }

    fn forget_written(&mut self, uid: &str, pod: &Pod) {
        self.in_order.remove(&(version(pod), uid.to_owned()));
        self.written.remove(uid);
        if self.names.get(name(pod)).is_some_and(|last| last == uid) {
            self.names.remove(name(pod));
        }
    }

    /// Whether something was written of a pod that the cache has not seen.
    pub fn is_ahead(&self, uid: &str) -> bool {
        self.written.contains_key(uid)
    }

    /// Whether a pod's deletion was accepted and is not seen.
    pub fn is_deleting(&self, uid: &str) -> bool {
        self.deleted.contains_key(uid)
    }

    /// Takes note that a pod is gone.
    pub fn gone(&mut self, uid: &str) {
        if let Some((pod, _)) = self.written.get(uid).cloned() {
            self.forget_written(uid, &pod);
        }
        self.deleted.remove(uid);
    }

    /// Gives up what the cache, having come as far as `reached`, should have seen by now: UIDs and names. What it holds
    /// under these names is the truth.
    pub fn overdue(&mut self, reached: u64, now: Timestamp) -> Vec<(String, String)> {
        let mut overdue = Vec::new();
        loop {
            let seen = self.in_order.range((Some(0), String::new())..).next().filter(|(version, _)| *version <= Some(reached));
            let oldest =
                || self.in_order.first().filter(|(_, uid)| self.written.get(uid).is_none_or(|(_, at)| is_late(*at, now)));
            let Some(entry) = seen.or_else(oldest).cloned() else { break };
            self.in_order.remove(&entry);
            if let Some((pod, _)) = self.written.get(&entry.1).filter(|(pod, _)| version(pod) == entry.0).cloned() {
                self.forget_written(&entry.1, &pod);
                overdue.push((entry.1, name(&pod).to_owned()));
            }
        }
        while let Some((_, uid, name)) =
            self.deleted_in_order.pop_front_if(|(at, uid, _)| self.deleted.get(uid) != Some(at) || is_late(*at, now))
        {
            if self.deleted.get(&uid).is_some_and(|at| is_late(*at, now)) {
                self.deleted.remove(&uid);
                overdue.push((uid, name));
            }
        }
        overdue
    }

    /// The pods as they are, to the best of our knowledge.
    ///
    /// `reached` tells whether the cache has come as far as a resourceVersion, `list` reads the cache. They are asked in
    /// this order: a pod which the cache should have by then and does not list is gone.
    pub fn overlay(
        &mut self,
        reached: impl Fn(&str) -> bool,
        list: impl FnOnce() -> Vec<Arc<Pod>>,
        now: Timestamp,
    ) -> Vec<Arc<Pod>> {
        let late = |since: &Timestamp| is_late(*since, now);
        self.written.retain(|_, (pod, since)| {
            let version = pod.metadata.resource_version.as_deref().unwrap_or_default();
            !late(since) && !reached(version)
        });
        let mut pods = list();
        // Under one name there is one pod: of two, the older is gone.
        let by_name: BTreeMap<String, Arc<Pod>> =
            self.written.values().map(|(pod, _)| (name(pod).to_owned(), pod.clone())).collect();
        let other = |pod: &Pod| by_name.get(name(pod)).filter(|written| uid(written) != uid(pod));
        let superseded: Vec<&str> = pods
            .iter()
            .filter_map(|pod| other(pod).filter(|written| version(written) <= version(pod)))
            .map(|written| uid(written))
            .collect();
        superseded.into_iter().for_each(|uid| drop(self.written.remove(uid)));
        pods.retain(|pod| other(pod).is_none_or(|written| version(written) <= version(pod)));
        let mut unlisted = self.written.clone();
        for pod in &mut pods {
            let Some((written, _)) = unlisted.remove(uid(pod)) else { continue };
            if version(&written) > version(pod) {
                *pod = written;
            } else {
                self.written.remove(uid(pod));
            }
        }
        pods.extend(unlisted.into_values().map(|(pod, _)| pod));
        let waiting: HashSet<&str> =
            pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).map(|pod| uid(pod)).collect();
        self.deleted.retain(|uid, since| !late(since) && waiting.contains(uid.as_str()));
        pods
    }

    /// The pods that were written and are not seen yet.
    pub fn all_written(&self) -> Vec<Arc<Pod>> {
        self.written.values().map(|(pod, _)| pod.clone()).collect()
    }

    /// Whether everything was seen that was written.
    pub fn is_settled(&self) -> bool {
        self.written.is_empty() && self.deleted.is_empty()
    }

    /// The pods whose deletion was accepted and is not seen yet.
    pub fn deleting(&self) -> BTreeSet<String> {
        self.deleted.keys().cloned().collect()
    }
}

fn is_late(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) > PATIENCE
}

pub(super) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// A version that is no number is never newer.
fn version(pod: &Pod) -> Option<u64> {
    pod.metadata.resource_version.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(uid: &str, version: u32, going: bool) -> Arc<Pod> {
        let deleted = going.then_some("2026-01-01T00:00:00Z");
        let metadata = json!({"uid": uid, "name": uid, "resourceVersion": version.to_string(), "deletionTimestamp": deleted});
        Arc::new(serde_json::from_value(json!({"metadata": metadata})).unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Created: a (version 5); deleted: b. What is shown, and what is still held to be on its way out?
    fn check(cache: &[(&str, bool)], reached: u32, second: i64, shown: &str, deleting: &str) {
        let mut pace = Pace::default();
        pace.written(pod("a", 5, false), at(0));
        pace.deleted("b", "b", at(0));
        let list = || cache.iter().map(|(uid, going)| pod(uid, 1, *going)).collect();
        let pods = pace.overlay(|version| version.parse::<u32>().unwrap() <= reached, list, at(second));
        let uids: Vec<String> = pods.iter().map(|pod| pod.metadata.uid.clone().unwrap()).collect();
        assert_eq!(uids.join(" "), shown);
        assert_eq!(pace.deleting().into_iter().collect::<Vec<_>>().join(" "), deleting);
    }

    /// Conformance: U23
    #[test]
    fn writes_are_laid_over_the_cache_until_seen() {
        check(&[("b", false)], 4, 0, "b a", "b");
        check(&[("b", false), ("a", false)], 5, 0, "b a", "b");
        check(&[("b", true)], 4, 0, "b a", "");
        check(&[], 4, 0, "a", "");
    }

    /// Conformance: U23, W21
    #[test]
    fn a_pod_that_came_and_went_unseen_is_gone() {
        check(&[("b", false)], 5, 0, "b", "b");
    }

    /// Conformance: U23, W21
    #[test]
    fn patience_ends() {
        check(&[("b", false)], 4, 300, "b a", "b");
        check(&[("b", false)], 4, 301, "b", "");
    }

    /// Conformance: U23, W21
    #[test]
    fn a_pod_deleted_before_it_was_seen_is_on_its_way_out() {
        let mut pace = Pace::default();
        pace.written(pod("a", 5, false), at(0));
        pace.deleted("a", "a", at(0));
        let pods = pace.overlay(|_| false, Vec::new, at(0));
        assert_eq!((pods.len(), pace.deleting().len()), (1, 1));
    }

    #[test]
    fn a_changed_pod_is_shown_as_it_was_written_until_the_cache_is_as_far() {
        for (cached, expected) in [(4, "5"), (5, "5"), (6, "6")] {
            let mut pace = Pace::default();
            pace.written(pod("a", 5, false), at(0));
            let pods = pace.overlay(|_| false, || vec![pod("a", cached, false)], at(0));
            assert_eq!((pods.len(), pods[0].metadata.resource_version.as_deref()), (1, Some(expected)), "cached {cached}");
        }
    }
}
