use std::os::unix::fs::PermissionsExt as _;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

fn seconds(days: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(24 * days)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Every file below the directory with its text.
fn snapshot(directory: &Path) -> std::collections::BTreeMap<PathBuf, String> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(snapshot(&path));
        } else {
            found.insert(path.clone(), std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_second_start_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let sans = names(&["10.0.0.1", "Example.test", "::1"]);
    let first = load_or_create(directory.path(), &sans).unwrap();
    let before = snapshot(directory.path());
    let second = load_or_create(directory.path(), &sans).unwrap();
    assert_eq!(snapshot(directory.path()), before);
    assert_eq!(first.ca_hash(), second.ca_hash());
    assert_eq!(first.join_token(), second.join_token());
    assert_eq!(first.service_account_key(), second.service_account_key());
    assert!(first.join_token().starts_with(&format!("garrison.{}.", first.ca_hash())));
    for path in before.keys() {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn certificates_are_renewed_when_names_change_or_time_runs_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| std::fs::read_to_string(directory.path().join("pki").join(name)).unwrap();
    let now = Timestamp::now();
    load_at(directory.path(), &[], now).unwrap();
    let (ca, serving, client) = (file("ca.pem"), file("kube-apiserver.pem"), file("garrison-server.pem"));

    load_at(directory.path(), &names(&["10.0.0.1"]), now).unwrap();
    let with_address = file("kube-apiserver.pem");
    assert_ne!(with_address, serving);
    assert_eq!(file("garrison-server.pem"), client);

    let pki = load_at(directory.path(), &names(&["10.0.0.1"]), now + seconds(334)).unwrap();
    assert_eq!(file("kube-apiserver.pem"), with_address);
    let offered = pki.serving.0.load_full();
    pki.renew(now + seconds(336)).unwrap();
    assert_ne!(file("kube-apiserver.pem"), with_address);
    assert_ne!(file("garrison-server.pem"), client);
    assert_ne!(pki.serving.0.load_full().cert, offered.cert);
    assert_eq!(file("ca.pem"), ca);
}

#[test]
fn a_new_authority_outdates_what_the_old_one_signed() {
    let directory = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let old = load_at(directory.path(), &[], now - seconds(1)).unwrap();
    std::fs::remove_file(directory.path().join("pki/ca.pem")).unwrap();
    let new = load_at(directory.path(), &[], now).unwrap();
    assert_ne!(old.ca_hash(), new.ca_hash());
    assert_ne!(old.serving.0.load_full().cert, new.serving.0.load_full().cert);
    assert!(new.join_token().contains(&new.ca_hash()));
    assert_eq!(std::fs::read_to_string(directory.path().join("pki/ca.crt")).unwrap(), new.ca_pem());
}

#[test]
fn a_damaged_authority_is_an_error_and_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    load_or_create(directory.path(), &[]).unwrap();
    let path = directory.path().join("pki/ca.pem");
    std::fs::write(&path, "nonsense").unwrap();
    let error = load_or_create(directory.path(), &[]).unwrap_err();
    assert!(matches!(&error, Error::Malformed { path: named, .. } if *named == path), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "nonsense");
}

#[test]
fn impossible_names_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = load_or_create(directory.path(), &names(&["not a name"]));
    assert!(matches!(outcome, Err(Error::Name(name)) if name == "not a name"));
}

/// A signing request that asks for more than anybody would give.
fn greedy_request() -> (rcgen::KeyPair, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["kubernetes".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "garrison-admin");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, MASTERS);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    (key, request)
}

