//! The history of the set's template.

use super::{Book, Error, Hand, already_exists, error::First, only};
use garrison_plan::daemonset::{
    Plan, Relabel,
    daemon_pod::HASH_LABEL,
    ownership::{controller_of, is_owned},
    revision::{Obsolete, RevisionChange},
};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet},
    core::v1::Pod,
};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use std::{collections::BTreeSet, ops::ControlFlow};

impl Hand<'_> {
    /// Writes what changes in the history.
    ///
    /// # Errors
    /// Only if the hash is not settled that the pods are to carry.
    pub(super) async fn change_revisions(&self, changes: &[RevisionChange], first: &mut First) -> Result<(), Error> {
        for change in changes {
            match self.change_revision(change).await {
                Err(error) if error.stops_the_pass() => return Err(error),
                outcome => first.note(outcome),
            }
        }
        Ok(())
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
        match api.create(&PostParams::default(), revision).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if already_exists(&status) => {
                let unsettled = |source| Error::Unsettled { name: name.clone(), source };
                let existing = api.get(&name).await.map_err(unsettled)?;
                if existing.data != revision.data {
                    return Err(self.count_collision(name).await);
                }
                let is_foreign = controller_of(&existing.metadata).is_some() && !is_owned(self.set, &existing.metadata);
                if is_foreign { Err(Error::Foreign { name }) } else { Ok(()) }
            }
            Err(source) => Err(Error::Revision { name, source }),
        }
    }

    async fn count_collision(&self, name: String) -> Error {
        let sets = self.api::<DaemonSet>();
        let mut live = match sets.get_opt(self.name()).await {
            Ok(Some(live)) if live.metadata.uid == self.set.metadata.uid => live,
            Ok(_) => return Error::Superseded,
            Err(source) => return Error::Unsettled { name, source },
        };
        let count = |set: &DaemonSet| set.status.as_ref().and_then(|status| status.collision_count);
        if count(&live) != count(self.set) {
            return Error::StaleCollisionCount;
        }
        let raised = count(&live).unwrap_or(0) + 1;
        live.status.get_or_insert_default().collision_count = Some(raised);
        match sets.replace_status(self.name(), &PostParams::default(), &live).await {
            Ok(_) => Error::Collision { name },
            Err(source) => Error::Unsettled { name, source },
        }
    }

    /// Labels pods with the one hash of their template, then drops the revisions that had another. A pod that could not be
    /// labelled still carries the hash of one of these, and its node is set aside.
    pub(super) async fn drop_duplicates(&self, plan: &Plan, book: &mut Book, aside: &mut BTreeSet<String>, first: &mut First) {
        let api = self.api::<Pod>();
        let send = |pod: &Relabel| {
            let patch = Patch::Merge(json!({ "metadata": { "labels": { HASH_LABEL: pod.hash } } }));
            let (api, name) = (api.clone(), pod.name.clone());
            async move { api.patch(&name, &PatchParams::default(), &patch).await }
        };
        let mut all = true;
        let take = |pod: &Relabel, answer| {
            match answer {
                Ok(pod) => self.note(pod, book),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(source) => {
                    all = false;
                    aside.extend(self.node_of(&pod.name));
                    first.note(Err(Error::Relabel { name: pod.name.clone(), source }));
                }
            }
            ControlFlow::Continue(())
        };
        self.controller.context.lane.each(&plan.relabel, send, take).await;
        if all {
            first.note(self.drop_revisions(&plan.duplicates).await);
        }
    }

    pub(super) async fn drop_revisions(&self, revisions: &[Obsolete]) -> Result<(), Error> {
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
}
