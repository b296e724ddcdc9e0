//! The kubectl commands that a person uses every day.

use crate::cluster::{Cluster, text};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

const SLEEPER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: sleeper, namespace: default, labels: {app: sleeper}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: 'docker.io/library/busybox:1.35', command: [sh, -c, 'echo one; echo two; exec sleep 3600']}
";

/// Conformance: R5
#[test]
fn everyday_commands_work() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "1"])?;
    cluster.apply(SLEEPER)?;
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s"])?;
    reading(&cluster)?;
    writing(&cluster)?;
    following(&cluster)?;
    streams(&cluster)?;
    deleting(&cluster)?;
    cluster.down()
}

fn reading(cluster: &Cluster) -> Result<()> {
    let wide = cluster.kubectl(&["get", "pods", "-o", "wide"])?;
    ensure!(wide.contains("IP") && wide.contains("n1") && wide.contains("1/1"), "{wide}");
    ensure!(cluster.kubectl(&["get", "pod", "sleeper", "-o", "yaml"])?.contains("kind: Pod"), "yaml");
    ensure!(cluster.kubectl(&["get", "nodes"])?.contains("Ready"), "nodes");
    ensure!(cluster.kubectl(&["describe", "node", "n1"])?.contains("PodCIDR"), "describe node");
    ensure!(cluster.kubectl(&["get", "all", "-A"])?.contains("daemonset.apps/garrison-network-agent"), "get all");
    for what in
        ["events", "leases", "secrets", "configmaps", "serviceaccounts", "priorityclasses", "controllerrevisions", "namespaces"]
    {
        cluster.kubectl(&["get", what, "-A"])?;
    }
    ensure!(
        cluster
            .kubectl(&["get", "pods", "--field-selector=spec.nodeName=n1,status.phase=Running", "-o", "name"])?
            .contains("sleeper"),
        "fields"
    );
    ensure!(cluster.kubectl(&["version"])?.contains("Server Version"), "version");
    ensure!(cluster.kubectl(&["explain", "daemonset.spec.updateStrategy"])?.contains("rollingUpdate"), "explain");
    Ok(())
}

fn writing(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["create", "namespace", "team"])?;
    cluster.kubectl(&["-n", "team", "create", "configmap", "settings", "--from-literal=a=b"])?;
    cluster.kubectl(&["-n", "team", "create", "secret", "generic", "password", "--from-literal=p=q"])?;
    cluster.wait("the namespace's own objects", || {
        cluster.kubectl(&["-n", "team", "get", "serviceaccount/default", "configmap/kube-root-ca.crt"])
    })?;
    cluster.kubectl(&["label", "pod", "sleeper", "tier=gold"])?;
    cluster.kubectl(&["annotate", "pod", "sleeper", "note=kept"])?;
    ensure!(cluster.kubectl(&["get", "pods", "-l", "tier=gold", "-o", "name"])?.contains("sleeper"), "labels");
    let dry = cluster.kubectl_with(
        &["apply", "--dry-run=server", "-f", "-"],
        "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: dry}}",
    )?;
    ensure!(dry.status.success(), "{}", text(&dry.stderr));
    ensure!(!cluster.kubectl_output(&["get", "configmap", "dry"])?.status.success(), "a dry run stored something");
    let changed = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: team}, data: {a: c}}";
    let diff = cluster.kubectl_with(&["diff", "-f", "-"], changed)?;
    ensure!(
        diff.status.code() == Some(1) && text(&diff.stdout).contains("+  a: c"),
        "{}{}",
        text(&diff.stdout),
        text(&diff.stderr)
    );
    cluster.apply(changed)?;
    let value = || cluster.kubectl(&["-n", "team", "get", "configmap", "settings", "-o", "jsonpath={.data.a}"]);
    ensure!(value()? == "c", "apply");
    let edited = cluster
        .kubectl_command(&["-n", "team", "edit", "configmap", "settings"])
        .env("KUBE_EDITOR", "sed -i 's/a: c/a: edited/'")
        .output()?;
    ensure!(edited.status.success() && value()? == "edited", "edit: {}", text(&edited.stderr));
    Ok(())
}

/// Starts a kubectl that does not end by itself, reads lines until one contains `wanted`, and ends it.
fn follow(cluster: &Cluster, arguments: &[&str], wanted: &str, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut child = cluster.kubectl_command(arguments).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    let found: Result<()> = (|| {
        // The first line shows that it follows: what happens from now on must arrive.
        let first = lines.next().context("no line at all")??;
        meanwhile()?;
        let mut seen = std::iter::once(Ok(first)).chain(&mut lines);
        seen.find(|line| line.as_ref().map_or(true, |line| line.contains(wanted))).context("it ended")??;
        Ok(())
    })();
    let _ = child.kill();
    child.wait()?;
    found.with_context(|| format!("{arguments:?} never showed {wanted:?}"))
}

