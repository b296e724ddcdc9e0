//! Whatever is owned by whom and deleted how: nothing outlives its owners, and nothing goes that has one.

use super::super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// At most so many objects, named by their numbers.
const OBJECTS: usize = 6;

#[derive(Debug, Clone)]
enum Change {
    /// An object is made, with owners that block it or not.
    Make(usize, Vec<(usize, bool)>),
    /// Somebody gives one a further owner, itself perhaps.
    Own(usize, usize, bool),
    /// Somebody deletes one.
    Delete(usize, Propagation),
    /// The collector looks at one of those that it should look at.
    Collect(usize),
    /// The collector hears of so many changes.
    Hear(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let propagation = prop_oneof![Just(Propagation::Background), Just(Propagation::Foreground), Just(Propagation::Orphan)];
    prop_oneof![
        4 => (0..OBJECTS, prop::collection::vec((0..OBJECTS, any::<bool>()), 0..3)).prop_map(|(n, owners)| Change::Make(n, owners)),
        3 => (0..OBJECTS, 0..OBJECTS, any::<bool>()).prop_map(|(number, owner, blocks)| Change::Own(number, owner, blocks)),
        2 => (0..OBJECTS, propagation).prop_map(|(number, propagation)| Change::Delete(number, propagation)),
        4 => (0..OBJECTS).prop_map(Change::Collect),
        3 => (1..4usize).prop_map(Change::Hear),
    ]
}

/// An API, a collector that hears of changes in order but late, and what it means to look at.
#[derive(Debug, Default)]
struct World {
    api: BTreeMap<String, Object>,
    unheard: Vec<(String, Option<Object>)>,
    graph: Graph,
    look: BTreeSet<String>,
    version: u64,
}

impl World {
    fn write(&mut self, mut object: Object) {
        if object.deleting && object.finalizers.is_empty() {
            self.api.remove(&object.uid);
            return self.unheard.push((object.uid, None));
        }
        self.version += 1;
        object.version = self.version.to_string();
        self.unheard.push((object.uid.clone(), Some(object.clone())));
        self.api.insert(object.uid.clone(), object);
    }

    /// Owners that were never there are made up: their UIDs are taken by nobody.
    fn make(&mut self, number: usize, owners: &[(usize, bool)]) {
        if self.find(number).is_some() {
            return;
        }
        let uid = format!("{number}-{}", self.version);
        let owners = owners.iter().map(|(owner, blocks)| self.reference(*owner, *blocks)).collect();
        self.write(Object { uid, name: number.to_string(), owners, ..super::object("new") });
    }

    fn reference(&self, owner: usize, blocks: bool) -> OwnerReference {
        let uid = self.find(owner).map_or_else(|| format!("{owner}-none"), |owner| owner.uid.clone());
        OwnerReference { name: owner.to_string(), block_owner_deletion: Some(blocks), ..super::owner(&uid) }
    }

    fn own(&mut self, number: usize, owner: usize, blocks: bool) {
        let reference = self.reference(owner, blocks);
        if let Some(mut object) = self.find(number).cloned().filter(|object| !object.deleting) {
            object.owners.retain(|known| known.uid != reference.uid);
            object.owners.push(reference);
            self.write(object);
        }
    }

    fn find(&self, number: usize) -> Option<&Object> {
        self.api.values().find(|object| object.name == number.to_string())
    }

    fn delete(&mut self, uid: &str, propagation: Propagation) {
        // Nobody changes his mind: whom that reaches too late is a matter of luck.
        let Some(mut object) = self.api.get(uid).cloned().filter(|object| !object.deleting) else { return };
        let finalizer = match propagation {
            Propagation::Background => None,
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
        };
        object.finalizers = finalizer.map(str::to_owned).into_iter().collect();
        object.deleting = true;
        self.write(object);
    }

    fn hear(&mut self, changes: usize) {
        for (uid, object) in self.unheard.drain(..changes.min(self.unheard.len())).collect::<Vec<_>>() {
            let look = match object {
                Some(object) => self.graph.put(object),
                None => self.graph.remove(&uid),
            };
            self.look.extend(look);
        }
    }

    fn ask(&self, reference: &OwnerReference) -> Owner {
        match self.api.values().find(|object| object.name == reference.name && object.uid == reference.uid) {
            None => Owner::Gone,
            Some(owner) if owner.awaits_dependents() => Owner::Awaiting,
            Some(_) => Owner::There,
        }
    }

