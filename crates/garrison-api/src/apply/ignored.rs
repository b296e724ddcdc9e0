//! What a write cannot change, so that nobody comes to own it by writing it.

use super::set::Set;
use crate::resource::Resource;

/// The paths that a write of the object, or of a subresource, leaves as they are.
pub fn ignored(resource: &Resource, subresource: Option<&str>) -> Set {
    match subresource {
        Some("status") => Set::of_fields(beside_status(resource)),
        Some("scale") => Set::default(),
        _ if resource.has_status => Set::of_fields(&[&["status"]]),
        _ => Set::default(),
    }
}

fn beside_status(resource: &Resource) -> &'static [&'static [&'static str]] {
    if resource.custom.is_some() {
        return &[&["spec"], &["metadata"]];
    }
    match (resource.group, resource.kind) {
        ("", "Pod") => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        ("apps", "Deployment") => &[&["spec"], &["metadata", "labels"]],
        ("storage.k8s.io", "VolumeAttachment") => &[&["spec"], &["metadata"]],
        _ => &[&["spec"]],
    }
}
