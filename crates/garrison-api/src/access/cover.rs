//! Whether some rules contain others: who gives access to somebody must have it himself.

use super::{Rule, covers_path, has};
use std::collections::{BTreeMap, BTreeSet};

/// What of `wanted` is not among `held`, in the smallest pieces.
pub fn missing(held: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let pieces = wanted.iter().flat_map(pieces);
    pieces.filter(|piece| !held.iter().any(|rule| covers(rule, piece))).collect()
}

/// The rule as rules of one verb, one resource and at most one name, or of one verb and one path.
fn pieces(rule: &Rule) -> Vec<Rule> {
    let one = |text: &String| vec![text.clone()];
    let mut found = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let piece = Rule { verbs: one(verb), api_groups: one(group), resources: one(resource), ..Rule::default() };
                if rule.resource_names.is_empty() {
                    found.push(piece);
                    continue;
                }
                found.extend(rule.resource_names.iter().map(|name| Rule { resource_names: one(name), ..piece.clone() }));
            }
        }
    }
    for url in &rule.non_resource_urls {
        found.extend(rule.verbs.iter().map(|verb| Rule { verbs: one(verb), non_resource_urls: one(url), ..Rule::default() }));
    }
    found
}

/// Whether the rule allows all that the piece does.
fn covers(rule: &Rule, piece: &Rule) -> bool {
    let all = |list: &[String], wanted: &[String]| wanted.iter().all(|one| has(list, one));
    let resource = |wanted: &String| {
        let same_part = |(_, part): (&str, &str)| rule.resources.iter().any(|own| own.strip_prefix("*/") == Some(part));
        has(&rule.resources, wanted) || wanted.split_once('/').is_some_and(same_part)
    };
    let names = rule.resource_names.is_empty()
        || !piece.resource_names.is_empty() && piece.resource_names.iter().all(|name| rule.resource_names.contains(name));
    all(&rule.verbs, &piece.verbs)
        && all(&rule.api_groups, &piece.api_groups)
        && piece.resources.iter().all(resource)
        && names
        && piece.non_resource_urls.iter().all(|url| rule.non_resource_urls.iter().any(|own| covers_path(own, url)))
}

/// Pieces in upstream's words, one line each: those that differ only by their verb together.
pub fn words(pieces: &[Rule]) -> String {
    let mut plain: BTreeMap<(&[String], &[String]), Vec<String>> = BTreeMap::new();
    let mut lines = BTreeSet::new();
    for piece in pieces {
        if piece.resource_names.is_empty() && piece.non_resource_urls.is_empty() {
            plain.entry((&piece.api_groups, &piece.resources)).or_default().extend(piece.verbs.iter().cloned());
        } else {
            lines.insert(line(piece));
        }
    }
    for ((groups, resources), verbs) in plain {
        lines.insert(line(&Rule { verbs, api_groups: groups.into(), resources: resources.into(), ..Rule::default() }));
    }
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

fn line(rule: &Rule) -> String {
    let lists = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ];
    let shown = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| {
        let quoted: Vec<String> = list.iter().map(|one| format!("{one:?}")).collect();
        format!("{name}:[{}]", quoted.join(" "))
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rules(value: &Value) -> Vec<Rule> {
        value.as_array().unwrap().iter().map(Rule::read).collect()
    }

    fn on(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Value {
        json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
    }

    #[test]
    fn what_is_missing_is_told_in_upstreams_words() {
        #[track_caller]
        fn check(held: &Value, wanted: &Value, expected: &str) {
            assert_eq!(words(&missing(&rules(held), &rules(wanted))), expected, "{held} {wanted}");
        }
        let pods = json!([on(&["get", "list"], &[""], &["pods", "nodes"], &[])]);
        check(&json!([on(&["*"], &["*"], &["*"], &[])]), &pods, "");
        check(&json!([on(&["list", "get", "x"], &[""], &["nodes", "pods"], &[])]), &pods, "");
        // Each piece is covered by one rule, all together by two.
        check(&json!([on(&["get", "list"], &[""], &["pods"], &[]), on(&["get", "list"], &[""], &["nodes"], &[])]), &pods, "");
        let told = "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"list\"]}\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}";
        check(&json!([on(&["get"], &[""], &["nodes"], &[])]), &pods, told);
        // A name is less than all names.
        let named = json!([on(&["get"], &[""], &["pods"], &["a", "b"])]);
        check(&json!([on(&["get"], &[""], &["pods"], &[])]), &named, "");
        check(&named, &named, "");
        let told = "{APIGroups:[\"\"], Resources:[\"pods\"], ResourceNames:[\"b\"], Verbs:[\"get\"]}";
        check(&json!([on(&["get"], &[""], &["pods"], &["a"])]), &named, told);
        check(&named, &json!([on(&["get"], &[""], &["pods"], &[])]), "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}");
        // Subresources of all kinds.
        let scale = json!([on(&["get"], &["apps"], &["deployments/scale"], &[])]);
        check(&json!([on(&["get"], &["apps"], &["*/scale"], &[])]), &scale, "");
        check(
            &json!([on(&["get"], &["apps"], &["deployments"], &[])]),
            &scale,
            "{APIGroups:[\"apps\"], Resources:[\"deployments/scale\"], Verbs:[\"get\"]}",
        );
        // Paths.
        let paths = json!([{"verbs": ["get"], "nonResourceURLs": ["/a/b", "/c"]}]);
        check(&json!([{"verbs": ["*"], "nonResourceURLs": ["/a/*", "/c"]}]), &paths, "");
        check(&json!([{"verbs": ["get"], "nonResourceURLs": ["/c"]}]), &paths, "{NonResourceURLs:[\"/a/b\"], Verbs:[\"get\"]}");
        check(
            &json!([on(&["*"], &["*"], &["*"], &[])]),
            &paths,
            "{NonResourceURLs:[\"/a/b\"], Verbs:[\"get\"]}\n{NonResourceURLs:[\"/c\"], Verbs:[\"get\"]}",
        );
        check(&json!([]), &json!([]), "");
    }
}
