//! Objects in the store: how they are kept, under which keys, and what the store's refusals mean to a client.

mod genuine;
mod object;

pub(crate) use object::StoredObject;

use crate::{authorize::roles::Roles, identity::Objects};
use garrison_api::{Resource, Status};
use garrison_store::{
    Change, Durability, Entry, Event, Expect, Page, Range, ReadError, Revision, Scope, Store, Watch, Write, WriteError,
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// An object with its key and revisions.
pub(crate) type Stored = Arc<Entry<StoredObject>>;

/// How long a read waits for a revision that is yet to come.
const PATIENCE: Duration = Duration::from_secs(3);

/// The store, as the handlers use it. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Storage {
    store: Arc<dyn Store<StoredObject>>,
    /// Who may do what by the roles in the store.
    roles: Arc<Roles>,
}

/// Why an object was not written: the one case that callers handle themselves, and all others.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// It is not as expected any more: created, changed or removed meanwhile.
    Raced,
    /// Not to be helped.
    Refused(Status),
}

impl Storage {
    pub(crate) fn new(store: Arc<dyn Store<StoredObject>>) -> Self {
        Self { store, roles: Arc::default() }
    }

    /// The index of roles and bindings.
    pub(crate) fn roles(&self) -> &Arc<Roles> {
        &self.roles
    }

    /// The store, for those who may outlive the server.
    pub(crate) fn shared(&self) -> Arc<dyn Store<StoredObject>> {
        Arc::clone(&self.store)
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &dyn Store<StoredObject> {
        &*self.store
    }

    /// The object, if there is one.
    pub(crate) async fn find(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Stored>, Status> {
        let mut found = self.store.get(&key(resource, namespace, name)).await.map_err(unavailable)?;
        serve(found.as_mut_slice(), resource);
        Ok(found)
    }

    /// The object, or 404.
    pub(crate) async fn get(&self, resource: &'static Resource, namespace: Option<&str>, name: &str) -> Result<Stored, Status> {
        let found = self.find(resource, namespace, name).await?;
        let resource = resource.kept_as().unwrap_or(resource);
        found.ok_or_else(|| Status::not_found(resource.group, resource.plural, name))
    }

    /// Stores a new object.
    pub(crate) async fn create(&self, key: String, object: StoredObject) -> Result<Stored, Unwritten> {
        let resource = object.resource();
        self.put(resource, key, Expect::Absent, object).await
    }

    /// Stores a changed object in the place of `old`.
    pub(crate) async fn replace(&self, old: &Stored, object: StoredObject) -> Result<Stored, Unwritten> {
        let resource = object.resource();
        self.put(resource, old.key.to_string(), Expect::Revision(old.revision), object).await
    }

    /// Removes `old`, and returns it as it went.
    pub(crate) async fn remove(&self, old: &Stored) -> Result<Arc<Event<StoredObject>>, Unwritten> {
        let expect = Expect::Revision(old.revision);
        let durability = durability(old.record.resource());
        let event = self.store.write(Write { key: old.key.to_string(), expect, change: Change::Delete, durability }).await?;
        self.roles.reached(old.record.resource(), event.revision).await;
        Ok(event)
    }

    async fn put(
        &self,
        resource: &'static Resource,
        key: String,
        expect: Expect,
        object: StoredObject,
    ) -> Result<Stored, Unwritten> {
        let object = object.in_storage_version();
        let change = Change::Put { value: object.bytes(), record: object };
        let event = self.store.write(Write { key, expect, change, durability: durability(resource) }).await?;
        self.roles.reached(resource, event.revision).await;
        let mut stored = event.current.clone();
        serve(stored.as_mut_slice(), resource);
        stored.ok_or_else(|| Unwritten::Refused(Status::internal("a stored object is gone at once")))
    }

    /// Objects as of one revision.
    pub(crate) async fn range(&self, range: Range<'_, StoredObject>) -> Result<Page<StoredObject>, Status> {
        self.store.range(range).await.map_err(unreadable)
    }

    /// Events of a scope after a revision.
    pub(crate) async fn watch(&self, scope: Scope, from: Revision) -> Result<Watch<StoredObject>, Status> {
        self.store.watch(scope, from).await.map_err(|error| match error {
            ReadError::Compacted { oldest } => Status::expired(format!("too old resource version: {from} ({oldest})")),
            other => unreadable(other),
        })
    }

    /// Whether the store takes writes.
    pub(crate) fn is_serving(&self) -> bool {
        self.store.is_serving()
    }

    /// The newest revision.
    pub(crate) async fn revision(&self) -> Result<Revision, Status> {
        self.store.revision().await.map_err(unavailable)
    }

    /// Waits until the store has reached a revision that a client has seen elsewhere.
    pub(crate) async fn reached(&self, revision: Revision) -> Result<(), Status> {
        match tokio::time::timeout(PATIENCE, self.store.reached(revision)).await {
            Ok(reached) => reached.map_err(unavailable),
            Err(_) => Err(too_large(revision, self.revision().await?)),
        }
    }
}

#[async_trait::async_trait]
impl Objects for Storage {
    async fn find(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let resource = garrison_api::resource::find("", "v1", plural)?;
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        let entry = self.find(resource, namespace, name).await.ok()??;
        Some(entry.record.shown())
    }
}

impl From<WriteError> for Unwritten {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict => Self::Raced,
            WriteError::Unavailable(_) | WriteError::Stopped(_) => Self::Refused(Status::unavailable(error.to_string())),
            WriteError::Refused(_) => Self::Refused(Status::internal(error)),
            // The client has to look for himself; it may have been done.
            WriteError::Uncertain(_) => Self::Refused(Status::timeout(error.to_string(), 1)),
        }
    }
}

