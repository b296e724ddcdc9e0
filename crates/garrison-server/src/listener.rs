//! The network: TCP, TLS, HTTP/1.1 and HTTP/2 on one port.

use crate::{
    Server, body,
    router::{self, Caller},
};
use futures::FutureExt;
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a client may take to set up TLS.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an HTTP/1.1 connection may be idle. Clients keep theirs for 90 s: it is for them to close, since a request
/// sent into a connection that closes at that moment fails.
const IDLE: Duration = Duration::from_secs(120);
/// How often a quiet HTTP/2 connection is asked whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Requests that a client may have open on one HTTP/2 connection. Watches count.
const STREAMS: u32 = 250;
/// How long accepting pauses when the system is out of sockets.
const BREATHER: Duration = Duration::from_millis(100);

/// Takes the address, so that a port in use is known at once.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts connections and serves each of them, until `shutdown`; connections then finish what is under way.
pub(crate) async fn accept(
    server: Server,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = TlsAcceptor::from(tls);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(serve(server.clone(), stream, acceptor.clone(), shutdown.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

async fn serve(server: Server, stream: TcpStream, acceptor: TlsAcceptor, shutdown: CancellationToken) {
    // Events are small and urgent.
    let _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else { return };
    let certificate =
        stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|first| Arc::from(first.as_ref()));
    let caller = Caller::Remote(certificate);
    let service = service_fn(move |request: Request<Incoming>| {
        router::handle(server.clone(), caller.clone(), request.map(body::boxed)).map(Ok::<_, Infallible>)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).max_concurrent_streams(STREAMS);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error = %*error, "connection ended");
    }
}
