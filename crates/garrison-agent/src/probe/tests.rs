use super::*;
use crate::{endpoint::double::Double, runtime::ExecOutput};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use k8s_openapi::api::core::v1::{Container, ContainerPort, ExecAction, GRPCAction, HTTPGetAction, HTTPHeader, TCPSocketAction};
use std::{convert::Infallible, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const LONG: Duration = Duration::from_secs(20);

fn header<'a>(request: &'a Request<Incoming>, name: &str) -> &'a str {
    request.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Answers `/status/CODE`, `/a/to?…` and `/round` (redirects), `/hang`, `/echo` (200 if all headers are as expected), and
/// gRPC health.
async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let answer = Response::builder();
    let answer = match path.as_str() {
        "/hang" => std::future::pending().await,
        "/echo" => {
            let told = (header(&request, "user-agent"), header(&request, "x-color"), header(&request, "host"));
            answer.status(if told == ("kube-probe/1.36", "green", "example.org") { 200 } else { 500 })
        }
        "/grpc.health.v1.Health/Check" => return Ok(health(request).await),
        "/a/to" => answer.status(302).header("location", request.uri().query().unwrap()),
        "/round" => answer.status(307).header("location", "/round"),
        _ => answer.status(path.rsplit('/').next().unwrap().parse::<u16>().unwrap_or(404)),
    };
    Ok(answer.body(Full::default()).unwrap())
}

/// Serves `good`, does not serve `bad`, knows no other.
async fn health(request: Request<Incoming>) -> Response<Full<Bytes>> {
    use http_body_util::BodyExt as _;
    let asked = request.into_body().collect().await.unwrap().to_bytes();
    let answer = Response::builder().header("content-type", "application/grpc");
    // Frame: not compressed, length, then field 1 (string in the question, enumeration in the answer).
    let status = match asked.get(7..).unwrap_or_default() {
        b"good" => 1,
        b"bad" => 2,
        _ => return answer.header("grpc-status", "5").header("grpc-message", "unknown service").body(Full::default()).unwrap(),
    };
    // A body without trailers does not say how the call ended; in the headers it does.
    let body = Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, status]);
    answer.header("grpc-status", "0").body(Full::new(body)).unwrap()
}

async fn server(tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // Probes break connections off, which is no fault here.
                match tls {
                    None => drop(server.serve_connection(TokioIo::new(stream), service_fn(respond)).await),
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        drop(server.serve_connection(TokioIo::new(stream), service_fn(respond)).await);
                    }
                }
            });
        }
    });
    port
}

/// A certificate that nobody vouches for.
fn self_signed() -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(["elsewhere.example".to_owned()]).unwrap();
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn try_once(action: Action<'_>, ports: &[(&str, u16)], timeout: Duration) -> Outcome {
    let port = |(name, number): &(&str, u16)| ContainerPort {
        name: Some((*name).into()),
        container_port: (*number).into(),
        ..ContainerPort::default()
    };
    let container = Container { ports: Some(ports.iter().map(port).collect()), ..Container::default() };
    let target = Target { pod_ip: "127.0.0.1", container: &container, container_id: "abc" };
    attempt(action, &target, timeout, &Double::default()).await
}

/// Success is an empty expectation; otherwise the message must contain it.
#[track_caller]
fn verify(outcome: &Outcome, expected: &str, what: &dyn std::fmt::Debug) {
    match outcome {
        Outcome::Success => assert_eq!(expected, "", "{what:?}"),
        Outcome::Failure(message) | Outcome::Unknown(message) => {
            assert!(!expected.is_empty() && message.contains(expected), "{what:?}: {message}");
        }
    }
}

#[tokio::test]
async fn http() {
    let (port, secure) = (server(None).await, server(Some(self_signed())).await);
    let check = async |path: &str, expected: &str| {
        for (scheme, port) in [("HTTP", port), ("HTTPS", secure)] {
            let get = HTTPGetAction {
                path: Some(path.into()),
                port: IntOrString::Int(port.into()),
                scheme: Some(scheme.into()),
                ..HTTPGetAction::default()
            };
            verify(&try_once(Action::HttpGet(&get), &[], LONG).await, expected, &get);
        }
    };
    check("/status/200", "").await;
    check("status/204", "").await;
    check("/status/399", "").await;
    check("/status/200?a=b#c", "").await;
    check("/status/400", "status 400").await;
    check("/status/500", "status 500").await;
    check("/a/to?/status/200", "").await;
    check("/a/to?status/500", "/a/status/500: status 500").await;
    check("/a/to?to?../500", "/a/../500: status 500").await;
    check("/a/to?http://elsewhere.example/status/500", "").await;
    check("/round", "redirected more than 10 times").await;
    check("/in valid", "invalid uri").await;
}

