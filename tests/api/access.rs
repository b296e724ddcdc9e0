//! Roles, bindings and reviews as kubectl uses them: who may do what, asked and tried.

use crate::daemon_sets::minor_version;
use crate::server::{Server, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A kubeconfig with which one is that service account, by a token of its own.
pub(crate) fn kubeconfig_of(server: &Server, namespace: &str, account: &str) -> Result<PathBuf> {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}});
    let issued = server.kubectl_with(&["create", "--raw", &path, "-f", "-"], &request.to_string())?;
    ensure!(issued.status.success(), "{}", text(&issued.stderr));
    let issued: Value = serde_json::from_slice(&issued.stdout)?;
    let mut config: Value = serde_json::from_str(&server.kubectl(&["config", "view", "--raw", "-o", "json"])?)?;
    config["users"][0]["user"] = json!({"token": issued["status"]["token"].as_str().context("a token")?});
    let file = server.directory().join(format!("{account}.kubeconfig"));
    std::fs::write(&file, config.to_string())?;
    Ok(file)
}

/// What kubectl says on its way to a refusal.
fn refused(server: &Server, arguments: &[&str]) -> Result<String> {
    let output = server.kubectl_with(arguments, "")?;
    ensure!(!output.status.success(), "kubectl {arguments:?} succeeded: {}", text(&output.stdout));
    Ok(text(&output.stderr))
}

/// The arguments for the account of that kubeconfig, in `team`.
fn as_robot<'a>(file: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["-n", "team", "--kubeconfig", file], arguments].concat()
}

/// Whether a line of the table has these cells.
fn has_row(table: &str, cells: &[&str]) -> bool {
    table.lines().any(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).eq(cells.iter().copied()))
}

