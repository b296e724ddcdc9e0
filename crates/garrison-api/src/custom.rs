//! Kinds that CustomResourceDefinitions describe.
//!
//! A definition's version becomes a row like those of the built-in kinds, and a [`Version`] that holds what the row cannot:
//! schema, columns, paths of scale. Rows are made once for each [`Shape`] and never go; what a row's version is at present lies
//! in its [`Slot`]. An empty slot is a kind that is served no longer.

mod cel;
pub mod columns;
pub mod conditions;
pub mod definition;
mod embedded;
mod json_path;
pub(crate) mod path;
pub mod row;
pub mod scale;
pub mod schema;
pub mod version_order;

pub use row::{Rows, Shape};

use crate::apply::Structure;
use arc_swap::ArcSwapOption;
use schema::Schema;
use serde_json::Value;
use std::sync::Arc;

/// One served version of a custom kind, compiled.
#[derive(Debug)]
pub struct Version {
    /// What tells it from all other versions that there ever were in this process.
    pub serial: u64,
    /// The schema, compiled.
    pub schema: Schema,
    /// The schema as it was written.
    pub document: Value,
    /// How parts of objects merge, and who may own them.
    pub structure: Structure,
    /// What `kubectl get` prints.
    pub columns: Vec<columns::Column>,
    /// Where the numbers of replicas stand, if the kind has a scale.
    pub scale: Option<scale::Paths>,
    /// What everybody who uses the version is warned of; empty for none.
    pub deprecation: String,
    /// The version that objects are stored in.
    pub storage: String,
    /// Whether the definition is being deleted: then nothing new is made.
    pub terminating: bool,
}

impl Version {
    /// Takes out what the schema does not describe, and fills in defaults: the form in which objects are served.
    pub fn settle(&self, object: &mut Value) {
        schema::prune(&self.schema, object);
        schema::fill_in(&self.schema, object);
    }

    /// What is wrong with an object, by schema and rules. What did not change since `old` is let be.
    pub fn faults(&self, object: &Value, old: Option<&Value>) -> Vec<crate::status_error::Cause> {
        let mut faults = schema::validate(&self.schema, object, old);
        // Rules are not run on what is not of the right types.
        const BLOCKING: [&str; 5] =
            ["FieldValueTypeInvalid", "FieldValueRequired", "FieldValueNotSupported", "FieldValueTooLong", "FieldValueTooMany"];
        if !faults.iter().any(|cause| BLOCKING.contains(&cause.reason.as_str())) {
            faults.extend(cel::run(&self.schema, object, old));
        }
        faults
    }
}

/// Where a row's present version lies.
#[derive(Debug)]
pub struct Slot {
    list_kind: String,
    current: ArcSwapOption<Version>,
}

impl Slot {
    /// An empty one.
    pub fn new(list_kind: &str) -> Self {
        Self { list_kind: list_kind.into(), current: ArcSwapOption::empty() }
    }

    /// The kind of lists.
    pub fn list_kind(&self) -> &str {
        &self.list_kind
    }

    /// The version that is served at present, if one is.
    pub fn version(&self) -> Option<Arc<Version>> {
        self.current.load_full()
    }

    /// Whether the row is served.
    pub fn is_served(&self) -> bool {
        self.current.load().is_some()
    }

    /// Serves another version, or none.
    pub fn serve(&self, version: Option<Arc<Version>>) {
        self.current.store(version);
    }
}
