//! Keeping logs small: a log that has grown too big is renamed, and the runtime told to begin a new one.

use super::files;
use crate::runtime::{ContainerState, Runtime};
use jiff::{Timestamp, tz::TimeZone};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

/// How often sizes are looked at.
const INTERVAL: Duration = Duration::from_secs(10);

/// How much is kept of each container's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// A log bigger than this is rotated.
    pub max_bytes: u64,
    /// Files kept, with the one being written.
    pub max_files: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_bytes: 10 << 20, max_files: 5 }
    }
}

/// Keeps the logs below `pods_dir` small until `shutdown`.
pub async fn rotate_forever(pods_dir: PathBuf, runtime: Arc<dyn Runtime>, policy: Policy, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(sleep(INTERVAL)).await.is_some() {
        if let Err(error) = rotate_once(&pods_dir, &*runtime, policy, Timestamp::now()).await {
            tracing::warn!(%error, "cannot rotate the containers' logs");
        }
    }
}

/// Rotates what has grown too big below `pods_dir`, and returns it. The runtime is asked only if something has.
pub async fn rotate_once(pods_dir: &Path, runtime: &dyn Runtime, policy: Policy, now: Timestamp) -> io::Result<Vec<PathBuf>> {
    let dir = pods_dir.to_path_buf();
    let big = spawn_blocking(move || bigger_than(&dir, policy.max_bytes)).await.map_err(io::Error::other)??;
    if big.is_empty() {
        return Ok(Vec::new());
    }
    let mut rotated = Vec::new();
    for container in runtime.containers().await.map_err(io::Error::other)? {
        let path = PathBuf::from(container.log_path);
        // Nobody writes to the log of a container that has ended.
        if container.state == ContainerState::Running && big.contains(&path) {
            match rotate(&path, &container.id, runtime, policy, now).await {
                Ok(()) => rotated.push(path),
                Err(error) => tracing::warn!(%error, log = %path.display(), "cannot rotate a log"),
            }
        }
    }
    Ok(rotated)
}

/// The logs of that size: `<pods dir>/<pod>/<container>/<attempt>.log`.
fn bigger_than(pods_dir: &Path, max_bytes: u64) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for pod in entries(pods_dir)? {
        for container in entries(&pod)? {
            for file in entries(&container)? {
                let is_big = || fs::metadata(&file).is_ok_and(|metadata| metadata.is_file() && metadata.len() > max_bytes);
                if file.extension().is_some_and(|extension| extension == "log") && is_big() {
                    found.insert(file);
                }
            }
        }
    }
    Ok(found)
}

/// What a directory holds; nothing if it is none, or gone by now.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

async fn rotate(log: &Path, id: &str, runtime: &dyn Runtime, policy: Policy, now: Timestamp) -> io::Result<()> {
    let old = files::rotated(log)?;
    // The one about to be rotated and the one about to be written need places too.
    let surplus = (old.len() + 2).saturating_sub(policy.max_files.max(2));
    for file in &old[..surplus.min(old.len())] {
        fs::remove_file(file)?;
    }
    let aside = PathBuf::from(format!("{}.{}", log.display(), now.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S")));
    fs::rename(log, &aside)?;
    if let Err(error) = runtime.reopen_log(id).await {
        // Nothing was begun in its place: as if nothing had happened.
        fs::rename(&aside, log)?;
        return Err(io::Error::other(error));
    }
    Ok(())
}
