//! Flow schemas and priority levels (upstream `pkg/apis/flowcontrol/validation/validation.go`).

use super::fault::{At, Faults};
use crate::names;
use std::collections::BTreeSet;

const VERBS: [&str; 9] = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const MOST_PRECEDENCE: i64 = 10_000;
/// Most queues of a level, and how many bits it may take to say which of them a hand has.
const MOST_QUEUES: i64 = 10_000_000;
const MOST_ENTROPY: f64 = 60.0;
/// The kinds of subjects, each with the field that tells more of it.
const SUBJECTS: [(&str, &str); 3] = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];

/// A FlowSchema: which requests belong to which level.
pub(super) fn schema(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    let precedence = spec.field("matchingPrecedence");
    if precedence.number() <= 0 {
        faults.invalid(&precedence, "must be a positive value");
    }
    if precedence.number() > MOST_PRECEDENCE {
        faults.invalid(&precedence, &format!("must not be greater than {MOST_PRECEDENCE}"));
    }
    if precedence.number() == 1 && at.field("metadata").text_of("name") != "exempt" {
        faults.invalid(&precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    if let Some(method) = spec.present("distinguisherMethod") {
        let kind = method.field("type");
        if !matches!(kind.text(), "ByNamespace" | "ByUser") {
            faults.not_supported(&kind, &["ByNamespace", "ByUser"]);
        }
    }
    let level = spec.field("priorityLevelConfiguration").field("name");
    if level.is_empty() {
        faults.required(&level, "must reference a priority level");
    } else {
        faults.invalid_if(&level, names::dns_subdomain_fault(level.text()));
    }
    spec.field("rules").items().for_each(|one| rule(&one, faults));
}

fn rule(at: &At<'_>, faults: &mut Faults) {
    let (subjects, resources, paths) = (at.field("subjects"), at.field("resourceRules"), at.field("nonResourceRules"));
    if subjects.is_empty() {
        faults.required(&subjects, "subjects must contain at least one value");
    }
    subjects.items().for_each(|one| subject(&one, faults));
    if resources.is_empty() && paths.is_empty() {
        faults.required(at, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    for rule in resources.items() {
        verbs(&rule.field("verbs"), faults);
        all_or_some(&rule.field("apiGroups"), "resource rules must supply at least one api group", "api groups", faults);
        all_or_some(&rule.field("resources"), "resource rules must supply at least one resource", "resources", faults);
        let namespaces = rule.field("namespaces");
        if namespaces.is_empty() && rule.value["clusterScope"] == true {
            continue;
        }
        let missing = "resource rules that are not cluster scoped must supply at least one namespace";
        all_or_some(&namespaces, missing, "namespaces", faults);
        if !has_all(&namespaces) {
            for namespace in namespaces.items() {
                if let Some(why) = names::dns_label_fault(namespace.text()) {
                    let why = format!("each member of this list must be '*' or a DNS-1123 label; {why}");
                    faults.invalid(&namespace, &why);
                }
            }
        }
    }
    for rule in paths.items() {
        verbs(&rule.field("verbs"), faults);
        let urls = rule.field("nonResourceURLs");
        all_or_some(&urls, "nonResourceURLs must contain at least one value", "non-resource URLs", faults);
        if !has_all(&urls) {
            urls.items().for_each(|url| path(&url, faults));
        }
    }
}

fn has_all(at: &At<'_>) -> bool {
    at.items().any(|item| item.text() == "*")
}

/// A list that is not empty, and that has nothing beside a star.
fn all_or_some(at: &At<'_>, missing: &str, what: &str, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, missing);
    } else if has_all(at) && at.items().count() > 1 {
        faults.invalid(at, &format!("if '*' is present, must not specify other {what}"));
    }
}

fn verbs(at: &At<'_>, faults: &mut Faults) {
    all_or_some(at, "verbs must contain at least one value", "verbs", faults);
    if !has_all(at) && at.items().any(|verb| !VERBS.contains(&verb.text())) {
        faults.not_supported(at, &VERBS);
    }
}

fn path(at: &At<'_>, faults: &mut Faults) {
    let path = at.text();
    if path.is_empty() {
        faults.invalid(at, "must not be empty");
    } else if !path.starts_with('/') {
        faults.invalid(at, "must start with slash");
    } else if path.contains(' ') {
        faults.invalid(at, "must not contain white-space");
    } else if path != "/" && path.contains("//") {
        faults.invalid(at, "must not contain double slash");
    } else if path.contains('*') && (path.matches('*').count() > 1 || !path.ends_with("/*")) {
        faults.invalid(at, "wildcard can only do suffix matching");
    }
}

fn subject(at: &At<'_>, faults: &mut Faults) {
    let kind = at.text_of("kind");
    let Some((_, own)) = SUBJECTS.iter().find(|(name, _)| *name == kind) else {
        return faults.not_supported(&at.field("kind"), &SUBJECTS.map(|(name, _)| name));
    };
    match at.present(own) {
        None => faults.required(&at.field(own), &format!("{own} is required when subject kind is '{kind}'")),
        Some(of) => {
            let name = of.field("name");
            if name.is_empty() {
                faults.required(&name, "");
            }
            if kind == "ServiceAccount" {
                account(&of, faults);
            }
        }
    }
    for (kind, field) in SUBJECTS.iter().filter(|(_, field)| field != own) {
        if let Some(other) = at.present(field) {
            faults.forbidden(&other, &format!("{field} is forbidden when subject kind is not '{kind}'"));
        }
    }
}

fn account(at: &At<'_>, faults: &mut Faults) {
    let (name, namespace) = (at.field("name"), at.field("namespace"));
    if !name.is_empty() && name.text() != "*" {
        faults.invalid_if(&name, names::dns_subdomain_fault(name.text()));
    }
    if namespace.is_empty() {
        faults.required(&namespace, "must specify namespace for service account");
    } else {
        faults.invalid_if(&namespace, names::dns_label_fault(namespace.text()));
    }
}

/// A PriorityLevelConfiguration: how many requests of it are served at once, and which wait.
pub(super) fn level(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    let (kind, limited, exempt) = (spec.field("type"), spec.present("limited"), spec.present("exempt"));
    if (at.field("metadata").text_of("name") == "exempt") != (kind.text() == "Exempt") {
        let shown = kind.text().into();
        faults.invalid_value(&kind, &shown, "type must be 'Exempt' if and only if name is 'exempt'");
    }
    match (kind.text(), limited, exempt) {
        ("Exempt", limited, exempt) => {
            if let Some(limited) = limited {
                faults.forbidden(&limited, "must be nil if the type is not Limited");
            }
            if let Some(exempt) = exempt {
                faults.non_negative(&exempt.field("nominalConcurrencyShares"));
                percent(&exempt.field("lendablePercent"), faults);
            }
        }
        ("Limited", limited, exempt) => {
            if let Some(exempt) = exempt {
                faults.forbidden(&exempt, "must be nil if the type is Limited");
            }
            match limited {
                None => faults.required(&spec.field("limited"), "must not be empty when type is Limited"),
                Some(limited) => self::limited(&limited, faults),
            }
        }
        _ => faults.not_supported(&kind, &["Exempt", "Limited"]),
    }
}

fn percent(at: &At<'_>, faults: &mut Faults) {
    if !at.value.is_null() {
        faults.between(at, 0, 100);
    }
}

fn limited(at: &At<'_>, faults: &mut Faults) {
    let shares = at.field("nominalConcurrencyShares");
    if shares.number() < 0 {
        faults.invalid(&shares, "must be a non-negative integer");
    }
    percent(&at.field("lendablePercent"), faults);
    faults.non_negative(&at.field("borrowingLimitPercent"));
    let response = at.field("limitResponse");
    let (kind, queuing) = (response.field("type"), response.present("queuing"));
    match (kind.text(), queuing) {
        ("Reject", None) => {}
        ("Reject", Some(queuing)) => faults.forbidden(&queuing, "must be nil if limited.limitResponse.type is not Limited"),
        ("Queue", None) => {
            faults.required(&response.field("queuing"), "must not be empty if limited.limitResponse.type is Limited");
        }
        ("Queue", Some(queuing)) => self::queuing(&queuing, faults),
        _ => faults.not_supported(&kind, &["Queue", "Reject"]),
    }
}

fn queuing(at: &At<'_>, faults: &mut Faults) {
    let (length, queues, hand) = (at.field("queueLengthLimit"), at.field("queues"), at.field("handSize"));
    for number in [&length, &queues, &hand].iter().filter(|at| at.number() <= 0) {
        faults.invalid(number, "must be positive");
    }
    if queues.number() > MOST_QUEUES {
        faults.invalid(&queues, &format!("must not be greater than {MOST_QUEUES}"));
    }
    let (deck, dealt) = (queues.number(), hand.number());
    if dealt > deck.max(0) {
        faults.invalid(&hand, &format!("should not be greater than queues ({deck})"));
    } else if dealt > 0 && (deck as f64).log2() * dealt as f64 > MOST_ENTROPY {
        let why =
            format!("required entropy bits of deckSize {deck} and handSize {dealt} should not be greater than {MOST_ENTROPY}");
        faults.invalid(&hand, &why);
    }
}

/// A write of `/status`: conditions of different types.
pub(super) fn status(at: &At<'_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for condition in at.field("status").field("conditions").items() {
        let kind = condition.field("type");
        if !seen.insert(kind.text()) {
            faults.duplicate(&kind);
        }
        if kind.is_empty() {
            faults.required(&kind, "must not be empty");
        }
    }
}
