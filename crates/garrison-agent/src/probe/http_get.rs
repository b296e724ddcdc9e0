//! `httpGet`: any answer from 200 to 399 is good. Certificates are not verified, as nobody could say whose they must be.

use super::{Attempt, Outcome, Target, host, port, unknown};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT},
};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http1,
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::HTTPGetAction;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{error::Error, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How many redirects are followed.
const REDIRECTS: usize = 10;
/// Servers tell probes from visitors by the kubelet's name.
const AGENT: HeaderValue = HeaderValue::from_static("kube-probe/1.36");

type Cause = Box<dyn Error + Send + Sync>;

pub(super) async fn attempt(get: &HTTPGetAction, target: &Target<'_>) -> Attempt {
    let mut url = url(get, target)?;
    let mut headers = headers(get)?;
    for _ in 0..=REDIRECTS {
        let answer = ask(&url, &headers).await.map_err(|cause| Outcome::Failure(format!("GET {url}: {cause}")))?;
        let code = answer.status();
        if !(200..400).contains(&code.as_u16()) {
            return Err(Outcome::Failure(format!("GET {url}: status {}", code.as_u16())));
        }
        let Some(location) = redirect(&answer) else { return Ok(Outcome::Success) };
        let Some((next, relative)) = resolve(&url, location) else {
            return Err(Outcome::Failure(format!("GET {url}: redirected to nowhere")));
        };
        // The container answers; what another host has to say is not its business.
        if next.host() != url.host() {
            return Ok(Outcome::Success);
        }
        if !relative {
            headers.remove(HOST);
        }
        url = next;
    }
    Err(Outcome::Failure(format!("GET {url}: redirected more than {REDIRECTS} times")))
}

fn url(get: &HTTPGetAction, target: &Target<'_>) -> Result<Uri, Outcome> {
    let port = port(&get.port, target.container.ports.as_deref().unwrap_or_default())?;
    let host = host(get.host.as_deref(), target);
    let scheme = if get.scheme.as_deref() == Some("HTTPS") { "https" } else { "http" };
    let path = get.path.as_deref().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let host = if host.contains(':') { format!("[{host}]") } else { host.into() };
    // A fragment is for the client only.
    let path = path.split('#').next().unwrap_or_default();
    format!("{scheme}://{host}:{port}{slash}{path}").parse().map_err(unknown)
}

fn headers(get: &HTTPGetAction) -> Result<HeaderMap, Outcome> {
    let mut headers = HeaderMap::new();
    for header in get.http_headers.iter().flatten() {
        let name = HeaderName::try_from(&header.name).map_err(unknown)?;
        headers.append(name, HeaderValue::try_from(&header.value).map_err(unknown)?);
    }
    headers.entry(USER_AGENT).or_insert(AGENT);
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(headers)
}

/// Where an answer sends the client, if it does.
fn redirect(answer: &Response<Incoming>) -> Option<&str> {
    let redirects = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let location = answer.headers().get(LOCATION).filter(|_| redirects.contains(&answer.status()));
    location.and_then(|location| location.to_str().ok())
}

/// Where `location` is, seen from `url`, and whether it is given relative to it.
fn resolve(url: &Uri, location: &str) -> Option<(Uri, bool)> {
    let location = location.split('#').next().unwrap_or_default();
    if location.starts_with("http://") || location.starts_with("https://") {
        return Some((location.parse().ok()?, false));
    }
    let (scheme, authority) = (url.scheme_str()?, url.authority()?);
    if let Some(elsewhere) = location.strip_prefix("//") {
        return Some((format!("{scheme}://{elsewhere}").parse().ok()?, false));
    }
    let path = url.path();
    let directory = if location.starts_with('/') { "" } else { &path[..=path.rfind('/').unwrap_or(0)] };
    Some((format!("{scheme}://{authority}{directory}{location}").parse().ok()?, true))
}

async fn ask(url: &Uri, headers: &HeaderMap) -> Result<Response<Incoming>, Cause> {
    let (authority, is_https) = (url.authority().ok_or("no host")?, url.scheme_str() == Some("https"));
    let host = authority.host().trim_matches(['[', ']']);
    let default_port = if is_https { 443 } else { 80 };
    let port = authority.port_u16().unwrap_or(default_port);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = url.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    *request.headers_mut() = headers.clone();
    let shown = if port == default_port { authority.host() } else { authority.as_str() };
    request.headers_mut().entry(HOST).or_insert(HeaderValue::from_str(shown)?);
    let stream = TcpStream::connect((host, port)).await?;
    if is_https {
        let name = ServerName::try_from(host.to_owned())?;
        converse(TlsConnector::from(Arc::new(trusting()?)).connect(name, stream).await?, request).await
    } else {
        converse(stream, request).await
    }
}

async fn converse<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, Cause>
where
    TokioIo<S>: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends by itself when the answer is dropped.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

fn trusting() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(Trusting(provider))).with_no_client_auth())
}

/// Takes any certificate.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
