//! Who has which rules: roles and bindings, found by the names and groups that they are given to.
//!
//! A question costs as many bindings as there are for the user and his groups, however many there are for others.

use super::{Deed, GROUP, Rule};
use crate::Status;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

/// All roles and bindings. The namespace of those of the whole cluster is empty.
#[derive(Debug, Default)]
pub struct Index {
    roles: HashMap<String, HashMap<String, Arc<[Rule]>>>,
    bindings: HashMap<String, Bindings>,
}

/// The bindings of one namespace.
#[derive(Debug, Default)]
struct Bindings {
    by_name: HashMap<String, Binding>,
    /// Names of bindings by the users and the groups they are for.
    users: HashMap<String, BTreeSet<String>>,
    groups: HashMap<String, BTreeSet<String>>,
}

#[derive(Debug)]
struct Binding {
    role_kind: String,
    role: String,
    subjects: Vec<Subject>,
}

#[derive(Debug)]
struct Subject {
    is_group: bool,
    /// The name of the user or group.
    name: String,
    /// As upstream shows it.
    shown: String,
}

/// A binding that gives rules to somebody.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    namespace: &'a str,
    name: &'a str,
    binding: &'a Binding,
    subject: &'a Subject,
}

/// The answer to a question.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// By this binding.
    Allowed(Grant<'a>),
    /// By none; and what was wrong with those that might have.
    Unknown(Vec<String>),
}

impl Index {
    /// Takes a Role or ClusterRole as it is now; `None` when it is gone.
    pub fn set_role(&mut self, namespace: &str, name: &str, role: Option<&Value>) {
        match role {
            Some(role) => {
                let rules = Rule::of_role(role).into();
                self.roles.entry(namespace.into()).or_default().insert(name.into(), rules);
            }
            None => {
                if let Some(roles) = self.roles.get_mut(namespace) {
                    roles.remove(name);
                    if roles.is_empty() {
                        self.roles.remove(namespace);
                    }
                }
            }
        }
    }

    /// Takes a RoleBinding or ClusterRoleBinding as it is now; `None` when it is gone.
    pub fn set_binding(&mut self, namespace: &str, name: &str, binding: Option<&Value>) {
        let bindings = self.bindings.entry(namespace.into()).or_default();
        bindings.remove(name);
        if let Some(binding) = binding {
            bindings.insert(name, Binding::read(namespace, binding));
        }
        if bindings.by_name.is_empty() {
            self.bindings.remove(namespace);
        }
    }

    /// Names of all roles, or of all bindings, with their namespaces.
    pub fn names(&self, bindings: bool) -> Vec<(String, String)> {
        fn of<T>((namespace, map): (&String, &HashMap<String, T>)) -> Vec<(String, String)> {
            map.keys().map(|name| (namespace.clone(), name.clone())).collect()
        }
        if bindings {
            return self.bindings.iter().flat_map(|(namespace, bindings)| of((namespace, &bindings.by_name))).collect();
        }
        self.roles.iter().flat_map(of).collect()
    }

    /// The rules of a role that a binding in `namespace` refers to.
    ///
    /// # Errors
    /// 404, in the words of whoever looks for the role of a binding.
    pub fn role(&self, kind: &str, namespace: &str, name: &str) -> Result<&[Rule], Status> {
        let (namespace, singular) = if kind == "Role" { (namespace, "role") } else { ("", "clusterrole") };
        let found = self.roles.get(namespace).and_then(|roles| roles.get(name));
        found.map(|rules| &**rules).ok_or_else(|| Status::not_found(GROUP, singular, name))
    }

