//! Carrying out a plan. Nothing is decided here: each entry of the plan becomes one request, and whatever happens is
//! noted in the book, told in an event, or reported so that the set is planned anew.

use super::{Book, Controller};
use crate::event::{Kind, reference};
use futures::future::join_all;
use garrison_plan::daemonset::{
    Creation, Note, Plan, Relabel, Removal,
    daemon_pod::HASH_LABEL,
    ownership::OwnerChange,
    per_node::Why,
    revision::{Obsolete, RevisionChange},
    status::differs,
};
use garrison_plan::placement::Obstacle;
use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus},
        core::v1::{ObjectReference, Pod},
    },
};
use kube::{
    Api, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::Status,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{fmt::Debug, sync::Arc};

/// Requests in flight at once; more would only queue up in the server, before everybody else's.
const MOST_AT_ONCE: usize = 256;

/// Why a set has to be looked at again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The set that is to adopt is no longer there.
    #[error("the DaemonSet was deleted or made anew meanwhile, it adopts nothing")]
    Superseded,
    /// The set could not be read.
    #[error("reading the DaemonSet")]
    Read(#[source] kube::Error),
    /// An owner could not be set or taken off.
    #[error("changing the owner of {name}")]
    Owner {
        /// Of what.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// A revision could not be changed.
    #[error("changing revision {name}")]
    Revision {
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// Two templates have one hash. The collision count is raised, the next look takes another.
    #[error("revision {name} exists with another template, counting a collision")]
    Collision {
        /// Its name.
        name: String,
    },
    /// The cached collision count is not the stored one.
    #[error("the collision count is stale")]
    StaleCollisionCount,
    /// A pod could not be labelled.
    #[error("labelling pod {name}")]
    Relabel {
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// A pod could not be created.
    #[error("creating a pod for node {node}")]
    Create {
        /// Its node.
        node: String,
        /// Cause.
        source: kube::Error,
    },
    /// A pod could not be deleted.
    #[error("deleting pod {name}")]
    Delete {
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// The status could not be written.
    #[error("writing the status")]
    Status(#[source] kube::Error),
}

impl Error {
    /// What failed, as metrics name it.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Superseded | Self::Read(_) => "read",
            Self::Owner { .. } => "adopt",
            Self::Revision { .. } | Self::Collision { .. } | Self::StaleCollisionCount => "revision",
            Self::Relabel { .. } => "label",
            Self::Create { .. } => "create",
            Self::Delete { .. } => "delete",
            Self::Status(_) => "status",
        }
    }
}

/// Everything of the plan but the status. The outer error says that the picture is wrong and the status not to be trusted.
pub(super) async fn carry_out(
    controller: &Controller,
    set: &DaemonSet,
    plan: &Plan,
    book: &mut Book,
) -> Result<Result<(), Error>, Error> {
    let hand = Hand { controller, set, regarding: reference(set) };
    hand.tell(&plan.notes);
    hand.change_owners(plan, book).await?;
    for change in &plan.revisions {
        hand.change_revision(change).await?;
    }
    hand.drop_duplicates(&plan.relabel, &plan.duplicates).await?;
    let created = hand.create(&plan.create, book).await;
    let deleted = hand.delete(&plan.delete, book).await;
    Ok(match created.and(deleted) {
        Ok(()) => hand.drop_revisions(&plan.obsolete).await,
        Err(error) => Err(error),
    })
}

/// Writes a status that says something new; a second time on fresh ground if the first try is refused.
pub(super) async fn write_status(controller: &Controller, set: &DaemonSet, status: Option<DaemonSetStatus>) -> Result<(), Error> {
    let stored = set.status.clone().unwrap_or_default();
    let Some(status) = status.filter(|status| differs(&stored, status)) else { return Ok(()) };
    let sets = namespaced::<DaemonSet>(controller, set);
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let put = async |base: &DaemonSet| {
        let carried = base.status.clone().unwrap_or_default();
        let status =
            DaemonSetStatus { collision_count: carried.collision_count, conditions: carried.conditions, ..status.clone() };
        let written = DaemonSet { status: Some(status), ..base.clone() };
        sets.replace_status(name, &PostParams::default(), &written).await.map(drop)
    };
    if put(set).await.is_ok() {
        return Ok(());
    }
    let fresh = sets.get(name).await.map_err(Error::Status)?;
    if fresh.metadata.uid != set.metadata.uid {
        return Err(Error::Superseded);
    }
    put(&fresh).await.map_err(Error::Status)
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

    async fn change_owners(&self, plan: &Plan, book: &mut Book) -> Result<(), Error> {
        if !plan.adopt.is_empty() || !plan.adopt_revisions.is_empty() {
            // The cache may be behind; a set that is gone must not take anything with it.
            let live = self.api::<DaemonSet>().get(self.name()).await.map_err(Error::Read)?;
            if live.metadata.uid != self.set.metadata.uid || live.metadata.deletion_timestamp.is_some() {
                return Err(Error::Superseded);
            }
        }
        let adopted = |pod: Pod| self.note(pod, book);
        self.patch_owners(&plan.adopt, &[404], adopted).await?;
        self.patch_owners(&plan.adopt_revisions, &[404], |_: ControllerRevision| {}).await?;
        // Refused as invalid: it is no longer the same object.
        self.patch_owners(&plan.release, &[404, 422], |_: Pod| {}).await?;
        self.patch_owners(&plan.release_revisions, &[404, 422], |_: ControllerRevision| {}).await
    }

    async fn patch_owners<K>(&self, changes: &[OwnerChange], harmless: &[u16], mut patched: impl FnMut(K)) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let api = self.api::<K>();
        let parameters = PatchParams::default();
        let mut outcome = Ok(());
        for chunk in changes.chunks(MOST_AT_ONCE) {
            let patch = async |change: &OwnerChange| api.patch(&change.name, &parameters, &Patch::Strategic(&change.patch)).await;
            for (change, answer) in chunk.iter().zip(join_all(chunk.iter().map(patch)).await) {
                match answer {
                    Ok(object) => patched(object),
                    Err(kube::Error::Api(status)) if harmless.contains(&status.code) => {}
                    Err(source) => outcome = outcome.and(Err(Error::Owner { name: change.name.clone(), source })),
                }
            }
        }
        outcome
    }

    async fn change_revision(&self, change: &RevisionChange) -> Result<(), Error> {
        let (name, patch) = match change {
            RevisionChange::Create(revision) => return self.create_revision(revision).await,
            RevisionChange::Renumber { name, revision } => (name, json!({ "revision": revision })),
            RevisionChange::Label { name, hash } => (name, json!({ "metadata": { "labels": { HASH_LABEL: hash } } })),
        };
        let patched = self.api::<ControllerRevision>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|source| Error::Revision { name: name.clone(), source })
    }

    async fn create_revision(&self, revision: &ControllerRevision) -> Result<(), Error> {
        let name = revision.metadata.name.clone().unwrap_or_default();
        let api = self.api::<ControllerRevision>();
        let failed = |source| Error::Revision { name: name.clone(), source };
        match api.create(&PostParams::default(), revision).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if already_exists(&status) => {
                let existing = api.get(&name).await.map_err(failed)?;
                if existing.data == revision.data { Ok(()) } else { Err(self.count_collision(name).await) }
            }
            Err(source) => Err(failed(source)),
        }
    }

    async fn count_collision(&self, name: String) -> Error {
        let sets = self.api::<DaemonSet>();
        let mut live = match sets.get(self.name()).await {
            Ok(live) => live,
            Err(error) => return Error::Read(error),
        };
        let count = |set: &DaemonSet| set.status.as_ref().and_then(|status| status.collision_count);
        if count(&live) != count(self.set) {
            return Error::StaleCollisionCount;
        }
        let raised = count(&live).unwrap_or(0) + 1;
        live.status.get_or_insert_default().collision_count = Some(raised);
        match sets.replace_status(self.name(), &PostParams::default(), &live).await {
            Ok(_) => Error::Collision { name },
            Err(error) => Error::Status(error),
        }
    }

    async fn drop_duplicates(&self, pods: &[Relabel], duplicates: &[Obsolete]) -> Result<(), Error> {
        let api = self.api::<Pod>();
        for pod in pods {
            let patch = json!({ "metadata": { "labels": { HASH_LABEL: pod.hash } } });
            match api.patch(&pod.name, &PatchParams::default(), &Patch::Merge(patch)).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(source) => return Err(Error::Relabel { name: pod.name.clone(), source }),
                Ok(_) => {}
            }
        }
        self.drop_revisions(duplicates).await
    }

    async fn drop_revisions(&self, revisions: &[Obsolete]) -> Result<(), Error> {
        let api = self.api::<ControllerRevision>();
        for Obsolete { name, uid } in revisions {
            match api.delete(name, &only(uid)).await {
                Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
                Err(source) => return Err(Error::Revision { name: name.clone(), source }),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Creates pods in batches that double from one: where the first is refused (a quota, a webhook), so will be the rest.
    async fn create(&self, mut creations: &[Creation], book: &mut Book) -> Result<(), Error> {
        let mut size = 1;
        while !creations.is_empty() {
            let (batch, later) = creations.split_at(size.min(creations.len()));
            let mut outcome = Ok(());
            for (creation, answer) in batch.iter().zip(join_all(batch.iter().map(|creation| self.create_pod(creation))).await) {
                if is_answer(&answer) {
                    book.memory.answered(&creation.node);
                }
                match answer {
                    Ok(pod) => {
                        self.controller.context.metrics.created();
                        let name = pod.metadata.name.as_deref().unwrap_or_default();
                        self.event(Kind::Normal, "SuccessfulCreate", format!("Created pod: {name} for node {}", creation.node));
                        self.note(pod, book);
                    }
                    // Everything here is about to go; there is nothing to tell and nothing to retry.
                    Err(kube::Error::Api(status)) if namespace_is_terminating(&status) => return Ok(()),
                    Err(source) => {
                        self.event(Kind::Warning, "FailedCreate", format!("Error creating: {}", told(&source)));
                        outcome = outcome.and(Err(Error::Create { node: creation.node.clone(), source }));
                    }
                }
            }
            outcome?;
            creations = later;
            size = (size * 2).min(MOST_AT_ONCE);
        }
        Ok(())
    }

    /// Creates one pod, or finds the one that an earlier request made whose answer was lost.
    async fn create_pod(&self, creation: &Creation) -> Result<Pod, kube::Error> {
        let api = self.api::<Pod>();
        let mut attempt = creation.clone();
        let mut further = creation.attempts(self.set).skip(1);
        loop {
            match api.create(&PostParams::default(), &attempt.pod).await {
                Err(kube::Error::Api(status)) if already_exists(&status) => {
                    let name = attempt.pod.metadata.name.as_deref().unwrap_or_default();
                    if let Some(existing) = api.get_opt(name).await?.filter(|existing| attempt.is(self.set, existing)) {
                        return Ok(existing);
                    }
                    match further.next() {
                        Some(next) => attempt = next,
                        None => return Err(kube::Error::Api(status)),
                    }
                }
                answer => return answer,
            }
        }
    }

    async fn delete(&self, removals: &[Removal], book: &mut Book) -> Result<(), Error> {
        let api = self.api::<Pod>();
        let mut outcome = Ok(());
        for chunk in removals.chunks(MOST_AT_ONCE) {
            chunk.iter().for_each(|removal| self.announce(removal));
            let requests = chunk.iter().map(async |removal| api.delete(&removal.name, &only(&removal.uid)).await.map(drop));
            for (removal, deleted) in chunk.iter().zip(join_all(requests).await) {
                match deleted {
                    Ok(()) => {
                        self.controller.context.metrics.deleted();
                        self.event(
                            Kind::Normal,
                            "SuccessfulDelete",
                            format!("Deleted pod: {} on node {}: {}", removal.name, removal.node, removal.why),
                        );
                    }
                    // Gone already, or replaced by a namesake: either way it is not there any more.
                    Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
                    Err(source) => {
                        self.event(Kind::Warning, "FailedDelete", format!("Error deleting: {}", told(&source)));
                        outcome = outcome.and(Err(Error::Delete { name: removal.name.clone(), source }));
                        continue;
                    }
                }
                book.pace.deleted(&removal.uid, Timestamp::now());
            }
        }
        outcome
    }

    fn note(&self, pod: Pod, book: &mut Book) {
        self.controller.context.pods.wrote(&pod);
        book.pace.written(Arc::new(pod), Timestamp::now());
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
