//! The roles and bindings that every cluster has, as data, and how those of an older start are brought up to date.

use super::{GROUP, Rule, missing};
use crate::resource::{self, Resource};
use serde_json::{Map, Value, json};

const CLUSTER_ROLES: &str = include_str!("bootstrap/cluster_roles.txt");
const CONTROLLERS: &str = include_str!("bootstrap/controllers.txt");
const NAMESPACES: &str = include_str!("bootstrap/namespaces.txt");

/// What the names of the controllers' roles start with; the rest is the name of a service account in `kube-system`.
const CONTROLLER: &str = "system:controller:";
/// Says `false` on an object that is to stay as it was made.
const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const READ: &str = "get,list,watch";
const WRITE: &str = "create,delete,deletecollection,patch,update";

/// What becomes of an object of [`objects`] that is there already.
#[derive(Debug, PartialEq)]
pub enum Reconciled {
    /// It stays.
    Unchanged,
    /// It is changed to this.
    Changed(Value),
    /// It is replaced: the role of a binding cannot be changed.
    Replaced,
}

/// All of them, each with its kind, roles before the bindings to them.
pub fn objects() -> Vec<(&'static Resource, Value)> {
    let mut found = Vec::new();
    for text in [CLUSTER_ROLES, CONTROLLERS, NAMESPACES] {
        let mut role: Option<Value> = None;
        let mut binding = None;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match (words.as_slice(), &mut role) {
                (["role", name, labels @ ..], _) => {
                    found.extend(role.take().into_iter().chain(binding.take()));
                    let made = new_role(name, labels);
                    binding = (text == CONTROLLERS).then(|| {
                        let account = format!("account/kube-system/{}", name.trim_start_matches(CONTROLLER));
                        new_binding(&made, &[&account])
                    });
                    role = Some(made);
                }
                (["gather", label], Some(role)) => {
                    let selector = json!({"matchLabels": {aggregation(label): "true"}});
                    role["aggregationRule"] = json!({"clusterRoleSelectors": [selector]});
                }
                (["bind", subjects @ ..], Some(role)) => binding = Some(new_binding(role, subjects)),
                (rule, Some(role)) => {
                    if let Some(rules) = role["rules"].as_array_mut() {
                        rules.push(new_rule(rule));
                    }
                }
                (_, None) => {}
            }
        }
        found.extend(role.into_iter().chain(binding));
    }
    let kind = |object: &Value| {
        let kind = object["kind"].as_str().unwrap_or_default();
        resource::by_kind(&format!("{GROUP}/v1"), kind).expect("roles and bindings are served")
    };
    found.into_iter().map(|object| (kind(&object), object)).collect()
}

fn aggregation(label: &str) -> String {
    format!("{GROUP}/{label}")
}

/// A role of that name, or of `NAMESPACE/NAME`, without rules.
fn new_role(name: &str, labels: &[&str]) -> Value {
    let mut own = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    for label in labels {
        own[aggregation(label)] = "true".into();
    }
    let (kind, namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => ("Role", Some(namespace), name),
        None => ("ClusterRole", None, name),
    };
    let mut metadata = json!({"name": name, "labels": own, "annotations": {AUTO_UPDATE: "true"}});
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": metadata, "rules": []})
}

/// A binding of the role to those subjects; its name is the role's unless the first word is another with a colon.
fn new_binding(role: &Value, words: &[&str]) -> Value {
    let renamed = words.first().and_then(|first| first.strip_suffix(':'));
    let subject = |word: &&str| match word.split_once('/') {
        Some(("user", name)) => Some(json!({"kind": "User", "apiGroup": GROUP, "name": name})),
        Some(("group", name)) => Some(json!({"kind": "Group", "apiGroup": GROUP, "name": name})),
        Some((_, account)) => {
            let (namespace, name) = account.split_once('/')?;
            Some(json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}))
        }
        None => None,
    };
    let subjects: Vec<Value> = words.iter().filter_map(subject).collect();
    let mut metadata = role["metadata"].clone();
    metadata["labels"] = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    if let Some(name) = renamed {
        metadata["name"] = name.into();
    }
    let mut binding = json!({
        "apiVersion": role["apiVersion"],
        "kind": format!("{}Binding", role["kind"].as_str().unwrap_or_default()),
        "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": role["kind"], "name": role["metadata"]["name"]},
    });
    if !subjects.is_empty() {
        binding["subjects"] = subjects.into();
    }
    binding
}

