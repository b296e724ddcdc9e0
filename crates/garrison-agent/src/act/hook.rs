//! The hooks of a container's life.

use super::spec_of;
use crate::{
    context::Context,
    probe::{self, Action, Outcome, Target},
};
use k8s_openapi::api::core::v1::{LifecycleHandler, Pod};
use std::time::{Duration, Instant};

/// However long a hook took, the program itself gets this long.
const LEAST: Duration = Duration::from_secs(2);
/// Upstream sets a start hook no limit; one that hangs for longer than this helps nobody.
const LONGEST_START: Duration = Duration::from_secs(600);

/// Runs a preStop hook within the grace period. Returns what is left of it.
pub(super) async fn pre_stop(
    context: &Context,
    pod: &Pod,
    place: (&str, &str),
    hook: &LifecycleHandler,
    grace: Duration,
) -> Duration {
    let started = Instant::now();
    if let Err(message) = run(context, pod, place, hook, grace).await {
        context.record(pod, Some(place.0), true, "FailedPreStopHook", format!("PreStopHook failed: {message}"));
    }
    grace.saturating_sub(started.elapsed()).max(LEAST)
}

/// Runs a postStart hook.
pub(super) async fn post_start(context: &Context, pod: &Pod, place: (&str, &str), hook: &LifecycleHandler) -> Result<(), String> {
    let result = run(context, pod, place, hook, LONGEST_START).await;
    result.inspect_err(|message| {
        context.record(pod, Some(place.0), true, "FailedPostStartHook", format!("PostStartHook failed: {message}"));
    })
}

async fn run(
    context: &Context,
    pod: &Pod,
    (name, id): (&str, &str),
    hook: &LifecycleHandler,
    limit: Duration,
) -> Result<(), String> {
    if let Some(sleep) = &hook.sleep {
        let wanted = Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0));
        tokio::time::sleep(wanted.min(limit)).await;
        return Ok(());
    }
    let (Some(action), Some(container)) = (Action::of_hook(hook), spec_of(pod, name)) else {
        return Err("the hook says nothing that could be done".into());
    };
    let pod_ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()).unwrap_or_default();
    let target = Target { pod_ip, container, container_id: id };
    match probe::attempt(action, &target, limit, &*context.runtime).await {
        Outcome::Success => Ok(()),
        Outcome::Failure(message) | Outcome::Unknown(message) => Err(message),
    }
}
