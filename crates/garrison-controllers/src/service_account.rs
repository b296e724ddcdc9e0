//! What each namespace starts with: service account `default`, and the root CA in ConfigMap `kube-root-ca.crt`.
//!
//! Pods cannot be admitted without the one and cannot trust the API without the other, so both come back when deleted,
//! and the CA when changed.

#[cfg(test)]
mod tests;

use crate::{
    Context,
    cache::{Cache, Cached, Key},
    queue::Queue,
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, ServiceAccount},
};
use kube::{
    Api, Resource,
    api::{Patch, PatchParams, PostParams},
    core::Status,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The account of pods that name none.
const ACCOUNT: &str = "default";
/// Where the CA is published, and under which key.
const CA_MAP: &str = "kube-root-ca.crt";
const CA_KEY: &str = "ca.crt";
/// Namespaces served at once: a burst of new ones shares commits.
const WORKERS: usize = 16;
/// A refused correction is made anew after this: the watch has brought the newer ConfigMap by then.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// A namespace lacks what it starts with.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("creating service account {ACCOUNT}")]
    Account(#[source] kube::Error),
    #[error("creating ConfigMap {CA_MAP}")]
    PublishCa(#[source] kube::Error),
    #[error("correcting ConfigMap {CA_MAP}")]
    CorrectCa(#[source] kube::Error),
}

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let synced = async {
        context.namespaces.synced().await;
        context.service_accounts.synced().await;
        context.config_maps.synced().await;
    };
    if shutdown.run_until_cancelled(synced).await.is_none() {
        return;
    }
    let starter = Starter { context, queue: Queue::default() };
    starter.subscribe();
    starter.queue.work("service account", WORKERS, &shutdown, |namespace| starter.look_at(namespace)).await;
}

struct Starter {
    context: Arc<Context>,
    /// Of namespaces.
    queue: Queue<String>,
}

impl Starter {
    /// Everything that wakes the loop: new namespaces, and whatever happens to what they start with.
    fn subscribe(&self) {
        let queue = self.queue.clone();
        self.context.namespaces.subscribe(move |change| {
            if change.old().is_none() {
                queue.add(Key::of(&**change.latest()).name);
            }
        });
        self.follow(&self.context.service_accounts, ACCOUNT);
        self.follow(&self.context.config_maps, CA_MAP);
    }

    fn follow<K: Cached>(&self, cache: &Cache<K>, name: &'static str) {
        let queue = self.queue.clone();
        cache.subscribe(move |change| {
            let meta = change.latest().meta();
            if meta.name.as_deref() == Some(name) {
                queue.add(meta.namespace.clone().unwrap_or_default());
            }
        });
    }

    async fn look_at(&self, namespace: String) -> Result<Option<Duration>, Error> {
        let found = self.context.namespaces.get(&Key::new("", namespace.clone()));
        if found.is_none_or(|found| found.metadata.deletion_timestamp.is_some()) {
            return Ok(None);
        }
        // Both are tried, whatever comes of one.
        let (account, ca) = tokio::join!(self.ensure_account(&namespace), self.ensure_ca(&namespace));
        account.and(ca)
    }

    async fn ensure_account(&self, namespace: &str) -> Result<(), Error> {
        if self.context.service_accounts.get(&Key::new(namespace, ACCOUNT)).is_some() {
            return Ok(());
        }
        self.create(namespace, ACCOUNT, ServiceAccount::default()).await.map_err(Error::Account)
    }

    async fn ensure_ca(&self, namespace: &str) -> Result<Option<Duration>, Error> {
        let ca = &self.context.config.root_ca_pem;
        if ca.is_empty() {
            return Ok(None);
        }
        let Some(found) = self.context.config_maps.get(&Key::new(namespace, CA_MAP)) else {
            let data = BTreeMap::from([(CA_KEY.to_owned(), ca.clone())]);
            let map = ConfigMap { data: Some(data), ..ConfigMap::default() };
            return self.create(namespace, CA_MAP, map).await.map(|()| None).map_err(Error::PublishCa);
        };
        match correction(&found, ca) {
            Some(data) => self.correct(namespace, &found, data).await,
            None => Ok(None),
        }
    }

    /// Creates an object. That it is there already, which the cache will show, and that the namespace takes nothing more
    /// are no failures.
    async fn create<K>(&self, namespace: &str, name: &str, mut object: K) -> kube::Result<()>
    where
        K: Cached + Resource<Scope = NamespaceResourceScope> + Serialize,
    {
        object.meta_mut().name = Some(name.to_owned());
        let api: Api<K> = Api::namespaced(self.context.client.clone(), namespace);
        match api.create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if is_needless(&status) => Ok(()),
            created => {
                created?;
                tracing::debug!(namespace, name, "created what a namespace starts with");
                Ok(())
            }
        }
    }

    async fn correct(&self, namespace: &str, found: &ConfigMap, data: Value) -> Result<Option<Duration>, Error> {
        tracing::info!(namespace, "the published root CA was changed, putting it right");
        let version = json!({ "uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version });
        let patch = Patch::Merge(json!({ "metadata": version, "data": data }));
        let maps: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), namespace);
        match maps.patch(CA_MAP, &PatchParams::default(), &patch).await {
            // It is gone, and the watch says so.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Some(AFTER_CONFLICT)),
            written => written.map(|_| None).map_err(Error::CorrectCa),
        }
    }
}

/// Refusals that end the matter: somebody else was faster, or the namespace is on its way out or gone.
fn is_needless(status: &Status) -> bool {
    let terminating =
        || status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating");
    status.reason == "AlreadyExists" || status.code == 404 || (status.code == 403 && terminating())
}

/// The patch of a published CA's data that makes it the CA and nothing else; nothing if it is that.
fn correction(found: &ConfigMap, ca: &str) -> Option<Value> {
    let data = found.data.iter().flatten();
    let mut wrong: Map<String, Value> =
        data.filter(|(key, _)| *key != CA_KEY).map(|(key, _)| (key.clone(), Value::Null)).collect();
    if found.data.as_ref().and_then(|data| data.get(CA_KEY)).is_none_or(|there| there != ca) {
        wrong.insert(CA_KEY.to_owned(), ca.into());
    }
    (!wrong.is_empty()).then(|| wrong.into())
}
