//! The ConfigMaps, Secrets and tokens that pods of this node use.
//!
//! Asked of the server each time, and remembered on disk: when the server is away, what it last said is used.

use crate::checkpoint::Records;
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::{ConfigMap, Node, Pod, Secret, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{Api, Client, api::PostParams, core::NamespaceResourceScope};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt::Debug, io, path::Path, time::Duration};

/// A server that does not answer by then is taken for away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why an object cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The server knows no such object.
    #[error("{kind} {name:?} not found")]
    NotFound {
        /// `configmap`, `secret` …
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The server refuses, or is away and the object was never asked for before.
    #[error("fetching {kind} {name:?}: {why}")]
    Unavailable {
        /// `configmap`, `secret` …
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
}

/// A service account's token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Token {
    /// The token.
    pub token: String,
    /// When it was issued, by this machine's clock.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl Token {
    /// When it is to be replaced: after four fifths of its life, or a day.
    pub fn renew_at(&self) -> Timestamp {
        let life = self.expires.duration_since(self.issued);
        let share = (life / 5 * 4).min(jiff::SignedDuration::from_hours(24));
        self.issued.saturating_add(share).unwrap_or(self.expires)
    }
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenFor<'a> {
    /// The pod it is bound to.
    pub pod: &'a Pod,
    /// Audience; empty: the server.
    pub audience: &'a str,
    /// Life wished for.
    pub seconds: i64,
}

/// Where objects come from.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    records: Records,
}

impl Objects {
    /// Objects of the server behind `client`, remembered below `data_dir`.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(client: Client, data_dir: &Path) -> io::Result<Self> {
        Ok(Self { client, records: Records::open(data_dir.join("objects"))? })
    }

    /// A ConfigMap.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn config_map(&self, namespace: &str, name: &str) -> Result<ConfigMap, ObjectError> {
        self.get("configmap", namespace, name).await
    }

    /// A Secret.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, ObjectError> {
        self.get("secret", namespace, name).await
    }

    /// A service account, for its image pull secrets.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<ServiceAccount, ObjectError> {
        self.get("serviceaccount", namespace, name).await
    }

    /// This node, as the server has it at this moment.
    pub async fn live_node(&self, name: &str) -> Option<Node> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        tokio::time::timeout(PATIENCE, nodes.get(name)).await.ok()?.ok()
    }

    async fn get<K>(&self, kind: &'static str, namespace: &str, name: &str) -> Result<K, ObjectError>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
    {
        let key = format!("{kind}_{namespace}_{name}");
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let answer = tokio::time::timeout(PATIENCE, api.get(name)).await;
        let why = match answer {
            Ok(Ok(object)) => {
                self.remember(&key, &object);
                return Ok(object);
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                self.records.remove(&key);
                return Err(ObjectError::NotFound { kind, name: name.into() });
            }
            Ok(Err(kube::Error::Api(status))) if status.code < 500 => {
                return Err(ObjectError::Unavailable { kind, name: name.into(), why: status.message.clone() });
            }
            Ok(Err(error)) => crate::join::chain(&error),
            Err(_) => "the server does not answer".into(),
        };
        self.records.get(&key).ok_or_else(|| ObjectError::Unavailable { kind, name: name.into(), why })
    }

    fn remember(&self, key: &str, object: &impl Serialize) {
        if let Err(error) = self.records.put(key, object) {
            tracing::warn!(key, %error, "cannot remember an object for when the server is away");
        }
    }

    /// A token of the pod's service account: the one at hand while it is young, else a new one.
    ///
    /// # Errors
    /// When there is none and none can be had.
    pub async fn token(&self, wanted: &TokenFor<'_>) -> Result<Token, ObjectError> {
        let metadata = &wanted.pod.metadata;
        let (namespace, uid) = (metadata.namespace.as_deref().unwrap_or("default"), metadata.uid.as_deref().unwrap_or_default());
        let account = service_account_name(wanted.pod);
        let key = token_key(uid, wanted.audience);
        let known: Option<Token> = self.records.get(&key);
        let now = Timestamp::now();
        if let Some(known) = known.as_ref().filter(|known| known.renew_at() > now) {
            return Ok(known.clone());
        }
        let why = match tokio::time::timeout(PATIENCE, self.request(namespace, account, wanted)).await {
            Ok(Ok(Some(token))) => {
                self.remember(&key, &token);
                return Ok(token);
            }
            Ok(Ok(None)) => "the server's answer holds no token".into(),
            Ok(Err(kube::Error::Api(status))) => status.message.clone(),
            Ok(Err(error)) => crate::join::chain(&error),
            Err(_) => "the server does not answer".into(),
        };
        // An old token is of use to whoever checks it leniently, and does no harm elsewhere.
        known.ok_or_else(|| ObjectError::Unavailable { kind: "token of serviceaccount", name: account.into(), why })
    }

    async fn request(&self, namespace: &str, account: &str, wanted: &TokenFor<'_>) -> kube::Result<Option<Token>> {
        let metadata = &wanted.pod.metadata;
        let bound = BoundObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
        };
        let audiences = (!wanted.audience.is_empty()).then(|| vec![wanted.audience.to_owned()]);
        let spec = TokenRequestSpec { audiences, expiration_seconds: Some(wanted.seconds), bound_object_ref: Some(bound) };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let issued = Timestamp::now();
        let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
        Ok(answer.status.and_then(|status| {
            let Time(expires) = status.expiration_timestamp?;
            Some(Token { token: status.token?, issued, expires })
        }))
    }

    /// Forgets what was kept for a pod.
    pub fn forget_tokens(&self, pod: &Pod, audiences: &[&str]) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        audiences.iter().for_each(|audience| self.records.remove(&token_key(uid, audience)));
    }
}

fn token_key(uid: &str, audience: &str) -> String {
    // Audiences may be URLs.
    let audience: String = audience.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    format!("token_{uid}_{audience}")
}

/// The service account a pod runs as.
pub fn service_account_name(pod: &Pod) -> &str {
    let name = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
    name.filter(|name| !name.is_empty()).unwrap_or("default")
}
