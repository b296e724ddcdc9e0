//! Images from a directory of OCI archives, for machines without a registry.
//!
//! Every `*.tar` is imported by containerd's own `ctr`. A record of what was imported from which file spares a restarted
//! agent the work, as long as the file has not changed and the runtime still has the images.

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};
use tokio::{fs, process::Command, time};

/// The namespace in which containerd's CRI service looks for images.
const NAMESPACE: &str = "k8s.io";
/// The label that the CRI service puts on an image once it has taken notice of it.
const NOTICED: &str = "io.cri-containerd.image=managed";
/// How long it may take to notice.
const NOTICE_LIMIT: Duration = Duration::from_secs(20);
const NOTICE_INTERVAL: Duration = Duration::from_millis(50);

/// Why images are missing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot be listed.
    #[error("cannot read the image directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `ctr` cannot be started.
    #[error("cannot run ctr, which belongs to containerd")]
    Ctr(#[source] io::Error),
    /// The runtime does not say which images it has.
    #[error("cannot list the images of containerd at {socket}: {message}")]
    List {
        /// Where it was asked.
        socket: String,
        /// What `ctr` said.
        message: String,
    },
    /// What was loaded cannot be remembered.
    #[error("cannot write {path}")]
    Record {
        /// The record.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Some archives could not be loaded; the others were.
    #[error("{}", describe(.failures))]
    Unreadable {
        /// The images that are there.
        loaded: Vec<String>,
        /// File and reason.
        failures: Vec<(PathBuf, String)>,
    },
}

fn describe(failures: &[(PathBuf, String)]) -> String {
    let mut text = String::from("cannot load");
    for (index, (file, why)) in failures.iter().enumerate() {
        let _ = write!(text, "{}image {}: {why}", if index == 0 { " " } else { "; " }, file.display());
    }
    text
}

/// What a file held when it was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    size: u64,
    /// Nanoseconds since the epoch.
    modified: i128,
    images: Vec<String>,
}

type Record = BTreeMap<String, Entry>;

/// Makes every image of `dir` known to the containerd at `socket`, and returns their names.
///
/// `record` is a file of ours that says what was imported before.
pub async fn load(socket: &str, dir: &Path, record: &Path) -> Result<Vec<String>, Error> {
    let ctr = Ctr { socket: socket.strip_prefix("unix://").unwrap_or(socket) };
    let archives = archives(dir).await.map_err(|source| Error::Directory { path: dir.into(), source })?;
    let before = read_record(record).await;
    let present = ctr.images().await?;
    let (mut after, mut failures, mut imported) = (Record::new(), Vec::new(), Vec::new());
    for (path, size, modified) in archives {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let known = before.get(&name).filter(|entry| is_current(entry, size, modified, &present));
        let images = match known {
            Some(entry) => Ok(entry.images.clone()),
            None => ctr.import(&path).await?.inspect(|images| imported.extend(images.iter().cloned())),
        };
        match images {
            Ok(images) => drop(after.insert(name, Entry { size, modified, images })),
            Err(why) => failures.push((path, why)),
        }
    }
    ctr.await_notice(&imported).await?;
    if after != before {
        write_record(record, &after).await.map_err(|source| Error::Record { path: record.into(), source })?;
    }
    let loaded = after.into_values().flat_map(|entry| entry.images).collect();
    if failures.is_empty() { Ok(loaded) } else { Err(Error::Unreadable { loaded, failures }) }
}

/// Whether the file is the one that was imported, and all that it held is still there.
fn is_current(entry: &Entry, size: u64, modified: i128, present: &BTreeSet<String>) -> bool {
    entry.size == size && entry.modified == modified && entry.images.iter().all(|image| present.contains(image))
}

/// The archives in the order of their names, with size and time of change.
async fn archives(dir: &Path) -> io::Result<Vec<(PathBuf, u64, i128)>> {
    let mut found = Vec::new();
    let mut entries = fs::read_dir(dir).await?;
    while let Some(entry) = entries.next_entry().await? {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "tar") {
            let metadata = fs::metadata(&path).await?;
            let modified = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
            found.push((path, metadata.len(), modified));
        }
    }
    found.sort();
    Ok(found)
}

/// A record that is missing or damaged costs importing anew, nothing else.
async fn read_record(path: &Path) -> Record {
    let bytes = fs::read(path).await.unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

async fn write_record(path: &Path, record: &Record) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).await?;
    }
    fs::write(&unfinished, serde_json::to_vec_pretty(record)?).await?;
    fs::rename(&unfinished, path).await
}

/// containerd's command line.
struct Ctr<'a> {
    socket: &'a str,
}

impl Ctr<'_> {
    async fn run(&self, arguments: &[&str], file: Option<&Path>) -> Result<Output, Error> {
        let mut command = Command::new("ctr");
        command.args(["-a", self.socket, "-n", NAMESPACE]).args(arguments).args(file).kill_on_drop(true);
        command.output().await.map_err(Error::Ctr)
    }

    async fn list(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = self.run(arguments, None).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::List { socket: self.socket.into(), message: complaint(&output) })
    }

    async fn images(&self) -> Result<BTreeSet<String>, Error> {
        Ok(self.list(&["images", "ls", "-q"]).await?.lines().map(str::to_owned).collect())
    }

    /// The names of the images in an archive, now in the runtime; or what is wrong with it.
    async fn import(&self, archive: &Path) -> Result<Result<Vec<String>, String>, Error> {
        let output = self.run(&["images", "import"], Some(archive)).await?;
        if !output.status.success() {
            return Ok(Err(complaint(&output)));
        }
        let images = imported(&String::from_utf8_lossy(&output.stdout));
        tracing::info!(archive = %archive.display(), ?images, "images loaded");
        Ok(if images.is_empty() { Err("it holds no image with a name".into()) } else { Ok(images) })
    }

    /// Waits until the CRI service, which hears of imports by an event, would find the images.
    async fn await_notice(&self, images: &[String]) -> Result<(), Error> {
        let noticed = async {
            loop {
                let table = if images.is_empty() { String::new() } else { self.list(&["images", "ls"]).await? };
                if images.iter().all(|image| is_noticed(&table, image)) {
                    return Ok(());
                }
                time::sleep(NOTICE_INTERVAL).await;
            }
        };
        time::timeout(NOTICE_LIMIT, noticed).await.unwrap_or_else(|_| {
            tracing::warn!(?images, "the runtime has not taken notice of all loaded images");
            Ok(())
        })
    }
}

fn is_noticed(table: &str, image: &str) -> bool {
    table.lines().any(|line| line.split_whitespace().next() == Some(image) && line.contains(NOTICED))
}

/// `unpacking NAME (DIGEST)...done`, one line for each image.
fn imported(output: &str) -> Vec<String> {
    let names = output.lines().filter_map(|line| line.strip_prefix("unpacking ")?.split_once(" (")).map(|(name, _)| name);
    names.map(str::to_owned).collect()
}

/// What went wrong, without the name of the program, which the user has not called.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason given");
    last.strip_prefix("ctr: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests;
