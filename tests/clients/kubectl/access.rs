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
