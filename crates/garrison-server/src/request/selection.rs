//! Which objects of a kind a request means: its namespace and selectors.

use super::Target;
use crate::storage::{self, StoredObject};
use garrison_api::{
    Resource, Status, face,
    selector::{Fields, Labels},
};
use garrison_store::{Entry, Scope};

/// A part of a kind's objects.
#[derive(Debug)]
pub(crate) struct Selection {
    resource: &'static Resource,
    /// What the keys start with.
    prefix: String,
    labels: Labels,
    fields: Fields,
}

impl Selection {
    pub(crate) fn parse(target: &Target, labels: Option<&str>, fields: Option<&str>) -> Result<Self, Status> {
        let resource = target.resource();
        let labels = labels.map(Labels::parse).transpose()?.unwrap_or_default();
        let fields = fields.map(|text| Fields::parse(resource, text)).transpose()?.unwrap_or_default();
        let fields =
            if resource.kept_as().is_some() { fields.renamed(|label| face::kept_label(resource, label)) } else { fields };
        // Only the old paths of watches name one object.
        let fields = match &target.name {
            Some(name) if target.watch => fields.and_equal("metadata.name", name),
            _ => fields,
        };
        let namespace = target.namespace().or_else(|| equals(&fields, "metadata.namespace").filter(|_| resource.namespaced));
        let prefix = storage::prefix(resource, namespace.filter(|namespace| !namespace.is_empty()));
        Ok(Self { resource, prefix, labels, fields })
    }

    pub(crate) fn resource(&self) -> &'static Resource {
        self.resource
    }

    /// What the keys of all objects meant start with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The node that all objects meant belong to, if the selection says so.
    pub(crate) fn term(&self) -> Option<&str> {
        equals(&self.fields, "spec.nodeName").filter(|node| !node.is_empty() && self.resource.custom.is_none())
    }

    /// Whether it means everything under its prefix.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.terms().is_empty()
    }

    /// Where to listen so as to hear of every object meant, and of few others.
    pub(crate) fn scope(&self) -> Scope {
        let depth = self.prefix.bytes().filter(|byte| *byte == b'/').count();
        let one_parent = depth == if self.resource.namespaced { 2 } else { 1 };
        match (equals(&self.fields, "metadata.name"), self.term()) {
            (Some(name), _) if one_parent => Scope::Key(format!("{}{name}", self.prefix)),
            (_, Some(node)) => Scope::Term { collection: storage::collection(self.resource), term: node.into() },
            _ => Scope::Prefix(self.prefix.clone()),
        }
    }

    /// Whether an object under that key is meant.
    pub(crate) fn matches(&self, key: &str, object: &StoredObject) -> bool {
        if !key.starts_with(&self.prefix) {
            return false;
        }
        let mut backwards = key.rsplit('/');
        let name = backwards.next().unwrap_or_default();
        let namespace = if self.resource.namespaced { backwards.next().unwrap_or_default() } else { "" };
        let served = if self.fields.terms().is_empty() { None } else { object.served(self.resource) };
        let object = served.as_ref().unwrap_or(object);
        let value = |label: &str| match label {
            "metadata.name" => name,
            "metadata.namespace" => namespace,
            _ => object.field(label).unwrap_or_default(),
        };
        self.fields.terms().iter().all(|(label, equal, wanted)| (value(label) == wanted) == *equal)
            && self.labels.matches(object.labels())
    }

    /// [`Self::matches`] for an entry of the store.
    pub(crate) fn includes(&self, entry: &Entry<StoredObject>) -> bool {
        self.matches(&entry.key, &entry.record)
    }
}

/// The value that the selector demands of a field.
fn equals<'a>(fields: &'a Fields, field: &str) -> Option<&'a str> {
    fields.terms().iter().find(|(label, equal, _)| label == field && *equal).map(|(_, _, value)| value.as_str())
}
