//! Bad input is refused in Kubernetes' own form, naming field and reason, and nothing is stored.

use crate::cluster::{Cluster, garrison, text};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::process::Command;

/// A DaemonSet that is right, to be spoilt in one place.
fn good() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "spoilt", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}]}
            }
        }
    })
}

/// Where to spoil it, with what, and the field and words that the answer must name.
fn faults() -> Vec<(&'static str, Value, &'static str)> {
    let container = "/spec/template/spec/containers/0";
    let at = |path: &str| -> &'static str { Box::leak(format!("{container}{path}").into_boxed_str()) };
    vec![
        ("/metadata/name", json!("Not_A_Name"), "metadata.name"),
        ("/metadata/labels", json!({"-bad": "x"}), "metadata.labels"),
        ("/metadata/annotations", json!({"a b": "x"}), "metadata.annotations"),
        ("/spec/selector", json!({}), "empty selector is invalid for daemonset"),
        ("/spec/selector/matchLabels", json!({"app": "other"}), "`selector` does not match template `labels`"),
        ("/spec/selector/matchLabels", json!({"app": "a b"}), "spec.selector.matchLabels"),
        (
            "/spec/selector/matchExpressions",
            json!([{"key": "app", "operator": "In"}]),
            "spec.selector.matchExpressions[0].values",
        ),
        (
            "/spec/selector/matchExpressions",
            json!([{"key": "app", "operator": "Exists", "values": ["a"]}]),
            "spec.selector.matchExpressions[0].values",
        ),
        ("/spec/selector/matchExpressions", json!([{"key": "app", "operator": "Like"}]), "not a valid selector operator"),
        ("/spec/template/metadata/labels", json!({"app": "a", "b": "c d"}), "spec.template.labels"),
        ("/spec/template/spec/restartPolicy", json!("Never"), "spec.template.spec.restartPolicy"),
        ("/spec/template/spec/activeDeadlineSeconds", json!(5), "spec.template.spec.activeDeadlineSeconds"),
        ("/spec/template/spec/dnsPolicy", json!("Maybe"), "spec.template.spec.dnsPolicy"),
        ("/spec/template/spec/terminationGracePeriodSeconds", json!(-1), "spec.template.spec.terminationGracePeriodSeconds"),
        ("/spec/template/spec/containers", json!([]), "spec.template.spec.containers"),
        (at("/name"), json!("Upper"), "spec.template.spec.containers[0].name"),
        (at("/image"), json!(""), "spec.template.spec.containers[0].image"),
        (at("/imagePullPolicy"), json!("Sometimes"), "spec.template.spec.containers[0].imagePullPolicy"),
        (at("/ports"), json!([{"containerPort": 70000}]), "spec.template.spec.containers[0].ports[0].containerPort"),
        (at("/env"), json!([{"name": ""}]), "spec.template.spec.containers[0].env[0].name"),
        (
            at("/volumeMounts"),
            json!([{"name": "nowhere", "mountPath": "/x"}]),
            "spec.template.spec.containers[0].volumeMounts[0].name",
        ),
        (at("/volumeMounts"), json!([{"name": "v", "mountPath": "/x", "mountPropagation": "Bidirectional"}]), "mountPropagation"),
        (
            at("/volumeMounts"),
            json!([{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}]),
            "volumeMounts[1].mountPath",
        ),
        (at("/resources"), json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}), "resources.requests"),
        (at("/livenessProbe"), json!({"httpGet": {"path": "/", "port": 0}}), "livenessProbe.httpGet.port"),
        (at("/readinessProbe"), json!({}), "readinessProbe"),
        (
            "/spec/template/spec/volumes",
            json!([{"name": "v", "emptyDir": {}, "hostPath": {"path": "/a"}}]),
            "may not specify more than 1 volume type",
        ),
        ("/spec/template/spec/volumes", json!([{"name": "v", "hostPath": {"path": "/a/../b"}}]), "hostPath.path"),
        ("/spec/template/spec/volumes", json!([{"name": "v", "hostPath": {"path": "/a", "type": "Any"}}]), "hostPath.type"),
        ("/spec/template/spec/volumes", json!([{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]), "volumes[1].name"),
        ("/spec/template/spec/tolerations", json!([{"key": "k", "operator": "Sometimes"}]), "tolerations[0].operator"),
        ("/spec/template/spec/nodeSelector", json!({"a": "b c"}), "spec.template.spec.nodeSelector"),
        ("/spec/minReadySeconds", json!(-1), "spec.minReadySeconds"),
        ("/spec/revisionHistoryLimit", json!(-1), "spec.revisionHistoryLimit"),
        ("/spec/updateStrategy", json!({"type": "Recreate"}), "spec.updateStrategy"),
        ("/spec/updateStrategy", json!({"rollingUpdate": {"maxUnavailable": "5"}}), "maxUnavailable"),
        ("/spec/updateStrategy", json!({"rollingUpdate": {"maxUnavailable": -1}}), "maxUnavailable"),
        ("/spec/updateStrategy", json!({"rollingUpdate": {"maxUnavailable": "101%"}}), "must not be greater than 100%"),
        ("/spec/updateStrategy", json!({"rollingUpdate": {"maxSurge": 1}}), "may not be set when maxUnavailable is non-zero"),
        ("/spec/updateStrategy", json!({"rollingUpdate": {"maxUnavailable": 0}}), "cannot be 0 when maxSurge is 0"),
    ]
}

fn spoil(pointer: &str, value: Value) -> Value {
    let mut object = good();
    let (parent, field) = pointer.rsplit_once('/').expect("a path");
    object.pointer_mut(parent).expect("the parent exists")[field] = value;
    object
}

