//! Conformance: DaemonSets and their history as kubectl shows and changes them.

use crate::server::{Server, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The set `name` in `default`, with this image.
fn set(name: &str, image: &str) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image}], "volumes": [{"name": "v", "emptyDir": {}}]},
            },
        },
    })
    .to_string()
}

/// Runs kubectl whatever comes of it: whether it succeeded, and all it said.
fn said(server: &Server, arguments: &[&str]) -> Result<(bool, String)> {
    said_to(server, arguments, "")
}

fn said_to(server: &Server, arguments: &[&str], input: &str) -> Result<(bool, String)> {
    let output = server.kubectl_with(arguments, input)?;
    Ok((output.status.success(), text(&output.stdout) + &text(&output.stderr)))
}

fn field(server: &Server, what: &str, path: &str) -> Result<String> {
    server.kubectl(&["get", what, "-o", &format!("jsonpath={path}")])
}

/// Merges into the status of an object as its own controller would. Debian's kubectl cannot patch a status.
fn set_status(server: &Server, what: &str, path: &str, status: &Value) -> Result<()> {
    let mut object: Value = serde_json::from_str(&server.kubectl(&["get", what, "-o", "json"])?)?;
    for (name, value) in status.as_object().context("fields")? {
        object["status"][name] = value.clone();
    }
    let (done, words) = said_to(server, &["replace", "--raw", &format!("{path}/status"), "-f", "-"], &object.to_string())?;
    ensure!(done, "{words}");
    Ok(())
}

/// Which kubectl this is: Debian's knows less than others.
pub(crate) fn minor_version(server: &Server) -> Result<u32> {
    let version: Value = serde_json::from_str(&server.kubectl(&["version", "--client", "-o", "json"])?)?;
    let minor = version["clientVersion"]["minor"].as_str().context("a version")?;
    minor.trim_end_matches('+').parse().context("a number")
}

fn generation(server: &Server) -> Result<String> {
    field(server, "ds/d", "{.metadata.generation}")
}

/// The numbers of the history's rows, and the whole table.
fn history(server: &Server) -> Result<(Vec<u32>, String)> {
    let table = server.kubectl(&["rollout", "history", "ds/d"])?;
    let numbers = table.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    Ok((numbers, table))
}

/// Waits until the history has these revisions.
fn wait_for_history(server: &Server, wanted: &[u32]) -> Result<String> {
    server.wait(&format!("revisions {wanted:?}"), || {
        let (numbers, table) = history(server)?;
        ensure!(numbers == wanted, "{table}");
        Ok(table)
    })
}

fn revisions(server: &Server, label: &str) -> Result<Vec<Value>> {
    let list: Value = serde_json::from_str(&server.kubectl(&["get", "controllerrevisions", "-l", label, "-o", "json"])?)?;
    Ok(list["items"].as_array().context("items")?.clone())
}

fn wait_for_revisions(server: &Server, label: &str, count: usize) -> Result<Vec<Value>> {
    server.wait(&format!("{count} revisions of {label}"), || {
        let found = revisions(server, label)?;
        ensure!(found.len() == count, "there are {found:?}");
        Ok(found)
    })
}

