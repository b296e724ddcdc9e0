//! What one client finds: a server of its own behind a gateway, a node, and a definition of Widgets.

use crate::gateway::Gateway;
use anyhow::{Context, Result};
use garrison_tests::server::Server;
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
    _server: Arc<Mutex<Server>>,
    _files: TempDir,
}

impl Surroundings {
    pub(crate) fn new() -> Result<Self> {
        let mut server = Server::start()?;
        server.apply(NODE)?;
        // Of what was before, no history tells.
        server.kill_and_restart()?;
        let files = tempfile::tempdir()?;
        let kubeconfig = std::fs::read_to_string(server.directory().join("kubeconfig"))?;
        let address = server.address();
        let server = Arc::new(Mutex::new(server));
        let gateway = Gateway::open(Arc::downgrade(&server), address.parse().context("an address")?)?;
        let path = files.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig.replace(&address, &gateway.address.to_string()))?;
        std::fs::write(files.path().join("widgets.json"), WIDGETS)?;
        Ok(Self { kubeconfig: path, home: files.path().into(), control: gateway.control, _server: server, _files: files })
    }
}
