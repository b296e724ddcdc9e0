//! `meta.k8s.io` tables: the columns that `kubectl get` prints (upstream `pkg/printers/internalversion`).

use crate::resource::Resource;
use jiff::Timestamp;
use serde_json::Value;

/// What each row carries of its object (`?includeObject=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

/// Column definitions of a kind.
pub fn columns(resource: &Resource) -> Value {
    unimplemented!("{resource:?}")
}

/// One row: `{"cells": […], "object": …}`.
pub fn row(resource: &Resource, object: &Value, include: IncludeObject, now: Timestamp) -> Value {
    unimplemented!("{resource:?} {object} {include:?} {now}")
}

/// The `PartialObjectMetadata` form of an object.
pub fn partial_metadata(object: &Value) -> Value {
    unimplemented!("{object}")
}
