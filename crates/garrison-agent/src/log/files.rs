//! The files that make up one log.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// One of them, open; known by its inode, as names change.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: File,
    pub(super) inode: u64,
}

impl Segment {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let inode = file.metadata()?.ino();
        Ok(Self { file, inode })
    }
}

/// What was rotated away from `log`, oldest first.
pub(super) fn rotated(log: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(dir), Some(name)) = (log.parent(), log.file_name()) else { return Ok(Vec::new()) };
    let prefix = format!("{}.", name.to_string_lossy());
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// All files of the log, oldest first. Rotation may happen meanwhile: then the current file is found a second time under
/// its new name, and left out there.
pub(super) fn open_all(log: &Path) -> io::Result<Vec<Segment>> {
    let current = Segment::open(log)?;
    let mut segments = Vec::new();
    for path in rotated(log)? {
        match Segment::open(&path) {
            Ok(segment) if segment.inode != current.inode => segments.push(segment),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    segments.push(current);
    Ok(segments)
}

/// The file after the one with `inode`: `None` if that is still the one being written. Where it has been thrown away
/// meanwhile, the oldest one that there is.
pub(super) fn successor(log: &Path, inode: u64) -> io::Result<Option<Segment>> {
    match fs::metadata(log) {
        Ok(metadata) if metadata.ino() == inode => return Ok(None),
        // Rotated, and the runtime has not opened a new one yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map(drop)?,
    }
    let mut segments = open_all(log)?;
    let next = segments.iter().position(|segment| segment.inode == inode).map_or(0, |position| position + 1);
    Ok((next < segments.len()).then(|| segments.swap_remove(next)))
}