/// Leases and events may be forgotten by a crash: they are renewed, or told again.
fn durability(resource: &Resource) -> Durability {
    match (resource.group, resource.plural) {
        ("coordination.k8s.io", "leases") | ("", "events") => Durability::Lazy,
        _ => Durability::Synced,
    }
}

/// Brings objects of a custom kind into the version that is asked for, and into the form that its schema has now.
pub(crate) fn serve(entries: &mut [Stored], resource: &'static Resource) {
    for entry in entries {
        if let Some(record) = entry.record.served(resource) {
            *entry = Arc::new(Entry { key: entry.key.clone(), created: entry.created, revision: entry.revision, record });
        }
    }
}

fn unavailable(error: ReadError) -> Status {
    Status::unavailable(error.to_string())
}

fn unreadable(error: ReadError) -> Status {
    match error {
        ReadError::Compacted { .. } => Status::expired("The resourceVersion for the provided list is too old."),
        ReadError::Future { current } => too_large(current + 1, current),
        ReadError::Unavailable(_) | ReadError::Stopped(_) => unavailable(error),
    }
}

fn too_large(revision: Revision, current: Revision) -> Status {
    let message = format!("Too large resource version: {revision}, current: {current}");
    Status::timeout(message, 1).with_cause("ResourceVersionTooLarge", "Too large resource version", "")
}

/// The collection of a kind: its plural, qualified by its group. Versions of a group share it, and so do the faces of a kind.
pub(crate) fn collection(resource: &Resource) -> String {
    let resource = resource.kept_as().unwrap_or(resource);
    match resource.group {
        "" => resource.plural.into(),
        group => format!("{}.{group}", resource.plural),
    }
}

/// What the keys of a kind's objects start with, in one namespace or in all.
pub(crate) fn prefix(resource: &Resource, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("{}/{namespace}/", collection(resource)),
        None => format!("{}/", collection(resource)),
    }
}

/// The key of an object.
pub(crate) fn key(resource: &Resource, namespace: Option<&str>, name: &str) -> String {
    format!("{}{name}", prefix(resource, namespace))
}
