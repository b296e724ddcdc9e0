//! What kubectl asks about kinds: which there are, what their fields mean, and all of their objects.

use crate::server::Server;
use anyhow::{Context, Result, ensure};

#[test]
fn kubectl_knows_every_served_kind() -> Result<()> {
    let server = Server::start()?;
    let all = server.kubectl(&["api-resources", "--no-headers", "-o", "wide"])?;
    ensure!(all.contains("daemonsets") && all.lines().count() > 30, "{all}");
    // Completion asks for names alone.
    let kinds = server.kubectl(&["api-resources", "--no-headers", "-o", "name", "--cached=false"])?;
    ensure!(kinds.lines().count() == all.lines().count(), "{kinds}");
    for line in all.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Not every kind has short names; whether it is namespaced always stands behind the version.
        let behind = words.iter().position(|word| matches!(*word, "true" | "false")).context("a column NAMESPACED")?;
        let (kind, version) = (words[0], format!("--api-version={}", words[behind - 1]));
        let fields = server.kubectl(&["explain", "--recursive", kind, &version])?;
        // The core group has no name of its own to be shown.
        ensure!(fields.contains("VERSION:") && fields.contains("metadata"), "{kind}: {fields}");
    }
    let listable = server.kubectl(&["api-resources", "--verbs=list", "-o", "name"])?;
    for kind in listable.lines() {
        for format in ["yaml", "wide"] {
            server.kubectl(&["get", kind, "--all-namespaces", "-o", format])?;
        }
    }
    server.kubectl(&["get", "all", "--all-namespaces"])?;
    let versions = server.kubectl(&["api-versions"])?;
    ensure!(versions.lines().any(|version| version == "apps/v1"), "{versions}");
    // Before 1.23 kubectl's own completion knows no kinds.
    if crate::daemon_sets::minor_version(&server)? >= 23 {
        let names = server.kubectl(&["__complete", "get", "daemonset"])?;
        ensure!(names.contains("daemonsets"), "{names}");
    }
    let raw = server.kubectl(&["get", "--raw", "/api/v1/namespaces/default?pretty=true"])?;
    ensure!(raw.starts_with("{\n  \""), "{raw}");
    server.stop()
}