#[tokio::test]
async fn http_headers_and_ports() {
    let port = server(None).await;
    let header = |name: &str, value: &str| HTTPHeader { name: name.into(), value: value.into() };
    let get = |port, headers| HTTPGetAction {
        path: Some("/echo".into()),
        port,
        http_headers: Some(headers),
        ..HTTPGetAction::default()
    };
    let named = || IntOrString::String("web".into());
    let good = vec![header("X-Color", "green"), header("Host", "example.org")];
    let check = async |get: HTTPGetAction, expected: &str| {
        verify(&try_once(Action::HttpGet(&get), &[("web", port)], LONG).await, expected, &get);
    };
    check(get(named(), good.clone()), "").await;
    check(HTTPGetAction { host: Some("localhost".into()), ..get(named(), good.clone()) }, "").await;
    check(get(named(), vec![header("X-Color", "red")]), "status 500").await;
    check(get(named(), vec![header("not a name", "red")]), "invalid").await;
    check(get(IntOrString::String("unknown".into()), good.clone()), "no port named").await;
    check(get(IntOrString::Int(70_000), good), "no port number").await;
}

#[tokio::test]
async fn silent_and_absent_servers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let absent = i32::from(listener.local_addr().unwrap().port());
    drop(listener);
    let present = i32::from(server(None).await);
    let get =
        |port, path: &str| HTTPGetAction { path: Some(path.into()), port: IntOrString::Int(port), ..HTTPGetAction::default() };
    let socket = |port| TCPSocketAction { port: IntOrString::Int(port), ..TCPSocketAction::default() };
    let grpc = |port, service: &str| GRPCAction { port, service: Some(service.into()) };
    let check = async |action: Action<'_>, expected: &str| {
        verify(&try_once(action, &[], LONG).await, expected, &action);
    };
    check(Action::HttpGet(&get(absent, "/")), "onnection refused").await;
    check(Action::TcpSocket(&socket(absent)), "onnection refused").await;
    check(Action::TcpSocket(&socket(present)), "").await;
    check(Action::Grpc(&grpc(absent, "good")), "onnection refused").await;
    check(Action::Grpc(&grpc(present, "good")), "").await;
    check(Action::Grpc(&grpc(present, "bad")), "NotServing").await;
    check(Action::Grpc(&grpc(present, "other")), "unknown service").await;
    let outcome = try_once(Action::HttpGet(&get(present, "/hang")), &[], Duration::from_millis(50)).await;
    assert_eq!(outcome, Outcome::Failure("no answer within 0.05s".into()));
}

#[tokio::test]
async fn commands() {
    async fn check(runtime: Double, expected: Outcome) {
        let exec = ExecAction { command: Some(vec!["cat".into(), "/ready".into()]) };
        let container = Container::default();
        let target = Target { pod_ip: "", container: &container, container_id: "abc" };
        let outcome = attempt(Action::Exec(&exec), &target, Duration::from_millis(20), &runtime).await;
        assert_eq!(outcome, expected);
        assert_eq!(runtime.take_asked(), ["exec abc cat /ready"]);
    }
    let ended = |exit_code, stdout: &str, stderr: &str| Double {
        exec: Some(ExecOutput { exit_code, stdout: stdout.into(), stderr: stderr.into() }),
        ..Double::default()
    };
    check(ended(0, "", ""), Outcome::Success).await;
    check(ended(1, "not yet\n", "x"), Outcome::Failure("not yet".into())).await;
    check(ended(1, "", "no such file\n"), Outcome::Failure("no such file".into())).await;
    check(ended(7, "", ""), Outcome::Failure("exit code 7".into())).await;
    check(Double::default(), Outcome::Unknown("run command: no".into())).await;
    let slow = Double { exec_time: Duration::from_secs(1), ..ended(0, "", "") };
    check(slow, Outcome::Failure(r#"command ["cat", "/ready"]: no answer within 0.02s"#.into())).await;
}
