//! The image of a container: present, or pulled.

use super::sandbox;
use crate::{context::Context, objects, runtime::RuntimeError};
use garrison_plan::pod::Failure;
use k8s_openapi::api::core::v1::{Container, Pod, Secret};
use serde_json::Value;
use std::time::Instant;

const DOCKER_HUB: &str = "docker.io";

/// Sees to it that the image is there; its id.
pub(super) async fn ensure(context: &Context, pod: &Pod, container: &Container) -> Result<String, Failure> {
    let image = container.image.as_deref().unwrap_or_default();
    if image.is_empty() || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message = format!(
            "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format"
        );
        return Err(told(context, pod, container, Failure { reason: "InvalidImageName".into(), message }));
    }
    let present = context.runtime.image_id(image).await.map_err(|error| super::failure("ErrImagePull", &error))?;
    let policy = container.image_pull_policy.as_deref().unwrap_or("IfNotPresent");
    match (policy, present) {
        ("Never", None) => {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            Err(told(context, pod, container, Failure { reason: "ErrImageNeverPull".into(), message }))
        }
        ("Always", present) => pull(context, pod, container, image, present).await,
        (_, Some(id)) => {
            let message = format!("Container image \"{image}\" already present on machine");
            context.record(pod, Some(&container.name), false, "Pulled", message);
            Ok(id)
        }
        (_, None) => pull(context, pod, container, image, None).await,
    }
}

fn told(context: &Context, pod: &Pod, container: &Container, failure: Failure) -> Failure {
    context.record(pod, Some(&container.name), true, "Failed", format!("Error: {}", failure.reason));
    failure
}

async fn pull(
    context: &Context,
    pod: &Pod,
    container: &Container,
    image: &str,
    present: Option<String>,
) -> Result<String, Failure> {
    let name = Some(container.name.as_str());
    context.record(pod, name, false, "Pulling", format!("Pulling image \"{image}\""));
    let started = Instant::now();
    let error = match try_pull(context, pod, image).await {
        Ok(id) => {
            let message = format!("Successfully pulled image \"{image}\" in {:.3}s", started.elapsed().as_secs_f64());
            context.record(pod, name, false, "Pulled", message);
            return Ok(id);
        }
        Err(error) => crate::join::chain(&error),
    };
    // Images from the node's own directory stand in for a registry that is not there.
    if let Some(id) = present.filter(|_| context.config.images.is_some()) {
        let message = format!("Container image \"{image}\" already present on machine; its registry does not give it: {error}");
        context.record(pod, name, false, "Pulled", message);
        return Ok(id);
    }
    let message = format!("failed to pull image \"{image}\": {error}");
    context.record(pod, name, true, "Failed", format!("Failed to pull image \"{image}\": {error}"));
    Err(told(context, pod, container, Failure { reason: "ErrImagePull".into(), message }))
}

/// Pulls with each of the pod's credentials for this registry, then without.
async fn try_pull(context: &Context, pod: &Pod, image: &str) -> Result<String, RuntimeError> {
    let sandbox = sandbox::spec(context, pod, 0);
    for credentials in credentials(context, pod, image).await {
        if let Ok(id) = context.runtime.pull_image(image, Some(credentials), &sandbox).await {
            return Ok(id);
        }
    }
    context.runtime.pull_image(image, None, &sandbox).await
}

async fn credentials(context: &Context, pod: &Pod, image: &str) -> Vec<(String, String)> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    let own = pod.spec.as_ref().and_then(|spec| spec.image_pull_secrets.clone()).unwrap_or_default();
    let mut names: Vec<String> = own.into_iter().map(|reference| reference.name).collect();
    if names.is_empty()
        && let Ok(account) = context.objects.service_account(namespace, objects::service_account_name(pod)).await
    {
        names.extend(account.image_pull_secrets.into_iter().flatten().map(|reference| reference.name));
    }
    let mut found = Vec::new();
    for name in names {
        match context.objects.secret(namespace, &name).await {
            Ok(secret) => found.extend(of_secret(&secret, registry(image))),
            Err(error) => tracing::debug!(%error, "an image pull secret cannot be had"),
        }
    }
    found
}

/// The registry of an image: its first part, if that looks like a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => DOCKER_HUB,
    }
}

/// The credentials for a registry in a Secret of one of the two Docker types.
fn of_secret(secret: &Secret, registry: &str) -> Option<(String, String)> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let data = secret.data.as_ref()?;
    let (bytes, nested) = match data.get(".dockerconfigjson") {
        Some(bytes) => (bytes, true),
        None => (data.get(".dockercfg")?, false),
    };
    let config: Value = serde_json::from_slice(&bytes.0).ok()?;
    let servers = if nested { config.get("auths")? } else { &config };
    let host = |server: &str| -> String {
        let bare = server.trim_start_matches("https://").trim_start_matches("http://");
        let host = bare.split('/').next().unwrap_or_default();
        if host.ends_with("docker.io") { DOCKER_HUB.into() } else { host.into() }
    };
    let (_, entry) = servers.as_object()?.iter().find(|(server, _)| host(server) == registry)?;
    if let (Some(user), Some(password)) = (entry["username"].as_str(), entry["password"].as_str()) {
        return Some((user.into(), password.into()));
    }
    let decoded = STANDARD.decode(entry["auth"].as_str()?).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.into(), password.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn registries() {
        for (image, expected) in [
            ("nginx", "docker.io"),
            ("library/nginx:1", "docker.io"),
            ("k8s.gcr.io/fluentd:1", "k8s.gcr.io"),
            ("localhost:5000/x@sha256:00", "localhost:5000"),
            ("localhost/x", "localhost"),
        ] {
            assert_eq!(registry(image), expected, "{image}");
        }
    }

    #[test]
    fn credentials_are_found_by_registry() {
        let secret = |key: &str, config: Value| {
            let bytes = k8s_openapi::ByteString(config.to_string().into_bytes());
            Secret { data: Some([(key.to_owned(), bytes)].into()), ..Secret::default() }
        };
        let check = |secret: &Secret, registry: &str, expected: Option<(&str, &str)>| {
            let found = of_secret(secret, registry);
            assert_eq!(found.as_ref().map(|(user, password)| (user.as_str(), password.as_str())), expected);
        };
        let auths = json!({"auths": {
            "https://index.docker.io/v1/": {"username": "u", "password": "p"},
            "r.example:5000": {"auth": "YTpiOmM="},
        }});
        let new = secret(".dockerconfigjson", auths.clone());
        check(&new, "docker.io", Some(("u", "p")));
        check(&new, "r.example:5000", Some(("a", "b:c")));
        check(&new, "other", None);
        check(&secret(".dockercfg", auths["auths"].clone()), "docker.io", Some(("u", "p")));
        check(&secret("other", auths), "docker.io", None);
    }
}
