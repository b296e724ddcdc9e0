//! A runtime of which a test says what it answers. Anything it was not told about is a fault of the test.

use crate::runtime::{
    Container, ContainerSpec, ExecOutput, Result, Runtime, RuntimeError, RuntimeStatus, RuntimeVersion, Sandbox, SandboxSpec,
    StreamOptions,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::{fs, path::PathBuf, time::Duration};

/// What it answers.
#[derive(Default)]
pub(crate) struct Double {
    pub(crate) containers: Vec<Container>,
    /// The outcome of every command; none: the runtime does not know the container.
    pub(crate) exec: Option<ExecOutput>,
    /// How long a command takes.
    pub(crate) exec_time: Duration,
    /// The address of every stream.
    pub(crate) url: String,
    /// Whether logs cannot be reopened.
    pub(crate) stuck: Mutex<bool>,
    /// What was asked for, in order.
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Double {
    fn note(&self, what: String) {
        self.asked.lock().push(what);
    }

    /// What it was asked since the last time.
    pub(crate) fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock())
    }
}

fn refused(operation: &'static str) -> RuntimeError {
    RuntimeError::Refused { operation, message: "no".into(), not_found: false }
}

#[async_trait]
impl Runtime for Double {
    async fn version(&self) -> Result<RuntimeVersion> {
        unreachable!("no test asks this")
    }
    async fn status(&self) -> Result<RuntimeStatus> {
        unreachable!("no test asks this")
    }
    async fn sandboxes(&self) -> Result<Vec<Sandbox>> {
        unreachable!("no test asks this")
    }
    async fn containers(&self) -> Result<Vec<Container>> {
        self.note("containers".into());
        Ok(self.containers.clone())
    }
    async fn run_sandbox(&self, _: &SandboxSpec) -> Result<String> {
        unreachable!("no test asks this")
    }
    async fn stop_sandbox(&self, _: &str) -> Result<()> {
        unreachable!("no test asks this")
    }
    async fn remove_sandbox(&self, _: &str) -> Result<()> {
        unreachable!("no test asks this")
    }
    async fn image_id(&self, _: &str) -> Result<Option<String>> {
        unreachable!("no test asks this")
    }
    async fn image_user(&self, _: &str) -> Result<(Option<i64>, String)> {
        unreachable!("no test asks this")
    }
    async fn pull_image(&self, _: &str, _: Option<(String, String)>, _: &SandboxSpec) -> Result<String> {
        unreachable!("no test asks this")
    }
    async fn create_container(&self, _: &str, _: &SandboxSpec, _: &ContainerSpec) -> Result<String> {
        unreachable!("no test asks this")
    }
    async fn start_container(&self, _: &str) -> Result<()> {
        unreachable!("no test asks this")
    }
    async fn stop_container(&self, _: &str, _: Duration) -> Result<()> {
        unreachable!("no test asks this")
    }
    async fn remove_container(&self, _: &str) -> Result<()> {
        unreachable!("no test asks this")
    }
    async fn reopen_log(&self, id: &str) -> Result<()> {
        self.note(format!("reopen {id}"));
        if *self.stuck.lock() {
            return Err(refused("reopen log"));
        }
        for container in self.containers.iter().filter(|container| container.id == id) {
            fs::write(PathBuf::from(&container.log_path), "").expect("the test's directory is writable");
        }
        Ok(())
    }
    async fn exec(&self, id: &str, command: &[String], timeout: Duration) -> Result<ExecOutput> {
        self.note(format!("exec {id} {}", command.join(" ")));
        tokio::time::sleep(self.exec_time.min(timeout)).await;
        self.exec.clone().filter(|_| self.exec_time < timeout).ok_or_else(|| refused("run command"))
    }
    async fn exec_url(&self, id: &str, command: &[String], options: StreamOptions) -> Result<String> {
        self.note(format!("exec {id} {} {options:?}", command.join(" ")));
        Ok(self.url.clone())
    }
    async fn attach_url(&self, id: &str, options: StreamOptions) -> Result<String> {
        self.note(format!("attach {id} {options:?}"));
        Ok(self.url.clone())
    }
    async fn port_forward_url(&self, sandbox_id: &str, ports: &[i32]) -> Result<String> {
        self.note(format!("forward {sandbox_id} {ports:?}"));
        Ok(self.url.clone())
    }
}
