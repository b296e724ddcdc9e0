//! One step of a plan, carried out: one effect each, and what came of it.

use crate::{
    context::Context,
    etc_files, log,
    probe::{self, Action, Target},
    resources,
    runtime::RuntimeError,
    simulated, volume,
};
use garrison_plan::pod::{Failure, KillReason, Outcome, ProbeKind, ProbeResult, Step, probe as planned};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{
    Api,
    api::{DeleteParams, Preconditions},
};
use std::{fs, io, sync::Arc, time::Duration};

mod container;
mod hook;
mod image;
mod sandbox;
mod start;

/// Carries out one step for `pod`, whose status is the one last planned.
pub(crate) async fn carry_out(context: Arc<Context>, pod: Arc<Pod>, step: Step) -> Outcome {
    match step {
        Step::SetUp => Outcome::SetUp(set_up(&context, &pod).await),
        Step::CreateSandbox { attempt } => Outcome::Sandbox(create_sandbox(&context, &pod, attempt).await),
        Step::RemoveSandbox { id } => {
            let result = remove_sandbox(&context, &id).await.map_err(|error| failure("FailedKillPod", &error));
            Outcome::Removed { id, result }
        }
        Step::Start { container, attempt, sandbox_id } => {
            let result = start::start(&context, &pod, &container, attempt, &sandbox_id).await;
            Outcome::Started { container, result }
        }
        Step::Kill { container, id, grace, reason, hook } => {
            let grace = Duration::try_from(grace).unwrap_or_default();
            let result = kill(&context, &pod, (&container, &id), grace, &reason, hook).await;
            Outcome::Killed { id, result }
        }
        Step::RemoveContainer { id } => {
            let result = settled(context.runtime.remove_container(&id).await).map_err(|error| failure("FailedKillPod", &error));
            Outcome::Removed { id, result }
        }
        Step::Probe { container, id, kind, pod_ip } => {
            let result = attempt(&context, &pod, (&container, &id), kind, pod_ip.as_deref()).await;
            Outcome::Probed { container, id, kind, result }
        }
        Step::TearDown { remove } => Outcome::TornDown { remove, result: tear_down(&context, &pod, remove).await },
        Step::Delete => Outcome::Deleted(delete(&context, &pod).await),
    }
}

fn failure(reason: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure { reason: reason.into(), message: crate::join::chain(error) }
}

/// What is gone needs no stopping.
fn settled(result: Result<(), RuntimeError>) -> Result<(), RuntimeError> {
    match result {
        Err(RuntimeError::Refused { not_found: true, .. }) => Ok(()),
        other => other,
    }
}

/// The container of a pod by name, init containers included.
fn spec_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a Container> {
    let spec = pod.spec.as_ref()?;
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|container| container.name == name)
}

