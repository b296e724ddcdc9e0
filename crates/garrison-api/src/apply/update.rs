//! Who owns what after a write that is no apply.
//!
//! Leases and statuses are written all the time. So entries stay in the form in which the object holds them, and only
//! those that a write changes are read.

use super::compare::{Comparison, compare};
use super::entry::{self, Entry, Manager, Operation};
use super::set::{self, Set};
use super::structure::Structure;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// How many who wrote are kept apart; the oldest beyond are put together.
const MOST_UPDATERS: usize = 10;
/// The name under which they are.
const ANCIENT: &str = "ancient-changes";

/// A write by a manager.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// The manager's name.
    pub manager: &'a str,
    /// The version written.
    pub api_version: &'a str,
    /// The subresource written; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the write, in RFC 3339 and whole seconds.
    pub now: &'a str,
    /// Paths that the write cannot change, whatever it says, nor anything below them.
    pub ignored: &'a Set,
    /// Paths that are there from the start, though not always written down.
    pub by_value: &'a Set,
}

impl Write<'_> {
    /// What the write changes, of all that can be owned.
    pub(super) fn changes(&self, structure: &Structure, old: &Value, new: &Value) -> Comparison {
        let mut changed = compare(structure, old, new);
        for set in [&mut changed.written, &mut changed.removed] {
            set.remove_trees(self.ignored);
            set.remove(self.by_value);
            set.remove(stripped());
        }
        changed
    }

    pub(super) fn manager(&self, operation: Operation) -> Manager {
        Manager {
            name: if self.manager.is_empty() { "unknown".into() } else { self.manager.into() },
            operation,
            api_version: if operation == Operation::Apply { String::new() } else { self.api_version.into() },
            subresource: self.subresource.into(),
        }
    }
}

/// The entries of an object after an update.
///
/// `old` and `new` are the object without its entries, `owned` those it has, `sent` what the writer says they are.
pub fn update(structure: &Structure, write: &Write<'_>, old: &Value, owned: &Value, new: &Value, sent: Value) -> Value {
    let mut entries = match base(write, owned, sent) {
        Value::Array(entries) if !entries.is_empty() => entries,
        // Whose ownership is not tracked, it is not until somebody applies.
        _ => return Value::Null,
    };
    let changed = write.changes(structure, old, new);
    if !changed.is_same() {
        settle(&mut entries, write, &changed);
        cap(&mut entries);
    }
    if entries.is_empty() { Value::Null } else { entries.into() }
}

/// The entries of an object that is created, from which `sent` has been taken.
pub fn create(structure: &Structure, write: &Write<'_>, new: &Value, sent: Value) -> Value {
    let mut entries = match base(write, &Value::Null, sent) {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    };
    settle(&mut entries, write, &write.changes(structure, &json!({}), new));
    cap(&mut entries);
    if entries.is_empty() { Value::Null } else { entries.into() }
}

/// The entries that the write starts from: those sent, unless they say nothing, or nothing that can be read.
fn base(write: &Write<'_>, owned: &Value, sent: Value) -> Value {
    if sent == *owned {
        return sent;
    }
    if !write.subresource.is_empty() || sent.is_null() {
        return owned.clone();
    }
    if entry::resets(&sent) {
        return Value::Null;
    }
    match entry::decode(&sent) {
        Ok(entries) if !entries.is_empty() => entry::encode(&entries),
        _ => owned.clone(),
    }
}

/// Gives what was changed to who changed it, and takes it from all others; what was removed belongs to nobody.
fn settle(entries: &mut Vec<Value>, write: &Write<'_>, changed: &Comparison) {
    let (written, removed) = (changed.written.to_value(), changed.removed.to_value());
    let writer = write.manager(Operation::Update);
    let wrote = !changed.written.is_empty();
    let mut found = false;
    entries.retain_mut(|value| {
        let is_writer = is_of(value, &writer);
        found |= is_writer;
        let fields = &value["fieldsV1"];
        let loses = set::overlap(&removed, fields) || (!is_writer && set::overlap(&written, fields));
        if loses || (is_writer && !set::is_within(&written, fields)) {
            let mut set = Set::from_value(fields).unwrap_or_default();
            set.remove(&changed.removed);
            match is_writer {
                true => set = set.union(&changed.written),
                false => set.remove(&changed.written),
            }
            if set.is_empty() {
                return false;
            }
            value["fieldsV1"] = set.to_value();
        }
        if is_writer && wrote {
            value["time"] = write.now.into();
        }
        true
    });
    if !found && wrote {
        let (api_version, time) = (write.api_version.into(), Some(write.now.into()));
        entries.push(entry::encode_one(&Entry { manager: writer, api_version, time, fields: changed.written.clone() }));
    }
    entry::sort(entries);
}

/// Whether an entry is that of a manager who wrote.
fn is_of(entry: &Value, writer: &Manager) -> bool {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    text("operation") == writer.operation.word()
        && text("manager") == writer.name
        && text("apiVersion") == writer.api_version
        && text("subresource") == writer.subresource
}

/// What every object has, and nobody owns.
pub(super) fn stripped() -> &'static Set {
    static STRIPPED: OnceLock<Set> = OnceLock::new();
    STRIPPED.get_or_init(|| {
        let metadata = |name| ["metadata", name];
        let names = ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields"];
        let mut paths: Vec<Vec<&str>> = names.iter().map(|name| metadata(name).to_vec()).collect();
        paths.extend([vec!["apiVersion"], vec!["kind"], vec!["metadata"], metadata("resourceVersion").to_vec()]);
        Set::of_fields(&paths.iter().map(Vec::as_slice).collect::<Vec<_>>())
    })
}

/// Puts the oldest of too many writers together, those of each version by themselves.
fn cap(entries: &mut Vec<Value>) {
    let is_update = |entry: &&Value| entry["operation"] == "Update";
    let mut count = entries.iter().filter(is_update).count();
    if count <= MOST_UPDATERS {
        return;
    }
    let Ok(mut all) = entry::decode(&json!(entries)) else { return };
    let mut updaters: Vec<usize> = (0..all.len()).filter(|at| all[*at].manager.operation == Operation::Update).collect();
    updaters.sort_by_key(|at| (all[*at].time.clone(), all[*at].manager.clone()));
    let mut gone = vec![false; all.len()];
    let mut buckets: BTreeMap<String, usize> = BTreeMap::new();
    for at in updaters {
        if count <= MOST_UPDATERS {
            break;
        }
        let Some(&bucket) = buckets.get(&all[at].api_version) else {
            buckets.insert(all[at].api_version.clone(), at);
            continue;
        };
        let (fields, time) = (all[at].fields.union(&all[bucket].fields), all[at].time.clone());
        let kept = &mut all[bucket];
        (kept.fields, kept.time) = (fields, time);
        kept.manager.name = ANCIENT.into();
        kept.manager.subresource.clear();
        gone[at] = true;
        count -= 1;
    }
    let mut gone = gone.into_iter();
    all.retain(|_| !gone.next().unwrap_or(false));
    if let Value::Array(kept) = entry::encode(&all) {
        *entries = kept;
    }
}
