//! What an agent is told at its start.

use k8s_openapi::api::core::v1::Taint;
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

/// Which runtime runs the containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeChoice {
    /// A CRI v1 runtime at a socket, such as `unix:///run/containerd/containerd.sock`.
    Cri {
        /// The socket, with scheme.
        endpoint: String,
    },
    /// Containers in memory only: nothing on this machine is touched but the agent's own directories.
    Simulated,
}

/// Settings of one agent.
#[derive(Debug, Clone)]
pub struct Config {
    /// URL of the API server, `https://host:port`.
    pub server: String,
    /// Join token; not needed once the keys are certified, nor with a kubeconfig.
    pub token: Option<String>,
    /// Credentials for a foreign cluster; then nothing is joined, and as nobody
    /// certifies this node's keys, it serves no logs, exec or port-forward.
    pub kubeconfig: Option<PathBuf>,
    /// Name of the Node object.
    pub node_name: String,
    /// InternalIP; `None`: the address from which the server is reached.
    pub node_ip: Option<IpAddr>,
    /// The container runtime.
    pub runtime: RuntimeChoice,
    /// Directory of OCI archives to load at start.
    pub images: Option<PathBuf>,
    /// Pods' directories; daemons expect the kubelet's own place.
    pub root_dir: PathBuf,
    /// Keys, certificates, checkpoints.
    pub data_dir: PathBuf,
    /// Parent of `pods` and `containers`, the log layout that log shippers expect.
    pub log_dir: PathBuf,
    /// Cgroup below which the pods' cgroups are made, such as `/garrison/n1`; empty: the root.
    pub cgroup_root: String,
    /// Port of the node API.
    pub port: u16,
    /// `host:port` that pods are given as KUBERNETES_SERVICE_HOST and _PORT; `None`: that of `server`.
    pub cluster_endpoint: Option<String>,
    /// Nameservers for pods of dnsPolicy ClusterFirst; empty: those of the machine.
    pub cluster_dns: Vec<IpAddr>,
    /// Domain of services, for search lists.
    pub cluster_domain: String,
    /// Labels the Node gets when it registers.
    pub labels: BTreeMap<String, String>,
    /// Taints the Node gets when it registers for the first time.
    pub taints: Vec<Taint>,
    /// Most pods this node takes.
    pub max_pods: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: String::new(),
            token: None,
            kubeconfig: None,
            node_name: String::new(),
            node_ip: None,
            runtime: RuntimeChoice::Cri { endpoint: "unix:///run/containerd/containerd.sock".into() },
            images: None,
            root_dir: "/var/lib/kubelet".into(),
            data_dir: "/var/lib/garrison-node".into(),
            log_dir: "/var/log".into(),
            cgroup_root: String::new(),
            port: 10250,
            cluster_endpoint: None,
            cluster_dns: Vec::new(),
            cluster_domain: "cluster.local".into(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            max_pods: 110,
        }
    }
}
