//! The Node object of this machine, made and kept up to date.
