//! The links by which log shippers find a container's log and know whose it is.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

const SUFFIX: &str = ".log";
/// What file systems allow for a name.
const LONGEST_NAME: usize = 255;

/// `containers/<pod>_<namespace>_<container>-<id>.log`, cut where it is longer than a name can be.
fn path(log_dir: &Path, namespace: &str, pod: &str, container: &str, id: &str) -> PathBuf {
    let mut name = format!("{pod}_{namespace}_{container}-{id}");
    // All parts are ASCII, so that no character is cut apart.
    name.truncate(LONGEST_NAME - SUFFIX.len());
    log_dir.join("containers").join(name + SUFFIX)
}

/// Links to a container's log at `target` from the place where log shippers look, below `log_dir`.
pub fn link(log_dir: &Path, namespace: &str, pod: &str, container: &str, id: &str, target: &Path) -> io::Result<()> {
    let path = path(log_dir, namespace, pod, container, id);
    if fs::read_link(&path).is_ok_and(|there| there == target) {
        return Ok(());
    }
    fs::create_dir_all(log_dir.join("containers"))?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => symlink(target, path),
    }
}

/// Removes the links below `log_dir` whose logs are gone; how many there were.
///
/// A link also leads nowhere for the moment of a rotation, so one whose log has rotated files is kept.
pub fn unlink_dangling(log_dir: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(log_dir.join("containers")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let link = entry?.path();
        let Ok(target) = fs::read_link(&link) else { continue };
        if !target.exists() && super::files::rotated(&target)?.is_empty() {
            fs::remove_file(link)?;
            removed += 1;
        }
    }
    Ok(removed)
}
