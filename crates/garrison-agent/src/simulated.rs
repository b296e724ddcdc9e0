//! A runtime in memory: containers run at once and fail as their pod's annotations say.
//!
//! For laptops, scale tests and fast tests; nothing is kept over a restart. A script is an annotation on the pod, a list
//! of `container=value` or `container=value@seconds`, where the seconds count from the container's start:
//!
//! | annotation `simulated.garrison.dev/…` | value |
//! |---|---|
//! | `exit` | exit code: the container ends |
//! | `startup-probe`, `readiness-probe`, `liveness-probe` | `fail` or `ok`, from then on |
//! | `create`, `start` | an error message |
//! | `pull` | an error message; for every container of the pod that has to pull |

use crate::runtime::{
    Container, ContainerSpec, ContainerState, ExecOutput, Result, Runtime, RuntimeError, RuntimeStatus, RuntimeVersion, Sandbox,
    SandboxSpec, StreamOptions,
};
use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const PREFIX: &str = "simulated.garrison.dev/";
/// The command by which a probe asks for its scripted answer.
pub const PROBE: &str = "simulated-probe";
/// What a program that heeds SIGTERM but has no handler leaves.
const TERMINATED: i32 = 143;

#[derive(Debug, Default)]
struct State {
    made: u64,
    images: BTreeSet<String>,
    sandboxes: BTreeMap<String, Sandbox>,
    containers: BTreeMap<String, Container>,
    network: Option<String>,
}

/// The runtime.
#[derive(Debug, Default)]
pub struct Simulated {
    state: Mutex<State>,
}

impl Simulated {
    /// A runtime without containers, with a pod network.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the pod network away, for a reason, or gives it back.
    pub fn set_network(&self, trouble: Option<String>) {
        self.state.lock().network = trouble;
    }

    /// Ends a running container as if its program had ended.
    pub fn end(&self, id: &str, exit_code: i32) {
        if let Some(container) = self.state.lock().containers.get_mut(id) {
            finish(container, exit_code, now());
        }
    }

    /// Stops everything as a power failure does: what was running has ended, what was made is still known.
    pub fn lose_power(&self) {
        let mut state = self.state.lock();
        state.sandboxes.values_mut().for_each(|sandbox| sandbox.ready = false);
        state.containers.values_mut().for_each(|container| finish(container, 255, now()));
    }
}

fn now() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

fn finish(container: &mut Container, exit_code: i32, at: i64) {
    if container.state == ContainerState::Running {
        container.state = ContainerState::Exited;
        container.exit_code = exit_code;
        container.finished_at = at;
        container.reason = if exit_code == 0 { "Completed" } else { "Error" }.into();
    }
}

/// The value that a script gives a container after so many nanoseconds, and since when.
fn scripted<'a>(annotations: &'a BTreeMap<String, String>, what: &str, container: &str, age: i64) -> Option<(&'a str, i64)> {
    let script = annotations.get(&format!("{PREFIX}{what}"))?;
    let entries = script.split(',').filter_map(|entry| {
        let (name, rest) = entry.trim().split_once('=')?;
        let (value, seconds) = rest.rsplit_once('@').map_or((rest, 0.0), |(value, at)| (value, at.parse().unwrap_or(0.0)));
        #[allow(clippy::cast_possible_truncation, reason = "scripts speak of seconds and minutes")]
        let since = (seconds * 1e9) as i64;
        (name == container && since <= age).then_some((value, since))
    });
    entries.max_by_key(|(_, since)| *since)
}

impl State {
    fn refuse(&self, sandbox_id: &str, what: &'static str, container: &str) -> Result<()> {
        let annotations = self.sandboxes.get(sandbox_id).map(|sandbox| &sandbox.annotations);
        match annotations.and_then(|annotations| scripted(annotations, what, container, 0)) {
            Some((message, _)) => Err(RuntimeError::Refused { operation: what, message: message.into(), not_found: false }),
            None => Ok(()),
        }
    }

