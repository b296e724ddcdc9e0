//! What a request wants to do, in the words of policies. Method, path and query tell it, be the kind served or not.

use super::{Parts, Query, decode, plain_verb, resource_verb};
use crate::{authorize::Attributes, identity::User};

/// A request as policies see it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    verb: &'static str,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    /// Empty if it names a resource.
    path: String,
    field_selector: String,
}

impl Asked {
    pub(crate) fn read(parts: &Parts, query: &Query) -> Self {
        let path = parts.uri.path();
        let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, rest) = match segments.as_slice() {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => return Self { verb: plain_verb(&parts.method), path: path.to_owned(), ..Self::default() },
        };
        // The old paths of watches mean nothing else, whatever the method.
        let (old_watch, rest) = match rest {
            ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
            _ => (false, rest),
        };
        // A namespace is in itself: who may do something there may be meant to read it.
        let (namespace, rest) = match rest {
            ["namespaces", namespace] | ["namespaces", namespace, "status" | "finalize", ..] => (*namespace, rest),
            ["namespaces", namespace, inside @ ..] => (*namespace, inside),
            _ => ("", rest),
        };
        let part = |at: usize| rest.get(at).copied().unwrap_or_default();
        let field_selector = query.get("fieldSelector").unwrap_or_default();
        let verb = if old_watch { "watch" } else { resource_verb(&parts.method, part(1).is_empty(), query.flag("watch")) };
        let collection = matches!(verb, "list" | "watch" | "deletecollection");
        Self {
            verb,
            group: group.into(),
            resource: part(0).into(),
            subresource: part(2).into(),
            namespace: namespace.into(),
            name: if collection && !old_watch { selected_name(field_selector) } else { part(1) }.into(),
            path: String::new(),
            field_selector: field_selector.into(),
        }
    }

    /// What the policy judges.
    pub(crate) fn attributes<'a>(&'a self, user: &'a User) -> Attributes<'a> {
        Attributes {
            user,
            verb: self.verb,
            group: &self.group,
            resource: &self.resource,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            path: &self.path,
            field_selector: &self.field_selector,
        }
    }
}

/// The one name that a collection is narrowed to: a role may give access to that object alone.
fn selected_name(selector: &str) -> &str {
    let mut names = selector.split(',').filter_map(|term| term.split_once('=')).filter(|(field, _)| *field == "metadata.name");
    let name = names.next().map(|(_, name)| name.strip_prefix('=').unwrap_or(name)).unwrap_or_default();
    if name.contains(['/', '%', '\\']) || matches!(name, "." | "..") { "" } else { name }
}
