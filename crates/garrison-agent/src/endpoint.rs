//! The node's own HTTPS endpoint: logs, exec, attach, port-forward and the list of pods, on the kubelet's paths.
//!
//! Only the API server and administrators get an answer: a client has to show a certificate of the cluster's CA whose
//! organisation is `system:masters`.

mod answer;
mod caller;
#[cfg(test)]
pub(crate) mod double;
mod request;
#[cfg(test)]
mod tests;

use crate::runtime::Runtime;
use bytes::Bytes;
use caller::Caller;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use k8s_openapi::api::core::v1::Pod;
use std::{convert::Infallible, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections at once; every followed log and every session is one.
const CONNECTIONS: usize = 1024;
/// How long a stranger may take to show who it is and what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// A pause when the machine has no file handle left for another connection.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// What an answer consists of: text, a log that may never end, or nothing.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What the endpoint asks of the rest of the agent.
pub trait Pods: Send + Sync + 'static {
    /// The pods of this node with the status they have now.
    fn pods(&self) -> Vec<Pod>;
    /// The newest container of that name, or the one before it.
    fn container(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Result<ContainerHandle, Missing>;
    /// Runtime id of the pod's sandbox.
    fn sandbox(&self, namespace: &str, pod: &str) -> Result<String, Missing>;
}

/// Where a container is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerHandle {
    /// Runtime id.
    pub id: String,
    /// Its log in CRI format.
    pub log_path: PathBuf,
    /// Whether it runs: following its log ends when it does not.
    pub running: bool,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No such pod on this node.
    #[error("pod {pod:?} not found in namespace {namespace:?}")]
    Pod {
        /// Where it was sought.
        namespace: String,
        /// Its name.
        pod: String,
    },
    /// The pod has no such container.
    #[error("container {container:?} is not valid for pod {pod:?}")]
    Container {
        /// Pod name.
        pod: String,
        /// Container name.
        container: String,
    },
    /// The container was not started yet.
    #[error("container {container:?} in pod {pod:?} is waiting to start: {reason}")]
    NotStarted {
        /// Pod name.
        pod: String,
        /// Container name.
        container: String,
        /// Such as `ContainerCreating`.
        reason: String,
    },
    /// The container was never restarted.
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    Previous {
        /// Pod name.
        pod: String,
        /// Container name.
        container: String,
    },
    /// The pod has no running sandbox.
    #[error("pod {pod:?} is not running")]
    Sandbox {
        /// Pod name.
        pod: String,
    },
}

/// What an answer is made from.
struct Node {
    pods: Arc<dyn Pods>,
    runtime: Arc<dyn Runtime>,
    shutdown: CancellationToken,
}

/// Answers on `listener` until `shutdown`; then every stream is cut.
///
/// `tls` decides whose certificates are genuine and must ask for them; without `system:masters` in one, a client is refused.
pub async fn serve(
    pods: Arc<dyn Pods>,
    runtime: Arc<dyn Runtime>,
    tls: Arc<rustls::ServerConfig>,
    listener: TcpListener,
    shutdown: CancellationToken,
) {
    let node = Arc::new(Node { pods, runtime, shutdown: shutdown.clone() });
    let (acceptor, places) = (TlsAcceptor::from(tls), Arc::new(Semaphore::new(CONNECTIONS)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (node, acceptor) = (Arc::clone(&node), acceptor.clone());
                connections.spawn(async move {
                    if let Err(error) = converse(stream, &acceptor, node).await {
                        tracing::debug!(%error, "connection to the node's endpoint broke");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the node's endpoint");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is a place for it; until then it waits in the kernel.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, Place)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// One connection from handshake to end, or until its protocol is switched.
async fn converse(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    node: Arc<Node>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream = timeout(PATIENCE, acceptor.accept(stream)).await??;
    let caller = Caller::of(stream.get_ref().1.peer_certificates());
    let service = service_fn(|request| {
        let node = Arc::clone(&node);
        async move { Ok::<_, Infallible>(answer::answer(&node, caller, request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    Ok(server.serve_connection(TokioIo::new(stream), service).with_upgrades().await?)
}
