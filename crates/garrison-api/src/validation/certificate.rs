//! Certificate signing requests (upstream `pkg/apis/certificates/validation/validation.go`).

use super::fault::{At, Faults};
use crate::names;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::collections::BTreeSet;

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
/// The conditions that can only come to be, and the two of them by which an approver decides.
const DECISIONS: [&str; 2] = ["Approved", "Denied"];
const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
/// Shortest time for which a certificate may be asked.
const SHORTEST: i64 = 600;

/// A request about to be created.
pub(super) fn create(at: &At<'_>, faults: &mut Faults) {
    let spec = at.field("spec");
    let request = spec.field("request");
    if let Some(why) = pem_fault(request.text(), "CERTIFICATE REQUEST") {
        let shown = if request.value.is_null() { &Value::from("") } else { request.value };
        faults.invalid_value(&request, shown, &why);
    }
    let usages = spec.field("usages");
    if usages.is_empty() {
        faults.required(&usages, "");
    }
    let unknown = |usage: &At<'_>| !USAGES.contains(&usage.text());
    usages.items().filter(unknown).for_each(|usage| faults.not_supported(&usage, &USAGES));
    let mut seen = BTreeSet::new();
    for usage in usages.items().filter(|usage| !seen.insert(usage.text())) {
        faults.duplicate(&usage);
    }
    let signer = spec.field("signerName");
    match signer.text() {
        LEGACY_SIGNER => faults.invalid(&signer, "the legacy signerName is not allowed via this API version"),
        _ => signer_name(&signer, faults),
    }
    let seconds = spec.field("expirationSeconds");
    if !seconds.value.is_null() && seconds.number() < SHORTEST {
        faults.invalid(&seconds, "may not specify a duration less than 600 seconds (10 minutes)");
    }
}

/// An update, through the object's own path or a subresource's.
pub(super) fn update(subresource: Option<&str>, old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (before, now) = (old.field("status"), new.field("status"));
    conditions(&now.field("conditions"), faults);
    let place = now.field("conditions");
    for kind in FINAL {
        let (had, has) = (of_type(&before, kind), of_type(&now, kind));
        if has.len() < had.len() {
            faults.forbidden(&place, &format!("updates may not remove a condition of type {kind:?}"));
        } else if subresource != Some("approval") && DECISIONS.contains(&kind) {
            if has.len() > had.len() {
                faults.forbidden(&place, &format!("updates may not add a condition of type {kind:?}"));
            } else if has != had {
                faults.forbidden(&place, &format!("updates may not modify a condition of type {kind:?}"));
            }
        }
    }
    let (had, has) = (before.field("certificate"), now.field("certificate"));
    if had.text() == has.text() {
        return;
    }
    match (subresource, had.is_empty()) {
        (Some("status"), true) => {
            if let Some(why) = pem_fault(has.text(), "CERTIFICATE") {
                faults.invalid_value(&has, &"<certificate data>".into(), &why);
            }
        }
        (Some("status"), false) => faults.forbidden(&has, "updates may not modify existing certificate content"),
        _ => faults.forbidden(&has, "updates may not set certificate content"),
    }
}

fn of_type<'a>(status: &At<'a>, kind: &str) -> Vec<&'a Value> {
    status.field("conditions").items().map(|condition| condition.value).filter(|condition| condition["type"] == kind).collect()
}

fn conditions(at: &At<'_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for condition in at.items() {
        let (kind, status) = (condition.field("type"), condition.field("status"));
        if kind.is_empty() {
            faults.required(&kind, "");
        }
        let allowed: &[&str] = if FINAL.contains(&kind.text()) { &["True"] } else { &["False", "True", "Unknown"] };
        faults.one_of(&status, allowed);
        let other = DECISIONS.iter().find(|other| DECISIONS.contains(&kind.text()) && **other != kind.text());
        if other.is_some_and(|other| seen.contains(other)) {
            faults.invalid(&kind, "Approved and Denied conditions are mutually exclusive");
        }
        if !seen.insert(kind.text()) {
            faults.duplicate(&kind);
        }
    }
}

/// Why a base64 text holds no PEM block of that type; `None` when it does, or for certificates, when it holds nothing.
fn pem_fault(text: &str, kind: &str) -> Option<String> {
    let decoded = STANDARD.decode(text).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded);
    let mut blocks = decoded.split("-----BEGIN ").skip(1).peekable();
    let is_request = kind == "CERTIFICATE REQUEST";
    if blocks.peek().is_none() {
        return match (is_request, text.is_empty()) {
            (true, _) => Some("PEM block type must be CERTIFICATE REQUEST".into()),
            (false, true) => None,
            (false, false) => Some("must contain at least one CERTIFICATE PEM block".into()),
        };
    }
    for block in blocks {
        let (found, rest) = block.split_once("-----").unwrap_or((block, ""));
        if found != kind {
            let only = format!("only CERTIFICATE PEM blocks are allowed, found {found:?}");
            return Some(if is_request { "PEM block type must be CERTIFICATE REQUEST".into() } else { only });
        }
        let body: String = rest.split("-----END ").next().unwrap_or_default().split_whitespace().collect();
        // Every certificate and every request is a sequence.
        if STANDARD.decode(body).map_or(true, |der| der.first() != Some(&0x30)) {
            return Some("asn1: structure error: tags don't match".into());
        }
    }
    None
}

/// `example.com/signer-name`.
fn signer_name(at: &At<'_>, faults: &mut Faults) {
    let name = at.text();
    if name.is_empty() {
        return faults.required(at, "");
    }
    let Some((domain, path)) = name.split_once('/').filter(|(_, path)| !path.contains('/')) else {
        return faults.invalid(at, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    };
    if domain.len() > 253 {
        faults.too_long(at, 253);
    }
    for label in domain.split('.') {
        if let Some(why) = names::dns_label_fault(label) {
            faults.invalid_value(at, &domain.into(), &format!("validating label {label:?}: {why}"));
        }
    }
    if !domain.contains('.') {
        faults.invalid_value(at, &domain.into(), "should be a domain with at least two segments separated by dots");
    }
    for label in path.split('.') {
        if let Some(why) = names::dns_subdomain_fault(label) {
            faults.invalid_value(at, &path.into(), &format!("validating label {label:?}: {why}"));
        }
    }
}
