//! The agent as a whole: what runs beside what, from start to end.

use crate::{
    cgroup::Cgroups,
    checkpoint::Records,
    config::{Config, RuntimeChoice},
    context::Context,
    cri, endpoint,
    event::Recorder,
    image_directory,
    join::{self, Identity, JoinError},
    lease, log,
    node_status::{self, Readiness, Settings, machine::Machine},
    objects::Objects,
    observe::Observer,
    pods::Pods,
    register::{self, Sources},
    runtime::{Runtime, RuntimeError},
    simulated::Simulated,
};
use futures::StreamExt;
use http::{HeaderValue, header::USER_AGENT};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use std::{
    fs, io,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// What the agent calls itself: under this name it owns what it writes.
const PROGRAM: HeaderValue = HeaderValue::from_static("garrison-agent");
/// How often the runtime is asked how it is: while pods wait for the network, a second is the whole budget.
const ASK_READY: Duration = Duration::from_secs(2);
const ASK_UNREADY: Duration = Duration::from_millis(250);
/// A renewal that the server does not answer is tried again after this.
const RENEW_AGAIN: Duration = Duration::from_secs(3600);

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A directory of the agent cannot be made.
    #[error("making {path}", path = path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No identity.
    #[error("joining the cluster")]
    Join(#[from] JoinError),
    /// The kubeconfig is no good.
    #[error("reading the kubeconfig {path}", path = path.display())]
    Kubeconfig {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// The client cannot be made.
    #[error("making a client for {server}")]
    Client {
        /// Of which server.
        server: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// The runtime's address is no good.
    #[error("connecting to the container runtime")]
    Runtime(#[from] RuntimeError),
    /// The port of the node API is taken.
    #[error("listening on {address} for the node API")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No address of this machine leads to the server.
    #[error("finding this machine's address towards {server}; it can be given as a setting")]
    Address {
        /// The server.
        server: String,
    },
}

/// Runs the agent until `shutdown`. Containers keep running.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), AgentError> {
    for path in [&config.data_dir, &config.root_dir] {
        fs::create_dir_all(path).map_err(|source| AgentError::Directory { path: path.clone(), source })?;
    }
    let ip = address(&config)?;
    let runtime: Arc<dyn Runtime> = match &config.runtime {
        RuntimeChoice::Cri { endpoint } => Arc::new(cri::connect(endpoint)?),
        RuntimeChoice::Simulated => Arc::new(Simulated::new()),
    };
    loop {
        let Some(identity) = shutdown.run_until_cancelled(identity(&config, ip)).await else { return Ok(()) };
        let identity = identity?;
        let round = shutdown.child_token();
        let renew_at = identity.as_ref().and_then(|identity| identity.renew_at().ok());
        let mut ended = pin!(serve(&config, ip, identity, Arc::clone(&runtime), round.clone()));
        tokio::select! {
            ended = &mut ended => return ended,
            // New certificates need a new client; containers do not notice.
            () = renewal(renew_at) => round.cancel(),
        }
        ended.await?;
    }
}

async fn identity(config: &Config, ip: IpAddr) -> Result<Option<Identity>, JoinError> {
    if config.kubeconfig.is_some() {
        return Ok(None);
    }
    join::identity(config, &[ip]).await.map(Some)
}

async fn renewal(at: Option<Timestamp>) {
    let Some(at) = at else { return std::future::pending().await };
    let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
    tokio::time::sleep(left.max(RENEW_AGAIN)).await;
}

/// This machine's address as the server sees it.
fn address(config: &Config) -> Result<IpAddr, AgentError> {
    if let Some(ip) = config.node_ip {
        return Ok(ip);
    }
    let uri: Option<http::Uri> = config.server.parse().ok();
    let host =
        uri.as_ref().and_then(|uri| Some((uri.host()?.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(443))));
    // Connecting a datagram socket sends nothing: it only asks the routing table.
    let ask = |host: &(String, u16)| -> io::Result<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0").or_else(|_| UdpSocket::bind("[::]:0"))?;
        socket.connect(host)?;
        Ok(socket.local_addr()?.ip())
    };
    host.and_then(|host| ask(&host).ok()).ok_or_else(|| AgentError::Address { server: config.server.clone() })
}

async fn client(config: &Config, identity: Option<&Identity>) -> Result<Client, AgentError> {
    let mut settings = match (identity, &config.kubeconfig) {
        (Some(identity), _) => identity.client_config(&config.server)?,
        (None, Some(path)) => {
            let bad = |source| AgentError::Kubeconfig { path: path.clone(), source };
            let file = kube::config::Kubeconfig::read_from(path).map_err(bad)?;
            kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await.map_err(bad)?
        }
        (None, None) => return Err(JoinError::NoToken { node: config.node_name.clone() }.into()),
    };
    settings.headers.push((USER_AGENT, PROGRAM));
    let server = config.server.clone();
    Client::try_from(settings).map_err(|source| AgentError::Client { server, source })
}

/// Runs everything until `shutdown`.
async fn serve(
    config: &Config,
    ip: IpAddr,
    identity: Option<Identity>,
    runtime: Arc<dyn Runtime>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let client = client(config, identity.as_ref()).await?;
    let mut tasks = JoinSet::new();
    let (ready, readiness) = watch::channel(ask(&*runtime, &Readiness::unknown()).await);
    tasks.spawn(keep_asking(Arc::clone(&runtime), ready));
    let (found, node) = watch::channel(None);
    tasks.spawn(follow_node(client.clone(), config.node_name.clone(), found));
    let observer = Arc::new(Observer::new(Arc::clone(&runtime)));
    let eyes = Arc::clone(&observer);
    tasks.spawn(async move { eyes.run().await });
    let (events, writing) = Recorder::new(client.clone(), config.node_name.clone());
    tasks.spawn(writing);
    let directory = |source| AgentError::Directory { path: config.data_dir.clone(), source };
    let context = Arc::new(Context {
        config: config.clone(),
        ips: vec![ip.to_string()],
        cluster: cluster_endpoint(config),
        runtime_name: if config.runtime == RuntimeChoice::Simulated { "simulated" } else { "containerd" }.into(),
        objects: Objects::new(client.clone(), &config.data_dir).map_err(directory)?,
        client,
        runtime: Arc::clone(&runtime),
        observer,
        readiness,
        node,
        events,
        cgroups: Cgroups::new(&config.cgroup_root),
    });
    let records = Records::open(config.data_dir.join("pods")).map_err(directory)?;
    let pods = Pods::new(Arc::clone(&context), records, shutdown.clone());
    let port = match identity {
        Some(identity) => {
            let listener = listen(config.port).await?;
            let port = listener.local_addr().map_or(config.port, |address| address.port());
            let seen: Arc<dyn endpoint::Pods> = Arc::clone(&pods) as _;
            tasks.spawn(endpoint::serve(seen, Arc::clone(&runtime), identity.serving_tls()?, listener, shutdown.clone()));
            port
        }
        None => config.port,
    };
    if context.is_real() {
        let logs = config.log_dir.join("pods");
        tasks.spawn(log::rotate_forever(logs, runtime, log::Policy::default(), shutdown.clone()));
    }
    tasks.spawn(be_a_node(Arc::clone(&context), port));
    tasks.spawn(run_pods(context, Arc::clone(&pods)));
    shutdown.cancelled().await;
    tasks.shutdown().await;
    pods.finished().await;
    Ok(())
}

/// Registers, then keeps lease and status.
async fn be_a_node(context: Arc<Context>, port: u16) {
    let config = &context.config;
    let settings = Settings { name: config.node_name.clone(), ips: context.ips.clone(), port, max_pods: config.max_pods };
    let readiness = context.readiness.borrow().clone();
    let status = node_status::of(&settings, &Machine::read(&config.root_dir), &readiness, &[], Timestamp::now());
    let node = register::register(&context.client, config, status).await;
    let uid = node.metadata.uid.unwrap_or_default();
    tracing::info!(node = config.node_name, "registered");
    let sources = Sources { readiness: context.readiness.clone(), node: context.node.clone() };
    tokio::join!(
        lease::keep(context.client.clone(), config.node_name.clone(), uid),
        register::keep_status(context.client.clone(), settings, config.root_dir.clone(), sources),
    );
}

/// Loads the images, takes up the pods of before, then follows the API.
async fn run_pods(context: Arc<Context>, pods: Arc<Pods>) {
    if let (Some(images), RuntimeChoice::Cri { endpoint }) = (&context.config.images, &context.config.runtime) {
        let mut runtime = context.readiness.clone();
        // The sender lives as long as the agent.
        let _ = runtime.wait_for(|readiness| readiness.runtime.is_ok()).await;
        let record = context.config.data_dir.join("images.json");
        match image_directory::load(endpoint, images, &record).await {
            Ok(names) => tracing::info!(count = names.len(), "images of the directory are loaded"),
            Err(error) => {
                tracing::warn!(error = join::chain(&error), "images of the directory are missing");
                context.record_node(true, "ImageLoadFailed", join::chain(&error));
            }
        }
    }
    pods.resume();
    // The node's own labels and taints decide on admission.
    let mut node = context.node.clone();
    let _ = node.wait_for(Option::is_some).await;
    pods.follow().await;
}

async fn listen(port: u16) -> Result<TcpListener, AgentError> {
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    TcpListener::bind(address).await.map_err(|source| AgentError::Listen { address, source })
}

/// Host and port of the API as pods are told them.
fn cluster_endpoint(config: &Config) -> (String, String) {
    let own = config.server.trim_start_matches("https://").trim_end_matches('/');
    let endpoint = config.cluster_endpoint.as_deref().unwrap_or(own);
    match endpoint.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host.trim_matches(['[', ']']).to_owned(), port.to_owned()),
        _ => (endpoint.to_owned(), "443".to_owned()),
    }
}

