//! What a pod asks of its node: volumes, environment, privileges, restarts, grace, logs.

use crate::cluster::Cluster;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

#[test]
fn a_node_gives_pods_what_they_ask_for() -> Result<()> {
    let cluster = Cluster::up(&["--nodes", "1"])?;
    volumes_and_environment(&cluster)?;
    every_type_of_host_path(&cluster)?;
    privileges(&cluster)?;
    namespaces_of_the_host(&cluster)?;
    restarts(&cluster)?;
    probes_and_init_containers(&cluster)?;
    grace(&cluster)?;
    logs(&cluster)?;
    cluster.down()
}

fn run(cluster: &Cluster, name: &str, spec: &str) -> Result<()> {
    cluster.apply(&format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n{spec}"))
}

fn ready(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.kubectl(&["wait", "--for=condition=Ready", &format!("pod/{name}"), "--timeout=60s"]).map(drop)
}

fn shell(cluster: &Cluster, pod: &str, script: &str) -> Result<String> {
    let output = cluster.kubectl(&["exec", pod, "--", "sh", "-c", script]).with_context(|| format!("in {pod}: {script}"))?;
    Ok(output.trim().to_owned())
}

fn status(cluster: &Cluster, pod: &str) -> Result<Value> {
    let pod: Value = serde_json::from_str(&cluster.kubectl(&["get", "pod", pod, "-o", "json"])?)?;
    Ok(pod["status"].clone())
}

/// Runs each script in the pod and compares what it prints.
fn check(cluster: &Cluster, pod: &str, cases: &[(&str, &str)]) -> Result<()> {
    for (script, expected) in cases {
        let printed = shell(cluster, pod, script)?;
        ensure!(printed == *expected, "{script} printed {printed:?}, not {expected:?}");
    }
    Ok(())
}

fn volumes_and_environment(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["create", "configmap", "settings", "--from-literal=colour=blue", "--from-literal=size=big"])?;
    cluster.kubectl(&["create", "secret", "generic", "password", "--from-literal=word=sesame"])?;
    run(
        cluster,
        "fed",
        "
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: docker.io/library/busybox:1.35
    command: [sleep, '3600']
    resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {cpu: 500m, memory: 64Mi}}
    envFrom: [{configMapRef: {name: settings}, prefix: SET_}]
    env:
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: WORD, valueFrom: {secretKeyRef: {name: password, key: word}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
    - {name: BOTH, value: $(COLOUR)-$(NODE)}
    volumeMounts:
    - {name: settings, mountPath: /settings}
    - {name: one, mountPath: /one}
    - {name: password, mountPath: /password, readOnly: true}
    - {name: memory, mountPath: /memory}
    - {name: disk, mountPath: /disk}
    - {name: about, mountPath: /about}
    - {name: settings, mountPath: /single, subPath: size}
  volumes:
  - {name: settings, configMap: {name: settings}}
  - {name: one, configMap: {name: settings, items: [{key: colour, path: a/b, mode: 0400}]}}
  - {name: password, secret: {secretName: password}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: disk, emptyDir: {}}
  - {name: about, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
",
    )?;
    ready(cluster, "fed")?;
    check(
        cluster,
        "fed",
        &[
            ("cat /settings/colour", "blue"),
            ("cat /one/a/b; ls /one", "bluea"),
            ("stat -L -c %a /one/a/b", "400"),
            ("cat /password/word", "sesame"),
            ("touch /password/x 2>/dev/null || echo refused", "refused"),
            ("mount | grep -c ' /memory type tmpfs'", "1"),
            ("echo kept > /disk/file && cat /disk/file", "kept"),
            ("cat /about/labels", "app=\"fed\""),
            ("cat /single", "big"),
            ("echo $SET_colour $COLOUR $WORD $NODE $LIMIT $BOTH", "blue blue sesame n1 67108864 blue-n1"),
            ("cut -d/ -f1 /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max", "67108864"),
            ("cd /var/run/secrets/kubernetes.io/serviceaccount && ls", "ca.crt\nnamespace\ntoken"),
            ("cat /var/run/secrets/kubernetes.io/serviceaccount/namespace", "default"),
        ],
    )?;
    cluster.kubectl(&["patch", "configmap", "settings", "-p", r#"{"data":{"colour":"green"}}"#])?;
    cluster.wait("the changed ConfigMap in the volume", || check(cluster, "fed", &[("cat /settings/colour", "green")]))?;
    cluster.kubectl(&["delete", "pod", "fed"]).map(drop)
}

fn every_type_of_host_path(cluster: &Cluster) -> Result<()> {
    let directory = cluster.node_dir("n1").join("log/kinds");
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("file"), "here")?;
    let _socket = std::os::unix::net::UnixListener::bind(directory.join("socket"))?;
    let good = [
        ("directory", "Directory", "/var/log/kinds"),
        ("new-directory", "DirectoryOrCreate", "/var/log/kinds/made/deep"),
        ("file", "File", "/var/log/kinds/file"),
        ("new-file", "FileOrCreate", "/var/log/kinds/made-file"),
        ("socket", "Socket", "/var/log/kinds/socket"),
        ("character", "CharDevice", "/dev/null"),
    ];
    let volumes: String = good
        .iter()
        .map(|(name, kind, path)| format!("  - {{name: {name}, hostPath: {{path: {path}, type: {kind}}}}}\n"))
        .collect();
    let mounts: String = good.iter().map(|(name, ..)| format!("    - {{name: {name}, mountPath: /v/{name}}}\n")).collect();
    let pod = |volumes: &str, mounts: &str| {
        format!(
            "  terminationGracePeriodSeconds: 0\n  containers:\n  - name: c\n    image: docker.io/library/busybox:1.35\n    command: [sleep, '3600']\n    volumeMounts:\n{mounts}  volumes:\n{volumes}"
        )
    };
    run(cluster, "host-paths", &pod(&volumes, &mounts))?;
    ready(cluster, "host-paths")?;
    check(
        cluster,
        "host-paths",
        &[
            ("cat /v/file", "here"),
            ("test -d /v/new-directory && test -f /v/new-file && test -S /v/socket && test -c /v/character && echo all", "all"),
        ],
    )?;
    cluster.kubectl(&["delete", "pod", "host-paths"])?;
    let bad = [
        ("Directory", "/var/log/kinds/file"),
        ("File", "/var/log/kinds"),
        ("Socket", "/var/log/kinds/file"),
        ("CharDevice", "/var/log/kinds/file"),
        ("BlockDevice", "/dev/null"),
        ("File", "/var/log/kinds/absent"),
    ];
    for (index, (kind, path)) in bad.iter().enumerate() {
        let name = format!("bad-path-{index}");
        run(
            cluster,
            &name,
            &pod(&format!("  - {{name: v, hostPath: {{path: {path}, type: {kind}}}}}\n"), "    - {name: v, mountPath: /v}\n"),
        )?;
    }
    for (index, (kind, path)) in bad.iter().enumerate() {
        let name = format!("bad-path-{index}");
        cluster.wait(&format!("the refusal of {path} as {kind}"), || {
            let described = cluster.kubectl(&["describe", "pod", &name])?;
            ensure!(described.contains("hostPath type check failed") && described.contains("ContainerCreating"), "{described}");
            Ok(())
        })?;
    }
    cluster.kubectl(&["delete", "pods", "--all"]).map(drop)
}

fn privileges(cluster: &Cluster) -> Result<()> {
    let pod = |context: &str| {
        format!(
            "  terminationGracePeriodSeconds: 0\n  containers:\n  - name: c\n    image: docker.io/library/busybox:1.35\n    command: [sleep, '3600']\n    securityContext: {context}\n"
        )
    };
    run(cluster, "mighty", &pod("{privileged: true}"))?;
    run(cluster, "chosen", &pod("{capabilities: {drop: [ALL], add: [NET_ADMIN, SYS_TIME]}}"))?;
    run(
        cluster,
        "modest",
        &pod("{runAsUser: 1234, runAsGroup: 4321, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}"),
    )?;
    for name in ["mighty", "chosen", "modest"] {
        ready(cluster, name)?;
    }
    check(cluster, "mighty", &[("test -e /dev/kmsg && mkdir /tmp/m && mount -t tmpfs t /tmp/m && echo mounted", "mounted")])?;
    // NET_ADMIN is bit 12, SYS_TIME bit 25.
    check(cluster, "chosen", &[("grep CapEff /proc/self/status | cut -f2", "0000000002001000")])?;
    check(
        cluster,
        "modest",
        &[
            ("id -u; id -g", "1234\n4321"),
            ("touch /x 2>/dev/null || echo refused", "refused"),
            ("grep NoNewPrivs /proc/self/status | cut -f2", "1"),
        ],
    )?;
    cluster.kubectl(&["delete", "pods", "--all"]).map(drop)
}

fn namespaces_of_the_host(cluster: &Cluster) -> Result<()> {
    run(
        cluster,
        "on-the-host",
        "  hostNetwork: true\n  hostPID: true\n  terminationGracePeriodSeconds: 0\n  containers:\n  - {name: c, image: 'docker.io/library/busybox:1.35', command: [sleep, '3600']}\n",
    )?;
    ready(cluster, "on-the-host")?;
    check(cluster, "on-the-host", &[("hostname", "n1"), ("ps | grep -v grep | grep -c ' agent --server'", "1")])?;
    let address = cluster.address("n1")?;
    let ips = status(cluster, "on-the-host")?;
    ensure!(ips["podIP"] == address.as_str() && ips["hostIP"] == address.as_str(), "{ips}");
    cluster.kubectl(&["delete", "pod", "on-the-host"]).map(drop)
}

fn restarts(cluster: &Cluster) -> Result<()> {
    let pod = |policy: &str, script: &str| {
        format!(
            "  restartPolicy: {policy}\n  terminationGracePeriodSeconds: 0\n  containers:\n  - {{name: c, image: 'docker.io/library/busybox:1.35', command: [sh, -c, '{script}']}}\n"
        )
    };
    run(cluster, "crashing", &pod("Always", "exit 3"))?;
    run(cluster, "done", &pod("Never", "exit 0"))?;
    run(cluster, "failed", &pod("Never", "echo -n because > /dev/termination-log; exit 4"))?;
    run(cluster, "retried", &pod("OnFailure", "exit 5"))?;
    for name in ["crashing", "retried"] {
        cluster.wait(&format!("{name} to be held back"), || {
            let container = &status(cluster, name)?["containerStatuses"][0];
            ensure!(container["state"]["waiting"]["reason"] == "CrashLoopBackOff", "{container}");
            ensure!(container["lastState"]["terminated"]["reason"] == "Error", "{container}");
            ensure!(container["restartCount"].as_i64() >= Some(1), "{container}");
            Ok(())
        })?;
    }
    for (name, phase, reason) in [("done", "Succeeded", "Completed"), ("failed", "Failed", "Error")] {
        cluster.wait(&format!("{name} to be {phase}"), || {
            let status = status(cluster, name)?;
            let ended = &status["containerStatuses"][0]["state"]["terminated"];
            ensure!(status["phase"] == phase && ended["reason"] == reason, "{status}");
            ensure!(name != "failed" || (ended["exitCode"] == 4 && ended["message"] == "because"), "{ended}");
            Ok(())
        })?;
    }
    cluster.kubectl(&["delete", "pods", "--all"]).map(drop)
}

fn probes_and_init_containers(cluster: &Cluster) -> Result<()> {
    run(
        cluster,
        "probed",
        "
  terminationGracePeriodSeconds: 0
  initContainers:
  - {name: first, image: 'docker.io/library/busybox:1.35', command: [sh, -c, 'echo first > /shared/order'], volumeMounts: [{name: shared, mountPath: /shared}]}
  - {name: second, image: 'docker.io/library/busybox:1.35', command: [sh, -c, 'echo second >> /shared/order'], volumeMounts: [{name: shared, mountPath: /shared}]}
  containers:
  - name: c
    image: docker.io/library/busybox:1.35
    command: [sh, -c, 'mkdir /tmp/www; touch /tmp/alive; exec httpd -f -p 8080 -h /tmp/www']
    readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}
    livenessProbe: {exec: {command: [test, -e, /tmp/alive]}, periodSeconds: 1, failureThreshold: 2}
    volumeMounts: [{name: shared, mountPath: /shared}]
  volumes: [{name: shared, emptyDir: {}}]
",
    )?;
    cluster.wait("the pod to run and not be ready", || {
        let status = status(cluster, "probed")?;
        let container = &status["containerStatuses"][0];
        ensure!(container["state"]["running"].is_object() && container["ready"] == false, "{status}");
        Ok(())
    })?;
    check(cluster, "probed", &[("cat /shared/order", "first\nsecond")])?;
    shell(cluster, "probed", "touch /tmp/www/ready")?;
    ready(cluster, "probed")?;
    shell(cluster, "probed", "rm /tmp/alive")?;
    cluster.wait("a restart for failing its liveness probe", || {
        let container = &status(cluster, "probed")?["containerStatuses"][0];
        ensure!(container["restartCount"] == 1 && container["ready"] == false, "{container}");
        Ok(())
    })?;
    let described = cluster.kubectl(&["describe", "pod", "probed"])?;
    ensure!(described.contains("Liveness probe failed") && described.contains("Readiness probe failed"), "{described}");
    cluster.kubectl(&["delete", "pod", "probed"]).map(drop)
}

/// A container that ends by itself when asked is waited for, one that does not listen is killed when its time is over.
fn grace(cluster: &Cluster) -> Result<()> {
    let pod = |grace: u32, script: &str| {
        format!(
            "  terminationGracePeriodSeconds: {grace}\n  containers:\n  - name: c\n    image: docker.io/library/busybox:1.35\n    command: [sh, -c, '{script}']\n    lifecycle: {{preStop: {{exec: {{command: [sh, -c, 'echo stopping > /var/log/hook']}}}}}}\n    volumeMounts: [{{name: log, mountPath: /var/log}}]\n  volumes: [{{name: log, hostPath: {{path: /var/log}}}}]\n"
        )
    };
    run(cluster, "polite", &pod(60, r#"trap "echo goodbye > /var/log/polite; exit 0" TERM; while true; do sleep 0.1; done"#))?;
    run(cluster, "deaf", &pod(3, r#"trap "" TERM; while true; do sleep 0.1; done"#))?;
    ready(cluster, "polite")?;
    ready(cluster, "deaf")?;
    let started = std::time::Instant::now();
    cluster.kubectl(&["delete", "pod", "polite", "deaf", "--timeout=50s"])?;
    ensure!(started.elapsed().as_secs() >= 3, "the deaf one had no time");
    let log = |name: &str| std::fs::read_to_string(cluster.node_dir("n1").join("log").join(name));
    ensure!(log("polite")? == "goodbye\n" && log("hook")? == "stopping\n", "the container was not asked");
    Ok(())
}

/// The layout by which log shippers find containers' logs.
fn logs(cluster: &Cluster) -> Result<()> {
    run(
        cluster,
        "talker",
        "  terminationGracePeriodSeconds: 0\n  containers:\n  - {name: c, image: 'docker.io/library/busybox:1.35', command: [sh, -c, 'echo out; echo err >&2; exec sleep 3600']}\n",
    )?;
    ready(cluster, "talker")?;
    let pod: Value = serde_json::from_str(&cluster.kubectl(&["get", "pod", "talker", "-o", "json"])?)?;
    let uid = pod["metadata"]["uid"].as_str().context("a uid")?;
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().context("an id")?.trim_start_matches("containerd://");
    let link = format!("/var/log/containers/talker_default_c-{id}.log");
    let target = cluster.machine("n1", &["readlink", "-f", &link])?;
    ensure!(target.trim() == format!("/var/log/pods/default_talker_{uid}/c/0.log"), "{link} leads to {target}");
    let lines = cluster.machine("n1", &["cat", &link])?;
    ensure!(lines.contains(" stdout F out") && lines.contains(" stderr F err"), "{lines}");
    cluster.kubectl(&["delete", "pod", "talker"])?;
    cluster.wait("the pod's logs to go with it", || {
        let left = cluster.machine("n1", &["ls", "/var/log/pods", "/var/log/containers"])?;
        ensure!(!left.contains("talker"), "{left}");
        Ok(())
    })
}
