//! Opening, serving over TLS, closing, and everything that is not an object.

use super::{Cluster, config, read, revision};
use crate::{Error, Server, accept::Encoding, identity::User, respond};
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn documents_are_spared_those_who_have_them() {
    let cluster = Cluster::new().await;
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    for (path, accept, kind) in [
        ("/apis", aggregated, json!("APIGroupDiscoveryList")),
        ("/api", aggregated, json!("APIGroupDiscoveryList")),
        ("/openapi/v3", "application/json", json!(null)),
        ("/openapi/v2", "application/json", json!(null)),
    ] {
        let response = cluster.send(&format!("GET {path}"), &[("accept", accept)], "").await;
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(response.headers()["content-type"], accept.split(',').next().unwrap(), "{path}");
        let (code, document) = read(response).await;
        assert_eq!((code, document.get("kind").cloned().unwrap_or_default()), (200, kind), "{path}");
        let again = cluster.send(&format!("GET {path}"), &[("accept", accept), ("if-none-match", &tag)], "").await;
        assert_eq!(again.status(), 304, "{path}");
    }
    let index = cluster.check("GET /openapi/v3", Value::Null, 200).await;
    let apps = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    assert_eq!(cluster.send(&format!("GET {apps}"), &[], "").await.status(), 200);
    for (path, kind) in [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/apis/apps/v1", "APIResourceList"),
        ("/api/v1", "APIResourceList"),
    ] {
        assert_eq!(cluster.check(&format!("GET {path}"), Value::Null, 200).await["kind"], kind);
    }
    let version = cluster.check("GET /version", Value::Null, 200).await;
    assert_eq!(
        (&version["major"], &version["minor"], &version["gitVersion"]),
        (&json!("1"), &json!("36"), &json!("v1.36.0-garrison"))
    );
}

#[tokio::test]
async fn groups_are_told_in_the_form_that_is_asked_for() {
    let cluster = Cluster::new().await;
    let aggregated = |version: &str| format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
    let (v2, beta, unknown) = (aggregated("v2"), aggregated("v2beta1"), aggregated("v3"));
    let (old, new) = (json!("apidiscovery.k8s.io/v2beta1"), json!("apidiscovery.k8s.io/v2"));
    for (accept, code, version) in [
        (String::new(), 200, json!("v1")),
        (format!("{beta};q=0.5,{v2};q=0.6"), 200, new),
        (format!("{unknown},{beta},{v2}"), 200, old),
        (unknown, 200, json!("v1")),
        (format!("application/json,{v2}"), 200, json!("v1")),
        ("application/cbor, */*".into(), 200, json!("v1")),
        ("text/html".into(), 406, json!("v1")),
    ] {
        let response = cluster.send("GET /apis", &[("accept", &accept)], "").await;
        let (found, document) = read(response).await;
        assert_eq!((found, &document["apiVersion"]), (code, &version), "{accept}");
    }
}

#[tokio::test]
async fn health_is_told() {
    let cluster = Cluster::new().await;
    for path in ["/healthz", "/livez", "/readyz", "/readyz/store", "/readyz/etcd", "/livez?exclude=store"] {
        assert_eq!(cluster.check(&format!("GET {path}"), Value::Null, 200).await, "ok", "{path}");
    }
    let verbose = cluster.check("GET /readyz?verbose", Value::Null, 200).await;
    assert_eq!(verbose, "[+]ping ok\n[+]etcd ok\n[+]store ok\n[+]shutdown ok\nreadyz check passed\n");
    cluster.check("GET /livez/shutdown", Value::Null, 404).await;
    cluster.server.storage().store().close().await;
    let failed = cluster.check("GET /livez", Value::Null, 500).await;
    assert_eq!(failed, "[+]ping ok\n[-]etcd failed: reason withheld\n[-]store failed: reason withheld\nlivez check failed\n");
    cluster.check("GET /livez?exclude=store&exclude=etcd", Value::Null, 200).await;
}

