//! What the agent asks of a container runtime. Two answer: `cri` (containerd over CRI v1) and `simulated`.

use async_trait::async_trait;
use std::{collections::BTreeMap, time::Duration};

/// A failed question to the runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The runtime does not answer.
    #[error("the container runtime at {endpoint} does not answer")]
    Unreachable {
        /// Where it was sought.
        endpoint: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The runtime refused an operation.
    #[error("{operation}: {message}")]
    Refused {
        /// What was attempted, such as `create container`.
        operation: &'static str,
        /// The runtime's words.
        message: String,
        /// Whether the thing asked about does not exist.
        not_found: bool,
    },
}

/// Result of a runtime question.
pub type Result<T> = std::result::Result<T, RuntimeError>;

/// Labels by which the agent finds its sandboxes and containers again (the kubelet's own keys).
pub mod labels {
    /// Pod name.
    pub const POD_NAME: &str = "io.kubernetes.pod.name";
    /// Pod namespace.
    pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// Pod UID.
    pub const POD_UID: &str = "io.kubernetes.pod.uid";
    /// Container name.
    pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
}

/// Whether the runtime and its network are ready, with reasons when not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// `RuntimeReady`; `Err` carries "reason: message".
    pub runtime: std::result::Result<(), String>,
    /// `NetworkReady`.
    pub network: std::result::Result<(), String>,
}

/// Name and version of the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeVersion {
    /// Such as `containerd`.
    pub name: String,
    /// Such as `1.6.20`.
    pub version: String,
}

/// A pod sandbox as the runtime sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sandbox {
    /// Runtime id.
    pub id: String,
    /// Pod identity.
    pub namespace: String,
    /// Pod name.
    pub name: String,
    /// Pod UID.
    pub uid: String,
    /// Sandbox attempt, counted from 0.
    pub attempt: u32,
    /// Whether it runs.
    pub ready: bool,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// Addresses in the pod network; empty for hostNetwork.
    pub ips: Vec<String>,
    /// Annotations given at creation.
    pub annotations: BTreeMap<String, String>,
}

/// Phase of a container in the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "CRI's own names")]
pub enum ContainerState {
    Created,
    Running,
    Exited,
    Unknown,
}

/// A container as the runtime sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Runtime id, without scheme.
    pub id: String,
    /// Sandbox it belongs to.
    pub sandbox_id: String,
    /// Pod UID, from the labels.
    pub pod_uid: String,
    /// Container name in the pod spec.
    pub name: String,
    /// Attempt, counted from 0 (= restart count).
    pub attempt: u32,
    /// State.
    pub state: ContainerState,
    /// Image as asked for.
    pub image: String,
    /// Image id or digest reference.
    pub image_ref: String,
    /// Nanoseconds since the epoch; 0 when not yet.
    pub created_at: i64,
    /// Start time.
    pub started_at: i64,
    /// End time.
    pub finished_at: i64,
    /// Exit code once exited.
    pub exit_code: i32,
    /// Such as `Completed`, `Error`, `OOMKilled`.
    pub reason: String,
    /// Message of the runtime or the termination message.
    pub message: String,
    /// Log file.
    pub log_path: String,
    /// Annotations given at creation (spec hash, termination message path …).
    pub annotations: BTreeMap<String, String>,
}

/// How a sandbox is to be made.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs, reason = "the fields are CRI's PodSandboxConfig")]
pub struct SandboxSpec {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub attempt: u32,
    pub hostname: String,
    pub log_directory: String,
    pub cgroup_parent: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub dns_servers: Vec<String>,
    pub dns_searches: Vec<String>,
    pub dns_options: Vec<String>,
    pub port_mappings: Vec<PortMapping>,
    pub host_network: bool,
    pub host_pid: bool,
    pub host_ipc: bool,
    pub share_process_namespace: bool,
    pub privileged: bool,
    pub sysctls: BTreeMap<String, String>,
    pub run_as_user: Option<i64>,
    pub run_as_group: Option<i64>,
    pub supplemental_groups: Vec<i64>,
    /// OCI seccomp: `RuntimeDefault`, `Unconfined` or `Localhost/path`.
    pub seccomp: String,
}

/// A hostPort mapping.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are CRI's PortMapping")]
pub struct PortMapping {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    pub container_port: i32,
    pub host_port: i32,
    pub host_ip: String,
}