#[test]
fn a_role_gives_what_it_says_to_whom_it_is_bound() -> Result<()> {
    let server = Server::start()?;
    server.kubectl(&["create", "namespace", "team"])?;
    server.kubectl(&["-n", "team", "create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log"])?;
    server.kubectl(&["-n", "team", "create", "rolebinding", "reader", "--role=reader", "--user=ann", "--group=dev"])?;
    let can = |arguments: &[&str]| -> Result<bool> {
        let output = server.kubectl_with(&[&["auth", "can-i"], arguments].concat(), "")?;
        let answer = text(&output.stdout);
        ensure!(answer.trim() == if output.status.success() { "yes" } else { "no" }, "{answer}{}", text(&output.stderr));
        Ok(output.status.success())
    };
    for (arguments, expected) in [
        (&["list", "pods", "-n", "team", "--as=ann"][..], true),
        (&["get", "pods/web", "-n", "team", "--as=ann"], true),
        (&["get", "pods", "--subresource=log", "-n", "team", "--as=ann"], true),
        (&["list", "pods", "-n", "team", "--as=bob", "--as-group=dev"], true),
        (&["list", "pods", "-n", "team", "--as=bob"], false),
        (&["list", "pods", "--as=ann"], false),
        (&["delete", "pods", "-n", "team", "--as=ann"], false),
        (&["get", "/version", "--as=ann"], true),
        (&["get", "/metrics", "--as=ann"], false),
        (&["*", "*"], true),
    ] {
        ensure!(can(arguments)? == expected, "{arguments:?}");
    }
    server.kubectl(&["-n", "team", "get", "pods", "--as=ann"])?;
    let told = refused(&server, &["get", "nodes", "--as=ann"])?;
    let expected =
        r#"(Forbidden): nodes is forbidden: User "ann" cannot list resource "nodes" in API group "" at the cluster scope"#;
    ensure!(told.contains(expected), "{told}");

    let list = server.kubectl(&["auth", "can-i", "--list", "-n", "team", "--as=ann"])?;
    for row in [
        &["pods/log", "[]", "[]", "[get list]"][..],
        &["pods", "[]", "[]", "[get list]"],
        &["selfsubjectrulesreviews.authorization.k8s.io", "[]", "[]", "[create]"],
        &["selfsubjectreviews.authentication.k8s.io", "[]", "[]", "[create]"],
        &["[/apis/*]", "[]", "[get]"],
    ] {
        ensure!(has_row(&list, row), "{row:?}: {list}");
    }
    let own = server.kubectl(&["auth", "can-i", "--list"])?;
    ensure!(has_row(&own, &["*.*", "[]", "[]", "[*]"]) && has_row(&own, &["[*]", "[]", "[*]"]), "{own}");
    if minor_version(&server)? >= 27 {
        let table = server.kubectl(&["auth", "whoami", "--as=ann", "--as-group=dev", "--as-uid=7"])?;
        ensure!(has_row(&table, &["Username", "ann"]) && has_row(&table, &["Groups", "[dev system:authenticated]"]), "{table}");
    }
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "ann", "resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "team"}}});
    let answer =
        server.kubectl_with(&["create", "--validate=false", "-o", "jsonpath={.status}", "-f", "-"], &review.to_string())?;
    let told = r#"RBAC: allowed by RoleBinding \"reader/team\" of Role \"reader\" to User \"ann\""#;
    ensure!(text(&answer.stdout).contains(told), "{}{}", text(&answer.stdout), text(&answer.stderr));

    server.kubectl(&["-n", "team", "delete", "role", "reader"])?;
    let told = refused(&server, &["-n", "team", "get", "pods", "--as=ann"])?;
    ensure!(told.contains(r#"in the namespace "team": RBAC: role.rbac.authorization.k8s.io "reader" not found"#), "{told}");
    server.stop()
}

#[test]
fn an_administrator_of_a_namespace_gives_no_more_than_he_has() -> Result<()> {
    let server = Server::start()?;
    server.kubectl(&["create", "namespace", "team"])?;
    server.kubectl(&["-n", "team", "create", "serviceaccount", "robot"])?;
    server.kubectl(&["-n", "team", "create", "rolebinding", "robot", "--clusterrole=admin", "--serviceaccount=team:robot"])?;
    let file = kubeconfig_of(&server, "team", "robot")?;
    let file = file.to_str().context("a path")?;
    // What `admin` holds is gathered from roles by their labels, after the start.
    server.wait("the rules of admin", || {
        server.kubectl(&as_robot(file, &["create", "role", "pods", "--verb=get", "--resource=pods", "--dry-run=server"]))
    })?;
    server.kubectl(&as_robot(file, &["create", "configmap", "settings", "--from-literal=a=b"]))?;
    server.kubectl(&as_robot(file, &["get", "namespace", "team"]))?;
    server.kubectl(&as_robot(file, &["create", "role", "pods", "--verb=get,list", "--resource=pods"]))?;
    server.kubectl(&as_robot(file, &["create", "rolebinding", "pods", "--role=pods", "--user=ann"]))?;
    server.kubectl(&as_robot(file, &["create", "rolebinding", "view", "--clusterrole=view", "--user=ann"]))?;
    server.kubectl(&["-n", "team", "get", "daemonsets", "--as=ann"])?;

    let told = refused(&server, &as_robot(file, &["create", "role", "nodes", "--verb=get,list", "--resource=nodes"]))?;
    let missing = "is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}";
    ensure!(told.contains(missing), "{told}");
    let whole = as_robot(file, &["create", "rolebinding", "whole", "--clusterrole=cluster-admin", "--user=ann"]);
    ensure!(refused(&server, &whole)?.contains("not currently held"), "the whole cluster");
    let told = refused(&server, &as_robot(file, &["get", "pods", "--as=ann"]))?;
    ensure!(told.contains(r#"cannot impersonate resource "users" in API group "" at the cluster scope"#), "{told}");
    // Accounts of its own namespace it may act as.
    server.kubectl(&as_robot(file, &["get", "configmaps", "--as=system:serviceaccount:team:robot"]))?;
    ensure!(refused(&server, &as_robot(file, &["get", "configmaps", "-n", "kube-system"]))?.contains("Forbidden"), "elsewhere");

    let more = "---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: things, labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}, rules: [{apiGroups: [example.com], resources: [things], verbs: [get]}]}";
    let reconciled = server.kubectl_with(&["auth", "reconcile", "-f", "-"], more)?;
    ensure!(reconciled.status.success(), "{}", text(&reconciled.stderr));
    server.wait("things to be gathered into view, edit and admin", || {
        for role in ["view", "edit", "admin"] {
            let rules = server.kubectl(&["get", "clusterrole", role, "-o", "jsonpath={.rules[*].apiGroups}"])?;
            ensure!(rules.contains("example.com"), "{role}: {rules}");
        }
        Ok(())
    })?;
    server.stop()
}
