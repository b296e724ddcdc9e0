//! The history of a set's template (behaviour reference §11).

use super::{
    daemon_pod::HASH_LABEL,
    fnv::fnv32,
    ownership::{self, Claim, OwnerChange},
    template::owner_reference,
};
use garrison_api::selector::Labels;
use k8s_openapi::{
    api::apps::v1::{ControllerRevision, DaemonSet},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, runtime::RawExtension},
};
use serde_json::{Value, json};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Longest name of an object.
const LONGEST_NAME: usize = 253;
/// Characters that can neither form a word nor be taken for an operator: the alphabet of generated names.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many old revisions are kept when the set does not say.
const DEFAULT_LIMIT: i32 = 10;

/// A change of one revision.
#[derive(Debug, Clone, PartialEq)]
pub enum RevisionChange {
    /// Make it. If one of that name exists with the same data, that is as good; if its data differ, the hash has
    /// collided: the set's `collisionCount` must be raised and everything planned anew.
    Create(Box<ControllerRevision>),
    /// Give it the newest number.
    Renumber {
        /// Name of the revision.
        name: String,
        /// The number.
        revision: i64,
    },
    /// Give it the hash label that very old ones lack.
    Label {
        /// Name of the revision.
        name: String,
        /// Value of the label.
        hash: String,
    },
}

/// A revision that is no longer needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obsolete {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// The history as it should be.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Hash of the current revision.
    pub hash: String,
    /// What to change now, before any pod is made.
    pub changes: Vec<RevisionChange>,
    /// Owners to be set and taken off.
    pub adopt: Vec<OwnerChange>,
    /// Owners to be taken off.
    pub release: Vec<OwnerChange>,
    /// Other revisions with the current content: their pods get the hash that is kept, then these go.
    pub duplicates: Vec<Obsolete>,
    /// Their hashes. A pod that carries one is current already. Upstream gives the kept hash to every pod of the set, also
    /// to those of older templates, which are then never updated (behaviour reference §11.4).
    pub duplicate_hashes: Vec<String>,
    /// Older revisions, oldest first.
    old: Vec<Arc<ControllerRevision>>,
}

/// Works out the history of a set from the revisions of its namespace.
pub fn history(set: &DaemonSet, selector: &Labels, revisions: &[Arc<ControllerRevision>]) -> History {
    let mut history = History::default();
    let mut claimed = Vec::new();
    for revision in revisions {
        match ownership::claim(set, selector, &revision.metadata) {
            Claim::Owned => claimed.push(revision.clone()),
            Claim::Adopt => {
                history.adopt.push(ownership::adoption(set, &revision.metadata));
                claimed.push(revision.clone());
            }
            Claim::Release => history.release.push(ownership::release(set, &revision.metadata)),
            Claim::Ignore => {}
        }
    }
    history.changes.extend(claimed.iter().filter(|revision| label(revision).is_none()).map(|revision| {
        let name = name(revision);
        RevisionChange::Label { hash: name.clone(), name }
    }));
    claimed.sort_by(|one, other| (one.revision, &one.metadata.name).cmp(&(other.revision, &other.metadata.name)));
    let data = data(set);
    let (mut current, old): (Vec<_>, Vec<_>) =
        claimed.into_iter().partition(|revision| revision.data.as_ref().is_some_and(|stored| same(&stored.0, &data)));
    let next = old.iter().map(|revision| revision.revision).max().unwrap_or(0).max(0) + 1;
    history.old = old;
    match current.pop() {
        None => {
            history.hash = hash(&data, set.status.as_ref().and_then(|status| status.collision_count));
            history.changes.push(RevisionChange::Create(Box::new(new_revision(set, &history.hash, data, next))));
        }
        Some(kept) => {
            history.hash = label(&kept).unwrap_or_else(|| name(&kept));
            if kept.revision < next {
                history.changes.push(RevisionChange::Renumber { name: name(&kept), revision: next });
            }
            history.duplicates = current.iter().map(|revision| obsolete(revision)).collect();
            history.duplicate_hashes = current.iter().filter_map(|revision| label(revision)).collect();
            history.duplicate_hashes.retain(|hash| *hash != history.hash);
        }
    }
    history
}

