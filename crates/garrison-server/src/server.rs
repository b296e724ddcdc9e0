//! The server as a whole: what it is made of, how it is opened, served and closed.

use crate::{
    authenticate::Authenticator,
    authorize::Authorizer,
    bootstrap, custom, expiry,
    identity::User,
    in_process::InProcess,
    kubernetes_service, listener,
    metrics::Metrics,
    node_proxy::NodeProxy,
    service_account_token::TokenAuthority,
    services::{ServiceRanges, Services},
    storage::Storage,
    tls::{self, Pki},
};
use garrison_api::{Status, resource};
use garrison_store::{
    Retention,
    embedded::{self, Embedded},
    etcd::{self, Etcd},
};
use parking_lot::Mutex;
use std::{
    fs::DirBuilder,
    io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::Arc,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a server is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it keeps everything: keys, certificates, and objects unless they are in etcd.
    pub data_dir: PathBuf,
    /// The etcd that objects are kept in.
    pub etcd: Option<etcd::Config>,
    /// Where it listens. Port 0 takes a free one: see [`Server::address`].
    pub listen: SocketAddr,
    /// Host name or IP under which others reach it; it stands in kubeconfigs and in the certificate.
    pub advertise_address: String,
    /// More names and IPs for the certificate.
    pub names: Vec<String>,
    /// Where services get their addresses and node ports from.
    pub services: ServiceRanges,
}

