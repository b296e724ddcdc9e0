//! A container runtime spoken to over CRI v1: containerd, or any other that serves it on a socket.
//!
//! Each method is one question on the wire. What is asked is built by pure functions (`sandbox`, `container`, `security`),
//! so that the meaning of a spec can be read, and tested, without a runtime.

mod container;
mod image;
mod memory;
mod sandbox;
mod security;
#[cfg(test)]
mod tests;

use crate::runtime::{
    Container, ContainerSpec, ExecOutput, Result, Runtime, RuntimeError, RuntimeStatus, RuntimeVersion, Sandbox, SandboxSpec,
    StreamOptions,
};
use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use k8s_cri::v1::{self, image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient};
use memory::Memory;
use std::{collections::HashMap, error::Error, iter, path::PathBuf, time::Duration};
use tokio::net::UnixStream;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint, Uri},
};

/// For questions that a healthy runtime answers at once.
const ASK: Duration = Duration::from_secs(30);
/// For what touches disk, network or processes.
const ACT: Duration = Duration::from_secs(120);
/// A sandbox waits for the CNI plugins, which may wait for other machines.
const SANDBOX: Duration = Duration::from_secs(240);
/// Big images over slow lines.
const PULL: Duration = Duration::from_secs(1800);
/// What the runtime may take to answer once a command or a container has had its time.
const MARGIN: Duration = Duration::from_secs(10);
/// A list of thousands of containers with their annotations, or the output of a command.
const MESSAGE_LIMIT: usize = 16 << 20;

/// A runtime behind a unix socket. Connects when first needed and again whenever the runtime was restarted.
#[derive(Debug)]
pub struct Cri {
    endpoint: String,
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
    sandboxes: Memory<v1::PodSandboxStatus>,
    containers: Memory<v1::ContainerStatus>,
}

/// The runtime at `unix:///path/to/socket` (or just the path). Whether it is there shows with the first question.
///
/// Must be called within a tokio runtime.
pub fn connect(endpoint: &str) -> Result<Cri> {
    let path = PathBuf::from(endpoint.strip_prefix("unix://").unwrap_or(endpoint));
    if !path.is_absolute() {
        let source = "only unix sockets with an absolute path are known".into();
        return Err(RuntimeError::Unreachable { endpoint: endpoint.into(), source });
    }
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The authority goes into the requests but leads nowhere.
    let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
    Ok(Cri {
        endpoint: endpoint.into(),
        runtime: RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_LIMIT),
        images: ImageServiceClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT),
        sandboxes: Memory::default(),
        containers: Memory::default(),
    })
}

impl Cri {
    fn error(&self, operation: &'static str, status: &Status) -> RuntimeError {
        if status.code() == Code::Unavailable {
            // The innermost cause says it best: "No such file or directory".
            let cause = iter::successors(status.source(), |&error| error.source()).last();
            let source = cause.map_or_else(|| status.message().to_owned(), ToString::to_string).into();
            return RuntimeError::Unreachable { endpoint: self.endpoint.clone(), source };
        }
        let not_found = status.code() == Code::NotFound;
        RuntimeError::Refused { operation, message: status.message().to_owned(), not_found }
    }

    async fn sandbox_status(&self, id: String) -> Result<Option<v1::PodSandboxStatus>> {
        let question = request(v1::PodSandboxStatusRequest { pod_sandbox_id: id, verbose: false }, ASK);
        let answer = self.runtime.clone().pod_sandbox_status(question).await.map(|answer| answer.into_inner().status);
        none_if_gone(answer.map_err(|status| self.error("ask for a sandbox", &status)))
    }

    async fn container_status(&self, id: String) -> Result<Option<v1::ContainerStatus>> {
        let question = request(v1::ContainerStatusRequest { container_id: id, verbose: false }, ASK);
        let answer = self.runtime.clone().container_status(question).await.map(|answer| answer.into_inner().status);
        none_if_gone(answer.map_err(|status| self.error("ask for a container", &status)))
    }

    async fn image(&self, image: &str) -> Result<Option<v1::Image>> {
        let question = request(v1::ImageStatusRequest { image: Some(image::spec(image)), verbose: false }, ASK);
        let answer = self.images.clone().image_status(question).await.map(|answer| answer.into_inner().image);
        none_if_gone(answer.map_err(|status| self.error("ask for an image", &status)))
    }
}

