//! Apply: the object that a configuration makes of another, and who owns what then.

use super::conflict::{self, Conflict};
use super::entry::{self, Entry, Operation};
use super::field_set::field_set;
use super::last_applied;
use super::merge::merge;
use super::path::Element;
use super::reconcile::reconcile;
use super::remove::remove;
use super::set::Set;
use super::structure::Structure;
use super::update::{self, Write};
use super::validate::validate;
use crate::status_error::Status;
use serde_json::{Value, json};

/// Who owned what of an object that nobody had applied to yet.
const BEFORE: &str = "before-first-apply";

/// What an apply came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The object, without its entries.
    pub object: Value,
    /// Its entries; null when there are none.
    pub owned: Value,
}

/// An object that somebody applies to.
#[derive(Debug, Clone, Copy)]
pub struct Live<'a> {
    /// The object, without its entries and its `resourceVersion`; `{}` when it is yet to be made.
    pub object: &'a Value,
    /// Its entries; null when there are none.
    pub owned: &'a Value,
}

/// Applies a configuration, of which kind and version have been found right.
///
/// # Errors
/// 400 and 500 for configurations that do not fit, 409 when others own with other values what it says.
pub fn apply(structure: &Structure, write: &Write<'_>, live: Live<'_>, config: &Value, force: bool) -> Result<Applied, Status> {
    if config["metadata"].get("managedFields").is_some_and(|owned| !owned.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let named =
        |why: &dyn std::fmt::Display| conflict::fault(format!("failed to create typed patch object ({}): {why}", shown(config)));
    validate(structure, config).map_err(|why| named(&why))?;
    let entries = entry::decode(live.owned).map_err(|why| conflict::fault(format!("failed to decode managed fields: {why}")))?;
    let entries = if entries.is_empty() { before_first_apply(structure, write, live.object) } else { entries };
    let entries = fit(structure, entries);
    let applier = Applier { structure, write, live: live.object, config };
    let mut outcome = applier.apply(entries.clone(), force)?;
    if let Err(conflicts) = &outcome
        && write.manager == last_applied::MANAGER
    {
        // kubectl comes back to what it has applied by itself before.
        let own = last_applied::owned(structure, write.api_version, live.object).unwrap_or_default();
        let left: Vec<Conflict> = conflicts.iter().filter(|conflict| !own.has(&conflict.path)).cloned().collect();
        outcome = if left.is_empty() { applier.apply(entries, true)? } else { Err(left) };
    }
    let (merged, entries) = outcome.map_err(|conflicts| conflict::refusal(&conflicts))?;
    let mut object = merged.unwrap_or_else(|| live.object.clone());
    if write.manager == last_applied::MANAGER {
        last_applied::renew(&mut object, config);
    }
    Ok(Applied { object, owned: entry::encode(&entries) })
}

/// `namespace/name; apps/v1, Kind=DaemonSet`.
fn shown(config: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &config["metadata"];
    format!("{}/{}; {}", text(&metadata["namespace"]), text(&metadata["name"]), kind_text(config))
}

/// Version and kind of an object, as upstream shows them: `apps/v1, Kind=DaemonSet`.
pub fn kind_text(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&object["apiVersion"]);
    let version = if version.contains('/') { version } else { format!("/{version}") };
    format!("{version}, Kind={}", text(&object["kind"]))
}

fn before_first_apply(structure: &Structure, write: &Write<'_>, live: &Value) -> Vec<Entry> {
    let write = Write { manager: BEFORE, ..write.clone() };
    entry::decode(&update::create(structure, &write, live, Value::Null)).unwrap_or_default()
}

/// Fits entries to a structure that has changed since.
fn fit(structure: &Structure, entries: Vec<Entry>) -> Vec<Entry> {
    let fitted = |entry: Entry| Entry { fields: reconcile(structure, &entry.fields), ..entry };
    entries.into_iter().map(fitted).collect()
}

struct Applier<'a> {
    structure: &'a Structure,
    write: &'a Write<'a>,
    live: &'a Value,
    config: &'a Value,
}

/// The merged object, if it is another than before, and who owns what of it; or who is in the way.
type Outcome = Result<(Option<Value>, Vec<Entry>), Vec<Conflict>>;

impl Applier<'_> {
    fn apply(&self, mut entries: Vec<Entry>, force: bool) -> Result<Outcome, Status> {
        let whole = |merged: Option<Value>| merged.unwrap_or_else(|| json!({}));
        let merged = merge(self.structure, Some(self.live), Some(self.config)).map(whole);
        let merged = merged.map_err(|why| conflict::fault(format!("failed to merge config: {why}")))?;
        let manager = self.write.manager(Operation::Apply);
        let said = field_set(self.structure, self.config).without(self.write.ignored);
        let last = entries.iter().find(|entry| entry.manager == manager).cloned();
        entries.retain(|entry| entry.manager != manager);
        let time = last.as_ref().and_then(|last| last.time.clone());
        let own = Entry { manager, api_version: self.write.api_version.into(), time, fields: said };
        let merged = match &last {
            Some(last) if !last.fields.is_empty() => self.prune(merged, &last.fields, &entries, &own.fields),
            _ => merged,
        };
        let changed = self.write.changes(self.structure, self.live, &merged);
        let conflicts: Vec<Conflict> = entries
            .iter()
            .flat_map(|entry| {
                let paths = entry.fields.intersection(&changed.written).paths().into_iter();
                paths.map(|path| Conflict { manager: entry.manager.clone(), path })
            })
            .collect();
        if !force && !conflicts.is_empty() {
            return Ok(Err(conflicts));
        }
        for entry in &mut entries {
            entry.fields = entry.fields.difference(&changed.written).difference(&changed.removed);
        }
        let differs = merged != *self.live;
        let mut own = Entry { fields: own.fields.difference(update::stripped()), ..own };
        if differs {
            own.time = Some(self.write.now.into());
        }
        entries.push(own);
        entries.retain(|entry| !entry.fields.is_empty());
        Ok(Ok((differs.then_some(merged), entries)))
    }

    /// Removes what the manager applied last time and now does not, unless somebody else owns it.
    fn prune(&self, merged: Value, last: &Set, others: &[Entry], said: &Set) -> Value {
        let owned = others.iter().fold(said.clone(), |all, entry| all.union(&entry.fields));
        let named = |set: &Set| self.with_named(set);
        let last = named(last);
        let pruned = remove(self.structure, &merged, &last);
        let all = named(&field_set(self.structure, &merged));
        let kept = named(&field_set(self.structure, &pruned));
        // What others own, or the configuration still says, comes back.
        let unowned = all.difference(&kept.union(&named(&owned)));
        let pruned = remove(self.structure, &merged, &unowned);
        // And so does what the manager never owned.
        let kept = named(&field_set(self.structure, &pruned));
        remove(self.structure, &merged, &all.difference(&kept).intersection(&last))
    }

    /// The set with the known fields on the way to its paths, which else belong to nobody.
    fn with_named(&self, set: &Set) -> Set {
        set.with_members(Some(self.structure), &|at: Option<&Structure>, step: &Element| match (at, step) {
            (Some(at), Element::Field(name)) => (at.names(name), at.field(name)),
            (Some(at), _) => (false, Some(at.element())),
            (None, _) => (false, None),
        })
    }
}
