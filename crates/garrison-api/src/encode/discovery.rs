//! The messages of discovery, which are no objects: they have no place in the type graph.

use super::{metadata, wire::Writer};
use serde_json::{Map, Value};

/// A field: its JSON name, tag and content.
type Field = (&'static str, u32, Content);

/// What a field holds, once or several times.
#[derive(Clone, Copy)]
enum Content {
    Text,
    Flag,
    /// A message that has nothing but a list of texts.
    Texts,
    Message(&'static [Field]),
}

use Content::{Flag, Message, Text, Texts};

const VERSION: &[Field] = &[("groupVersion", 1, Text), ("version", 2, Text)];
const ADDRESS: &[Field] = &[("clientCIDR", 1, Text), ("serverAddress", 2, Text)];
const GROUP: &[Field] = &[
    ("name", 1, Text),
    ("versions", 2, Message(VERSION)),
    ("preferredVersion", 3, Message(VERSION)),
    ("serverAddressByClientCIDRs", 4, Message(ADDRESS)),
];
const GROUPS: &[Field] = &[("groups", 1, Message(GROUP))];
const VERSIONS: &[Field] = &[("versions", 1, Text), ("serverAddressByClientCIDRs", 2, Message(ADDRESS))];
const RESOURCE: &[Field] = &[
    ("name", 1, Text),
    ("namespaced", 2, Flag),
    ("kind", 3, Text),
    ("verbs", 4, Texts),
    ("shortNames", 5, Text),
    ("singularName", 6, Text),
    ("categories", 7, Text),
    ("group", 8, Text),
    ("version", 9, Text),
    ("storageVersionHash", 10, Text),
];
const RESOURCES: &[Field] = &[("groupVersion", 1, Text), ("resources", 2, Message(RESOURCE))];

const KIND: &[Field] = &[("group", 1, Text), ("version", 2, Text), ("kind", 3, Text)];
const SUBRESOURCE: &[Field] =
    &[("subresource", 1, Text), ("responseKind", 2, Message(KIND)), ("acceptedTypes", 3, Message(KIND)), ("verbs", 4, Text)];
const FOUND_RESOURCE: &[Field] = &[
    ("resource", 1, Text),
    ("responseKind", 2, Message(KIND)),
    ("scope", 3, Text),
    ("singularResource", 4, Text),
    ("verbs", 5, Text),
    ("shortNames", 6, Text),
    ("categories", 7, Text),
    ("subresources", 8, Message(SUBRESOURCE)),
];
const FOUND_VERSION: &[Field] = &[("version", 1, Text), ("resources", 2, Message(FOUND_RESOURCE)), ("freshness", 3, Text)];

/// Writes a document of that kind; `None` if it is none of discovery's.
pub(super) fn document(out: &mut Writer, api_version: &str, kind: &str, document: &Map<String, Value>) -> Option<()> {
    match (api_version, kind) {
        ("v1" | "", "APIVersions") => fields(out, VERSIONS, document),
        ("v1", "APIGroupList") => fields(out, GROUPS, document),
        ("v1", "APIGroup") => fields(out, GROUP, document),
        ("v1", "APIResourceList") => fields(out, RESOURCES, document),
        ("apidiscovery.k8s.io/v2" | "apidiscovery.k8s.io/v2beta1", "APIGroupDiscoveryList") => {
            for group in document.get("items").and_then(Value::as_array).into_iter().flatten() {
                out.nested(2, |out| {
                    metadata(out, "ObjectMeta", &group["metadata"]);
                    values(out, 2, Message(FOUND_VERSION), &group["versions"]);
                });
            }
        }
        _ => return None,
    }
    Some(())
}

fn fields(out: &mut Writer, described: &[Field], object: &Map<String, Value>) {
    for (name, tag, content) in described {
        if let Some(value) = object.get(*name) {
            values(out, *tag, *content, value);
        }
    }
}

fn values(out: &mut Writer, tag: u32, content: Content, value: &Value) {
    match (content, value) {
        (Texts, Value::Array(list)) => out.nested(tag, |out| list.iter().for_each(|item| values(out, 1, Text, item))),
        (_, Value::Array(list)) => list.iter().for_each(|item| values(out, tag, content, item)),
        (Text, Value::String(text)) => out.bytes(tag, text.as_bytes()),
        (Flag, Value::Bool(flag)) => out.number(tag, (*flag).into()),
        (Message(described), Value::Object(object)) => out.nested(tag, |out| fields(out, described, object)),
        // Discovery makes its documents itself, and they hold nothing else.
        _ => {}
    }
}