/// Conformance: K1, K6
#[test]
fn each_change_of_the_template_is_a_generation_and_all_of_it_is_shown() -> Result<()> {
    let server = Server::start()?;
    for _ in 0..2 {
        server.apply(&set("d", "i:1"))?;
        ensure!(generation(&server)? == "1", "applied twice");
    }
    for (number, change) in [
        ("2", &["set", "image", "ds/d", "c=i:2"][..]),
        ("3", &["set", "env", "ds/d", "A=b"]),
        ("4", &["set", "resources", "ds/d", "--limits=cpu=200m,memory=512Mi"]),
        ("5", &["rollout", "restart", "ds/d"]),
    ] {
        server.kubectl(change)?;
        ensure!(generation(&server)? == number, "{change:?} made it generation {}", generation(&server)?);
    }
    server.apply(&set("e", "j:1"))?;
    // Older ones always ask for all at once.
    let chunks: &[&str] = if minor_version(&server)? >= 24 { &["--chunk-size=1"] } else { &[] };
    let described = server.kubectl(&[&["describe", "ds"], chunks].concat())?;
    for wanted in ["Name:           d", "Name:           e", "Selector:       app=d", "Image:      i:2"] {
        // Newer kubectl align with more spaces.
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(plain(&described).contains(&plain(wanted)), "{wanted:?} is not in {described}");
    }
    let row = |arguments: &[&str]| -> Result<Vec<String>> {
        let shown = server.kubectl(&[&["get", "ds", "d"], arguments].concat())?;
        Ok(shown
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|"))
            .collect())
    };
    let plain = row(&[])?;
    ensure!(plain[0] == "NAME|DESIRED|CURRENT|READY|UP-TO-DATE|AVAILABLE|NODE SELECTOR|AGE", "{plain:?}");
    ensure!(plain[1].starts_with("d|0|0|0|0|0|<none>|"), "{plain:?}");
    let wide = row(&["-o", "wide"])?;
    ensure!(wide[0].ends_with("|AGE|CONTAINERS|IMAGES|SELECTOR") && wide[1].ends_with("|c|i:2|app=d"), "{wide:?}");
    server.stop()
}

/// Conformance: K2, K3, K6
#[test]
fn history_tells_causes_and_templates_and_can_be_gone_back_in() -> Result<()> {
    let server = Server::start()?;
    let record = |image: &str| -> Result<()> {
        let (done, words) = said_to(&server, &["apply", "--record", "-f", "-"], &set("d", image))?;
        ensure!(done, "{words}");
        Ok(())
    };
    record("i:1")?;
    let table = wait_for_history(&server, &[1])?;
    ensure!(table.contains("kubectl apply"), "no change-cause in {table}");
    let (done, words) = said(&server, &["rollout", "undo", "ds/d", "--to-revision=1"])?;
    // A kubectl before 1.35 takes the absent creation time for a difference, and sends what is there already.
    ensure!(done && (words.contains("skipped rollback") || words.contains("rolled back")), "{words}");
    ensure!(generation(&server)? == "1" && history(&server)?.0 == [1], "it was changed");
    record("i:2")?;
    wait_for_history(&server, &[1, 2])?;
    for (number, image) in [("1", "i:1"), ("2", "i:2")] {
        let template = server.kubectl(&["rollout", "history", "ds/d", &format!("--revision={number}")])?;
        ensure!(template.contains(&format!("with revision #{number}")) && template.contains(image), "{template}");
        // Older ones show the present object whatever the number.
        if minor_version(&server)? >= 27 {
            let applied = server.kubectl(&["rollout", "history", "ds/d", &format!("--revision={number}"), "-o", "json"])?;
            let applied: Value = serde_json::from_str(&applied)?;
            let shown = &applied["spec"]["template"]["spec"]["containers"][0]["image"];
            ensure!(applied["kind"] == "DaemonSet" && shown == image, "{applied}");
        }
    }
    for dry in ["client", "server"] {
        let (done, words) = said(&server, &["rollout", "undo", "ds/d", &format!("--dry-run={dry}")])?;
        ensure!(done, "{words}");
        ensure!(field(&server, "ds/d", "{.spec.template.spec.containers[0].image}")? == "i:2", "dry run by {dry}");
    }

    server.kubectl(&["rollout", "undo", "ds/d", "--to-revision=1"])?;
    wait_for_history(&server, &[2, 3])?;
    ensure!(field(&server, "ds/d", "{.spec.template.spec.containers[0].image}")? == "i:1", "undone to revision 1");
    let (done, words) = said(&server, &["rollout", "undo", "ds/d", "--to-revision=1000000"])?;
    ensure!(!done && words.contains("unable to find specified revision"), "{words}");
    ensure!(field(&server, "ds/d", "{.spec.template.spec.containers[0].image}")? == "i:1", "it was changed");
    server.kubectl(&["rollout", "undo", "ds/d"])?;
    wait_for_history(&server, &[3, 4])?;
    ensure!(field(&server, "ds/d", "{.spec.template.spec.containers[0].image}")? == "i:2", "undone");
    server.stop()
}

