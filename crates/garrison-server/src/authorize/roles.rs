//! The roles and bindings in the store, as an index that is kept as new as the store.
//!
//! Whoever is told that a role or binding was written may rely on it: a write is answered when the index has it.

use crate::storage::{self, Storage, StoredObject};
use garrison_api::{
    Resource,
    access::{self, Index},
    resource,
};
use garrison_store::{Range, ReadError, Revision, Scope, Store};
use parking_lot::{RwLock, RwLockReadGuard};
use serde_json::Value;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a write waits for the index. It is behind by a task's turn; not at all once the store has stopped.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after a list that failed.
const PAUSE: Duration = Duration::from_millis(100);
const PLURALS: [&str; 4] = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];

/// The index, and how new it is.
#[derive(Default)]
pub(crate) struct Roles {
    index: RwLock<Index>,
    /// By place in [`PLURALS`]; nothing before the first list.
    seen: [watch::Sender<Option<Revision>>; PLURALS.len()],
}

impl Roles {
    /// The index as it is now.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read()
    }

    /// Keeps the index as new as the store until `shutdown`; returns when all has been read once.
    pub(crate) async fn follow(self: &Arc<Self>, storage: &Storage, shutdown: &CancellationToken) {
        for (at, plural) in PLURALS.iter().enumerate() {
            let Some(kind) = resource::find(access::GROUP, "v1", plural) else { continue };
            // The task must not keep the store open.
            let (roles, store) = (Arc::clone(self), Arc::downgrade(&storage.shared()));
            let shutdown = shutdown.clone();
            tokio::spawn(async move { shutdown.run_until_cancelled(roles.follow_kind(at, kind, store)).await });
            // The sender is in `self`: it outlives this.
            let _ = self.seen[at].subscribe().wait_for(Option::is_some).await;
        }
    }

    /// Waits until the index has a write of that kind; all others are none of its business.
    pub(crate) async fn reached(&self, resource: &Resource, revision: Revision) {
        let place = PLURALS.iter().position(|plural| *plural == resource.plural && resource.group == access::GROUP);
        let Some(place) = place else { return };
        let mut seen = self.seen[place].subscribe();
        let reached = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| seen.is_some_and(|seen| seen >= revision))).await;
        if reached.is_err() {
            tracing::warn!(plural = resource.plural, revision, "the authorizer is behind the store");
        }
    }

    async fn follow_kind(&self, at: usize, kind: &Resource, store: Weak<dyn Store<StoredObject>>) {
        while let Some(store) = store.upgrade() {
            let prefix = storage::prefix(kind, None);
            let range = Range { prefix: &prefix, term: None, start: "", filter: None, limit: 0, at: None };
            let mut watch = match store.range(range).await {
                Err(ReadError::Stopped(_)) => return,
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Ok(page) => {
                    let entries = page.entries.iter().map(|entry| (&*entry.key, entry.record.shown()));
                    self.replace(kind, entries);
                    self.seen[at].send_replace(Some(page.revision));
                    match store.watch(Scope::Prefix(prefix), page.revision).await {
                        Ok(watch) => watch,
                        Err(ReadError::Stopped(_)) => return,
                        Err(_) => continue,
                    }
                }
            };
            drop(store);
            while let Ok(event) = watch.next().await {
                let object = event.current.as_ref().map(|entry| entry.record.shown());
                set(&mut self.index.write(), kind, &event.key, object.as_ref());
                self.seen[at].send_replace(Some(event.revision));
            }
        }
    }

    /// Takes all objects of a kind, and forgets those that are no more.
    fn replace<'a>(&self, kind: &Resource, entries: impl Iterator<Item = (&'a str, Value)>) {
        let mut index = self.index.write();
        for (namespace, name) in index.names(kind.kind.ends_with("Binding")) {
            if namespace.is_empty() != kind.namespaced {
                set(&mut index, kind, &storage::key(kind, Some(&*namespace).filter(|_| kind.namespaced), &name), None);
            }
        }
        for (key, object) in entries {
            set(&mut index, kind, key, Some(&object));
        }
    }
}

fn set(index: &mut Index, kind: &Resource, key: &str, object: Option<&Value>) {
    let Some((_, path)) = key.split_once('/') else { return };
    let (namespace, name) = if kind.namespaced { path.split_once('/').unwrap_or(("", path)) } else { ("", path) };
    match kind.kind.ends_with("Binding") {
        true => index.set_binding(namespace, name, object),
        false => index.set_role(namespace, name, object),
    }
}

#[cfg(test)]
impl Roles {
    /// An index of these objects that follows no store.
    pub(crate) fn of(objects: impl IntoIterator<Item = Value>) -> Arc<Self> {
        let roles = Self::default();
        for object in objects {
            let text = |field: &str| object["metadata"][field].as_str();
            let kind = object["kind"].as_str().unwrap();
            let kind = resource::by_kind("rbac.authorization.k8s.io/v1", kind).unwrap();
            let key = storage::key(kind, text("namespace"), text("name").unwrap());
            set(&mut roles.index.write(), kind, &key, Some(&object));
        }
        Arc::new(roles)
    }
}
