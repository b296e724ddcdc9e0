//! The clients of the matrix, and where they are found on this machine.

use crate::kubectl;
use anyhow::{Context, Result, ensure};
use garrison_tests::server::text;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kubectl,
    KubeRs,
    Python,
    Node,
}

impl Kind {
    /// Members of results that the client keeps from its user.
    pub(crate) fn is_blind_to(self, member: &str) -> bool {
        match self {
            Self::Kubectl => {
                ["code", "answer", "sizes", "remaining", "unselected", "cause", "incomplete", "rest"].contains(&member)
            }
            // Its times have no microseconds.
            Self::Node => member == "renewed",
            // Its discovery keeps none.
            Self::KubeRs => member == "short",
            Self::Python => false,
        }
    }
}

/// One column of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Of kubectl: 1.this.
    pub(crate) minor: u32,
    pub(crate) program: PathBuf,
}

/// All clients that this machine has, or those of them whose names begin as CLIENTS says, separated by commas; those that are installed for the test are all there or it fails.
pub(crate) fn discover(project: &Path) -> Result<Vec<Client>> {
    let other = |kind, name: &str, program| Client { kind, name: name.into(), minor: 0, program };
    let mut found = kubectls(project)?;
    found.push(other(Kind::KubeRs, "kube-rs", PathBuf::new()));
    found.push(other(Kind::Python, "Python", project.join("target/clients/python/bin/python3")));
    found.push(other(Kind::Node, "Node", PathBuf::from("node")));
    let only = std::env::var("CLIENTS").unwrap_or_default();
    let wanted: Vec<&str> = only.split(',').filter(|word| !word.is_empty()).collect();
    found.retain(|client| wanted.is_empty() || wanted.iter().any(|word| client.name.starts_with(word)));
    ensure!(!found.is_empty(), "CLIENTS names none: {only:?}");
    Ok(found)
}

/// The kubectl of the search path, Debian's as `scripts/test` leaves it, and those that KUBECTLS names, separated by colons.
fn kubectls(project: &Path) -> Result<Vec<Client>> {
    let named = std::env::var_os("KUBECTLS").unwrap_or_default();
    let debian = project.join("target/kubectl-debian/usr/bin/kubectl");
    let mut programs: Vec<PathBuf> = vec![std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()).into()];
    programs.extend(Some(debian).filter(|path| path.exists()));
    programs.extend(std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()));
    let mut found: Vec<Client> = Vec::new();
    for program in programs {
        let minor = kubectl_minor(&program)?;
        if found.iter().all(|client| client.minor != minor) {
            found.push(Client { kind: Kind::Kubectl, name: format!("kubectl 1.{minor}"), minor, program });
        }
    }
    found.sort_by_key(|client| client.minor);
    Ok(found)
}

fn kubectl_minor(program: &Path) -> Result<u32> {
    let output = Command::new(program)
        .args(["version", "--client", "-o", "json"])
        .output()
        .with_context(|| format!("running {}", program.display()))?;
    ensure!(output.status.success(), "{}: {}", program.display(), text(&output.stderr));
    let version: Value = serde_json::from_slice(&output.stdout).context("a version in JSON")?;
    let minor = kubectl::at(&version, "/clientVersion/minor").as_str().context("a minor version")?;
    minor.trim_end_matches('+').parse().with_context(|| format!("the minor version {minor:?}"))
}
