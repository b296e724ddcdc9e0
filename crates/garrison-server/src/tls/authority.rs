//! The cluster's certificate authority: what it signs, for how long, and how its certificates are read again.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::Error;

const DAY: Duration = Duration::from_secs(24 * 3600);
const AUTHORITY_LIFETIME: Duration = DAY.saturating_mul(3650);
const CERTIFICATE_LIFETIME: Duration = DAY.saturating_mul(365);
/// A certificate with less time left is replaced.
const RENEWAL_MARGIN: Duration = DAY.saturating_mul(30);
/// Certificates are valid from a little before now, for machines whose clocks are behind.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3600);

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Prove a user's identity to the server.
    Client,
    /// Prove a server's identity to its clients.
    Serving,
}

/// What a certificate says of its owner.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) common_name: &'a str,
    pub(super) organization: &'a str,
    pub(super) purpose: Purpose,
    /// DNS names and IP addresses.
    pub(super) names: &'a BTreeSet<String>,
}

/// The key that signs, and the certificate that everybody trusts.
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    certificate_text: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority, and the PEM text of its key and certificate.
    pub(super) fn generate(now: Timestamp) -> Result<(Self, String), Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        // The time makes the name unique: a client offered certificates of an earlier cluster can tell them apart.
        params.distinguished_name = distinguished_name(&format!("garrison-ca@{}", now.as_second()), "");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        set_validity(&mut params, now, AUTHORITY_LIFETIME);
        let certificate = params.self_signed(&key)?;
        let text = format!("{}{}", key.serialize_pem(), certificate.pem());
        Ok((Self::from_pem(&text)?, text))
    }

    /// The authority in a PEM text of key and certificate.
    pub(super) fn from_pem(text: &str) -> Result<Self, Error> {
        let (key, certificate) = split(text)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, KeyPair::try_from(&key)?)?;
        Ok(Self { certificate, certificate_text: split_text(text).1.into(), issuer })
    }

    /// The certificate that everybody trusts.
    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The PEM of that certificate.
    pub(super) fn certificate_text(&self) -> &str {
        &self.certificate_text
    }

    /// Makes a key and its certificate; the answer is the PEM text of both.
    pub(super) fn issue(&self, subject: &Subject<'_>, now: Timestamp) -> Result<String, Error> {
        let key = KeyPair::generate()?;
        let certificate = self.certify(subject, &key, now)?;
        Ok(format!("{}{certificate}", key.serialize_pem()))
    }

    /// Certifies the key of a PEM signing request. Nothing but the key is taken from the request.
    pub(super) fn sign(&self, request: &str, subject: &Subject<'_>, now: Timestamp) -> Result<String, Error> {
        let request = CertificateSigningRequestParams::from_pem(request).map_err(Error::Request)?;
        self.certify(subject, &request.public_key, now)
    }

    fn certify(&self, subject: &Subject<'_>, key: &impl PublicKeyData, now: Timestamp) -> Result<String, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(subject.common_name, subject.organization);
        params.subject_alt_names = subject.names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match subject.purpose {
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Purpose::Serving => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, CERTIFICATE_LIFETIME);
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }

    /// Whether the certificate is of this authority, says what it should, and is not about to expire.
    pub(super) fn is_good(&self, certificate: &CertificateDer<'_>, names: &BTreeSet<String>, now: Timestamp) -> bool {
        let (Ok((_, own)), Ok((_, other))) =
            (x509_parser::parse_x509_certificate(&self.certificate), x509_parser::parse_x509_certificate(certificate))
        else {
            return false;
        };
        let left = other.validity().not_after.timestamp().saturating_sub(now.as_second());
        let margin = i64::try_from(RENEWAL_MARGIN.as_secs()).unwrap_or(i64::MAX);
        left > margin && other.issuer().as_raw() == own.subject().as_raw() && alternative_names(&other) == *names
    }
}

/// Key and certificate of a PEM text that holds both.
pub(super) fn split(text: &str) -> Result<(PrivateKeyDer<'static>, CertificateDer<'static>), Error> {
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())?;
    Ok((key, CertificateDer::from_pem_slice(text.as_bytes())?))
}

/// The same as texts: the PEM of the key, and that of the certificate which follows it.
pub(super) fn split_text(text: &str) -> (&str, &str) {
    text.split_at(text.find("-----BEGIN CERTIFICATE-----").unwrap_or(text.len()))
}

fn distinguished_name(common_name: &str, organization: &str) -> rcgen::DistinguishedName {
    let mut name = rcgen::DistinguishedName::new();
    if !organization.is_empty() {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    name
}

fn set_validity(params: &mut CertificateParams, now: Timestamp, lifetime: Duration) {
    let now = Duration::from_secs(now.as_second().try_into().unwrap_or(0));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(CLOCK_TOLERANCE);
    params.not_after = epoch + now + lifetime;
}

fn alternative_name(name: &str) -> Result<SanType, Error> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let name = DnsName::try_from(name).map_err(|_| Error::Name(name.into()))?;
    Ok(SanType::DnsName(name.as_ref().try_into()?))
}

fn alternative_names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    extension.value.general_names.iter().filter_map(text_of).collect()
}

fn text_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).into()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|octets| IpAddr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*octets).ok().map(|octets| IpAddr::from(octets).to_string()),
        },
        _ => None,
    }
}
