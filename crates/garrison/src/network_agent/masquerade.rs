//! Masquerading of what leaves the pod network, by the host's own `iptables`: it fits the host's kernel and its lock.

use anyhow::{Context, Result, bail};
use std::path::Path;
use tokio::process::Command;

/// Makes sure that pods of `pod_cidr` reach the world under the node's address, and each other under their own.
///
/// # Errors
/// When the host has no `iptables` or it refuses.
pub(super) async fn ensure(host_root: &Path, pod_cidr: &str, cluster_cidr: &str) -> Result<()> {
    let rule = [
        "POSTROUTING",
        "-s",
        pod_cidr,
        "!",
        "-d",
        cluster_cidr,
        "-m",
        "comment",
        "--comment",
        "garrison pods",
        "-j",
        "MASQUERADE",
    ];
    if iptables(host_root, "-C", &rule).await.is_ok() {
        return Ok(());
    }
    iptables(host_root, "-A", &rule).await
}

async fn iptables(host_root: &Path, action: &str, rule: &[&str]) -> Result<()> {
    let host_root = host_root.to_owned();
    let mut command = Command::new("/proc/self/exe");
    command.arg("chroot-run").arg(&host_root).args(["iptables", "-w", "-t", "nat", action]).args(rule);
    let output = command.output().await.context("running the host's iptables")?;
    if !output.status.success() {
        bail!("iptables {action}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// `garrison chroot-run`: becomes a program of the host, found on the usual system path.
///
/// # Errors
/// When the root cannot be entered or the program is not there. Never returns otherwise.
pub(crate) fn chroot_run(root: &Path, command: &[String]) -> Result<std::process::ExitCode> {
    use std::os::unix::process::CommandExt;
    let (program, arguments) = command.split_first().context("a command is needed")?;
    rustix::process::chroot(root).with_context(|| format!("entering {}", root.display()))?;
    rustix::process::chdir("/").context("entering the root")?;
    let error = std::process::Command::new(program).args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").exec();
    Err(error).with_context(|| format!("running {program} of the host"))
}
