//! Cgroups of a cluster: `/garrison-ID/NODE/machine` for a node's own processes, its pods beside it; v1 and v2.

use super::process::wait_until;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROOT: &str = "/sys/fs/cgroup";

/// Roots of the hierarchies mounted here: one for v2; for v1 one per controller, and v2's beside them where both are.
fn hierarchies() -> Vec<PathBuf> {
    if Path::new(ROOT).join("cgroup.controllers").exists() {
        return vec![ROOT.into()];
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (path, kind) = (fields.nth(1)?, fields.next()?);
            (matches!(kind, "cgroup" | "cgroup2") && path.starts_with(ROOT)).then(|| PathBuf::from(path))
        })
        .collect()
}

/// Path of a node's cgroup below each hierarchy's root, as the agent is told.
pub(crate) fn node_root(cluster_id: &str, node: &str) -> String {
    format!("/garrison-{cluster_id}/{node}")
}

/// Moves this process into `path` (made if need be) of every hierarchy; what it starts follows.
pub(crate) fn enter(path: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let target = hierarchy.join(path.trim_start_matches('/'));
        fs::create_dir_all(&target).with_context(|| format!("making the cgroup {}", target.display()))?;
        open_parents(&hierarchy, &target);
        // "0" is the writing process itself, also inside a pid namespace.
        fs::write(target.join("cgroup.procs"), "0").with_context(|| format!("entering the cgroup {}", target.display()))?;
    }
    Ok(())
}

/// Lets children of the new cgroups be used: v1 cpusets start empty, v2 controllers start switched off.
fn open_parents(hierarchy: &Path, target: &Path) {
    let mut below: Vec<&Path> = target.ancestors().take_while(|path| *path != hierarchy).collect();
    below.reverse();
    for path in below {
        let Some(parent) = path.parent() else { continue };
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let empty = fs::read_to_string(path.join(file)).is_ok_and(|text| text.trim().is_empty());
            if let (true, Ok(value)) = (empty, fs::read_to_string(parent.join(file))) {
                let _ = fs::write(path.join(file), value);
            }
        }
        let controllers = fs::read_to_string(parent.join("cgroup.controllers")).unwrap_or_default();
        for controller in controllers.split_whitespace() {
            // A controller that cannot be delegated here is one that the pods below do without.
            let _ = fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}"));
        }
    }
}

/// Pids in the cgroups below `path`, in any hierarchy.
fn processes(path: &str) -> Vec<i32> {
    let mut pids = Vec::new();
    for hierarchy in hierarchies() {
        for directory in tree(&hierarchy.join(path.trim_start_matches('/'))) {
            let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
    }
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Ends every process below `path` and removes the cgroups.
///
/// # Errors
/// When a cgroup is still there after ten seconds.
pub(crate) fn sweep(path: &str) -> Result<()> {
    let gone = wait_until(Duration::from_secs(10), || {
        for process in processes(path).into_iter().filter_map(super::process::Process::find) {
            process.signal(rustix::process::Signal::KILL);
        }
        hierarchies().iter().all(|hierarchy| {
            let top = hierarchy.join(path.trim_start_matches('/'));
            for directory in tree(&top) {
                // Busy until its last process is reaped: the next round takes it.
                let _ = fs::remove_dir(directory);
            }
            !top.exists()
        })
    });
    anyhow::ensure!(gone, "cgroups below {path} could not be removed; processes {:?} are still in them", processes(path));
    Ok(())
}

/// The directories at and below `top`, deepest first.
fn tree(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(entries) = fs::read_dir(top) {
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            found.extend(tree(&entry.path()));
        }
        found.push(top.into());
    }
    found
}
