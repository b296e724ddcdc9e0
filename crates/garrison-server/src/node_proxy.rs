//! Logs, exec, attach and port-forward: what the client wants of a pod is asked of the pod's node.
//!
//! Streams are byte pipes: the client's upgrade request goes on to the node, and once both sides have switched protocols,
//! bytes are copied both ways without being understood.

use std::sync::Arc;
use std::time::Duration;

use garrison_api::Status;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use crate::body::{self, Body};
use crate::identity::Objects;
use crate::tls::Pki;
use target::{Action, Endpoint};

mod connection;
mod target;
#[cfg(test)]
mod tests;

/// How long a node may take to begin its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a node's refusal is read.
const REFUSAL_LIMIT: usize = 64 * 1024;
/// Negotiates the version of the streams; sent and answered as it comes.
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

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
        if action.is_stream() {
            check_upgrade(request.headers())?;
        }
        let query = request.uri().query().unwrap_or_default();
        let object = self.objects.find("pods", namespace, pod).await.ok_or_else(|| Status::not_found("", "pods", pod))?;
        let path = target::path(action, &object, query)?;
        let node = object["spec"]["nodeName"].as_str().unwrap_or_default();
        if node.is_empty() {
            return target::unscheduled(action, pod);
        }
        let node = self.objects.find("nodes", "", node).await.ok_or_else(|| Status::not_found("", "nodes", node))?;
        let endpoint = Endpoint::of(&node)?;
        let answer = timeout(ANSWER_TIMEOUT, self.ask(&endpoint, &path, action, request.method(), request.headers()));
        let answer = answer.await.map_err(|_| endpoint.unreachable("it does not answer"))??;
        if action.is_stream() { join_streams(request, answer).await } else { pass_on(answer).await }
    }

    async fn ask(
        &self,
        endpoint: &Endpoint,
        path: &str,
        action: Action,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response<Incoming>, Status> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = path.parse().map_err(Status::internal)?;
        if action.is_stream() {
            *request.method_mut() = method.clone();
            *request.headers_mut() = stream_headers(headers);
        }
        request.headers_mut().insert(HOST, HeaderValue::from_str(&endpoint.node).map_err(Status::internal)?);
        let mut connection = connection::open(endpoint, &self.pki).await?;
        connection.send_request(request).await.map_err(|error| endpoint.unreachable(error))
    }
}

/// Only SPDY can be piped: clients that try `WebSocket` first come back with it after this refusal.
fn check_upgrade(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get(UPGRADE).and_then(|protocol| protocol.to_str().ok()) {
        None => Err(Status::bad_request("Upgrade request required")),
        Some(protocol) if protocol.eq_ignore_ascii_case("websocket") => {
            Err(Status::bad_request("unable to upgrade: WebSocket is not served here, SPDY/3.1 is"))
        }
        Some(_) => Ok(()),
    }
}

/// The headers of an upgrade, as the other side must see them.
fn stream_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    kept.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    for name in [UPGRADE, STREAM_PROTOCOL] {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// Switches protocols with the client as the node has done with us, and pipes from then on.
async fn join_streams<B>(mut request: Request<B>, mut answer: Response<Incoming>) -> Result<Response<Body>, Status> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(answer).await);
    }
    let mut switching = Response::new(body::empty());
    *switching.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *switching.headers_mut() = stream_headers(answer.headers());
    let (client, node) = (hyper::upgrade::on(&mut request), hyper::upgrade::on(&mut answer));
    tokio::spawn(async move {
        match tokio::try_join!(client, node) {
            Ok((client, node)) => connection::relay(client, node).await,
            Err(error) => tracing::debug!(%error, "stream not upgraded"),
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
