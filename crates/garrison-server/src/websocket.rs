//! `WebSocket`: the handshake with a client, and how a session ends.

mod feed;

pub(crate) use feed::{Split, answer};

use crate::{
    body::{self, Body},
    respond::Response,
};
use futures::StreamExt as _;
use garrison_api::Status;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// A protocol whose name carries a bearer token: browsers can send no other header.
pub(crate) const BEARER: &str = "base64url.bearer.authorization.k8s.io.";
/// Largest message of a client; upstream has the same limit.
const MESSAGE_LIMIT: usize = 32 << 20;
/// How long a client may take to accept its last bytes and to say that it has.
const FAREWELL: Duration = Duration::from_secs(10);

/// A connection that speaks `WebSocket`.
pub(crate) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether a request asks to switch to `WebSocket`.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    let says = |name, word: &str| {
        let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        lists.flat_map(|list| list.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    says(UPGRADE, "websocket") && says(CONNECTION, "upgrade")
}

/// The protocols that a client proposes, without the one that carries its token.
pub(crate) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    all_protocols(headers).filter(|protocol| !protocol.starts_with(BEARER))
}

/// Every protocol that a client proposes.
pub(crate) fn all_protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|protocol| !protocol.is_empty())
}

/// The answer that agrees to speak this protocol.
///
/// # Errors
/// 400 if the request is no complete handshake.
pub(crate) fn accept(headers: &HeaderMap, protocol: Option<&str>) -> Result<Response, Status> {
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Status::bad_request("missing or bad WebSocket Version"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let key = key.ok_or_else(|| Status::bad_request("missing or bad WebSocket key"))?;
    let mut response: http::Response<Body> = http::Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(Status::internal)?;
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(protocol).map_err(Status::internal)?);
    }
    Ok(response)
}

/// The connection, once the client has the answer.
pub(crate) async fn open(upgrade: OnUpgrade) -> Result<Socket, hyper::Error> {
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT)).max_frame_size(Some(MESSAGE_LIMIT));
    Ok(WebSocketStream::from_raw_socket(TokioIo::new(upgrade.await?), Role::Server, Some(config)).await)
}

/// Ends a session as one ends that went well, and lets the client take what is still on its way.
pub(crate) async fn finish(mut socket: Socket) {
    let farewell = async {
        // A client that has closed first needs only our agreement, which goes out as we go on reading.
        drop(socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await);
        while let Some(Ok(_)) = socket.next().await {}
    };
    let outcome = timeout(FAREWELL, farewell).await;
    tracing::trace!(?outcome, "WebSocket session ended");
}