    /// Ends the containers whose time has come.
    fn advance(&mut self, now: i64) {
        let Self { sandboxes, containers, .. } = self;
        for container in containers.values_mut().filter(|container| container.state == ContainerState::Running) {
            let Some(sandbox) = sandboxes.get(&container.sandbox_id) else { continue };
            let age = now.saturating_sub(container.started_at);
            if let Some((code, since)) = scripted(&sandbox.annotations, "exit", &container.name, age) {
                finish(container, code.parse().unwrap_or(1), container.started_at.saturating_add(since));
            }
        }
    }

    fn next_id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{:016x}", self.made)
    }
}

fn gone(operation: &'static str, id: &str) -> RuntimeError {
    RuntimeError::Refused { operation, message: format!("{id} not found"), not_found: true }
}

fn no_streams<T>(operation: &'static str) -> Result<T> {
    Err(RuntimeError::Refused { operation, message: "a simulated container has no streams".into(), not_found: false })
}

#[async_trait]
impl Runtime for Simulated {
    async fn version(&self) -> Result<RuntimeVersion> {
        Ok(RuntimeVersion { name: "simulated".into(), version: env!("CARGO_PKG_VERSION").into() })
    }

    async fn status(&self) -> Result<RuntimeStatus> {
        let network = self.state.lock().network.clone();
        Ok(RuntimeStatus { runtime: Ok(()), network: network.map_or(Ok(()), Err) })
    }

    async fn sandboxes(&self) -> Result<Vec<Sandbox>> {
        Ok(self.state.lock().sandboxes.values().cloned().collect())
    }

    async fn containers(&self) -> Result<Vec<Container>> {
        let mut state = self.state.lock();
        state.advance(now());
        Ok(state.containers.values().cloned().collect())
    }

    async fn run_sandbox(&self, spec: &SandboxSpec) -> Result<String> {
        let mut state = self.state.lock();
        if let Some(trouble) = state.network.as_ref().filter(|_| !spec.host_network) {
            return Err(RuntimeError::Refused { operation: "run sandbox", message: trouble.clone(), not_found: false });
        }
        let id = state.next_id("sandbox");
        let [_, _, _, _, _, a, b, c] = state.made.to_be_bytes();
        let sandbox = Sandbox {
            id: id.clone(),
            namespace: spec.namespace.clone(),
            name: spec.name.clone(),
            uid: spec.uid.clone(),
            attempt: spec.attempt,
            ready: true,
            created_at: now(),
            ips: if spec.host_network { Vec::new() } else { vec![format!("10.{a}.{b}.{c}")] },
            annotations: spec.annotations.clone(),
        };
        state.sandboxes.insert(id.clone(), sandbox);
        Ok(id)
    }

    async fn stop_sandbox(&self, id: &str) -> Result<()> {
        let mut state = self.state.lock();
        if let Some(sandbox) = state.sandboxes.get_mut(id) {
            sandbox.ready = false;
        }
        let inside = state.containers.values_mut().filter(|container| container.sandbox_id == id);
        inside.for_each(|container| finish(container, TERMINATED, now()));
        Ok(())
    }

    async fn remove_sandbox(&self, id: &str) -> Result<()> {
        let mut state = self.state.lock();
        state.sandboxes.remove(id);
        state.containers.retain(|_, container| container.sandbox_id != id);
        Ok(())
    }

    async fn image_id(&self, image: &str) -> Result<Option<String>> {
        Ok(self.state.lock().images.get(image).map(|image| format!("simulated:{image}")))
    }

    async fn image_user(&self, _image: &str) -> Result<(Option<i64>, String)> {
        Ok((Some(1000), String::new()))
    }

    async fn pull_image(&self, image: &str, _auth: Option<(String, String)>, sandbox: &SandboxSpec) -> Result<String> {
        if let Some(message) = sandbox.annotations.get(&format!("{PREFIX}pull")) {
            return Err(RuntimeError::Refused { operation: "pull image", message: message.clone(), not_found: false });
        }
        self.state.lock().images.insert(image.into());
        Ok(format!("simulated:{image}"))
    }

