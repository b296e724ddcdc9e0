//! Who may do what: the built-in policy, as tables of rules.
//!
//! Two questions are asked of it. [`authorize`] judges a request by its attributes, before any object is read;
//! [`restrict_node`] judges a node's request by the object it is about, which only the handler knows.

use garrison_api::Status;
use garrison_api::status_error::Details;
use serde_json::Value;

use crate::identity::{AUTHENTICATED, MASTERS, User};

pub(crate) mod reach;

#[cfg(test)]
mod tests;

/// What a request wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// Who asks.
    pub user: &'a User,
    /// `get`, `list`, `watch`, `create`, …; the method in lower case if the request names no resource.
    pub verb: &'a str,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural of the kind; empty if the request names none.
    pub resource: &'a str,
    /// Such as `status`; empty for the object itself.
    pub subresource: &'a str,
    /// Empty at cluster scope and for all namespaces.
    pub namespace: &'a str,
    /// Empty for collections and creations.
    pub name: &'a str,
    /// The path of the URL.
    pub path: &'a str,
    /// The `fieldSelector` of a list or watch, as sent.
    pub field_selector: &'a str,
}

/// Paths that answer to everybody.
const PUBLIC_PATHS: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/garrison/v1/ca", "/garrison/v1/join"];
/// Roots of the paths that describe the API and answer to everybody who is known.
const DISCOVERY_PATHS: &[&str] = &[
    "/api",
    "/apis",
    "/openapi",
    "/healthz",
    "/livez",
    "/readyz",
    "/version",
    "/openid/v1/jwks",
    "/.well-known/openid-configuration",
];

/// One line of the policy: these verbs on this resource, as far as the limit goes.
struct Rule {
    group: &'static str,
    /// `pods`, or `pods/status`.
    resource: &'static str,
    verbs: &'static [&'static str],
    limit: Limit,
}

/// What else must hold for a rule to apply. `Own` means: of the node that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Nothing,
    /// The object has the node's name. Creations carry the name in their object: see [`restrict_node`].
    OwnName,
    /// The object is the node's own lease.
    OwnLease,
    /// A collection holds the pods of the node only; single pods: see [`restrict_node`].
    OwnPods,
}

const fn rule(group: &'static str, resource: &'static str, verbs: &'static [&'static str], limit: Limit) -> Rule {
    Rule { group, resource, verbs, limit }
}

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch"];
const CHANGE: &[&str] = &["update", "patch"];

/// What everybody who is known may ask about himself.
const SELF_RULES: &[Rule] = &[
    rule("authorization.k8s.io", "selfsubjectaccessreviews", &["create"], Limit::Nothing),
    rule("authorization.k8s.io", "selfsubjectrulesreviews", &["create"], Limit::Nothing),
    rule("authentication.k8s.io", "selfsubjectreviews", &["create"], Limit::Nothing),
];

/// What the agent of a node may do.
const NODE_RULES: &[Rule] = &[
    rule("", "nodes", READ, Limit::OwnName),
    rule("", "nodes", WRITE, Limit::OwnName),
    rule("", "nodes/status", CHANGE, Limit::OwnName),
    rule("coordination.k8s.io", "leases", READ, Limit::OwnLease),
    rule("coordination.k8s.io", "leases", WRITE, Limit::OwnLease),
    rule("coordination.k8s.io", "leases", &["delete"], Limit::OwnLease),
    rule("", "pods", READ, Limit::OwnPods),
    rule("", "pods", &["delete"], Limit::OwnPods),
    rule("", "pods/status", CHANGE, Limit::OwnPods),
    // Only those that its pods use: the handler of reads asks [`reach`].
    rule("", "secrets", &["get"], Limit::Nothing),
    rule("", "configmaps", &["get"], Limit::Nothing),
    rule("", "serviceaccounts", &["get"], Limit::Nothing),
    rule("", "serviceaccounts/token", &["create"], Limit::Nothing),
    rule("", "services", READ, Limit::Nothing),
    rule("", "events", WRITE, Limit::Nothing),
    rule("events.k8s.io", "events", WRITE, Limit::Nothing),
];

/// What service accounts of Garrison's own parts may do, by user name.
const ACCOUNT_RULES: &[(&str, &[Rule])] =
    &[("system:serviceaccount:kube-system:garrison-network-agent", &[rule("", "nodes", READ, Limit::Nothing)])];

