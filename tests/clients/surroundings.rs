//! What one client finds: a server of its own behind a gateway, a node, and a definition of Widgets.

use crate::backend::{Backend, Store};
use crate::gateway::Gateway;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The CustomResourceDefinition that the script is about.
pub(crate) const WIDGETS: &str = include_str!("widgets.json");

/// Pods that a test makes say that they are bound to it; nobody runs them.
const NODE: &str = "---\n{apiVersion: v1, kind: Node, metadata: {name: n1}}";

pub(crate) struct Surroundings {
    /// Leads through the gateway.
    pub(crate) kubeconfig: PathBuf,
    /// A place for files.
    pub(crate) home: PathBuf,
    pub(crate) control: SocketAddr,
    /// Both end with the surroundings.
    _backend: Arc<Mutex<Backend>>,
    _files: TempDir,
}

impl Surroundings {
    pub(crate) fn new(store: Store) -> Result<Self> {
        let mut backend = Backend::start(store)?;
        backend.server.apply(NODE)?;
        backend.forget()?;
        let files = tempfile::tempdir()?;
        let kubeconfig = std::fs::read_to_string(backend.server.directory().join("kubeconfig"))?;
        let address = backend.server.address();
        let backend = Arc::new(Mutex::new(backend));
        let gateway = Gateway::open(Arc::downgrade(&backend), address.parse().context("an address")?)?;
        let path = files.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig.replace(&address, &gateway.address.to_string()))?;
        std::fs::write(files.path().join("widgets.json"), WIDGETS)?;
        Ok(Self { kubeconfig: path, home: files.path().into(), control: gateway.control, _backend: backend, _files: files })
    }
}
