//! Access by roles and bindings, as upstream's RBAC has it: rules, who has which, what may be passed on.
//!
//! - [`Rule`]: verbs on resources or paths, and whether a request is among them.
//! - [`Index`]: the rules of a user, found by his name and groups.
//! - [`missing`]: what of some rules others do not cover: nobody gives what he does not have.
//! - [`bootstrap`]: the roles and bindings that every cluster has, and how they are kept.

pub mod bootstrap;
mod cover;
mod index;
#[cfg(test)]
mod oracle;

pub use cover::{missing, words};
pub use index::{Grant, Index, Verdict, together};

use serde::Serialize;
use serde_json::Value;

/// The group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// One rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// `get`, or `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
    /// Empty text for the core group, or `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// `pods`, `pods/status`, `*/scale` or `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Only objects of these names; none is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths, which may end in `*`.
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed<'a> {
    /// `get`, `list`, …
    pub verb: &'a str,
    /// To what.
    pub on: On<'a>,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On<'a> {
    /// Objects, or one of them.
    Resource {
        /// Empty for the core group.
        group: &'a str,
        /// The plural.
        resource: &'a str,
        /// Empty for the object itself.
        subresource: &'a str,
        /// Empty when the request names none.
        name: &'a str,
    },
    /// A path that is no resource.
    Path(&'a str),
}

impl Rule {
    /// The rules of a role.
    pub fn of_role(role: &Value) -> Vec<Self> {
        role["rules"].as_array().into_iter().flatten().map(Self::read).collect()
    }

    /// A rule. It is read as it will be stored, whatever else stands in it: who may write it is decided by what is read here.
    fn read(rule: &Value) -> Self {
        let list = |field: &str| {
            let items = rule[field].as_array().into_iter().flatten();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Self {
            verbs: list("verbs"),
            api_groups: list("apiGroups"),
            resources: list("resources"),
            resource_names: list("resourceNames"),
            non_resource_urls: list("nonResourceURLs"),
        }
    }

    /// Whether the rule allows it.
    pub fn allows(&self, deed: &Deed<'_>) -> bool {
        has(&self.verbs, deed.verb)
            && match deed.on {
                On::Resource { group, resource, subresource, name } => {
                    has(&self.api_groups, group)
                        && self.resources.iter().any(|own| names(own, resource, subresource))
                        && (self.resource_names.is_empty() || self.resource_names.iter().any(|own| own == name))
                }
                On::Path(path) => self.non_resource_urls.iter().any(|own| covers_path(own, path)),
            }
    }
}

/// Whether the list has the value, or all.
fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|own| own == "*" || own == value)
}

/// Whether a rule's resource is the one asked for. The star alone is everything, subresources too.
fn names(own: &str, resource: &str, subresource: &str) -> bool {
    match own.split_once('/') {
        _ if own == "*" => true,
        Some(("*", any)) if !subresource.is_empty() && any == subresource => true,
        Some((kind, part)) => !subresource.is_empty() && (kind, part) == (resource, subresource),
        None => subresource.is_empty() && own == resource,
    }
}

/// Whether a rule's path is that path, or a beginning of it that ends in a star.
fn covers_path(own: &str, path: &str) -> bool {
    own == path || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `verb group/resource[/subresource][:name]`, or `verb /path`; the core group is a point.
    fn allowed(rule: &Value, line: &str) -> bool {
        let (verb, what) = line.split_once(' ').unwrap();
        let rule = Rule::read(rule);
        if what.starts_with('/') {
            return rule.allows(&Deed { verb, on: On::Path(what) });
        }
        let (what, name) = what.split_once(':').unwrap_or((what, ""));
        let (group, what) = what.split_once('/').unwrap();
        let group = if group == "." { "" } else { group };
        let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
        rule.allows(&Deed { verb, on: On::Resource { group, resource, subresource, name } })
    }

    #[test]
    fn rules_match_as_upstream_matches_them() {
        #[track_caller]
        fn check(verbs: &str, groups: &str, resources: &str, names: &str, yes: &[&str], no: &[&str]) {
            fn list(text: &str) -> Vec<&str> {
                text.split(' ').filter(|one| !one.is_empty()).map(|one| one.trim_matches('.')).collect()
            }
            let rule = json!({"verbs": list(verbs), "apiGroups": list(groups), "resources": list(resources), "resourceNames": list(names)});
            yes.iter().for_each(|line| assert!(allowed(&rule, line), "{rule}: {line}"));
            no.iter().for_each(|line| assert!(!allowed(&rule, line), "{rule}: {line}"));
        }
        check("get list", ".", "pods", "", &["get ./pods", "list ./pods", "get ./pods:x"], &["watch ./pods", "get apps/pods"]);
        check("get", ".", "pods", "", &[], &["get ./pods/log", "get ./pod", "get ./podss", "get /pods", "* ./pods"]);
        check("*", ".", "pods", "", &["get ./pods", "escalate ./pods"], &["get ./nodes"]);
        check("get", "*", "pods", "", &["get ./pods", "get a.b/pods"], &["get a/nodes"]);
        check("get", "apps", "*", "", &["get apps/x", "get apps/x/y", "get apps/x:n"], &["get ./x", "get /apps"]);
        check("get", ".", "pods/log", "", &["get ./pods/log", "get ./pods/log:x"], &["get ./pods", "get ./pods/exec"]);
        check(
            "get",
            "*",
            "*/scale",
            "",
            &["get apps/deployments/scale"],
            &["get apps/deployments", "get apps/scale", "get a/x/scales"],
        );
        // A star is no pattern within a word, nor on the side of the subresource.
        check("get", ".", "pods/*", "", &[], &["get ./pods", "get ./pods/log"]);
        check("g*", ".", "po*", "", &[], &["get ./pods"]);
        check("get", ".", "pods", "x y", &["get ./pods:x", "get ./pods:y"], &["get ./pods:z", "get ./pods"]);
        check("get", ".", "pods", "*", &["get ./pods:*"], &["get ./pods:x"]);
        check("get", ".", "", "", &[], &["get ./pods", "get ./"]);
        check("", ".", "pods", "", &[], &["get ./pods"]);
    }

    #[test]
    fn paths_match_whole_or_by_their_beginning() {
        #[track_caller]
        fn check(urls: &[&str], yes: &[&str], no: &[&str]) {
            let rule = json!({"verbs": ["get"], "nonResourceURLs": urls});
            yes.iter().for_each(|line| assert!(allowed(&rule, line), "{rule}: {line}"));
            no.iter().for_each(|line| assert!(!allowed(&rule, line), "{rule}: {line}"));
        }
        check(&["/api"], &["get /api"], &["get /api/", "get /apis", "post /api", "get ./api"]);
        check(&["/api/*"], &["get /api/", "get /api/v1"], &["get /api", "get /apis/x"]);
        check(&["/api*"], &["get /api", "get /apis/x"], &["get /ap"]);
        check(&["/api**"], &["get /api/v1"], &["get /ap"]);
        check(&["*"], &["get /", "get /metrics"], &["get ./pods"]);
        check(&["/*/x"], &["get /*/x"], &["get /a/x"]);
        check(&["/a", "/b"], &["get /a", "get /b"], &["get /c"]);
    }
}
