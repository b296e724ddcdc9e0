//! Container logs in CRI format: reading and following them, keeping them small, and the links that log shippers expect.
//!
//! ```text
//! <log dir>/pods/<namespace>_<pod>_<uid>/<container>/0.log                    being written by the runtime
//!                                                    0.log.20261124-101500    rotated, oldest first by name
//! <log dir>/containers/<pod>_<namespace>_<container>-<id>.log                 link to the former
//! ```
//! Unlike the kubelet, reading starts in the rotated files, so that a log does not seem empty after a rotation.

mod changes;
mod files;
mod line;
mod link;
mod print;
mod reader;
mod rotate;
mod tail;
#[cfg(test)]
mod tests;

pub use link::{link, unlink_dangling};
pub use reader::read;
pub use rotate::{Policy, rotate_forever, rotate_once};

use jiff::Timestamp;
use std::{io, path::Path};

/// Which part of a log is shown, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Goes on until the container has ended.
    pub follow: bool,
    /// Puts the time before each line.
    pub timestamps: bool,
    /// Only so many of the last lines.
    pub tail: Option<usize>,
    /// Only lines written then or later.
    pub since: Option<Timestamp>,
    /// At most so many bytes.
    pub limit: Option<u64>,
}

/// Removes a log with all that was rotated away from it.
pub fn remove(path: &Path) -> io::Result<()> {
    for file in files::rotated(path)?.into_iter().chain([path.to_path_buf()]) {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
