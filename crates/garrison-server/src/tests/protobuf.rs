//! Answers in protobuf, read with the messages that are generated from Kubernetes' own definitions.

use super::{Cluster, pod};
use crate::{Body, identity::User};
use base64::{Engine, engine::general_purpose::STANDARD};
use garrison_api::{
    decode::{FieldValidation, decode},
    encode,
};
use http::Response;
use http_body_util::BodyExt;
use k8s_pb::{
    api::core::v1::{ConfigMap, ConfigMapList, Pod, PodList},
    apimachinery::pkg::{
        apis::meta::v1::{PartialObjectMetadata, PartialObjectMetadataList, Status, WatchEvent},
        runtime::Unknown,
    },
};
use prost::Message;
use serde_json::{Value, json};
use std::{io::Read, time::Duration};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PATIENCE: Duration = Duration::from_secs(20);

/// What client-go's typed clients and informers say that they accept.
const ACCEPT: (&str, &str) = ("accept", "application/vnd.kubernetes.protobuf,application/json");

/// Code and body of an answer that must be in protobuf.
pub(super) async fn read(response: Response<Body>) -> (u16, Vec<u8>) {
    assert_eq!(response.headers()["content-type"], PROTOBUF);
    let code = response.status().as_u16();
    (code, response.into_body().collect().await.unwrap().to_bytes().into())
}

/// The object of a body, which must say this version and kind.
#[track_caller]
pub(super) fn open<M: Message + Default>(body: &[u8], version: &str, kind: &str) -> M {
    let unknown = Unknown::decode(body.strip_prefix(b"k8s\0").expect("the body begins with its mark")).unwrap();
    let said = unknown.type_meta.unwrap();
    assert_eq!((said.api_version.as_deref(), said.kind.as_deref()), (Some(version), Some(kind)));
    M::decode(&unknown.raw.unwrap()[..]).unwrap()
}

/// Sends JSON, and reads an object of that kind in protobuf.
async fn ask<M: Message + Default>(cluster: &Cluster, line: &str, body: Value, code: u16, kind: &str) -> M {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let content = if line.starts_with("PATCH ") { "application/merge-patch+json" } else { "application/json" };
    let (found, body) = read(cluster.send(line, &[ACCEPT, ("content-type", content)], body).await).await;
    assert_eq!(found, code, "{line}");
    open(&body, "v1", kind)
}

/// The events of a watch, one by one.
struct Frames {
    body: Body,
    rest: Vec<u8>,
}

