//! The bearer token of a `WebSocket` client in a browser, which can send it only as the name of a protocol.

use crate::websocket::{self, BEARER};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use garrison_api::Status;
use http::HeaderMap;

/// The token, if the client sends one this way.
///
/// # Errors
/// 401 for a token that cannot be read, for several, and for one without a protocol that could be spoken.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<String>, Status> {
    if !websocket::is_asked(headers) {
        return Ok(None);
    }
    let mut encoded = websocket::all_protocols(headers).filter_map(|protocol| protocol.strip_prefix(BEARER));
    let Some(first) = encoded.next() else { return Ok(None) };
    if encoded.next().is_some() || websocket::protocols(headers).next().is_none() {
        return Err(Status::unauthorized());
    }
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(first).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.filter(|token| !token.is_empty()).map(Some).ok_or_else(Status::unauthorized)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

    #[test]
    fn a_token_comes_along_with_a_protocol() {
        let found = |upgrade: &'static str, protocols: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, "keep-alive, Upgrade".parse().unwrap());
            headers.insert(UPGRADE, upgrade.parse().unwrap());
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
            token(&headers).map_err(|status| status.code)
        };
        let good = "base64url.bearer.authorization.k8s.io.YS5iLmM_, v4.channel.k8s.io";
        assert_eq!(found("websocket", good), Ok(Some("a.b.c?".into())));
        assert_eq!(found("SPDY/3.1", good), Ok(None));
        assert_eq!(found("websocket", "v4.channel.k8s.io"), Ok(None));
        for bad in [
            "base64url.bearer.authorization.k8s.io.YQ",
            "base64url.bearer.authorization.k8s.io.YQ,base64url.bearer.authorization.k8s.io.Yg,v4.channel.k8s.io",
            "base64url.bearer.authorization.k8s.io.Y?,v4.channel.k8s.io",
            "base64url.bearer.authorization.k8s.io.,v4.channel.k8s.io",
        ] {
            assert_eq!(found("websocket", bad), Err(401), "{bad}");
        }
    }
}