/// `VERBS GROUPS RESOURCES [NAMES]` or `VERBS url PATHS`.
fn new_rule(words: &[&str]) -> Value {
    let list = |text: &str| -> Vec<String> {
        let text = match text {
            "read" => READ,
            "write" => WRITE,
            text => text,
        };
        text.split(',').map(|one| if one == "core" { String::new() } else { one.into() }).collect()
    };
    let rule = match words {
        [verbs, "url", paths] => Rule { verbs: list(verbs), non_resource_urls: list(paths), ..Rule::default() },
        [verbs, groups, resources, names @ ..] => Rule {
            verbs: list(verbs),
            api_groups: list(groups),
            resources: list(resources),
            resource_names: names.iter().flat_map(|names| list(names)).collect(),
            ..Rule::default()
        },
        _ => Rule::default(),
    };
    serde_json::to_value(rule).unwrap_or_default()
}

/// What becomes of an object that is there: what it lacks is added, nothing is taken away, and nothing done to one that
/// says so.
pub fn reconcile(there: &Value, wanted: &Value) -> Reconciled {
    if there["metadata"]["annotations"][AUTO_UPDATE] == "false" {
        return Reconciled::Unchanged;
    }
    if there["roleRef"] != wanted["roleRef"] {
        return Reconciled::Replaced;
    }
    let mut new = there.clone();
    for field in ["labels", "annotations"] {
        let mut both = wanted["metadata"][field].as_object().cloned().unwrap_or_default();
        both.extend(there["metadata"][field].as_object().cloned().unwrap_or_default());
        new["metadata"][field] = both.into();
    }
    let lacks = missing(&Rule::of_role(there), &Rule::of_role(wanted));
    add(&mut new, "rules", lacks.into_iter().filter_map(|rule| serde_json::to_value(rule).ok()));
    for (field, list) in [("", "subjects"), ("aggregationRule", "clusterRoleSelectors")] {
        let of = |object: &Value| if field.is_empty() { object[list].clone() } else { object[field][list].clone() };
        let (has, wants) = (of(there), of(wanted));
        let has = has.as_array().map(Vec::as_slice).unwrap_or_default();
        let lacks: Vec<Value> = wants.as_array().into_iter().flatten().filter(|one| !has.contains(one)).cloned().collect();
        let place = if field.is_empty() { &mut new } else { &mut new[field] };
        if !lacks.is_empty() && place.is_null() {
            *place = Map::new().into();
        }
        add(place, list, lacks.into_iter());
    }
    // Looking into an absent field leaves a null behind.
    if new["aggregationRule"].is_null()
        && let Some(fields) = new.as_object_mut()
    {
        fields.remove("aggregationRule");
    }
    if new == *there { Reconciled::Unchanged } else { Reconciled::Changed(new) }
}