#[test]
fn faults_in_manifests_are_named_and_nothing_is_stored() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "1"])?;
    let faults = faults();
    assert!(faults.len() >= 30);
    for (pointer, value, named) in faults {
        let manifest = spoil(pointer, value.clone()).to_string();
        let answer = cluster.kubectl_with(&["create", "--validate=false", "-f", "-"], &manifest)?;
        let words = text(&answer.stderr);
        ensure!(!answer.status.success(), "{pointer} = {value} was accepted");
        ensure!(words.contains("is invalid: ") && words.contains(named), "{pointer} = {value}: {words}");
    }
    let unknown = spoil("/spec/template/spec/containers/0/bogus", json!(1)).to_string();
    // Asked for as newer kubectl do by themselves, and older ones cannot.
    let strict = "/apis/apps/v1/namespaces/default/daemonsets?fieldValidation=Strict";
    let words = text(&cluster.kubectl_with(&["create", "--raw", strict, "-f", "-"], &unknown)?.stderr);
    ensure!(words.contains("unknown field \"spec.template.spec.containers[0].bogus\""), "{words}");
    ensure!(cluster.kubectl(&["get", "ds", "-n", "default", "-o", "name"])?.is_empty(), "something was stored");
    the_node_says_what_is_wrong(&cluster)?;
    cluster.down()
}

/// What only shows on the node: an image that is not there, a hostPath that is no directory.
fn the_node_says_what_is_wrong(cluster: &Cluster) -> Result<()> {
    let pod = |name: &str, image: &str, path: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: default}}, spec: {{terminationGracePeriodSeconds: 1,
              containers: [{{name: c, image: '{image}', imagePullPolicy: IfNotPresent, command: [sleep, '3600'], volumeMounts: [{{name: v, mountPath: /v}}]}}],
              volumes: [{{name: v, hostPath: {{path: {path}, type: Directory}}}}]}}}}"
        )
    };
    cluster.apply(&pod("no-image", "localhost:1/absent:1", "/var/log"))?;
    cluster.apply(&pod("no-directory", "docker.io/library/busybox:1.35", "/does/not/exist"))?;
    for (name, said) in [("no-image", "ImagePull"), ("no-directory", "hostPath type check failed")] {
        cluster.wait(&format!("{name} to say {said}"), || {
            let described = cluster.kubectl(&["describe", "pod", name])?;
            ensure!(described.contains(said), "{described}");
            Ok(())
        })?;
    }
    Ok(())
}

/// Runs `garrison up` that must fail, and returns what it says.
fn refused(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(!output.status.success(), "it was accepted");
    Ok(text(&output.stderr))
}

#[test]
fn commands_that_cannot_work_say_why_and_change_nothing() -> Result<()> {
    let directory = tempfile::tempdir_in("/var/tmp")?;
    let state = directory.path().join("state");
    let up = || {
        let mut command = garrison();
        command.args(["up", "--nodes", "1", "--state-dir"]).arg(&state);
        command
    };
    let check = |command: &mut Command, said: &str| -> Result<()> {
        let words = refused(command)?;
        ensure!(words.contains(said), "it says {words:?}, not {said:?}");
        ensure!(!state.join("cluster.json").exists(), "a cluster was made");
        Ok(())
    };
    check(up().args(["--images", "/does/not/exist"]), "--images /does/not/exist")?;
    let images = tempfile::tempdir_in("/var/tmp")?;
    std::fs::write(images.path().join("broken.tar"), "this is no archive")?;
    check(up().arg("--images").arg(images.path()), "broken.tar is no image archive")?;
    check(up().args(["-f", "/does/not/exist.yaml"]), "/does/not/exist.yaml")?;
    let open_to_all = tempfile::tempdir_in("/var/tmp")?;
    std::fs::set_permissions(open_to_all.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let broken = directory.path().join("broken.yaml");
    std::fs::write(&broken, "kind: [")?;
    check(up().arg("-f").arg(&broken), "broken.yaml")?;
    check(
        Command::new("setpriv")
            .args(["--reuid=65534", "--clear-groups", "--"])
            .arg(garrison().get_program())
            .args(["up", "--state-dir"])
            .arg(open_to_all.path().join("state")),
        "need root",
    )?;
    // A machine on which containerd is not installed, as far as this command can see.
    let hidden = "mount --bind /dev/null /usr/bin/containerd && exec \"$@\"";
    check(
        Command::new("unshare")
            .args(["--mount", "sh", "-c", hidden, "sh"])
            .arg(garrison().get_program())
            .args(["up", "--state-dir"])
            .arg(&state),
        "containerd (Debian package containerd)",
    )?;
    check(up().args(["--listen", "127.0.0.1:7443"]), "nodes have a loopback of their own")?;
    let taken = std::net::TcpListener::bind("0.0.0.0:0")?;
    let words = refused(up().args(["--listen", &taken.local_addr()?.to_string()]))?;
    ensure!(words.contains("cannot listen on"), "{words}");
    let _ = garrison().args(["down", "--state-dir"]).arg(&state).output()?;
    Ok(())
}

#[test]
fn a_second_command_on_the_same_state_directory_is_refused() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "1"])?;
    // As a command does while it works.
    let held = std::fs::File::open(cluster.state_dir().join("lock"))?;
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    for words in [&["up", "--nodes", "2"][..], &["node", "add", "n9"], &["down"]] {
        let said = refused(garrison().args(words).arg("--state-dir").arg(cluster.state_dir()))?;
        ensure!(said.contains("another garrison command"), "{words:?} says {said:?}");
    }
    drop(held);
    ensure!(cluster.kubectl(&["get", "nodes", "-o", "name"])?.trim() == "node/n1", "something was changed");
    cluster.down()
}
