//! `/scale` shows and takes one field of an object; so it does with who owns that field.

use super::entry::{self, Entry};
use super::path::Element;
use super::set::Set;
use crate::scale::API_VERSION;
use serde_json::Value;

/// Where built-in kinds have the number.
pub const REPLICAS: &[&str] = &["spec", "replicas"];

fn elements(path: &[&str]) -> Vec<Element> {
    path.iter().map(|name| Element::field(name)).collect()
}

/// The entries of an object's scale: those of the object that own the number of replicas, which it has at `replicas`.
pub fn to_scale(owned: &Value, replicas: &[&str]) -> Value {
    let (path, in_scale) = (elements(replicas), elements(REPLICAS));
    let mut entries = entry::decode(owned).unwrap_or_default();
    entries.retain(|entry| entry.fields.has(&path));
    for entry in &mut entries {
        entry.api_version = API_VERSION.into();
        entry.fields = Set::of([in_scale.as_slice()]);
    }
    entry::encode(&entries)
}

/// The entries of an object after a write of its scale, of which the entries are `scaled`.
pub fn to_parent(owned: &Value, scaled: &Value, api_version: &str, replicas: &[&str]) -> Value {
    let (path, in_scale) = (elements(replicas), elements(REPLICAS));
    let mut scaled = entry::decode(scaled).unwrap_or_default();
    let mut entries = Vec::new();
    for mut entry in entry::decode(owned).unwrap_or_default() {
        if entry.fields.has(&path) {
            let same = |other: &Entry| {
                let (own, other) = (&entry.manager, &other.manager);
                (&own.name, own.operation, &own.subresource) == (&other.name, other.operation, &other.subresource)
            };
            match scaled.iter().position(same) {
                // It still owns the number.
                Some(at) => drop(scaled.remove(at)),
                None => entry.fields = entry.fields.difference(&Set::of([path.as_slice()])),
            }
        }
        if !entry.fields.is_empty() {
            entries.push(entry);
        }
    }
    for mut entry in scaled.into_iter().filter(|entry| entry.fields.has(&in_scale)) {
        entry.fields = Set::of([path.as_slice()]);
        entry.api_version = api_version.into();
        // As upstream, which knows the times of the object's own entries only.
        entry.time = None;
        entries.push(entry);
    }
    entry::encode(&entries)
}
