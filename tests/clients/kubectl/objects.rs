//! Discovery, and what is done to one object: writes, refusals, patches.

use super::{Kubectl, Operation, at, config_map};
use anyhow::{Context, Result, ensure};
use garrison_tests::server::text;
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("version", version),
    ("groups", groups),
    ("resources", resources),
    ("namespace-create", namespace_create),
    ("configmap-create", configmap_create),
    ("configmap-get", |kubectl| Ok(json!({"data": at(&kubectl.object(&["get", "cm", "settings"])?, "/data")}))),
    ("configmap-replace", configmap_replace),
    ("generate-name", generate_name),
    ("already-exists", |kubectl| kubectl.refused(&["create", "-f", "-"], &config_map("settings", &json!({}), &json!({})))),
    ("not-found", |kubectl| kubectl.refused(&["get", "cm", "missing"], &Value::Null)),
    ("conflict", conflict),
    ("invalid", invalid),
    ("strict-validation", |kubectl| kubectl.refused(&["create", "--validate=strict", "-f", "-"], &unknown_field("strict"))),
    ("validation-warning", validation_warning),
    ("dry-run", dry_run),
    ("delete", delete),
    ("secret-binary", secret_binary),
    ("secret-string-data", secret_string_data),
    ("daemonset-defaults", daemonset_defaults),
    ("daemonset-generation", daemonset_generation),
    ("service", service),
    ("lease", lease),
    ("patch-json", patch_json),
    ("patch-json-test", patch_json_test),
    ("patch-merge", patch_merge),
    ("patch-strategic", patch_strategic),
    ("apply-create", |kubectl| {
        let made = apply(kubectl, "first", &json!({"a": "1", "b": "2"}), &[])?;
        Ok(json!({"data": at(&made, "/data"), "managers": managers_of_applied(kubectl)?}))
    }),
    ("apply-remove", |kubectl| Ok(json!({"data": at(&apply(kubectl, "first", &json!({"a": "1"}), &[])?, "/data")}))),
    ("apply-conflict", |kubectl| kubectl.refused(&APPLY_SECOND, &config_map("applied", &json!({"a": "2"}), &Value::Null))),
    ("apply-force", |kubectl| {
        let changed = apply(kubectl, "second", &json!({"a": "2"}), &["--force-conflicts"])?;
        Ok(json!({"data": at(&changed, "/data"), "managers": managers_of_applied(kubectl)?}))
    }),
];

/// What leaves nothing behind.
pub(super) const LAST: &[Operation] = &[("namespace-delete", |kubectl| {
    kubectl.tell(&["delete", "pods", "--all", "--force", "--grace-period=0"])?;
    kubectl.tell(&["delete", "namespace", "team", "--timeout=20s"])?;
    Ok(json!({"gone": kubectl.is_gone("namespace", "team")?}))
})];

const APPLY_SECOND: [&str; 5] = ["apply", "--server-side", "--field-manager=second", "-f", "-"];

fn version(kubectl: &Kubectl) -> Result<Value> {
    let told = kubectl.object(&["version"])?;
    Ok(json!({"major": at(&told, "/serverVersion/major"), "minor": at(&told, "/serverVersion/minor")}))
}

fn groups(kubectl: &Kubectl) -> Result<Value> {
    let told = kubectl.tell(&["api-versions"])?;
    let version = |group: &str| told.lines().find_map(|line| line.strip_prefix(group)?.strip_prefix('/'));
    let wanted = ["apps", "batch", "coordination.k8s.io", "rbac.authorization.k8s.io"];
    Ok(wanted.into_iter().map(|group| (group.to_owned(), json!(version(group)))).collect::<serde_json::Map<_, _>>().into())
}

fn resources(kubectl: &Kubectl) -> Result<Value> {
    let told = kubectl.tell(&["api-resources", "--api-group=apps", "-o", "wide", "--no-headers"])?;
    let row = told.lines().find(|line| line.starts_with("daemonsets ")).context("a row")?;
    let columns: Vec<&str> = row.split_whitespace().collect();
    ensure!(columns.len() > 5, "{row}");
    // Older ones print [a b c], newer ones a,b,c and the categories.
    let bracketed = row.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(verbs, _)| verbs);
    let mut verbs: Vec<&str> = bracketed.map_or_else(|| columns[5].split(',').collect(), |verbs| verbs.split(' ').collect());
    verbs.sort_unstable();
    Ok(json!({"kind": columns[4], "namespaced": columns[3] == "true", "short": [columns[1]], "verbs": verbs}))
}

