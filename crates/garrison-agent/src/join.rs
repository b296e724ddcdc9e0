//! How this machine becomes a node: keys made here, certified by the server against the join token, kept and renewed.

use crate::config::Config;
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

mod request;

/// How long to wait before asking a server again that is not there yet.
const RETRY: Duration = Duration::from_secs(1);

/// Why this machine has no identity.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Neither certificate nor token.
    #[error("node {node} has no certificate yet and no join token to get one with")]
    NoToken {
        /// Node name.
        node: String,
    },
    /// The token is not of the right form.
    #[error("the join token is not of the form garrison.<hash of the CA certificate>.<secret>")]
    BadToken,
    /// The server's address cannot be read.
    #[error("{url} is no https:// address of a server")]
    BadServer {
        /// As given.
        url: String,
    },
    /// The server shows another CA than the token names.
    #[error("the server at {server} shows a CA that the join token does not name")]
    WrongAuthority {
        /// As given.
        server: String,
    },
    /// The server refuses.
    #[error("the server at {server} refuses node {node}: {message}")]
    Refused {
        /// As given.
        server: String,
        /// Node name.
        node: String,
        /// The server's words.
        message: String,
    },
    /// The server cannot be reached; worth a retry.
    #[error("asking the server at {server}")]
    Unreachable {
        /// As given.
        server: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key could not be made.
    #[error("making a key")]
    Key(#[from] rcgen::Error),
    /// A file could not be read or written.
    #[error("{path}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was stored or sent cannot be read.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
}

/// Keys and certificates of this node, as PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Whom the certificates are for: changed settings need new ones.
    pub node_name: String,
    /// Addresses in the serving certificate.
    pub addresses: Vec<IpAddr>,
    /// The cluster's CA.
    pub ca: String,
    /// Key of the client certificate.
    pub client_key: String,
    /// Client certificate.
    pub client_certificate: String,
    /// Key of the serving certificate.
    pub serving_key: String,
    /// Serving certificate.
    pub serving_certificate: String,
}

impl Identity {
    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("identity.json")
    }

    fn load(config: &Config, addresses: &[IpAddr]) -> Result<Option<Self>, JoinError> {
        let path = Self::path(&config.data_dir);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(JoinError::File { path, source }),
        };
        let identity: Self = serde_json::from_slice(&bytes)
            .map_err(|error| JoinError::Unreadable { what: "the stored identity", why: error.to_string() })?;
        let named = config.token.as_deref().and_then(request::authority_hash);
        let same_authority = match named {
            Some(named) => request::hash(&certificate(&identity.ca)?).eq_ignore_ascii_case(named),
            None => true,
        };
        let same = identity.node_name == config.node_name && identity.addresses == addresses;
        Ok(Some(identity).filter(|_| same && same_authority))
    }

    fn store(&self, data_dir: &Path) -> Result<(), JoinError> {
        let path = Self::path(data_dir);
        let bytes =
            serde_json::to_vec(self).map_err(|error| JoinError::Unreadable { what: "the identity", why: error.to_string() })?;
        crate::checkpoint::write_private(&path, &bytes).map_err(|source| JoinError::File { path, source })
    }

    /// When it is time for new certificates: four fifths of the life of the one that ends first.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub fn renew_at(&self) -> Result<Timestamp, JoinError> {
        let renewal = |pem: &str| -> Result<Timestamp, JoinError> {
            let der = certificate(pem)?;
            let (_, parsed) = x509_parser::parse_x509_certificate(&der)
                .map_err(|error| JoinError::Unreadable { what: "a certificate", why: error.to_string() })?;
            let (start, end) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
            let at = start.saturating_add(end.saturating_sub(start) / 5 * 4);
            Ok(Timestamp::from_second(at).unwrap_or(Timestamp::MAX))
        };
        Ok(renewal(&self.client_certificate)?.min(renewal(&self.serving_certificate)?))
    }

    /// Settings of a client that speaks as this node.
    ///
    /// # Errors
    /// When the server's address or the CA cannot be read.
    pub fn client_config(&self, server: &str) -> Result<kube::Config, JoinError> {
        let url = server.parse().map_err(|_| JoinError::BadServer { url: server.into() })?;
        let mut config = kube::Config::new(url);
        config.root_cert = Some(vec![certificate(&self.ca)?.to_vec()]);
        config.auth_info.client_certificate_data = Some(encode(&self.client_certificate));
        config.auth_info.client_key_data = Some(encode(&self.client_key).into());
        config.connect_timeout = Some(Duration::from_secs(5));
        // A watch is silent for long; the bookmarks and time limits of the server end it sooner than this.
        config.read_timeout = Some(Duration::from_secs(600));
        config.write_timeout = Some(Duration::from_secs(30));
        Ok(config)
    }

    /// TLS of the node's endpoint: only clients with a certificate of the cluster's CA get through.
    ///
    /// # Errors
    /// When key or certificates cannot be read.
    pub fn serving_tls(&self) -> Result<Arc<rustls::ServerConfig>, JoinError> {
        let unreadable = |what, why: String| JoinError::Unreadable { what, why };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate(&self.ca)?).map_err(|error| unreadable("the CA certificate", error.to_string()))?;
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| unreadable("the CA certificate", error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(self.serving_key.as_bytes())
            .map_err(|error| unreadable("the serving key", error.to_string()))?;
        let serving = certificate(&self.serving_certificate)?;
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_client_cert_verifier(verifier).with_single_cert(vec![serving], key))
            .map_err(|error| unreadable("the serving certificate", error.to_string()))?;
        Ok(Arc::new(tls))
    }
}

fn encode(pem: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(pem)
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>, JoinError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| JoinError::Unreadable { what: "a certificate", why: error.to_string() })
}

/// The node's identity: the one stored, while it is good; else a new one from the server, however long that takes.
///
/// # Errors
/// When waiting would not help.
pub async fn identity(config: &Config, addresses: &[IpAddr]) -> Result<Identity, JoinError> {
    let now = Timestamp::now();
    let known = Identity::load(config, addresses)?;
    if let Some(known) = &known
        && (config.token.is_none() || known.renew_at()? > now)
    {
        return Ok(known.clone());
    }
    let token = config.token.as_deref().ok_or_else(|| JoinError::NoToken { node: config.node_name.clone() })?;
    let mut told = false;
    loop {
        match request::join(config, token, addresses).await {
            Ok(identity) => {
                identity.store(&config.data_dir)?;
                return Ok(identity);
            }
            // The old certificates still open the door for the last fifth of their life.
            Err(error) if known.is_some() => {
                tracing::warn!(error = chain(&error), "cannot renew the certificates yet");
                return known.ok_or(error);
            }
            Err(error @ JoinError::Unreachable { .. }) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(error = chain(&error), "cannot join yet; trying on");
                }
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = Vec::new();
    for cause in std::iter::successors(Some(error), |cause| cause.source()) {
        if let Some(kube::Error::Api(status)) = cause.downcast_ref() {
            // The server's words are enough: the rest repeats them with the whole answer.
            words.push(status.message.clone());
            break;
        }
        words.push(cause.to_string());
    }
    words.join(": ")
}

fn new_key() -> Result<(String, String), JoinError> {
    let key = KeyPair::generate()?;
    let request = CertificateParams::new(Vec::new())?.serialize_request(&key)?;
    Ok((key.serialize_pem(), request.pem()?))
}

#[cfg(test)]
mod tests;
