//! Adoption and release.

use super::{Book, Error, Hand, error::First};
use garrison_plan::daemonset::{Plan, ownership::OwnerChange};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{ControllerRevision, DaemonSet},
        core::v1::Pod,
    },
};
use kube::{
    Resource,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeSet, fmt::Debug, ops::ControlFlow};

impl Hand<'_> {
    /// Sets owners and takes them off; the nodes where that failed. What the plan wants there rests on its success.
    ///
    /// # Errors
    /// Only if the set is gone: then nothing at all may be done in its name.
    pub(super) async fn change_owners(&self, plan: &Plan, book: &mut Book, first: &mut First) -> Result<BTreeSet<String>, Error> {
        let mut aside = BTreeSet::new();
        match self.may_adopt(plan).await {
            Ok(()) => {
                let adopted = |change: &OwnerChange, answer| match answer {
                    Ok(pod) => self.note(pod, book),
                    Err(source) => {
                        // It has no owner, so nobody is told when it goes.
                        book.unfinished |= is_gone(&source);
                        aside.extend(self.node_of(&change.name));
                        first.note(harmful(change, source, &[404]));
                    }
                };
                self.patch_owners(&plan.adopt, adopted).await;
                let adopted = |change: &OwnerChange, answer: kube::Result<ControllerRevision>| {
                    if let Err(source) = answer {
                        book.unfinished |= is_gone(&source);
                        first.note(harmful(change, source, &[404]));
                    }
                };
                self.patch_owners(&plan.adopt_revisions, adopted).await;
            }
            Err(error) if error.stops_the_pass() => return Err(error),
            Err(error) => {
                aside.extend(plan.adopt.iter().filter_map(|change| self.node_of(&change.name)));
                first.note(Err(error));
            }
        }
        // Refused as invalid: it is no longer the same object.
        let released = |change: &OwnerChange, answer: kube::Result<Pod>| {
            if let Err(error) = answer.map_or_else(|source| harmful(change, source, &[404, 422]), |_| Ok(())) {
                aside.extend(self.node_of(&change.name));
                first.note(Err(error));
            }
        };
        self.patch_owners(&plan.release, released).await;
        let released = |change: &OwnerChange, answer: kube::Result<ControllerRevision>| {
            first.note(answer.map_or_else(|source| harmful(change, source, &[404, 422]), |_| Ok(())));
        };
        self.patch_owners(&plan.release_revisions, released).await;
        Ok(aside)
    }

    /// The cache may be behind; a set that is gone must not take anything with it.
    async fn may_adopt(&self, plan: &Plan) -> Result<(), Error> {
        if plan.adopt.is_empty() && plan.adopt_revisions.is_empty() {
            return Ok(());
        }
        let live = self.api::<DaemonSet>().get_opt(self.name()).await.map_err(Error::Read)?;
        let same = live.filter(|live| live.metadata.uid == self.set.metadata.uid && live.metadata.deletion_timestamp.is_none());
        same.map(drop).ok_or(Error::Superseded)
    }

    async fn patch_owners<K>(&self, changes: &[OwnerChange], mut take: impl FnMut(&OwnerChange, kube::Result<K>) + Send)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug + Send,
    {
        let api = self.api::<K>();
        let send = |change: &OwnerChange| {
            let (api, name, patch) = (api.clone(), change.name.clone(), Patch::Strategic(change.patch.clone()));
            async move { api.patch(&name, &PatchParams::default(), &patch).await }
        };
        let take = |change: &OwnerChange, answer| {
            take(change, answer);
            ControlFlow::Continue(())
        };
        self.controller.context.lane.each(changes, send, take).await;
    }
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn harmful(change: &OwnerChange, source: kube::Error, harmless: &[u16]) -> Result<(), Error> {
    match source {
        kube::Error::Api(status) if harmless.contains(&status.code) => Ok(()),
        source => Err(Error::Owner { name: change.name.clone(), source }),
    }
}