fn namespace_create(kubectl: &Kubectl) -> Result<Value> {
    let made = kubectl.object(&["create", "namespace", "team"])?;
    Ok(json!({"name": at(&made, "/metadata/name"), "phase": at(&made, "/status/phase")}))
}

fn configmap_create(kubectl: &Kubectl) -> Result<Value> {
    let made = kubectl.object(&["create", "configmap", "settings", "--from-literal=a=b"])?;
    let identified = ["/metadata/uid", "/metadata/resourceVersion"].iter().all(|field| at(&made, field).is_string());
    Ok(json!({"data": at(&made, "/data"), "identified": identified}))
}

fn configmap_replace(kubectl: &Kubectl) -> Result<Value> {
    let mut found = kubectl.object(&["get", "cm", "settings"])?;
    found["data"]["a"] = "c".into();
    Ok(json!({"data": at(&kubectl.send(&["replace"], &found)?, "/data")}))
}

fn generate_name(kubectl: &Kubectl) -> Result<Value> {
    let made = kubectl.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}}))?;
    let name = at(&made, "/metadata/name").as_str().context("a name")?;
    Ok(json!({"prefix": name.get(..5), "length": name.len()}))
}

fn conflict(kubectl: &Kubectl) -> Result<Value> {
    let stale = kubectl.make("contended", &Value::Null)?;
    kubectl.tell(&["patch", "cm", "contended", "-p", "{\"data\":{\"a\":\"2\"}}"])?;
    kubectl.refused(&["replace", "-f", "-"], &stale)
}

fn daemon_set(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {
            "nodeSelector": {"no": "node"}, "containers": [{"name": "main", "image": "pause"}]}}}})
}

fn invalid(kubectl: &Kubectl) -> Result<Value> {
    let mut wrong = daemon_set("wrong");
    wrong["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    wrong["spec"]["template"]["spec"]["containers"] = json!([{"name": "main"}]);
    kubectl.refused(&["create", "-f", "-"], &wrong)
}

fn unknown_field(name: &str) -> Value {
    let mut wrong = config_map(name, &json!({}), &Value::Null);
    wrong["bogus"] = 1.into();
    wrong
}

fn validation_warning(kubectl: &Kubectl) -> Result<Value> {
    let told = kubectl.output(&["create", "--validate=warn", "-f", "-"], &unknown_field("warned").to_string())?;
    Ok(json!({"warning": text(&told.stderr).trim().strip_prefix("Warning: ")}))
}

fn dry_run(kubectl: &Kubectl) -> Result<Value> {
    let made = kubectl.object(&["create", "cm", "dry", "--from-literal=a=b", "--dry-run=server"])?;
    Ok(json!({"data": at(&made, "/data"), "stored": !kubectl.is_gone("cm", "dry")?}))
}

fn delete(kubectl: &Kubectl) -> Result<Value> {
    kubectl.make("shortlived", &Value::Null)?;
    kubectl.tell(&["delete", "cm", "shortlived"])?;
    Ok(json!({"gone": kubectl.is_gone("cm", "shortlived")?}))
}

fn secret_binary(kubectl: &Kubectl) -> Result<Value> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let bytes: Vec<u8> = (0..=255).collect();
    let file = kubectl.around.home.join("binary");
    std::fs::write(&file, &bytes)?;
    kubectl.tell(&["create", "secret", "generic", "binary", &format!("--from-file=key={}", file.display())])?;
    let found = kubectl.object(&["get", "secret", "binary"])?;
    let data = BASE64_STANDARD.decode(at(&found, "/data/key").as_str().context("data")?)?;
    Ok(json!({"same": data == bytes, "type": at(&found, "/type")}))
}

fn secret_string_data(kubectl: &Kubectl) -> Result<Value> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "strings"}, "stringData": {"key": "value"}});
    Ok(json!({"data": at(&kubectl.create(&secret)?, "/data")}))
}

