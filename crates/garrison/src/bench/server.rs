//! The server that is measured: this binary in a process of its own, so that its time and memory are its own.

use anyhow::{Context, Result, ensure};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, its files in a directory that goes with it.
pub(super) struct Server {
    process: Child,
    config: Config,
    /// Removed after the process has ended.
    _directory: TempDir,
}

impl Server {
    /// Starts one with these further flags, and waits until it is ready.
    pub(super) async fn start(flags: &[String]) -> Result<Self> {
        let directory = tempfile::tempdir().context("making a directory for the server")?;
        let log = directory.path().join("log");
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let kubeconfig = directory.path().join("kubeconfig");
        // Only what pods need to be taken: loops that act on them would be measured along.
        let mut command = Command::new(std::env::current_exe().context("finding this binary")?);
        command
            .args(["server", "--controllers=service-account", "--listen", &listen, "--data-dir"])
            .arg(directory.path().join("data"));
        command.arg("--write-kubeconfig").arg(&kubeconfig).args(flags);
        let output = fs::File::create(&log)?;
        let mut process = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            ensure!(process.try_wait()?.is_none(), "the server ended at once: {}", said());
            if let Some(config) = ready(&kubeconfig).await {
                return Ok(Self { process, config, _directory: directory });
            }
            if Instant::now() > deadline {
                let _ = process.kill();
                let _ = process.wait();
                anyhow::bail!("the server was not ready after {PATIENCE:?}: {}", said());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A client with a connection of its own.
    pub(super) fn client(&self) -> Result<Client> {
        crate::role::controller::connection::client(self.config.clone())
    }

    /// Processor time that it has taken so far, in all its threads.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let ticks = stat.rsplit_once(')').and_then(|(_, fields)| {
            let fields: Vec<&str> = fields.split_whitespace().collect();
            Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
        });
        // Linux has counted user time in hundredths of a second on every architecture, whatever the kernel's own clock.
        Ok(Duration::from_millis(ticks.context("reading /proc/PID/stat")? * 10))
    }

    /// Memory that it occupies, in bytes.
    pub(super) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        Ok(kilobytes.context("reading /proc/PID/status")? * 1024)
    }
}

/// The access to a server that is ready, once it is.
async fn ready(kubeconfig: &Path) -> Option<Config> {
    let content = Kubeconfig::read_from(kubeconfig).ok()?;
    let config = Config::from_custom_kubeconfig(content, &KubeConfigOptions::default()).await.ok()?;
    let client = crate::role::controller::connection::client(config.clone()).ok()?;
    let account = "/api/v1/namespaces/default/serviceaccounts/default";
    let ask = |path: &str| http::Request::get(path).body(Vec::new());
    client.request_text(ask("/readyz").ok()?).await.ok()?;
    client.request_text(ask(account).ok()?).await.ok()?;
    Some(config)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing that it holds is needed any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
