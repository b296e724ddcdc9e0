//! Metadata, which all kinds share (upstream `apimachinery/pkg/api/validation/objectmeta.go`).

use super::fault::{At, Faults};
use super::{address, labels};
use crate::names;
use crate::resource::Resource;
use serde_json::Value;

/// Finalizers that need no domain in front.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Metadata of an object about to be created.
pub(super) fn create(resource: &Resource, at: &At<'_>, faults: &mut Faults) {
    let name_fault = match (resource.group, resource.kind) {
        ("", "Namespace") => names::dns_label_fault,
        ("", "Service") => names::dns_1035_label_fault,
        ("rbac.authorization.k8s.io" | "certificates.k8s.io" | "apiregistration.k8s.io", _) => names::path_segment_fault,
        ("networking.k8s.io", "IPAddress") => address::name_fault,
        _ => names::dns_subdomain_fault,
    };
    let (name, prefix) = (at.field("name"), at.field("generateName"));
    if !prefix.is_empty() {
        faults.invalid_if(&prefix, name_fault(&without_trailing_dash(prefix.text())));
    }
    if name.is_empty() {
        faults.required(&name, "name or generateName is required");
    } else {
        faults.invalid_if(&name, name_fault(name.text()));
    }
    namespace(resource, &at.field("namespace"), faults);
    faults.non_negative(&at.field("generation"));
    shared(at, faults);
    finalizers(&at.field("finalizers"), faults);
}

/// A prefix may end in a dash, where a name may not. As upstream, the dash and what is before it count as one letter.
fn without_trailing_dash(prefix: &str) -> String {
    let Some(rest) = prefix.strip_suffix('-') else { return prefix.to_owned() };
    let mut letters = rest.chars();
    letters.next_back().map_or_else(|| prefix.to_owned(), |_| format!("{}a", letters.as_str()))
}

fn namespace(resource: &Resource, at: &At<'_>, faults: &mut Faults) {
    match (resource.namespaced, at.is_empty()) {
        (true, true) => faults.required(at, ""),
        (true, false) => faults.invalid_if(at, names::dns_label_fault(at.text())),
        (false, false) => faults.forbidden(at, "not allowed on this type"),
        (false, true) => {}
    }
}

/// Metadata of an update: what never changes, and what only grows.
pub(super) fn update(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        faults.immutable(&old.field(field), &new.field(field));
    }
    let generation = new.field("generation");
    faults.non_negative(&generation);
    if generation.number() < old.field("generation").number() {
        faults.invalid(&generation, "must not be decremented");
    }
    if !old.field("deletionTimestamp").is_empty() {
        no_new_finalizers(&old.field("finalizers"), &new.field("finalizers"), faults);
    }
    shared(new, faults);
}

fn shared(at: &At<'_>, faults: &mut Faults) {
    labels::labels(&at.field("labels"), faults);
    labels::annotations(&at.field("annotations"), faults);
    owner_references(&at.field("ownerReferences"), faults);
}

/// Owners are named in full and at most one controls. Faults name the list, as upstream's do.
fn owner_references(at: &At<'_>, faults: &mut Faults) {
    let mut controller: Option<&str> = None;
    for reference in at.items() {
        let field = |name: &str| reference.field(name).renamed(format!("{}.{name}", at.path));
        let version = field("apiVersion");
        if version.text().rsplit('/').next().is_none_or(str::is_empty) {
            faults.invalid_value(&version, &version.text().into(), "version must not be empty");
        }
        for name in ["kind", "name", "uid"] {
            let part = field(name);
            if part.is_empty() {
                faults.invalid_value(&part, &part.text().into(), &format!("{name} must not be empty"));
            }
        }
        if version.text() == "v1" && reference.text_of("kind") == "Event" {
            faults.invalid(&reference.renamed(&at.path), "/v1, Kind=Event is disallowed from being an owner");
        }
        if reference.value["controller"] == true {
            if let Some(first) = controller {
                let name = reference.text_of("name");
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                );
                faults.invalid(at, &why);
            }
            controller = controller.or(Some(reference.text_of("name")));
        }
    }
}

fn finalizers(at: &At<'_>, faults: &mut Faults) {
    for (index, finalizer) in at.items().enumerate() {
        let name = finalizer.text();
        if let Some(why) = names::qualified_name_fault(name) {
            faults.invalid(&finalizer.renamed(&at.path), &why);
        } else if !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) {
            let place = finalizer.renamed(format!("{}[{index}]", at.path));
            faults.invalid(&place, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
    let has = |wanted: &str| at.items().any(|finalizer| finalizer.text() == wanted);
    if has("orphan") && has("foregroundDeletion") {
        faults.invalid(at, "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

fn no_new_finalizers(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let before: Vec<&Value> = old.items().map(|finalizer| finalizer.value).collect();
    let added: Vec<String> = new.items().filter(|one| !before.contains(&one.value)).map(|one| one.value.to_string()).collect();
    if !added.is_empty() {
        let found = format!("[]string{{{}}}", added.join(", "));
        faults.forbidden(
            new,
            &format!("no new finalizers can be added if the object is being deleted, found new finalizers {found}"),
        );
    }
}
