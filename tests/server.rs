//! A `garrison server` under test, on a free port of this machine.

use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for a slow machine; a test that works never waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; it ends with this value.
pub struct Server {
    directory: TempDir,
    listen: String,
    flags: Vec<String>,
    process: Child,
}

/// The garrison under test.
pub fn binary() -> Result<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the project")?;
    Ok(std::env::var_os("GARRISON").map_or_else(|| project.join("target/release/garrison"), PathBuf::from))
}

fn spawn(directory: &Path, listen: &str, flags: &[String]) -> Result<Child> {
    let binary = binary()?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(directory.join("log"))?;
    let mut command = Command::new(&binary);
    command.args(["server", "--listen", listen, "--data-dir"]).arg(directory.join("data"));
    command.args(flags).arg("--write-kubeconfig").arg(directory.join("kubeconfig")).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("starting {}", binary.display()))
}

impl Server {
    /// A server with nothing in it.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// A server with further flags.
    pub fn start_with(flags: &[&str]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let listen = free.to_string();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let process = spawn(directory.path(), &listen, &flags)?;
        let server = Self { directory, listen, flags, process };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.listen.clone()
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn wait_until_ready(&self) -> Result<()> {
        self.wait("the server", || self.kubectl(&["get", "--raw", "/readyz"]).map(drop))
    }

    /// Kills the server, and starts it again where it was.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = spawn(self.directory.path(), &self.listen, &self.flags)?;
        self.wait_until_ready()
    }

    /// Ends the server as systemd would; it must go in time.
    pub fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "the server does not end on SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()));
        command.env("KUBECONFIG", self.directory.path().join("kubeconfig")).env("HOME", self.directory.path()).args(arguments);
        command
    }

    /// Runs kubectl to success; its standard output.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output().context("running kubectl")?;
        ensure!(output.status.success(), "kubectl {arguments:?}: {}", text(&output.stderr));
        Ok(text(&output.stdout))
    }

    /// Runs kubectl with text on its standard input, whatever comes of it.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("a pipe")?.write_all(input.as_bytes())?;
        Ok(child.wait_with_output()?)
    }

    /// Applies a manifest with kubectl.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        let output = self.kubectl_with(&["apply", "-f", "-"], manifest)?;
        ensure!(output.status.success(), "kubectl apply: {}", text(&output.stderr));
        Ok(())
    }

    /// The service account that pods need, unless it is there.
    pub fn create_service_account(&self, namespace: &str) -> Result<()> {
        self.apply(&format!("---\n{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {namespace}}}}}"))
    }

    /// Repeats `check` until it succeeds; its last error when patience ends.
    pub fn wait<T>(&self, what: &str, mut check: impl FnMut() -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match check() {
                Ok(value) => return Ok(value),
                Err(error) if Instant::now() > deadline => {
                    let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                    bail!("waited {PATIENCE:?} for {what}: {error:#}\n{log}");
                }
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already where a test came to its end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
