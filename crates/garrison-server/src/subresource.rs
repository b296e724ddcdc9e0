//! Subresources that are more than another way to write an object.

pub mod streams;
