use super::{
    double::Double,
    request::{Place, Puzzle, Wish},
    *,
};
use crate::{log, runtime::StreamOptions};
use http::{Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    server::WebPkiClientVerifier,
};
use std::fs;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

const DEADLINE: Duration = Duration::from_secs(20);

fn place() -> Place {
    Place { namespace: "ns".into(), pod: "pod".into(), container: "main".into() }
}

#[test]
fn wishes() {
    #[track_caller]
    fn check(uri: &str, expected: Result<Wish, Puzzle>) {
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        assert_eq!(request::read(&uri.parse().unwrap(), now), expected, "{uri}");
    }
    let log = |options, previous| Ok(Wish::Log { place: place(), previous, options });
    let plain = log::Options::default();
    check("/healthz", Ok(Wish::Health));
    check("/pods", Ok(Wish::Pods));
    check("/containerLogs/ns/pod/main", log(plain.clone(), false));
    check("/containerLogs/ns/pod/main?previous=true&follow=false", log(plain.clone(), true));
    check(
        "/containerLogs/ns/pod/main?follow=true&timestamps=true&tailLines=3&limitBytes=9&sinceTime=2026-11-24T09%3A00%3A00Z",
        log(
            log::Options {
                follow: true,
                timestamps: true,
                tail: Some(3),
                limit: Some(9),
                since: Some("2026-11-24T09:00:00Z".parse().unwrap()),
            },
            false,
        ),
    );
    let since: Timestamp = "2026-11-24T09:59:00Z".parse().unwrap();
    check("/containerLogs/ns/pod/main?sinceSeconds=60", log(log::Options { since: Some(since), ..plain }, false));

    let streams = |[stdin, stdout, stderr, tty]: [bool; 4]| StreamOptions { stdin, stdout, stderr, tty };
    let exec = |command: &[&str], wanted| {
        let command = command.iter().map(ToString::to_string).collect();
        Ok(Wish::Exec { place: place(), command, streams: streams(wanted) })
    };
    check(
        "/exec/ns/pod/main?command=sh&command=-c&command=a+b%26c&output=1&error=1",
        exec(&["sh", "-c", "a b&c"], [false, true, true, false]),
    );
    check("/exec/ns/pod/main?command=sh&input=1&output=true&error=1&tty=1", exec(&["sh"], [true, true, false, true]));
    check("/exec/ns/pod/main?output=1", Err(Puzzle::NoCommand));
    check("/exec/ns/pod/main?command=sh", Err(Puzzle::NoStream));
    check("/attach/ns/pod/main?output=1", Ok(Wish::Attach { place: place(), streams: streams([false, true, false, false]) }));
    let forward = |ports: &[i32]| Ok(Wish::PortForward { namespace: "ns".into(), pod: "pod".into(), ports: ports.into() });
    check("/portForward/ns/pod", forward(&[]));
    check("/portForward/ns/pod?port=80,443&port=8080", forward(&[80, 443, 8080]));
    check("/", Err(Puzzle::Path));
    check("/exec/ns/pod", Err(Puzzle::Path));
    check("/containerLogs/ns/pod/main/more", Err(Puzzle::Path));
}

#[test]
fn parameters_that_make_no_sense() {
    for query in ["tailLines=x", "tailLines=-1", "limitBytes=1.5", "sinceSeconds=soon", "sinceTime=yesterday", "port=0", "port=x"]
    {
        let path = if query.starts_with("port") { "/portForward/ns/pod" } else { "/containerLogs/ns/pod/main" };
        let uri = format!("{path}?{query}").parse().unwrap();
        let Err(Puzzle::Parameter { name, value, .. }) = request::read(&uri, Timestamp::UNIX_EPOCH) else { panic!("{query}") };
        assert_eq!(format!("{name}={value}"), query);
    }
}

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The cluster's CA.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { certificate: params.self_signed(&key).unwrap().der().clone(), issuer: Issuer::new(params, key) }
    }

    fn certify(&self, organization: &str, purpose: ExtendedKeyUsagePurpose) -> Chain {
        let mut params = CertificateParams::new(vec!["n1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        Arc::new(roots)
    }

    fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&provider));
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let (chain, key) = self.certify("system:nodes", ExtendedKeyUsagePurpose::ServerAuth);
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap())
    }

    /// A client of that organisation, or without a certificate.
    fn client(&self, organization: Option<&str>) -> TlsConnector {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(self.roots());
        let config = match organization.map(|organization| self.certify(organization, ExtendedKeyUsagePurpose::ClientAuth)) {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
            None => config.with_no_client_auth(),
        };
        TlsConnector::from(Arc::new(config))
    }
}

/// `main` runs and has a log, `ended` has none any more, `waiting` was not started.
struct Fixture(TempDir);

