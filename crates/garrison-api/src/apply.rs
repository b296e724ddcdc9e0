//! Server-side apply: who owns which field of an object, and what an object becomes when somebody applies to it.
//!
//! - [`structure`]: how the parts of a kind merge; from the type graph, from a custom resource's schema, or deduced.
//! - [`apply`]: merges a configuration, refuses conflicts, removes what nobody wants any more.
//! - [`update`], [`create`]: who owns what after all other writes.
//! - [`to_scale`], [`to_parent`]: the same through `/scale`.
//! - [`Set`], [`Element`]: paths, and `fieldsV1`.

mod applied;
mod by_value;
mod compare;
mod conflict;
mod entry;
mod field_set;
mod ignored;
mod last_applied;
mod merge;
mod path;
mod reconcile;
mod remove;
mod scale;
mod set;
pub mod structure;
mod update;
mod validate;

pub use applied::{Applied, Live, apply, kind_text};
pub use by_value::by_value;
pub use compare::{Comparison, compare};
pub use entry::{Entry, Manager, Operation, same_but_times};
pub use ignored::ignored;
pub use path::{Element, NoElement};
pub use scale::{REPLICAS, to_parent, to_scale};
pub use set::Set;
pub use structure::Structure;
pub use update::{Write, create, update};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod scenarios;
