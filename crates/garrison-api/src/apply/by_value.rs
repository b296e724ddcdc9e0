//! The parts of built-in kinds that upstream holds by value: they are there before anything is said of them, so nobody
//! comes to own them by making them.

use super::set::Set;
use crate::resource::Resource;
use std::sync::OnceLock;

const PARTS: &[&[&str]] = &[
    &["metadata"],
    &["spec"],
    &["spec", "template"],
    &["spec", "template", "metadata"],
    &["spec", "template", "spec"],
    &["spec", "jobTemplate"],
    &["spec", "jobTemplate", "metadata"],
    &["spec", "jobTemplate", "spec"],
    &["spec", "jobTemplate", "spec", "template"],
    &["spec", "jobTemplate", "spec", "template", "metadata"],
    &["spec", "jobTemplate", "spec", "template", "spec"],
    &["spec", "strategy"],
    &["spec", "updateStrategy"],
    &["spec", "source"],
    &["status"],
    &["status", "loadBalancer"],
    &["status", "daemonEndpoints"],
    &["status", "daemonEndpoints", "kubeletEndpoint"],
    &["status", "nodeInfo"],
];

/// Those parts of a kind of the type graph.
pub fn by_value(resource: &Resource) -> &'static Set {
    static MOST: OnceLock<Set> = OnceLock::new();
    static CLAIMS: OnceLock<Set> = OnceLock::new();
    let most = || Set::of_fields(PARTS);
    match resource.kind {
        // What a pod asks for as a whole stands at the same place, and is no such part.
        "PersistentVolumeClaim" => CLAIMS.get_or_init(|| most().union(&Set::of_fields(&[&["spec", "resources"]]))),
        _ => MOST.get_or_init(most),
    }
}
