//! Certificates and users: what works, and what those are told who show the wrong ones.

use super::*;
use crate::{
    Expect,
    contract::{contents, put},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::{path::PathBuf, process::Command};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate for this machine and its key.
    fn issue(&self, dir: &tempfile::TempDir, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (write(dir, &format!("{name}.crt"), &certificate.pem()), write(dir, &format!("{name}.key"), &key.serialize_pem()))
    }

    fn file(&self, dir: &tempfile::TempDir, name: &str) -> PathBuf {
        write(dir, name, &self.0.pem())
    }
}

fn write(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

async fn refused(config: Config) -> String {
    match Etcd::<Text>::open(config).await {
        Ok(_) => panic!("it was let in"),
        Err(error @ OpenError::Refused(_)) => error.to_string(),
        Err(other) => panic!("it was not refused but {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_users_let_in_whom_they_should() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ca = authority.file(&dir, "ca.crt");
    let (certificate, key) = authority.issue(&dir, "server");
    let flag = |name: &str, path: &PathBuf| format!("--{name}={}", path.display());
    let etcd = Process::start(vec![
        flag("cert-file", &certificate),
        flag("key-file", &key),
        flag("trusted-ca-file", &ca),
        "--client-cert-auth".into(),
    ]);
    let url = format!("https://127.0.0.1:{}", etcd.port());
    let anonymous = Config { ca_file: Some(ca.clone()), ..Config::new(vec![url.clone()]) };
    let known = Config { identity: Some(authority.issue(&dir, "client")), ..anonymous.clone() };
    let store = Etcd::<Text>::open(known.clone()).await.unwrap();
    store.write(put("c/a", "1", Expect::Absent)).await.unwrap();

    let other_ca = Some(stranger.file(&dir, "other.crt"));
    let why = refused(Config { ca_file: other_ca, ..known.clone() }).await;
    assert!(why.contains("invalid peer certificate"), "{why}");
    let why = refused(anonymous).await;
    assert!(why.contains("received fatal alert"), "{why}");
    let why = refused(Config { identity: Some(stranger.issue(&dir, "stranger")), ..known.clone() }).await;
    assert!(why.contains("received fatal alert"), "{why}");

    let etcdctl = |arguments: &[&str]| {
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args([format!("--endpoints={url}"), flag("cacert", &ca), flag("cert", &certificate), flag("key", &key)])
            .args(arguments)
            .output()
            .expect("etcdctl starts; on Debian, `apt-get install etcd-client` installs it");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    for command in [
        "user add root:secret",
        "user grant-role root root",
        "role add garrison",
        "role grant-permission garrison --prefix=true readwrite /registry/",
        "user add server:open-sesame",
        "user grant-role server garrison",
        "auth enable",
    ] {
        etcdctl(&command.split(' ').collect::<Vec<_>>());
    }
    let login = |password: &str| Some(User { name: "server".into(), password: password.into() });
    let why = refused(Config { user: login("wrong"), ..known.clone() }).await;
    assert!(why.contains("authentication failed"), "{why}");
    assert!(!why.contains("wrong"), "{why}");
    let why = refused(Config { user: login("open-sesame"), prefix: "/elsewhere".into(), ..known.clone() }).await;
    assert!(why.contains("permission denied"), "{why}");

    let store = Etcd::<Text>::open(Config { user: login("open-sesame"), ..known }).await.unwrap();
    let first = store.write(put("c/b", "1", Expect::Absent)).await.unwrap().revision;
    assert_eq!(contents(&store, "c/").await.len(), 2);
    // etcd forgets who has logged in when it is started again.
    etcd.kill();
    etcd.run();
    store.write(put("c/b", "2", Expect::Revision(first))).await.unwrap();
    assert_eq!(contents(&store, "c/").await.len(), 2);
    assert!(!format!("{:?}", login("open-sesame")).contains("sesame"));
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_etcd_is_asked() {
    let error = async |config| Etcd::<Text>::open(config).await.map(drop).unwrap_err().to_string();
    let config = |url: &str| Config::new(vec![url.into()]);
    assert_eq!(error(Config::new(Vec::new())).await, "no endpoint of etcd is given");
    for (url, why) in [
        ("127.0.0.1:2379", "it must begin with http:// or https://"),
        ("https://127.0.0.1:2379", "https needs the file of its certificate authority"),
    ] {
        assert_eq!(error(config(url)).await, format!("{url} is no endpoint of etcd: {why}"));
    }
    let absent = Config { ca_file: Some("/nonexistent/ca.crt".into()), ..config("https://127.0.0.1:2379") };
    assert_eq!(error(absent).await, "cannot read /nonexistent/ca.crt");
    let nobody = Config { patience: Duration::from_millis(1), ..config("http://127.0.0.1:1") };
    let why = error(nobody).await;
    assert!(why.starts_with("etcd does not answer: http://127.0.0.1:1: ") && why.contains("refused"), "{why}");
}
