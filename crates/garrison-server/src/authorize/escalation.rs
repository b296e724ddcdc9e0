//! Who writes roles and bindings gives access, and may give no more than he has.
//!
//! The exceptions are explicit: `escalate` on a role lets write it whatever it holds, `bind` lets give it to anybody.

use super::Attributes;
use crate::{Server, request::Call, request::Target};
use garrison_api::{
    Status,
    access::{self, Rule},
};
use serde_json::Value;

/// Refuses a role or binding, about to be stored in the place of `old`, that gives what its writer does not have.
pub(crate) fn check(server: &Server, call: &Call, target: &Target, object: &Value, old: Option<&Value>) -> Result<(), Status> {
    let (resource, user) = (target.resource(), &call.user);
    if resource.group != access::GROUP || user.is_in(crate::identity::MASTERS) {
        return Ok(());
    }
    // What lets the garbage collector do its work gives nothing.
    if old.is_some_and(|old| differ_in_owners_only(old, object)) {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let refused = |why: &str| Err(Status::forbidden(resource.group, resource.plural, name, why));
    let namespace = target.namespace().unwrap_or_default();
    let authorizer = server.authorizer();
    let asked = call.attributes();
    if !resource.kind.ends_with("Binding") {
        if authorizer.allows(&Attributes { verb: "escalate", ..asked }) {
            return Ok(());
        }
        let (held, faults) = authorizer.rules(user, namespace);
        let lacks = access::missing(&held, &Rule::of_role(object));
        if !lacks.is_empty() {
            return refused(&told(call, &lacks, &faults));
        }
        // It would gather whatever others put into roles with the right labels.
        let aggregates = |role: &Value| role["aggregationRule"].is_object();
        let gathers = aggregates(object) || old.is_some_and(aggregates);
        if gathers && !access::missing(&held, &everything()).is_empty() {
            return refused("must have cluster-admin privileges to use the aggregationRule");
        }
        return Ok(());
    }
    let text = |field: &str| object["roleRef"][field].as_str().unwrap_or_default();
    let (kind, role) = (text("kind"), text("name"));
    let plural = if kind == "Role" { "roles" } else { "clusterroles" };
    if authorizer.allows(&Attributes {
        verb: "bind",
        group: access::GROUP,
        resource: plural,
        subresource: "",
        namespace,
        name: role,
        ..asked
    }) {
        return Ok(());
    }
    let (held, faults) = authorizer.rules(user, namespace);
    let lacks = access::missing(&held, authorizer.roles().index().role(kind, namespace, role)?);
    if lacks.is_empty() { Ok(()) } else { refused(&told(call, &lacks, &faults)) }
}

fn told(call: &Call, lacks: &[Rule], faults: &[String]) -> String {
    let user = &call.user;
    let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
    let mut text = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        groups.join(" "),
        access::words(lacks)
    );
    if let Some(faults) = access::together(faults) {
        text.push_str(&format!("; resolution errors: [{faults}]"));
    }
    text
}

fn everything() -> [Rule; 2] {
    let all = || vec!["*".to_owned()];
    [
        Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() },
        Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() },
    ]
}

fn differ_in_owners_only(old: &Value, new: &Value) -> bool {
    let plain = |object: &Value| {
        let mut plain = object.clone();
        if let Some(metadata) = plain["metadata"].as_object_mut() {
            for field in ["ownerReferences", "finalizers", "resourceVersion", "managedFields"] {
                metadata.remove(field);
            }
        }
        plain
    };
    plain(old) == plain(new)
}