impl Readiness {
    /// Before the runtime has said anything.
    fn unknown() -> Self {
        let silent = || Err("the container runtime has not answered yet".to_owned());
        Self { runtime: silent(), network: silent(), version: String::new() }
    }
}

async fn ask(runtime: &dyn Runtime, known: &Readiness) -> Readiness {
    let mut version = known.version.clone();
    if version.is_empty()
        && let Ok(answer) = runtime.version().await
    {
        version = format!("{}://{}", answer.name, answer.version);
    }
    match runtime.status().await {
        Ok(status) => Readiness { runtime: status.runtime, network: status.network, version },
        Err(error) => {
            let why = join::chain(&error);
            // A runtime that is being replaced may come back as another version.
            Readiness { runtime: Err(why.clone()), network: Err(why), version: String::new() }
        }
    }
}

async fn keep_asking(runtime: Arc<dyn Runtime>, ready: watch::Sender<Readiness>) {
    loop {
        let known = ready.borrow().clone();
        let well = known.runtime.is_ok() && known.network.is_ok();
        tokio::time::sleep(if well { ASK_READY } else { ASK_UNREADY }).await;
        let readiness = ask(&*runtime, &known).await;
        ready.send_if_modified(|known| {
            let changed = *known != readiness;
            *known = readiness;
            changed
        });
    }
}

