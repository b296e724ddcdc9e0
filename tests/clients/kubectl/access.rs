//! Who may do what, who is who, and events.

use super::{Kubectl, Operation, at, eventually};
use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use garrison_tests::server::text;
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("token-request", token_request),
    ("token-review", token_review),
    ("access-review", access_review),
    ("self-subject-review", self_subject_review),
    ("impersonation", |kubectl| kubectl.refused(&["get", "cm", "--as=nobody"], &Value::Null)),
    ("role-binding", role_binding),
    ("rules-review", rules_review),
    ("role-aggregation", role_aggregation),
    ("impersonation-denied", impersonation_denied),
    ("event-core", event_core),
    ("event-v1", event_v1),
    ("http2", http2),
];

fn token(kubectl: &Kubectl) -> Result<String> {
    Ok(kubectl.tell(&["create", "token", "default"])?.trim().to_owned())
}

fn token_request(kubectl: &Kubectl) -> Result<Value> {
    let token = token(kubectl)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).context("claims")?)?;
    Ok(json!({"subject": serde_json::from_slice::<Value>(&claims)?["sub"]}))
}

fn token_review(kubectl: &Kubectl) -> Result<Value> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token(kubectl)?}});
    let status = kubectl.create(&review)?["status"].take();
    Ok(json!({"authenticated": status["authenticated"], "user": at(&status, "/user/username")}))
}

fn access_review(kubectl: &Kubectl) -> Result<Value> {
    let may = |flags: &[&str]| -> Result<Value> {
        let output = kubectl.output(&[&["auth", "can-i", "create", "pods"], flags].concat(), "")?;
        Ok(match text(&output.stdout).lines().next().unwrap_or_default() {
            "yes" => true.into(),
            word if word.starts_with("no") => false.into(),
            _ => text(&output.stderr).into(),
        })
    };
    Ok(json!({"own": may(&[])?, "other": may(&["--as=nobody"])?}))
}

fn self_subject_review(kubectl: &Kubectl) -> Result<Value> {
    let told = kubectl.object(&["auth", "whoami"])?;
    let groups = at(&told, "/status/userInfo/groups").as_array().context("groups")?;
    Ok(json!({"master": groups.contains(&"system:masters".into())}))
}

fn role_binding(kubectl: &Kubectl) -> Result<Value> {
    kubectl.tell(&["create", "role", "reader", "--verb=get", "--resource=configmaps"])?;
    kubectl.tell(&["create", "rolebinding", "reader", "--role=reader", "--user=reader"])?;
    let read = || Ok(kubectl.output(&["get", "cm", "settings", "--as=reader"], "")?.status.success());
    let get = eventually(read)?;
    let refused = kubectl.refused(&["delete", "cm", "settings", "--as=reader"], &Value::Null)?;
    Ok(json!({"get": get, "delete": refused["reason"]}))
}

/// As people read it: resources, paths, names, verbs.
fn rules_review(kubectl: &Kubectl) -> Result<Value> {
    let told = kubectl.tell(&["auth", "can-i", "--list", "--as=reader"])?;
    let rows = told.lines().filter_map(|line| line.strip_prefix("configmaps ")?.rsplit_once('['));
    let verbs = rows.map(|(_, verbs)| verbs.trim_end_matches(']').split(' ').collect::<Vec<_>>());
    Ok(json!({"configmaps": verbs.collect::<Vec<_>>()}))
}

fn role_aggregation(kubectl: &Kubectl) -> Result<Value> {
    let gather = "--aggregation-rule=clients.test/gather=yes";
    kubectl.tell(&["create", "clusterrole", "gathering", gather])?;
    kubectl.tell(&["create", "clusterrole", "gathered", "--verb=get", "--resource=configmaps"])?;
    kubectl.tell(&["label", "clusterrole", "gathered", "clients.test/gather=yes"])?;
    let gathered = || Ok::<_, anyhow::Error>(at(&kubectl.object(&["get", "clusterrole", "gathering"])?, "/rules").clone());
    eventually(|| Ok(gathered()?.as_array().is_some_and(|rules| !rules.is_empty())))?;
    let words = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    let rules = gathered()?;
    let rules =
        rules.as_array().context("rules")?.iter().map(|rule| format!("{} {}", words(&rule["verbs"]), words(&rule["resources"])));
    Ok(json!({"rules": rules.collect::<Vec<_>>()}))
}

/// A service account may be nobody but itself.
fn impersonation_denied(kubectl: &Kubectl) -> Result<Value> {
    let mut config = kubectl.object(&["config", "view", "--raw"])?;
    config["users"][0]["user"] = json!({"token": token(kubectl)?});
    let file = kubectl.around.home.join("limited");
    std::fs::write(&file, config.to_string())?;
    kubectl.refused(&["get", "cm", "--as=somebody", &format!("--kubeconfig={}", file.display())], &Value::Null)
}

fn event_core(kubectl: &Kubectl) -> Result<Value> {
    kubectl
        .create(&json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "told"}, "reason": "Told", "message": "m",
        "type": "Normal", "involvedObject": {"kind": "ConfigMap", "name": "settings", "namespace": "team"}}))?;
    let selector = "--field-selector=involvedObject.name=settings,reason=Told";
    let found = kubectl.object(&["get", "events", selector])?;
    Ok(json!({"names": kubectl.names(&["get", "events", selector])?, "type": at(&found, "/items/0/type")}))
}

fn event_v1(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(
        &json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "noted"}, "reason": "Noted",
        "note": "n", "type": "Normal", "action": "Noting", "reportingController": "clients.test/matrix",
        "reportingInstance": "one", "eventTime": "2026-01-02T03:04:05.000000Z",
        "regarding": {"kind": "ConfigMap", "name": "settings", "namespace": "team"}}),
    )?;
    let found = kubectl.raw("/api/v1/namespaces/team/events/noted")?;
    Ok(json!({"message": found["message"], "about": at(&found, "/involvedObject/name")}))
}

/// Go's own library tells what it speaks.
fn http2(kubectl: &Kubectl) -> Result<Value> {
    let output = kubectl.command(&["get", "--raw", "/version"]).env("GODEBUG", "http2debug=1").output()?;
    let spoken = text(&output.stderr).contains("http2: Transport received");
    Ok(json!({"version": if spoken { "HTTP/2.0" } else { "HTTP/1.1" }}))
}
