//! The cluster's keys and certificates: made at first start, kept in the data directory, renewed before they expire.
//!
//! Key and certificate of one purpose share a file, so that the two cannot disagree after a crash between two writes.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rand::RngCore as _;
use ring::digest;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::identity::{self, MASTERS, NODES};
use authority::{Authority, Purpose, Subject};

mod authority;
mod files;
#[cfg(test)]
mod tests;

/// Names under which pods reach the server. Nobody else may be certified for them.
const SERVICE_NAMES: [&str; 4] =
    ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// The user as whom the server calls the nodes.
const SERVER_USER: &str = "garrison-server";
const ADMIN_USER: &str = "garrison-admin";

/// What can be wrong with keys and certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the data directory cannot be read or written.
    #[error("cannot read or write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the data directory holds something else than it should.
    #[error("{} holds no usable key and certificate", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A text is not the PEM of a key or certificate.
    #[error("not the PEM text of a key or certificate")]
    Pem(#[from] pem::Error),
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A certificate signing request is malformed or not signed by its own key.
    #[error("certificate signing request: {0}")]
    Request(rcgen::Error),
    /// A name is neither a DNS name nor an IP address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    Name(String),
    /// A name belongs to the API server.
    #[error("{0:?} is a name of the API server")]
    ReservedName(String),
    /// The TLS library refuses the material.
    #[error("keys and certificates do not serve for TLS")]
    Tls(#[from] rustls::Error),
    /// The certificates of clients cannot be verified.
    #[error("the certificates of clients cannot be verified")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

impl Error {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// All keys and certificates of a cluster.
pub struct Pki {
    authority: Authority,
    directory: PathBuf,
    /// The names in the server's certificate.
    names: BTreeSet<String>,
    serving: Arc<Replaceable>,
    node_client: Replaceable,
    /// PEM of the administrator's key and certificate.
    admin: String,
    service_account_key: PrivateKeyDer<'static>,
    join_token: String,
}

impl fmt::Debug for Pki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pki").field("directory", &self.directory).field("names", &self.names).finish_non_exhaustive()
    }
}

/// A certificate that running connections and configurations pick up when it is renewed.
#[derive(Debug)]
struct Replaceable(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Replaceable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Reads the cluster's keys and certificates from `data_dir`, and makes what is missing, outdated or about to expire.
///
/// `sans` are further names and addresses under which clients reach the server.
pub fn load_or_create(data_dir: &Path, sans: &[String]) -> Result<Pki, Error> {
    load_at(data_dir, sans, Timestamp::now())
}

fn load_at(data_dir: &Path, sans: &[String], now: Timestamp) -> Result<Pki, Error> {
    let directory = data_dir.join("pki");
    files::make_private_directory(&directory)?;
    let authority = load_authority(&directory, now)?;
    let names = server_names(sans);
    let serving = certified(&load_credential(&directory, &authority, &server_subject(&names), now)?)?;
    let node_client = certified(&load_credential(&directory, &authority, &user_subject(SERVER_USER), now)?)?;
    let admin = load_credential(&directory, &authority, &user_subject(ADMIN_USER), now)?;
    let service_account_key = load_service_account_key(&directory)?;
    let join_token = load_join_token(data_dir, authority.certificate())?;
    let pki = Pki {
        authority,
        directory,
        names,
        serving: Arc::new(Replaceable(ArcSwap::from_pointee(serving))),
        node_client: Replaceable(ArcSwap::from_pointee(node_client)),
        admin,
        service_account_key,
        join_token,
    };
    // For people and tools that want to verify the server.
    files::replace(&pki.directory.join("ca.crt"), pki.ca_pem())?;
    Ok(pki)
}

impl Pki {
    /// How the server meets its clients: HTTP/2 or 1.1; a client certificate is optional, but must be of this cluster.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()?), provider());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
            .with_cert_resolver(self.serving.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// How the server calls the nodes: as a user whom they obey, and over HTTP/1.1, which can be upgraded to byte streams.
    pub fn node_client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        let certificate = SingleCertAndKey::from(self.node_client.0.load_full());
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots()?)
            .with_client_cert_resolver(Arc::new(certificate));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The certificate that everybody trusts.
    pub fn ca_pem(&self) -> &str {
        self.authority.certificate_text()
    }

    /// SHA-256 of the CA certificate, in hexadecimal: what a join token pins.
    pub fn ca_hash(&self) -> String {
        hash_of(self.authority.certificate())
    }

    /// The token with which nodes join: `garrison.<hash of the CA>.<secret>`.
    pub fn join_token(&self) -> &str {
        &self.join_token
    }

    /// The PKCS #8 key that signs service-account tokens (ECDSA P-256).
    pub fn service_account_key(&self) -> &[u8] {
        self.service_account_key.secret_der()
    }

    /// A kubeconfig with which an administrator reaches the server at `server_url`.
    pub fn admin_kubeconfig(&self, server_url: &str) -> String {
        let user = ADMIN_USER;
        let (key, certificate) = authority::split_text(&self.admin);
        // JSON strings are YAML strings, whatever the address contains.
        let server = serde_json::Value::from(server_url);
        let (ca, certificate, key) =
            (BASE64_STANDARD.encode(self.ca_pem()), BASE64_STANDARD.encode(certificate), BASE64_STANDARD.encode(key));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: garrison\n\
             clusters:\n- name: garrison\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n\
             contexts:\n- name: garrison\n  context:\n    cluster: garrison\n    user: {user}\n\
             users:\n- name: {user}\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n"
        )
    }

    /// Certifies the key of a signing request as that of the agent of `node`.
    pub fn issue_node_client(&self, request: &str, node: &str) -> Result<String, Error> {
        let (name, none) = (identity::node_user(node), BTreeSet::new());
        let subject = Subject { common_name: &name, organization: NODES, purpose: Purpose::Client, names: &none };
        self.authority.sign(request, &subject, Timestamp::now())
    }

    /// Certifies the key of a signing request as that of the API which `node` serves at `addresses`.
    pub fn issue_node_serving(&self, request: &str, node: &str, addresses: &[String]) -> Result<String, Error> {
        let names: BTreeSet<String> = addresses.iter().map(String::as_str).chain([node]).map(normal_name).collect();
        if let Some(name) = names.iter().find(|name| SERVICE_NAMES.contains(&name.as_str())) {
            return Err(Error::ReservedName(name.clone()));
        }
        let common_name = identity::node_user(node);
        let subject = Subject { common_name: &common_name, organization: NODES, purpose: Purpose::Serving, names: &names };
        self.authority.sign(request, &subject, Timestamp::now())
    }

    /// Renews what is about to expire, for as long as the server runs.
    pub async fn keep_fresh(&self) {
        let mut days = tokio::time::interval(Duration::from_secs(24 * 3600));
        loop {
            days.tick().await;
            if let Err(error) = self.renew(Timestamp::now()) {
                tracing::error!(%error, "cannot renew the server's certificates");
            }
        }
    }

    fn renew(&self, now: Timestamp) -> Result<(), Error> {
        let serving = load_credential(&self.directory, &self.authority, &server_subject(&self.names), now)?;
        self.serving.0.store(Arc::new(certified(&serving)?));
        let node_client = load_credential(&self.directory, &self.authority, &user_subject(SERVER_USER), now)?;
        self.node_client.0.store(Arc::new(certified(&node_client)?));
        Ok(())
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate().clone())?;
        Ok(roots)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All names of the server, without doubles.
fn server_names(sans: &[String]) -> BTreeSet<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // A host may be called what no certificate can express; it is reached by another name then.
    let host = Some(host.trim()).filter(|host| rustls::pki_types::ServerName::try_from(*host).is_ok());
    let given = sans.iter().map(String::as_str);
    SERVICE_NAMES.into_iter().chain(LOCAL_NAMES).chain(host).chain(given).map(normal_name).collect()
}

/// One spelling per name: addresses as Rust writes them, DNS names in lower case.
fn normal_name(name: &str) -> String {
    name.parse().map_or_else(|_| name.to_ascii_lowercase(), |address: std::net::IpAddr| address.to_string())
}

fn server_subject(names: &BTreeSet<String>) -> Subject<'_> {
    Subject { common_name: "kube-apiserver", organization: "", purpose: Purpose::Serving, names }
}

