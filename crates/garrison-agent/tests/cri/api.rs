//! Just enough of an API server for kubectl to find one pod; its streams and logs take the real way to the pod's node.

use garrison_agent::endpoint::{ContainerHandle, Missing, Pods};
use garrison_server::{
    Body, body,
    identity::Objects,
    node_proxy::NodeProxy,
    tls::{Pki, load_or_create},
};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};
use std::{convert::Infallible, path::Path, sync::Arc};
use tokio::net::TcpListener;

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

/// What the server knows: the pod, and its node at this port.
struct Known(u16);

#[async_trait::async_trait]
impl Objects for Known {
    async fn find(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        match (plural, namespace, name) {
            ("pods", "tests", "web") => Some(pod()),
            ("nodes", "", "n1") => Some(json!({"metadata": {"name": "n1"}, "status": {
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self.0}},
            }})),
            _ => None,
        }
    }
}

/// The keys of a cluster, kept in this directory.
pub(crate) fn keys(dir: &Path) -> Arc<Pki> {
    Arc::new(load_or_create(dir, &[]).unwrap())
}

/// What the endpoint of node `n1` shows and demands.
pub(crate) fn node_tls(pki: &Pki) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let certificate = pki.issue_node_serving(&request, "n1", &["127.0.0.1".to_owned()]).unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = key.serialize_der().try_into().unwrap();
    Arc::new(config.with_client_cert_verifier(verifier).with_single_cert(vec![certificate], key).unwrap())
}

/// Serves kubectl; the node's endpoint is at the port `node`.
pub(crate) async fn serve(listener: TcpListener, pki: Arc<Pki>, node: u16) {
    let proxy = Arc::new(NodeProxy::new(pki, Arc::new(Known(node))));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let proxy = Arc::clone(&proxy);
        let service = service_fn(move |request| {
            let proxy = Arc::clone(&proxy);
            async move { Ok::<_, Infallible>(answer(&proxy, request).await) }
        });
        // Clients break off when they have what they want.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
    }
}

async fn answer(proxy: &NodeProxy, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if let Some(object) = object(&path) {
        return shown(StatusCode::OK, &object);
    }
    let Some(subresource) = path.strip_prefix("/api/v1/namespaces/tests/pods/web/") else {
        return shown(StatusCode::NOT_FOUND, &json!({}));
    };
    let answer = proxy.serve("tests", "web", subresource, request).await;
    answer.unwrap_or_else(|status| shown(StatusCode::from_u16(status.code).unwrap(), &status.to_value()))
}

fn shown(code: StatusCode, object: &Value) -> Response<Body> {
    let mut response = Response::new(body::full(object.to_string()));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
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
