//! Waiting until something happens in a directory.

use rustix::fs::inotify;
use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    time::Duration,
};
use tokio::{io::unix::AsyncFd, time};

/// How often to look where the kernel does not tell.
const LOOK: Duration = Duration::from_millis(250);

/// Tells that files in a directory were written to, came or went.
#[derive(Debug)]
pub(super) struct Changes(Option<AsyncFd<OwnedFd>>);

impl Changes {
    /// Watches `dir`. The kernel's watches are few; without one, changes are looked for from time to time.
    pub(super) fn within(dir: &Path) -> Self {
        Self(watch(dir).inspect_err(|error| tracing::debug!(%error, "cannot watch a log directory")).ok())
    }

    /// Returns once something may have changed, after `limit` at the latest.
    pub(super) async fn wait(&self, limit: Duration) {
        let Some(events) = &self.0 else { return time::sleep(limit.min(LOOK)).await };
        let Ok(Ok(mut ready)) = time::timeout(limit, events.readable()).await else { return };
        // What exactly happened is seen when looking.
        let mut discarded = [0; 4096];
        while ready
            .try_io(|events| Ok(rustix::io::read(events.get_ref().as_fd(), &mut discarded)?))
            .is_ok_and(|read| read.is_ok())
        {}
    }
}

#[allow(unsafe_code, reason = "tokio cannot see that a descriptor stays open")]
fn watch(dir: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    use inotify::{CreateFlags, WatchFlags};
    let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    inotify::add_watch(&events, dir, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
    // SAFETY: the descriptor is open, and `AsyncFd` owns it until it is dropped: nothing else can close or replace it.
    Ok(unsafe { AsyncFd::register(events) }?)
}
