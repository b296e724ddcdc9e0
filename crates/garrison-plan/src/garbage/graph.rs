//! Who belongs to whom, and what follows when an owner goes (behaviour reference §15).
//!
//! The [`Graph`] is told of every object and answers which of them have to be looked at; [`Graph::decide`] says what is
//! to be done with one. An owner that was seen is judged by what was seen of it. One that was never seen may be newer
//! than our knowledge, so the decision is first to ask for it; nothing is deleted on a suspicion.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::{BTreeSet, HashMap};

/// Deletes its object only after its dependents that block it.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Frees its object's dependents before the object goes.
pub const ORPHAN: &str = "orphan";

/// UIDs known to be gone that are remembered. Forgetting one costs a question to the API.
const GONE: usize = 8192;

/// What the graph knows of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// UID.
    pub uid: String,
    /// `apps/v1`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, or nothing.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The version that this knowledge is of.
    pub version: String,
    /// Its owners.
    pub owners: Vec<OwnerReference>,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl Object {
    /// The object that has this metadata.
    pub fn of(api_version: &str, kind: &str, meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            version: meta.resource_version.clone().unwrap_or_default(),
            owners: meta.owner_references.clone().unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
        }
    }

    /// Whether it waits until its dependents are gone.
    pub fn awaits_dependents(&self) -> bool {
        self.deleting && self.has_finalizer(FOREGROUND)
    }

    /// Its finalizers without one.
    pub fn finalizers_without(&self, name: &str) -> Vec<String> {
        self.finalizers.iter().filter(|finalizer| *finalizer != name).cloned().collect()
    }

    /// What its own finalizers ask for.
    fn propagation(&self) -> Propagation {
        if self.has_finalizer(ORPHAN) {
            Propagation::Orphan
        } else if self.has_finalizer(FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        }
    }

    fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == name)
    }

    fn blocks(&self, owner: &str) -> bool {
        self.owners.iter().any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
    }

    /// Whether a reference of `dependent` names this object by everything but its UID.
    fn is_named_by(&self, reference: &OwnerReference, dependent: &Object) -> bool {
        group(&self.api_version) == group(&reference.api_version)
            && self.kind == reference.kind
            && self.name == reference.name
            && (self.namespace.is_empty() || self.namespace == dependent.namespace)
    }
}

fn group(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// There is no such object.
    Gone,
    /// It is there.
    There,
    /// It is there and waits for its dependents to go.
    Awaiting,
}

/// What happens to the dependents of an object that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They go afterwards.
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// What is to be done with an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nothing.
    Keep,
    /// These owners have to be asked for: they were never seen where the object says they are.
    Ask(Vec<OwnerReference>),
    /// Nobody owns it any more.
    Delete(Propagation),
    /// Only these owners are left; the others are gone, or would be held up.
    SetOwners(Vec<OwnerReference>),
    /// Take the object, which is on its way, from the owners of these UIDs; when that is done take the finalizer off.
    Orphan(Vec<String>),
    /// Nothing keeps it but the collector's own finalizer.
    Finish,
    /// It waits for these, each of which is to be looked at.
    Await(Vec<String>),
}

/// All objects and their owners.
#[derive(Debug, Default)]
pub struct Graph {
    objects: HashMap<String, Object>,
    /// By the owner's UID, whether or not the owner was seen.
    dependents: HashMap<String, BTreeSet<String>>,
    gone: Gone,
}

/// UIDs of objects that are no more, two generations of them: the older is dropped when the newer is full.
#[derive(Debug, Default)]
struct Gone {
    newer: BTreeSet<String>,
    older: BTreeSet<String>,
}

impl Gone {
    fn insert(&mut self, uid: &str) {
        if self.newer.len() >= GONE / 2 {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(uid.into());
    }

    fn contains(&self, uid: &str) -> bool {
        self.newer.contains(uid) || self.older.contains(uid)
    }
}

impl Graph {
    /// Takes note of an object as it is now, and says which objects have to be looked at.
    pub fn put(&mut self, new: Object) -> BTreeSet<String> {
        let mut look = BTreeSet::new();
        let old = self.objects.remove(&new.uid);
        let before = old.as_ref().map_or(&[][..], |old| &old.owners);
        if before != new.owners {
            // An owner that waits may have waited for this reference only.
            look.extend(before.iter().map(|owner| &owner.uid).filter(|owner| self.awaits(owner)).cloned());
            self.unlink(&new.uid, before.iter().map(|owner| owner.uid.as_str()));
            for owner in &new.owners {
                self.dependents.entry(owner.uid.clone()).or_default().insert(new.uid.clone());
            }
            look.insert(new.uid.clone());
        }
        let was_done_with = old.as_ref().is_some_and(|old| old.deleting == new.deleting && old.finalizers == new.finalizers);
        if new.deleting && !was_done_with {
            look.insert(new.uid.clone());
            if new.awaits_dependents() {
                look.extend(self.dependents_of(&new.uid).map(str::to_owned));
            }
        }
        self.objects.insert(new.uid.clone(), new);
        look
    }

