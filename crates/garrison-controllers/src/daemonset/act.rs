//! Carrying out a plan. Nothing is decided here: each entry of the plan becomes one request, and whatever happens is
//! noted in the book, told in an event, or reported so that the set is planned anew.
//!
//! What fails for one object holds up its node and no other. Only where the picture itself turns out to be wrong is
//! everything after it left undone: the set is gone, or the hash of its template is not settled.

mod doubts;
mod error;
mod owners;
mod revisions;

pub(super) use error::Error;

use super::{Book, Controller};
use crate::{
    cache::Key,
    event::{Kind, reference},
};
use error::First;
use garrison_plan::daemonset::{Creation, Note, Plan, Removal, per_node::Why, status::differs, template};
use garrison_plan::placement::Obstacle;
use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, DaemonSetStatus},
        core::v1::{ObjectReference, Pod},
    },
};
use kube::{
    Api, Resource,
    api::{DeleteParams, PostParams, Preconditions},
    core::Status,
};
use parking_lot::Mutex;
use std::{collections::HashMap, ops::ControlFlow, sync::Arc};

/// Everything of the plan but the status. The outer error says that the picture is wrong and the status not to be trusted.
pub(super) async fn carry_out(
    controller: &Controller,
    set: &DaemonSet,
    plan: &Plan,
    book: &mut Book,
) -> Result<Result<(), Error>, Error> {
    let hand = Hand { controller, set, regarding: reference(set) };
    let mut first = First::default();
    book.unfinished = false;
    hand.find_out(&plan.doubts, book, &mut first).await;
    let mut aside = hand.change_owners(plan, book, &mut first).await?;
    hand.tell(&plan.notes);
    hand.change_revisions(&plan.revisions, &mut first).await?;
    hand.drop_duplicates(plan, book, &mut aside, &mut first).await;
    let creations: Vec<_> = plan.create.iter().filter(|creation| !aside.contains(&*creation.node)).collect();
    let removals: Vec<_> = plan.delete.iter().filter(|removal| !aside.contains(&*removal.node)).collect();
    // First, so that no more nodes have two pods at any instant than may.
    hand.delete(&removals, book, &mut first).await;
    hand.create(&creations, &plan.hash, book, &mut first).await;
    if first.is_none() && !book.unfinished && !plan.more {
        first.note(hand.drop_revisions(&plan.obsolete).await);
    }
    Ok(first.outcome())
}

/// Writes a status that says something new; a second time on fresh ground if the first try is refused.
pub(super) async fn write_status(controller: &Controller, set: &DaemonSet, status: Option<DaemonSetStatus>) -> Result<(), Error> {
    let stored = set.status.clone().unwrap_or_default();
    let Some(status) = status.filter(|status| differs(&stored, status)) else { return Ok(()) };
    let sets = namespaced::<DaemonSet>(controller, set);
    if put_status(&sets, set, status.clone()).await.is_ok() {
        return Ok(());
    }
    let fresh = sets.get(set.metadata.name.as_deref().unwrap_or_default()).await.map_err(Error::Status)?;
    if fresh.metadata.uid != set.metadata.uid {
        return Err(Error::Superseded);
    }
    put_status(&sets, &fresh, status).await.map_err(Error::Status)
}

async fn put_status(sets: &Api<DaemonSet>, base: &DaemonSet, counted: DaemonSetStatus) -> kube::Result<()> {
    let carried = base.status.clone().unwrap_or_default();
    let status = DaemonSetStatus { collision_count: carried.collision_count, conditions: carried.conditions, ..counted };
    let written = DaemonSet { status: Some(status), ..base.clone() };
    sets.replace_status(base.metadata.name.as_deref().unwrap_or_default(), &PostParams::default(), &written).await.map(drop)
}

fn who_waits(obstacles: &[(Obstacle, usize)], nodes: usize) -> String {
    let waiting: usize = obstacles.iter().map(|(_, count)| count).sum();
    let each: Vec<String> = obstacles.iter().map(|(obstacle, count)| format!("{obstacle} ({count})")).collect();
    format!("{waiting} of {nodes} nodes get no pod: {}", each.join(", "))
}

/// What every action needs.
struct Hand<'a> {
    controller: &'a Controller,
    set: &'a DaemonSet,
    regarding: ObjectReference,
}

