//! Exec, attach and port-forward: byte pipes to the runtime's streaming server.
//!
//! The runtime has prepared a URL that is good for one session. The client's request to switch protocols is put to it, and
//! once it has agreed, bytes are copied both ways without being understood.

use crate::endpoint::Body;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Incoming, client::conn::http1, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use std::{io, pin::pin, time::Duration};
use tokio::{
    io::{AsyncWriteExt as _, copy, split},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long the runtime may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a side may take to accept its last bytes.
const FAREWELL: Duration = Duration::from_secs(10);
/// How much of the runtime's refusal is handed on.
const REFUSAL_LIMIT: usize = 64 << 10;
/// Negotiates the version of the streams; asked and answered as it comes.
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client has not asked to switch protocols.
    #[error("Upgrade request required")]
    NoUpgrade,
    /// The runtime gave an address that leads nowhere.
    #[error("the runtime's streaming address {0} is of no use")]
    Address(String),
    /// The runtime's streaming server is not there.
    #[error("the runtime's streaming server does not answer: {0}")]
    Connect(io::Error),
    /// The runtime's streaming server does not speak HTTP.
    #[error("the runtime's streaming server broke off: {0}")]
    Http(hyper::Error),
    /// It took too long.
    #[error("the runtime's streaming server does not answer in time")]
    Late,
}

impl Error {
    /// Whether the request is to blame.
    pub fn is_clients_fault(&self) -> bool {
        matches!(self, Self::NoUpgrade)
    }
}

/// Whether a request can become a stream: the runtime speaks SPDY and `WebSocket`.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Error> {
    if request.headers().contains_key(UPGRADE) { Ok(()) } else { Err(Error::NoUpgrade) }
}

/// Whether a request asks for `WebSocket`, whose channels are fixed beforehand.
pub(crate) fn is_websocket<B>(request: &Request<B>) -> bool {
    request.headers().get(UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Puts the client's request to the runtime's `url` and pipes from then on, until a side ends or `shutdown`.
pub(crate) async fn relay(
    mut request: Request<Incoming>,
    url: &str,
    shutdown: CancellationToken,
) -> Result<Response<Body>, Error> {
    let mut answer = timeout(PATIENCE, ask(&request, url)).await.map_err(|_| Error::Late)??;
    let mut passed = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *passed.status_mut() = answer.status();
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        *passed.body_mut() = Limited::new(answer.into_body(), REFUSAL_LIMIT).map_err(io::Error::other).boxed_unsync();
        return Ok(passed);
    }
    *passed.headers_mut() = upgrade_headers(answer.headers());
    let (client, runtime) = (hyper::upgrade::on(&mut request), hyper::upgrade::on(&mut answer));
    tokio::spawn(async move {
        match tokio::try_join!(client, runtime) {
            Ok((client, runtime)) => drop(shutdown.run_until_cancelled(pipe(client, runtime)).await),
            Err(error) => tracing::debug!(%error, "stream not upgraded"),
        }
    });
    Ok(passed)
}

async fn ask(request: &Request<Incoming>, url: &str) -> Result<Response<Incoming>, Error> {
    let useless = || Error::Address(url.into());
    let url: Uri = url.parse().map_err(|_| useless())?;
    let (authority, path) = (url.authority().ok_or_else(useless)?, url.path_and_query().ok_or_else(useless)?);
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await.map_err(Error::Connect)?;
    stream.set_nodelay(true).map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(Error::Http)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to the runtime's streaming server broke");
        }
    });
    let mut question = Request::new(Empty::new());
    *question.method_mut() = request.method().clone();
    *question.uri_mut() = path.as_str().parse().map_err(|_| useless())?;
    *question.headers_mut() = upgrade_headers(request.headers());
    question.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| useless())?);
    sender.send_request(question).await.map_err(Error::Http)
}

/// The headers of a switch of protocols, as the other side must see them. Extensions of `WebSocket` are not among them.
fn upgrade_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    kept.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    for name in [UPGRADE, STREAM_PROTOCOL, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_ACCEPT]
    {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// Copies both ways until one side ends: these protocols do not half-close, so the other has nothing more to say to it.
async fn pipe(client: Upgraded, runtime: Upgraded) {
    let (mut from_client, mut to_client) = split(TokioIo::new(client));
    let (mut from_runtime, mut to_runtime) = split(TokioIo::new(runtime));
    let went_well = {
        let mut down = pin!(copy(&mut from_runtime, &mut to_client));
        tokio::select! {
            outcome = &mut down => outcome.is_ok(),
            outcome = copy(&mut from_client, &mut to_runtime) => match outcome {
                Ok(_) => true,
                // A runtime that takes no more may have said why: the outcome of a command is the last that comes.
                Err(_) => timeout(FAREWELL, &mut down).await.is_ok(),
            },
        }
    };
    // A side that does not take its last bytes is not waited for.
    let farewell = timeout(FAREWELL, async { tokio::join!(to_client.shutdown(), to_runtime.shutdown()) }).await;
    tracing::trace!(went_well, ?farewell, "stream ended");
}
