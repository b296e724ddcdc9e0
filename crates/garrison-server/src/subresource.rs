//! Subresources that are more than another way to write an object.

mod binding;
mod condition;
mod eviction;
mod scale;
mod token;

pub(crate) use binding::bind;
pub(crate) use eviction::evict;
pub(crate) use scale::{read_scale, write_scale};
pub(crate) use token::request_token;
