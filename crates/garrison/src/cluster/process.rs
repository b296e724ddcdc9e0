//! Processes that outlive the command: remembered by pid and start time, found again, ended.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Every process started for a cluster carries this variable with the cluster's id, so that `down` finds strays.
pub(crate) const MARK: &str = "GARRISON_CLUSTER";

/// A process, told apart from a later one with the same pid by its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Clock ticks since boot (`/proc/PID/stat`, field 22).
    started: u64,
}

impl Process {
    /// The process of that pid, if it lives and is no zombie.
    pub(crate) fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command name in parentheses may hold spaces: fields are counted after the last ')'.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        if fields.next()? == "Z" {
            return None;
        }
        Some(Self { pid, started: fields.nth(18)?.parse().ok()? })
    }

    /// Reads a pid file; `None` when absent or when that process is gone.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let process = Self { pid: pid.parse().ok()?, started: started.parse().ok()? };
        process.alive().then_some(process)
    }

    /// Writes the pid file, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        fs::write(&new, format!("{} {}\n", self.pid, self.started))
            .and_then(|()| fs::rename(&new, path))
            .with_context(|| format!("writing {}", path.display()))
    }

    pub(crate) fn alive(&self) -> bool {
        Self::find(self.pid) == Some(*self)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.alive()) {
            // It may end between the look and the signal; then there is nothing left to do.
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGTERM, and SIGKILL when it has not ended after `grace`.
    pub(crate) fn end(&self, grace: Duration) {
        self.signal(Signal::TERM);
        if !wait_until(grace, || !self.alive()) {
            self.kill();
        }
    }

    /// SIGKILL, and wait until it is gone.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        wait_until(Duration::from_secs(10), || !self.alive());
    }
}

/// Starts `command` apart from this terminal, its output appended to `log`.
pub(crate) fn start_detached(command: &mut Command, cluster_id: &str, log: &Path) -> Result<std::process::Child> {
    let output = append(log)?;
    command
        .env(MARK, cluster_id)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))
}

/// Opens a log for appending.
pub(crate) fn append(log: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("opening {}", log.display()))
}

/// Processes of the cluster that are still there, this one not counted.
pub(crate) fn strays(cluster_id: &str) -> Vec<Process> {
    let mark = format!("{MARK}={cluster_id}");
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        })
        .filter_map(Process::find)
        .collect()
}

/// Asks `done` every 20 ms until it holds or `limit` has passed; whether it held.
pub(crate) fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command to its end; its standard output.
///
/// # Errors
/// With the command line and its standard error when it fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        anyhow::bail!("`{program} {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_ended_and_not_mistaken_for_a_later_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("sleep");
        let mut child = start_detached(command.arg("60"), "test-of-processes", &dir.path().join("log")).expect("starts");
        let process = Process::find(i32::try_from(child.id()).expect("a pid")).expect("is found");
        let file = dir.path().join("pid");
        process.write(&file).expect("writes");
        assert_eq!(Process::read(&file), Some(process));
        assert!(wait_until(Duration::from_secs(5), || strays("test-of-processes") == vec![process]));
        let later = Process { started: process.started + 1, ..process };
        assert!(!later.alive());
        process.end(Duration::from_secs(5));
        child.wait().expect("ends");
        assert_eq!(Process::read(&file), None);
    }
}