/// Lets the request pass, or refuses it with upstream's 403.
pub fn authorize(request: &Attributes<'_>) -> Result<(), Status> {
    if request.user.is_in(MASTERS) {
        return Ok(());
    }
    if request.resource.is_empty() {
        return if may_get(request) { Ok(()) } else { Err(forbidden_path(request)) };
    }
    let known = request.user.is_in(AUTHENTICATED);
    if known && SELF_RULES.iter().any(|rule| rule.admits(request, "")) {
        return Ok(());
    }
    if let Some(node) = request.user.node() {
        if NODE_RULES.iter().any(|rule| rule.admits(request, node)) {
            return Ok(());
        }
        return Err(forbidden(request, why_not_node(request, node)));
    }
    let own = ACCOUNT_RULES.iter().find(|(account, _)| known && *account == request.user.name);
    if own.is_some_and(|(_, rules)| rules.iter().any(|rule| rule.admits(request, ""))) {
        return Ok(());
    }
    Err(forbidden(request, ""))
}

/// Holds a node to its own objects: its Node and lease, and the pods bound to it.
///
/// To be asked with the object that is read, deleted or about to be stored, and on an update with the stored one.
/// Everybody but nodes passes.
pub fn restrict_node(request: &Attributes<'_>, object: &Value) -> Result<(), Status> {
    let Some(node) = request.user.node().filter(|_| !request.user.is_in(MASTERS)) else { return Ok(()) };
    let why = match (request.group, request.resource) {
        ("", "pods") if object["spec"]["nodeName"] != node => "can only access pods with spec.nodeName set to itself",
        ("", "nodes") if object["metadata"]["name"] != node => "is not allowed to access other nodes",
        ("coordination.k8s.io", "leases") if object["metadata"]["name"] != node => "can only access its own lease",
        _ => return Ok(()),
    };
    Err(Status::forbidden(request.group, request.resource, request.name, &format!("node {node:?} {why}")))
}

impl Rule {
    fn admits(&self, request: &Attributes<'_>, node: &str) -> bool {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        (self.group, resource, subresource) == (request.group, request.resource, request.subresource)
            && self.verbs.contains(&request.verb)
            && self.limit.holds(request, node)
    }
}

impl Limit {
    fn holds(self, request: &Attributes<'_>, node: &str) -> bool {
        let collection = matches!(request.verb, "list" | "watch" | "deletecollection");
        let means = |name: &str| match (collection, request.verb) {
            (true, _) => selects(request.field_selector, "metadata.name", name),
            (false, "create") => request.name.is_empty() || request.name == name,
            (false, _) => request.name == name,
        };
        match self {
            Self::Nothing => true,
            Self::OwnName => means(node),
            Self::OwnLease => request.namespace == "kube-node-lease" && means(node),
            Self::OwnPods => !collection || selects(request.field_selector, "spec.nodeName", node),
        }
    }
}

/// Whether the selector demands this value of the field.
fn selects(selector: &str, field: &str, value: &str) -> bool {
    selector.split(',').any(|term| {
        let Some((name, rest)) = term.split_once('=') else { return false };
        // `a==b` is `a=b`; in `a!=b` the name ends with an exclamation mark and so is another one.
        let wanted = rest.strip_prefix('=').unwrap_or(rest);
        name == field && value == wanted
    })
}

/// Whether a request that names no resource may pass.
fn may_get(request: &Attributes<'_>) -> bool {
    let (path, reads) = (request.path, matches!(request.verb, "get" | "head"));
    let below = |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match path {
        // Whoever joins shows the join token, which is not an identity yet.
        "/garrison/v1/join" => request.verb == "post",
        _ if PUBLIC_PATHS.contains(&path) => reads,
        _ => reads && request.user.is_in(AUTHENTICATED) && DISCOVERY_PATHS.iter().any(below),
    }
}

fn why_not_node(request: &Attributes<'_>, node: &str) -> &'static str {
    let fits = |rule: &&Rule| {
        let anywhere = Rule { limit: Limit::Nothing, ..**rule };
        anywhere.admits(request, node)
    };
    match NODE_RULES.iter().find(fits).map(|rule| rule.limit) {
        Some(Limit::OwnPods) => "can only list/watch pods with spec.nodeName field selector",
        Some(Limit::OwnName) => "node can only access its own Node",
        Some(Limit::OwnLease) => "can only access node lease with the same name as the requesting node",
        Some(Limit::Nothing) | None => "",
    }
}

fn forbidden(request: &Attributes<'_>, why: &str) -> Status {
    let resource = match request.subresource {
        "" => request.resource.to_owned(),
        subresource => format!("{}/{subresource}", request.resource),
    };
    let scope = match request.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let (user, verb, group) = (&request.user.name, request.verb, request.group);
    let sentence = format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}{why}");
    Status::forbidden(group, request.resource, request.name, &sentence)
}

fn forbidden_path(request: &Attributes<'_>) -> Status {
    let message = format!("forbidden: User {:?} cannot {} path {:?}", request.user.name, request.verb, request.path);
    Status { code: 403, reason: "Forbidden".into(), message, details: Some(Box::new(Details::default())) }
}
