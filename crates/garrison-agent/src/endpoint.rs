//! The node's own HTTPS endpoint: logs, exec, attach, port-forward and the list of pods, on the kubelet's paths.
//!
//! Only the API server and administrators get an answer: a client has to show a certificate of the cluster's CA whose
//! organisation is `system:masters`.

use k8s_openapi::api::core::v1::Pod;
use std::path::PathBuf;

/// What the endpoint asks of the rest of the agent.
pub trait Pods: Send + Sync + 'static {
    /// The pods of this node with the status they have now.
    fn pods(&self) -> Vec<Pod>;
    /// The newest container of that name, or the one before it.
    fn container(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Result<ContainerHandle, Missing>;
    /// Runtime id of the pod's sandbox.
    fn sandbox(&self, namespace: &str, pod: &str) -> Result<String, Missing>;
}

/// Where a container is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerHandle {
    /// Runtime id.
    pub id: String,
    /// Its log in CRI format.
    pub log_path: PathBuf,
    /// Whether it runs: following its log ends when it does not.
    pub running: bool,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No such pod on this node.
    #[error("pod {pod:?} not found in namespace {namespace:?}")]
    Pod {
        /// Where it was sought.
        namespace: String,
        /// Its name.
        pod: String,
    },
    /// The pod has no such container.
    #[error("container {container:?} is not valid for pod {pod:?}")]
    Container {
        /// Pod name.
        pod: String,
        /// Container name.
        container: String,
    },
    /// The container was not started yet.
    #[error("container {container:?} in pod {pod:?} is waiting to start: {reason}")]
    NotStarted {
        /// Pod name.
        pod: String,
        /// Container name.
        container: String,
        /// Such as `ContainerCreating`.
        reason: String,
    },
    /// The container was never restarted.
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    Previous {
        /// Pod name.
        pod: String,
        /// Container name.
        container: String,
    },
    /// The pod has no running sandbox.
    #[error("pod {pod:?} is not running")]
    Sandbox {
        /// Pod name.
        pod: String,
    },
}