/// Adds the items to a list of the object, which is made if need be.
fn add(object: &mut Value, list: &str, items: impl Iterator<Item = Value>) {
    for item in items {
        match object[list].as_array_mut() {
            Some(all) => all.push(item),
            None => object[list] = json!([item]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validation;
    use std::collections::BTreeSet;

    fn named(kind: &str, name: &str) -> Value {
        let fits = |object: &Value| object["kind"] == kind && object["metadata"]["name"] == name;
        objects().into_iter().map(|(_, object)| object).find(fits).unwrap_or_else(|| panic!("{kind} {name}"))
    }

    #[test]
    fn all_are_valid_and_told_apart() {
        let objects = objects();
        let mut seen = BTreeSet::new();
        for (resource, object) in &objects {
            assert_eq!(validation::create(resource, object), [], "{object}");
            let key = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            assert!(seen.insert((resource.plural, key("namespace"), key("name"))), "{object} is there twice");
            let empty = object["rules"] == json!([]) && object["aggregationRule"].is_null();
            assert!(!empty, "{object}");
        }
        let count = |plural: &str| objects.iter().filter(|(resource, _)| resource.plural == plural).count();
        assert_eq!((count("clusterroles"), count("clusterrolebindings"), count("roles"), count("rolebindings")), (68, 49, 7, 7));
    }

    #[test]
    fn the_text_means_roles_and_bindings() {
        let rule = json!({"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["extension-apiserver-authentication"]});
        let role = named("Role", "extension-apiserver-authentication-reader");
        assert_eq!((&role["rules"], &role["metadata"]["namespace"]), (&json!([rule]), &json!("kube-system")));
        let binding = named("RoleBinding", "system::extension-apiserver-authentication-reader");
        assert_eq!(binding["roleRef"]["name"], "extension-apiserver-authentication-reader");
        assert_eq!(binding["subjects"][1]["name"], "system:kube-scheduler");
        let account = json!([{"kind": "ServiceAccount", "name": "daemon-set-controller", "namespace": "kube-system"}]);
        assert_eq!(named("ClusterRoleBinding", "system:controller:daemon-set-controller")["subjects"], account);
        assert_eq!(named("ClusterRoleBinding", "system:node").get("subjects"), None);
        let labels =
            json!({"kubernetes.io/bootstrapping": "rbac-defaults", "rbac.authorization.k8s.io/aggregate-to-admin": "true"});
        assert_eq!(named("ClusterRole", "edit")["metadata"]["labels"], labels);
        assert_eq!(named("ClusterRole", "cluster-admin")["rules"][1], json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }

    #[test]
    fn what_is_lacking_is_added_and_what_is_more_is_left() {
        for (_, object) in objects() {
            assert_eq!(reconcile(&object, &object), Reconciled::Unchanged, "{object}");
        }
        let wanted = named("ClusterRole", "system:kube-dns");
        let mut there = wanted.clone();
        there["rules"] = json!([{"verbs": ["list"], "apiGroups": ["*"], "resources": ["endpoints", "pods"]}]);
        there["metadata"]["labels"] = json!({"mine": "x"});
        let Reconciled::Changed(new) = reconcile(&there, &wanted) else { panic!("it lacks much") };
        let rules = Rule::of_role(&new);
        assert_eq!((rules.len(), missing(&rules, &Rule::of_role(&wanted))), (4, vec![]));
        assert_eq!(new["rules"][0], there["rules"][0]);
        assert_eq!(new["metadata"]["labels"], json!({"mine": "x", "kubernetes.io/bootstrapping": "rbac-defaults"}));
        there["metadata"]["annotations"][AUTO_UPDATE] = "false".into();
        assert_eq!(reconcile(&there, &wanted), Reconciled::Unchanged);

        let wanted = named("ClusterRoleBinding", "system:public-info-viewer");
        let mut there = wanted.clone();
        there["subjects"] = json!([{"kind": "User", "name": "ann"}]);
        let Reconciled::Changed(new) = reconcile(&there, &wanted) else { panic!("it lacks two subjects") };
        assert_eq!(new["subjects"].as_array().map(Vec::len), Some(3));
        there["roleRef"]["name"] = "x".into();
        assert_eq!(reconcile(&there, &wanted), Reconciled::Replaced);

        let wanted = named("ClusterRole", "view");
        let mut there = wanted.clone();
        there["rules"] = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
        assert_eq!(reconcile(&there, &wanted), Reconciled::Unchanged, "its rules are the aggregation's business");
        there.as_object_mut().unwrap().remove("aggregationRule");
        let Reconciled::Changed(new) = reconcile(&there, &wanted) else { panic!("it lacks its aggregation") };
        assert_eq!(new["aggregationRule"], wanted["aggregationRule"]);
    }
}