/// Why a server could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory cannot be made.
    #[error("cannot make the data directory {}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[from] embedded::OpenError),
    /// The store in etcd cannot be opened.
    #[error("cannot open the store in etcd")]
    Etcd(#[from] etcd::OpenError),
    /// The store failed while serving.
    #[error("the store has stopped: {0}")]
    StoreStopped(Arc<str>),
    /// Keys and certificates cannot be had.
    #[error("cannot make or read keys and certificates")]
    Tls(#[from] tls::Error),
    /// The key for service-account tokens is unusable.
    #[error("the key for service-account tokens is unusable: {0}")]
    TokenKey(ring::error::KeyRejected),
    /// The address cannot be listened on; a port in use, most often.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The objects that every cluster has cannot be made.
    #[error("cannot make the first objects")]
    Bootstrap(#[source] Status),
    /// It is being served already.
    #[error("the server is being served already")]
    Served,
}

/// The Kubernetes API of one cluster. Clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    config: Config,
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    storage: Storage,
    pki: Arc<Pki>,
    tokens: Arc<TokenAuthority>,
    authenticator: Authenticator,
    authorizer: Authorizer,
    /// Ends what follows the store, with the server.
    _following: DropGuard,
    nodes: NodeProxy,
    services: Services,
    metrics: Metrics,
    custom: custom::Registry,
    shutdown: CancellationToken,
}

impl Server {
    /// Opens a server on its data directory, which it makes if need be, and takes its address. Nothing is served yet.
    ///
    /// # Errors
    /// When the directory, the store, the keys or the address cannot be had.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let fault = |source| Error::DataDir { path: config.data_dir.clone(), source };
        // Keys and Secrets are kept there.
        DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir).map_err(fault)?;
        let listener = listener::bind(config.listen).map_err(|source| Error::Listen { address: config.listen, source })?;
        let address = listener.local_addr().map_err(|source| Error::Listen { address: config.listen, source })?;
        let storage = open_storage(&config).await?;
        let names: Vec<String> = config.names.iter().chain([&config.advertise_address]).cloned().collect();
        let pki = Arc::new(tls::load_or_create(&config.data_dir, &names)?);
        let tokens = Arc::new(TokenAuthority::new(pki.service_account_key()).map_err(Error::TokenKey)?);
        let objects = Arc::new(storage.clone());
        let following = CancellationToken::new();
        storage.roles().follow(&storage, &following).await;
        let server = Self(Arc::new(Inner {
            authenticator: Authenticator::new(Arc::clone(&tokens), objects.clone()),
            authorizer: Authorizer::new(Arc::clone(storage.roles())),
            _following: following.drop_guard(),
            nodes: NodeProxy::new(Arc::clone(&pki), objects),
            services: Services::new(config.services),
            metrics: Metrics::default(),
            custom: custom::Registry::new(),
            shutdown: CancellationToken::new(),
            listener: Mutex::new(Some(listener)),
            config,
            address,
            storage,
            pki,
            tokens,
        }));
        bootstrap::run(&server).await.map_err(Error::Bootstrap)?;
        custom::load(&server).await.map_err(Error::Bootstrap)?;
        Ok(server)
    }

    /// Serves until `shutdown`, lets the requests under way finish, and closes the store.
    ///
    /// # Errors
    /// When it is served already, TLS cannot be set up, or the store fails.
    pub async fn serve(&self, shutdown: CancellationToken) -> Result<(), Error> {
        let listener = self.0.listener.lock().take().ok_or(Error::Served)?;
        let tls = self.0.pki.server_config()?;
        let ending = self.0.shutdown.clone();
        let outcome = tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            why = self.0.storage.store().stopped() => Err(Error::StoreStopped(why)),
            () = self.0.pki.keep_fresh() => Ok(()),
            () = expiry::run(self) => Ok(()),
            () = kubernetes_service::run(self) => Ok(()),
            () = custom::run(self) => Ok(()),
            served = listener::accept(self.clone(), listener, tls, ending.clone()) => {
                served.map_err(|source| Error::Listen { address: self.0.address, source })
            }
        };
        ending.cancel();
        self.0.metrics.finished().await;
        self.0.storage.store().close().await;
        outcome
    }

    /// A transport to this server without a network between: requests are function calls, made as `user`.
    pub fn in_process(&self, user: User) -> InProcess {
        InProcess::new(self.clone(), user)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The URL under which others reach it.
    pub fn url(&self) -> String {
        let host = &self.0.config.advertise_address;
        let port = self.0.address.port();
        if host.contains(':') { format!("https://[{host}]:{port}") } else { format!("https://{host}:{port}") }
    }

    /// A kubeconfig for the administrator.
    pub fn kubeconfig(&self) -> String {
        self.0.pki.admin_kubeconfig(&self.url())
    }

    /// The token with which nodes join.
    pub fn join_token(&self) -> &str {
        self.0.pki.join_token()
    }

    /// The certificate of the cluster's CA, as PEM.
    pub fn ca_pem(&self) -> &str {
        self.0.pki.ca_pem()
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.0.storage
    }

    pub(crate) fn pki(&self) -> &Pki {
        &self.0.pki
    }

    pub(crate) fn tokens(&self) -> &TokenAuthority {
        &self.0.tokens
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.0.authenticator
    }

    pub(crate) fn authorizer(&self) -> &Authorizer {
        &self.0.authorizer
    }

    pub(crate) fn nodes(&self) -> &NodeProxy {
        &self.0.nodes
    }

    pub(crate) fn services(&self) -> &Services {
        &self.0.services
    }

    /// Host name or IP under which others reach it.
    pub(crate) fn advertise_address(&self) -> &str {
        &self.0.config.advertise_address
    }

    /// The kinds that are served.
    pub(crate) fn custom(&self) -> &custom::Registry {
        &self.0.custom
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Fires when the server begins to shut down: what would last for ever has to end.
    pub(crate) fn shutdown_started(&self) -> CancellationToken {
        self.0.shutdown.clone()
    }
}

async fn open_storage(config: &Config) -> Result<Storage, Error> {
    let Some(etcd) = &config.etcd else {
        let store = Embedded::open(&config.data_dir.join("store.redb"), Retention::default())?;
        return Ok(Storage::new(Arc::new(store)));
    };
    let groups = resource::resources().iter().map(|resource| resource.group);
    let plain_qualifiers = groups.filter(|group| !group.is_empty() && !group.contains('.')).map(str::to_owned).collect();
    let store = Etcd::open(etcd::Config { plain_qualifiers, ..etcd.clone() }).await?;
    Ok(Storage::new(Arc::new(store)))
}
