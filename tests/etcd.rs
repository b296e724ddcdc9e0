//! A real etcd for tests.

use crate::server::text;
use anyhow::{Context, Result, ensure};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use tempfile::TempDir;

/// An etcd of one member; killed when dropped.
pub struct Etcd {
    directory: TempDir,
    client: String,
    peer: String,
    process: Child,
}

fn run(directory: &Path, client: &str, peer: &str) -> Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(directory.join("log"))?;
    Command::new("etcd")
        .args(["--name", "m", "--listen-client-urls", client, "--advertise-client-urls", client])
        .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
        .args(["--initial-cluster", &format!("m={peer}"), "--data-dir"])
        .arg(directory.join("data"))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting etcd; on Debian, `apt-get install etcd-server` installs it")
}

impl Etcd {
    /// Starts one on free ports of this machine, its data in a directory that goes with it.
    ///
    /// # Errors
    /// When there is no etcd to start.
    pub fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let free = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let url = |listener: &TcpListener| Ok::<_, anyhow::Error>(format!("http://{}", listener.local_addr()?));
        let (client, peer) = (url(&free[0])?, url(&free[1])?);
        drop(free);
        let process = run(directory.path(), &client, &peer)?;
        Ok(Self { directory, client, peer, process })
    }

    /// Kills it without notice and starts it again on the same data.
    ///
    /// # Errors
    /// When it cannot be started again.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = run(self.directory.path(), &self.client, &self.peer)?;
        Ok(())
    }

    /// Where clients find it.
    pub fn endpoint(&self) -> &str {
        &self.client
    }

    /// The flag of a server that shall use it.
    pub fn flag(&self) -> String {
        format!("--etcd-endpoints={}", self.client)
    }

    /// Runs etcdctl to success; its standard output.
    ///
    /// # Errors
    /// What etcdctl says.
    pub fn etcdctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("etcdctl");
        let command = command.env("ETCDCTL_API", "3").args(["--endpoints", &self.client]).args(arguments);
        let output = command.output().context("starting etcdctl; on Debian, `apt-get install etcd-client` installs it")?;
        ensure!(output.status.success(), "etcdctl {arguments:?}: {}", text(&output.stderr));
        Ok(text(&output.stdout))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
