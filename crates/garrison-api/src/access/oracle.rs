//! The index against a look at everything there is, after random histories of writes.

use super::{Deed, Index, On, Rule, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NAMESPACES: [&str; 3] = ["", "a", "b"];
const NAMES: [&str; 3] = ["x", "y", "z"];
const RESOURCES: [&str; 3] = ["pods", "nodes", "*"];

/// What is stored: by whether it is a binding, namespace and name.
type Stored = BTreeMap<(bool, &'static str, &'static str), Value>;

fn role() -> impl Strategy<Value = Value> {
    prop::collection::vec(0..RESOURCES.len(), 0..3).prop_map(|resources| {
        let rule = |at: &usize| json!({"verbs": ["get"], "apiGroups": [""], "resources": [RESOURCES[*at]]});
        json!({"rules": resources.iter().map(rule).collect::<Vec<_>>()})
    })
}

fn binding() -> impl Strategy<Value = Value> {
    let subject = prop::sample::select(vec![
        json!({"kind": "User", "name": "ann"}),
        json!({"kind": "User", "name": "system:serviceaccount:a:app"}),
        json!({"kind": "Group", "name": "dev"}),
        json!({"kind": "Group", "name": "ann"}),
        json!({"kind": "ServiceAccount", "name": "app"}),
        json!({"kind": "ServiceAccount", "name": "app", "namespace": "a"}),
        json!({"kind": "Robot", "name": "ann"}),
    ]);
    let kind = prop::sample::select(vec!["Role", "ClusterRole"]);
    (kind, 0..NAMES.len(), prop::collection::vec(subject, 0..4))
        .prop_map(|(kind, name, subjects)| json!({"roleRef": {"kind": kind, "name": NAMES[name]}, "subjects": subjects}))
}

/// Whether some binding there is gives it, and how many that are for the user refer to a role that is not there.
fn looked_up(stored: &Stored, user: &str, groups: &[String], namespace: &str, deed: &Deed<'_>) -> (bool, usize) {
    let applies = |within: &str, subject: &Value| {
        let text = |field: &str| subject[field].as_str().unwrap_or_default();
        let own = if text("namespace").is_empty() { within } else { text("namespace") };
        match text("kind") {
            "User" => text("name") == user,
            "Group" => groups.iter().any(|group| group == text("name")),
            "ServiceAccount" => !own.is_empty() && user == format!("system:serviceaccount:{own}:{}", text("name")),
            _ => false,
        }
    };
    let (mut allowed, mut broken) = (false, 0);
    for ((_, within, _), binding) in stored.iter().filter(|((is_binding, ..), _)| *is_binding) {
        let subjects = binding["subjects"].as_array().unwrap();
        if !(within.is_empty() || *within == namespace) || !subjects.iter().any(|subject| applies(within, subject)) {
            continue;
        }
        let place = if binding["roleRef"]["kind"] == "Role" { *within } else { "" };
        let name = binding["roleRef"]["name"].as_str().unwrap();
        match stored.iter().find(|((is_binding, own, named), _)| (*is_binding, *own, *named) == (false, place, name)) {
            Some((_, role)) => allowed |= Rule::of_role(role).iter().any(|rule| rule.allows(deed)),
            None => broken += 1,
        }
    }
    (allowed, broken)
}

proptest! {
    #[test]
    fn an_index_answers_as_a_look_at_everything_would(
        history in prop::collection::vec(
            (0..NAMESPACES.len(), 0..NAMES.len(), prop::option::of(prop_oneof![role(), binding()]), any::<bool>()), 0..60)
    ) {
        let (mut index, mut stored) = (Index::default(), Stored::new());
        for (namespace, name, object, binding) in history {
            let (namespace, name) = (NAMESPACES[namespace], NAMES[name]);
            let is_binding = object.as_ref().map_or(binding, |object| object.get("roleRef").is_some());
            if is_binding {
                index.set_binding(namespace, name, object.as_ref());
            } else {
                index.set_role(namespace, name, object.as_ref());
            }
            match object {
                Some(object) => stored.insert((is_binding, namespace, name), object),
                None => stored.remove(&(is_binding, namespace, name)),
            };
        }
        for (user, groups) in [("ann", &["dev"][..]), ("bob", &["ann"]), ("system:serviceaccount:a:app", &[]), ("bob", &[])] {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            for namespace in NAMESPACES {
                for resource in ["pods", "secrets"] {
                    let deed = Deed { verb: "get", on: On::Resource { group: "", resource, subresource: "", name: "" } };
                    let (allowed, broken) = looked_up(&stored, user, &groups, namespace, &deed);
                    match index.decide(user, &groups, namespace, &deed) {
                        Verdict::Allowed(_) => prop_assert!(allowed, "{user} {namespace} {resource}"),
                        Verdict::Unknown(faults) => prop_assert_eq!((false, broken), (allowed, faults.len())),
                    }
                }
            }
        }
    }
}