fn daemonset_defaults(kubectl: &Kubectl) -> Result<Value> {
    let made = kubectl.create(&daemon_set("agent"))?;
    let strategy = at(&made, "/spec/updateStrategy");
    Ok(json!({"strategy": at(strategy, "/type"), "unavailable": at(strategy, "/rollingUpdate/maxUnavailable"),
        "history": at(&made, "/spec/revisionHistoryLimit"), "generation": at(&made, "/metadata/generation"),
        "pull": at(&made, "/spec/template/spec/containers/0/imagePullPolicy")}))
}

fn daemonset_generation(kubectl: &Kubectl) -> Result<Value> {
    let changed = kubectl.object(&["patch", "ds", "agent", "-p", "{\"spec\":{\"minReadySeconds\":1}}"])?;
    Ok(json!({"generation": at(&changed, "/metadata/generation")}))
}

fn service(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}}))?;
    let found = kubectl.object(&["get", "svc", "web"])?;
    kubectl.tell(&["delete", "svc", "web"])?;
    Ok(json!({"type": at(&found, "/spec/type"), "affinity": at(&found, "/spec/sessionAffinity"),
        "protocol": at(&found, "/spec/ports/0/protocol"), "target": at(&found, "/spec/ports/0/targetPort")}))
}

fn lease(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "turn"},
        "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.123456Z"}}))?;
    let mut found = kubectl.object(&["get", "lease", "turn"])?;
    found["spec"]["holderIdentity"] = "you".into();
    let changed = kubectl.send(&["replace"], &found)?;
    Ok(json!({"holder": at(&changed, "/spec/holderIdentity"), "renewed": at(&changed, "/spec/renewTime")}))
}

fn patch_json(kubectl: &Kubectl) -> Result<Value> {
    kubectl.make("patched", &Value::Null)?;
    let patch = r#"[{"op":"replace","path":"/data/a","value":"json"}]"#;
    Ok(json!({"data": at(&kubectl.object(&["patch", "cm", "patched", "--type=json", "-p", patch])?, "/data")}))
}

fn patch_json_test(kubectl: &Kubectl) -> Result<Value> {
    let patch = r#"[{"op":"test","path":"/data/a","value":"no"}]"#;
    let told = kubectl.refused(&["patch", "cm", "settings", "--type=json", "-p", patch], &Value::Null)?;
    Ok(json!({"reason": told["reason"]}))
}

fn patch_merge(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&config_map("merged", &json!({"a": "b", "c": "d"}), &Value::Null))?;
    let patch = r#"{"data":{"a":null,"e":"f"}}"#;
    Ok(json!({"data": at(&kubectl.object(&["patch", "cm", "merged", "--type=merge", "-p", patch])?, "/data")}))
}

fn patch_strategic(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&daemon_set("strategic"))?;
    let patch = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"pause"}]}}}}"#;
    let changed = kubectl.object(&["patch", "ds", "strategic", "--type=strategic", "-p", patch])?;
    let containers = at(&changed, "/spec/template/spec/containers").as_array().context("containers")?;
    Ok(json!({"containers": containers.iter().map(|container| &container["name"]).collect::<Vec<_>>()}))
}

fn apply(kubectl: &Kubectl, manager: &str, data: &Value, flags: &[&str]) -> Result<Value> {
    let manager = format!("--field-manager={manager}");
    kubectl.send(&[&["apply", "--server-side", &manager], flags].concat(), &config_map("applied", data, &Value::Null))
}

/// Who owns fields of an object, and by what sort of request.
pub(super) fn managers(found: &Value) -> Vec<String> {
    let word = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let entries = at(found, "/metadata/managedFields").as_array().cloned().unwrap_or_default();
    let mut managers: Vec<String> =
        entries.iter().map(|entry| format!("{}/{}", word(entry, "manager"), word(entry, "operation"))).collect();
    managers.sort();
    managers
}

/// Of the object that is applied; as it is served, since newer ones hide the managers.
fn managers_of_applied(kubectl: &Kubectl) -> Result<Vec<String>> {
    Ok(managers(&kubectl.raw("/api/v1/namespaces/team/configmaps/applied")?))
}