    /// What bindings give to the user in the namespace, those of the whole cluster first; or why one gives nothing.
    pub fn grants<'a>(
        &'a self,
        user: &'a str,
        groups: &'a [String],
        namespace: &'a str,
    ) -> impl Iterator<Item = Result<(Grant<'a>, &'a [Rule]), String>> {
        let scopes = [Some(""), Some(namespace).filter(|namespace| !namespace.is_empty())];
        let bindings = scopes.into_iter().flatten().filter_map(|scope| Some((scope, self.bindings.get(scope)?)));
        bindings.flat_map(move |(scope, bindings)| {
            bindings.of(user, groups).into_iter().filter_map(move |name| {
                let binding = bindings.by_name.get(name)?;
                let subject = binding.subjects.iter().find(|subject| subject.is(user, groups))?;
                let grant = Grant { namespace: scope, name, binding, subject };
                let rules = self.role(&binding.role_kind, scope, &binding.role);
                Some(rules.map(|rules| (grant, rules)).map_err(|status| status.message))
            })
        })
    }

    /// Whether the user may do it in the namespace.
    pub fn decide<'a>(&'a self, user: &'a str, groups: &'a [String], namespace: &'a str, deed: &Deed<'_>) -> Verdict<'a> {
        let mut faults = Vec::new();
        for granted in self.grants(user, groups, namespace) {
            match granted {
                Ok((grant, rules)) if rules.iter().any(|rule| rule.allows(deed)) => return Verdict::Allowed(grant),
                Ok(_) => {}
                Err(fault) => faults.push(fault),
            }
        }
        Verdict::Unknown(faults)
    }

    /// All rules of the user in the namespace, and what was wrong with some bindings.
    pub fn rules(&self, user: &str, groups: &[String], namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut rules, mut faults) = (Vec::new(), Vec::new());
        for granted in self.grants(user, groups, namespace) {
            match granted {
                Ok((_, own)) => rules.extend(own.iter().cloned()),
                Err(fault) => faults.push(fault),
            }
        }
        (rules, faults)
    }
}