impl History {
    /// The hashes of pods that are of the current template.
    pub fn current_hashes(&self) -> Vec<String> {
        std::iter::once(&self.hash).chain(&self.duplicate_hashes).filter(|hash| !hash.is_empty()).cloned().collect()
    }

    /// The old revisions beyond the limit, oldest first, except those that a pod still carries the hash of (§11.5).
    pub fn truncated(&self, set: &DaemonSet, is_carried: impl Fn(&str) -> bool) -> Vec<Obsolete> {
        let limit = set.spec.as_ref().and_then(|spec| spec.revision_history_limit).unwrap_or(DEFAULT_LIMIT);
        let surplus = self.old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        let is_live = |revision: &ControllerRevision| label(revision).is_some_and(|hash| is_carried(&hash));
        self.old.iter().filter(|revision| !is_live(revision)).take(surplus).map(|revision| obsolete(revision)).collect()
    }
}

/// What a revision stores: a patch that puts the template back (§11.3).
pub fn data(set: &DaemonSet) -> Value {
    let template = set.spec.as_ref().map(|spec| &spec.template);
    let mut template = template.and_then(|template| serde_json::to_value(template).ok()).unwrap_or_else(|| json!({}));
    template["$patch"] = json!("replace");
    json!({ "spec": { "template": template } })
}

/// Whether two data say the same. Kubernetes before 1.34 wrote `creationTimestamp: null`: an upgrade is no rollout.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let agrees = |key: &String, value: &Value, there: &serde_json::Map<String, Value>| {
                there.get(key).map_or(value.is_null(), |counterpart| same(value, counterpart))
            };
            one.iter().all(|(key, value)| agrees(key, value, other))
                && other.iter().all(|(key, value)| value.is_null() || one.contains_key(key))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (one, other) => one == other,
    }
}

/// The bytes that kubectl compares: keys sorted, no space, and the characters that Go's encoder escapes escaped.
pub fn bytes(data: &Value) -> String {
    // These characters can only be inside strings, so replacing them in the finished text is safe.
    data.to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// The hash of a template, different for each count of collisions.
fn hash(data: &Value, collisions: Option<i32>) -> String {
    let suffix = collisions.map(|count| i64::from(count).to_le_bytes());
    let sum = fnv32(&[bytes(data).as_bytes(), suffix.as_ref().map_or(&[][..], |suffix| &suffix[..])]);
    sum.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

fn new_revision(set: &DaemonSet, hash: &str, data: Value, revision: i64) -> ControllerRevision {
    let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let mut labels = template.and_then(|template| template.labels.clone()).unwrap_or_default();
    labels.insert(HASH_LABEL.to_owned(), hash.to_owned());
    ControllerRevision {
        metadata: ObjectMeta {
            namespace: set.metadata.namespace.clone(),
            name: Some(revision_name(set.metadata.name.as_deref().unwrap_or_default(), hash)),
            labels: Some(labels),
            annotations: set.metadata.annotations.clone(),
            owner_references: Some(vec![owner_reference(set)]),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(data)),
        revision,
    }
}

/// The name of a set's revision. A set's name may be so long that nothing fits behind it: then it is cut.
fn revision_name(set: &str, hash: &str) -> String {
    let room = LONGEST_NAME - 1 - hash.len();
    let cut = &set[..set.floor_char_boundary(room)];
    // A part of a name may not end in what a cut can leave at its end.
    format!("{}-{hash}", cut.trim_end_matches(['.', '-']))
}

fn name(revision: &ControllerRevision) -> String {
    revision.metadata.name.clone().unwrap_or_default()
}

fn label(revision: &ControllerRevision) -> Option<String> {
    revision.metadata.labels.as_ref()?.get(HASH_LABEL).cloned().filter(|hash| !hash.is_empty())
}

fn obsolete(revision: &ControllerRevision) -> Obsolete {
    Obsolete { name: name(revision), uid: revision.metadata.uid.clone().unwrap_or_default() }
}
