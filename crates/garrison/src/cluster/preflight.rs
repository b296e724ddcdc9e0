//! What a cluster needs of this machine, checked before anything is changed.

use super::state::{Cluster, Runtime};
use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that must be there, and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 8] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
    ("sysctl", "procps"),
];

/// Where Debian and upstream put the CNI plugins.
const CNI_DIRECTORIES: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Refuses, naming everything that is missing, when nodes cannot run here.
pub(crate) fn check(runtime: Runtime, images: Option<&Path>) -> Result<()> {
    images.map_or(Ok(()), check_images)?;
    if runtime == Runtime::Simulated {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!(
            "nodes that run containers need root; run this as root, or add `--runtime simulated`, which needs neither root nor containers"
        );
    }
    let missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(program, package)| format!("{program} (Debian package {package})"))
        .collect();
    if !missing.is_empty() {
        bail!("not found on this machine: {}; install them, or add `--runtime simulated`", missing.join(", "));
    }
    cni_plugins().map(drop)
}

/// Refuses a directory that holds an archive which no node could load.
fn check_images(directory: &Path) -> Result<()> {
    let entries = std::fs::read_dir(directory);
    let entries = entries.with_context(|| format!("--images {}: not a readable directory", directory.display()))?;
    let archives = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "tar"));
    for archive in archives {
        let listing = Command::new("tar").arg("-tf").arg(&archive).output().context("running tar")?;
        let names = String::from_utf8_lossy(&listing.stdout);
        // Of an OCI archive, and of one that `docker save` writes.
        let is_image = names.lines().any(|name| matches!(name.trim_start_matches("./"), "index.json" | "manifest.json"));
        if !listing.status.success() || !is_image {
            bail!("--images {}: {} is no image archive", directory.display(), archive.display());
        }
    }
    Ok(())
}

/// Refuses directories that a machine's own folders would hide from its agent.
pub(crate) fn check_in_sight(path: &Path) -> Result<()> {
    if super::machine_init::covered(path) {
        bail!(
            "{} lies below a folder of which each node has its own (/run, /var/log, /var/lib/kubelet …); choose another place",
            path.display()
        );
    }
    Ok(())
}

/// The directory that holds the `bridge`, `host-local` and `portmap` plugins.
pub(crate) fn cni_plugins() -> Result<PathBuf> {
    let complete = |directory: &&&str| {
        ["bridge", "host-local", "portmap", "loopback"].iter().all(|plugin| Path::new(**directory).join(plugin).exists())
    };
    let found = CNI_DIRECTORIES.iter().find(complete);
    found.map(PathBuf::from).context("no CNI plugins found (Debian package containernetworking-plugins)")
}

/// The full path of a program on the `PATH` or in the system's own folders, which a user's `PATH` may lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

/// Refuses when the server could not listen; the answer names the address.
pub(crate) fn check_listen(cluster: &Cluster) -> Result<()> {
    TcpListener::bind(cluster.listen)
        .map(drop)
        .with_context(|| format!("the API server cannot listen on {}; choose another with --listen", cluster.listen))
}