#[tokio::test]
async fn figures_are_told() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let watch = cluster.send("GET /api/v1/configmaps?watch=1", &[], "").await;
    let text = cluster.check("GET /metrics", Value::Null, 200).await;
    let text = text.as_str().unwrap();
    for line in [
        "apiserver_request_total{verb=\"CREATE\",group=\"\",resource=\"configmaps\",subresource=\"\",code=\"201\"} 1",
        "apiserver_longrunning_requests{verb=\"WATCH\",resource=\"configmaps\"} 1",
        "apiserver_storage_objects{resource=\"configmaps\"} 1",
        "apiserver_storage_objects{resource=\"namespaces\"} 4",
        "# TYPE apiserver_request_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} in {text}");
    }
    drop(watch);
    let text = cluster.check("GET /metrics", Value::Null, 200).await;
    assert!(text.as_str().unwrap().contains("apiserver_longrunning_requests{verb=\"WATCH\",resource=\"configmaps\"} 0"));
}

#[tokio::test]
async fn strangers_see_health_and_version_only() {
    let cluster = Cluster::new().await;
    for (path, code) in
        [("/healthz", 200), ("/version", 200), ("/garrison/v1/ca", 200), ("/api", 403), ("/api/v1/pods", 403), ("/metrics", 403)]
    {
        let response = cluster.send_as(User::anonymous(), &format!("GET {path}"), &[], "").await;
        assert_eq!(response.status(), code, "{path}");
    }
}

#[tokio::test]
async fn state_and_revisions_outlive_the_server() {
    let cluster = Cluster::new().await;
    let a = cluster.config_map("a", json!({"x": "y"})).await;
    cluster.server.storage().store().close().await;
    let Cluster { server, dir } = cluster;
    // The port stands in the endpoints of the service `kubernetes`.
    let same_port = crate::Config { listen: server.address(), ..config(dir.path()) };
    drop(server);
    let cluster = Cluster { server: Server::open(same_port).await.unwrap(), dir };
    assert_eq!(cluster.check("GET /api/v1/namespaces/default/configmaps/a", Value::Null, 200).await, a);
    assert_eq!(revision(&cluster.config_map("b", json!({})).await), revision(&a) + 1, "the first objects are not made twice");
}

#[tokio::test]
async fn what_is_kept_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new");
    let server = Server::open(config(&dir)).await.unwrap();
    for path in [dir.clone(), dir.join("store.redb")] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    drop(server);
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let cluster = Cluster::new().await;
    let fault = async |config| Server::open(config).await.map(drop).unwrap_err();
    let second = fault(config(cluster.dir.path())).await;
    assert!(matches!(second, Error::Store(garrison_store::embedded::OpenError::Locked { .. })), "{second:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut taken = config(elsewhere.path());
    taken.listen = cluster.server.address();
    let taken = fault(taken).await;
    assert!(matches!(&taken, Error::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse), "{taken:?}");
    let file = elsewhere.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(fault(config(&file.join("below"))).await, Error::DataDir { .. }));
    let damaged = tempfile::tempdir().unwrap();
    std::fs::write(damaged.path().join("store.redb"), "not a store").unwrap();
    let damaged = fault(config(damaged.path())).await;
    assert!(matches!(damaged, Error::Store(garrison_store::embedded::OpenError::Corrupt { .. })), "{damaged:?}");
}

/// One request over a connection of its own.
async fn over_tls(cluster: &Cluster, alpn: &[u8], path: &str) -> (StatusCode, String) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(cluster.server.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let tcp = tokio::net::TcpStream::connect(cluster.server.address()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let stream = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls)).connect(name, tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    let io = hyper_util::rt::TokioIo::new(stream);
    let request = http::Request::get(format!("https://127.0.0.1{path}"))
        .header("host", "127.0.0.1")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = if alpn == b"h2" {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_are_served_over_tls() {
    let cluster = Cluster::new().await;
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let (server, shutdown) = (cluster.server.clone(), shutdown.clone());
        async move { server.serve(shutdown).await }
    });
    for alpn in [&b"h2"[..], b"http/1.1"] {
        assert_eq!(over_tls(&cluster, alpn, "/livez").await, (StatusCode::OK, "ok".into()));
        assert_eq!(over_tls(&cluster, alpn, "/api/v1/pods").await.0, StatusCode::FORBIDDEN);
    }
    assert!(matches!(cluster.server.serve(CancellationToken::new()).await, Err(Error::Served)));
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn refusals_say_when_to_try_again() {
    let response = respond::refusal(Encoding::Json, &garrison_api::Status::too_many_requests("slow down", 3));
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &http::HeaderValue::from_static("3")));
}