/// Several faults as upstream tells them: one alone as it is, each only once. Nothing for none.
pub fn together(faults: &[String]) -> Option<String> {
    let mut told: Vec<&str> = Vec::new();
    for fault in faults {
        if !told.contains(&fault.as_str()) {
            told.push(fault);
        }
    }
    match told.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

impl Bindings {
    fn insert(&mut self, name: &str, binding: Binding) {
        for subject in &binding.subjects {
            let map = if subject.is_group { &mut self.groups } else { &mut self.users };
            map.entry(subject.name.clone()).or_default().insert(name.into());
        }
        self.by_name.insert(name.into(), binding);
    }

    fn remove(&mut self, name: &str) {
        let Some(binding) = self.by_name.remove(name) else { return };
        for subject in &binding.subjects {
            let map = if subject.is_group { &mut self.groups } else { &mut self.users };
            if let Some(names) = map.get_mut(&subject.name) {
                names.remove(name);
                if names.is_empty() {
                    map.remove(&subject.name);
                }
            }
        }
    }

    /// The bindings that name the user or one of his groups, in order.
    fn of(&self, user: &str, groups: &[String]) -> BTreeSet<&str> {
        let of_groups = groups.iter().filter_map(|group| self.groups.get(group));
        self.users.get(user).into_iter().chain(of_groups).flatten().map(String::as_str).collect()
    }
}

impl Binding {
    fn read(namespace: &str, binding: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let role = &binding["roleRef"];
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        Self {
            role_kind: text(&role["kind"]),
            role: text(&role["name"]),
            subjects: subjects.filter_map(|subject| Subject::read(namespace, subject)).collect(),
        }
    }
}

impl Subject {
    /// Who is meant; nobody by what has no name. A service account without a namespace is of that of its binding.
    fn read(namespace: &str, subject: &Value) -> Option<Self> {
        let text = |field: &str| subject[field].as_str().unwrap_or_default();
        let (kind, name) = (text("kind"), text("name"));
        let own = if text("namespace").is_empty() { namespace } else { text("namespace") };
        let (is_group, user, shown) = match kind {
            "User" => (false, name.to_owned(), name.to_owned()),
            "Group" => (true, name.to_owned(), name.to_owned()),
            "ServiceAccount" if !own.is_empty() => {
                (false, format!("system:serviceaccount:{own}:{name}"), format!("{name}/{own}"))
            }
            _ => return None,
        };
        Some(Self { is_group, name: user, shown: format!("{kind} {shown:?}") })
    }

    fn is(&self, user: &str, groups: &[String]) -> bool {
        if self.is_group { groups.contains(&self.name) } else { self.name == user }
    }
}

impl fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, name, binding, subject } = self;
        match *namespace {
            "" => write!(f, "ClusterRoleBinding {name:?}")?,
            namespace => write!(f, "RoleBinding {:?}", format!("{name}/{namespace}"))?,
        }
        write!(f, " of {} {:?} to {}", binding.role_kind, binding.role, subject.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::On;
    use serde_json::json;

    const LIST_PODS: Deed<'static> =
        Deed { verb: "list", on: On::Resource { group: "", resource: "pods", subresource: "", name: "" } };

    fn role(resource: &str) -> Value {
        json!({"rules": [{"verbs": ["list"], "apiGroups": [""], "resources": [resource]}]})
    }

    fn binding(kind: &str, role: &str, subjects: Value) -> Value {
        json!({"roleRef": {"kind": kind, "name": role}, "subjects": subjects})
    }

    /// Who allows it, or what is told of the refusal.
    fn asked(index: &Index, user: &str, groups: &[&str], namespace: &str) -> String {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        match index.decide(user, &groups, namespace, &LIST_PODS) {
            Verdict::Allowed(grant) => grant.to_string(),
            Verdict::Unknown(faults) => together(&faults).unwrap_or_default(),
        }
    }

    #[test]
    fn users_groups_and_accounts_get_what_bindings_say_and_no_longer() {
        let mut index = Index::default();
        index.set_role("", "pods", Some(&role("pods")));
        index.set_role("a", "pods", Some(&role("pods")));
        index.set_binding("", "all", Some(&binding("ClusterRole", "pods", json!([{"kind": "Group", "name": "ops"}]))));
        let some = json!([{"kind": "User", "name": "ann"}, {"kind": "ServiceAccount", "name": "app"}, {"kind": "ServiceAccount", "name": "app", "namespace": "b"}]);
        index.set_binding("a", "some", Some(&binding("Role", "pods", some)));
        let all = r#"ClusterRoleBinding "all" of ClusterRole "pods" to Group "ops""#;
        for namespace in ["", "a", "b"] {
            assert_eq!(asked(&index, "bob", &["dev", "ops"], namespace), all);
        }
        assert_eq!(asked(&index, "ann", &[], "a"), r#"RoleBinding "some/a" of Role "pods" to User "ann""#);
        let account = "system:serviceaccount:a:app";
        assert_eq!(asked(&index, account, &[], "a"), r#"RoleBinding "some/a" of Role "pods" to ServiceAccount "app/a""#);
        let account = "system:serviceaccount:b:app";
        assert_eq!(asked(&index, account, &[], "a"), r#"RoleBinding "some/a" of Role "pods" to ServiceAccount "app/b""#);
        for (user, groups, namespace) in [
            ("ann", &[][..], ""),
            ("ann", &[], "b"),
            ("bob", &["ann"], "a"),
            ("ops", &[], ""),
            (account, &[], "b"),
            ("app", &[], "a"),
        ] {
            assert_eq!(asked(&index, user, groups, namespace), "", "{user} {namespace}");
        }

        index.set_role("", "pods", Some(&role("nodes")));
        assert_eq!(asked(&index, "bob", &["ops"], "a"), "", "the role was changed");
        index.set_role("", "pods", None);
        index.set_binding("", "more", Some(&binding("ClusterRole", "pods", json!([{"kind": "Group", "name": "ops"}]))));
        index.set_binding("a", "more", Some(&binding("Role", "x", json!([{"kind": "User", "name": "bob"}]))));
        let gone = r#"clusterrole.rbac.authorization.k8s.io "pods" not found"#;
        assert_eq!(asked(&index, "bob", &["ops"], ""), gone);
        let both = format!(r#"[{gone}, role.rbac.authorization.k8s.io "x" not found]"#);
        assert_eq!(asked(&index, "bob", &["ops"], "a"), both);
        // Another binding of that name.
        index.set_binding("a", "some", Some(&binding("Role", "pods", json!([{"kind": "User", "name": "eve"}]))));
        assert_eq!(asked(&index, "ann", &[], "a"), "");
        for (namespace, name) in index.names(true) {
            index.set_binding(&namespace, &name, None);
        }
        for (namespace, name) in index.names(false) {
            index.set_role(&namespace, &name, None);
        }
        assert_eq!(asked(&index, "eve", &["ops"], "a"), "");
        assert!(index.roles.is_empty() && index.bindings.is_empty(), "nothing is left behind: {index:?}");
    }
}