    async fn create_container(&self, sandbox_id: &str, sandbox: &SandboxSpec, spec: &ContainerSpec) -> Result<String> {
        let mut state = self.state.lock();
        if !state.sandboxes.get(sandbox_id).is_some_and(|sandbox| sandbox.ready) {
            return Err(gone("create container", sandbox_id));
        }
        state.refuse(sandbox_id, "create", &spec.name)?;
        let id = state.next_id("container");
        let container = Container {
            id: id.clone(),
            sandbox_id: sandbox_id.into(),
            pod_uid: sandbox.uid.clone(),
            name: spec.name.clone(),
            attempt: spec.attempt,
            state: ContainerState::Created,
            image: spec.image.clone(),
            image_ref: spec.image.clone(),
            created_at: now(),
            started_at: 0,
            finished_at: 0,
            exit_code: 0,
            reason: String::new(),
            message: String::new(),
            log_path: format!("{}/{}", sandbox.log_directory, spec.log_path),
            annotations: spec.annotations.clone(),
        };
        state.containers.insert(id.clone(), container);
        Ok(id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let mut state = self.state.lock();
        let (sandbox_id, name) = match state.containers.get(id) {
            Some(container) => (container.sandbox_id.clone(), container.name.clone()),
            None => return Err(gone("start container", id)),
        };
        state.refuse(&sandbox_id, "start", &name)?;
        if let Some(container) = state.containers.get_mut(id) {
            container.state = ContainerState::Running;
            container.started_at = now();
        }
        Ok(())
    }

    async fn stop_container(&self, id: &str, _grace: Duration) -> Result<()> {
        if let Some(container) = self.state.lock().containers.get_mut(id) {
            finish(container, TERMINATED, now());
        }
        Ok(())
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        self.state.lock().containers.remove(id);
        Ok(())
    }

    async fn reopen_log(&self, _id: &str) -> Result<()> {
        Ok(())
    }

    async fn exec(&self, id: &str, command: &[String], _timeout: Duration) -> Result<ExecOutput> {
        let mut state = self.state.lock();
        state.advance(now());
        let container = state.containers.get(id).filter(|container| container.state == ContainerState::Running);
        let container = container.ok_or_else(|| gone("exec", id))?;
        let done = |exit_code, text: &str| ExecOutput { exit_code, stdout: text.into(), stderr: Vec::new() };
        let [PROBE, kind] = command.iter().map(String::as_str).collect::<Vec<_>>()[..] else { return Ok(done(0, "")) };
        let annotations = state.sandboxes.get(&container.sandbox_id).map(|sandbox| &sandbox.annotations);
        let age = now().saturating_sub(container.started_at);
        let answer = annotations.and_then(|annotations| scripted(annotations, &format!("{kind}-probe"), &container.name, age));
        Ok(if matches!(answer, Some(("fail", _))) { done(1, "as the script says") } else { done(0, "") })
    }

    async fn exec_url(&self, _id: &str, _command: &[String], _options: StreamOptions) -> Result<String> {
        no_streams("exec")
    }

    async fn attach_url(&self, _id: &str, _options: StreamOptions) -> Result<String> {
        no_streams("attach")
    }

    async fn port_forward_url(&self, _sandbox_id: &str, _ports: &[i32]) -> Result<String> {
        no_streams("port-forward")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_change_with_time() {
        let annotations = BTreeMap::from([(format!("{PREFIX}liveness-probe"), "a=fail@2, a=ok@4,b=fail".to_owned())]);
        let check = |container, seconds: i64, expected: Option<&str>| {
            let found = scripted(&annotations, "liveness-probe", container, seconds * 1_000_000_000);
            assert_eq!(found.map(|(value, _)| value), expected, "{container} {seconds}");
        };
        check("a", 1, None);
        check("a", 2, Some("fail"));
        check("a", 5, Some("ok"));
        check("b", 0, Some("fail"));
        check("c", 9, None);
    }
}
