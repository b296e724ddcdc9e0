//! The API server and the DaemonSet controller, in one process and in two, met by real kubectl; nodes are objects made by hand.

mod access;
mod applying;
mod autoscaling;
mod bench;
mod companions;
mod controller;
mod custom;
mod daemon_sets;
mod drain;
mod etcd;
mod kinds;

use anyhow::{Context, Result, ensure};
use garrison_tests::server::{self, Server, text};

const EXAMPLE: &str = include_str!("../../examples/fluentd-elasticsearch.yaml");

/// A node with room for pods; upstream too lets whoever registers a node say what it has.
fn node(name: &str) -> String {
    let room = "{cpu: '2', memory: 4Gi, pods: '110'}";
    format!("---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nstatus: {{capacity: {room}, allocatable: {room}}}\n")
}

#[test]
fn a_daemon_set_gets_a_bound_pod_on_each_eligible_node() -> Result<()> {
    let server = Server::start()?;
    server.create_service_account("kube-system")?;
    for name in ["n1", "n2", "n3"] {
        server.apply(&node(name))?;
        server.kubectl(&["taint", "node", name, "node.kubernetes.io/not-ready-"])?;
    }
    server.apply(EXAMPLE)?;
    let nodes_of_pods =
        || server.kubectl(&["-n", "kube-system", "get", "pods", "-o", "jsonpath={range .items[*]}{.spec.nodeName}{'\\n'}{end}"]);
    let wait_for = |wanted: &[&str]| {
        server.wait(&format!("pods on {wanted:?}"), || {
            let text = nodes_of_pods()?;
            let mut on: Vec<&str> = text.lines().collect();
            on.sort_unstable();
            ensure!(on == wanted, "they are on {on:?}");
            Ok(())
        })
    };
    wait_for(&["n1", "n2", "n3"])?;
    let row = server.kubectl(&["-n", "kube-system", "get", "ds", "fluentd-elasticsearch", "--no-headers"])?;
    ensure!(row.split_whitespace().collect::<Vec<_>>()[..5] == ["fluentd-elasticsearch", "3", "3", "0", "3"], "{row}");
    ensure!(
        server.kubectl(&["-n", "kube-system", "describe", "ds", "fluentd-elasticsearch"])?.contains("SuccessfulCreate"),
        "no events"
    );
    for face in ["events", "events.events.k8s.io"] {
        let told = server.kubectl(&["-n", "kube-system", "get", face, "--field-selector", "reason=SuccessfulCreate"])?;
        ensure!(told.contains("daemonset/fluentd-elasticsearch"), "{face}: {told}");
    }

    // Nobody runs these pods, so nobody would end them either: their grace period is taken away.
    server.kubectl(&["-n", "kube-system", "delete", "pods", "--all", "--force", "--grace-period=0"])?;
    wait_for(&["n1", "n2", "n3"])?;
    server.kubectl(&[
        "-n",
        "kube-system",
        "patch",
        "ds",
        "fluentd-elasticsearch",
        "-p",
        r#"{"spec":{"template":{"spec":{"nodeSelector":{"logs":"yes"}}}}}"#,
    ])?;
    server.wait("pods to be marked for deletion", || {
        let marks =
            server.kubectl(&["-n", "kube-system", "get", "pods", "-o", "jsonpath={.items[*].metadata.deletionTimestamp}"])?;
        ensure!(marks.split_whitespace().count() == 3, "marks: {marks}");
        Ok(())
    })?;
    server.kubectl(&["-n", "kube-system", "delete", "pods", "--all", "--force", "--grace-period=0"])?;
    wait_for(&[])?;
    server.kubectl(&["label", "node", "n2", "logs=yes"])?;
    wait_for(&["n2"])?;
    server.stop()
}

#[test]
fn everyday_commands_work_on_a_server_without_nodes() -> Result<()> {
    let server = Server::start()?;
    server.kubectl(&["create", "namespace", "team"])?;
    server.kubectl(&["-n", "team", "create", "configmap", "settings", "--from-literal=a=b"])?;
    server.kubectl(&["-n", "team", "create", "secret", "generic", "password", "--from-literal=p=q"])?;
    let changed = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: team}, data: {a: c}}";
    let diff = server.kubectl_with(&["diff", "-f", "-"], changed)?;
    ensure!(
        diff.status.code() == Some(1) && text(&diff.stdout).contains("+  a: c"),
        "{}{}",
        text(&diff.stdout),
        text(&diff.stderr)
    );
    server.apply(changed)?;
    ensure!(
        server.kubectl(&["-n", "team", "get", "cm", "settings", "-o", "jsonpath={.data.a}"])? == "c",
        "the change is not there"
    );
    server.kubectl(&["-n", "team", "label", "cm", "settings", "tier=gold"])?;
    ensure!(
        server.kubectl(&["-n", "team", "get", "cm", "-l", "tier=gold", "-o", "name"])?.trim() == "configmap/settings",
        "labels"
    );
    let dry = server.kubectl_with(
        &["apply", "--dry-run=server", "-f", "-"],
        "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: dry}}",
    )?;
    ensure!(dry.status.success() && server.kubectl(&["get", "cm", "dry"]).is_err(), "a dry run stores nothing");
    let unknown = serde_json::json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i", "bogus": 1}]}}}})
    .to_string();
    // Asked for as newer kubectl do by themselves, and older ones cannot.
    let strict = "/apis/apps/v1/namespaces/default/daemonsets?fieldValidation=Strict";
    let refused = server.kubectl_with(&["create", "--raw", strict, "-f", "-"], &unknown)?;
    ensure!(
        text(&refused.stderr).contains("unknown field \"spec.template.spec.containers[0].bogus\""),
        "{}",
        text(&refused.stderr)
    );
    ensure!(server.kubectl(&["explain", "daemonset.spec.updateStrategy"])?.contains("rollingUpdate"), "explain");
    ensure!(server.kubectl(&["api-resources"])?.contains("daemonsets"), "api-resources");
    ensure!(server.kubectl(&["version"])?.contains("Server Version"), "version");
    server.kubectl(&["-n", "team", "delete", "cm", "settings", "--timeout=20s"])?;
    ensure!(server.kubectl(&["-n", "team", "get", "cm", "settings"]).is_err(), "it is still there");
    server.stop()
}

#[test]
fn objects_and_their_versions_survive_a_kill() -> Result<()> {
    let mut server = Server::start()?;
    server.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"])?;
    let version = |server: &Server| -> Result<u64> {
        server.kubectl(&["get", "cm", "kept", "-o", "jsonpath={.metadata.resourceVersion}"])?.parse().context("a resourceVersion")
    };
    let before = version(&server)?;
    server.kill_and_restart()?;
    ensure!(version(&server)? == before, "the object changed");
    server.kubectl(&["annotate", "cm", "kept", "touched=yes"])?;
    ensure!(version(&server)? > before, "versions do not go on");
    server.stop()
}
