//! The server as its clients meet it: requests through the router, without a network.

mod access;
mod admission;
mod applying;
mod autoscalers;
mod client;
mod companions;
mod custom;
mod daemon_sets;
mod events;
mod evictions;
mod fire;
mod lists;
mod nodes;
mod objects;
mod paths;
mod protobuf;
mod representations;
mod reviews;
mod services;
mod serving;
mod subresources;
mod versions;
mod watches;
mod websockets;

use crate::{Body, Config, Server, ServiceRanges, body, identity::User};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use tower::Service;

/// A server on an empty directory of its own.
pub(crate) struct Cluster {
    pub(crate) server: Server,
    pub(crate) dir: TempDir,
}

pub(crate) fn config(dir: &Path) -> Config {
    Config {
        data_dir: dir.into(),
        etcd: None,
        listen: ([127, 0, 0, 1], 0).into(),
        advertise_address: "127.0.0.1".into(),
        names: Vec::new(),
        services: ServiceRanges::default(),
    }
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { server: Server::open(config(dir.path())).await.unwrap(), dir }
    }

    /// Sends `METHOD PATH` with headers, as a user.
    pub(crate) async fn send_as(
        &self,
        user: User,
        line: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Body> {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body::full(body)).unwrap();
        self.server.in_process(user).call(request).await.unwrap()
    }

    /// Sends `METHOD PATH` as an administrator.
    pub(crate) async fn send(&self, line: &str, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Response<Body> {
        self.send_as(User::controllers(), line, headers, body).await
    }

    /// Sends JSON and reads JSON; `Value::Null` is no body.
    pub(crate) async fn ask(&self, line: &str, body: Value) -> (u16, Value) {
        let patch = if line.starts_with("PATCH ") { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        read(self.send(line, &[("content-type", patch)], body).await).await
    }

    /// [`Self::ask`], and the answer must have this code.
    #[track_caller]
    pub(crate) fn check(&self, line: &str, body: Value, code: u16) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let (found, answer) = self.ask(line, body).await;
            assert_eq!(found, code, "{place}: {line} was answered {found}: {answer}");
            answer
        }
    }

    /// Makes a ConfigMap in `default`.
    pub(crate) async fn config_map(&self, name: &str, labels: Value) -> Value {
        let object = json!({"metadata": {"name": name, "labels": labels}});
        self.check("POST /api/v1/namespaces/default/configmaps", object, 201).await
    }

    /// Makes a pod in `default`, whose service account is made if need be.
    pub(crate) async fn pod(&self, name: &str) -> Value {
        self.ask("POST /api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "default"}})).await;
        self.check("POST /api/v1/namespaces/default/pods", pod(name), 201).await
    }
}

/// A small pod.
pub(crate) fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

/// Code and JSON of an answer.
pub(crate) async fn read(response: Response<Body>) -> (u16, Value) {
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let value = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    (code, value)
}

/// The revision of an object or list.
pub(crate) fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// The names of a list's items, in their order.
pub(crate) fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// The warnings of an answer.
pub(crate) fn warnings(headers: &HeaderMap) -> Vec<String> {
    headers.get_all("warning").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}
