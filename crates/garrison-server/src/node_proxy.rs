//! Logs, exec, attach and port-forward: what the client wants of a pod is asked of the pod's node.
//!
//! Most streams are byte pipes: the client's upgrade request goes on to the node, and once both sides have switched
//! protocols, bytes are copied both ways without being understood. Two protocols are for API servers only: nodes know SPDY
//! and the older `WebSocket` protocols, so that `v5.channel.k8s.io` is translated and a tunnel's SPDY is unpacked.

use std::sync::Arc;
use std::time::Duration;

use garrison_api::Status;
use http::header::{
    CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use serde_json::Value;
use tokio::time::timeout;

use crate::body::{self, Body};
use crate::identity::Objects;
use crate::tls::Pki;
use crate::websocket::{self, Split};
use channels::Wanted;
use target::{Action, Endpoint};

mod channels;
mod connection;
mod spdy;
mod target;
#[cfg(test)]
mod tests;
mod translate;
mod tunnel;

/// How long a node may take to begin its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a node's refusal is read.
const REFUSAL_LIMIT: usize = 64 * 1024;
/// Negotiates the version of the streams; sent and answered as it comes.
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// What becomes of a stream between the client and the node.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Manner {
    /// It passes as it is.
    Pipe,
    /// `WebSocket` channels towards the client are SPDY streams towards the node.
    Translated(Wanted),
    /// SPDY comes within the messages of this `WebSocket` protocol.
    Tunnelled(String),
}

/// The way from the API to the nodes.
pub struct NodeProxy {
    pki: Arc<Pki>,
    objects: Arc<dyn Objects>,
}

impl NodeProxy {
    /// A way to the nodes for a server with these keys and objects.
    pub fn new(pki: Arc<Pki>, objects: Arc<dyn Objects>) -> Self {
        Self { pki, objects }
    }

    /// Answers a request for the subresource `log`, `exec`, `attach` or `portforward` of a pod.
    ///
    /// The body of the request is not read: what a client has to say, it says after the upgrade.
    pub async fn serve<B>(
        &self,
        namespace: &str,
        pod: &str,
        subresource: &str,
        request: Request<B>,
    ) -> Result<Response<Body>, Status> {
        let action = Action::of(subresource).ok_or_else(Status::no_such_path)?;
        let query = request.uri().query().unwrap_or_default();
        let manner = Manner::of(action, request.headers(), query)?;
        if manner != Manner::Pipe {
            // A handshake that cannot be completed must not begin anything on the node.
            manner.answer(request.headers(), &HeaderMap::new())?;
        }
        let object = self.objects.find("pods", namespace, pod).await.ok_or_else(|| Status::not_found("", "pods", pod))?;
        let path = target::path(action, &object, query)?;
        let node = object["spec"]["nodeName"].as_str().unwrap_or_default();
        if node.is_empty() {
            return target::unscheduled(action, pod);
        }
        let node = self.objects.find("nodes", "", node).await.ok_or_else(|| Status::not_found("", "nodes", node))?;
        let endpoint = Endpoint::of(&node)?;
        let question = if action.is_stream() { manner.question(request.method(), request.headers()) } else { Request::new(()) };
        let answer = timeout(ANSWER_TIMEOUT, self.ask(&endpoint, &path, question));
        let answer = answer.await.map_err(|_| endpoint.unreachable("it does not answer"))??;
        if action.is_stream() {
            return join_streams(request, answer, manner).await;
        }
        let log = pass_on(answer).await?;
        websocket::answer(request, log, Split::Pieces)
    }

    async fn ask(&self, endpoint: &Endpoint, path: &str, question: Request<()>) -> Result<Response<Incoming>, Status> {
        let mut request = question.map(|()| Empty::new());
        *request.uri_mut() = path.parse().map_err(Status::internal)?;
        request.headers_mut().insert(HOST, HeaderValue::from_str(&endpoint.node).map_err(Status::internal)?);
        let mut connection = connection::open(endpoint, &self.pki).await?;
        connection.send_request(request).await.map_err(|error| endpoint.unreachable(error))
    }
}

impl Manner {
    /// How the stream that a client asks for comes about.
    fn of(action: Action, headers: &HeaderMap, query: &str) -> Result<Self, Status> {
        if action.is_stream() && !headers.contains_key(UPGRADE) {
            return Err(Status::bad_request("Upgrade request required"));
        }
        if !action.is_stream() || !websocket::is_asked(headers) {
            return Ok(Self::Pipe);
        }
        if action == Action::PortForward {
            let tunnel = websocket::protocols(headers).find(|protocol| protocol.starts_with(tunnel::PREFIX));
            return Ok(tunnel.map_or(Self::Pipe, |protocol| Self::Tunnelled(protocol.to_owned())));
        }
        let translated = websocket::protocols(headers).any(|protocol| protocol == channels::PROTOCOL);
        Ok(if translated { Self::Translated(target::wanted(query)) } else { Self::Pipe })
    }