async fn follow_node(client: Client, name: String, found: watch::Sender<Option<Arc<Node>>>) {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut nodes = watcher(Api::<Node>::all(client), config).default_backoff().applied_objects().boxed();
    while let Some(node) = nodes.next().await {
        if let Ok(node) = node {
            found.send_replace(Some(Arc::new(node)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_told_where_the_api_is() {
        let check = |server: &str, cluster: Option<&str>, expected: (&str, &str)| {
            let config = Config { server: server.into(), cluster_endpoint: cluster.map(Into::into), ..Config::default() };
            let (host, port) = cluster_endpoint(&config);
            assert_eq!((host.as_str(), port.as_str()), expected);
        };
        check("https://10.0.0.1:6443", None, ("10.0.0.1", "6443"));
        check("https://10.0.0.1:6443", Some("api.local:443"), ("api.local", "443"));
        check("https://[fd00::1]:6443/", None, ("fd00::1", "6443"));
        check("https://api.local", None, ("api.local", "443"));
    }

    #[test]
    fn the_address_is_the_one_towards_the_server() {
        let config = Config { server: "https://127.0.0.1:6443".into(), ..Config::default() };
        assert_eq!(address(&config).unwrap(), IpAddr::from([127, 0, 0, 1]));
        let config = Config { server: "nonsense".into(), ..Config::default() };
        assert!(address(&config).is_err());
    }
}