/// A request that the runtime, too, gives up after `limit`.
fn request<T>(message: T, limit: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

/// What vanished between list and question is simply not there.
fn none_if_gone<T>(answer: Result<Option<T>>) -> Result<Option<T>> {
    match answer {
        Err(RuntimeError::Refused { not_found: true, .. }) => Ok(None),
        other => other,
    }
}

/// Stopping and removing what is gone succeeds.
fn fine_if_gone(answer: Result<()>) -> Result<()> {
    none_if_gone(answer.map(Some)).map(drop)
}

/// CRI counts seconds; a part of one counts as a whole.
fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}

#[async_trait]
impl Runtime for Cri {
    async fn version(&self) -> Result<RuntimeVersion> {
        let question = request(v1::VersionRequest { version: "v1".into() }, ASK);
        let answer = self.runtime.clone().version(question).await.map_err(|status| self.error("ask for the version", &status))?;
        let answer = answer.into_inner();
        Ok(RuntimeVersion { name: answer.runtime_name, version: answer.runtime_version })
    }

    async fn status(&self) -> Result<RuntimeStatus> {
        let question = request(v1::StatusRequest { verbose: false }, ASK);
        let answer = self.runtime.clone().status(question).await.map_err(|status| self.error("ask for the status", &status))?;
        let conditions = answer.into_inner().status.unwrap_or_default().conditions;
        Ok(RuntimeStatus { runtime: condition(&conditions, "RuntimeReady"), network: condition(&conditions, "NetworkReady") })
    }

    async fn sandboxes(&self) -> Result<Vec<Sandbox>> {
        let question = request(v1::ListPodSandboxRequest { filter: None }, ASK);
        let answer = self.runtime.clone().list_pod_sandbox(question).await;
        let listed = answer.map_err(|status| self.error("list sandboxes", &status))?.into_inner().items;
        let listed = listed.into_iter().map(|sandbox| (sandbox.id, sandbox.state)).collect();
        let known = self.sandboxes.complete(listed, |id| self.sandbox_status(id)).await?;
        Ok(known.iter().map(|status| sandbox::observed(status)).collect())
    }

    async fn containers(&self) -> Result<Vec<Container>> {
        let question = request(v1::ListContainersRequest { filter: None }, ASK);
        let answer = self.runtime.clone().list_containers(question).await;
        let listed = answer.map_err(|status| self.error("list containers", &status))?.into_inner().containers;
        let in_sandbox: HashMap<String, String> = listed.iter().map(|one| (one.id.clone(), one.pod_sandbox_id.clone())).collect();
        let listed = listed.into_iter().map(|container| (container.id, container.state)).collect();
        let known = self.containers.complete(listed, |id| self.container_status(id)).await?;
        Ok(known
            .iter()
            .map(|status| container::observed(status, in_sandbox.get(&status.id).cloned().unwrap_or_default()))
            .collect())
    }

    async fn run_sandbox(&self, sandbox: &SandboxSpec) -> Result<String> {
        let config = Some(sandbox::config(sandbox));
        let question = request(v1::RunPodSandboxRequest { config, runtime_handler: String::new() }, SANDBOX);
        let answer = self.runtime.clone().run_pod_sandbox(question).await;
        Ok(answer.map_err(|status| self.error("run sandbox", &status))?.into_inner().pod_sandbox_id)
    }

    async fn stop_sandbox(&self, id: &str) -> Result<()> {
        let question = request(v1::StopPodSandboxRequest { pod_sandbox_id: id.into() }, ACT);
        let answer = self.runtime.clone().stop_pod_sandbox(question).await;
        fine_if_gone(answer.map(drop).map_err(|status| self.error("stop sandbox", &status)))
    }

    async fn remove_sandbox(&self, id: &str) -> Result<()> {
        let question = request(v1::RemovePodSandboxRequest { pod_sandbox_id: id.into() }, ACT);
        let answer = self.runtime.clone().remove_pod_sandbox(question).await;
        fine_if_gone(answer.map(drop).map_err(|status| self.error("remove sandbox", &status)))
    }

    async fn image_id(&self, image: &str) -> Result<Option<String>> {
        Ok(self.image(image).await?.map(|image| image.id))
    }

