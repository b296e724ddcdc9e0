//! What a token says, and its form on the wire.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CLOCK_TOLERANCE, ISSUER, Refusal, text};
use crate::identity::{User, service_account_name};

/// The body of a token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    aud: Vec<String>,
    exp: i64,
    iat: i64,
    iss: String,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    pub(super) kubernetes: Kubernetes,
    nbf: i64,
    sub: String,
}

/// The objects to which a token is bound.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kubernetes {
    namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pod: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<Reference>,
    serviceaccount: Reference,
}

/// One object, and no later one of the same name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) uid: String,
}

impl Reference {
    pub(super) fn to(object: &Value) -> Self {
        let metadata = &object["metadata"];
        Self { name: text(&metadata["name"]).into(), uid: text(&metadata["uid"]).into() }
    }
}

impl Kubernetes {
    pub(super) fn of(namespace: &str, serviceaccount: Reference) -> Self {
        Self { namespace: namespace.into(), node: None, pod: None, secret: None, serviceaccount }
    }

    /// The objects that must exist for the token to be valid, with plural and namespace.
    ///
    /// The node of a pod is told for information only: the pod goes before it does.
    pub(super) fn bound(&self) -> impl Iterator<Item = (&'static str, &str, &Reference)> {
        let node = self.node.as_ref().filter(|_| self.pod.is_none());
        let namespace = self.namespace.as_str();
        [
            Some(("serviceaccounts", namespace, &self.serviceaccount)),
            self.pod.as_ref().map(|pod| ("pods", namespace, pod)),
            self.secret.as_ref().map(|secret| ("secrets", namespace, secret)),
            node.map(|node| ("nodes", "", node)),
        ]
        .into_iter()
        .flatten()
    }
}

impl Claims {
    pub(super) fn new(kubernetes: Kubernetes, aud: Vec<String>, now: Timestamp, expires: Timestamp) -> Self {
        Self {
            aud,
            exp: expires.as_second(),
            iat: now.as_second(),
            iss: ISSUER.into(),
            jti: uuid::Uuid::new_v4().to_string(),
            nbf: now.as_second(),
            sub: service_account_name(&kubernetes.namespace, &kubernetes.serviceaccount.name),
            kubernetes,
        }
    }

    /// For which of the audiences the token is meant, now.
    pub(super) fn check(&self, audiences: &[String], now: Timestamp) -> Result<Vec<String>, Refusal> {
        let now = now.as_second();
        if self.iss != ISSUER {
            return Err(Refusal::Malformed);
        }
        if now >= self.exp || now < self.nbf - CLOCK_TOLERANCE {
            return Err(Refusal::Time);
        }
        let meant: Vec<String> = audiences.iter().filter(|audience| self.aud.contains(audience)).cloned().collect();
        if meant.is_empty() { Err(Refusal::Audience) } else { Ok(meant) }
    }

    pub(super) fn user(&self) -> User {
        let account = &self.kubernetes.serviceaccount;
        let mut user = User::service_account(&self.kubernetes.namespace, &account.name, &account.uid);
        let mut tell = |key: &str, value: String| {
            user.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
        };
        tell("credential-id", format!("JTI={}", self.jti));
        for (kind, reference) in [("pod", &self.kubernetes.pod), ("node", &self.kubernetes.node)] {
            if let Some(reference) = reference {
                tell(&format!("{kind}-name"), reference.name.clone());
                tell(&format!("{kind}-uid"), reference.uid.clone());
            }
        }
        user
    }
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode_bytes(text: &str) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::Malformed)
}

pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    serde_json::from_slice(&decode_bytes(text)?).map_err(|_| Refusal::Malformed)
}
