//! `garrison supervise`: keeps one child running; what systemd does on a real machine.

use super::process::{self, Process};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

/// A child that ran this long has earned a quick restart.
const STEADY: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Exponential pause between restarts: doubles while the child dies young.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(SHORTEST_PAUSE)
    }
}

impl Pause {
    /// The pause before the next start of a child that lived for `lifetime`.
    pub(crate) fn after(&mut self, lifetime: Duration) -> Duration {
        let pause = if lifetime >= STEADY { SHORTEST_PAUSE } else { self.0 };
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Runs `command` again and again until SIGTERM, which is passed on.
pub(crate) fn supervise(command: &[String]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("supervise needs a command")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut pause = Pause::default();
        loop {
            let started = Instant::now();
            let mut child =
                tokio::process::Command::new(program).args(arguments).spawn().with_context(|| format!("starting {program}"))?;
            let pid = child.id();
            tokio::select! {
                ended = child.wait() => {
                    let wait = pause.after(started.elapsed());
                    eprintln!("supervise: {program} ended ({}); starting it again in {wait:?}", ended?);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
                    }
                }
                _ = terminate.recv() => {
                    if let Some(process) = pid.and_then(|pid| Process::find(pid.cast_signed())) {
                        process.signal(Signal::TERM);
                    }
                    child.wait().await?;
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    })
}

/// Starts `garrison supervise -- COMMAND` in the background and writes its pid file.
pub(crate) fn start(command: &[String], cluster_id: &str, cgroup: Option<&str>, log: &Path, pid_file: &Path) -> Result<Child> {
    let mut supervisor = Command::new(own_program()?);
    supervisor.arg("supervise");
    if let Some(cgroup) = cgroup {
        supervisor.args(["--cgroup", cgroup]);
    }
    supervisor.arg("--").args(command);
    let child = process::start_detached(&mut supervisor, cluster_id, log)?;
    let process = Process::find(child.id().cast_signed())
        .with_context(|| format!("the supervisor ended at once; see {}", log.display()))?;
    process.write(pid_file)?;
    Ok(child)
}

/// This program's file, which also holds when it was replaced while running.
pub(crate) fn own_program() -> Result<std::path::PathBuf> {
    std::env::current_exe().context("finding this program's own file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_while_the_child_dies_young() {
        let mut pause = Pause::default();
        let young = Duration::from_millis(5);
        let pauses: Vec<u128> = (0..8).map(|_| pause.after(young).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause.after(STEADY).as_millis(), 100);
    }
}
