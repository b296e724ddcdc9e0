//! The state directory: what the cluster should be, and where each part keeps its files.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Which runtime the nodes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    /// containerd in namespaces of the node's own; needs root.
    Containerd,
    /// Nothing runs: the agent's own pod machinery over a simulated runtime; needs no root.
    Simulated,
}

/// One node as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Position in the cluster's subnet, counted from 0; never reused while the node exists.
    pub(crate) index: u8,
    /// The node's address.
    pub(crate) address: IpAddr,
    /// Port of the node's own API.
    pub(crate) port: u16,
    /// Stopped by `garrison node stop`: `up` leaves it off.
    #[serde(default)]
    pub(crate) stopped: bool,
}

/// The cluster's own etcd, on the loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Etcd {
    pub(crate) port: u16,
    pub(crate) peer_port: u16,
}

/// The cluster as it should be; kept as `cluster.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cluster {
    /// Six hexadecimal digits made from the state directory's path: names of bridge, cgroups and firewall rules hold it.
    pub(crate) id: String,
    pub(crate) runtime: Runtime,
    /// First address of the /24 that joins the nodes; the host has `.1`. Loopback when simulated.
    pub(crate) subnet: Ipv4Addr,
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) images: Option<PathBuf>,
    /// Where objects are kept, unless in a file.
    #[serde(default)]
    pub(crate) etcd: Option<Etcd>,
    pub(crate) nodes: BTreeMap<String, Node>,
    /// Value of `net.ipv4.ip_forward` before the first `up`, to be put back by `down`.
    #[serde(default)]
    pub(crate) ip_forward_before: Option<String>,
}

/// The state directory, locked for one command at a time.
pub(crate) struct StateDir {
    root: PathBuf,
    _lock: File,
}

/// Id of the cluster that lives in a state directory.
fn id_of(root: &Path) -> String {
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect()
}

impl StateDir {
    /// Default place: under `/var/lib` for root, in the user's state folder otherwise.
    pub(crate) fn default_path() -> PathBuf {
        if rustix::process::geteuid().is_root() {
            return PathBuf::from("/var/lib/garrison/cluster");
        }
        let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        std::env::var_os("XDG_STATE_HOME").map_or_else(|| home.join(".local/state"), PathBuf::from).join("garrison/cluster")
    }

    /// Opens (making it if need be) and locks the directory.
    ///
    /// # Errors
    /// When it cannot be made, or another command works on it right now.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("making the state directory {}", path.display()))?;
        let root = path.canonicalize().with_context(|| format!("finding {}", path.display()))?;
        let lock = File::create(root.join("lock")).with_context(|| format!("opening {}/lock", root.display()))?;
        if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "another garrison command is working on {}; wait for it, or give --state-dir another directory",
                root.display()
            );
        }
        Ok(Self { root, _lock: lock })
    }

    /// Reads `cluster.json`; `None` when no cluster was made here yet.
    pub(crate) fn load(&self) -> Result<Option<Cluster>> {
        read_cluster(&self.root)
    }

    /// Writes `cluster.json` so that a crash leaves the old or the new one.
    pub(crate) fn save(&self, cluster: &Cluster) -> Result<()> {
        let path = self.root.join("cluster.json");
        let new = self.root.join("cluster.json.new");
        fs::write(&new, serde_json::to_vec_pretty(cluster)?).with_context(|| format!("writing {}", new.display()))?;
        fs::rename(&new, &path).with_context(|| format!("replacing {}", path.display()))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn id(&self) -> String {
        id_of(&self.root)
    }

    pub(crate) fn server_dir(&self) -> PathBuf {
        self.root.join("server")
    }

    pub(crate) fn node_dir(&self, name: &str) -> PathBuf {
        self.root.join("nodes").join(name)
    }
}

