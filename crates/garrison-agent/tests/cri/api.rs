//! Just enough of an API server for kubectl to find one pod, and to be piped on to the pod's node.

use garrison_agent::endpoint::{ContainerHandle, Missing, Pods};
use k8s_openapi::api::core::v1::Pod;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

/// A node with one pod of one container.
pub(crate) struct OnePod {
    pub(crate) sandbox: String,
    pub(crate) container: ContainerHandle,
}

impl Pods for OnePod {
    fn pods(&self) -> Vec<Pod> {
        vec![serde_json::from_value(pod()).unwrap()]
    }

    fn container(&self, namespace: &str, pod: &str, container: &str, _: bool) -> Result<ContainerHandle, Missing> {
        assert_eq!((namespace, pod, container), ("tests", "web", "main"));
        Ok(self.container.clone())
    }

    fn sandbox(&self, namespace: &str, pod: &str) -> Result<String, Missing> {
        assert_eq!((namespace, pod), ("tests", "web"));
        Ok(self.sandbox.clone())
    }
}

fn pod() -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": "tests", "uid": "uid-web"},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "busybox", "stdin": true}]},
        "status": {"phase": "Running"},
    })
}

/// What both sides of the way to a node show each other.
pub(crate) fn certificates() -> (Arc<ServerConfig>, TlsConnector) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let certify = |organization: &str, purpose| -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec!["n1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
    };
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let (roots, provider) = (Arc::new(roots), Arc::new(rustls::crypto::ring::default_provider()));

    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider)).build().unwrap();
    let (chain, key) = certify("system:nodes", ExtendedKeyUsagePurpose::ServerAuth);
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let server = server.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();

    let (chain, key) = certify("system:masters", ExtendedKeyUsagePurpose::ClientAuth);
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
    (Arc::new(server), TlsConnector::from(Arc::new(client)))
}

/// Serves kubectl; streams and logs go to the node at `node`.
pub(crate) async fn serve(listener: TcpListener, node: u16, tls: TlsConnector) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let tls = tls.clone();
        // Clients break off when they have what they want.
        tokio::spawn(async move { drop(converse(client, node, tls).await) });
    }
}

async fn converse(client: TcpStream, node: u16, tls: TlsConnector) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (first, rest) = head.split_once("\r\n").unwrap();
    let [method, target, _] = *first.split(' ').collect::<Vec<_>>() else { panic!("{first}") };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if let Some(answer) = object(path) {
        let text = answer.to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
        return client.write_all(format!("{head} {}\r\n\r\n{text}", text.len()).as_bytes()).await;
    }
    let Some(target) = node_path(path, query) else {
        return client.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    };
    // What is no stream must not be followed by another question: it would not be rewritten.
    let close = if rest.contains("pgrade") { "" } else { "Connection: close\r\n" };
    let stream = TcpStream::connect(("127.0.0.1", node)).await?;
    let mut node = tls.connect(ServerName::try_from("n1").unwrap(), stream).await?;
    node.write_all(format!("{method} {target} HTTP/1.1\r\n{close}{rest}").as_bytes()).await?;
    copy_bidirectional(&mut client, &mut node).await.map(drop)
}

fn object(path: &str) -> Option<Value> {
    let resource = |name: &str, verb: &str| json!({"name": name, "namespaced": true, "kind": "Pod", "verbs": [verb]});
    Some(match path {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
        "/api/v1" => json!({
            "kind": "APIResourceList", "groupVersion": "v1",
            "resources": [resource("pods", "get"), resource("pods/exec", "create"), resource("pods/log", "get")],
        }),
        "/api/v1/namespaces/tests/pods/web" => pod(),
        _ => return None,
    })
}

fn node_path(path: &str, query: &str) -> Option<String> {
    let words = [("stdin=true", "input=1"), ("stdout=true", "output=1"), ("stderr=true", "error=1"), ("tty=true", "tty=1")];
    let query = words.into_iter().fold(query.to_owned(), |query, (api, node)| query.replace(api, node));
    Some(match path.strip_prefix("/api/v1/namespaces/tests/pods/web/")? {
        "exec" => format!("/exec/tests/web/main?{query}"),
        "attach" => format!("/attach/tests/web/main?{query}"),
        "log" => format!("/containerLogs/tests/web/main?{query}"),
        "portforward" => "/portForward/tests/web".to_owned(),
        _ => return None,
    })
}