    /// What a node is asked: to speak as the client wants to, or SPDY.
    fn question(&self, method: &Method, headers: &HeaderMap) -> Request<()> {
        let mut question = Request::new(());
        let protocol = match self {
            Self::Pipe => {
                *question.method_mut() = method.clone();
                *question.headers_mut() = stream_headers(headers);
                return question;
            }
            Self::Translated(_) => "v4.channel.k8s.io",
            Self::Tunnelled(protocol) => protocol.trim_start_matches(tunnel::PREFIX),
        };
        *question.method_mut() = Method::POST;
        let wanted = question.headers_mut();
        wanted.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        wanted.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        // It has been part of a header of the client's.
        wanted.extend(HeaderValue::from_str(protocol).ok().map(|protocol| (STREAM_PROTOCOL, protocol)));
        question
    }

    /// The answer to the client once the node has switched protocols.
    fn answer(&self, headers: &HeaderMap, node: &HeaderMap) -> Result<Response<Body>, Status> {
        match self {
            Self::Pipe => {
                let mut switching = Response::new(body::empty());
                *switching.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                *switching.headers_mut() = stream_headers(node);
                Ok(switching)
            }
            Self::Translated(_) => websocket::accept(headers, Some(channels::PROTOCOL)),
            Self::Tunnelled(protocol) => websocket::accept(headers, Some(protocol)),
        }
    }

    /// Carries the stream to its end.
    async fn run(self, client: OnUpgrade, node: OnUpgrade) -> Result<(), hyper::Error> {
        match self {
            Self::Pipe => {
                let (client, node) = tokio::try_join!(client, node)?;
                connection::relay(client, node).await;
            }
            Self::Translated(wanted) => {
                let (client, node) = tokio::try_join!(websocket::open(client), node)?;
                translate::run(client, node, &wanted).await;
            }
            Self::Tunnelled(_) => {
                let (client, node) = tokio::try_join!(websocket::open(client), node)?;
                tunnel::run(client, node).await;
            }
        }
        Ok(())
    }
}

/// The headers of an upgrade, as the other side must see them. Extensions of `WebSocket` are not among them.
fn stream_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    kept.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    for name in [UPGRADE, STREAM_PROTOCOL, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_ACCEPT] {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    // The client's token is none of the node's business.
    let protocols: Vec<_> = websocket::protocols(headers).collect();
    if let Some(protocols) = HeaderValue::from_str(&protocols.join(", ")).ok().filter(|protocols| !protocols.is_empty()) {
        kept.insert(SEC_WEBSOCKET_PROTOCOL, protocols);
    }
    kept
}

/// Switches protocols with the client as the node has done with us, and carries the stream from then on.
async fn join_streams<B>(
    mut request: Request<B>,
    mut answer: Response<Incoming>,
    manner: Manner,
) -> Result<Response<Body>, Status> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(answer).await);
    }
    let switching = manner.answer(request.headers(), answer.headers())?;
    let (client, node) = (hyper::upgrade::on(&mut request), hyper::upgrade::on(&mut answer));
    tokio::spawn(async move {
        if let Err(error) = manner.run(client, node).await {
            tracing::debug!(%error, "stream not upgraded");
        }
    });
    Ok(switching)
}

/// Hands the node's bytes on as they come.
async fn pass_on(answer: Response<Incoming>) -> Result<Response<Body>, Status> {
    if answer.status() != StatusCode::OK {
        return Err(refusal(answer).await);
    }
    let kind = answer.headers().get(CONTENT_TYPE).cloned().unwrap_or(HeaderValue::from_static("text/plain"));
    let mut passed = Response::new(body::boxed(answer.into_body()));
    passed.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(passed)
}

/// A node's refusal, in the API's own form.
async fn refusal(answer: Response<Incoming>) -> Status {
    let code = answer.status().as_u16();
    let text = match Limited::new(answer.into_body(), REFUSAL_LIMIT).collect().await {
        Ok(bytes) => String::from_utf8_lossy(&bytes.to_bytes()).trim().to_owned(),
        Err(error) => return Status::internal(format!("the node answered {code}, and then: {error}")),
    };
    if let Ok(status) = serde_json::from_str::<Value>(&text)
        && status["kind"] == "Status"
        && let Ok(status) = serde_json::from_value(status)
    {
        return status;
    }
    match code {
        400 => Status::bad_request(text),
        404 => Status { message: text, ..Status::no_such_path() },
        _ => Status::internal(format!("the node answered {code}: {text}")),
    }
}