/// Reads a cluster without locking, for commands that only look.
pub(crate) fn read_cluster(root: &Path) -> Result<Option<Cluster>> {
    let path = root.join("cluster.json");
    match fs::read(&path) {
        Ok(bytes) => {
            let cluster = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; run `garrison down` to sweep this cluster away", path.display()))?;
            Ok(Some(cluster))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

impl Cluster {
    /// The bridge's name; at most 15 characters as Linux wants it.
    pub(crate) fn bridge(&self) -> String {
        format!("gr-{}", self.id)
    }

    /// The host's address on the bridge.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.subnet.octets();
        Ipv4Addr::new(a, b, c, 1)
    }

    /// Where nodes and people find the API server: a server on every address is found on the one that nodes reach.
    pub(crate) fn advertised(&self) -> SocketAddr {
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            address.set_ip(match self.runtime {
                Runtime::Containerd => self.gateway().into(),
                Runtime::Simulated => Ipv4Addr::LOCALHOST.into(),
            });
        }
        address
    }

    /// URL of the API server.
    pub(crate) fn server_url(&self) -> String {
        format!("https://{}", self.advertised())
    }

    /// Adds a node under the lowest free index.
    ///
    /// # Errors
    /// When the name is taken or malformed, or the subnet is full.
    pub(crate) fn add_node(&mut self, name: &str, simulated_port: impl FnOnce() -> Result<u16>) -> Result<()> {
        if self.nodes.contains_key(name) {
            bail!("node {name} exists already");
        }
        let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 63 || !name.chars().all(ok) || name.starts_with('-') || name.ends_with('-') {
            bail!("{name:?} is no node name: lower-case letters, digits and inner dashes, at most 63");
        }
        let used: Vec<u8> = self.nodes.values().map(|node| node.index).collect();
        let Some(index) = (0..=240).find(|index| !used.contains(index)) else { bail!("the cluster's subnet holds 241 nodes") };
        let [a, b, c, _] = self.subnet.octets();
        let (address, port) = match self.runtime {
            Runtime::Containerd => (Ipv4Addr::new(a, b, c, 10 + index), 10250),
            Runtime::Simulated => (Ipv4Addr::LOCALHOST, simulated_port()?),
        };
        self.nodes.insert(name.into(), Node { index, address: address.into(), port, stopped: false });
        Ok(())
    }

    /// Names to add and to remove so that `count` nodes exist: lowest free `nI` first, highest numbers go first.
    pub(crate) fn resize(&self, count: usize) -> (Vec<String>, Vec<String>) {
        let missing = count.saturating_sub(self.nodes.len());
        let add = (1..).map(|i| format!("n{i}")).filter(|name| !self.nodes.contains_key(name)).take(missing).collect();
        let mut names: Vec<&String> = self.nodes.keys().collect();
        names.sort_by_key(|name| (name.trim_start_matches('n').parse::<u32>().unwrap_or(u32::MAX), (*name).clone()));
        let remove = names.into_iter().skip(count).rev().cloned().collect();
        (add, remove)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(names: &[&str]) -> Cluster {
        let mut cluster = Cluster {
            id: "abcdef".into(),
            runtime: Runtime::Containerd,
            subnet: Ipv4Addr::new(10, 201, 7, 0),
            listen: "10.201.7.1:6443".parse().expect("an address"),
            kubeconfig: "kubeconfig".into(),
            images: None,
            etcd: None,
            nodes: BTreeMap::new(),
            ip_forward_before: None,
        };
        for name in names {
            cluster.add_node(name, || Ok(1)).expect("adds");
        }
        cluster
    }

    #[test]
    fn resizing_names_the_nodes_to_add_and_to_remove() {
        let check = |names: &[&str], count, add: &[&str], remove: &[&str]| {
            let (added, removed) = cluster(names).resize(count);
            assert_eq!(
                (added, removed),
                (add.iter().map(ToString::to_string).collect(), remove.iter().map(ToString::to_string).collect())
            );
        };
        check(&[], 3, &["n1", "n2", "n3"], &[]);
        check(&["n1", "n3"], 3, &["n2"], &[]);
        check(&["n1", "n2", "n3", "n10"], 2, &[], &["n10", "n3"]);
        check(&["n1"], 1, &[], &[]);
    }

    #[test]
    fn a_server_on_every_address_is_found_on_one() {
        let check = |runtime, listen: &str, expected: &str| {
            let mut cluster = cluster(&[]);
            (cluster.runtime, cluster.listen) = (runtime, listen.parse().expect("an address"));
            assert_eq!(cluster.server_url(), expected);
        };
        check(Runtime::Containerd, "10.201.7.1:6443", "https://10.201.7.1:6443");
        check(Runtime::Containerd, "0.0.0.0:7443", "https://10.201.7.1:7443");
        check(Runtime::Simulated, "0.0.0.0:7443", "https://127.0.0.1:7443");
    }

    #[test]
    fn a_removed_index_is_used_again_and_bad_names_are_refused() {
        let mut c = cluster(&["n1", "n2"]);
        c.nodes.remove("n1");
        c.add_node("n3", || Ok(1)).expect("adds");
        assert_eq!(c.nodes["n3"].address.to_string(), "10.201.7.10");
        for bad in ["", "N4", "a_b", "-a", "a-", "n3"] {
            assert!(c.add_node(bad, || Ok(1)).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_command_at_a_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = StateDir::open(dir.path()).expect("opens");
        assert!(StateDir::open(dir.path()).is_err());
        drop(first);
        assert!(StateDir::open(dir.path()).is_ok());
    }
}
