//! The end of a definition: all instances first, then the definition itself.

use super::definitions;
use crate::{
    Server,
    storage::{self, Stored, StoredObject, Unwritten},
};
use garrison_api::{
    Status,
    custom::{
        conditions,
        definition::{CLEANUP, Definition},
    },
    prepare::{self, DeleteOptions, Deletion},
    resource,
};
use garrison_store::{Range, Scope};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// How long to wait before what failed is tried again, or what is left is looked at anew.
const PAUSE: Duration = Duration::from_secs(2);

/// Deletes all instances of a definition that is being deleted, then lets it go. Tries until that is done.
pub(super) async fn run(server: &Server, name: &str) {
    loop {
        match attempt(server, name).await {
            Ok(()) => return,
            Err(Unwritten::Raced) => {}
            Err(Unwritten::Refused(status)) => {
                tracing::warn!(definition = name, why = status.message, "instances cannot be deleted yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn attempt(server: &Server, name: &str) -> Result<(), Unwritten> {
    let Some((entry, definition)) = find(server, name).await? else { return Ok(()) };
    let held = definition["metadata"]["finalizers"].as_array().is_some_and(|list| list.iter().any(|own| own == CLEANUP));
    if !Definition(&definition).is_terminating() || !held {
        return Ok(());
    }
    if !definition["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|own| own["reason"] == "InstanceDeletionInProgress")
    {
        let mut told = definition;
        let message = "CustomResource deletion is in progress";
        conditions::set(&mut told["status"], "Terminating", true, "InstanceDeletionInProgress", message, Timestamp::now());
        put(server, &entry, &told).await?;
    }
    empty(server, name).await?;
    let Some((entry, mut definition)) = find(server, name).await? else { return Ok(()) };
    let message = "removed all instances";
    conditions::set(&mut definition["status"], "Terminating", false, "InstanceDeletionCompleted", message, Timestamp::now());
    if let Some(finalizers) = definition["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|own| own != CLEANUP);
    }
    if prepare::finished(entry.record.resource(), &definition) {
        server.storage().remove(&entry).await.map(drop)
    } else {
        put(server, &entry, &definition).await
    }
}

async fn find(server: &Server, name: &str) -> Result<Option<(Stored, Value)>, Unwritten> {
    let row = definitions().ok_or_else(|| Unwritten::Refused(Status::internal("definitions are not served")))?;
    let found = server.storage().find(row, None, name).await.map_err(Unwritten::Refused)?;
    Ok(found.map(|entry| {
        let definition = entry.record.value();
        (entry, definition)
    }))
}

async fn put(server: &Server, old: &Stored, object: &Value) -> Result<(), Unwritten> {
    let record = StoredObject::new(old.record.resource(), object).map_err(|why| Unwritten::Refused(Status::internal(why)))?;
    server.storage().replace(old, record).await.map(drop)
}

/// Deletes all instances, and waits for those that somebody's finalizers hold.
async fn empty(server: &Server, name: &str) -> Result<(), Unwritten> {
    // Objects of a kind that is built in belong to no definition, whatever it is called.
    if resource::resources().iter().any(|row| storage::collection(row) == name) {
        return Ok(());
    }
    // The collection of a kind is called as its definition.
    let prefix = format!("{name}/");
    loop {
        let range = Range { prefix: &prefix, term: None, start: "", filter: None, limit: 0, at: None };
        let page = server.storage().range(range).await.map_err(Unwritten::Refused)?;
        if page.entries.is_empty() {
            return Ok(());
        }
        for entry in &page.entries {
            match delete(server, entry).await {
                // It changed meanwhile, and is looked at again.
                Err(Unwritten::Raced) | Ok(()) => {}
                Err(refused) => return Err(refused),
            }
        }
        if let Ok(mut watch) = server.storage().watch(Scope::Prefix(prefix.clone()), page.revision).await {
            let _ = tokio::time::timeout(PAUSE, watch.next()).await;
        }
    }
}

async fn delete(server: &Server, entry: &Stored) -> Result<(), Unwritten> {
    let resource = entry.record.resource();
    let write = prepare::Write { resource, subresource: None, namespace: None, now: Timestamp::now(), uid: "", random: 0 };
    match prepare::delete(&write, &entry.record.shown(), &DeleteOptions::default()).map_err(Unwritten::Refused)? {
        Deletion::Unchanged => Ok(()),
        Deletion::Remove => server.storage().remove(entry).await.map(drop),
        Deletion::Mark(object) => put(server, entry, &object).await,
    }
}

#[cfg(test)]
mod tests {
    use super::storage;

    #[test]
    fn a_definition_and_its_collection_have_one_name() {
        let row = garrison_api::resource::find("apps", "v1", "daemonsets").unwrap();
        assert_eq!(storage::prefix(row, None), "daemonsets.apps/");
    }
}
