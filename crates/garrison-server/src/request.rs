//! What a request asks for, read from its method, path and query.

mod asked;
mod field_manager;
mod options;
mod selection;

pub(crate) use asked::Asked;
pub(crate) use field_manager::field_manager;
pub(crate) use options::{FieldValidation, ListOptions, Match, WriteOptions, version};
pub(crate) use selection::Selection;

use crate::{authorize::Attributes, custom::Registry, identity::User};
use garrison_api::{Resource, Status};
use http::{HeaderMap, Method, request::Parts};

/// A request without its body, understood.
#[derive(Debug)]
pub(crate) struct Call {
    /// Who asks.
    pub(crate) user: User,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    /// What the path names, if it is an API resource.
    pub(crate) target: Option<Target>,
    asked: Asked,
}

/// A resource that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) resource: Kind,
    pub(crate) namespace: Option<String>,
    /// `None` for a collection.
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// Whether it is one of the old paths, `/watch/` before the resource, that mean a watch and nothing else.
    pub(crate) watch: bool,
}

/// A row of the table of resources; rows are told apart by their place.
#[derive(Clone, Copy)]
pub(crate) struct Kind(pub(crate) &'static Resource);

impl Call {
    pub(crate) fn new(kinds: &Registry, user: User, parts: &Parts) -> Result<Self, Status> {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let asked = Asked::read(parts, &query);
        Self::of(kinds, user, asked, query, parts)
    }

    /// The request, when it is known already what is asked.
    pub(crate) fn of(kinds: &Registry, user: User, asked: Asked, query: Query, parts: &Parts) -> Result<Self, Status> {
        let path = parts.uri.path().to_owned();
        let target = Target::parse(kinds, &path)?;
        Ok(Self { user, method: parts.method.clone(), path, query, headers: parts.headers.clone(), target, asked })
    }

    /// The verb, as policies name it.
    pub(crate) fn verb(&self) -> &'static str {
        let Some(target) = &self.target else { return plain_verb(&self.method) };
        match self.method {
            Method::GET | Method::HEAD if target.watch => "watch",
            _ => resource_verb(&self.method, target.name.is_none(), self.query.flag("watch")),
        }
    }

    /// What the policy judges.
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        self.asked.attributes(&self.user)
    }

    /// A header's text; empty if it is absent.
    pub(crate) fn header(&self, name: http::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// The verb of a request for one object, or for a whole collection of them.
fn resource_verb(method: &Method, whole: bool, watches: bool) -> &'static str {
    match *method {
        Method::GET | Method::HEAD if whole && watches => "watch",
        Method::GET | Method::HEAD if whole => "list",
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if whole => "deletecollection",
        Method::DELETE => "delete",
        _ => plain_verb(method),
    }
}

/// The verb of a request for no resource.
fn plain_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "options",
    }
}

impl Target {
    /// What a path names: `None` if it is no path of resources, 404 if it is one that is not served.
    fn parse(kinds: &Registry, path: &str) -> Result<Option<Self>, Status> {
        let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Ok(None),
        };
        let (watch, rest) = match rest {
            ["watch", rest @ ..] => (true, rest),
            _ => (false, rest),
        };
        let (namespace, plural, rest) = match rest {
            [] => return Ok(None),
            ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => (None, "namespaces", &rest[1..]),
            ["namespaces", namespace, plural, rest @ ..] => (Some((*namespace).to_owned()), *plural, rest),
            [plural, rest @ ..] => (None, *plural, rest),
        };
        let resource = kinds.find(group, version, plural).ok_or_else(Status::no_such_path)?;
        let (name, subresource) = match rest {
            [] => (None, None),
            [name] => (Some(*name), None),
            [name, subresource] => (Some(*name), Some(*subresource)),
            _ => return Err(Status::no_such_path()),
        };
        // A namespaced kind has collections across namespaces, but objects only within one.
        let misplaced = if resource.namespaced { namespace.is_none() && name.is_some() } else { namespace.is_some() };
        let unknown = subresource.is_some_and(|subresource| resource.subresource(subresource).is_none());
        if misplaced || unknown || (watch && subresource.is_some()) {
            return Err(Status::no_such_path());
        }
        let own = |text: Option<&str>| text.map(str::to_owned);
        Ok(Some(Self { resource: Kind(resource), namespace, name: own(name), subresource: own(subresource), watch }))
    }

    /// The row of the kind.
    pub(crate) fn resource(&self) -> &'static Resource {
        self.resource.0
    }

    /// The object's name; 404 on a collection.
    pub(crate) fn name(&self) -> Result<&str, Status> {
        self.name.as_deref().ok_or_else(Status::no_such_path)
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether the target serves the verb.
    pub(crate) fn serves(&self, verb: &str) -> bool {
        if self.watch {
            return verb == "watch" && self.resource.0.verbs.contains(&verb);
        }
        let across = self.resource.0.namespaced && self.namespace.is_none() && !matches!(verb, "list" | "watch");
        // A role may allow creating under one name: the name must not be in the path, where nothing is made by it.
        let fits = match verb {
            "create" if self.subresource.is_none() => self.name.is_none(),
            "update" | "patch" => self.name.is_some(),
            _ => true,
        };
        let verbs = match &self.subresource {
            Some(name) => self.resource.0.subresource(name).map_or(&[][..], |subresource| subresource.verbs),
            None => self.resource.0.verbs,
        };
        !across && fits && verbs.contains(&verb)
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0.api_version(), self.0.plural)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Kind {}

/// The parameters of a URL, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (form(name), form(value))).collect(),
        )
    }

    /// The first value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All values of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.switch(name).unwrap_or(false)
    }

    /// A switch that may be left unset.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }
}

fn form(text: &str) -> String {
    decode(&text.replace('+', " "))
}

/// Undoes percent-encoding. What is no valid escape stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        // A sign, which numbers may have, is no digit.
        let escaped = escaped.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        match escaped.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
