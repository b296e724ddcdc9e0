//! Kinds with two faces: served in two versions, and kept in one of them.

mod autoscaler;
mod metrics;

use crate::event;
use crate::resource::{self, Resource};
use serde_json::Value;

/// The row under which objects of this one are kept, if it is not this one.
pub fn kept_as(resource: &Resource) -> Option<&'static Resource> {
    if event::is_new_face(resource) {
        return resource::find("", "v1", "events");
    }
    autoscaler::is_old_face(resource).then(|| resource::find("autoscaling", "v2", "horizontalpodautoscalers")).flatten()
}

/// An object of the kind as it is kept.
pub fn kept(resource: &Resource, object: Value) -> Value {
    match resource.kind {
        "Event" => event::kept(resource, object),
        "HorizontalPodAutoscaler" if resource.group == "autoscaling" => autoscaler::kept(resource, object),
        _ => object,
    }
}

/// A kept object as clients of the kind see it.
pub fn shown(resource: &Resource, object: Value) -> Value {
    match resource.kind {
        "Event" => event::shown(resource, object),
        "HorizontalPodAutoscaler" => autoscaler::shown(resource, object),
        _ => object,
    }
}

/// The label of a field selector, as the face that is kept calls it: there are but those fields in the index.
pub fn kept_label(resource: &Resource, label: &str) -> String {
    if event::is_new_face(resource) { event::kept_label(label) } else { label.into() }
}
