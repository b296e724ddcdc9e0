//! What clients get who come over TLS and speak `WebSocket`.

use super::Cluster;
use crate::tls;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures::StreamExt;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

type Client = WebSocketStream<TlsStream<TcpStream>>;

/// Opens a session; with the server's own certificate, which is an administrator's, or as a stranger.
async fn open(
    cluster: &Cluster,
    known: bool,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<Client, tungstenite::Error> {
    let config = if known {
        tls::load_or_create(cluster.dir.path(), &[]).unwrap().node_client_config().unwrap()
    } else {
        let mut roots = RootCertStore::empty();
        roots.add(PemObject::from_pem_slice(cluster.server.ca_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    };
    let stream = TcpStream::connect(cluster.server.address()).await.unwrap();
    let stream = TlsConnector::from(config).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
    let mut request = format!("wss://{}{path}", cluster.server.address()).into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    Ok(timeout(DEADLINE, client_async(request, stream)).await.unwrap()?.0)
}

async fn next(client: &mut Client) -> Message {
    timeout(DEADLINE, client.next()).await.unwrap().unwrap().unwrap()
}

async fn served(cluster: &Cluster) -> CancellationToken {
    let shutdown = CancellationToken::new();
    let (server, ending) = (cluster.server.clone(), shutdown.clone());
    tokio::spawn(async move { server.serve(ending).await });
    shutdown
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_watch_is_a_message() {
    let cluster = Cluster::new().await;
    let shutdown = served(&cluster).await;
    let path = "/api/v1/namespaces/default/configmaps?watch=true";
    let mut client = open(&cluster, true, path, &[]).await.unwrap();
    let protobuf = "application/vnd.kubernetes.protobuf";
    let mut other = open(&cluster, true, path, &[("accept", protobuf)]).await.unwrap();
    for name in ["a", "b"] {
        cluster.config_map(name, json!({})).await;
    }
    for name in ["a", "b"] {
        let Message::Text(text) = next(&mut client).await else { panic!("JSON is text") };
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(name)));
        let Message::Binary(bytes) = next(&mut other).await else { panic!("protobuf is binary") };
        assert!(bytes.windows(5).any(|word| word == b"ADDED"), "{bytes:?}");
    }
    let Err(tungstenite::Error::Http(answer)) = open(&cluster, true, "/api/v1/nothing?watch=true", &[]).await else {
        panic!("what is not served is refused")
    };
    assert_eq!(answer.status(), 404);
    shutdown.cancel();
    assert!(matches!(next(&mut client).await, Message::Close(Some(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_be_the_name_of_a_protocol() {
    let cluster = Cluster::new().await;
    let shutdown = served(&cluster).await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    cluster.check(&format!("POST {accounts}"), json!({"metadata": {"name": "someone"}}), 201).await;
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let token = cluster.check(&format!("POST {accounts}/someone/token"), request, 201).await["status"]["token"].clone();
    let token = BASE64_URL_SAFE_NO_PAD.encode(token.as_str().unwrap());
    for (protocols, code, user) in [
        (format!("base64url.bearer.authorization.k8s.io.{token}, v4.channel.k8s.io"), 403, "serviceaccount:default:someone"),
        (format!("base64url.bearer.authorization.k8s.io.{token}"), 401, "Unauthorized"),
        ("base64url.bearer.authorization.k8s.io.YQ, v4.channel.k8s.io".into(), 401, "Unauthorized"),
        ("v4.channel.k8s.io".into(), 403, "system:anonymous"),
    ] {
        let path = "/api/v1/namespaces/default/pods/p/exec?command=ls&stdout=1";
        let refused = open(&cluster, false, path, &[("sec-websocket-protocol", &protocols)]).await;
        let Err(tungstenite::Error::Http(answer)) = refused else { panic!("{protocols}") };
        let text = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default()).into_owned();
        assert!(answer.status() == code && text.contains(user), "{protocols}: {} {text}", answer.status());
    }
    shutdown.cancel();
}
