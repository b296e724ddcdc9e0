//! What is to be removed because what it belonged to is gone.
//!
//! - [`pods`]: pods of vanished nodes, and finished pods that are too many (behaviour reference §14.3).
//! - [`graph`]: dependents of objects that are gone or on their way (§15).
//! - [`namespace`]: what is left in a namespace that is being deleted.

pub mod graph;
pub mod namespace;
pub mod pods;
