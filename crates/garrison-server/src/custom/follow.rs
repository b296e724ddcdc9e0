//! Follows the definitions in the store, whoever writes them: keeps the registry, tells their status, ends what is deleted.

use super::{cleanup, definitions, name_of, prefix};
use crate::{
    Server,
    storage::{Stored, StoredObject, Unwritten},
};
use garrison_api::{
    Status,
    custom::{conditions, definition::Definition},
};
use garrison_store::{Range, Revision, Scope};
use jiff::Timestamp;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Pause after the store could not be read.
const PAUSE: Duration = Duration::from_millis(500);

/// All definitions by name.
type Known = BTreeMap<String, (Stored, Arc<Value>)>;

/// Serves the kinds whose definitions are in the store already.
pub(crate) async fn load(server: &Server) -> Result<(), Status> {
    let (known, _) = list(server).await?;
    known.iter().for_each(|(name, (_, definition))| server.custom().set(name, Some(definition)));
    Ok(())
}

/// Follows for ever.
pub(crate) async fn run(server: &Server) {
    loop {
        if let Err(status) = follow(server).await {
            tracing::warn!(why = status.message, "definitions of custom kinds cannot be followed");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Follows until history is lost or the store cannot be read.
async fn follow(server: &Server) -> Result<(), Status> {
    let (mut known, revision) = list(server).await?;
    let mut cleanups = Cleanups::default();
    // Definitions may have gone while nobody looked.
    let gone = server.custom().names().into_iter().filter(|name| !known.contains_key(name));
    gone.for_each(|name| server.custom().set(&name, None));
    for name in known.keys().cloned().collect::<Vec<_>>() {
        settle(server, &mut known, &name, &mut cleanups).await?;
    }
    let scope = Scope::Prefix(prefix().ok_or_else(|| Status::internal("definitions are not served"))?);
    let mut watch = server.storage().watch(scope, revision).await?;
    while let Ok(event) = watch.next().await {
        let changed = event.current.as_ref().or(event.previous.as_ref()).map(|entry| name_of(entry).to_owned());
        let Some(name) = changed else { continue };
        let group = match &event.current {
            Some(entry) => {
                let definition = entry.record.shown();
                let group = Definition(&definition).group().to_owned();
                known.insert(name.clone(), (entry.clone(), definition.into()));
                group
            }
            None => {
                server.custom().set(&name, None);
                known.remove(&name).map_or_else(String::new, |(_, definition)| Definition(&definition).group().to_owned())
            }
        };
        // Names that one definition takes or leaves concern all others of its group.
        let concerned = known.iter().filter(|(_, (_, definition))| Definition(definition).group() == group);
        for name in concerned.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            settle(server, &mut known, &name, &mut cleanups).await?;
        }
    }
    Ok(())
}

async fn list(server: &Server) -> Result<(Known, Revision), Status> {
    let prefix = prefix().ok_or_else(|| Status::internal("definitions are not served"))?;
    let page = server.storage().range(Range { prefix: &prefix, term: None, start: "", filter: None, limit: 0, at: None }).await?;
    let named = |entry: Stored| {
        let definition = Arc::new(entry.record.shown());
        (name_of(&entry).to_owned(), (entry, definition))
    };
    Ok((page.entries.into_iter().map(named).collect(), page.revision))
}

/// Instances that are being deleted, by the UID of their definition.
#[derive(Default)]
struct Cleanups {
    tasks: JoinSet<String>,
    running: std::collections::HashSet<String>,
}

/// Serves a definition as it is, and has its status say so.
async fn settle(server: &Server, known: &mut Known, name: &str, cleanups: &mut Cleanups) -> Result<(), Status> {
    let Some((entry, definition)) = known.get(name).cloned() else { return Ok(()) };
    if Definition(&definition).is_terminating() {
        server.custom().set(name, Some(&definition));
        while let Some(done) = cleanups.tasks.try_join_next() {
            // A task that panicked is not begun again: its panic is told already.
            if let Ok(uid) = done {
                cleanups.running.remove(&uid);
            }
        }
        let uid = definition["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if cleanups.running.insert(uid.clone()) {
            let (server, name) = (server.clone(), name.to_owned());
            cleanups.tasks.spawn(async move {
                cleanup::run(&server, &name).await;
                uid
            });
        }
        return Ok(());
    }
    let others = known.values().map(|(_, other)| Definition(other));
    let status = conditions::decide(Definition(&definition), others, Timestamp::now());
    let mut told = (*definition).clone();
    told["status"] = status;
    // Whoever reads that it is established may use it at once.
    server.custom().set(name, Some(&told));
    if told == *definition {
        return Ok(());
    }
    let row = definitions().ok_or_else(|| Status::internal("definitions are not served"))?;
    let record = StoredObject::new(row, &told).map_err(Status::internal)?;
    match server.storage().replace(&entry, record).await {
        Ok(stored) => {
            // The next definition of the group is decided upon with these names taken.
            let shown = stored.record.shown().into();
            known.insert(name.to_owned(), (stored, shown));
            Ok(())
        }
        // Who was faster is heard of next.
        Err(Unwritten::Raced) => Ok(()),
        Err(Unwritten::Refused(status)) => Err(status),
    }
}
