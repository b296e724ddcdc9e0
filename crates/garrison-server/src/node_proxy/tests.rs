mod spdy_node;
mod websocket;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::identity::tests::Fixed;
use crate::tls::load_or_create;

const DEADLINE: Duration = Duration::from_secs(20);

/// A server, its node `n1` with the pod `a/p`, and the address where clients reach the server.
struct Room {
    address: SocketAddr,
    /// What the node was asked, in the form `GET /path`.
    asked: mpsc::UnboundedReceiver<String>,
    /// The text of a log goes to the client as it is put in here.
    log: mpsc::UnboundedSender<&'static str>,
    _directory: tempfile::TempDir,
}

/// `serves_as` is the node in whose name the endpoint of `n1` serves.
async fn room(serves_as: &str) -> Room {
    let directory = tempfile::tempdir().unwrap();
    let pki = Arc::new(load_or_create(directory.path(), &[]).unwrap());
    let (note, asked) = mpsc::unbounded_channel();
    let (log, lines) = mpsc::unbounded_channel();
    let node_port = serve_node(&pki, serves_as, note, lines).await;
    let closed_port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let pod = |name: &str, node: &str| json!({"metadata": {"name": name, "namespace": "a"}, "spec": {"nodeName": node, "containers": [{"name": "main"}]}});
    let node = |name: &str, port: u16| {
        let status = json!({
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        });
        json!({"metadata": {"name": name}, "status": status})
    };
    let objects = Fixed::default()
        .with("pods", pod("p", "n1"))
        .with("pods", pod("lost", "n2"))
        .with("pods", pod("waiting", ""))
        .with("nodes", node("n1", node_port))
        .with("nodes", node("n2", closed_port));
    let proxy = Arc::new(NodeProxy::new(pki, Arc::new(objects)));
    Room { address: serve_clients(proxy).await, asked, log, _directory: directory }
}

/// The API server as far as this test needs it: `/namespace/pod/subresource`, without TLS.
async fn serve_clients(proxy: Arc<NodeProxy>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let proxy = proxy.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let proxy = proxy.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let parts: Vec<&str> = path.split('/').collect();
                    let answer = proxy.serve(parts[1], parts[2], parts[3], request).await;
                    Ok::<_, Infallible>(answer.unwrap_or_else(|status| {
                        let mut answer = Response::new(body::full(status.to_value().to_string()));
                        *answer.status_mut() = StatusCode::from_u16(status.code).unwrap();
                        answer
                    }))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
        }
    });
    address
}

/// The API of a node, which only the server may call: echoes streams, and logs what it is told to.
async fn serve_node(
    pki: &Pki,
    name: &str,
    note: mpsc::UnboundedSender<String>,
    lines: mpsc::UnboundedReceiver<&'static str>,
) -> u16 {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let certificate = pki.issue_node_serving(&request, name, &["127.0.0.1".to_owned()]).unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.ca_pem().as_bytes()).unwrap()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let lines = Arc::new(parking_lot::Mutex::new(Some(lines)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let peer = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
            assert_eq!(crate::authenticate::user_of_certificate(&peer).unwrap().name, "garrison-server");
            let (note, lines) = (note.clone(), lines.clone());
            let service = service_fn(move |request| {
                note.send(format!("{} {}", request.method(), request.uri())).unwrap();
                let answer = answer_as_node(request, &lines);
                async move { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
        }
    });
    port
}

fn answer_as_node(
    mut request: Request<Incoming>,
    lines: &parking_lot::Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>,
) -> Response<Body> {
    if request.uri().path().starts_with("/containerLogs/") {
        let lines = lines.lock().take().unwrap();
        let frames = stream::unfold(lines, |mut lines| async {
            let line = lines.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(line))), lines))
        });
        return Response::new(body::boxed(StreamBody::new(frames)));
    }
    if request.uri().query().is_some_and(|query| query.contains("command=fail")) {
        let mut answer = Response::new(body::full("container not running\n"));
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        return answer;
    }
    if request.uri().query().is_some_and(|query| query.contains("command=spdy")) {
        return spdy_node::answer(request);
    }
    assert!(!format!("{:?}", request.headers()).contains("bearer"), "the client's token stays with the server");
    let protocols: Vec<_> = request.headers().get_all(STREAM_PROTOCOL).iter().cloned().collect();
    let mut answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, request.headers()[UPGRADE].clone());
    if let Some(first) = protocols.first() {
        answer = answer.header(STREAM_PROTOCOL, first);
    }
    if let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) {
        answer = answer.header(SEC_WEBSOCKET_ACCEPT, key);
        answer = answer.header(SEC_WEBSOCKET_PROTOCOL, request.headers()[SEC_WEBSOCKET_PROTOCOL].clone());
    }
    tokio::spawn(async move {
        let stream = hyper::upgrade::on(&mut request).await.unwrap();
        let (mut from, mut to) = tokio::io::split(TokioIo::new(stream));
        // The node speaks first, as a runtime does that opens streams at once.
        to.write_all(b"hello ").await.unwrap();
        tokio::io::copy(&mut from, &mut to).await.ok();
        to.shutdown().await.ok();
    });
    answer.body(body::empty()).unwrap()
}

