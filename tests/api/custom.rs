//! Custom kinds, met by real kubectl: definitions, objects of every form, and their end.

use super::server::{Server, text};
use crate::daemon_sets::minor_version;
use anyhow::{Context, Result, ensure};

const DEFINITION: &str = include_str!("custom/backups.yaml");
const OBJECT: &str = include_str!("custom/backup.yaml");

fn established() -> Result<Server> {
    let server = Server::start()?;
    server.apply(DEFINITION)?;
    server.kubectl(&["wait", "--for", "condition=established", "--timeout=30s", "crd/backups.storage.example.com"])?;
    // Older kubectl looks for short names in what it has cached alone.
    let cache = server.directory().join(".kube/cache");
    std::fs::remove_dir_all(&cache).with_context(|| format!("removing {}", cache.display()))?;
    Ok(server)
}

#[test]
fn a_custom_kind_is_used_as_any_other() -> Result<()> {
    let server = established()?;
    ensure!(server.kubectl(&["get", "crd"])?.contains("backups.storage.example.com"), "get crd");
    ensure!(server.kubectl(&["api-resources", "--api-group=storage.example.com"])?.contains("bk"), "api-resources");
    server.apply(OBJECT)?;
    let field = |path: &str| server.kubectl(&["get", "bk", "nightly", "-o", &format!("jsonpath={{{path}}}")]);
    ensure!(field(".spec.replicas")? == "1" && field(".spec.mode")? == "Incremental", "defaults");
    ensure!(field(".spec.stages[0].parallel")? == "false", "defaults in lists");
    ensure!(field(".spec.options.vendor.anything[1]")? == "two", "what is kept unseen");
    // Applied again, nothing changes.
    let version = field(".metadata.resourceVersion")?;
    server.apply(OBJECT)?;
    ensure!(field(".metadata.resourceVersion")? == version, "a second apply changed it");

    let row = server.kubectl(&["get", "backups", "--no-headers"])?;
    ensure!(row.split_whitespace().take(2).collect::<Vec<_>>() == ["nightly", "database"], "{row}");
    let wide = server.kubectl(&["get", "backups", "-o", "wide"])?;
    ensure!(wide.contains("PORT") && wide.contains("http") && wide.contains("AGE"), "{wide}");
    ensure!(server.kubectl(&["get", "example", "-o", "name"])?.trim() == "backup.storage.example.com/nightly", "categories");
    ensure!(server.kubectl(&["get", "bk", "--field-selector", "spec.target=other", "-o", "name"])?.is_empty(), "field selectors");
    let explained = server.kubectl(&["explain", "backups.spec.target"])?;
    ensure!(explained.contains("The claim that is kept."), "{explained}");
    ensure!(server.kubectl(&["explain", "backups", "--recursive"])?.contains("minCopies"), "explain --recursive");

    server.kubectl(&["patch", "bk", "nightly", "--type", "merge", "-p", r#"{"spec":{"maxCopies":7}}"#])?;
    server.kubectl(&[
        "patch",
        "bk",
        "nightly",
        "--type",
        "json",
        "-p",
        r#"[{"op":"replace","path":"/spec/minCopies","value":2}]"#,
    ])?;
    ensure!(field(".spec.maxCopies")? == "7" && field(".metadata.generation")? == "3", "patches");
    server.kubectl(&["scale", "bk/nightly", "--replicas=4"])?;
    ensure!(field(".spec.replicas")? == "4", "scale");
    server.kubectl(&["label", "bk", "nightly", "tier=gold"])?;
    ensure!(server.kubectl(&["describe", "bk", "nightly"])?.contains("tier=gold"), "describe");
    server.kubectl(&["delete", "bk", "nightly", "--timeout=20s"])?;
    ensure!(server.kubectl(&["get", "bk", "-o", "name"])?.is_empty(), "it is still there");
    server.stop()
}

#[test]
fn what_is_invalid_is_refused_with_the_reason() -> Result<()> {
    let server = established()?;
    // Older kubectl holds fields to the published schema by itself, in words of its own.
    let bogus = if minor_version(&server)? >= 25 { "unknown field \"spec.bogus\"" } else { "unknown field \"bogus\"" };
    for (from, to, wanted) in [
        ("target: database", "target: Data_Base", "spec.target in body should match"),
        ("quota: 5Gi", "minCopies: 4", "minCopies may not exceed maxCopies"),
        ("quota: 5Gi", "replicas: 9", "spec.replicas in body should be less than or equal to 5"),
        ("quota: 5Gi", "mode: Partial", "Unsupported value: \"Partial\""),
        ("name: copy", "name: freeze", "Duplicate value: {\"name\":\"freeze\"}"),
        ("timeout: 30s", "timeout: soon", "must be of type duration"),
        ("quota: 5Gi", "bogus: 1", bogus),
    ] {
        let output = server.kubectl_with(&["create", "-f", "-"], &OBJECT.replace(from, to))?;
        let told = text(&output.stderr);
        ensure!(!output.status.success() && told.contains(wanted), "{to}: {told}");
    }
    server.apply(OBJECT)?;
    let output = server.kubectl_with(&["apply", "-f", "-"], &OBJECT.replace("target: database", "target: other"))?;
    ensure!(text(&output.stderr).contains("target is immutable"), "{}", text(&output.stderr));
    let output = server.kubectl_with(&["apply", "-f", "-"], &DEFINITION.replace("self == oldSelf", "self == oldself"))?;
    ensure!(text(&output.stderr).contains("undeclared reference to 'oldself'"), "{}", text(&output.stderr));
    server.stop()
}

#[test]
fn custom_objects_go_with_their_definition_namespace_and_owner() -> Result<()> {
    let server = established()?;
    server.kubectl(&["create", "namespace", "team"])?;
    server.kubectl_with(&["-n", "team", "apply", "-f", "-"], OBJECT)?;
    server.kubectl(&["delete", "namespace", "team", "--timeout=60s"])?;
    ensure!(server.kubectl(&["get", "bk", "-A", "-o", "name"])?.is_empty(), "it outlives its namespace");

    server.kubectl(&["create", "configmap", "owner"])?;
    let uid = server.kubectl(&["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"])?;
    let owners = format!("  name: nightly\n  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]");
    server.apply(&OBJECT.replace("  name: nightly", &owners))?;
    server.kubectl(&["delete", "configmap", "owner"])?;
    server.wait("the object to go with its owner", || {
        ensure!(server.kubectl(&["get", "bk", "-o", "name"])?.is_empty(), "it is still there");
        Ok(())
    })?;

    // A custom object owns others, too.
    server.apply(OBJECT)?;
    let uid = server.kubectl(&["get", "bk", "nightly", "-o", "jsonpath={.metadata.uid}"])?;
    let owned = format!(
        "---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: owned, ownerReferences: \
         [{{apiVersion: storage.example.com/v1, kind: Backup, name: nightly, uid: {uid}}}]}}}}"
    );
    server.apply(&owned)?;
    server.kubectl(&["delete", "crd", "backups.storage.example.com", "--timeout=30s"])?;
    ensure!(server.kubectl(&["get", "bk"]).is_err(), "the kind is still served");
    server.wait("what it owned to go", || {
        ensure!(server.kubectl(&["get", "configmap", "owned"]).is_err(), "it is still there");
        Ok(())
    })?;
    // Made anew, the kind is empty.
    server.apply(DEFINITION)?;
    server.kubectl(&["wait", "--for", "condition=established", "--timeout=30s", "crd/backups.storage.example.com"])?;
    ensure!(server.kubectl(&["get", "backups", "-o", "name"])?.is_empty(), "instances came back");
    server.stop()
}