    /// Looks at one object and does what is decided, unless it has changed since: then it is looked at again.
    fn collect(&mut self, choice: usize) {
        let Some(uid) = self.look.iter().nth(choice % self.look.len().max(1)).cloned() else { return };
        self.look.remove(&uid);
        let mut answers = HashMap::new();
        let decision = loop {
            match self.graph.decide(&uid, &answers) {
                Decision::Ask(owners) => {
                    let known = answers.len();
                    answers.extend(owners.iter().map(|owner| (owner.uid.clone(), self.ask(owner))));
                    assert!(answers.len() > known, "{owners:?} are asked for twice");
                }
                decision => break decision,
            }
        };
        // An owner that was there when asked for may go without being seen: it is asked for again.
        if answers.values().any(|answer| *answer != Owner::Gone) && self.api.contains_key(&uid) {
            self.look.insert(uid.clone());
        }
        let Some(known) = self.graph.get(&uid).cloned() else { return };
        let is_current = |object: &Object| self.api.get(&object.uid).is_none_or(|current| current.version == object.version);
        let freed: Vec<Object> = match &decision {
            Decision::Orphan(dependents) => dependents.iter().filter_map(|uid| self.graph.get(uid).cloned()).collect(),
            _ => Vec::new(),
        };
        if !is_current(&known) || !freed.iter().all(is_current) {
            self.look.insert(uid);
            return;
        }
        let Some(object) = self.api.get(&uid).cloned() else { return };
        match decision {
            Decision::Keep | Decision::Ask(_) => {}
            Decision::Await(dependents) => {
                assert!(!dependents.contains(&uid), "{uid} waits for itself");
                self.look.extend(dependents);
            }
            Decision::Delete(propagation) => {
                let owners = object.owners.iter().map(|owner| self.ask(owner));
                assert!(owners.into_iter().all(|owner| owner != Owner::There), "{object:?} is deleted, but has an owner");
                self.delete(&uid, propagation);
            }
            Decision::SetOwners(owners) => self.write(Object { owners, ..object }),
            Decision::Finish => {
                // Unless they wait as well, which may be for this very object.
                let blocking = self.graph.objects.values().find(|other| other.blocks(&uid) && !other.awaits_dependents());
                assert_eq!(blocking, None, "{uid} goes first");
                self.write(Object { finalizers: object.finalizers_without(FOREGROUND), ..object });
            }
            Decision::Orphan(_) => {
                for dependent in freed {
                    if !self.api.contains_key(&dependent.uid) {
                        continue;
                    }
                    let owners = dependent.owners.iter().filter(|owner| owner.uid != uid).cloned().collect();
                    self.write(Object { owners, ..dependent });
                }
                self.hear(usize::MAX);
                if let Some(object) = self.api.get(&uid).cloned() {
                    self.write(Object { finalizers: object.finalizers_without(ORPHAN), ..object });
                }
            }
        }
    }

    /// Collects until nothing changes any more.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 1000, "no rest: {self:#?}");
            self.hear(usize::MAX);
            let (before, look) = (self.version, self.look.clone());
            (0..look.len()).for_each(|_| self.collect(0));
            if self.unheard.is_empty() && self.version == before && self.look == look {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Conformance: R5
    #[test]
    fn nothing_outlives_its_owners(changes in prop::collection::vec(change(), 0..40)) {
        let mut world = World::default();
        for change in changes {
            match change {
                Change::Make(number, owners) => world.make(number, &owners),
                Change::Own(number, owner, blocks) => world.own(number, owner, blocks),
                Change::Delete(number, propagation) => {
                    let uid = world.find(number).map(|object| object.uid.clone()).unwrap_or_default();
                    world.delete(&uid, propagation);
                }
                Change::Collect(choice) => world.collect(choice),
                Change::Hear(changes) => world.hear(changes),
            }
        }
        world.settle();
        for object in world.api.values() {
            prop_assert!(!object.deleting, "{:?} is stuck", object);
            let gone = object.owners.iter().filter(|owner| world.ask(owner) == Owner::Gone).count();
            prop_assert_eq!(gone, 0, "{:?} outlives its owners", object);
        }
        prop_assert_eq!(world.graph.len(), world.api.len());
    }
}
