//! The server that a client speaks to, and where it keeps its objects.

use anyhow::{Context, Result, bail};
use garrison_tests::{etcd::Etcd, server::Server};
use serde_json::Value;

/// Where objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Embedded,
    Etcd,
}

impl Store {
    /// What CLIENTS_STORE names; the server's own unless it does.
    pub(crate) fn wanted() -> Result<Self> {
        match std::env::var("CLIENTS_STORE").unwrap_or_default().as_str() {
            "" | "embedded" => Ok(Self::Embedded),
            "etcd" => Ok(Self::Etcd),
            other => bail!("CLIENTS_STORE is embedded or etcd, not {other:?}"),
        }
    }
}

/// Both end with this value, the server first.
pub(crate) struct Backend {
    pub(crate) server: Server,
    etcd: Option<Etcd>,
}

impl Backend {
    pub(crate) fn start(store: Store) -> Result<Self> {
        let etcd = (store == Store::Etcd).then(Etcd::start).transpose()?;
        let flags: Vec<String> = etcd.iter().map(Etcd::flag).collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Ok(Self { server: Server::start_with(&flags)?, etcd })
    }

    /// Starts the server again; of what was before, no history tells then.
    pub(crate) fn forget(&mut self) -> Result<()> {
        if let Some(etcd) = &self.etcd {
            compact(etcd)?;
        }
        self.server.kill_and_restart()
    }
}

/// Has etcd forget all that is not true any more.
fn compact(etcd: &Etcd) -> Result<()> {
    let told: Value = serde_json::from_str(&etcd.etcdctl(&["endpoint", "status", "-w", "json"])?)?;
    let revision = told.pointer("/0/Status/header/revision").context("a revision")?;
    etcd.etcdctl(&["compact", &revision.to_string()]).map(drop)
}
