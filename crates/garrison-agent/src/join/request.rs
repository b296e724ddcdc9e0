//! The two questions of joining: who is the authority, and will it certify these keys.

use super::{Identity, JoinError, new_key};
use crate::config::Config;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// An answer is a few certificates; more than this is not meant for us.
const LONGEST_ANSWER: usize = 256 << 10;
/// A server that does not answer by then is taken for absent.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    client_certificate: String,
    serving_certificate: String,
    ca: String,
}

/// Joins once.
pub(super) async fn join(config: &Config, token: &str, addresses: &[IpAddr]) -> Result<Identity, JoinError> {
    let ca = authority(&config.server, token).await?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(super::certificate(&ca)?)
        .map_err(|error| JoinError::Unreadable { what: "the server's CA", why: error.to_string() })?;
    let tls = builder(&provider)?.with_root_certificates(roots).with_no_client_auth();
    let (client_key, client_csr) = new_key()?;
    let (serving_key, serving_csr) = new_key()?;
    let body = serde_json::json!({
        "nodeName": config.node_name,
        "addresses": addresses,
        "clientCsr": client_csr,
        "servingCsr": serving_csr,
    });
    let request = Request::post("/garrison/v1/join")
        .header(header::AUTHORIZATION, format!("Bearer {}", token.trim()))
        .header(header::CONTENT_TYPE, "application/json");
    let (status, bytes) = ask(&config.server, tls, request, body.to_string()).await?;
    if status != StatusCode::OK && status != StatusCode::CREATED {
        return Err(refused(config, status, &bytes));
    }
    let answer: Answer = serde_json::from_slice(&bytes)
        .map_err(|error| JoinError::Unreadable { what: "the server's answer", why: error.to_string() })?;
    Ok(Identity {
        node_name: config.node_name.clone(),
        addresses: addresses.to_vec(),
        ca: answer.ca,
        client_key,
        client_certificate: answer.client_certificate,
        serving_key,
        serving_certificate: answer.serving_certificate,
    })
}

fn refused(config: &Config, status: StatusCode, body: &[u8]) -> JoinError {
    let (server, node) = (config.server.clone(), config.node_name.clone());
    let parsed: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let message = parsed["message"].as_str().map_or_else(|| status.to_string(), ToOwned::to_owned);
    if status.is_server_error() {
        return JoinError::Unreachable { server, source: message.into() };
    }
    JoinError::Refused { server, node, message }
}

/// The CA of the server, which must be the one that the token names.
async fn authority(server: &str, token: &str) -> Result<String, JoinError> {
    let expected = authority_hash(token).ok_or(JoinError::BadToken)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls =
        builder(&provider)?.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider))).with_no_client_auth();
    let (_, bytes) = ask(server, tls, Request::get("/garrison/v1/ca"), String::new()).await?;
    let pem = String::from_utf8(bytes.to_vec())
        .map_err(|error| JoinError::Unreadable { what: "the server's CA", why: error.to_string() })?;
    if !hash(&super::certificate(&pem)?).eq_ignore_ascii_case(expected) {
        return Err(JoinError::WrongAuthority { server: server.into() });
    }
    Ok(pem)
}

/// The hash of the CA certificate that a token names, if the token is of the right form.
pub(super) fn authority_hash(token: &str) -> Option<&str> {
    let mut parts = token.trim().split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("garrison"), hash @ Some(_), Some(_), None) => hash,
        _ => None,
    }
}

/// As tokens write the hash of a certificate.
pub(super) fn hash(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn builder(provider: &Arc<CryptoProvider>) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, JoinError> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| JoinError::Unreadable { what: "the TLS settings", why: error.to_string() })
}

async fn ask(
    server: &str,
    tls: ClientConfig,
    request: http::request::Builder,
    body: String,
) -> Result<(StatusCode, Bytes), JoinError> {
    let answer = tokio::time::timeout(PATIENCE, exchange(server, tls, request, body)).await;
    let unreachable = |source| JoinError::Unreachable { server: server.into(), source };
    match answer {
        Ok(Err(Trouble::Address)) => Err(JoinError::BadServer { url: server.into() }),
        Ok(Err(Trouble::Wire(source))) => Err(unreachable(source)),
        Ok(Ok(answer)) => Ok(answer),
        Err(_) => Err(unreachable("no answer in time".into())),
    }
}

enum Trouble {
    Address,
    Wire(Box<dyn std::error::Error + Send + Sync>),
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Wire(error.into())
    }
}

async fn exchange(
    server: &str,
    tls: ClientConfig,
    request: http::request::Builder,
    body: String,
) -> Result<(StatusCode, Bytes), Trouble> {
    let uri: Uri = server.parse().map_err(|_| Trouble::Address)?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or(Trouble::Address)?;
    let bare = host.trim_matches(['[', ']']);
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| Trouble::Address)?;
    let stream = tokio::net::TcpStream::connect((bare, uri.port_u16().unwrap_or(443))).await?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = request.header(header::HOST, uri.authority().map_or(host, |authority| authority.as_str()));
    let response = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
    let status = response.status();
    let bytes = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await?.to_bytes();
    connection.abort();
    Ok((status, bytes))
}

/// Trusts whoever answers. Used only to fetch the CA certificate, which is then held against the token's hash.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