async fn set_up(context: &Context, pod: &Pod) -> Result<(), Failure> {
    if !context.is_real() {
        return Ok(());
    }
    let directory = context.pod_dir(pod.metadata.uid.as_deref().unwrap_or_default());
    let sandbox = |error: &(dyn std::error::Error + 'static)| failure("FailedCreatePodSandBox", error);
    fs::create_dir_all(&directory).map_err(|error| sandbox(&error))?;
    fs::create_dir_all(context.log_dir(pod)).map_err(|error| sandbox(&error))?;
    context.cgroups.make(pod, resources::of_pod(pod)).map_err(|error| sandbox(&error))?;
    volume::prepare(context, pod).await.map_err(|(name, error)| mount_failure(&name, &error))
}

/// The words for a volume that cannot be had.
pub(crate) fn mount_failure(name: &str, error: &volume::VolumeError) -> Failure {
    let message = format!("MountVolume.SetUp failed for volume \"{name}\" : {}", crate::join::chain(error));
    Failure { reason: "FailedMount".into(), message }
}

async fn create_sandbox(context: &Context, pod: &Pod, attempt: u32) -> Result<(), Failure> {
    let spec = sandbox::spec(context, pod, attempt);
    let made = context.runtime.run_sandbox(&spec).await;
    made.map(drop).map_err(|error| Failure {
        reason: "FailedCreatePodSandBox".into(),
        message: format!("Failed to create pod sandbox: {}", crate::join::chain(&error)),
    })
}

async fn remove_sandbox(context: &Context, id: &str) -> Result<(), RuntimeError> {
    settled(context.runtime.stop_sandbox(id).await)?;
    settled(context.runtime.remove_sandbox(id).await)
}

async fn kill(
    context: &Context,
    pod: &Pod,
    (name, id): (&str, &str),
    grace: Duration,
    reason: &KillReason,
    hook: bool,
) -> Result<(), Failure> {
    let spec = spec_of(pod, name);
    let message = match reason {
        KillReason::Deleted | KillReason::Finished | KillReason::Lost => format!("Stopping container {name}"),
        KillReason::SandboxGone => format!("Stopping container {name}: its sandbox is gone"),
        KillReason::Changed => format!("Container {name} definition changed, will be restarted"),
        KillReason::Probe(kind, _) => format!("Container {name} failed {} probe, will be restarted", kind.name().to_lowercase()),
    };
    if hook {
        context.record(pod, Some(name), false, "Killing", message);
    }
    let left = match spec.and_then(|spec| spec.lifecycle.as_ref()?.pre_stop.as_ref()).filter(|_| hook) {
        Some(pre_stop) => hook::pre_stop(context, pod, (name, id), pre_stop, grace).await,
        None => grace,
    };
    settled(context.runtime.stop_container(id, left).await).map_err(|error| failure("FailedKillPod", &error))
}

async fn attempt(context: &Context, pod: &Pod, (name, id): (&str, &str), kind: ProbeKind, pod_ip: Option<&str>) -> ProbeResult {
    let Some(container) = spec_of(pod, name) else { return ProbeResult::Unknown };
    let Some((probe, action)) = planned::of(container, kind).and_then(|probe| Some((probe, Action::of_probe(probe)?))) else {
        return ProbeResult::Unknown;
    };
    if !context.is_real() {
        return simulated_attempt(context, id, kind).await;
    }
    let seconds = u64::try_from(probe.timeout_seconds.unwrap_or(1)).unwrap_or(1);
    let target = Target { pod_ip: pod_ip.unwrap_or_default(), container, container_id: id };
    match probe::attempt(action, &target, Duration::from_secs(seconds), &*context.runtime).await {
        probe::Outcome::Success => ProbeResult::Success,
        probe::Outcome::Failure(message) => ProbeResult::Failure(message),
        probe::Outcome::Unknown(why) => {
            tracing::debug!(container = name, probe = kind.name(), why, "a probe could not be made");
            ProbeResult::Unknown
        }
    }
}

/// There is nothing to connect to: the runtime itself is asked how the pod's script answers.
async fn simulated_attempt(context: &Context, id: &str, kind: ProbeKind) -> ProbeResult {
    let command = [simulated::PROBE.to_owned(), kind.name().to_lowercase()];
    match context.runtime.exec(id, &command, Duration::from_secs(1)).await {
        Ok(output) if output.exit_code == 0 => ProbeResult::Success,
        Ok(output) => ProbeResult::Failure(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(_) => ProbeResult::Unknown,
    }
}

/// Stops the pod's sandboxes, undoes volumes and cgroups; with `remove`, containers, logs and directory go too.
async fn tear_down(context: &Context, pod: &Pod, remove: bool) -> Result<(), Failure> {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let seen = context.observer.fresh().await.get(uid).cloned().unwrap_or_default();
    for sandbox in &seen.sandboxes {
        settled(context.runtime.stop_sandbox(&sandbox.id).await).map_err(|error| failure("FailedKillPod", &error))?;
    }
    if remove {
        for container in &seen.containers {
            settled(context.runtime.remove_container(&container.id).await).map_err(|error| failure("FailedKillPod", &error))?;
        }
        for sandbox in &seen.sandboxes {
            settled(context.runtime.remove_sandbox(&sandbox.id).await).map_err(|error| failure("FailedKillPod", &error))?;
        }
    }
    if !context.is_real() {
        return Ok(());
    }
    context.cgroups.remove(uid).await.map_err(|error| failure("FailedKillPod", &error))?;
    volume::tear_down(&context.pod_dir(uid), remove).map_err(|error| failure("FailedKillPod", &error))?;
    if remove {
        context.objects.forget_tokens(pod, &volume::audiences(pod));
        remove_logs(context, pod).map_err(|error| failure("FailedKillPod", &error))?;
    }
    Ok(())
}

fn remove_logs(context: &Context, pod: &Pod) -> io::Result<()> {
    match fs::remove_dir_all(context.log_dir(pod)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    log::unlink_dangling(&context.config.log_dir).map(drop)
}

/// Tells the API that the pod is over: no grace, and only this very pod.
async fn delete(context: &Context, pod: &Pod) -> Result<(), Failure> {
    let metadata = &pod.metadata;
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), metadata.namespace.as_deref().unwrap_or("default"));
    let preconditions = Preconditions { uid: metadata.uid.clone(), resource_version: None };
    let parameters =
        DeleteParams { grace_period_seconds: Some(0), preconditions: Some(preconditions), ..DeleteParams::default() };
    match pods.delete(metadata.name.as_deref().unwrap_or_default(), &parameters).await {
        // Gone already, or another pod has taken its name.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(failure("FailedDelete", &error)),
        Ok(_) => Ok(()),
    }
}

/// The hosts file of a pod, written anew.
fn write_hosts(context: &Context, pod: &Pod, ips: &[String]) -> io::Result<std::path::PathBuf> {
    let path = context.pod_dir(pod.metadata.uid.as_deref().unwrap_or_default()).join("etc-hosts");
    let machine = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let name = etc_files::host_name(pod, &sandbox::machine_name());
    etc_files::write_hosts(&path, &etc_files::hosts(pod, ips, &name, &context.config.cluster_domain, &machine))?;
    Ok(path)
}
