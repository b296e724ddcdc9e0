//! From a request to its answer.

use super::{
    Body, Missing, Node,
    caller::Caller,
    request::{self, Place, Puzzle, Wish},
};
use crate::{log, runtime::RuntimeError, stream};
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use jiff::Timestamp;
use serde_json::json;
use std::{io, sync::Arc};

/// Why a request is not granted.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("a client certificate is required")]
    Unknown,
    #[error("only members of system:masters may use this")]
    Forbidden,
    #[error("method not allowed")]
    Method,
    #[error(transparent)]
    Puzzle(#[from] Puzzle),
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error("container {0:?} is not running")]
    NotRunning(String),
    #[error("the log of container {0:?} is gone")]
    LogGone(String),
    #[error("cannot read the log: {0}")]
    Log(io::Error),
    #[error("{}", with_cause(.0))]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Stream(#[from] stream::Error),
}

/// A runtime that is not there is of interest for its cause.
fn with_cause(error: &RuntimeError) -> String {
    match error {
        RuntimeError::Unreachable { source, .. } => format!("{error}: {source}"),
        RuntimeError::Refused { .. } => error.to_string(),
    }
}

impl Refusal {
    fn code(&self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Puzzle(Puzzle::Path) | Self::Missing(Missing::Pod { .. }) | Self::LogGone(_) => StatusCode::NOT_FOUND,
            Self::Puzzle(_) | Self::Missing(_) | Self::NotRunning(_) => StatusCode::BAD_REQUEST,
            Self::Stream(error) if error.is_clients_fault() => StatusCode::BAD_REQUEST,
            Self::Log(_) | Self::Runtime(_) | Self::Stream(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Answers one request.
pub(super) async fn answer(node: &Node, caller: Caller, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let outcome = match caller {
        Caller::Unknown => Err(Refusal::Unknown),
        Caller::Other => Err(Refusal::Forbidden),
        Caller::Master => grant(node, request).await,
    };
    outcome.unwrap_or_else(|refusal| {
        tracing::debug!(path, %refusal, "request refused");
        text(refusal.code(), refusal.to_string())
    })
}

async fn grant(node: &Node, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let wish = request::read(request.uri(), Timestamp::now())?;
    let is_stream = matches!(wish, Wish::Exec { .. } | Wish::Attach { .. } | Wish::PortForward { .. });
    if request.method() != Method::GET && !(is_stream && request.method() == Method::POST) {
        return Err(Refusal::Method);
    }
    if is_stream {
        // Before the runtime prepares anything.
        stream::check(&request)?;
    }
    let url = match wish {
        Wish::Health => return Ok(text(StatusCode::OK, "ok".into())),
        Wish::Pods => return Ok(pod_list(node)),
        Wish::Log { place, previous, options } => return show_log(node, place, previous, options).await,
        Wish::Exec { place, command, streams } => node.runtime.exec_url(&running(node, &place)?, &command, streams).await?,
        Wish::Attach { place, streams } => node.runtime.attach_url(&running(node, &place)?, streams).await?,
        Wish::PortForward { ports, .. } if ports.is_empty() && stream::is_websocket(&request) => {
            return Err(Puzzle::NoPort.into());
        }
        Wish::PortForward { namespace, pod, ports } => {
            node.runtime.port_forward_url(&node.pods.sandbox(&namespace, &pod)?, &ports).await?
        }
    };
    Ok(stream::relay(request, &url, node.shutdown.clone()).await?)
}

/// Runtime id of a container that runs.
fn running(node: &Node, place: &Place) -> Result<String, Refusal> {
    let handle = node.pods.container(&place.namespace, &place.pod, &place.container, false)?;
    if handle.running { Ok(handle.id) } else { Err(Refusal::NotRunning(place.container.clone())) }
}

async fn show_log(node: &Node, place: Place, previous: bool, options: log::Options) -> Result<Response<Body>, Refusal> {
    let handle = node.pods.container(&place.namespace, &place.pod, &place.container, previous)?;
    let (pods, id) = (Arc::clone(&node.pods), handle.id);
    let container = place.container.clone();
    let still_runs = move || {
        let now = pods.container(&place.namespace, &place.pod, &place.container, previous);
        now.is_ok_and(|now| now.id == id && now.running)
    };
    let lines = match log::read(&handle.log_path, options, still_runs).await {
        Ok(lines) => lines,
        // A container that has just been started has its log any moment now, and has said nothing until then.
        Err(error) if error.kind() == io::ErrorKind::NotFound && handle.running => {
            return Ok(text(StatusCode::OK, String::new()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::LogGone(container)),
        Err(error) => return Err(Refusal::Log(error)),
    };
    let frames = StreamBody::new(lines.map_ok(Frame::data));
    Ok(plain(StatusCode::OK, frames.boxed_unsync()))
}

fn pod_list(node: &Node) -> Response<Body> {
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": node.pods.pods()});
    let mut answer = text(StatusCode::OK, list.to_string());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An answer of text.
fn text(code: StatusCode, text: String) -> Response<Body> {
    plain(code, Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync())
}

fn plain(code: StatusCode, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
