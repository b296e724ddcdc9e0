//! Whole-system tests. `tidy` holds the source to the project's own rules; `e2e` runs real clusters with real kubectl.

pub mod conformance;
pub mod etcd;
pub mod reference;
pub mod server;