/// A user who may do everything.
fn user_subject(name: &str) -> Subject<'_> {
    static NO_NAMES: BTreeSet<String> = BTreeSet::new();
    Subject { common_name: name, organization: MASTERS, purpose: Purpose::Client, names: &NO_NAMES }
}

fn load_authority(directory: &Path, now: Timestamp) -> Result<Authority, Error> {
    let path = directory.join("ca.pem");
    if let Some(text) = files::read(&path)? {
        return Authority::from_pem(&text).map_err(|source| Error::Malformed { path, source: Box::new(source) });
    }
    let (authority, text) = Authority::generate(now)?;
    files::replace(&path, &text)?;
    Ok(authority)
}

/// The PEM of key and certificate in the file named after the subject; made anew unless what is there is good.
fn load_credential(directory: &Path, authority: &Authority, subject: &Subject<'_>, now: Timestamp) -> Result<String, Error> {
    let path = directory.join(format!("{}.pem", subject.common_name));
    if let Some(text) = files::read(&path)?
        && authority::split(&text).is_ok_and(|(_, certificate)| authority.is_good(&certificate, subject.names, now))
    {
        return Ok(text);
    }
    let text = authority.issue(subject, now)?;
    files::replace(&path, &text)?;
    Ok(text)
}

fn certified(text: &str) -> Result<CertifiedKey, Error> {
    let (key, certificate) = authority::split(text)?;
    Ok(CertifiedKey::from_der(vec![certificate], key, &provider())?)
}

fn load_service_account_key(directory: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let path = directory.join("service-account.pem");
    let text = match files::read(&path)? {
        Some(text) => text,
        None => {
            let text = rcgen::KeyPair::generate()?.serialize_pem();
            files::replace(&path, &text)?;
            text
        }
    };
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|source| Error::Malformed { path, source: Box::new(source.into()) })
}

/// The token in the data directory; a new one if there is none or it is that of another authority.
fn load_join_token(data_dir: &Path, ca: &CertificateDer<'_>) -> Result<String, Error> {
    let path = data_dir.join("join-token");
    let prefix = format!("garrison.{}.", hash_of(ca));
    if let Some(token) = files::read(&path)? {
        let token = token.trim();
        if token.strip_prefix(&prefix).is_some_and(|secret| !secret.is_empty()) {
            return Ok(token.into());
        }
    }
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    let token = prefix + &hexadecimal(&secret);
    files::replace(&path, &format!("{token}\n"))?;
    Ok(token)
}

fn hash_of(certificate: &CertificateDer<'_>) -> String {
    hexadecimal(digest::digest(&digest::SHA256, certificate).as_ref())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
