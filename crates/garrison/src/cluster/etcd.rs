//! The etcd of `garrison up --etcd`: one member on the loopback, its data and certificates in the state directory.
//!
//! Objects hold Secrets, and other users of this machine reach its loopback: etcd lets in only who shows the certificate.

use super::process::Process;
use super::state::{Cluster, Etcd, Runtime, StateDir};
use super::{cgroup, down, preflight, supervise, up};
use anyhow::{Context, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files of the certificates, as etcdctl wants them, too.
struct Files {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn below(directory: &Path) -> Self {
        let file = |name: &str| directory.join("pki").join(name);
        Self { ca: file("ca.crt"), certificate: file("etcd.crt"), key: file("etcd.key") }
    }

    /// Makes them unless they are there. The key comes first: what is there with the authority is complete.
    fn ensure(&self) -> Result<()> {
        if self.ca.exists() {
            return Ok(());
        }
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "etcd of garrison up");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut member = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])?;
        member.distinguished_name.push(DnType::CommonName, "garrison");
        // The member, its peers (none but itself) and its one client are the same.
        member.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = member.signed_by(&key, &authority)?;
        write(&self.key, &key.serialize_pem())?;
        write(&self.certificate, &certificate.pem())?;
        write(&self.ca, &authority.pem())
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("writing {}", path.display()))
}

/// What a new cluster is given when etcd is asked for.
pub(crate) fn choose() -> Result<Etcd> {
    preflight::find_program("etcd").context("etcd was not found on this machine (Debian package etcd-server)")?;
    Ok(Etcd { port: up::free_port()?, peer_port: up::free_port()? })
}

/// Starts the cluster's etcd under its supervisor, unless it runs; the flags with which the server finds it.
pub(crate) fn start(state: &StateDir, cluster: &Cluster, etcd: Etcd) -> Result<Vec<String>> {
    let directory = state.root().join("etcd");
    let data = directory.join("data");
    for below in [directory.join("pki"), data.clone()] {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&below);
        made.with_context(|| format!("making {}", below.display()))?;
    }
    let files = Files::below(&directory);
    files.ensure()?;
    let url = format!("https://127.0.0.1:{}", etcd.port);
    let pid_file = state.root().join("etcd.pid");
    if Process::read(&pid_file).is_none() {
        down::end_strays_of(cluster, &data);
        let program =
            preflight::find_program("etcd").context("etcd was not found on this machine (Debian package etcd-server)")?;
        let peer = format!("https://127.0.0.1:{}", etcd.peer_port);
        let mut command = vec![program.display().to_string()];
        let (ca, certificate, key) = (shown(&files.ca), shown(&files.certificate), shown(&files.key));
        for (flag, value) in [
            ("--name", "garrison".into()),
            ("--data-dir", shown(&data)),
            ("--listen-client-urls", url.clone()),
            ("--advertise-client-urls", url.clone()),
            ("--listen-peer-urls", peer.clone()),
            ("--initial-advertise-peer-urls", peer.clone()),
            ("--initial-cluster", format!("garrison={peer}")),
            ("--trusted-ca-file", ca.clone()),
            ("--cert-file", certificate.clone()),
            ("--key-file", key.clone()),
            ("--peer-trusted-ca-file", ca),
            ("--peer-cert-file", certificate),
            ("--peer-key-file", key),
        ] {
            command.extend([flag.to_string(), value]);
        }
        command.extend(["--client-cert-auth", "--peer-client-cert-auth"].map(String::from));
        let cgroup = (cluster.runtime == Runtime::Containerd).then(|| cgroup::node_root(&cluster.id, "control-plane"));
        supervise::start(&command, &cluster.id, cgroup.as_deref(), &directory.join("etcd.log"), &pid_file)?;
    }
    let flags = [
        ("--etcd-endpoints", url),
        ("--etcd-cafile", shown(&files.ca)),
        ("--etcd-certfile", shown(&files.certificate)),
        ("--etcd-keyfile", shown(&files.key)),
    ];
    Ok(flags.into_iter().flat_map(|(flag, value)| [flag.to_string(), value]).collect())
}

/// How a person looks into the cluster's etcd.
pub(crate) fn how_to_look(state: &StateDir, etcd: Etcd) -> String {
    let files = Files::below(&state.root().join("etcd"));
    format!(
        "ETCDCTL_API=3 etcdctl --endpoints https://127.0.0.1:{} --cacert {} --cert {} --key {} get --prefix /registry/nodes",
        etcd.port,
        files.ca.display(),
        files.certificate.display(),
        files.key.display(),
    )
}

/// Refuses to move objects between a file and etcd, which nothing here does.
pub(crate) fn check_unchanged(cluster: &Cluster, asked: bool) -> Result<()> {
    if asked && cluster.etcd.is_none() {
        bail!("this cluster was made without --etcd; `garrison down` it first");
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn certificates_are_made_once_and_for_their_owner_only() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("pki")).expect("makes");
        let files = Files::below(directory.path());
        files.ensure().expect("makes certificates");
        let read = || [&files.ca, &files.certificate, &files.key].map(|file| fs::read_to_string(file).expect("reads"));
        let made = read();
        files.ensure().expect("finds certificates");
        assert_eq!(read(), made);
        let mode = fs::metadata(&files.key).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
