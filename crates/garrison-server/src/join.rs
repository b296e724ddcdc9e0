//! How a machine becomes a node: it shows the join token and gets its keys certified.
//!
//! Both paths are answered before authentication: the CA is no secret, and the join token is not an identity.

use garrison_api::Status;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::authenticate::{bearer, is_same_secret};
use crate::tls::{Error, Pki};

#[cfg(test)]
mod tests;

/// Where the CA's certificate is read (`GET`), as PEM.
pub const CA_PATH: &str = "/garrison/v1/ca";
/// Where a machine joins (`POST`).
pub const JOIN_PATH: &str = "/garrison/v1/join";

const LONGEST_NAME: usize = 253;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    node_name: String,
    #[serde(default)]
    addresses: Vec<String>,
    client_csr: String,
    serving_csr: String,
}

/// Certifies the keys of the machine that asks in `body`, if it shows the join token.
pub fn join(pki: &Pki, headers: &HeaderMap, body: &[u8]) -> Result<Value, Status> {
    if !bearer(headers).is_some_and(|token| is_same_secret(pki.join_token(), token)) {
        return Err(Status::unauthorized());
    }
    let request: Request = serde_json::from_slice(body).map_err(|error| Status::bad_request(error.to_string()))?;
    let node = &request.node_name;
    if !is_node_name(node) {
        return Err(Status::bad_request(format!("nodeName: {node:?} is not a lowercase RFC 1123 subdomain")));
    }
    let client = pki.issue_node_client(&request.client_csr, node).map_err(|error| refusal("clientCsr", &error))?;
    let serving =
        pki.issue_node_serving(&request.serving_csr, node, &request.addresses).map_err(|error| refusal("servingCsr", &error))?;
    tracing::info!(node, addresses = ?request.addresses, "node joined");
    Ok(json!({"clientCertificate": client, "servingCertificate": serving, "ca": pki.ca_pem()}))
}

/// What the machine sent cannot be certified; anything else is our own trouble.
fn refusal(field: &str, error: &Error) -> Status {
    match error {
        Error::Request(_) => Status::bad_request(format!("{field}: {error}")),
        Error::Name(_) | Error::ReservedName(_) => Status::bad_request(format!("addresses: {error}")),
        _ => Status::internal(error),
    }
}

/// Whether the text can name a Node object.
fn is_node_name(name: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| match label.as_bytes() {
        [only] => is_alphanumeric(*only),
        [first, middle @ .., last] => {
            is_alphanumeric(*first) && is_alphanumeric(*last) && middle.iter().all(|byte| is_alphanumeric(*byte) || *byte == b'-')
        }
        [] => false,
    };
    name.len() <= LONGEST_NAME && name.split('.').all(is_label)
}
