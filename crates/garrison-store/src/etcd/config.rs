//! What the etcd store is told, and why it could not be opened.

use super::{fault::Fault, layout::Layout};
use crate::Retention;
use std::{fmt, fs, io, path::PathBuf, sync::Arc, time::Duration};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// How long it may take to connect to a member.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a silent connection is asked whether it lives; etcd refuses to be asked more often than every five seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long it has for an answer.
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(5);

/// Where etcd is, and how to speak to it.
#[derive(Debug, Clone)]
pub struct Config {
    /// URLs of its members: `http://` or `https://`.
    pub endpoints: Vec<String>,
    /// PEM file of the authority that signed the members' certificates. Members with `https` need it.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the certificate to show, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// As whom to log in.
    pub user: Option<User>,
    /// Where in etcd everything is.
    pub prefix: String,
    /// Qualifiers of collections that have no dot, such as `apps` in `daemonsets.apps`.
    pub plain_qualifiers: Vec<String>,
    /// How much history is kept in memory.
    pub retention: Retention,
    /// How long to wait for etcd at the start.
    pub patience: Duration,
}

/// A user of etcd.
#[derive(Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No member is named.
    #[error("no endpoint of etcd is given")]
    NoEndpoint,
    /// A URL that cannot be used.
    #[error("{endpoint} is no endpoint of etcd: {why}")]
    Endpoint {
        /// The URL.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate or key that cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// etcd refuses this client, or is not the one that is meant.
    #[error("etcd cannot be used: {0}")]
    Refused(Arc<str>),
    /// etcd has not answered in time.
    #[error("etcd does not answer: {0}")]
    Unreachable(Arc<str>),
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        if fault.will_last() { Self::Refused(fault.why()) } else { Self::Unreachable(fault.why()) }
    }
}

impl Config {
    /// etcd at these endpoints, without certificates and users.
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            ca_file: None,
            identity: None,
            user: None,
            prefix: "/registry".into(),
            plain_qualifiers: Vec::new(),
            retention: Retention::default(),
            patience: Duration::from_secs(60),
        }
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::new(&self.prefix, self.plain_qualifiers.clone())
    }

    /// How a member is connected to. The files are read anew each time: certificates are renewed.
    pub(super) fn endpoint(&self, url: &str) -> Result<Endpoint, OpenError> {
        let wrong = |why: &dyn fmt::Display| OpenError::Endpoint { endpoint: url.into(), why: why.to_string() };
        let secure = match url.split_once("://") {
            Some(("https", _)) => true,
            Some(("http", _)) => false,
            _ => return Err(wrong(&"it must begin with http:// or https://")),
        };
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| wrong(&error))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_ANSWER)
            .keep_alive_while_idle(false);
        if !secure {
            return Ok(endpoint);
        }
        let ca = self.ca_file.as_ref().ok_or_else(|| wrong(&"https needs the file of its certificate authority"))?;
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        endpoint
            .tls_config(tls)
            .map_err(|error| wrong(&std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)))
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, OpenError> {
    fs::read(path).map_err(|source| OpenError::File { path: path.clone(), source })
}