    async fn image_user(&self, image: &str) -> Result<(Option<i64>, String)> {
        let not_found = || RuntimeError::Refused { operation: "ask for an image", message: image.into(), not_found: true };
        self.image(image).await?.map(|image| image::user(&image)).ok_or_else(not_found)
    }

    async fn pull_image(&self, image: &str, auth: Option<(String, String)>, sandbox: &SandboxSpec) -> Result<String> {
        let question = request(image::pull(image, auth, sandbox), PULL);
        let answer = self.images.clone().pull_image(question).await;
        Ok(answer.map_err(|status| self.error("pull image", &status))?.into_inner().image_ref)
    }

    async fn create_container(&self, sandbox_id: &str, sandbox: &SandboxSpec, container: &ContainerSpec) -> Result<String> {
        let message = v1::CreateContainerRequest {
            pod_sandbox_id: sandbox_id.into(),
            config: Some(container::config(container)),
            sandbox_config: Some(sandbox::config(sandbox)),
        };
        let answer = self.runtime.clone().create_container(request(message, ACT)).await;
        Ok(answer.map_err(|status| self.error("create container", &status))?.into_inner().container_id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let question = request(v1::StartContainerRequest { container_id: id.into() }, ACT);
        let answer = self.runtime.clone().start_container(question).await;
        answer.map(drop).map_err(|status| self.error("start container", &status))
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        let message = v1::StopContainerRequest { container_id: id.into(), timeout: whole_seconds(grace) };
        let answer = self.runtime.clone().stop_container(request(message, grace + ACT)).await;
        fine_if_gone(answer.map(drop).map_err(|status| self.error("stop container", &status)))
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let question = request(v1::RemoveContainerRequest { container_id: id.into() }, ACT);
        let answer = self.runtime.clone().remove_container(question).await;
        fine_if_gone(answer.map(drop).map_err(|status| self.error("remove container", &status)))
    }

    async fn reopen_log(&self, id: &str) -> Result<()> {
        let question = request(v1::ReopenContainerLogRequest { container_id: id.into() }, ASK);
        let answer = self.runtime.clone().reopen_container_log(question).await;
        answer.map(drop).map_err(|status| self.error("reopen log", &status))
    }

    async fn exec(&self, id: &str, command: &[String], timeout: Duration) -> Result<ExecOutput> {
        let message = v1::ExecSyncRequest { container_id: id.into(), cmd: command.to_vec(), timeout: whole_seconds(timeout) };
        let answer = self.runtime.clone().exec_sync(request(message, timeout + MARGIN)).await;
        let answer = answer.map_err(|status| self.error("run command", &status))?.into_inner();
        Ok(ExecOutput { exit_code: answer.exit_code, stdout: answer.stdout, stderr: answer.stderr })
    }

    async fn exec_url(&self, id: &str, command: &[String], options: StreamOptions) -> Result<String> {
        let StreamOptions { stdin, stdout, stderr, tty } = options;
        let message = v1::ExecRequest { container_id: id.into(), cmd: command.to_vec(), tty, stdin, stdout, stderr };
        let answer = self.runtime.clone().exec(request(message, ASK)).await;
        Ok(answer.map_err(|status| self.error("run command", &status))?.into_inner().url)
    }

    async fn attach_url(&self, id: &str, options: StreamOptions) -> Result<String> {
        let StreamOptions { stdin, stdout, stderr, tty } = options;
        let message = v1::AttachRequest { container_id: id.into(), stdin, tty, stdout, stderr };
        let answer = self.runtime.clone().attach(request(message, ASK)).await;
        Ok(answer.map_err(|status| self.error("attach to container", &status))?.into_inner().url)
    }

    async fn port_forward_url(&self, sandbox_id: &str, ports: &[i32]) -> Result<String> {
        let message = v1::PortForwardRequest { pod_sandbox_id: sandbox_id.into(), port: ports.to_vec() };
        let answer = self.runtime.clone().port_forward(request(message, ASK)).await;
        Ok(answer.map_err(|status| self.error("forward ports", &status))?.into_inner().url)
    }
}

fn condition(conditions: &[v1::RuntimeCondition], kind: &str) -> std::result::Result<(), String> {
    match conditions.iter().find(|condition| condition.r#type == kind) {
        Some(condition) if condition.status => Ok(()),
        Some(condition) => Err(format!("{}: {}", condition.reason, condition.message)),
        None => Err(format!("{kind} is not reported by the runtime")),
    }
}
