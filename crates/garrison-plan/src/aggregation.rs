//! What an aggregated ClusterRole holds: the rules of all ClusterRoles that its selectors choose.

use garrison_api::selector::Labels;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};

/// The rules that an aggregated role should hold; nothing when it is none, or holds them.
///
/// They come role by role in the order of names, as upstream has them, each rule once. A selector that means nothing
/// chooses nothing.
pub fn rules<'a>(role: &ClusterRole, all: impl IntoIterator<Item = &'a ClusterRole>) -> Option<Vec<PolicyRule>> {
    let selectors = role.aggregation_rule.as_ref()?.cluster_role_selectors.iter().flatten();
    let selectors: Vec<Labels> = selectors.filter_map(|selector| Labels::from_object(selector).ok()).collect();
    let labels = |other: &ClusterRole| other.metadata.labels.clone().unwrap_or_default();
    let is_chosen = |other: &&ClusterRole| {
        let labels = labels(other);
        other.metadata.name != role.metadata.name && selectors.iter().any(|selector| selector.matches(&labels))
    };
    let mut chosen: Vec<&ClusterRole> = all.into_iter().filter(is_chosen).collect();
    chosen.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    let mut rules: Vec<PolicyRule> = Vec::new();
    for rule in chosen.iter().flat_map(|role| role.rules.iter().flatten()) {
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    (role.rules.as_deref().unwrap_or_default() != rules).then_some(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn role(name: &str, labels: Value, resources: &[&str], gathers: Option<Value>) -> ClusterRole {
        let rule = |resource: &&str| json!({"verbs": ["get"], "apiGroups": [""], "resources": [resource]});
        let mut role =
            json!({"metadata": {"name": name, "labels": labels}, "rules": resources.iter().map(rule).collect::<Vec<_>>()});
        if let Some(selectors) = gathers {
            role["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
        }
        serde_json::from_value(role).unwrap()
    }

    #[test]
    fn a_role_holds_what_those_with_the_labels_hold() {
        #[track_caller]
        fn check(selectors: Value, holds: &[&str], expected: Option<&[&str]>) {
            let own = role("own", json!({"to": "x"}), holds, Some(selectors));
            let all = [
                role("c", json!({"to": "x"}), &["pods", "nodes"], None),
                role("b", json!({"to": "x", "more": "y"}), &["nodes", "secrets"], None),
                role("a", json!({"to": "y"}), &["events"], None),
                own.clone(),
            ];
            let expected = expected.map(|resources| role("", json!({}), resources, None).rules.unwrap_or_default());
            assert_eq!(rules(&own, &all), expected);
        }
        let x = || json!([{"matchLabels": {"to": "x"}}]);
        check(x(), &[], Some(&["nodes", "secrets", "pods"]));
        check(x(), &["nodes", "secrets", "pods"], None);
        check(x(), &["nodes", "secrets", "pods", "own"], Some(&["nodes", "secrets", "pods"]));
        check(
            json!([{"matchLabels": {"to": "x", "more": "y"}}, {"matchLabels": {"to": "y"}}]),
            &[],
            Some(&["events", "nodes", "secrets"]),
        );
        check(json!([{"matchLabels": {"to": "z"}}]), &["pods"], Some(&[]));
        check(json!([{"matchLabels": {"to": "z"}}]), &[], None);
        check(json!([{"matchExpressions": [{"key": "to", "operator": "Near"}]}]), &[], None);
        assert_eq!(rules(&role("a", json!({}), &["pods"], None), &[]), None);
    }
}
