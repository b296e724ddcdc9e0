//! Faults of objects, with upstream's fields, reasons and words (`pkg/apis/*/validation`).
//!
//! Every rule takes an [`At`](fault::At), a value together with its path, and adds to [`Faults`](fault::Faults).

mod amounts;
mod container;
mod daemon_set;
mod data;
mod environment;
mod fault;
mod form;
mod labels;
mod metadata;
mod node;
mod pod;
mod pod_spec;
mod probe;
mod scheduling;
mod security;
mod small_kinds;
mod volume;
mod warnings;

use crate::resource::Resource;
use crate::status_error::Cause;
use fault::{At, Faults};
use serde_json::Value;

/// All faults of a defaulted object about to be created.
pub fn create(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let at = At::root(object);
    metadata::create(resource, &at.field("metadata"), &mut faults);
    of_kind(resource, &at, &mut faults);
    faults.into_causes()
}

/// All faults of an update of `old` to `new`, through the object's own path or a subresource's.
pub fn update(resource: &Resource, subresource: Option<&str>, old: &Value, new: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let (old, new) = (At::root(old), At::root(new));
    metadata::update(&old.field("metadata"), &new.field("metadata"), &mut faults);
    match (resource.kind, subresource) {
        ("DaemonSet", None) => daemon_set::update(&old, &new, &mut faults),
        ("DaemonSet", Some("status")) => daemon_set::status(&old, &new, &mut faults),
        ("Pod", None) => pod::update(&old, &new, &mut faults),
        ("Pod", Some("status")) => pod::status(&old, &new, &mut faults),
        ("Node", None) => node::update(&old, &new, &mut faults),
        ("Node", Some("status")) => node::status(&new, &mut faults),
        ("Namespace", Some("finalize")) => small_kinds::namespace(&new, &mut faults),
        (_, Some(_)) => {}
        (kind, None) => {
            of_kind(resource, &new, &mut faults);
            match kind {
                "ConfigMap" => data::frozen(&old, &new, &mut faults),
                "Secret" => {
                    faults.immutable(&old.field("type"), &new.field("type"));
                    data::frozen(&old, &new, &mut faults);
                }
                "ControllerRevision" => faults.immutable(&old.field("data"), &new.field("data")),
                "PriorityClass" => small_kinds::priority_kept(&old, &new, &mut faults),
                _ => {}
            }
        }
    }
    faults.into_causes()
}

/// What to warn the writer of: on create, and for a DaemonSet when its template changes. People seldom update pods.
pub fn warnings(resource: &Resource, old: Option<&Value>, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let at = At::root(new);
    match (resource.kind, old) {
        ("Pod", None) => warnings::pod(&at, &mut found),
        ("DaemonSet", old) if old.is_none_or(|old| old["spec"]["template"] != new["spec"]["template"]) => {
            warnings::template(&at.field("spec").field("template"), &mut found);
        }
        _ => {}
    }
    found
}

/// What holds for an object of that kind when it is created, and for most also when it is changed.
fn of_kind(resource: &Resource, at: &At<'_>, faults: &mut Faults) {
    match resource.kind {
        "DaemonSet" => daemon_set::spec(&at.field("spec"), faults),
        "Pod" => pod::create(at, faults),
        "Node" => node::check(at, faults),
        "ConfigMap" => data::config_map(at, faults),
        "Secret" => data::secret(at, faults),
        "ControllerRevision" => data::revision(at, faults),
        "PriorityClass" => small_kinds::priority_class(at, faults),
        "Lease" => small_kinds::lease(at, faults),
        "Event" => small_kinds::event(at, faults),
        "Namespace" => small_kinds::namespace(at, faults),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