fn following(cluster: &Cluster) -> Result<()> {
    cluster.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: ticker, namespace: team}, spec: {terminationGracePeriodSeconds: 0, containers:
           [{name: c, image: 'docker.io/library/busybox:1.35', command: [sh, -c, 'i=0; while true; do echo tick $i; i=$((i+1)); sleep 1; done']}]}}",
    )?;
    cluster.kubectl(&["-n", "team", "wait", "--for=condition=Ready", "pod/ticker", "--timeout=60s"])?;
    follow(cluster, &["-n", "team", "logs", "-f", "ticker"], "tick 3", || Ok(()))?;
    follow(cluster, &["-n", "team", "get", "pods", "-w"], "Terminating", || {
        cluster.kubectl(&["-n", "team", "delete", "pod", "ticker", "--grace-period=1", "--wait=false"]).map(drop)
    })?;
    cluster.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: again, namespace: team}, spec: {terminationGracePeriodSeconds: 0, containers:
           [{name: c, image: 'docker.io/library/busybox:1.35', command: [sh, -c, 'echo first words of $(cat /proc/sys/kernel/random/uuid); exit 3']}]}}",
    )?;
    cluster.wait("a restart", || {
        let pod = cluster.kubectl(&["-n", "team", "get", "pod", "again", "-o", "json"])?;
        let pod: serde_json::Value = serde_json::from_str(&pod)?;
        let status = &pod["status"]["containerStatuses"][0];
        ensure!(status["restartCount"].as_i64() >= Some(1) && status["lastState"]["terminated"]["exitCode"] == 3, "{status}");
        Ok(())
    })?;
    let previous = cluster.kubectl(&["-n", "team", "logs", "again", "--previous"])?;
    ensure!(previous.starts_with("first words of"), "logs --previous: {previous:?}");
    cluster.kubectl(&["-n", "team", "delete", "pod", "again"]).map(drop)
}

fn streams(cluster: &Cluster) -> Result<()> {
    ensure!(cluster.kubectl(&["logs", "sleeper"])? == "one\ntwo\n", "logs");
    ensure!(cluster.kubectl(&["logs", "sleeper", "--tail=1"])? == "two\n", "logs --tail");
    ensure!(cluster.kubectl(&["exec", "sleeper", "--", "echo", "from", "inside"])? == "from inside\n", "exec");
    let echoed = cluster.kubectl_with(&["exec", "-i", "sleeper", "--", "cat"], "through the pipe")?;
    ensure!(text(&echoed.stdout) == "through the pipe", "exec -i: {}{}", text(&echoed.stdout), text(&echoed.stderr));
    // A terminal of our own, as a person at a keyboard has.
    let kubectl = cluster.kubectl_command(&[]);
    let command = format!("{} exec -it sleeper -- sh -c 'tty && echo on a terminal'", kubectl.get_program().display());
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).envs(kubectl.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let shown = text(&terminal.stdin(Stdio::null()).output()?.stdout);
    ensure!(shown.contains("/dev/pts/") && shown.contains("on a terminal"), "exec -it: {shown:?}");
    let failed = cluster.kubectl_output(&["exec", "sleeper", "--", "sh", "-c", "exit 3"])?;
    ensure!(failed.status.code() == Some(3), "the exit code is {:?}", failed.status.code());
    Ok(())
}

fn deleting(cluster: &Cluster) -> Result<()> {
    let daemon = |name: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: DaemonSet, metadata: {{name: {name}, namespace: team}}, spec: {{selector: {{matchLabels: {{app: {name}}}}},
              template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{terminationGracePeriodSeconds: 1, containers: [{{name: c, image: 'docker.io/library/busybox:1.35', command: [sleep, '3600']}}]}}}}}}}}"
        )
    };
    for cascade in ["background", "foreground", "orphan"] {
        cluster.apply(&daemon(cascade))?;
        let label = format!("app={cascade}");
        let pods = cluster.wait_one_on_each(&label, &["n1"])?;
        cluster.kubectl(&["-n", "team", "delete", "ds", cascade, &format!("--cascade={cascade}"), "--timeout=60s"])?;
        if cascade == "orphan" {
            let left = cluster.pods(&label)?;
            ensure!(left.first().map(|pod| &pod.uid) == pods.first().map(|pod| &pod.uid), "the orphan is gone");
            let owners = cluster.kubectl(&[
                "-n",
                "team",
                "get",
                "pods",
                "-l",
                &label,
                "-o",
                "jsonpath={.items[0].metadata.ownerReferences}",
            ])?;
            ensure!(owners.is_empty(), "it still has the owner {owners}");
        } else {
            cluster.wait(&format!("pods of {cascade} to go"), || {
                ensure!(cluster.pods(&label)?.is_empty(), "still there");
                Ok(())
            })?;
        }
    }
    created_from_a_file(cluster)?;
    cluster.kubectl(&["delete", "namespace", "team", "--timeout=60s"]).context("a namespace with everything in it")?;
    cluster.kubectl(&["delete", "pod", "sleeper", "--timeout=60s"])?;
    Ok(())
}

/// `create -f`, twice: the second time it exists. A name that the server makes; a write that the server counts.
fn created_from_a_file(cluster: &Cluster) -> Result<()> {
    let manifest = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: made, namespace: team}, data: {a: b}}";
    let create = || cluster.kubectl_with(&["create", "-f", "-"], manifest);
    ensure!(create()?.status.success(), "create -f");
    let again = create()?;
    ensure!(text(&again.stderr).contains("AlreadyExists"), "{}", text(&again.stderr));
    let generated = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {generateName: made-, namespace: team}}";
    let made = cluster.kubectl_with(&["create", "-f", "-", "-o", "name"], generated)?;
    ensure!(text(&made.stdout).starts_with("configmap/made-"), "{}{}", text(&made.stdout), text(&made.stderr));
    Ok(())
}
