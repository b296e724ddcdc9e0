//! One state of the model: small, finite and comparable.

use std::fmt::{self, Display};

/// How many nodes there are.
pub(super) const NODES: u8 = 3;

/// How far a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase {
    /// No node has taken it yet.
    Unbound,
    /// A node has it and it is not Ready.
    Starting,
    /// It is Ready since this second.
    Ready(u8),
    /// It has failed.
    Failed,
}

/// A pod of the set. Times and the order of creation are in its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pod {
    pub(super) node: u8,
    /// How many were made for the node before. Together with the node it stands for the UID.
    pub(super) number: u8,
    /// Of which template it is.
    pub(super) template: u8,
    pub(super) phase: Phase,
    /// Whether its deletion was asked for.
    pub(super) going: bool,
    /// Its name, as the planner's adapter counts names.
    pub(super) name: u32,
}

impl Pod {
    pub(super) fn uid(&self) -> (u8, u8) {
        (self.node, self.number)
    }

    /// Neither failed nor on its way out.
    pub(super) fn is_running(&self) -> bool {
        !self.going && self.phase != Phase::Failed
    }

    pub(super) fn is_available(&self, min_ready: u8, clock: u8) -> bool {
        matches!(self.phase, Phase::Ready(since) if since + min_ready <= clock) && !self.going
    }
}

/// A change of a pod on its way to the cache. Its version is its place in the queue, counted from one: all that was seen
/// has version nought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Event {
    pub(super) pod: Pod,
    pub(super) gone: bool,
}

/// A set and its revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Wish {
    pub(super) template: u8,
    pub(super) generation: u8,
    /// The numbers of the revisions of both templates; nought if there is none.
    pub(super) revisions: [u8; 2],
}

/// One request of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Write {
    /// Read whether a pod was made.
    FindCreated { creation: u32, node: u8 },
    /// Read whether a pod was deleted.
    FindDeleted { uid: (u8, u8) },
    /// Make the revision of a template unless it exists, or give it another number.
    Revision { template: u8, number: u8, new: bool },
    /// Make a pod. Beside an available one, as far as is known?
    Create { creation: u32, node: u8, beside: bool },
    /// Delete a pod. One that was available, as far as is known?
    Delete { uid: (u8, u8), available: bool },
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// The truth.
    pub(super) wish: Wish,
    pub(super) pods: Vec<Pod>,
    /// How many pods were made for each node.
    pub(super) made: [u8; NODES as usize],
    /// The last generation that a pass was finished for.
    pub(super) observed: u8,
    pub(super) clock: u8,
    /// Nodes where the controller gave up an available pod and no other is available yet.
    pub(super) down: u8,
    /// Nodes where the controller made a pod beside an available one and both are there.
    pub(super) doubled: u8,

    /// Changes that the cache has not seen.
    pub(super) queue: Vec<Event>,
    /// Whether it has seen the first of them and will see it again.
    pub(super) repeated: bool,
    pub(super) cache: Vec<Pod>,
    pub(super) seen: Wish,

    /// What the controller remembers, as the planner's adapter counts memories.
    pub(super) memory: u32,
    /// Own writes that it has not seen: the pods as answered, and their versions.
    pub(super) written: Vec<(Pod, u8)>,
    pub(super) deleted: Vec<(u8, u8)>,
    /// What is left of its plan.
    pub(super) writes: Vec<Write>,
    /// The generation that the plan was made for.
    pub(super) planned: u8,

    /// How many times the template may still change, and how many other disturbances may come.
    pub(super) changes_left: u8,
    pub(super) faults_left: u8,
}

impl State {
    /// The version of a pod as it is now.
    pub(super) fn version(&self, uid: (u8, u8)) -> u8 {
        let last = self.queue.iter().rposition(|event| event.pod.uid() == uid);
        last.map_or(0, |place| u8::try_from(place + 1).expect("the queue is short"))
    }

    pub(super) fn put(&mut self, pod: Pod) {
        upsert(&mut self.pods, pod);
        self.queue.push(Event { pod, gone: false });
    }

    pub(super) fn remove(&mut self, pod: Pod) {
        self.pods.retain(|other| other.uid() != pod.uid());
        self.queue.push(Event { pod, gone: true });
    }

    /// As the server does: what is not running anywhere is gone at once.
    pub(super) fn delete(&mut self, pod: Pod) {
        match pod.phase {
            Phase::Unbound | Phase::Failed => self.remove(pod),
            _ if !pod.going => self.put(Pod { going: true, ..pod }),
            _ => {}
        }
    }

    /// Somebody else takes a pod away. If it was Ready, then from now on it is not the controller's doing that none is
    /// available, and it may take long to hear of it.
    pub(super) fn harm(&mut self, uid: (u8, u8), harm: impl FnOnce(&mut Self, Pod)) {
        let pod = *self.pods.iter().find(|pod| pod.uid() == uid).expect("actions are of pods that are there");
        if matches!(pod.phase, Phase::Ready(_)) {
            self.down &= !(1 << pod.node);
        }
        harm(self, pod);
    }

    /// Shows the next change to the cache, and perhaps again later.
    pub(super) fn deliver(&mut self, again: bool) {
        let Event { pod, gone } = self.queue[0];
        if gone {
            self.cache.retain(|other| other.uid() != pod.uid());
        } else {
            upsert(&mut self.cache, pod);
        }
        self.repeated = again;
        if !again {
            self.queue.remove(0);
            self.written.iter_mut().for_each(|(_, version)| *version = version.saturating_sub(1));
        }
    }

    /// The cache, with versions, and the newest version seen.
    pub(super) fn cached(&self) -> (Vec<(Pod, u8)>, u8) {
        let newest = u8::from(self.repeated);
        let version = |pod: &Pod| if self.repeated && self.queue[0].pod.uid() == pod.uid() { newest } else { 0 };
        (self.cache.iter().map(|pod| (*pod, version(pod))).collect(), newest)
    }

    pub(super) fn on(&self, node: u8) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(move |pod| pod.node == node)
    }
}

/// Sorted, so that equal states are equal.
fn upsert(pods: &mut Vec<Pod>, pod: Pod) {
    match pods.binary_search_by_key(&pod.uid(), Pod::uid) {
        Ok(place) => pods[place] = pod,
        Err(place) => pods.insert(place, pod),
    }
}

impl Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, number, template, phase, going, .. } = self;
        let going = if *going { "+going" } else { "" };
        write!(f, "n{node}/{number}:{}:{phase:?}{going}", template_name(*template))
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gone { write!(f, "n{}/{}:gone", self.pod.node, self.pod.number) } else { self.pod.fmt(f) }
    }
}

impl Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: Vec<String>| if all.is_empty() { "nothing".to_owned() } else { all.join(" ") };
        let Wish { template, generation, .. } = self.wish;
        write!(f, "template {}, generation {generation}", template_name(template))?;
        write!(f, ", pods {}", list(self.pods.iter().map(ToString::to_string).collect()))?;
        write!(f, ", unseen {}", list(self.queue.iter().map(ToString::to_string).collect()))?;
        write!(f, "{}", if self.seen == self.wish { "" } else { " and the set or a revision" })?;
        write!(f, ", planned {}", list(self.writes.iter().map(|write| format!("{write:?}")).collect()))
    }
}

fn template_name(template: u8) -> char {
    char::from(b'A' + template)
}
