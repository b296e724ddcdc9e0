//! The table of resources: one row per kind that the server serves.

mod fields;
mod reviews;
mod rows;

use crate::custom::Slot;
use serde_json::Value;

/// A subresource of a [`Resource`], such as `status` or `binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subresource {
    /// Path segment after the object's name.
    pub name: &'static str,
    /// `apiVersion` of the body, for example `policy/v1` for `eviction`; empty for that of the parent.
    pub api_version: &'static str,
    /// Kind of the body, for example `Eviction`.
    pub kind: &'static str,
    /// Verbs served, for example `["get", "patch", "update"]`.
    pub verbs: &'static [&'static str],
}

/// One kind: names, scope, verbs, subresources and how its objects are read for selectors.
#[derive(Debug)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version within the group.
    pub version: &'static str,
    /// Kind, such as `DaemonSet`.
    pub kind: &'static str,
    /// Lower-case plural, such as `daemonsets`.
    pub plural: &'static str,
    /// Lower-case singular, such as `daemonset`.
    pub singular: &'static str,
    /// Short names, such as `ds`.
    pub short_names: &'static [&'static str],
    /// Categories, such as `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Verbs served on the resource itself.
    pub verbs: &'static [&'static str],
    /// Subresources, in the order of discovery.
    pub subresources: &'static [Subresource],
    /// Field labels that a field selector may name besides `metadata.name` and `metadata.namespace`.
    pub selectable_fields: &'static [&'static str],
    /// Value of a field label of [`Self::selectable_fields`] for an object; absent fields are the empty string.
    pub field: fn(object: &Value, label: &str) -> String,
    /// Whether an update without `metadata.resourceVersion` is accepted.
    pub unconditional_update: bool,
    /// Whether `status` is a subresource: then main writes ignore `status` and `/status` writes ignore the rest.
    pub has_status: bool,
    /// What a writer is warned of because nothing acts on objects of this kind yet; empty when something does.
    pub stored_only: &'static str,
    /// What a CustomResourceDefinition says of the kind; `None` for the kinds that are built in.
    pub custom: Option<&'static Slot>,
}

impl Resource {
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.into() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether there are objects of the kind: reviews are answered and forgotten.
    pub fn is_stored(&self) -> bool {
        self.verbs.contains(&"list")
    }

    /// The row under which objects of this one are kept, if it is not this one.
    pub fn kept_as(&self) -> Option<&'static Self> {
        crate::face::kept_as(self)
    }

    /// The kind of a list of its objects.
    pub fn list_kind(&self) -> String {
        self.custom.map_or_else(|| format!("{}List", self.kind), |slot| slot.list_kind().to_owned())
    }

    /// Whether protobuf has messages for it. Custom kinds have none.
    pub fn has_messages(&self) -> bool {
        self.custom.is_none()
    }

    /// The subresource of that name.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }
}

/// All rows, in the order of discovery.
pub fn resources() -> &'static [Resource] {
    rows::ROWS
}

/// The row that serves a path.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    resources().iter().find(|r| r.group == group && r.version == version && r.plural == plural)
}

/// The row of a kind, as objects name it.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
    resources().iter().find(|r| r.kind == kind && r.api_version() == api_version)
}
