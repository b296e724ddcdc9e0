//! The server with its objects in etcd: what etcdctl finds there, an etcd that dies, two servers.

use crate::{
    EXAMPLE, node,
    server::{Server, text},
};
use anyhow::{Context, Result, ensure};
use garrison_tests::etcd::Etcd;
use serde_json::Value;
use std::process::Command;

#[test]
fn objects_are_in_etcd_as_the_api_shows_them_and_outlive_both() -> Result<()> {
    let mut etcd = Etcd::start()?;
    let mut server = Server::start_with(&[&etcd.flag()])?;
    server.create_service_account("kube-system")?;
    server.apply(&node("n1"))?;
    server.kubectl(&["taint", "node", "n1", "node.kubernetes.io/not-ready-"])?;
    server.apply(EXAMPLE)?;
    let bound = |server: &Server| {
        server.wait("a pod on n1", || {
            let on = server.kubectl(&["-n", "kube-system", "get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"])?;
            ensure!(on == "n1", "pods are on {on:?}");
            Ok(())
        })
    };
    bound(&server)?;

    let keys = etcd.etcdctl(&["get", "--prefix", "/registry/nodes", "--keys-only"])?;
    ensure!(keys.split_whitespace().collect::<Vec<_>>() == ["/registry/nodes/n1"], "{keys}");
    let key = "/registry/apps/daemonsets/kube-system/fluentd-elasticsearch";
    server.wait("the same in etcd and in the API", || {
        let stored: Value = serde_json::from_str(&etcd.etcdctl(&["get", "--print-value-only", key])?)?;
        let mut shown: Value = serde_json::from_str(&server.kubectl(&[
            "get",
            "--raw",
            "/apis/apps/v1/namespaces/kube-system/daemonsets/fluentd-elasticsearch",
        ])?)?;
        shown["metadata"].as_object_mut().context("metadata")?.remove("resourceVersion");
        ensure!(stored == shown, "{stored} is not {shown}");
        Ok(())
    })?;

    // What somebody else puts there takes nothing down.
    etcd.etcdctl(&["put", "/registry/nodes/bad", "{\"kind\":\"Node\",\"spec\":1}"])?;
    etcd.etcdctl(&["put", "/registry/strange/thing", "x"])?;
    let nodes = server.kubectl(&["get", "nodes", "-o", "name"])?;
    ensure!(nodes.trim() == "node/n1", "{nodes}");
    let metrics = server.kubectl(&["get", "--raw", "/metrics"])?;
    ensure!(metrics.contains("\ngarrison_store_unreadable_values 2\n"), "{metrics}");

    etcd.kill_and_restart()?;
    server.kubectl(&["-n", "kube-system", "delete", "pods", "--all", "--force", "--grace-period=0"])?;
    bound(&server)?;
    let uid = server.kubectl(&["get", "node", "n1", "-o", "jsonpath={.metadata.uid}"])?;
    server.kill_and_restart()?;
    ensure!(server.kubectl(&["get", "node", "n1", "-o", "jsonpath={.metadata.uid}"])? == uid, "another node");
    bound(&server)?;
    server.stop()
}

#[test]
fn two_servers_on_one_etcd_see_each_others_writes() -> Result<()> {
    let etcd = Etcd::start()?;
    // Only the first decides anything: two of the same controller would be two minds.
    let one = Server::start_with(&[&etcd.flag()])?;
    let other = Server::start_with(&[&etcd.flag(), "--controllers="])?;
    for n in 0..5 {
        let (name, label) = (format!("c{n}"), format!("n={n}"));
        one.kubectl(&["create", "configmap", &name])?;
        other.kubectl(&["label", "configmap", &name, &label])?;
        let labels = one.kubectl(&["get", "configmap", &name, "-o", "jsonpath={.metadata.labels.n}"])?;
        ensure!(labels == n.to_string(), "{labels}");
    }
    one.kubectl(&["delete", "configmap", "c0", "--wait=true"])?;
    ensure!(!other.kubectl(&["get", "configmaps", "-o", "name"])?.contains("configmap/c0"), "a deleted one is shown");
    other.stop()?;
    one.stop()
}

#[test]
fn without_etcd_the_server_says_what_it_waits_for() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let output = Command::new(crate::server::binary()?)
        .args(["server", "--listen", "127.0.0.1:0", "--etcd-endpoints", "https://127.0.0.1:1", "--data-dir"])
        .arg(directory.path())
        .output()?;
    let told = text(&output.stderr);
    ensure!(!output.status.success() && told.contains("https needs the file of its certificate authority"), "{told}");
    Ok(())
}
