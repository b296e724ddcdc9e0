//! Policies of admission and their bindings (upstream `pkg/apis/admissionregistration/validation/validation.go`).
//!
//! Expressions are looked at from outside only: nothing here evaluates them.

use super::fault::{At, Faults};
use super::{labels, webhook};
use crate::names;
use std::collections::BTreeSet;

const REASONS: [&str; 4] = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
/// Words that name nothing in an expression.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];
const MOST_ANNOTATIONS: usize = 20;
const LONGEST_ANNOTATION: usize = 5 << 10;
const MOST_CONDITIONS: usize = 64;

/// A ValidatingAdmissionPolicy.
pub(super) fn validating(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    shared(&spec, faults);
    let (validations, annotations) = (spec.field("validations"), spec.field("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        for list in [&validations, &annotations] {
            faults.required(list, "validations or auditAnnotations must contain at least one item");
        }
    }
    validations.items().for_each(|one| validation(&one, faults));
    if annotations.items().count() > MOST_ANNOTATIONS {
        faults.invalid(&annotations, &format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations"));
    }
    let mut seen = BTreeSet::new();
    for annotation in annotations.items() {
        let key = annotation.field("key");
        let full = format!("{}/{}", at.field("metadata").text_of("name"), key.text());
        if let Some(why) = names::qualified_name_fault(&full) {
            faults.invalid_value(&key, &full.into(), &why);
        }
        let value = annotation.field("valueExpression");
        if value.text().trim().is_empty() {
            faults.required(&value, "valueExpression is not specified");
        } else if value.text().trim().len() > LONGEST_ANNOTATION {
            faults.required(&value, &format!("must not exceed {LONGEST_ANNOTATION} bytes in length"));
        }
        if !seen.insert(key.text()) {
            faults.duplicate(&key);
        }
    }
}

/// A MutatingAdmissionPolicy.
pub(super) fn mutating(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    shared(&spec, faults);
    faults.one_of(&spec.field("reinvocationPolicy"), &["IfNeeded", "Never"]);
    let mutations = spec.field("mutations");
    if mutations.is_empty() {
        faults.required(&mutations, "mutations must contain at least one item");
    }
    for mutation in mutations.items() {
        let kind = mutation.field("patchType");
        let (own, other) = match kind.text() {
            "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
            "JSONPatch" => ("jsonPatch", "applyConfiguration"),
            _ => {
                faults.one_of(&kind, &["ApplyConfiguration", "JSONPatch"]);
                continue;
            }
        };
        match mutation.present(own) {
            None => faults.required(&mutation.field(own), &format!("must be specified when patchType is {}", kind.text())),
            Some(patch) => expression(&patch.field("expression"), faults),
        }
        if let Some(other) = mutation.present(other) {
            faults.invalid_value(&other, &"{}".into(), &format!("must not be specified when patchType is {}", kind.text()));
        }
    }
}

fn shared(at: &At<'_>, faults: &mut Faults) {
    faults.one_of(&at.field("failurePolicy"), &["Fail", "Ignore"]);
    if let Some(kind) = at.present("paramKind") {
        param_kind(&kind, faults);
    }
    match at.present("matchConstraints") {
        None => faults.required(&at.field("matchConstraints"), ""),
        Some(constraints) => {
            resources(&constraints, faults);
            let rules = constraints.field("resourceRules");
            if rules.is_empty() {
                faults.required(&rules, "");
            }
        }
    }
    conditions(&at.field("matchConditions"), faults);
    for variable in at.field("variables").items() {
        let name = variable.field("name");
        if name.text().trim().is_empty() {
            faults.required(&name, "name is not specified");
        } else if !is_identifier(name.text()) {
            faults.invalid(&name, "name is not a valid CEL identifier");
        }
        expression(&variable.field("expression"), faults);
    }
}

fn expression(at: &At<'_>, faults: &mut Faults) {
    if at.text().trim().is_empty() {
        faults.required(at, "expression is not specified");
    }
}

fn is_identifier(text: &str) -> bool {
    let first = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    text.starts_with(first) && text.chars().all(|letter| first(letter) || letter.is_ascii_digit()) && !RESERVED.contains(&text)
}

fn conditions(at: &At<'_>, faults: &mut Faults) {
    faults.at_most(at, MOST_CONDITIONS);
    let mut seen = BTreeSet::new();
    for condition in at.items() {
        let (name, text) = (condition.field("name"), condition.field("expression"));
        if text.text().trim().is_empty() {
            faults.required(&text, "");
        }
        faults.named(&name, names::qualified_name_fault);
        faults.unique(&name, &mut seen);
    }
}

fn validation(at: &At<'_>, faults: &mut Faults) {
    expression(&at.field("expression"), faults);
    let (told, message) = (at.field("messageExpression"), at.field("message"));
    if !told.is_empty() && told.text().trim().is_empty() {
        faults.invalid(&told, "must be non-empty if specified");
    }
    if !message.is_empty() && message.text().trim().is_empty() {
        faults.invalid(&message, "message must be non-empty if specified");
    } else if message.text().trim().contains(['\n', '\r']) {
        faults.invalid(&message, "message must not contain line breaks");
    }
    faults.one_of_if_set(&at.field("reason"), &REASONS);
}

fn param_kind(at: &At<'_>, faults: &mut Faults) {
    let (api_version, kind) = (at.field("apiVersion"), at.field("kind"));
    let parts: Vec<&str> = api_version.text().split('/').collect();
    match parts.as_slice() {
        [""] => faults.required(&api_version, ""),
        [version] => version_fault(&api_version, version, faults),
        [group, version] => {
            if let Some(why) = names::dns_subdomain_fault(group).filter(|_| !group.is_empty()) {
                faults.invalid_value(&api_version, &(*group).into(), &why);
            }
            version_fault(&api_version, version, faults);
        }
        _ => faults.invalid(&api_version, &format!("unexpected GroupVersion string: {}", api_version.text())),
    }
    if kind.is_empty() {
        faults.required(&kind, "");
    } else if let Some(why) = names::dns_1035_label_fault(&kind.text().to_lowercase()) {
        faults.invalid(&kind, &format!("may have mixed case, but should otherwise match: {why}"));
    }
}

fn version_fault(at: &At<'_>, version: &str, faults: &mut Faults) {
    if version.is_empty() {
        faults.invalid(at, "version must be specified");
    } else if let Some(why) = names::dns_1035_label_fault(version) {
        faults.invalid_value(at, &version.into(), &why);
    }
}

/// Which requests are meant.
fn resources(at: &At<'_>, faults: &mut Faults) {
    faults.one_of(&at.field("matchPolicy"), &["Equivalent", "Exact"]);
    for selector in ["namespaceSelector", "objectSelector"] {
        labels::selector(&at.field(selector), false, faults);
    }
    for rule in ["resourceRules", "excludeResourceRules"].iter().flat_map(|list| at.field(list).items()) {
        let mut seen = BTreeSet::new();
        for name in rule.field("resourceNames").items() {
            faults.invalid_if(&name, names::path_segment_fault(name.text()));
            faults.unique(&name, &mut seen);
        }
        webhook::rule(&rule, faults);
    }
}

/// The binding of a policy; that of a validating one says what comes of a refusal.
pub(super) fn binding(at: &At<'_>, validating: bool, faults: &mut Faults) {
    faults.named(&at.field("policyName"), names::dns_subdomain_fault);
    if let Some(parameters) = at.present("paramRef") {
        param_ref(&parameters, faults);
    }
    if let Some(matched) = at.present("matchResources") {
        resources(&matched, faults);
    }
    if validating {
        actions(&at.field("validationActions"), faults);
    }
}

fn actions(at: &At<'_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for action in at.items() {
        if !matches!(action.text(), "Audit" | "Deny" | "Warn") {
            faults.not_supported(&action, &["Audit", "Deny", "Warn"]);
        }
        if !seen.insert(action.text()) {
            faults.duplicate(&action);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        faults.invalid(
            at,
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers \
             serves no purpose)",
        );
    }
    if seen.is_empty() {
        faults.required(at, "at least one validation action is required");
    }
}

fn param_ref(at: &At<'_>, faults: &mut Faults) {
    const EXCLUSIVE: &str = "name and selector are mutually exclusive";
    let (name, selector) = (at.field("name"), at.present("selector"));
    if !name.is_empty() {
        faults.invalid_if(&name, names::path_segment_fault(name.text()));
        if selector.is_some() {
            faults.forbidden(&name, EXCLUSIVE);
        }
    }
    match &selector {
        Some(selector) => {
            labels::selector(selector, false, faults);
            if !name.is_empty() {
                faults.forbidden(selector, EXCLUSIVE);
            }
        }
        None if name.is_empty() => faults.required(at, "one of name or selector must be specified"),
        None => {}
    }
    faults.one_of(&at.field("parameterNotFoundAction"), &["Allow", "Deny"]);
}
