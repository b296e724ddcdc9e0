//! Who asks, by the certificate shown.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The organisation of those who may do everything.
const MASTERS: &str = "system:masters";

/// What a client may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Everything.
    Master,
    /// Nothing: its certificate is genuine, but not of the right organisation.
    Other,
    /// Nothing: it has shown no certificate.
    Unknown,
}

impl Caller {
    /// Judges a chain that the handshake has verified.
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Self {
        let Some(certificate) = chain.and_then(<[_]>::first) else { return Self::Unknown };
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Self::Other };
        let mut organizations = certificate.subject().iter_organization();
        if organizations.any(|name| name.as_str().is_ok_and(|name| name == MASTERS)) { Self::Master } else { Self::Other }
    }
}
