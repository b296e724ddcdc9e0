//! `garrison pause`: holds a pod's namespaces open, and reaps orphans where it is pid 1 of the pod.

use anyhow::Result;
use rustix::process::{WaitOptions, wait};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Sleeps until SIGTERM or SIGINT.
pub(crate) fn run() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut child = signal(SignalKind::child())?;
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        loop {
            tokio::select! {
                _ = child.recv() => while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {},
                _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
                _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
            }
        }
    })
}
