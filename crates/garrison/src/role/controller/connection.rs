//! The connection to the API server: one over HTTP/2 for all requests and watches, where the server speaks it.
//!
//! kube's own client speaks HTTP/1 only, and so needs a connection for each request that is under way.

use anyhow::{Context, Result};
use hyper::header::{HeaderValue, USER_AGENT};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
};
use std::time::Duration;
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// What the controller calls itself: under this name it owns what it writes.
const PROGRAM: HeaderValue = HeaderValue::from_static("garrison-controller");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that was silent for this long is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(15);
/// It then has this long to answer, or the connection is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client with these credentials. It repeats nothing by itself.
///
/// # Errors
/// When the configuration is of no use: a bad certificate, key or server name.
pub(crate) fn client(mut config: Config) -> Result<Client> {
    config.headers.push((USER_AGENT, PROGRAM));
    if config.proxy_url.is_some() {
        config.default_retry = false;
        return Client::try_from(config).context("making a client of the API server");
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(SILENCE));
    // A request's body follows its head in a packet of its own: it must not wait until the head is acknowledged.
    tcp.set_nodelay(true);
    let tls = config.rustls_client_config().context("reading the credentials for the API server")?;
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().with_context(|| format!("{name} is no name of a TLS server"))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let connector = builder.enable_all_versions().wrap_connector(tcp);
    let http = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(SILENCE)
        .http2_keep_alive_timeout(PATIENCE)
        .http2_keep_alive_while_idle(true)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().context("reading the token for the API server")?)
        .layer(config.extra_headers_layer().context("reading the headers for the API server")?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service.boxed_clone(), config.default_namespace))
}
