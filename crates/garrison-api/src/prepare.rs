//! The one door to a storable object: default, reset what the caller may not set, validate, generation.

use crate::{resource::Resource, status_error::Status};
use jiff::Timestamp;
use serde_json::Value;

/// What the server knows of a write besides the body.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// The kind written.
    pub resource: &'static Resource,
    /// Subresource written, such as `status`; `None` for the object itself.
    pub subresource: Option<&'a str>,
    /// Namespace of the path; `None` when cluster-scoped.
    pub namespace: Option<&'a str>,
    /// Time of the request.
    pub now: Timestamp,
    /// A fresh UID for a create.
    pub uid: &'a str,
    /// Random bits for `generateName`.
    pub random: u64,
}

/// A storable object (without `resourceVersion`, which the store assigns) and warnings for the caller.
#[derive(Debug)]
pub struct Prepared {
    /// The object.
    pub object: Value,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// Prepares a create. `metadata.name` is generated from `generateName` when absent.
///
/// # Errors
/// 400, 422 (`Invalid` with one cause per fault).
pub fn create(write: &Write<'_>, object: Value) -> Result<Prepared, Status> {
    unimplemented!("{write:?} {object}")
}

/// Prepares an update of `old` (as stored) to `new`. The caller has compared resource versions already.
/// A result equal to `old` is a no-op.
///
/// # Errors
/// 400, 409 (UID differs), 422.
pub fn update(write: &Write<'_>, old: &Value, new: Value) -> Result<Prepared, Status> {
    unimplemented!("{write:?} {old} {new}")
}

/// The fields of `DeleteOptions` that decide.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeleteOptions {
    /// Seconds; `None` takes the object's own.
    pub grace_period_seconds: Option<i64>,
    /// `Background`, `Foreground` or `Orphan`.
    pub propagation_policy: Option<String>,
    /// Precondition on `metadata.uid`.
    pub uid: Option<String>,
    /// Precondition on `metadata.resourceVersion`.
    pub resource_version: Option<String>,
    /// Whether to change nothing.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads a decoded `DeleteOptions` object (body), to which query parameters may have been merged.
    ///
    /// # Errors
    /// 400 or 422 for bad values.
    pub fn from_value(value: &Value) -> Result<Self, Status> {
        unimplemented!("{value}")
    }
}

/// What a delete comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Deletion {
    /// Take the object out of the store.
    Remove,
    /// Keep it, marked: grace period or finalizers are to be waited for.
    Mark(Box<Value>),
    /// Already marked, nothing new.
    Unchanged,
}

/// Decides a delete of `old` (behaviour reference §14.4, §15).
///
/// # Errors
/// 409 when a precondition does not hold, 422 for contradictory options.
pub fn delete(write: &Write<'_>, old: &Value, options: &DeleteOptions) -> Result<Deletion, Status> {
    unimplemented!("{write:?} {old} {options:?}")
}

/// Whether an object, as just prepared by an update, is to be removed now: marked, no finalizer left, no grace to wait for.
pub fn finished(resource: &Resource, object: &Value) -> bool {
    unimplemented!("{resource:?} {object}")
}
