//! A path of the machine: is it what the pod takes it for, and may it be made.

use super::VolumeError;
use std::{
    fs::{self, FileType},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// Checks the path against its type, making it where the type allows.
pub(super) fn prepare(path: &Path, kind: &str) -> Result<(), VolumeError> {
    match kind {
        // The runtime makes a directory of what is not there.
        "" => Ok(()),
        "DirectoryOrCreate" => {
            if !exists(path)? {
                fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(VolumeError::at(path))?;
            }
            check(path, "a directory", FileType::is_dir)
        }
        "Directory" => check(path, "a directory", FileType::is_dir),
        "FileOrCreate" => {
            if !exists(path)? {
                let made = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path);
                made.map_err(VolumeError::at(path))?;
            }
            check(path, "a file", FileType::is_file)
        }
        "File" => check(path, "a file", FileType::is_file),
        "Socket" => check(path, "a socket file", FileType::is_socket),
        "CharDevice" => check(path, "a character device", FileType::is_char_device),
        "BlockDevice" => check(path, "a block device", FileType::is_block_device),
        _ => Err(VolumeError::Unsupported),
    }
}

fn exists(path: &Path) -> Result<bool, VolumeError> {
    path.try_exists().map_err(VolumeError::at(path))
}

fn check(path: &Path, what: &'static str, is: fn(&FileType) -> bool) -> Result<(), VolumeError> {
    match fs::metadata(path) {
        Ok(found) if is(&found.file_type()) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(VolumeError::at(path)(error)),
        _ => Err(VolumeError::HostPathType { path: path.into(), what }),
    }
}
