//! What a node may do: reach its own objects, as upstream's node authorizer has it.

use super::Attributes;
use crate::identity::MASTERS;
use garrison_api::Status;
use serde_json::Value;

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
    // Its own endpoint asks who calls and what he may.
    rule("authentication.k8s.io", "tokenreviews", &["create"], Limit::Nothing),
    rule("authorization.k8s.io", "subjectaccessreviews", &["create"], Limit::Nothing),
    rule("authorization.k8s.io", "localsubjectaccessreviews", &["create"], Limit::Nothing),
];

/// Whether a node may do it by its nature, or else what is told of the refusal.
pub(super) fn decide(request: &Attributes<'_>, node: &str) -> Result<(), &'static str> {
    if NODE_RULES.iter().any(|rule| rule.admits(request, node)) { Ok(()) } else { Err(why_not_node(request, node)) }
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