/// How mounts spread between host and container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "Kubernetes' own names")]
pub enum Propagation {
    #[default]
    None,
    HostToContainer,
    Bidirectional,
}

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are CRI's Mount")]
pub struct Mount {
    pub host_path: String,
    pub container_path: String,
    pub readonly: bool,
    pub propagation: Propagation,
    pub selinux_relabel: bool,
}

/// How a container is to be made.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs, reason = "the fields are CRI's ContainerConfig")]
pub struct ContainerSpec {
    pub name: String,
    pub attempt: u32,
    /// Image reference to run (an id returned by `image_id` or the name).
    pub image: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub working_dir: String,
    pub env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    /// host path → container path, permissions.
    pub devices: Vec<(String, String, String)>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Relative to the sandbox's log directory, `<container>/<attempt>.log`.
    pub log_path: String,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    pub cpu_shares: i64,
    pub cpu_quota: i64,
    pub cpu_period: i64,
    pub memory_limit: i64,
    pub oom_score_adj: i64,
    pub privileged: bool,
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    pub run_as_user: Option<i64>,
    pub run_as_group: Option<i64>,
    pub supplemental_groups: Vec<i64>,
    pub readonly_rootfs: bool,
    pub no_new_privs: bool,
    pub seccomp: String,
    pub apparmor: String,
    /// user, role, type, level.
    pub selinux: Option<[String; 4]>,
    pub host_network: bool,
    pub host_pid: bool,
    pub host_ipc: bool,
    /// Pod-shared pid namespace.
    pub share_process_namespace: bool,
    pub masked_paths: Vec<String>,
    pub readonly_paths: Vec<String>,
}

/// Outcome of a command run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "self-explaining")]
pub struct ExecOutput {
    pub exit_code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// What an exec or attach stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "self-explaining")]
pub struct StreamOptions {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

/// A container runtime. All methods may be called at once from many tasks; all operations may be repeated:
/// stopping what has stopped and removing what is gone succeed.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Name and version.
    async fn version(&self) -> Result<RuntimeVersion>;
    /// Readiness of runtime and network.
    async fn status(&self) -> Result<RuntimeStatus>;
    /// All pod sandboxes.
    async fn sandboxes(&self) -> Result<Vec<Sandbox>>;
    /// All containers with full state (running and ended).
    async fn containers(&self) -> Result<Vec<Container>>;
    /// Makes and starts a sandbox; its id. `config` handed in again for each container.
    async fn run_sandbox(&self, sandbox: &SandboxSpec) -> Result<String>;
    /// Stops a sandbox and frees its network.
    async fn stop_sandbox(&self, id: &str) -> Result<()>;
    /// Removes a stopped sandbox and its containers.
    async fn remove_sandbox(&self, id: &str) -> Result<()>;
    /// The id of an image present on the node, if it is.
    async fn image_id(&self, image: &str) -> Result<Option<String>>;
    /// The user an image runs as (uid, or name), for `runAsNonRoot`.
    async fn image_user(&self, image: &str) -> Result<(Option<i64>, String)>;
    /// Pulls an image; its id. `auth` is (username, password).
    async fn pull_image(&self, image: &str, auth: Option<(String, String)>, sandbox: &SandboxSpec) -> Result<String>;
    /// Creates a container; its id.
    async fn create_container(&self, sandbox_id: &str, sandbox: &SandboxSpec, container: &ContainerSpec) -> Result<String>;
    /// Starts a created container.
    async fn start_container(&self, id: &str) -> Result<()>;
    /// Stops a container: SIGTERM, then SIGKILL after `grace`.
    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()>;
    /// Removes a container.
    async fn remove_container(&self, id: &str) -> Result<()>;
    /// Tells the runtime to reopen the log file after rotation.
    async fn reopen_log(&self, id: &str) -> Result<()>;
    /// Runs a command and waits for it.
    async fn exec(&self, id: &str, command: &[String], timeout: Duration) -> Result<ExecOutput>;
    /// URL of a one-time exec stream.
    async fn exec_url(&self, id: &str, command: &[String], options: StreamOptions) -> Result<String>;
    /// URL of a one-time attach stream.
    async fn attach_url(&self, id: &str, options: StreamOptions) -> Result<String>;
    /// URL of a one-time port-forward stream.
    async fn port_forward_url(&self, sandbox_id: &str, ports: &[i32]) -> Result<String>;
}