impl Pods for Fixture {
    fn pods(&self) -> Vec<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some("pod".into());
        vec![pod]
    }

    fn container(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Result<ContainerHandle, Missing> {
        let (pod, container) = (pod.to_owned(), container.to_owned());
        match (&*pod, &*container, previous) {
            ("pod", "main", true) => Err(Missing::Previous { pod, container }),
            ("pod", "main" | "ended", _) => {
                let log_path = self.0.path().join(format!("{container}.log"));
                Ok(ContainerHandle { id: format!("id-{container}"), log_path, running: container == "main" })
            }
            ("pod", "waiting", _) => Err(Missing::NotStarted { pod, container, reason: "ContainerCreating".into() }),
            ("pod", ..) => Err(Missing::Container { pod, container }),
            _ => Err(Missing::Pod { namespace: namespace.into(), pod }),
        }
    }

    fn sandbox(&self, _: &str, pod: &str) -> Result<String, Missing> {
        if pod == "pod" { Ok("id-sandbox".into()) } else { Err(Missing::Sandbox { pod: pod.into() }) }
    }
}

/// An endpoint at work.
struct Endpoint {
    authority: Authority,
    port: u16,
    runtime: Arc<Double>,
    shutdown: CancellationToken,
}

impl Endpoint {
    async fn start(url: String) -> Self {
        let (authority, shutdown) = (Authority::new(), CancellationToken::new());
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("main.log"), "2026-11-24T10:00:00Z stdout F hello\n").unwrap();
        let runtime = Arc::new(Double { url, ..Double::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (pods, tls) = (Arc::new(Fixture(dir)), authority.server());
        tokio::spawn(serve(pods, Arc::clone(&runtime) as _, tls, listener, shutdown.clone()));
        Self { authority, port, runtime, shutdown }
    }

    async fn ask_as(&self, organization: Option<&str>, request: Request<Empty<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::try_from("n1").unwrap();
        let stream = self.authority.client(organization).connect(name, stream).await.unwrap();
        let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        timeout(DEADLINE, sender.send_request(request)).await.unwrap().unwrap()
    }

    async fn text(&self, organization: Option<&str>, request: Request<Empty<Bytes>>) -> (u16, String) {
        let answer = self.ask_as(organization, request).await;
        let code = answer.status().as_u16();
        let bytes = timeout(DEADLINE, answer.into_body().collect()).await.unwrap().unwrap().to_bytes();
        (code, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

fn request(method: Method, uri: &str, upgrade: &str) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method).uri(uri).version(Version::HTTP_11).header(header::HOST, "n1");
    let request =
        if upgrade.is_empty() { request } else { request.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, upgrade) };
    request.body(Empty::new()).unwrap()
}

#[tokio::test]
async fn who_may_ask() {
    let endpoint = Endpoint::start(String::new()).await;
    let check = async |organization, code, expected: &str| {
        let answer = endpoint.text(organization, request(Method::GET, "/healthz", "")).await;
        assert_eq!(answer, (code, expected.to_owned()), "{organization:?}");
    };
    check(Some("system:masters"), 200, "ok").await;
    check(Some("system:nodes"), 403, "only members of system:masters may use this").await;
    check(None, 401, "a client certificate is required").await;
}

#[tokio::test]
async fn answers_without_streams() {
    let endpoint = Endpoint::start(String::new()).await;
    let check = async |method, uri: &str, upgrade: &str, code, expected: &str| {
        let (got, text) = endpoint.text(Some("system:masters"), request(method, uri, upgrade)).await;
        assert!(got == code && text.contains(expected), "{uri}: {got} {text}");
        assert_eq!(endpoint.runtime.take_asked(), [""; 0], "{uri}: the runtime is left alone");
    };
    let get = Method::GET;
    check(get.clone(), "/pods", "", 200, r#""name":"pod""#).await;
    check(get.clone(), "/nothing", "", 404, "no such path").await;
    check(Method::POST, "/healthz", "", 405, "method not allowed").await;
    check(get.clone(), "/containerLogs/ns/pod/main", "", 200, "hello\n").await;
    check(get.clone(), "/containerLogs/ns/pod/main?tailLines=x", "", 400, "tailLines=x").await;
    check(get.clone(), "/containerLogs/ns/pod/main?previous=true", "", 400, "previous terminated container").await;
    check(get.clone(), "/containerLogs/ns/pod/ended", "", 404, "is gone").await;
    check(get.clone(), "/containerLogs/ns/pod/waiting", "", 400, "waiting to start: ContainerCreating").await;
    check(get.clone(), "/containerLogs/ns/pod/other", "", 400, "not valid for pod").await;
    check(get.clone(), "/containerLogs/ns/other/main", "", 404, "not found").await;
    let exec = "/exec/ns/pod/main?command=sh&output=1";
    check(get, exec, "", 400, "Upgrade request required").await;
    check(Method::GET, "/portForward/ns/pod", "websocket", 400, "\"port\" is required").await;
    let post = Method::POST;
    check(post.clone(), "/exec/ns/pod/main?command=sh", "SPDY/3.1", 400, "at least 1 of").await;
    check(post.clone(), "/exec/ns/pod/ended?command=sh&output=1", "SPDY/3.1", 400, "is not running").await;
    check(post.clone(), "/portForward/ns/other", "SPDY/3.1", 400, "is not running").await;
    check(Method::DELETE, exec, "SPDY/3.1", 405, "method not allowed").await;
}

/// A streaming server that notes what it is asked, switches protocols and then says everything twice; or refuses.
async fn echo_server() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/exec/secret", listener.local_addr().unwrap());
    let (heads, seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            let agrees = head.contains("x-stream-protocol-version: v4.channel.k8s.io");
            heads.send(head).unwrap();
            if !agrees {
                stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno streams").await.unwrap();
                continue;
            }
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\
                          X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            let mut said = [0; 5];
            while stream.read_exact(&mut said).await.is_ok() {
                stream.write_all(&said.repeat(2)).await.unwrap();
                if &said == b"leave" {
                    break;
                }
            }
        }
    });
    (url, seen)
}