#[test]
fn a_signed_request_holds_what_the_server_decides() {
    let directory = tempfile::tempdir().unwrap();
    let pki = load_or_create(directory.path(), &[]).unwrap();
    let (_, request) = greedy_request();
    for (text, wanted) in [
        (pki.issue_node_client(&request, "n1").unwrap(), vec![]),
        (pki.issue_node_serving(&request, "n1", &names(&["10.0.0.7", "N1.lan"])).unwrap(), vec!["10.0.0.7", "n1", "n1.lan"]),
    ] {
        let der = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert_eq!(certificate.subject().to_string(), "O=system:nodes, CN=system:node:n1");
        assert!(!certificate.is_ca());
        assert!(pki.authority.is_good(&der, &names_of(&wanted), Timestamp::now()));
    }
    let reserved = pki.issue_node_serving(&request, "n1", &names(&["Kubernetes.default.svc"]));
    assert!(matches!(reserved, Err(Error::ReservedName(_))));
    assert!(matches!(pki.issue_node_client("nonsense", "n1"), Err(Error::Request(_))));
}

fn names_of(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Shakes hands with the server as `client`; the answer is the user the server saw, and what the client made of it.
async fn handshake(server: &Pki, client: ClientConfig) -> Result<Option<crate::identity::User>, io::Error> {
    let (near, far) = duplex(16 * 1024);
    let acceptor = TlsAcceptor::from(server.server_config().unwrap());
    let serve = async {
        let mut stream = acceptor.accept(near).await?;
        assert_eq!(stream.read_u8().await?, 7);
        let peer = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
        let user = peer.map(|der| crate::authenticate::user_of_certificate(&der).unwrap());
        Ok::<_, io::Error>((user, stream))
    };
    let connect = async {
        let name = ServerName::try_from("kubernetes.default.svc").unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, far).await?;
        stream.write_u8(7).await?;
        stream.flush().await.map(|()| stream)
    };
    let (served, connected) = tokio::join!(serve, connect);
    // Both ends live until here, so that neither sees the other vanish.
    let ((user, _), _) = (served?, connected?);
    Ok(user)
}

/// A client that trusts `pki` and shows the key and certificate of the PEM text, if any.
fn client(pki: &Pki, credential: Option<&str>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(pki.roots().unwrap());
    match credential.map(|text| authority::split(text).unwrap()) {
        Some((key, certificate)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

#[tokio::test]
async fn clients_are_known_by_certificates_of_this_cluster_only() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pki = load_at(directory.path(), &[], Timestamp::now()).unwrap();
    let other = load_at(elsewhere.path(), &[], Timestamp::now()).unwrap();

    let admin = handshake(&pki, client(&pki, Some(&pki.admin))).await.unwrap().unwrap();
    assert_eq!((admin.name.as_str(), admin.is_in(MASTERS)), (ADMIN_USER, true));

    let (key, request) = greedy_request();
    let certificate = pki.issue_node_client(&request, "n1").unwrap();
    let node = handshake(&pki, client(&pki, Some(&(key.serialize_pem() + &certificate)))).await.unwrap().unwrap();
    assert_eq!(node.node(), Some("n1"));

    assert_eq!(handshake(&pki, client(&pki, None)).await.unwrap(), None);
    // Of another cluster, the certificate or the trust.
    handshake(&pki, client(&pki, Some(&other.admin))).await.unwrap_err();
    handshake(&pki, client(&other, None)).await.unwrap_err();
    // What a node serves with is no proof of a user.
    let serving = pki.issue_node_serving(&request, "n1", &[]).unwrap();
    handshake(&pki, client(&pki, Some(&(key.serialize_pem() + &serving)))).await.unwrap_err();
}

#[test]
fn the_kubeconfig_holds_the_administrators_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let pki = load_or_create(directory.path(), &[]).unwrap();
    let text = pki.admin_kubeconfig("https://10.0.0.1:6443");
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": ")).unwrap();
        BASE64_STANDARD.decode(line).map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_else(|_| line.to_owned())
    };
    assert_eq!(value("server"), "\"https://10.0.0.1:6443\"");
    assert_eq!(value("certificate-authority-data"), pki.ca_pem());
    assert_eq!(value("client-key-data") + &value("client-certificate-data"), pki.admin);
}