/// Conformance: K4
#[test]
fn rollout_status_tells_how_far_it_is() -> Result<()> {
    // Nobody but this test writes the status.
    let server = Server::start_with(&["--controllers=*,-daemonset"])?;
    server.apply(&set("d", "i:1"))?;
    let told = |status: Value| -> Result<(bool, String)> {
        set_status(&server, "ds/d", "/apis/apps/v1/namespaces/default/daemonsets/d", &status)?;
        said(&server, &["rollout", "status", "ds/d", "--watch=false"])
    };
    let status = |observed: i32, desired: i32, updated: i32, available: i32| {
        json!({"observedGeneration": observed, "desiredNumberScheduled": desired, "updatedNumberScheduled": updated,
            "numberAvailable": available})
    };
    for (status, words) in [
        (status(0, 1, 1, 1), "Waiting for daemon set spec update to be observed..."),
        (status(1, 1, 0, 0), "0 out of 1 new pods have been updated..."),
        (status(1, 2, 2, 1), "1 of 2 updated pods are available..."),
        (status(1, 2, 2, 2), "daemon set \"d\" successfully rolled out"),
    ] {
        let (done, found) = told(status)?;
        ensure!(done && found.contains(words), "{words:?} was expected: {found}");
    }
    server.kubectl(&["patch", "ds", "d", "-p", r#"{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}"#])?;
    let (done, words) = said(&server, &["rollout", "status", "ds/d", "--watch=false"])?;
    ensure!(!done && words.contains("only available for RollingUpdate strategy type"), "{words}");
    server.stop()
}

/// Conformance: K5
#[test]
fn drain_minds_daemon_orphaned_and_finished_pods() -> Result<()> {
    // Pods are made by hand, and those without an owner are left.
    let server = Server::start_with(&["--controllers=*,-daemonset,-garbage"])?;
    server.create_service_account("default")?;
    server.apply(&crate::node("n1"))?;
    server.apply(&set("d", "i:1"))?;
    let uid = field(&server, "ds/d", "{.metadata.uid}")?;
    let put_pod = |name: &str, owner: &str, uid: &str| {
        let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": owner, "uid": uid, "controller": true});
        let spec =
            json!({"nodeName": "n1", "containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}]});
        server.apply(
            &json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
                "metadata": {"name": name, "namespace": "default", "ownerReferences": [owner]}})
            .to_string(),
        )
    };
    let pods = || server.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].metadata.name}"]);
    put_pod("daemon", "d", &uid)?;
    let (done, words) = said(&server, &["drain", "n1", "--timeout=20s"])?;
    ensure!(!done && words.contains("cannot delete DaemonSet-managed Pods"), "{words}");
    ensure!(pods()? == "daemon" && field(&server, "node/n1", "{.spec.unschedulable}")? == "true", "after a refusal");

    // An emptyDir is no obstacle where the pod stays.
    let (done, words) = said(&server, &["drain", "n1", "--ignore-daemonsets", "--timeout=20s"])?;
    ensure!(
        done && words.contains("ignoring DaemonSet-managed Pods: default/daemon") && words.contains("node/n1 drained"),
        "{words}"
    );
    ensure!(pods()? == "daemon", "the daemon was drained");

    put_pod("finished", "d", &uid)?;
    set_status(&server, "pod/finished", "/api/v1/namespaces/default/pods/finished", &json!({"phase": "Succeeded"}))?;
    let (done, words) = said(&server, &["drain", "n1", "--ignore-daemonsets", "--timeout=20s"])?;
    // An older kubectl does not find our evictions, and deletes.
    ensure!(done && words.contains("pod/finished "), "{words}");
    ensure!(pods()? == "daemon", "the finished pod is still there");

    put_pod("orphan", "gone", "of-nobody")?;
    let (done, words) = said(&server, &["drain", "n1", "--ignore-daemonsets", "--timeout=20s"])?;
    ensure!(!done && words.contains("daemonsets.apps \"gone\" not found"), "{words}");
    ensure!(pods()? == "daemon orphan", "it was drained");
    let force = ["drain", "n1", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--grace-period=0", "--timeout=20s"];
    let (done, words) = said(&server, &force)?;
    ensure!(done && words.to_lowercase().contains("warning:") && words.contains("orphan"), "{words}");
    ensure!(pods()? == "daemon", "the orphan is still there");
    server.stop()
}

/// Conformance: E11
#[test]
fn revisions_that_somebody_changes_stay_as_they_are() -> Result<()> {
    let server = Server::start()?;
    server.apply(&set("d", "i:1"))?;
    let first = wait_for_revisions(&server, "app=d", 1)?.remove(0);
    let name = first["metadata"]["name"].as_str().context("a name")?;
    server.kubectl(&["label", "controllerrevision", name, "patched=yes"])?;
    ensure!(revisions(&server, "app=d,patched=yes")?.len() == 1, "the label is not there");

    let mut second = first.clone();
    second["metadata"] = json!({"name": "d-second", "namespace": "default", "labels": {"app": "d"},
        "ownerReferences": first["metadata"]["ownerReferences"]});
    second["revision"] = json!(2);
    let (done, words) = said_to(&server, &["create", "-f", "-"], &second.to_string())?;
    ensure!(done, "{words}");
    // By the time another set has its revision the controller has heard of this one, too.
    server.apply(&set("other", "i:1"))?;
    wait_for_revisions(&server, "app=other", 1)?;
    ensure!(revisions(&server, "app=d")?.len() == 2, "one was taken for a duplicate although nothing was to be done");
    server.kubectl(&["delete", "controllerrevision", name])?;
    wait_for_revisions(&server, "app=d", 1)?;
    server.kubectl(&["label", "controllerrevision", "d-second", "updated=yes"])?;
    ensure!(revisions(&server, "app=d,updated=yes")?.len() == 1, "the label is not there");

    server.kubectl(&["set", "image", "ds/d", "c=i:2"])?;
    wait_for_revisions(&server, "app=d", 2)?;
    server.kubectl(&["delete", "--raw", "/apis/apps/v1/namespaces/default/controllerrevisions?labelSelector=updated%3Dyes"])?;
    let left = wait_for_revisions(&server, "app=d", 1)?;
    ensure!(left[0]["revision"] == 3, "{left:?}");
    server.stop()
}

/// Conformance: W22
#[test]
fn a_set_of_the_longest_name_has_revisions_and_pods() -> Result<()> {
    let server = Server::start()?;
    server.create_service_account("default")?;
    server.apply(&crate::node("n1"))?;
    server.kubectl(&["taint", "node", "n1", "node.kubernetes.io/not-ready-"])?;
    let name = "d".repeat(253);
    server.apply(&set("d", "i:1").replacen("\"name\":\"d\"", &format!("\"name\":\"{name}\""), 1))?;
    ensure!(field(&server, "ds", "{.items[0].metadata.name}")? == name, "it was made under another name");
    wait_for_revisions(&server, "app=d", 1)?;
    server.wait("its pod", || {
        let labels = "{.items[*].metadata.labels.controller-revision-hash}";
        ensure!(!server.kubectl(&["get", "pods", "-l", "app=d", "-o", &format!("jsonpath={labels}")])?.is_empty(), "no pod yet");
        Ok(())
    })?;
    server.stop()
}