fn stream_request(uri: &str, protocol: &'static str) -> Request<Empty<Bytes>> {
    let mut request = request(Method::POST, uri, "SPDY/3.1");
    request.headers_mut().append("x-stream-protocol-version", http::HeaderValue::from_static("v5.channel.k8s.io"));
    request.headers_mut().append("x-stream-protocol-version", http::HeaderValue::from_static(protocol));
    request
}

#[tokio::test]
async fn streams_are_pipes() {
    let (url, mut seen) = echo_server().await;
    let endpoint = Endpoint::start(url).await;
    let mut check = async |uri: &str, asked: &str| {
        let request = stream_request(uri, "v4.channel.k8s.io");
        let answer = endpoint.ask_as(Some("system:masters"), request).await;
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS, "{uri}");
        assert_eq!(answer.headers()["upgrade"], "SPDY/3.1");
        assert_eq!(answer.headers()["x-stream-protocol-version"], "v4.channel.k8s.io");
        assert_eq!(endpoint.runtime.take_asked(), [asked]);
        let head = seen.recv().await.unwrap();
        assert!(head.starts_with("post /exec/secret http/1.1\r\n"), "{head}");
        assert!(
            head.contains("upgrade: spdy/3.1") && head.contains("v5.channel") && head.contains("connection: upgrade"),
            "{head}"
        );
        let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        let mut heard = Vec::new();
        stream.write_all(b"helloleave").await.unwrap();
        timeout(DEADLINE, stream.read_to_end(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard, b"hellohelloleaveleave", "{uri}");
    };
    check(
        "/exec/ns/pod/main?command=sh&command=-i&input=1&output=1",
        "exec id-main sh -i StreamOptions { stdin: true, stdout: true, stderr: false, tty: false }",
    )
    .await;
    check(
        "/attach/ns/pod/main?output=1&error=1",
        "attach id-main StreamOptions { stdin: false, stdout: true, stderr: true, tty: false }",
    )
    .await;
    check("/portForward/ns/pod?port=80,81", "forward id-sandbox [80, 81]").await;
}

#[tokio::test]
async fn websockets_are_pipes_too() {
    let (url, mut seen) = echo_server().await;
    let endpoint = Endpoint::start(url).await;
    let mut request = request(Method::GET, "/exec/ns/pod/main?command=sh&output=1", "websocket");
    for (name, value) in [
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "v4.channel.k8s.io"),
        ("sec-websocket-extensions", "permessage-deflate"),
        // What the echoing server wants to see.
        ("x-stream-protocol-version", "v4.channel.k8s.io"),
    ] {
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    let answer = endpoint.ask_as(Some("system:masters"), request).await;
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let head = seen.recv().await.unwrap();
    for header in
        ["upgrade: websocket", "key: dghlihnhbxbszsbub25jzq==", "version: 13", "sec-websocket-protocol: v4.channel.k8s.io"]
    {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert!(head.starts_with("get ") && !head.contains("deflate"), "{head}");
}

#[tokio::test]
async fn refusals_of_the_streaming_server() {
    let (url, _seen) = echo_server().await;
    let endpoint = Endpoint::start(url).await;
    let answer = endpoint.text(Some("system:masters"), stream_request("/portForward/ns/pod", "v3.channel.k8s.io")).await;
    assert_eq!(answer, (403, "no streams".into()));
    let endpoint = Endpoint::start("http://127.0.0.1:1/exec/secret".into()).await;
    let (code, text) = endpoint.text(Some("system:masters"), stream_request("/portForward/ns/pod", "v4.channel.k8s.io")).await;
    assert!(code == 500 && text.contains("does not answer: Connection refused"), "{code} {text}");
}

#[tokio::test]
async fn shutdown_cuts_streams() {
    let (url, _seen) = echo_server().await;
    let endpoint = Endpoint::start(url).await;
    let request = stream_request("/portForward/ns/pod", "v4.channel.k8s.io");
    let answer = endpoint.ask_as(Some("system:masters"), request).await;
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    let mut heard = [0; 10];
    stream.write_all(b"hello").await.unwrap();
    stream.read_exact(&mut heard).await.unwrap();
    endpoint.shutdown.cancel();
    let end = timeout(DEADLINE, stream.read(&mut heard)).await.expect("the stream ends");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}
