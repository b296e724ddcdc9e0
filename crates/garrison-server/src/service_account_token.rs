//! Tokens of service accounts: signed (JWT, ES256), for an audience, until a time, bound to objects that must still exist.

use garrison_api::Status;
use garrison_api::status_error::Cause;
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::identity::{Objects, User};
use claims::{Claims, Kubernetes, Reference};

mod claims;
#[cfg(test)]
mod tests;

/// Who vouches for the tokens, and the audience of those that are meant for this API.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

const DEFAULT_LIFETIME: i64 = 3600;
const SHORTEST_LIFETIME: i64 = 600;
const LONGEST_LIFETIME: i64 = 1 << 32;
/// How far ahead the clock of the server that issued a token may be.
const CLOCK_TOLERANCE: i64 = 60;

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not a JWT of ours.
    #[error("the token is malformed")]
    Malformed,
    /// Somebody else signed it.
    #[error("the signature is wrong")]
    Signature,
    /// It is meant for somebody else.
    #[error("the token is for other audiences")]
    Audience,
    /// It is not valid yet, or no longer.
    #[error("the token has expired or is not valid yet")]
    Time,
    /// The service account or another object it is bound to has been deleted or replaced.
    #[error("{0} is gone")]
    Gone(String),
}

/// Issues and verifies the tokens of a cluster.
pub struct TokenAuthority {
    key: EcdsaKeyPair,
    key_id: String,
}

