use http::HeaderValue;
use http::header::AUTHORIZATION;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::*;
use crate::authenticate::user_of_certificate;
use crate::tls::load_or_create;

fn with_token(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())])
}

fn signing_request() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
}

#[test]
fn who_shows_the_token_gets_certified() {
    let directory = tempfile::tempdir().unwrap();
    let pki = load_or_create(directory.path(), &[]).unwrap();
    let ask = |headers: &HeaderMap, node: &str, address: &str, request: &str| {
        let body = json!({"nodeName": node, "addresses": [address], "clientCsr": request, "servingCsr": signing_request()});
        join(&pki, headers, body.to_string().as_bytes()).map_err(|status| (status.code, status.message))
    };
    let good = with_token(pki.join_token());
    let answer = ask(&good, "n1.rack-2", "10.0.0.1", &signing_request()).unwrap();
    assert_eq!(answer["ca"], pki.ca_pem());
    let der = CertificateDer::from_pem_slice(answer["clientCertificate"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(user_of_certificate(&der).unwrap().node(), Some("n1.rack-2"));
    assert!(answer["servingCertificate"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));

    let secret = pki.join_token().rsplit_once('.').unwrap().1;
    for headers in [HeaderMap::new(), with_token(secret), with_token(&pki.join_token().to_uppercase())] {
        assert_eq!(ask(&headers, "n1", "10.0.0.1", &signing_request()).unwrap_err().0, 401);
    }
    for (node, address, request, fault) in [
        ("", "10.0.0.1", signing_request(), "nodeName: \"\" is not a lowercase RFC 1123 subdomain"),
        ("N1", "10.0.0.1", signing_request(), "nodeName"),
        ("n1", "not an address", signing_request(), "addresses: \"not an address\" is neither a DNS name nor an IP address"),
        ("n1", "kubernetes", signing_request(), "addresses: \"kubernetes\" is a name of the API server"),
        ("n1", "10.0.0.1", "nonsense".into(), "clientCsr: certificate signing request"),
    ] {
        let (code, message) = ask(&good, node, address, &request).unwrap_err();
        assert_eq!(code, 400, "{message}");
        assert!(message.starts_with(fault), "{message}");
    }
    assert_eq!(join(&pki, &good, b"{}").unwrap_err().code, 400);
}

#[test]
fn node_names_are_subdomains() {
    for name in ["n", "n1", "1", "node-1.example.org", "10.0.0.1"] {
        assert!(is_node_name(name), "{name}");
    }
    for name in ["", ".", "a.", "-a", "a-", "a_b", "A", "a b", "a/b", "a:b", "ä"] {
        assert!(!is_node_name(name), "{name}");
    }
    assert!(is_node_name(&"a".repeat(253)) && !is_node_name(&"a".repeat(254)));
}
