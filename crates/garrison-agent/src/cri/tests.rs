//! The meaning of specs, in tables.
