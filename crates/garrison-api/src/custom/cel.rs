//! Rules in CEL (`x-kubernetes-validations`): compiled and checked when a definition is written, run on every write of an object.
//!
//! The grammar is a crate's; checking and running are here, for two reasons. A rule that cannot be run must be refused when
//! it is written, so types are told by the schema. And no rule may hold up the server, so every step is counted.

mod arithmetic;
mod bind;
mod check;
mod compile;
mod eval;
mod functions;
mod names;
mod nesting;
mod network;
mod run;
mod signatures;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use compile::{Place, compile};
pub(crate) use run::run;

use cel::parser::Expression;

/// A rule of a schema.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its text.
    source: String,
    program: Expression,
    message: String,
    message_program: Option<Expression>,
    reason: &'static str,
    /// Where, below the value, a fault is said to be; empty for the value itself.
    field_path: String,
    /// Whether it is run for values that were not there before, too.
    optional_old: bool,
    /// Whether it compares with the value that was there before.
    transition: bool,
}
