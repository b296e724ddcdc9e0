//! A directory of files that changes as a whole: readers see the old set or the new one, never a mixture.
//!
//! ```text
//!  token    -> ..data/token            what the container opens
//!  ..data   -> ..1700000000.000000001  swapped by one rename
//!  ..1700000000.000000001/token
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

const DATA: &str = "..data";
const DATA_NEXT: &str = "..data_tmp";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) content: Vec<u8>,
    pub(super) mode: u32,
}

/// Files by path relative to the volume.
pub(super) type Payload = BTreeMap<PathBuf, File>;

/// Makes the directory hold exactly these files; says whether anything had to change.
pub(super) fn write(place: &Path, payload: &Payload) -> io::Result<bool> {
    fs::create_dir_all(place)?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
    let current = fs::read_link(place.join(DATA)).ok();
    if current.as_ref().is_some_and(|current| same(&place.join(current), payload)) {
        return Ok(false);
    }
    let version = new_version(place)?;
    for (path, file) in payload {
        let target = place.join(&version).join(path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&target, &file.content)?;
        // Set apart from creation, which the umask would trim.
        fs::set_permissions(&target, fs::Permissions::from_mode(file.mode))?;
    }
    let next = place.join(DATA_NEXT);
    remove_if_there(&next)?;
    symlink(&version, &next)?;
    fs::rename(&next, place.join(DATA))?;
    link_names(place, payload)?;
    if let Some(old) = current.filter(|old| old.as_os_str() != version.as_str()) {
        fs::remove_dir_all(place.join(old))?;
    }
    Ok(true)
}

fn new_version(place: &Path) -> io::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("..{}.{:09}", now.as_secs(), now.subsec_nanos());
    let directory = place.join(&name);
    remove_if_there(&directory)?;
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
    Ok(name)
}

/// Links each first part of a path into `..data`, and removes the links that lead nowhere any more.
fn link_names(place: &Path, payload: &Payload) -> io::Result<()> {
    let names: BTreeSet<_> = payload
        .keys()
        .filter_map(|path| match path.components().next() {
            Some(Component::Normal(name)) => Some(name.to_owned()),
            _ => None,
        })
        .collect();
    for name in &names {
        match symlink(Path::new(DATA).join(name), place.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    for entry in fs::read_dir(place)? {
        let name = entry?.file_name();
        let ours = name.to_string_lossy().starts_with("..");
        if !ours && !names.contains(&name) {
            remove_if_there(&place.join(name))?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn same(directory: &Path, payload: &Payload) -> bool {
    count(directory) == payload.len()
        && payload.iter().all(|(path, file)| fs::read(directory.join(path)).is_ok_and(|content| content == file.content))
}

fn count(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| if entry.file_type().is_ok_and(|kind| kind.is_dir()) { count(&entry.path()) } else { 1 }).sum()
}
