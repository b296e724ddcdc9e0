//! A container from its image to running.

use super::{
    container::{Start, find},
    hook, image, sandbox,
};
use crate::{context::Context, log};
use garrison_plan::pod::Failure;
use k8s_openapi::api::core::v1::Pod;
use std::{fs, time::Duration};

/// A container whose start hook failed is stopped at once: it never counted as started.
const NO_GRACE: Duration = Duration::from_secs(2);

/// Makes and starts a container.
pub(super) async fn start(context: &Context, pod: &Pod, name: &str, attempt: u32, sandbox_id: &str) -> Result<(), Failure> {
    let container = find(pod, name)?;
    let image = image::ensure(context, pod, container).await?;
    let failed = |failure: Failure| {
        context.record(pod, Some(name), true, "Failed", format!("Error: {}", failure.message));
        failure
    };
    let spec = Start { context, pod, container, attempt, image: &image }.spec().await.map_err(failed)?;
    if context.is_real() {
        // The runtime opens the log, but does not make its directory.
        let made = fs::create_dir_all(context.log_dir(pod).join(name));
        made.map_err(|error| failed(super::failure("CreateContainerError", &error)))?;
    }
    let sandbox = sandbox::spec(context, pod, 0);
    let created = context.runtime.create_container(sandbox_id, &sandbox, &spec).await;
    let id = created.map_err(|error| failed(super::failure("CreateContainerError", &error)))?;
    context.record(pod, Some(name), false, "Created", format!("Created container: {name}"));
    link_log(context, pod, name, &id, &spec.log_path);
    if let Err(error) = context.runtime.start_container(&id).await {
        return Err(failed(super::failure("RunContainerError", &error)));
    }
    context.record(pod, Some(name), false, "Started", format!("Started container {name}"));
    let Some(post_start) = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref()) else {
        return Ok(());
    };
    if let Err(message) = hook::post_start(context, pod, (name, &id), post_start).await {
        if let Err(error) = context.runtime.stop_container(&id, NO_GRACE).await {
            tracing::warn!(
                container = name,
                error = crate::join::chain(&error),
                "cannot stop a container whose start hook failed"
            );
        }
        return Err(Failure { reason: "PostStartHookError".into(), message });
    }
    Ok(())
}

fn link_log(context: &Context, pod: &Pod, name: &str, id: &str, log_path: &str) {
    if !context.is_real() {
        return;
    }
    let metadata = &pod.metadata;
    let (namespace, pod_name) =
        (metadata.namespace.as_deref().unwrap_or("default"), metadata.name.as_deref().unwrap_or_default());
    let target = context.log_dir(pod).join(log_path);
    if let Err(error) = log::link(&context.config.log_dir, namespace, pod_name, name, id, &target) {
        tracing::warn!(container = name, %error, "cannot link a container's log");
    }
}
