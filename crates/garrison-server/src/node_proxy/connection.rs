//! A connection to a node, and the pipe between it and a client.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use garrison_api::Status;
use http_body_util::Empty;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncWriteExt as _, copy, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::target::Endpoint;
use crate::tls::Pki;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to the node, proves who we are, and makes sure it is that very node.
pub(super) async fn open(endpoint: &Endpoint, pki: &Pki) -> Result<SendRequest<Empty<Bytes>>, Status> {
    let config = pki.node_client_config().map_err(Status::internal)?;
    // The certificate must be the node's, wherever it is reached: another node may have got its address meanwhile.
    let name = ServerName::try_from(endpoint.node.clone()).map_err(Status::internal)?;
    let shake_hands = async {
        let stream = TcpStream::connect((endpoint.address.as_str(), endpoint.port)).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(config).connect(name, stream).await
    };
    let stream = match timeout(CONNECT_TIMEOUT, shake_hands).await {
        Ok(outcome) => outcome.map_err(|error| endpoint.unreachable(error))?,
        Err(_) => return Err(endpoint.unreachable("it does not answer")),
    };
    let (sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| endpoint.unreachable(error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to a node broke");
        }
    });
    Ok(sender)
}

/// Copies both ways until one side ends. Neither has more to say to the other then: these protocols do not half-close.
pub(super) async fn relay(client: Upgraded, node: Upgraded) {
    let (mut from_client, mut to_client) = split(TokioIo::new(client));
    let (mut from_node, mut to_node) = split(TokioIo::new(node));
    let went_well = {
        let mut down = pin!(copy(&mut from_node, &mut to_client));
        tokio::select! {
            outcome = &mut down => outcome.is_ok(),
            outcome = copy(&mut from_client, &mut to_node) => match outcome {
                Ok(_) => true,
                // A node that takes no more may have said why: the outcome of a command is the last that comes.
                Err(_) => timeout(CLOSE_TIMEOUT, &mut down).await.is_ok(),
            },
        }
    };
    // A side that does not take its last bytes is not waited for.
    let close = async { tokio::join!(to_client.shutdown(), to_node.shutdown()) };
    let closed = timeout(CLOSE_TIMEOUT, close).await;
    tracing::trace!(went_well, ?closed, "stream ended");
}
