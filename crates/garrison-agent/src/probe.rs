//! One attempt of a probe, or of a hook, which works the same.
//!
//! When to attempt and what a row of outcomes means is decided by `garrison_plan::pod`.

mod grpc;
mod http_get;
#[cfg(test)]
mod tests;

use crate::runtime::Runtime;
use k8s_openapi::{
    api::core::v1::{self as core, ContainerPort},
    apimachinery::pkg::util::intstr::IntOrString,
};
use std::{
    fmt::Display,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, time};

/// How much of a command's output is kept as its message.
const MESSAGE_LIMIT: usize = 10 << 10;

/// What an attempt showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It answered well.
    Success,
    /// It did not, and why.
    Failure(String),
    /// The attempt itself was not possible: nothing is learnt about the container.
    Unknown(String),
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "Kubernetes' own names")]
pub enum Action<'a> {
    HttpGet(&'a core::HTTPGetAction),
    TcpSocket(&'a core::TCPSocketAction),
    Exec(&'a core::ExecAction),
    Grpc(&'a core::GRPCAction),
}

impl<'a> Action<'a> {
    /// What a probe does.
    pub fn of_probe(probe: &'a core::Probe) -> Option<Self> {
        let http_get = probe.http_get.as_ref().map(Self::HttpGet);
        http_get
            .or_else(|| probe.tcp_socket.as_ref().map(Self::TcpSocket))
            .or_else(|| probe.exec.as_ref().map(Self::Exec))
            .or_else(|| probe.grpc.as_ref().map(Self::Grpc))
    }

    /// What a hook does; `sleep` is nothing that is done to a container.
    pub fn of_hook(hook: &'a core::LifecycleHandler) -> Option<Self> {
        let http_get = hook.http_get.as_ref().map(Self::HttpGet);
        http_get.or_else(|| hook.exec.as_ref().map(Self::Exec)).or_else(|| hook.tcp_socket.as_ref().map(Self::TcpSocket))
    }
}

/// To what it is done.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Where the pod is reached, unless the action names a host.
    pub pod_ip: &'a str,
    /// The container's spec, for the names of its ports.
    pub container: &'a core::Container,
    /// Its runtime id.
    pub container_id: &'a str,
}

/// Makes one attempt, which has `timeout` to succeed.
pub async fn attempt(action: Action<'_>, target: &Target<'_>, timeout: Duration, runtime: &dyn Runtime) -> Outcome {
    let attempt = async {
        match action {
            Action::HttpGet(get) => http_get::attempt(get, target).await,
            Action::TcpSocket(socket) => connect(socket, target).await,
            Action::Exec(exec) => return run(exec, target, timeout, runtime).await,
            Action::Grpc(grpc) => grpc::attempt(grpc, target).await,
        }
        .unwrap_or_else(|outcome| outcome)
    };
    // A command is ended by the runtime, which must not be left to it half-way.
    if matches!(action, Action::Exec(_)) {
        return attempt.await;
    }
    time::timeout(timeout, attempt).await.unwrap_or_else(|_| Outcome::Failure(late(timeout)))
}

fn late(timeout: Duration) -> String {
    format!("no answer within {}s", timeout.as_secs_f64())
}

/// Success, or the outcome that ended the attempt early.
type Attempt = Result<Outcome, Outcome>;

fn unknown(why: impl Display) -> Outcome {
    Outcome::Unknown(why.to_string())
}

async fn connect(socket: &core::TCPSocketAction, target: &Target<'_>) -> Attempt {
    let port = port(&socket.port, target.container.ports.as_deref().unwrap_or_default())?;
    let host = host(socket.host.as_deref(), target);
    match TcpStream::connect((host, port)).await {
        Ok(_) => Ok(Outcome::Success),
        Err(error) => Err(Outcome::Failure(format!("connecting to {host}, port {port}: {error}"))),
    }
}

async fn run(exec: &core::ExecAction, target: &Target<'_>, timeout: Duration, runtime: &dyn Runtime) -> Outcome {
    let (command, begin) = (exec.command.as_deref().unwrap_or_default(), Instant::now());
    match runtime.exec(target.container_id, command, timeout).await {
        Ok(output) if output.exit_code == 0 => Outcome::Success,
        Ok(output) => {
            let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
            let said = String::from_utf8_lossy(&said[..said.len().min(MESSAGE_LIMIT)]);
            let message = if said.trim().is_empty() { format!("exit code {}", output.exit_code) } else { said.trim().into() };
            Outcome::Failure(message)
        }
        // Runtimes have many words for this, but only one time.
        Err(_) if begin.elapsed() >= timeout => Outcome::Failure(format!("command {command:?}: {}", late(timeout))),
        Err(error) => unknown(error),
    }
}

fn host<'a>(wanted: Option<&'a str>, target: &Target<'a>) -> &'a str {
    wanted.filter(|host| !host.is_empty()).unwrap_or(target.pod_ip)
}

/// A port by number, or by the name it has in the container's spec.
fn port(wanted: &IntOrString, ports: &[ContainerPort]) -> Result<u16, Outcome> {
    let number = match wanted {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => ports
            .iter()
            .find(|port| port.name.as_deref() == Some(name))
            .map(|port| port.container_port)
            .or_else(|| name.parse().ok()),
    };
    match number.map(u16::try_from) {
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err(unknown(format!("{wanted:?} is no port number"))),
        None => Err(unknown(format!("the container has no port named {wanted:?}"))),
    }
}
