//! Namespace lifecycle: a namespace that is being deleted is emptied, tells what still keeps it, and goes.
//!
//! Its finalizer `kubernetes` is ours: while it is there the namespace stays and takes nothing new, and when it is taken off
//! the server lets the namespace go. [`contents`] does the emptying.

mod contents;

#[cfg(test)]
mod tests;

use crate::{
    Context,
    cache::{Cache, Cached, Change, Key},
    queue::Queue,
};
use garrison_plan::garbage::namespace::Emptying;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The finalizer, in `spec`, that stands for all content.
const FINALIZER: &str = "kubernetes";
/// Namespaces emptied at once.
const WORKERS: usize = 8;
/// Content goes in bursts; the next look follows its first loss after this.
const SETTLING: Duration = Duration::from_millis(100);
/// A refused write is made anew, from the newest state, after this.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// A namespace could not be brought to where it should be.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("reading the namespace")]
    Read(#[source] kube::Error),
    #[error("telling what keeps the namespace")]
    Conditions(#[source] kube::Error),
    #[error("letting the namespace go")]
    Finalize(#[source] kube::Error),
}

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = context.namespaces.synced() => {}
    }
    let lifecycle = Lifecycle { namespaces: Api::all(context.client.clone()), context, queue: Queue::default() };
    lifecycle.subscribe();
    lifecycle.queue.work("namespace", WORKERS, &shutdown, |name| lifecycle.look_at(name)).await;
}

struct Lifecycle {
    context: Arc<Context>,
    namespaces: Api<Namespace>,
    queue: Queue<String>,
}

impl Lifecycle {
    /// Everything that wakes the loop: the deletion of a namespace, and each object that leaves one which is being deleted.
    /// Kinds without a shared cache leave unheard; for their sake the pauses are short.
    fn subscribe(&self) {
        let queue = self.queue.clone();
        self.context.namespaces.subscribe(move |change| {
            if let Some(name) = newly_awaiting(change) {
                queue.add(name);
            }
        });
        self.follow(&self.context.pods);
        self.follow(&self.context.daemon_sets);
        self.follow(&self.context.revisions);
        self.follow(&self.context.leases);
        self.follow(&self.context.service_accounts);
        self.follow(&self.context.config_maps);
    }

    fn follow<K: Cached>(&self, cache: &Cache<K>) {
        let (queue, context) = (self.queue.clone(), Arc::downgrade(&self.context));
        cache.subscribe(move |change| {
            let (Change::Removed(gone), Some(context)) = (change, context.upgrade()) else { return };
            let home = Key::new("", Key::of(&**gone).namespace);
            if context.namespaces.get(&home).is_some_and(|namespace| awaits_us(&namespace)) {
                queue.add_after(home.name, SETTLING);
            }
        });
    }

    /// Reads the namespace anew: one of that name that the cache has not heard of yet must not be emptied.
    async fn look_at(&self, name: String) -> Result<Option<Duration>, Error> {
        let found = self.namespaces.get_opt(&name).await.map_err(Error::Read)?;
        let Some(namespace) = found.filter(awaits_us) else { return Ok(None) };
        let emptying = contents::empty(&self.context.client, &name).await;
        if emptying.is_complete() {
            return self.let_go(&name, namespace).await;
        }
        for why in emptying.undiscovered.iter().chain(&emptying.failed) {
            tracing::warn!(namespace = name, why, "a namespace cannot be emptied");
        }
        self.tell(&name, &namespace, &emptying).await
    }

    /// Tells in the namespace's conditions what keeps it.
    async fn tell(&self, name: &str, namespace: &Namespace, emptying: &Emptying) -> Result<Option<Duration>, Error> {
        let now = Timestamp::now();
        let deleted = namespace.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
        let pause = Duration::try_from(emptying.pause(now.duration_since(deleted))).unwrap_or_default();
        let past = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let past: Vec<_> = past.cloned().collect();
        let Some(conditions) = emptying.conditions(&past, now) else { return Ok(Some(pause)) };
        let version = json!({ "uid": namespace.metadata.uid, "resourceVersion": namespace.metadata.resource_version });
        let patch = Patch::Merge(json!({ "metadata": version, "status": { "conditions": conditions } }));
        let written = self.namespaces.patch_status(name, &PatchParams::default(), &patch).await;
        look_again(written, Some(pause)).map_err(Error::Conditions)
    }

    /// Takes off our finalizer. Nothing is told any more: there is nobody left to tell it of.
    async fn let_go(&self, name: &str, mut namespace: Namespace) -> Result<Option<Duration>, Error> {
        let finalizers = namespace.spec.iter_mut().flat_map(|spec| &mut spec.finalizers);
        finalizers.for_each(|finalizers| finalizers.retain(|finalizer| finalizer != FINALIZER));
        let written = self.namespaces.replace_subresource("finalize", name, &PostParams::default(), &namespace).await;
        tracing::debug!(namespace = name, "the namespace is empty");
        look_again(written, None).map_err(Error::Finalize)
    }
}

/// When to look again after a write.
fn look_again<T>(written: kube::Result<T>, pause: Option<Duration>) -> kube::Result<Option<Duration>> {
    match written {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Some(AFTER_CONFLICT)),
        other => other.map(|_| pause),
    }
}

/// Whether a namespace is being deleted and waits for us.
fn awaits_us(namespace: &Namespace) -> bool {
    let finalizers = namespace.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten());
    namespace.metadata.deletion_timestamp.is_some() && finalizers.into_iter().any(|finalizer| finalizer == FINALIZER)
}

/// The name of a namespace that did not wait for us before.
fn newly_awaiting(change: &Change<Namespace>) -> Option<String> {
    let before = change.old().is_some_and(|old| awaits_us(old));
    let new = change.new().filter(|new| !before && awaits_us(new))?;
    new.metadata.name.clone()
}
