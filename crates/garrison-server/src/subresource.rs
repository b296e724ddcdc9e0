//! Subresources that are more than another way to write an object.

mod binding;
mod eviction;
mod token;

pub(crate) use binding::bind;
pub(crate) use eviction::evict;
pub(crate) use token::request_token;
