//! A path within a volume: it must stay within, whatever links a container put there.

use super::VolumeError;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use std::{
    fs, io,
    os::fd::AsRawFd,
    path::{Component, Path, PathBuf},
};

/// The place of `path` within the volume at `volume`; made as a directory if nothing is there.
///
/// # Errors
/// When the path leaves the volume.
pub fn resolve(volume: &Path, path: &str) -> Result<PathBuf, VolumeError> {
    let refused = |why: &str| VolumeError::SubPath { path: path.into(), why: why.into() };
    let relative = Path::new(path);
    let harmless = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !relative.components().all(harmless) {
        return Err(refused("must be relative and not contain '..'"));
    }
    match open_beneath(volume, relative) {
        Ok(place) => Ok(place),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(volume, relative, path),
        Err(error) => Err(refused(&format!("leads out of the volume or cannot be opened: {error}"))),
    }
}

/// Makes the missing directories one by one, each below one that is known to lie within the volume.
fn make(volume: &Path, relative: &Path, path: &str) -> Result<PathBuf, VolumeError> {
    let mut done = PathBuf::new();
    for part in relative.components() {
        let parent = open_beneath(volume, &done).map_err(VolumeError::at(volume))?;
        done.push(part);
        match fs::create_dir(parent.join(part)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(VolumeError::at(&volume.join(&done))(error));
            }
            _ => {}
        }
    }
    open_beneath(volume, relative)
        .map_err(|error| VolumeError::SubPath { path: path.into(), why: format!("cannot be made: {error}") })
}

/// The real place of a path, resolved by the kernel without leaving the volume.
fn open_beneath(volume: &Path, relative: &Path) -> io::Result<PathBuf> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = openat2(CWD, volume, flags, Mode::empty(), ResolveFlags::empty())?;
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let found = openat2(&root, relative, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)?;
    fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))
}
