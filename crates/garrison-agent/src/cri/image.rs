//! Images in CRI's words.

use super::sandbox;
use crate::runtime::SandboxSpec;
use k8s_cri::v1;

/// An image, by name or id.
pub(super) fn spec(image: &str) -> v1::ImageSpec {
    v1::ImageSpec { image: image.into(), user_specified_image: image.into(), ..v1::ImageSpec::default() }
}

/// A pull on behalf of a pod.
pub(super) fn pull(image: &str, auth: Option<(String, String)>, pod: &SandboxSpec) -> v1::PullImageRequest {
    let auth = auth.map(|(username, password)| v1::AuthConfig { username, password, ..v1::AuthConfig::default() });
    v1::PullImageRequest { image: Some(spec(image)), auth, sandbox_config: Some(sandbox::config(pod)) }
}

/// The user an image runs as: a number if it says so, else a name, which is empty for root.
pub(super) fn user(image: &v1::Image) -> (Option<i64>, String) {
    (image.uid.as_ref().map(|uid| uid.value), image.username.clone())
}