impl Room {
    /// Sends a request as kubectl would, and reads the head of the answer.
    async fn ask(&self, line: &str, headers: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap());
        }
        (String::from_utf8(head).unwrap().to_lowercase(), stream)
    }

    /// The message of a refusal.
    async fn refusal(&self, line: &str, headers: &str) -> (u16, String) {
        let (head, mut stream) = self.ask(line, &format!("Connection: close\r\n{headers}")).await;
        let mut text = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        let status: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {head}{text}"));
        assert!(head.starts_with(&format!("http/1.1 {}", status["code"])), "{head}");
        (status["code"].as_u64().unwrap().try_into().unwrap(), status["message"].as_str().unwrap().to_owned())
    }
}

const SPDY: &str = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\
                    X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: channel.k8s.io\r\n";

async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(DEADLINE, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

#[tokio::test]
async fn exec_is_a_pipe_to_the_node() {
    let mut room = room("n1").await;
    let (head, mut stream) = room.ask("POST /a/p/exec?command=cat&stdin=true&stdout=true", SPDY).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("upgrade: spdy/3.1\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
    assert!(head.contains("x-stream-protocol-version: v4.channel.k8s.io\r\n"), "{head}");
    assert_eq!(room.asked.recv().await.unwrap(), "POST /exec/a/p/main?command=cat&input=1&output=1");
    assert_eq!(read(&mut stream, 6).await, b"hello ");

    // More than all buffers on the way together, written while it comes back.
    let sent: Vec<u8> = (0..2_000_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    let (mut from, mut to) = stream.split();
    let mut received = vec![0; sent.len()];
    let (wrote, got) =
        timeout(DEADLINE, async { tokio::join!(to.write_all(&sent), from.read_exact(&mut received)) }).await.unwrap();
    wrote.unwrap();
    got.unwrap();
    assert!(received == sent);

    // The end of one side is the end of the other.
    to.shutdown().await.unwrap();
    assert_eq!(timeout(DEADLINE, from.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn attach_and_port_forward_are_pipes_too() {
    let mut room = room("n1").await;
    for (line, asked) in
        [("POST /a/p/attach?stdout=true", "POST /attach/a/p/main?output=1"), ("POST /a/p/portforward", "POST /portForward/a/p")]
    {
        let (head, mut stream) = room.ask(line, SPDY).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert_eq!(room.asked.recv().await.unwrap(), asked);
        stream.write_all(b"you").await.unwrap();
        assert_eq!(read(&mut stream, 9).await, b"hello you");
    }
}

#[tokio::test]
async fn a_log_comes_as_it_is_written() {
    let mut room = room("n1").await;
    room.log.send("one\n").unwrap();
    let (head, mut stream) = room.ask("GET /a/p/log?follow=true", "").await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-type: text/plain\r\n"), "{head}");
    assert_eq!(room.asked.recv().await.unwrap(), "GET /containerLogs/a/p/main?follow=true");
    assert_eq!(read(&mut stream, 9).await, b"4\r\none\n\r\n");
    room.log.send("two\n").unwrap();
    assert_eq!(read(&mut stream, 9).await, b"4\r\ntwo\n\r\n");
    // Who goes away is not followed any longer.
    drop(stream);
    timeout(DEADLINE, room.log.closed()).await.unwrap();
}

#[tokio::test]
async fn a_pod_without_a_node_has_an_empty_log() {
    let room = room("n1").await;
    let (head, _) = room.ask("GET /a/waiting/log", "").await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-length: 0\r\n"), "{head}");
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let room = room("n1").await;
    let spdy = "Upgrade: SPDY/3.1\r\n";
    for (line, headers, code, message) in [
        ("GET /a/p/log", "Connection: upgrade\r\nUpgrade: websocket\r\n", 400, "missing or bad WebSocket Version"),
        ("POST /a/p/exec?command=ls", "", 400, "Upgrade request required"),
        ("POST /a/gone/exec?command=ls", spdy, 404, "pods \"gone\" not found"),
        ("POST /a/waiting/exec?command=ls", spdy, 400, "pod waiting does not have a host assigned"),
        ("POST /a/p/exec?command=ls&container=x", spdy, 400, "container x is not valid for pod p"),
        ("POST /a/lost/exec?command=ls", spdy, 500, "node \"n2\" cannot be reached at 127.0.0.1, port "),
        ("GET /a/lost/log", "", 500, "node \"n2\" cannot be reached at 127.0.0.1, port "),
        ("POST /a/p/exec?command=fail", spdy, 400, "container not running"),
        ("GET /a/p/proxy", "", 404, "the server could not find the requested resource"),
    ] {
        let (answered, text) = room.refusal(line, headers).await;
        assert!(answered == code && text.contains(message), "{line}: {answered} {text}");
    }
}

#[tokio::test]
async fn another_node_at_the_address_is_not_trusted() {
    let room = room("n7").await;
    let (code, message) = room.refusal("GET /a/p/log", "").await;
    assert_eq!(code, 500);
    assert!(message.contains("node \"n1\" cannot be reached") && message.contains("certificate"), "{message}");
}