    /// Takes note that an object is gone, and says which objects have to be looked at.
    pub fn remove(&mut self, uid: &str) -> BTreeSet<String> {
        self.gone.insert(uid);
        let mut look: BTreeSet<String> = self.dependents_of(uid).map(str::to_owned).collect();
        if let Some(old) = self.objects.remove(uid) {
            look.extend(old.owners.iter().map(|owner| &owner.uid).filter(|owner| self.awaits(owner)).cloned());
            self.unlink(uid, old.owners.iter().map(|owner| owner.uid.as_str()));
        }
        look
    }

    /// What is known of an object.
    pub fn get(&self, uid: &str) -> Option<&Object> {
        self.objects.get(uid)
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// What is to be done with an object. `answers` are those of the API to [`Decision::Ask`], by UID.
    pub fn decide(&self, uid: &str, answers: &HashMap<String, Owner>) -> Decision {
        let Some(object) = self.objects.get(uid) else { return Decision::Keep };
        if object.deleting && object.has_finalizer(ORPHAN) {
            return Decision::Orphan(self.dependents_of(uid).map(str::to_owned).collect());
        }
        if object.awaits_dependents() {
            return self.foreground(uid);
        }
        if object.deleting || object.owners.is_empty() {
            return Decision::Keep;
        }
        self.judge_owners(object, answers)
    }

    fn foreground(&self, uid: &str) -> Decision {
        // In a ring of objects that all wait, any may go first: else none of them ever would.
        let others = self.blocking(uid).filter(|dependent| !self.waits_for(dependent, uid));
        let blocking: Vec<String> = others.map(str::to_owned).collect();
        if blocking.is_empty() { Decision::Finish } else { Decision::Await(blocking) }
    }

    /// The dependents that an object waits for if it waits.
    fn blocking(&self, uid: &str) -> impl Iterator<Item = &str> {
        self.dependents_of(uid).filter(move |dependent| self.objects.get(*dependent).is_some_and(|object| object.blocks(uid)))
    }

    /// Whether an object is another one or waits for it, directly or by way of others that wait.
    fn waits_for(&self, uid: &str, other: &str) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![uid]);
        while let Some(next) = open.pop() {
            if next == other {
                return true;
            }
            if self.awaits(next) && seen.insert(next) {
                open.extend(self.blocking(next));
            }
        }
        false
    }

    fn judge_owners(&self, object: &Object, answers: &HashMap<String, Owner>) -> Decision {
        let judged: Vec<(&OwnerReference, Option<Owner>)> =
            object.owners.iter().map(|owner| (owner, self.owner(object, owner, answers))).collect();
        let unknown: Vec<OwnerReference> =
            judged.iter().filter(|(_, owner)| owner.is_none()).map(|(r, _)| (*r).clone()).collect();
        if !unknown.is_empty() {
            return Decision::Ask(unknown);
        }
        let are = |wanted: Owner| judged.iter().filter(move |(_, owner)| *owner == Some(wanted)).map(|(r, _)| *r);
        if are(Owner::There).count() == judged.len() {
            return Decision::Keep;
        }
        if are(Owner::There).next().is_some() {
            return Decision::SetOwners(are(Owner::There).cloned().collect());
        }
        if are(Owner::Awaiting).next().is_none() {
            return Decision::Delete(object.propagation());
        }
        self.follow_owner(object, are(Owner::Awaiting).collect())
    }

    /// The owner goes after its dependents, of which this one goes after its own.
    fn follow_owner(&self, object: &Object, awaiting: Vec<&OwnerReference>) -> Decision {
        let mut dependents = self.dependents_of(&object.uid).filter_map(|uid| self.objects.get(uid)).peekable();
        if dependents.peek().is_none() {
            return Decision::Delete(object.propagation());
        }
        let circular = dependents.any(Object::awaits_dependents);
        if circular && awaiting.iter().any(|owner| owner.block_owner_deletion == Some(true)) {
            // Owner and dependent would wait for each other for ever.
            let unblocked = |owner: &OwnerReference| OwnerReference { block_owner_deletion: Some(false), ..owner.clone() };
            return Decision::SetOwners(object.owners.iter().map(unblocked).collect());
        }
        Decision::Delete(Propagation::Foreground)
    }

    fn owner(&self, object: &Object, reference: &OwnerReference, answers: &HashMap<String, Owner>) -> Option<Owner> {
        match self.objects.get(&reference.uid) {
            // Nothing that lives in a namespace can own what lives outside: that is a mistake, and no reason to delete.
            Some(owner) if object.namespace.is_empty() && !owner.namespace.is_empty() => Some(Owner::There),
            Some(owner) if owner.is_named_by(reference, object) => {
                Some(if owner.awaits_dependents() { Owner::Awaiting } else { Owner::There })
            }
            None if self.gone.contains(&reference.uid) => Some(Owner::Gone),
            _ => answers.get(&reference.uid).copied(),
        }
    }

    fn awaits(&self, uid: &str) -> bool {
        self.objects.get(uid).is_some_and(Object::awaits_dependents)
    }

    fn dependents_of(&self, uid: &str) -> impl Iterator<Item = &str> {
        self.dependents.get(uid).into_iter().flatten().map(String::as_str)
    }

    fn unlink<'a>(&mut self, uid: &str, owners: impl Iterator<Item = &'a str>) {
        for owner in owners {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
