//! Health and metrics over plain HTTP. Nothing secret is told, and nothing can be changed.

use garrison_controllers::election::Fence;
use garrison_controllers::metrics::Metrics;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once: probes and a few scrapers.
const CONNECTIONS: usize = 64;
/// How long a client may take to say what it wants, also between two requests.
const PATIENCE: Duration = Duration::from_secs(30);
/// A pause when the machine has no file handle left for another connection.
const EXHAUSTED: Duration = Duration::from_millis(200);

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the answers are made from.
#[derive(Clone)]
pub(super) struct State {
    pub(super) metrics: Arc<Metrics>,
    pub(super) fence: Fence,
}

/// Answers for ever.
pub(super) async fn serve(listener: TcpListener, state: State) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed; those without a place wait in the kernel.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let state = state.clone();
                tokio::spawn(async move {
                    converse(stream, state).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to health and metrics");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, state: State) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&state, request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to health and metrics broke");
    }
}

fn answer(state: &State, method: &Method, path: &str) -> Response<String> {
    let State { metrics, fence } = state;
    let (code, content_type, body) = match path {
        _ if method != Method::GET && method != Method::HEAD => text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served\n"),
        "/metrics" => (StatusCode::OK, METRICS_TYPE, metrics.text(fence)),
        "/healthz" | "/livez" if fence.is_overdue() => {
            text(StatusCode::INTERNAL_SERVER_ERROR, "leaderElection failed: the lease was not renewed in time\n")
        }
        "/healthz" | "/livez" => text(StatusCode::OK, "ok"),
        // One that stands aside is ready to take over; one that works must know the cluster.
        "/readyz" if fence.is_aside() && !fence.has_heard() => unready("the lease was not read yet\n"),
        "/readyz" if !fence.is_aside() && !metrics.synced() => unready("the cluster was not read yet\n"),
        "/readyz" => text(StatusCode::OK, "ok"),
        _ => text(StatusCode::NOT_FOUND, "there are /healthz, /livez, /readyz and /metrics\n"),
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    answer
}

fn text(code: StatusCode, body: &str) -> (StatusCode, &'static str, String) {
    (code, "text/plain; charset=utf-8", body.to_owned())
}

fn unready(why: &str) -> (StatusCode, &'static str, String) {
    text(StatusCode::INTERNAL_SERVER_ERROR, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_and_readiness_are_told_apart() {
        let state = |fence: Fence| State { metrics: Arc::default(), fence };
        let check = |state: &State, path: &str, expected: u16| {
            assert_eq!(answer(state, &Method::GET, path).status(), expected, "{path}");
        };
        let standing_aside = state(Fence::closed("l"));
        check(&standing_aside, "/healthz", 200);
        check(&standing_aside, "/livez", 200);
        check(&standing_aside, "/readyz", 500);
        check(&standing_aside, "/metrics", 200);
        check(&standing_aside, "/", 404);
        let alone = state(Fence::open());
        check(&alone, "/readyz", 500);
        alone.metrics.set_synced();
        check(&alone, "/readyz", 200);
        assert_eq!(answer(&alone, &Method::POST, "/metrics").status(), 405);
    }
}
