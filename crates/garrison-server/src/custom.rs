//! Custom kinds as the server serves them: the registry of those that there are, and the task that follows their definitions.

mod cleanup;
mod follow;
mod registry;

pub(crate) use follow::{load, run};
pub(crate) use registry::Registry;

use crate::storage::{self, Stored};
use garrison_api::{Resource, resource};

/// The row of definitions themselves.
fn definitions() -> Option<&'static Resource> {
    resource::find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
}

/// The name of the definition that an entry of the store is.
fn name_of(entry: &Stored) -> &str {
    entry.key.rsplit('/').next().unwrap_or_default()
}

/// What the keys of definitions start with.
fn prefix() -> Option<String> {
    definitions().map(|row| storage::prefix(row, None))
}
