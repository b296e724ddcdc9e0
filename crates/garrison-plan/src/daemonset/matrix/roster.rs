//! The pods of one set: which are its own, where each is placed, and what was written and is not seen yet.

use super::Column;
use crate::daemonset::{
    daemon_pod::{DaemonPod, hash_of},
    ownership::{self, Claim, OwnerChange},
    pace::{Pace, Sight, uid},
    template,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Who is there, by UID.
#[derive(Debug, Default)]
pub(super) struct Roster {
    pods: HashMap<Arc<str>, Member>,
    /// UID of the pod that the cache has under a name.
    cached: HashMap<String, Arc<str>>,
    /// How many pods carry a hash.
    hashes: HashMap<Arc<str>, usize>,
    adopt: BTreeMap<(String, Arc<str>), OwnerChange>,
    release: BTreeMap<(String, Arc<str>), OwnerChange>,
}

/// A pod that is the set's own, or will be, or was.
#[derive(Debug)]
struct Member {
    name: String,
    hash: Option<Arc<str>>,
    /// The node whose cell it is in.
    node: Option<Arc<str>>,
}

impl Roster {
    /// Pods to make the set's own.
    pub(super) fn adopt(&self) -> impl Iterator<Item = &OwnerChange> {
        self.adopt.values()
    }

    /// Pods to let go.
    pub(super) fn release(&self) -> impl Iterator<Item = &OwnerChange> {
        self.release.values()
    }

    /// Whether any pod carries this hash.
    pub(super) fn carries(&self, hash: &str) -> bool {
        self.hashes.contains_key(hash)
    }

    /// Names of the pods that carry one of these hashes.
    pub(super) fn carrying<'a>(&'a self, hashes: &'a [String]) -> impl Iterator<Item = &'a str> {
        let carries = |pod: &Member| pod.hash.as_deref().is_some_and(|carried| hashes.iter().any(|hash| hash == carried));
        self.pods.values().filter(move |pod| carries(pod)).map(|pod| pod.name.as_str())
    }

    fn count(&mut self, hash: &Arc<str>) {
        *self.hashes.entry(hash.clone()).or_default() += 1;
    }

    fn discount(&mut self, hash: &Arc<str>) {
        if let Some(count) = self.hashes.get_mut(hash) {
            *count -= 1;
            if *count == 0 {
                self.hashes.remove(hash);
            }
        }
    }

    /// One copy of each hash, however many pods carry it.
    fn interned(&self, hash: &str) -> Arc<str> {
        self.hashes.get_key_value(hash).map_or_else(|| Arc::from(hash), |(known, _)| known.clone())
    }
}

impl Column {
    /// What the cache has under a name of the set's namespace has changed: a pod has come, changed, gone, or made way for
    /// another.
    pub fn pod(&mut self, name: &str, pod: Option<&Arc<Pod>>) {
        let uid = pod.map(|pod| uid(pod));
        if let Some(before) = self.roster.cached.get(name).cloned().filter(|before| Some(&**before) != uid) {
            self.roster.cached.remove(name);
            // What was written later than the cache is, stands until the cache is as far.
            if !self.pace.is_ahead(&before) {
                self.pace.gone(&before);
                self.drop_pod(&before);
            }
        }
        let Some(pod) = pod else { return };
        match self.pace.sight(pod) {
            Sight::Stale => return,
            Sight::InsteadOf(other) => self.drop_pod(&other),
            Sight::News => {}
        }
        self.place(pod);
        if self.roster.pods.contains_key(uid.unwrap_or_default()) {
            self.roster.cached.insert(name.to_owned(), Arc::from(uid.unwrap_or_default()));
        }
    }

    /// A pod was created or changed by the controller, as the server answered.
    pub fn wrote(&mut self, pod: &Arc<Pod>, now: Timestamp) {
        self.pace.written(pod.clone(), now);
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        if let Some(before) = self.roster.cached.get(name).cloned().filter(|before| **before != *uid(pod)) {
            // There can be only one of a name.
            self.roster.cached.remove(name);
            self.drop_pod(&before);
        }
        self.place(pod);
    }

    /// The deletion of a pod was accepted.
    pub fn deleted(&mut self, uid: &str, now: Timestamp) {
        let Some(member) = self.roster.pods.get(uid) else { return };
        self.pace.deleted(uid, &member.name, now);
        let Some(node) = member.node.clone() else { return };
        let row = self.row(&node);
        row.cell.pods.iter_mut().filter(|pod| pod.uid == uid).for_each(|pod| pod.terminating = true);
        row.cell.pods.retain(|pod| !pod.is_over());
        self.touch(&node);
    }

    /// The cache has come as far as a resourceVersion. What was written before and is not in it is gone; what has not been
    /// seen for too long never will be.
    pub fn reached(&mut self, version: u64, now: Timestamp, cached: impl Fn(&str) -> Option<Arc<Pod>>) {
        for (uid, name) in self.pace.overdue(version, now) {
            let pod = cached(&name);
            if self.roster.cached.get(&name).is_none_or(|known| **known != *uid) {
                self.pace.gone(&uid);
                self.drop_pod(&uid);
            }
            self.pod(&name, pod.as_ref());
        }
    }

    /// Begins with the pods that the cache has and what was written beyond.
    pub(super) fn take_over(&mut self, pace: Pace, pods: impl IntoIterator<Item = Arc<Pod>>) {
        self.pace = pace;
        for pod in pods {
            let name = pod.metadata.name.clone().unwrap_or_default();
            self.pod(&name, Some(&pod));
        }
        for pod in self.pace.all_written() {
            self.place(&pod);
        }
    }

    /// Whether everything was seen that was written.
    pub fn is_settled(&self) -> bool {
        self.pace.is_settled()
    }

    /// What was written and is not seen yet.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Puts a pod where it belongs now.
    fn place(&mut self, pod: &Arc<Pod>) {
        let Ok(selector) = &self.selector else { return };
        let claim = ownership::claim(&self.set, selector, &pod.metadata);
        let uid = uid(pod);
        if claim == Claim::Ignore {
            return self.drop_pod(uid);
        }
        let mut facts = DaemonPod::of(pod, &BTreeSet::new());
        facts.terminating |= self.pace.is_deleting(uid);
        let is_claimed = claim != Claim::Release;
        let node = template::target_node(pod).filter(|_| is_claimed && !facts.is_over());
        if claim == Claim::Owned && self.replace(uid, node, &facts) {
            return;
        }
        self.drop_pod(uid);
        let uid: Arc<str> = Arc::from(uid);
        let hash = hash_of(pod).filter(|_| is_claimed);
        let member = Member {
            name: facts.name.clone(),
            hash: hash.map(|hash| self.roster.interned(hash)),
            node: node.map(|node| self.known(node)),
        };
        let key = (facts.name.clone(), uid.clone());
        match claim {
            Claim::Adopt => drop(self.roster.adopt.insert(key, ownership::adoption(&self.set, &pod.metadata))),
            Claim::Release => drop(self.roster.release.insert(key, ownership::release(&self.set, &pod.metadata))),
            Claim::Owned | Claim::Ignore => {}
        }
        if let Some(hash) = &member.hash {
            self.roster.count(hash);
        }
        if let Some(node) = member.node.clone() {
            let row = self.row(&node);
            row.cell.pods.push(facts);
            row.cell.pods.sort_by(DaemonPod::precedence);
            self.touch(&node);
        }
        self.roster.pods.insert(uid, member);
    }

    /// Changes the facts of a pod that stays where it is; whether that was all there is to do. The common case.
    fn replace(&mut self, uid: &str, node: Option<&str>, facts: &DaemonPod) -> bool {
        let Some(member) = self.roster.pods.get(uid) else { return false };
        let (Some(node), Some(known)) = (node, &member.node) else { return false };
        if node != &**known || member.hash.as_deref().unwrap_or_default() != facts.hash {
            return false;
        }
        let known = known.clone();
        let key = (facts.name.clone(), Arc::from(uid));
        if self.roster.adopt.contains_key(&key) || self.roster.release.contains_key(&key) {
            return false;
        }
        let Some(row) = self.rows.get_mut(&known) else { return false };
        let Some(pod) = row.cell.pods.iter_mut().find(|pod| pod.uid == uid) else { return false };
        if pod != facts {
            *pod = facts.clone();
            row.cell.pods.sort_by(DaemonPod::precedence);
            self.touch(&known);
        }
        true
    }

    fn drop_pod(&mut self, uid: &str) {
        let Some((uid, member)) = self.roster.pods.remove_entry(uid) else { return };
        let key = (member.name, uid);
        self.roster.adopt.remove(&key);
        self.roster.release.remove(&key);
        if let Some(hash) = &member.hash {
            self.roster.discount(hash);
        }
        if let Some(node) = &member.node {
            self.row(node).cell.pods.retain(|pod| pod.uid != *key.1);
            self.touch(node);
        }
    }

    /// One copy of each node's name.
    pub(super) fn known(&self, node: &str) -> Arc<str> {
        self.rows.get_key_value(node).map_or_else(|| Arc::from(node), |(known, _)| known.clone())
    }
}