impl TokenAuthority {
    /// The authority with this key (PKCS #8, ECDSA P-256).
    pub fn new(pkcs8: &[u8]) -> Result<Self, ring::error::KeyRejected> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new())?;
        let key_id = claims::encode(digest::digest(&digest::SHA256, key.public_key().as_ref()));
        Ok(Self { key, key_id })
    }

    /// Answers a `TokenRequest` for a service account: the request with its status filled in.
    ///
    /// A node gets tokens for its own pods only.
    pub async fn issue(
        &self,
        user: &User,
        account: &Value,
        request: &Value,
        objects: &dyn Objects,
        now: Timestamp,
    ) -> Result<Value, Status> {
        let seconds = lifetime(account, request)?;
        let audiences = audiences(request);
        let namespace = text(&account["metadata"]["namespace"]);
        let mut kubernetes = Kubernetes::of(namespace, Reference::to(account));
        let bound = find_bound(account, &request["spec"]["boundObjectRef"], objects).await?;
        if let Some(node) = user.node() {
            check_node(node, bound.as_ref())?;
        }
        match &bound {
            Some(("Pod", pod)) => {
                kubernetes.pod = Some(Reference::to(pod));
                let node = text(&pod["spec"]["nodeName"]);
                kubernetes.node = objects.find("nodes", "", node).await.as_ref().map(Reference::to);
            }
            Some(("Secret", secret)) => kubernetes.secret = Some(Reference::to(secret)),
            Some((_, node)) => kubernetes.node = Some(Reference::to(node)),
            None => {}
        }
        let expires = now.checked_add(SignedDuration::from_secs(seconds)).map_err(Status::internal)?;
        let claims = Claims::new(kubernetes, audiences.clone(), now, expires);
        let token = self.sign(&claims)?;
        let mut spec = json!({"audiences": audiences, "expirationSeconds": seconds});
        if let Some(reference) = request["spec"].get("boundObjectRef") {
            spec["boundObjectRef"] = reference.clone();
        }
        let whole = Timestamp::from_second(now.as_second()).map_err(Status::internal)?;
        let until = Timestamp::from_second(expires.as_second()).map_err(Status::internal)?;
        Ok(json!({
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": account["metadata"]["name"], "namespace": namespace, "creationTimestamp": whole.to_string()},
            "spec": spec,
            "status": {"token": token, "expirationTimestamp": until.to_string()},
        }))
    }

    /// The service account behind a token that is meant for one of the audiences, while all it is bound to exists; and for
    /// which of them it is.
    ///
    /// # Errors
    /// When it is not valid.
    pub async fn review(
        &self,
        token: &str,
        audiences: &[String],
        objects: &dyn Objects,
        now: Timestamp,
    ) -> Result<(User, Vec<String>), Refusal> {
        let claims = self.verify(token)?;
        let meant_for = claims.check(audiences, now)?;
        for (plural, namespace, reference) in claims.kubernetes.bound() {
            let found = objects.find(plural, namespace, &reference.name).await;
            if found.is_none_or(|object| object["metadata"]["uid"] != reference.uid) {
                return Err(Refusal::Gone(format!("{plural} {:?}", reference.name)));
            }
        }
        Ok((claims.user(), meant_for))
    }

    /// The public key, for whoever verifies tokens himself: the answer at `/openid/v1/jwks`.
    pub fn jwks(&self) -> Value {
        let point = self.key.public_key().as_ref();
        // An uncompressed point: a tag, then both coordinates in the same length.
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        let (x, y) = (claims::encode(x), claims::encode(y));
        json!({"keys": [{"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}]})
    }

    /// Where the keys are: the answer at `/.well-known/openid-configuration`.
    pub fn discovery(server_url: &str) -> Value {
        json!({
            "issuer": ISSUER,
            "jwks_uri": format!("{}/openid/v1/jwks", server_url.trim_end_matches('/')),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    fn sign(&self, claims: &Claims) -> Result<String, Status> {
        let header = json!({"alg": "ES256", "kid": self.key_id}).to_string();
        let body = serde_json::to_string(claims).map_err(Status::internal)?;
        let text = format!("{}.{}", claims::encode(header), claims::encode(body));
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).map_err(Status::internal)?;
        Ok(format!("{text}.{}", claims::encode(signature)))
    }

    fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        let (text, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, body) = text.split_once('.').ok_or(Refusal::Malformed)?;
        let header: Value = claims::decode(header)?;
        if header["alg"] != "ES256" {
            return Err(Refusal::Malformed);
        }
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key());
        key.verify(text.as_bytes(), &claims::decode_bytes(signature)?).map_err(|_| Refusal::Signature)?;
        claims::decode(body)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn audiences(request: &Value) -> Vec<String> {
    let given = request["spec"]["audiences"].as_array().map(|list| list.iter().map(|one| text(one).to_owned()).collect());
    given.filter(|list: &Vec<String>| !list.is_empty()).unwrap_or_else(|| vec![ISSUER.into()])
}

fn lifetime(account: &Value, request: &Value) -> Result<i64, Status> {
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(DEFAULT_LIFETIME);
    let fault = match seconds {
        ..SHORTEST_LIFETIME => "may not specify a duration less than 10 minutes",
        SHORTEST_LIFETIME..=LONGEST_LIFETIME => return Ok(seconds),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let cause = Cause {
        reason: "FieldValueInvalid".into(),
        message: format!("Invalid value: {seconds}: {fault}"),
        field: "spec.expirationSeconds".into(),
    };
    Err(Status::invalid("authentication.k8s.io", "TokenRequest", text(&account["metadata"]["name"]), vec![cause]))
}

/// The object to which the token is to be bound, with its kind.
async fn find_bound(account: &Value, reference: &Value, objects: &dyn Objects) -> Result<Option<(&'static str, Value)>, Status> {
    if reference.is_null() {
        return Ok(None);
    }
    let (kind, name, uid) = (text(&reference["kind"]), text(&reference["name"]), text(&reference["uid"]));
    let own_namespace = text(&account["metadata"]["namespace"]);
    let (kind, plural, namespace) = match (text(&reference["apiVersion"]), kind) {
        ("v1", "Pod") => ("Pod", "pods", own_namespace),
        ("v1", "Secret") => ("Secret", "secrets", own_namespace),
        ("v1", "Node") => ("Node", "nodes", ""),
        (version, kind) => {
            return Err(Status::bad_request(format!("cannot bind token to object of type {version}, Kind={kind}")));
        }
    };
    let object = objects.find(plural, namespace, name).await.ok_or_else(|| Status::not_found("", plural, name))?;
    if !uid.is_empty() && object["metadata"]["uid"] != uid {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. \
             The object might have been deleted and then recreated"
        );
        return Err(Status::conflict("", plural, name, &why));
    }
    let account_name = text(&account["metadata"]["name"]);
    if kind == "Pod" && object["spec"]["serviceAccountName"] != account_name {
        let message =
            format!("cannot bind token for serviceaccount {account_name:?} to pod running with different serviceaccount name.");
        return Err(Status::bad_request(message));
    }
    Ok(Some((kind, object)))
}

/// A node may only act for the pods that run on it.
fn check_node(node: &str, bound: Option<&(&'static str, Value)>) -> Result<(), Status> {
    let why = match bound {
        Some(("Pod", pod)) if pod["spec"]["nodeName"] == node => return Ok(()),
        Some(("Pod", _)) => "node requested token bound to a pod scheduled on a different node",
        _ => "node requested token not bound to a pod",
    };
    Err(Status::forbidden("", "serviceaccounts", "", why))
}
