//! Server-side apply and who owns what, as kubectl uses and shows them.

use crate::{
    daemon_sets::minor_version,
    server::{Server, text},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

fn map(value: &str) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "default"}, "data": {"k": value}})
        .to_string()
}

/// Runs kubectl with a manifest: whether it succeeded, and all it said.
fn said(server: &Server, arguments: &[&str], manifest: &str) -> Result<(bool, String)> {
    let output = server.kubectl_with(arguments, manifest)?;
    Ok((output.status.success(), text(&output.stdout) + &text(&output.stderr)))
}

/// The object, with who owns what. Older kubectl show it always.
fn shown(server: &Server, what: &str) -> Result<Value> {
    let mut arguments = vec!["get", what, "-o", "json"];
    if minor_version(server)? >= 21 {
        let hidden: Value = serde_json::from_str(&server.kubectl(&arguments)?)?;
        ensure!(hidden["metadata"].get("managedFields").is_none(), "kubectl hides the entries by itself: {hidden}");
        arguments.push("--show-managed-fields");
    }
    Ok(serde_json::from_str(&server.kubectl(&arguments)?)?)
}

/// Manager and operation of every entry.
fn managers(object: &Value) -> Result<Vec<String>> {
    let entries = object["metadata"]["managedFields"].as_array().with_context(|| format!("no entries: {object}"))?;
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    Ok(entries.iter().map(|entry| [text(entry, "manager"), text(entry, "operation")].join("/")).collect())
}

#[test]
fn server_side_apply_makes_changes_and_meets_conflicts() -> Result<()> {
    let server = Server::start()?;
    let apply = ["apply", "--server-side", "-f", "-"];
    for value in ["1", "1", "2"] {
        let (done, words) = said(&server, &apply, &map(value))?;
        ensure!(done && words.contains("configmap/m serverside-applied"), "{words}");
    }
    let object = shown(&server, "cm/m")?;
    ensure!(managers(&object)? == ["kubectl/Apply"] && object["data"]["k"] == "2", "{object}");
    let by_hand = json!({"data": {"k": "3"}}).to_string();
    server.kubectl(&["patch", "cm", "m", "--type=merge", "-p", &by_hand])?;
    let (done, words) = said(&server, &apply, &map("4"))?;
    ensure!(!done && words.contains("Apply failed with 1 conflict: conflict with \"kubectl-patch\" using v1"), "{words}");
    ensure!(words.contains(".data.k") && words.contains("--force-conflicts"), "kubectl says what to do: {words}");
    let (done, words) = said(&server, &["apply", "--server-side", "--force-conflicts", "-f", "-"], &map("4"))?;
    ensure!(done, "{words}");
    ensure!(managers(&shown(&server, "cm/m")?)? == ["kubectl/Apply"], "force leaves one owner");
    let diff = server.kubectl_with(&["diff", "--server-side", "-f", "-"], &map("4"))?;
    ensure!(diff.status.code() == Some(0), "{}{}", text(&diff.stdout), text(&diff.stderr));
    let diff = server.kubectl_with(&["diff", "--server-side", "-f", "-"], &map("5"))?;
    ensure!(diff.status.code() == Some(1) && text(&diff.stdout).contains("+  k: \"5\""), "{}", text(&diff.stderr));
    let (done, words) = said(&server, &["apply", "--server-side", "--dry-run=server", "-f", "-"], &map("6"))?;
    ensure!(done && shown(&server, "cm/m")?["data"]["k"] == "4", "{words}");
    let unknown = map("4").replace("\"data\"", "\"dat\"");
    let (done, words) = said(&server, &["apply", "--server-side", "--validate=false", "-f", "-"], &unknown)?;
    ensure!(!done && words.contains(".dat: field not declared in schema"), "{words}");
    server.stop()
}

#[test]
fn server_side_apply_takes_over_from_client_side_apply() -> Result<()> {
    let server = Server::start()?;
    server.apply(&map("1"))?;
    let object = shown(&server, "cm/m")?;
    ensure!(managers(&object)? == ["kubectl-client-side-apply/Update"], "{object}");
    let (done, words) = said(&server, &["apply", "--server-side", "-f", "-"], &map("2"))?;
    ensure!(done, "{words}");
    let object = shown(&server, "cm/m")?;
    ensure!(managers(&object)?.contains(&"kubectl/Apply".to_owned()), "{object}");
    // Since 1.26 kubectl makes what it applied by itself before its own with a patch of the entries. The annotation stays.
    let migrates = minor_version(&server)? >= 26;
    if migrates {
        ensure!(managers(&object)? == ["kubectl-last-applied/Apply", "kubectl/Apply"], "{object}");
        // So what is no longer applied goes, though it had come by client-side apply.
        let without = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "default"}});
        let (done, words) = said(&server, &["apply", "--server-side", "-f", "-"], &without.to_string())?;
        ensure!(done && shown(&server, "cm/m")?.get("data").is_none(), "{words}");
    }
    // And back.
    server.apply(&map("3"))?;
    ensure!(shown(&server, "cm/m")?["data"]["k"] == "3", "client-side apply still works");
    server.stop()
}

/// Conformance: K1
#[test]
fn what_kubectl_sets_is_its_own() -> Result<()> {
    let server = Server::start()?;
    let set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
        }},
    });
    server.apply(&set.to_string())?;
    server.kubectl(&["set", "image", "ds/d", "c=j"])?;
    let object = shown(&server, "ds/d")?;
    ensure!(managers(&object)?.contains(&"kubectl-set/Update".to_owned()), "{object}");
    let entries = object["metadata"]["managedFields"].as_array().context("entries")?;
    let entry = entries.iter().find(|entry| entry["manager"] == "kubectl-set").context("an entry")?;
    let container = json!({"k:{\"name\":\"c\"}": {"f:image": {}}});
    let wanted = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": container}}}});
    ensure!(entry["fieldsV1"] == wanted, "{entry}");
    ensure!(managers(&object)?.contains(&"garrison-controllers/Update".to_owned()), "the controller's status: {object}");
    server.stop()
}
