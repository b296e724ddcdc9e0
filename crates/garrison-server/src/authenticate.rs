//! Who is asking: client certificates, bearer tokens; nobody in particular without either. And as whom, if as somebody else.

use std::sync::Arc;

use garrison_api::Status;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use ring::digest;
use x509_parser::x509::X509Name;

use crate::identity::{AUTHENTICATED, MASTERS, Objects, User};
use crate::service_account_token::{ISSUER, Refusal, TokenAuthority};

pub(crate) mod impersonation;
mod protocol;
#[cfg(test)]
mod tests;

/// Finds out who sent a request.
pub struct Authenticator {
    tokens: Arc<TokenAuthority>,
    objects: Arc<dyn Objects>,
    admin_token: Option<String>,
}

impl Authenticator {
    /// An authenticator that takes the tokens of this authority while the objects they are bound to exist.
    pub fn new(tokens: Arc<TokenAuthority>, objects: Arc<dyn Objects>) -> Self {
        Self { tokens, objects, admin_token: None }
    }

    /// Takes this bearer token for an administrator, too.
    #[must_use]
    pub fn with_admin_token(mut self, token: Option<String>) -> Self {
        self.admin_token = token.filter(|token| !token.is_empty());
        self
    }

    /// The user behind the request's credentials; 401 if they are not valid.
    ///
    /// `peer_certificate` is the DER of the client's certificate, already verified by TLS.
    pub async fn authenticate(&self, headers: &HeaderMap, peer_certificate: Option<&[u8]>) -> Result<User, Status> {
        match (peer_certificate, bearer(headers)) {
            (Some(certificate), _) => user_of_certificate(certificate).ok_or_else(Status::unauthorized),
            (None, Some(token)) => self.user_of_token(token).await,
            (None, None) => match protocol::token(headers)? {
                Some(token) => self.user_of_token(&token).await,
                None => Ok(User::anonymous()),
            },
        }
    }

    async fn user_of_token(&self, token: &str) -> Result<User, Status> {
        let reviewed = self.review(token, &[]).await;
        reviewed.map(|(user, _)| user).map_err(|refusal| {
            tracing::debug!(%refusal, "bearer token refused");
            Status::unauthorized()
        })
    }

    /// The user behind a bearer token, and for which of the audiences it is; none stands for this API.
    ///
    /// # Errors
    /// Says why the token is not accepted.
    pub async fn review(&self, token: &str, audiences: &[String]) -> Result<(User, Vec<String>), Refusal> {
        let own = [ISSUER.to_owned()];
        let audiences = if audiences.is_empty() { &own } else { audiences };
        if self.admin_token.as_deref().is_some_and(|admin| is_same_secret(admin, token)) {
            return Ok((User::new("garrison-admin", [MASTERS, AUTHENTICATED]), own.into()));
        }
        self.tokens.review(token, audiences, self.objects.as_ref(), Timestamp::now()).await
    }
}

/// The bearer token of the request, if it has one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// Compares by hash: how long it takes tells nothing about the secret.
pub(crate) fn is_same_secret(one: &str, other: &str) -> bool {
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    hash(one).as_ref() == hash(other).as_ref()
}

/// The user whom a certificate names: common name and organizations are user name and groups.
pub(crate) fn user_of_certificate(der: &[u8]) -> Option<User> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let subject: &X509Name<'_> = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?;
    let groups = subject.iter_organization().filter_map(|organization| organization.as_str().ok());
    Some(User::new(name, groups.chain([AUTHENTICATED]))).filter(|user| !user.name.is_empty())
}
