//! Who may do what: administrators everything, nodes what is their own, everybody what roles give him.
//!
//! Two questions are asked. [`Authorizer::authorize`] judges a request by its attributes, before any object is read;
//! [`restrict_node`] judges a node's request by the object it is about, which only the handler knows.

pub(crate) mod escalation;
mod node;
pub(crate) mod reach;
pub(crate) mod roles;

#[cfg(test)]
mod tests;

pub use node::restrict_node;

use crate::identity::{MASTERS, User};
use garrison_api::{
    Status,
    access::{self, Deed, On, Rule, Verdict},
    status_error::Details,
};
use roles::Roles;
use std::sync::Arc;

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
    /// The path of the URL if it names no resource.
    pub path: &'a str,
    /// The `fieldSelector` of a list or watch, as sent.
    pub field_selector: &'a str,
}

/// What the authorizer makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may pass; by what, if there is something to tell.
    Allowed(String),
    /// Nothing allows it; and what there is to say about that.
    Unknown(String),
}

/// Upstream's chain: the administrators' group, the nature of nodes, roles and bindings.
#[derive(Clone)]
pub struct Authorizer {
    roles: Arc<Roles>,
}

impl Authorizer {
    pub(crate) fn new(roles: Arc<Roles>) -> Self {
        Self { roles }
    }

    /// Lets the request pass, or refuses it with upstream's 403.
    ///
    /// # Errors
    /// 403.
    pub fn authorize(&self, request: &Attributes<'_>) -> Result<(), Status> {
        match self.decide(request) {
            Decision::Allowed(_) => Ok(()),
            Decision::Unknown(why) => Err(forbidden(request, &why)),
        }
    }

    /// Whether the request may pass.
    pub fn allows(&self, request: &Attributes<'_>) -> bool {
        matches!(self.decide(request), Decision::Allowed(_))
    }

    /// Whether the request may pass, and why.
    pub fn decide(&self, request: &Attributes<'_>) -> Decision {
        let user = request.user;
        if user.is_in(MASTERS) {
            return Decision::Allowed(String::new());
        }
        let mut reasons = Vec::new();
        if let Some(node) = user.node() {
            match node::decide(request, node) {
                Ok(()) => return Decision::Allowed(String::new()),
                Err("") => {}
                Err(why) => reasons.push(why.to_owned()),
            }
        }
        let on = match request.path {
            "" => On::Resource {
                group: request.group,
                resource: request.resource,
                subresource: request.subresource,
                name: request.name,
            },
            path => On::Path(path),
        };
        let deed = Deed { verb: request.verb, on };
        match self.roles.index().decide(&user.name, &user.groups, request.namespace, &deed) {
            Verdict::Allowed(grant) => return Decision::Allowed(format!("RBAC: allowed by {grant}")),
            Verdict::Unknown(faults) => reasons.extend(access::together(&faults).map(|faults| format!("RBAC: {faults}"))),
        }
        Decision::Unknown(reasons.join("\n"))
    }

    /// All rules that roles give the user in the namespace, and what was wrong with some bindings.
    pub fn rules(&self, user: &User, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        self.roles.index().rules(&user.name, &user.groups, namespace)
    }

    pub(crate) fn roles(&self) -> &Roles {
        &self.roles
    }
}

/// Upstream's refusal.
pub(crate) fn forbidden(request: &Attributes<'_>, why: &str) -> Status {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let (user, verb, group) = (&request.user.name, request.verb, request.group);
    if !request.path.is_empty() {
        let message = format!("forbidden: User {user:?} cannot {verb} path {:?}{why}", request.path);
        return Status { code: 403, reason: "Forbidden".into(), message, details: Some(Box::new(Details::default())) };
    }
    let resource = match request.subresource {
        "" => request.resource.to_owned(),
        subresource => format!("{}/{subresource}", request.resource),
    };
    let scope = match request.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let sentence = format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}{why}");
    Status::forbidden(group, request.resource, request.name, &sentence)
}
