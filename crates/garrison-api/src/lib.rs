//! What an object is: the resources served, their defaults, validation, patches, selectors, quantities and tables.
//!
//! This room is pure. It knows no clock, no network and no disk: times, names and random bits come in as arguments.
//!
//! The doors:
//! - [`resource`]: the table of kinds; adding a kind is adding a row.
//! - [`decode`]: bytes of a request body (JSON, YAML, protobuf) to a JSON value, with strict field validation.
//! - [`encode`]: a JSON value to protobuf, for clients that ask for it.
//! - [`prepare`]: the one way to a storable object: default, reset what a caller may not set, validate, generation.
//! - [`apply`]: server-side apply, and who owns which field.
//! - [`event`]: events in the two versions of which each is the other's.
//! - [`face`]: kinds that are served in two versions and kept in one.
//! - [`patch`]: JSON patch, merge patch, strategic merge patch.
//! - [`selector`]: label and field selectors.
//! - [`access`]: roles and bindings, and what they allow.
//! - [`scale`]: the number of replicas, in the form that all kinds with replicas share.
//! - [`table`]: the columns that `kubectl get` prints.
//! - [`api_service`]: the objects that list which versions of which groups are served.
//! - [`discovery`], [`openapi`]: what clients ask before they do anything.
//! - [`status_error`]: every refusal, in Kubernetes' own form.

pub mod access;
pub mod api_service;
pub mod apply;
pub mod custom;
pub mod decode;
pub mod defaults;
pub mod discovery;
pub mod encode;
pub mod event;
pub mod face;
pub mod names;
pub mod openapi;
pub mod patch;
pub mod prepare;
pub mod quantity;
pub mod resource;
pub mod scale;
pub mod schema;
pub mod selector;
pub mod status_error;
pub mod table;
pub mod validation;

pub use resource::Resource;
pub use status_error::Status;
