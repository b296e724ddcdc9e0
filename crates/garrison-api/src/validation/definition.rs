//! Faults of CustomResourceDefinitions.

mod parts;
mod structural;

use super::fault::{At, Faults};
use crate::custom::{conditions::is_protected, definition::Definition};
use crate::names;
use serde_json::Value;
use std::collections::BTreeSet;

/// The annotation that groups of Kubernetes' own ask for.
const APPROVED: &str = "api-approved.kubernetes.io";

/// What versions may differ in.
const PARTS: [&str; 4] = ["schema", "subresources", "additionalPrinterColumns", "selectableFields"];

/// Formats that nobody is held to, because they are not known.
pub(super) fn warnings(at: &At<'_>, found: &mut Vec<String>) {
    for version in at.field("spec").field("versions").items() {
        structural::unknown_formats(&version.field("schema").field("openAPIV3Schema"), found);
    }
}

/// A definition about to be created.
pub(super) fn create(at: &At<'_>, faults: &mut Faults) {
    let definition = Definition(at.value);
    if definition.name() != format!("{}.{}", definition.plural(), definition.group()) {
        faults.invalid(&at.field("metadata").field("name"), "must be spec.names.plural+\".\"+spec.group");
    }
    if is_protected(definition.group()) && at.value["metadata"]["annotations"][APPROVED].as_str().is_none_or(str::is_empty) {
        let why = format!(
            "protected groups must have approval annotation \"{APPROVED}\", see https://github.com/kubernetes/enhancements/pull/1111"
        );
        faults.required(&at.field("metadata").renamed(format!("metadata.annotations[{APPROVED}]")), &why);
    }
    spec(&at.field("spec"), faults);
}

/// A definition that is changed: what is stored under its names stays readable.
pub(super) fn update(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    spec(&new.field("spec"), faults);
    let (before, after) = (old.field("spec"), new.field("spec"));
    if Definition(old.value).has("Established") {
        faults.immutable(&before.field("scope"), &after.field("scope"));
        faults.immutable(&before.field("names").field("kind"), &after.field("names").field("kind"));
    }
    faults.immutable(&before.field("group"), &after.field("group"));
    faults.immutable(&before.field("names").field("plural"), &after.field("names").field("plural"));
    stored_versions(new, faults);
}

/// The status of a definition.
pub(super) fn status(new: &At<'_>, faults: &mut Faults) {
    stored_versions(new, faults);
}

fn stored_versions(at: &At<'_>, faults: &mut Faults) {
    let stored = at.field("status").field("storedVersions");
    let known: Vec<&Value> =
        at.value["spec"]["versions"].as_array().into_iter().flatten().map(|version| &version["name"]).collect();
    for version in stored.items().filter(|version| !known.contains(&version.value)) {
        faults.invalid(&version, "missing from spec.versions; must not be removed while objects may be stored in it");
    }
    let storage = Definition(at.value).storage_version();
    if !stored.is_empty() && stored.items().all(|version| version.text() != storage) {
        faults.invalid(&stored, &format!("must have the storage version {storage}"));
    }
}

fn spec(at: &At<'_>, faults: &mut Faults) {
    let group = at.field("group");
    if group.is_empty() {
        faults.required(&group, "");
    } else if let Some(why) = names::dns_subdomain_fault(group.text()) {
        faults.invalid(&group, &why);
    } else if !group.text().contains('.') {
        faults.invalid(&group, "should be a domain with at least one dot");
    }
    faults.one_of(&at.field("scope"), &["Cluster", "Namespaced"]);
    if at.value["preserveUnknownFields"] == true {
        let why = "must be false in order to use defaults in the schema, and is refused in this version of the API";
        faults.invalid(&at.field("preserveUnknownFields"), why);
    }
    versions(&at.field("versions"), faults);
    all_names(&at.field("names"), faults);
    conversion(at, faults);
    // What all versions share is told as if it stood above them: so does upstream.
    let list = at.field("versions");
    let all = list.value.as_array().map(Vec::as_slice).unwrap_or_default();
    for version in list.items() {
        let place = |part: &str, above: &str| {
            let own = version.field(part);
            let shared = all.iter().all(|other| other[part] == version.value[part]);
            if shared { own.renamed(format!("{}.{above}", at.path)) } else { own }
        };
        parts::subresources(&place("subresources", "subresources"), faults);
        parts::columns(&place("additionalPrinterColumns", "additionalPrinterColumns"), faults);
        parts::selectable_fields(
            &place("selectableFields", "selectableFields"),
            &version.value["schema"]["openAPIV3Schema"],
            faults,
        );
        structural::schema(&version, &place("schema", "validation").field("openAPIV3Schema"), faults);
        if PARTS.iter().all(|part| all.iter().all(|other| other[*part] == version.value[*part])) {
            break;
        }
    }
}

fn versions(at: &At<'_>, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, "must have at least one version");
    }
    let mut seen = BTreeSet::new();
    let mut unique = true;
    for version in at.items() {
        let name = version.field("name");
        if let Some(why) = names::dns_1035_label_fault(name.text()) {
            faults.invalid_value(&name, &name.text().into(), &why);
        }
        unique &= seen.insert(name.text());
        if version.value["deprecationWarning"].is_string() {
            parts::deprecation(&version, faults);
        }
    }
    if !unique {
        faults.invalid(at, "must contain unique version names");
    }
    let storing = at.items().filter(|version| version.value["storage"] == true).count();
    if storing != 1 {
        faults.invalid(at, "must have exactly one version marked as storage version");
    }
}

fn all_names(at: &At<'_>, faults: &mut Faults) {
    for name in ["plural", "singular", "kind", "listKind"] {
        let field = at.field(name);
        if field.is_empty() {
            faults.required(&field, "");
            continue;
        }
        let is_kind = name.to_lowercase().ends_with("kind");
        let text = if is_kind { field.text().to_lowercase() } else { field.text().to_owned() };
        if let Some(why) = names::dns_1035_label_fault(&text) {
            let before = if is_kind { "may have mixed case, but should otherwise match: " } else { "" };
            faults.invalid(&field, &format!("{before}{why}"));
        }
    }
    for list in ["shortNames", "categories"] {
        at.field(list).items().for_each(|one| faults.invalid_if(&one, names::dns_1035_label_fault(one.text())));
    }
    if at.text_of("kind") == at.text_of("listKind") && !at.text_of("kind").is_empty() {
        faults.invalid(&at.field("listKind"), "kind and listKind may not be the same");
    }
}

/// Versions differ in nothing but their name, for nobody is asked to convert.
fn conversion(at: &At<'_>, faults: &mut Faults) {
    let conversion = at.field("conversion");
    let strategy = conversion.field("strategy");
    match strategy.text() {
        "None" if !conversion.value["webhook"].is_null() => {
            let why = "should not be set when strategy is not set to Webhook";
            faults.forbidden(&conversion.field("webhook"), why);
        }
        "None" => {}
        "Webhook" => faults.forbidden(&strategy, "conversion by webhooks is not served here: only None is"),
        _ => faults.one_of(&strategy, &["None", "Webhook"]),
    }
}
