//! Watches, which kubectl passes through as they come.

use super::{Kubectl, Operation, at};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

pub(super) const ALL: &[Operation] = &[
    ("watch-from-version", watch_from_version),
    ("watch-from-zero", |kubectl| lasting(kubectl, "zero", "&resourceVersion=0")),
    ("watch-unset", |kubectl| lasting(kubectl, "unset", "")),
    ("watch-bookmarks", watch_bookmarks),
    ("streaming-list", streaming_list),
    ("watch-transition", watch_transition),
    ("watch-expired", watch_expired),
];

/// The first events of a watch, or all until it ends by itself.
fn events(kubectl: &Kubectl, query: &str, count: usize) -> Result<Vec<Value>> {
    let path = format!("/api/v1/namespaces/team/configmaps?watch=1&{query}");
    let mut child = kubectl.command(&["get", "--raw", &path]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    let events = lines.take(count).map(|line| Ok(serde_json::from_str(&line?)?)).collect();
    // It may have ended by itself.
    let _ = child.kill();
    child.wait()?;
    events
}

fn told(events: &[Value]) -> Value {
    let word = |event: &Value| {
        let name = at(event, "/object/metadata/name").as_str().unwrap_or_default();
        format!("{} {name}", event["type"].as_str().unwrap_or_default()).trim().to_owned()
    };
    json!({"events": events.iter().map(word).collect::<Vec<_>>()})
}

fn now(kubectl: &Kubectl) -> Result<String> {
    let list = kubectl.raw("/api/v1/namespaces/team/configmaps?limit=1")?;
    Ok(at(&list, "/metadata/resourceVersion").as_str().context("a version")?.to_owned())
}

fn watch_from_version(kubectl: &Kubectl) -> Result<Value> {
    let start = now(kubectl)?;
    kubectl.make("passing", &json!({"watched": "version"}))?;
    kubectl.tell(&["patch", "cm", "passing", "-p", "{\"data\":{\"n\":\"2\"}}"])?;
    kubectl.tell(&["delete", "cm", "passing"])?;
    Ok(told(&events(kubectl, &format!("labelSelector=watched%3Dversion&resourceVersion={start}&timeoutSeconds=20"), 3)?))
}

/// A watch that tells of what is there and ends when its time is up.
fn lasting(kubectl: &Kubectl, name: &str, query: &str) -> Result<Value> {
    kubectl.make(name, &json!({"watched": name}))?;
    Ok(told(&events(kubectl, &format!("labelSelector=watched%3D{name}&timeoutSeconds=1{query}"), usize::MAX)?))
}

fn watch_bookmarks(kubectl: &Kubectl) -> Result<Value> {
    let start = now(kubectl)?;
    Ok(told(&events(kubectl, &format!("resourceVersion={start}&allowWatchBookmarks=true&timeoutSeconds=5"), 1)?))
}

fn streaming_list(kubectl: &Kubectl) -> Result<Value> {
    kubectl.make("streamed", &json!({"watched": "stream"}))?;
    let query =
        "labelSelector=watched%3Dstream&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let seen = events(kubectl, query, 2)?;
    let mut words: Vec<&Value> = seen.iter().map(|event| &event["type"]).collect();
    words.extend(seen.last().map(|last| at(last, "/object/metadata/annotations/k8s.io~1initial-events-end")));
    Ok(json!({"events": words}))
}

fn watch_transition(kubectl: &Kubectl) -> Result<Value> {
    let start = now(kubectl)?;
    kubectl.make("turning", &Value::Null)?;
    for (step, label) in ["in", "in", "out"].iter().enumerate() {
        let patch = json!({"data": {"at": step.to_string()}, "metadata": {"labels": {"turn": label}}});
        kubectl.tell(&["patch", "cm", "turning", "-p", &patch.to_string()])?;
    }
    Ok(told(&events(kubectl, &format!("labelSelector=turn%3Din&resourceVersion={start}&timeoutSeconds=20"), 3)?))
}

fn watch_expired(kubectl: &Kubectl) -> Result<Value> {
    let seen = events(kubectl, "resourceVersion=1&timeoutSeconds=5", 1)?;
    Ok(json!({"reason": seen.first().map(|event| at(event, "/object/reason"))}))
}
