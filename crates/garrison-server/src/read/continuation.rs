//! The token with which a client asks for the next page of a list.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use garrison_api::Status;
use garrison_store::Revision;
use serde::{Deserialize, Serialize};

/// Where a list goes on. Opaque to clients.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Continuation {
    /// The revision that all pages are of; `None` takes the rest as it is.
    #[serde(rename = "rv")]
    pub(crate) revision: Option<Revision>,
    /// Key of the first object of the page.
    pub(crate) start: String,
}

impl Continuation {
    pub(crate) fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("a number and a text can be serialized"))
    }

    pub(crate) fn decode(token: &str) -> Result<Self, Status> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok();
        let decoded = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        decoded.ok_or_else(|| {
            Status::bad_request("invalid continue token: continue key is not valid: it was not made by this server")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        for revision in [None, Some(0), Some(u64::MAX)] {
            let token = Continuation { revision, start: "pods/ä/?&".into() };
            assert_eq!(Continuation::decode(&token.encode()), Ok(token));
        }
        for bad in ["", "x", "e30", "////"] {
            assert_eq!(Continuation::decode(bad).map_err(|status| status.code), Err(400), "{bad}");
        }
    }
}