impl Hand<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        namespaced(self.controller, self.set)
    }

    fn event(&self, kind: Kind, reason: &str, message: String) {
        self.controller.recorder.record(&self.regarding, kind, reason, message);
    }

    fn tell(&self, notes: &[Note]) {
        for note in notes {
            let (kind, reason, message) = match note {
                Note::SelectingAll => {
                    let message = "This daemon set is selecting all pods. A non-empty selector is required.";
                    (Kind::Warning, "SelectingAll", message.to_owned())
                }
                Note::UnreadableSelector => {
                    (Kind::Warning, "UnreadableSelector", "The selector of this daemon set cannot be read.".to_owned())
                }
                Note::NoLabels => (Kind::Warning, "FailedCreate", "Error creating: unable to create pods, no labels".to_owned()),
                // No warning: every node that joins is not ready at first.
                Note::Waiting { obstacles, nodes } => (Kind::Normal, "FailedPlacement", who_waits(obstacles, *nodes)),
            };
            self.event(kind, reason, message);
        }
    }

    /// Creates pods until one is refused: what refuses it (a quota, a webhook) refuses the rest as well.
    async fn create(&self, creations: &[&Creation], hash: &str, book: &mut Book, first: &mut First) {
        let lane = &self.controller.context.lane;
        // How many names of a creation are others', of those that were not answered.
        let tried = Mutex::new(HashMap::new());
        let mut rest = creations;
        while !rest.is_empty() {
            let size = book.rounds.size();
            let (round, later) = rest.split_at(size.min(rest.len()));
            let mut flow = ControlFlow::Continue(());
            let send = |creation| self.create_pod(creation, hash, &tried);
            let take = |creation: &Creation, answer| {
                if !is_answer(&answer) {
                    let tried = tried.lock().remove(&creation.node).unwrap_or(0);
                    book.column.lost_create(&creation.after(tried));
                }
                let next = self.take_created(creation, answer, book, first);
                flow = if flow.is_break() { flow } else { next };
                flow
            };
            lane.each(round.iter().copied(), send, take).await;
            if flow.is_break() {
                return;
            }
            if round.len() == size {
                book.rounds.served(lane.figures().window);
            }
            rest = later;
        }
    }

    /// Takes note of what became of a create, and says whether to go on.
    fn take_created(
        &self,
        creation: &Creation,
        answer: kube::Result<Pod>,
        book: &mut Book,
        first: &mut First,
    ) -> ControlFlow<()> {
        if is_answer(&answer) {
            book.column.answered(&creation.node);
        }
        let source = match answer {
            Ok(pod) => {
                self.controller.context.metrics.created();
                let name = pod.metadata.name.as_deref().unwrap_or_default();
                self.event(Kind::Normal, "SuccessfulCreate", format!("Created pod: {name} for node {}", creation.node));
                self.note(pod, book);
                return ControlFlow::Continue(());
            }
            // Everything here is about to go; there is nothing to tell and nothing to retry.
            Err(kube::Error::Api(status)) if namespace_is_terminating(&status) => return ControlFlow::Break(()),
            Err(source) => source,
        };
        self.event(Kind::Warning, "FailedCreate", format!("Error creating: {}", told(&source)));
        let flow = match &source {
            // The matter of this pod alone: all its names are taken.
            kube::Error::Api(status) if already_exists(status) => ControlFlow::Continue(()),
            kube::Error::Api(status) if is_refusal(status) => {
                book.column.refused(&creation.node);
                book.rounds.refused();
                ControlFlow::Break(())
            }
            _ => ControlFlow::Break(()),
        };
        first.note(Err(Error::Create { node: creation.node.to_string(), source }));
        flow
    }

    /// Creates one pod, or finds the one that an earlier request made whose answer was lost.
    async fn create_pod(
        &self,
        creation: &Creation,
        hash: &str,
        tried: &Mutex<HashMap<Arc<str>, usize>>,
    ) -> Result<Pod, kube::Error> {
        let api = self.api::<Pod>();
        let mut refusal = None;
        for (before, pod) in creation.pods(self.set, hash).enumerate() {
            tried.lock().insert(creation.node.clone(), before);
            match api.create(&PostParams::default(), &pod).await {
                Err(kube::Error::Api(status)) if already_exists(&status) => {
                    let name = pod.metadata.name.as_deref().unwrap_or_default();
                    if let Some(existing) = api.get_opt(name).await?.filter(|existing| creation.is(self.set, name, existing)) {
                        return Ok(existing);
                    }
                    refusal = Some(kube::Error::Api(status));
                }
                answer => return answer,
            }
        }
        Err(refusal.expect("a creation has names, and each was refused"))
    }

    async fn delete(&self, removals: &[&Removal], book: &mut Book, first: &mut First) {
        let api = self.api::<Pod>();
        removals.iter().for_each(|removal| self.announce(removal));
        let send = |removal: &Removal| {
            let (api, name, options) = (api.clone(), removal.name.clone(), only(&removal.uid));
            async move { api.delete(&name, &options).await.map(drop) }
        };
        let take = |removal: &Removal, deleted: kube::Result<()>| {
            if is_answer(&deleted) {
                book.column.answered_delete(&removal.node, &removal.uid);
            } else {
                book.column.lost_delete(&removal.node, &removal.uid);
            }
            match deleted {
                Ok(()) => {
                    self.controller.context.metrics.deleted();
                    let message = format!("Deleted pod: {} on node {}: {}", removal.name, removal.node, removal.why);
                    self.event(Kind::Normal, "SuccessfulDelete", message);
                }
                // Gone already, or replaced by a namesake: either way it is not there any more.
                Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
                Err(source) => {
                    self.event(Kind::Warning, "FailedDelete", format!("Error deleting: {}", told(&source)));
                    let refused = matches!(&source, kube::Error::Api(status) if is_refusal(status));
                    first.note(Err(Error::Delete { name: removal.name.clone(), source }));
                    // A refusal is the matter of one pod; a server in trouble is left alone.
                    return if refused { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
                }
            }
            book.column.deleted(&removal.uid, Timestamp::now());
            ControlFlow::Continue(())
        };
        self.controller.context.lane.each(removals.iter().copied(), send, take).await;
    }

    /// The node of a pod that could not be changed.
    fn node_of(&self, pod: &str) -> Option<String> {
        let namespace = self.set.metadata.namespace.clone().unwrap_or_default();
        let pod = self.controller.context.pods.get(&Key::new(namespace, pod.to_owned()))?;
        template::target_node(&pod).map(str::to_owned)
    }

    fn note(&self, pod: Pod, book: &mut Book) {
        self.controller.context.pods.wrote(&pod);
        book.column.wrote(&Arc::new(pod), Timestamp::now());
    }

    fn announce(&self, removal: &Removal) {
        let namespace = self.set.metadata.namespace.as_deref().unwrap_or_default();
        let pod = format!("daemon pod {namespace}/{} on node {}", removal.name, removal.node);
        match removal.why {
            Why::Failed => self.event(Kind::Warning, "FailedDaemonPod", format!("Found failed {pod}, will try to kill it")),
            Why::Succeeded => {
                self.event(Kind::Normal, "SucceededDaemonPod", format!("Found succeeded {pod}, will try to delete it"))
            }
            Why::Surplus | Why::Refused(_) | Why::NodeGone | Why::Outdated => {}
        }
    }

    fn name(&self) -> &str {
        self.set.metadata.name.as_deref().unwrap_or_default()
    }
}

fn namespaced<K>(controller: &Controller, set: &DaemonSet) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(controller.context.client.clone(), set.metadata.namespace.as_deref().unwrap_or_default())
}

/// Deletes an object only if it is still the one that was meant.
fn only(uid: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        ..DeleteParams::default()
    }
}

/// Whether it is known what became of a request: it was done or refused. Anything else may have been done nevertheless.
fn is_answer<T>(answer: &Result<T, kube::Error>) -> bool {
    match answer {
        Ok(_) => true,
        Err(kube::Error::Api(status)) => status.code < 500,
        Err(_) => false,
    }
}

/// Whether the server does not want this request, now or later; not that it has no time for it.
fn is_refusal(status: &Status) -> bool {
    (400..500).contains(&status.code) && status.code != 429
}

fn already_exists(status: &Status) -> bool {
    status.code == 409 && status.reason == "AlreadyExists"
}

fn namespace_is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// An error as users are told of it: the server's own words where there are any.
fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
