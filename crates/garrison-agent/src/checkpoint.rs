//! What the node must know to start its pods again without the server: pods, ConfigMaps, Secrets, tokens.
//!
//! One file each below the data directory, replaced as a whole, readable by nobody else.

use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Records of one sort, each in a file named by its key.
#[derive(Debug, Clone)]
pub struct Records {
    directory: PathBuf,
}

impl Records {
    /// Records in `directory`, which is made if needed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    fn path(&self, key: &str) -> PathBuf {
        // Keys are made of Kubernetes names, which contain no slash, and of our own separators.
        self.directory.join(format!("{}.json", key.replace('/', "_")))
    }

    /// Keeps a record, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put<T: Serialize>(&self, key: &str, record: &T) -> io::Result<()> {
        write_private(&self.path(key), &serde_json::to_vec(record)?)
    }

    /// Forgets a record.
    pub fn remove(&self, key: &str) {
        if let Err(error) = fs::remove_file(self.path(key))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(key, %error, "cannot remove a record");
        }
    }

    /// A record, if there is one that can be read.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        read(&self.path(key))
    }

    /// All records that can be read.
    pub fn all<T: DeserializeOwned>(&self) -> Vec<T> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
        paths.filter_map(|path| read(&path)).collect()
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    match serde_json::from_slice(&bytes) {
        Ok(record) => Some(record),
        Err(error) => {
            // Files are replaced as a whole, so this is a change of form or a broken disk: the server knows better.
            tracing::warn!(path = %path.display(), %error, "ignoring an unreadable record");
            None
        }
    }
}

/// Replaces a file as a whole: after a crash the old or the new content is there.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let aside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_again_and_broken_ones_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::open(directory.path().join("pods")).unwrap();
        records.put("a/b", &1).unwrap();
        records.put("c", &2).unwrap();
        records.put("c", &3).unwrap();
        fs::write(directory.path().join("pods/d.json"), "{").unwrap();
        fs::write(directory.path().join("pods/e.new"), "5").unwrap();
        let mut all: Vec<u32> = Records::open(directory.path().join("pods")).unwrap().all();
        all.sort_unstable();
        assert_eq!(all, [1, 3]);
        records.remove("a/b");
        assert_eq!(records.get::<u32>("a/b"), None);
        assert_eq!(records.get::<u32>("c"), Some(3));
    }
}
