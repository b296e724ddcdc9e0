//! Volumes, from the API's description to directories on this machine.
//!
//! A volume's place follows from the pod alone ([`place`]), so that containers find theirs again after the agent has
//! restarted. What is below a pod's directory is undone by [`tear_down`]; a hostPath is never below it.

use crate::{
    context::Context,
    environment::EnvironmentError,
    objects::{ObjectError, TokenFor},
};
use k8s_openapi::api::core::v1::{Pod, Volume};
use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

mod atomic;
mod files;
mod host_path;
mod mounts;
pub mod sub_path;

/// Why a volume cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The machine's path is not what the pod says it is.
    #[error("hostPath type check failed: {path} is not {what}", path = path.display())]
    HostPathType {
        /// The path.
        path: PathBuf,
        /// `a directory` …
        what: &'static str,
    },
    /// An object it is made of cannot be had.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// An object lacks a key that an item names.
    #[error("references non-existent {kind} key: {key}")]
    Key {
        /// `config` or `secret`.
        kind: &'static str,
        /// The key.
        key: String,
    },
    /// A field of the pod it is made of.
    #[error(transparent)]
    Field(#[from] EnvironmentError),
    /// This agent knows no such volume.
    #[error("volumes of this kind are not supported by this node")]
    Unsupported,
    /// The path within a volume leaves it, or names nothing.
    #[error("subPath {path:?}: {why}")]
    SubPath {
        /// As in the spec.
        path: String,
        /// Why.
        why: String,
    },
    /// The machine refuses.
    #[error("{path}", path = path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl VolumeError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Where a volume is found on this machine.
pub fn place(pod_dir: &Path, volume: &Volume) -> PathBuf {
    if let Some(host_path) = &volume.host_path {
        return PathBuf::from(&host_path.path);
    }
    let plugin = if volume.empty_dir.is_some() {
        "empty-dir"
    } else if volume.config_map.is_some() {
        "configmap"
    } else if volume.secret.is_some() {
        "secret"
    } else if volume.downward_api.is_some() {
        "downward-api"
    } else {
        "projected"
    };
    pod_dir.join("volumes").join(format!("kubernetes.io~{plugin}")).join(&volume.name)
}

fn volumes(pod: &Pod) -> &[Volume] {
    pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default()
}

/// Makes all volumes of a pod, or brings them up to date.
///
/// # Errors
/// The volume that cannot be had, and why.
pub async fn prepare(context: &Context, pod: &Pod) -> Result<(), (String, VolumeError)> {
    let pod_dir = context.pod_dir(pod.metadata.uid.as_deref().unwrap_or_default());
    for volume in volumes(pod) {
        prepare_one(context, pod, volume, &place(&pod_dir, volume)).await.map_err(|error| (volume.name.clone(), error))?;
    }
    Ok(())
}

async fn prepare_one(context: &Context, pod: &Pod, volume: &Volume, place: &Path) -> Result<(), VolumeError> {
    if let Some(source) = &volume.host_path {
        return host_path::prepare(place, source.type_.as_deref().unwrap_or_default());
    }
    if let Some(source) = &volume.empty_dir {
        fs::create_dir_all(place).map_err(VolumeError::at(place))?;
        fs::set_permissions(place, fs::Permissions::from_mode(0o777)).map_err(VolumeError::at(place))?;
        if source.medium.as_deref() == Some("Memory") {
            mounts::memory(place, source.size_limit.as_ref()).map_err(VolumeError::at(place))?;
        }
        return own_by_group(pod, place, true);
    }
    let payload = files::of(context, pod, volume).await?.ok_or(VolumeError::Unsupported)?;
    if atomic::write(place, &payload).map_err(VolumeError::at(place))? {
        own_by_group(pod, place, false)?;
    }
    Ok(())
}

/// Brings the volumes up to date whose content may change: objects and tokens.
///
/// # Errors
/// The volume that cannot be had, and why; the others are up to date.
pub async fn refresh(context: &Context, pod: &Pod) -> Result<(), (String, VolumeError)> {
    let pod_dir = context.pod_dir(pod.metadata.uid.as_deref().unwrap_or_default());
    let mut trouble = Ok(());
    for volume in volumes(pod).iter().filter(|volume| files::changes(volume)) {
        if let Err(error) = prepare_one(context, pod, volume, &place(&pod_dir, volume)).await {
            trouble = Err((volume.name.clone(), error));
        }
    }
    trouble
}

/// Gives a volume to the group that the pod says shares its files.
fn own_by_group(pod: &Pod, place: &Path, writable: bool) -> Result<(), VolumeError> {
    let group = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref()?.fs_group);
    let Some(group) = group.and_then(|group| u32::try_from(group).ok()) else { return Ok(()) };
    let more = if writable { 0o660 } else { 0o440 };
    give(place, group, more).map_err(VolumeError::at(place))
}

fn give(path: &Path, group: u32, more: u32) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?;
    if kind.is_symlink() {
        return std::os::unix::fs::lchown(path, None, Some(group));
    }
    chown(path, None, Some(group))?;
    let directory = if kind.is_dir() { 0o2110 } else { 0 };
    fs::set_permissions(path, fs::Permissions::from_mode(kind.permissions().mode() | more | directory))?;
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), group, more)?;
        }
    }
    Ok(())
}

/// Undoes the volumes of a pod; with `remove`, its directory too.
///
/// # Errors
/// When something below the directory is still mounted or cannot be removed.
pub fn tear_down(pod_dir: &Path, remove: bool) -> Result<(), VolumeError> {
    let target = if remove { pod_dir.to_owned() } else { pod_dir.join("volumes") };
    // Nothing may be mounted below what is removed: the mounted files belong to somebody else.
    mounts::unmount_below(&target).map_err(VolumeError::at(&target))?;
    match fs::remove_dir_all(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(VolumeError::at(&target)(error)),
        _ => Ok(()),
    }
}

/// The audiences for which tokens of this pod may be kept.
pub fn audiences(pod: &Pod) -> Vec<&str> {
    let sources = volumes(pod)
        .iter()
        .filter_map(|volume| volume.projected.as_ref())
        .flat_map(|projected| projected.sources.iter().flatten());
    sources
        .filter_map(|source| source.service_account_token.as_ref())
        .map(|token| token.audience.as_deref().unwrap_or_default())
        .collect()
}

fn token_for<'a>(pod: &'a Pod, audience: &'a str, seconds: Option<i64>) -> TokenFor<'a> {
    TokenFor { pod, audience, seconds: seconds.unwrap_or(3600) }
}

#[cfg(test)]
mod tests;