impl Frames {
    async fn watch(cluster: &Cluster, path: &str, accept: &str) -> Self {
        let response = cluster.send(&format!("GET {path}"), &[("accept", accept)], "").await;
        assert_eq!(response.headers()["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
        Self { body: response.into_body(), rest: Vec::new() }
    }

    /// Type and body of the next event; `None` when the watch has ended.
    async fn next(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            if let Some((length, rest)) = self.rest.split_first_chunk::<4>()
                && let Some(frame) = rest.get(..u32::from_be_bytes(*length) as usize)
            {
                let event = WatchEvent::decode(frame).unwrap();
                self.rest.drain(..4 + frame.len());
                return Some((event.r#type.unwrap(), event.object.unwrap().raw.unwrap()));
            }
            let Some(frame) = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("an event was expected") else {
                assert!(self.rest.is_empty(), "a watch ends with a whole event");
                return None;
            };
            self.rest.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    }

    /// The next event, which must be of that type and about an object of that kind.
    async fn expect<M: Message + Default>(&mut self, event: &str, version: &str, kind: &str) -> M {
        let (found, body) = self.next().await.expect("the watch goes on");
        assert_eq!(found, event);
        open(&body, version, kind)
    }
}

fn name(map: &ConfigMap) -> &str {
    map.metadata.as_ref().unwrap().name.as_deref().unwrap()
}

#[tokio::test]
async fn objects_are_written_and_read() {
    let cluster = Cluster::new().await;
    let object = json!({"metadata": {"name": "a"}, "data": {"k": "v"}, "binaryData": {"b": "AP8="}});
    let made: ConfigMap = ask(&cluster, &format!("POST {MAPS}"), object, 201, "ConfigMap").await;
    assert_eq!((name(&made), &made.data["k"], &made.binary_data["b"]), ("a", &"v".to_owned(), &vec![0, 255]));
    let patched: ConfigMap = ask(&cluster, &format!("PATCH {MAPS}/a"), json!({"data": {"l": "w"}}), 200, "ConfigMap").await;
    let got: ConfigMap = ask(&cluster, &format!("GET {MAPS}/a"), Value::Null, 200, "ConfigMap").await;
    assert_eq!(got, patched);
    assert_ne!(got.metadata.as_ref().unwrap().resource_version, made.metadata.as_ref().unwrap().resource_version);
    // What was answered is good as a body, too.
    let (_, body) = read(cluster.send(&format!("GET {MAPS}/a"), &[ACCEPT], "").await).await;
    let response = cluster.send(&format!("PUT {MAPS}/a"), &[ACCEPT, ("content-type", PROTOBUF)], body).await;
    let put: ConfigMap = open(&read(response).await.1, "v1", "ConfigMap");
    assert_eq!(put, got);
    let gone: Status = ask(&cluster, &format!("DELETE {MAPS}/a"), Value::Null, 200, "Status").await;
    assert_eq!((gone.status.as_deref(), gone.details.unwrap().name.as_deref()), (Some("Success"), Some("a")));
}

#[tokio::test]
async fn every_object_says_the_same_in_both_encodings() {
    let cluster = Cluster::new().await;
    cluster.pod("p").await;
    cluster.config_map("m", json!({"a": "b"})).await;
    let node = json!({"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "1", "memory": "1Gi"}}});
    cluster.check("POST /api/v1/nodes", node, 201).await;
    let lease = json!({"metadata": {"name": "n"}, "spec": {"holderIdentity": "n", "renewTime": "2024-01-02T03:04:05.000006Z"}});
    cluster.check("POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", lease, 201).await;
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod("p")["spec"]});
    let set = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    cluster.check("POST /apis/apps/v1/namespaces/default/daemonsets", set, 201).await;
    let event = json!({"metadata": {"name": "e"}, "message": "m", "involvedObject": {"namespace": "default"}, "count": 2});
    cluster.check("POST /api/v1/namespaces/default/events", event, 201).await;
    let mut seen = 0;
    for resource in garrison_api::resource::resources().iter().filter(|resource| resource.is_stored()) {
        let version = resource.api_version();
        let root = if resource.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{version}") };
        let list = cluster.check(&format!("GET {root}/{}", resource.plural), Value::Null, 200).await;
        for mut item in list["items"].as_array().unwrap().clone() {
            let text = |field: &str| item["metadata"][field].as_str().unwrap_or_default();
            let within = if resource.namespaced { format!("/namespaces/{}", text("namespace")) } else { String::new() };
            let line = format!("GET {root}{within}/{}/{}", resource.plural, text("name"));
            let (_, body) = read(cluster.send(&line, &[ACCEPT], "").await).await;
            let decoded = decode(&version, resource.kind, PROTOBUF, &body, FieldValidation::Strict).unwrap().object;
            (item["apiVersion"], item["kind"]) = (version.clone().into(), resource.kind.into());
            assert_eq!(without_emptiness(&decoded), without_emptiness(&item), "{line}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// Empty collections and texts are not told from absence.
fn without_emptiness(value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let fields = map.iter().map(|(name, value)| (name.clone(), without_emptiness(value)));
    Value::Object(
        fields.filter(|(_, value)| !matches!(value, Value::Null) && *value != json!("") && *value != json!([])).collect(),
    )
}

#[tokio::test]
async fn lists_come_in_pages_and_compressed() {
    let cluster = Cluster::new().await;
    for n in 0..5 {
        let object = json!({"metadata": {"name": format!("m{n}")}, "data": {"k": "v".repeat(40_000)}});
        cluster.check(&format!("POST {MAPS}"), object, 201).await;
    }
    let page: ConfigMapList = ask(&cluster, &format!("GET {MAPS}?limit=3"), Value::Null, 200, "ConfigMapList").await;
    let metadata = page.metadata.unwrap();
    assert_eq!((page.items.len(), metadata.remaining_item_count), (3, Some(2)));
    let next = format!("GET {MAPS}?limit=3&continue={}", metadata.r#continue.unwrap());
    let rest: ConfigMapList = ask(&cluster, &next, Value::Null, 200, "ConfigMapList").await;
    assert_eq!(rest.items.iter().map(name).collect::<Vec<_>>(), ["m3", "m4"]);
    assert_eq!(rest.metadata.unwrap().resource_version, metadata.resource_version);
    let response = cluster.send(&format!("GET {MAPS}"), &[ACCEPT, ("accept-encoding", "gzip")], "").await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let (mut plain, (_, compressed)) = (Vec::new(), read(response).await);
    flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(open::<ConfigMapList>(&plain, "v1", "ConfigMapList").items.len(), 5);
    let none: PodList = ask(&cluster, "GET /api/v1/pods", Value::Null, 200, "PodList").await;
    assert!(none.items.is_empty());
    let deleted: ConfigMapList = ask(&cluster, &format!("DELETE {MAPS}"), Value::Null, 200, "ConfigMapList").await;
    assert_eq!(deleted.items.len(), 5);
}

#[tokio::test]
async fn a_watch_is_a_stream_of_frames() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let path = format!("{MAPS}?watch=true&{query}");
    let mut two = [Frames::watch(&cluster, &path, ACCEPT.1).await, Frames::watch(&cluster, &path, ACCEPT.1).await];
    for frames in &mut two {
        assert_eq!(name(&frames.expect("ADDED", "v1", "ConfigMap").await), "a");
        let mark: ConfigMap = frames.expect("BOOKMARK", "v1", "ConfigMap").await;
        assert_eq!(mark.metadata.unwrap().annotations["k8s.io/initial-events-end"], "true");
    }
    let change = json!({"data": {"k": "v".repeat(300)}});
    let changed: ConfigMap = ask(&cluster, &format!("PATCH {MAPS}/a"), change, 200, "ConfigMap").await;
    cluster.check(&format!("DELETE {MAPS}/a"), Value::Null, 200).await;
    for frames in &mut two {
        assert_eq!(frames.expect::<ConfigMap>("MODIFIED", "v1", "ConfigMap").await, changed);
        let deleted: ConfigMap = frames.expect("DELETED", "v1", "ConfigMap").await;
        assert_eq!(deleted.data, changed.data);
        let version = |map: &ConfigMap| map.metadata.as_ref().unwrap().resource_version.clone().unwrap().parse::<u64>().unwrap();
        assert!(version(&deleted) > version(&changed), "a deletion shows its own revision");
    }
}

#[tokio::test]
async fn who_watches_too_late_is_told() {
    let cluster = Cluster::new().await;
    let old = super::revision(&cluster.config_map("a", json!({})).await);
    let new = super::revision(&cluster.config_map("b", json!({})).await);
    cluster.server.storage().store().compact(new).await.unwrap();
    let mut late = Frames::watch(&cluster, &format!("{MAPS}?watch=1&resourceVersion={old}"), ACCEPT.1).await;
    let status: Status = late.expect("ERROR", "v1", "Status").await;
    assert_eq!((status.code, status.reason.as_deref()), (Some(410), Some("Expired")));
    assert_eq!(late.next().await, None);
}

#[tokio::test]
async fn metadata_alone_is_listed_and_watched() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({"x": "y"})).await;
    let accept = |kind: &str| format!("{PROTOBUF};as={kind};g=meta.k8s.io;v=v1,application/json;as={kind};g=meta.k8s.io;v=v1");
    let many = accept("PartialObjectMetadataList");
    let (_, body) = read(cluster.send("GET /api/v1/configmaps", &[("accept", &many)], "").await).await;
    let list: PartialObjectMetadataList = open(&body, "meta.k8s.io/v1", "PartialObjectMetadataList");
    let labels = |metadata: PartialObjectMetadata| metadata.metadata.unwrap().labels;
    assert_eq!(labels(list.items.into_iter().next().unwrap())["x"], "y");
    let one = accept("PartialObjectMetadata");
    let (_, body) = read(cluster.send(&format!("GET {MAPS}/a"), &[("accept", &one)], "").await).await;
    assert_eq!(labels(open(&body, "meta.k8s.io/v1", "PartialObjectMetadata"))["x"], "y");
    let mut frames = Frames::watch(&cluster, "/api/v1/configmaps?watch=1", &one).await;
    assert_eq!(labels(frames.expect("ADDED", "meta.k8s.io/v1", "PartialObjectMetadata").await)["x"], "y");
    cluster.config_map("b", json!({"x": "z"})).await;
    assert_eq!(labels(frames.expect("ADDED", "meta.k8s.io/v1", "PartialObjectMetadata").await)["x"], "z");
}

#[tokio::test]
async fn refusals_come_in_the_encoding_that_is_asked_for() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    for (line, body, code, reason, cause) in [
        (format!("GET {MAPS}/none"), Value::Null, 404, "NotFound", None),
        (format!("POST {MAPS}"), json!({"metadata": {"name": "a"}}), 409, "AlreadyExists", None),
        (format!("POST {MAPS}"), json!({"metadata": {"name": "A"}}), 422, "Invalid", Some("metadata.name")),
        (format!("POST {MAPS}"), json!({"data": 5}), 400, "BadRequest", None),
        ("GET /api/v1/nothings".into(), Value::Null, 404, "NotFound", None),
    ] {
        let status: Status = ask(&cluster, &line, body, code, "Status").await;
        assert_eq!((status.code, status.reason.as_deref()), (Some(i32::from(code)), Some(reason)), "{line}");
        let causes = status.details.unwrap_or_default().causes;
        assert_eq!(causes.first().and_then(|cause| cause.field.as_deref()), cause, "{line}");
    }
    let (code, body) = read(cluster.send_as(User::anonymous(), &format!("GET {MAPS}"), &[ACCEPT], "").await).await;
    assert_eq!((code, open::<Status>(&body, "v1", "Status").reason.as_deref()), (403, Some("Forbidden")));
}

#[tokio::test]
async fn what_is_not_there_in_protobuf_falls_back_to_json() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let table = "as=Table;v=v1;g=meta.k8s.io";
    for (accept, code, kind) in [
        (format!("{PROTOBUF};{table},application/json;{table},application/json"), 200, "Table"),
        (format!("{PROTOBUF};{table}"), 406, "Status"),
        ("text/html".into(), 406, "Status"),
        (format!("{PROTOBUF};q=0.1,application/json;q=0.2"), 200, "ConfigMapList"),
        (format!("text/html,{PROTOBUF};stream=other,*/*;q=0.1"), 200, "ConfigMapList"),
    ] {
        let response = cluster.send(&format!("GET {MAPS}"), &[("accept", &accept)], "").await;
        assert_eq!(response.headers()["content-type"], "application/json", "{accept}");
        let (found, answer) = super::read(response).await;
        assert_eq!((found, answer["kind"].as_str()), (code, Some(kind)), "{accept}");
    }
}

#[tokio::test]
async fn subresources_answer_in_protobuf() {
    let cluster = Cluster::new().await;
    cluster.pod("p").await;
    let binding =
        encode::body(&json!({"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "n1"}})).unwrap();
    let line = "POST /api/v1/namespaces/default/pods/p/binding";
    let (code, body) = read(cluster.send(line, &[ACCEPT, ("content-type", PROTOBUF)], binding).await).await;
    assert_eq!((code, open::<Status>(&body, "v1", "Status").status.as_deref()), (201, Some("Success")));
    let bound: Pod = ask(&cluster, "GET /api/v1/namespaces/default/pods/p", Value::Null, 200, "Pod").await;
    assert_eq!(bound.spec.unwrap().node_name.as_deref(), Some("n1"));
    // The request for a token that kubectl sends.
    let request = STANDARD.decode(
        "azhzAAooChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESDFRva2VuUmVxdWVzdBIgChAKABIAGgAiACoAMgA4AEIAEgYKAXggkBwaBAoAEgAaACIA",
    );
    let line = "POST /api/v1/namespaces/default/serviceaccounts/default/token";
    let (code, body) = read(cluster.send(line, &[ACCEPT, ("content-type", PROTOBUF)], request.unwrap()).await).await;
    let issued: k8s_pb::api::authentication::v1::TokenRequest = open(&body, "authentication.k8s.io/v1", "TokenRequest");
    assert_eq!((code, issued.spec.unwrap().audiences), (201, vec!["x".to_owned()]));
    assert!(issued.status.unwrap().token.unwrap().starts_with("ey"));
}
