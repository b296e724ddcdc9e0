//! Faults of objects, with upstream's fields, reasons and words (`pkg/apis/*/validation`).
//!
//! Every rule takes an [`At`](fault::At), a value together with its path, and adds to [`Faults`](fault::Faults).

mod daemon_set;
mod fault;
mod labels;
mod metadata;

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
        (_, None) => of_kind(resource, &new, &mut faults),
        _ => {}
    }
    faults.into_causes()
}

/// What holds for an object of that kind at all times.
fn of_kind(resource: &Resource, at: &At<'_>, faults: &mut Faults) {
    if resource.kind == "DaemonSet" {
        daemon_set::spec(&at.field("spec"), faults);
    }
}

#[cfg(test)]
mod tests;
