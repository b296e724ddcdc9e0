//! The pod and QoS cgroups that containers live below:
//! `<root>/kubepods[/burstable|/besteffort]/pod<uid>`, on cgroup v1 and v2.

use crate::resources::{Amounts, PERIOD};
use garrison_plan::pod::qos;
use k8s_openapi::api::core::v1::Pod;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Why cgroups cannot be made or removed.
#[derive(Debug, thiserror::Error)]
#[error("cgroup {path}", path = path.display())]
pub struct CgroupError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// How often a cgroup is tried to be removed whose last process is just ending.
const REMOVALS: u32 = 20;
const BETWEEN_REMOVALS: Duration = Duration::from_millis(50);

/// The cgroups of this node's pods.
#[derive(Debug, Clone)]
pub struct Cgroups {
    mount: PathBuf,
    root: String,
    unified: bool,
}

impl Cgroups {
    /// The cgroups below `root`, such as `/garrison/n1`.
    pub fn new(root: &str) -> Self {
        Self::at(Path::new("/sys/fs/cgroup"), root)
    }

    fn at(mount: &Path, root: &str) -> Self {
        let unified = mount.join("cgroup.controllers").exists();
        Self { mount: mount.into(), root: root.trim_end_matches('/').to_owned(), unified }
    }

    /// The pod's cgroup as the runtime is told it.
    pub fn of_pod(&self, pod: &Pod) -> String {
        let tier = match qos::class(pod) {
            "Guaranteed" => "",
            "Burstable" => "/burstable",
            _ => "/besteffort",
        };
        format!("{}/kubepods{tier}/pod{}", self.root, pod.metadata.uid.as_deref().unwrap_or_default())
    }

    /// Makes the pod's cgroup and those above it, with its limits.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make(&self, pod: &Pod, amounts: Amounts) -> Result<(), CgroupError> {
        let path = self.of_pod(pod);
        if self.unified {
            self.make_unified(&path)?;
            return set(&self.mount.join(path.trim_start_matches('/')), &unified_settings(amounts));
        }
        for controller in ["cpu", "memory", "pids"].map(|name| self.mount.join(name)) {
            // A kernel without a controller has no limits of that sort to offer.
            if !controller.exists() {
                continue;
            }
            let directory = controller.join(path.trim_start_matches('/'));
            fs::create_dir_all(&directory).map_err(|source| CgroupError { path: directory.clone(), source })?;
            // Each hierarchy has the files of its own controller only.
            let settings: Vec<_> =
                legacy_settings(amounts).into_iter().filter(|(file, ..)| directory.join(file).exists()).collect();
            set(&directory, &settings)?;
        }
        Ok(())
    }

    /// Makes a cgroup and hands the controllers down to it.
    fn make_unified(&self, path: &str) -> Result<(), CgroupError> {
        let mut directory = self.mount.clone();
        for part in path.trim_matches('/').split('/') {
            hand_down(&directory);
            directory.push(part);
            match fs::create_dir(&directory) {
                Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(CgroupError { path: directory, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the pod's cgroups, wherever its class put them, and what containers left below.
    ///
    /// # Errors
    /// When something still runs in them.
    pub async fn remove(&self, uid: &str) -> Result<(), CgroupError> {
        let controllers = if self.unified {
            vec![self.mount.clone()]
        } else {
            fs::read_dir(&self.mount).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        for controller in controllers {
            for tier in ["", "/burstable", "/besteffort"] {
                let path = format!("{}/kubepods{tier}/pod{uid}", self.root);
                remove_patiently(&controller.join(path.trim_start_matches('/'))).await?;
            }
        }
        Ok(())
    }
}

/// Gives the children of a cgroup the controllers that it has. Failures show when a limit is set.
fn hand_down(directory: &Path) {
    let available = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    for controller in
        available.split_whitespace().filter(|name| ["cpu", "cpuset", "memory", "pids", "io", "hugetlb"].contains(name))
    {
        let _ = fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// A file of a cgroup, what is written to it, and whether leaving it out would free the pod of a limit.
type Setting = (&'static str, String, bool);

fn unified_settings(amounts: Amounts) -> Vec<Setting> {
    // The kernel's own mapping of the old range 2…262144 to the new 1…10000.
    let weight = 1 + ((amounts.cpu_shares.max(2) - 2) * 9999) / 262_142;
    let quota = if amounts.cpu_quota > 0 { amounts.cpu_quota.to_string() } else { "max".into() };
    let memory = if amounts.memory_limit > 0 { amounts.memory_limit.to_string() } else { "max".into() };
    vec![
        ("cpu.weight", weight.to_string(), false),
        ("cpu.max", format!("{quota} {PERIOD}"), amounts.cpu_quota > 0),
        ("memory.max", memory, amounts.memory_limit > 0),
    ]
}

fn legacy_settings(amounts: Amounts) -> Vec<Setting> {
    let or_none = |amount: i64| if amount > 0 { amount } else { -1 }.to_string();
    vec![
        ("cpu.shares", amounts.cpu_shares.max(2).to_string(), false),
        ("cpu.cfs_period_us", PERIOD.to_string(), false),
        ("cpu.cfs_quota_us", or_none(amounts.cpu_quota), amounts.cpu_quota > 0),
        ("memory.limit_in_bytes", or_none(amounts.memory_limit), amounts.memory_limit > 0),
    ]
}

fn set(directory: &Path, settings: &[Setting]) -> Result<(), CgroupError> {
    for (file, value, is_limit) in settings {
        let path = directory.join(file);
        match fs::write(&path, value) {
            // Not every kernel, and not every cgroup handed down to us, has all controllers.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_limit => {}
            Err(source) => return Err(CgroupError { path, source }),
            Ok(()) => {}
        }
    }
    Ok(())
}

async fn remove_patiently(directory: &Path) -> Result<(), CgroupError> {
    let mut last = None;
    for _ in 0..REMOVALS {
        match remove_tree(directory) {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(BETWEEN_REMOVALS).await;
    }
    last.map_or(Ok(()), |source| Err(CgroupError { path: directory.into(), source }))
}

/// Cgroup directories are removed from the leaves up; the files in them belong to the kernel.
fn remove_tree(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path())?;
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
