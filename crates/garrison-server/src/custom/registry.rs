//! Which kinds are served at this moment: those built in, and those that definitions describe.

use arc_swap::ArcSwap;
use garrison_api::{
    Resource,
    custom::{Rows, Version, definition::Definition},
    openapi::Documents,
    resource,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};
use tokio::sync::watch;

/// All kinds that are served. Readers take a snapshot and never wait.
#[derive(Debug)]
pub(crate) struct Registry {
    state: Mutex<State>,
    snapshot: ArcSwap<Snapshot>,
    /// Counts the snapshots, for those who wait for a change.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    rows: Rows,
    /// By name of the definition.
    kinds: BTreeMap<String, Kind>,
    serial: u64,
}

/// The versions of one definition.
#[derive(Debug)]
struct Kind {
    /// What they were compiled from.
    source: Value,
    versions: Vec<(&'static Resource, Arc<Version>)>,
}

/// The rows of one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    rows: Vec<&'static Resource>,
    custom: HashMap<(&'static str, &'static str, &'static str), &'static Resource>,
    documents: OnceLock<Documents>,
}

impl Snapshot {
    /// All rows, in the order of discovery.
    pub(crate) fn rows(&self) -> &[&'static Resource] {
        &self.rows
    }

    /// The OpenAPI documents of these rows, made when somebody first asks.
    pub(crate) fn documents(&self) -> &Documents {
        self.documents.get_or_init(|| Documents::new(&self.rows))
    }

    /// The row that serves a path.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
        resource::find(group, version, plural).or_else(|| self.custom.get(&(group, version, plural)).copied())
    }
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            snapshot: ArcSwap::from_pointee(snapshot(std::iter::empty())),
            changes: watch::channel(0).0,
        }
    }

    /// What is served now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The row that serves a path.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
        self.snapshot.load().find(group, version, plural)
    }

    /// Returns when a row is served no longer; never for those built in.
    pub(crate) async fn gone(&self, row: &'static Resource) {
        let Some(slot) = row.custom else { return std::future::pending().await };
        let mut changes = self.changes.subscribe();
        // The registry lives as long as the server, and so does the sender.
        let _ = changes.wait_for(|_| !slot.is_served()).await;
    }

    /// The definitions whose kinds are served.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state.lock().kinds.keys().cloned().collect()
    }

    /// Serves what a definition describes, as its status has it; `None` when there is none of that name any more.
    pub(crate) fn set(&self, name: &str, definition: Option<&Value>) {
        let mut state = self.state.lock();
        let established = definition.filter(|definition| Definition(definition).has("Established"));
        let Some(definition) = established else {
            if let Some(kind) = state.kinds.remove(name) {
                self.publish(&state, kind.versions);
            }
            return;
        };
        let read = Definition(definition);
        let source = json!([definition["spec"], definition["status"]["acceptedNames"], read.is_terminating()]);
        if state.kinds.get(name).is_some_and(|kind| kind.source == source) {
            return;
        }
        let mut versions = Vec::new();
        for version in read.versions().into_iter().filter(|version| version["served"] == true) {
            state.serial += 1;
            match read.compile(version, state.serial) {
                Ok(compiled) => versions.push((state.rows.of(&read.shape(version)), Arc::new(compiled))),
                // It was checked when it was written; a newer server may have let pass what this one cannot use.
                Err(faults) => tracing::error!(definition = name, ?faults, "a version cannot be served"),
            }
        }
        let before = state.kinds.insert(name.to_owned(), Kind { source, versions });
        self.publish(&state, before.map(|kind| kind.versions).unwrap_or_default());
    }

    /// Makes known what is served now, and what is not any more.
    fn publish(&self, state: &State, before: Vec<(&'static Resource, Arc<Version>)>) {
        let versions = || state.kinds.values().flat_map(|kind| &kind.versions);
        for (row, version) in versions() {
            row.custom.into_iter().for_each(|slot| slot.serve(Some(version.clone())));
        }
        self.snapshot.store(Arc::new(snapshot(versions().map(|(row, _)| *row))));
        for (row, _) in before {
            if !versions().any(|(served, _)| std::ptr::eq(*served, row)) {
                row.custom.into_iter().for_each(|slot| slot.serve(None));
            }
        }
        self.changes.send_modify(|count| *count += 1);
    }
}

fn snapshot(custom: impl Iterator<Item = &'static Resource>) -> Snapshot {
    let mut custom: Vec<&'static Resource> = custom.collect();
    // Groups by name, the versions of each as clients prefer them.
    custom.sort_by(|one, other| {
        let versions = || garrison_api::custom::version_order::compare(one.version, other.version);
        one.group.cmp(other.group).then_with(versions).then_with(|| one.plural.cmp(other.plural))
    });
    Snapshot {
        custom: custom.iter().map(|row| ((row.group, row.version, row.plural), *row)).collect(),
        rows: resource::resources().iter().chain(custom).collect(),
        documents: OnceLock::new(),
    }
}
