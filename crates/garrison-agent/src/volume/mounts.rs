//! Mounts below pods' directories.

use garrison_api::quantity::Quantity;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::{
    ffi::{CString, OsString},
    fs, io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// Mounts memory at a directory, unless that is done.
pub(super) fn memory(place: &Path, limit: Option<&Text>) -> io::Result<()> {
    if below(place)?.iter().any(|mounted| mounted == place) {
        return Ok(());
    }
    let bytes = limit.and_then(|limit| Quantity::parse(&limit.0).ok()).map_or(0, Quantity::value);
    let options = if bytes > 0 { format!("mode=0777,size={bytes}") } else { "mode=0777".into() };
    let options = CString::new(options)?;
    mount("tmpfs", place, "tmpfs", MountFlags::empty(), options.as_c_str()).map_err(Into::into)
}

/// Unmounts everything at or below a directory, the innermost first.
pub(super) fn unmount_below(directory: &Path) -> io::Result<()> {
    for place in below(directory)?.into_iter().rev() {
        unmount(&place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
    }
    match below(directory)?.first() {
        None => Ok(()),
        Some(_) => Err(io::ErrorKind::ResourceBusy.into()),
    }
}

/// What is mounted at or below a directory, in order of mounting.
fn below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(mount_points(&text).filter(|place| place.starts_with(directory)).collect())
}

fn mount_points(mountinfo: &[u8]) -> impl Iterator<Item = PathBuf> {
    let lines = mountinfo.split(|byte| *byte == b'\n');
    lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescape)
}

/// The kernel writes blanks and the like as `\040`.
fn unescape(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| after.get(..3)).flatten();
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read() {
        let text = b"36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw\n\
                     37 35 0:5 / /a\\040b\\134c rw shared:2 - tmpfs tmpfs rw\n";
        let found: Vec<PathBuf> = mount_points(text).collect();
        assert_eq!(found, [PathBuf::from("/mnt"), PathBuf::from("/a b\\c")]);
    }
}
