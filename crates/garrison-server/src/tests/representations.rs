//! In which forms answers come: YAML, indented JSON, protobuf, tables, metadata.

use super::{Cluster, names, read};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use k8s_pb::apimachinery::pkg::{apis::meta::v1 as meta, runtime::Unknown};
use prost::Message;
use serde_json::{Value, json};
use std::io::Read;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Code, media type and text of an answer.
async fn text(cluster: &Cluster, line: &str, headers: &[(&'static str, &str)], body: &str) -> (u16, String, Bytes) {
    let response = cluster.send(line, headers, body.to_owned()).await;
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    (response.status().as_u16(), kind, response.into_body().collect().await.unwrap().to_bytes())
}

async fn yaml(cluster: &Cluster, line: &str, accept: &str, body: &str) -> (u16, Value) {
    let (code, kind, bytes) = text(cluster, line, &[("accept", accept), ("content-type", YAML)], body).await;
    assert!(kind.starts_with(YAML), "{line}: {kind}");
    assert!(!bytes.starts_with(b"{"), "{line}: {bytes:?}");
    (code, serde_norway::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn whatever_has_json_has_yaml() {
    let cluster = Cluster::new().await;
    let made = "metadata:\n  name: a\ndata:\n  when: \"2026-01-01\"\n  on: \"yes\"\n";
    let (code, object) = yaml(&cluster, &format!("POST {MAPS}"), YAML, made).await;
    assert_eq!((code, &object["data"]), (201, &json!({"when": "2026-01-01", "on": "yes"})));
    let (code, put) = yaml(&cluster, &format!("PUT {MAPS}/a"), YAML, "metadata: {name: a}\ndata: {x: '1'}\n").await;
    assert_eq!((code, &put["data"]["x"]), (200, &json!("1")));
    let list = yaml(&cluster, &format!("GET {MAPS}"), "application/yaml;q=0.9, text/html", "").await.1;
    assert_eq!((names(&list), &list["kind"]), (vec!["a".to_owned()], &json!("ConfigMapList")));
    let table = yaml(&cluster, &format!("GET {MAPS}"), "application/yaml;as=Table;v=v1;g=meta.k8s.io", "").await.1;
    assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
    let partial = "application/yaml;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    assert_eq!(yaml(&cluster, &format!("GET {MAPS}/a"), partial, "").await.1["kind"], "PartialObjectMetadata");
    let (code, status) = yaml(&cluster, &format!("GET {MAPS}/none"), YAML, "").await;
    assert_eq!((code, &status["reason"]), (404, &json!("NotFound")));
    let (code, status) = yaml(&cluster, &format!("DELETE {MAPS}/a"), YAML, "gracePeriodSeconds: 0\n").await;
    assert_eq!((code, &status["status"]), (200, &json!("Success")));
    for (path, kind) in [("/api", "APIVersions"), ("/apis", "APIGroupList"), ("/apis/apps/v1", "APIResourceList")] {
        assert_eq!(yaml(&cluster, &format!("GET {path}"), YAML, "").await.1["kind"], kind);
    }
    let aggregated = "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    assert_eq!(yaml(&cluster, "GET /apis", aggregated, "").await.1["kind"], "APIGroupDiscoveryList");
    // Nobody has streams of YAML.
    let watch = format!("GET {MAPS}?watch=true");
    let (code, refused) = yaml(&cluster, &watch, "application/yaml, application/json;q=0.5", "").await;
    let message = "only the following media types are accepted: application/json, application/vnd.kubernetes.protobuf";
    assert_eq!((code, &refused["message"]), (406, &json!(message)));
}

#[tokio::test]
async fn what_is_not_known_is_refused_with_what_is() {
    let cluster = Cluster::new().await;
    let accepted = "only the following media types are accepted: application/json, application/yaml, \
                    application/vnd.kubernetes.protobuf";
    for path in [MAPS, "/api/v1", "/apis", "/api/v1/namespaces/default"] {
        let (code, status) = read(cluster.send(&format!("GET {path}"), &[("accept", "application/cbor")], "").await).await;
        assert_eq!((code, &status["message"], &status["reason"]), (406, &json!(accepted), &json!("NotAcceptable")), "{path}");
    }
    let cbor = [("content-type", "application/cbor")];
    let (code, status) = read(cluster.send(&format!("POST {MAPS}"), &cbor, "x").await).await;
    let known = "the body of the request was in an unknown format - accepted media types include: application/json, \
                 application/yaml, application/vnd.kubernetes.protobuf";
    assert_eq!((code, &status["message"]), (415, &json!(known)));
}

#[tokio::test]
async fn people_get_indented_json() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({"x": "y"})).await;
    for (path, headers, pretty) in [
        ("/a?pretty=true", &[][..], true),
        ("/a?pretty=false", &[("user-agent", "curl/8")][..], false),
        ("/a", &[("user-agent", "curl/8")][..], true),
        ("/a", &[("accept", "application/json;pretty=1")][..], true),
        ("/none", &[("user-agent", "Mozilla/5.0 x")][..], true),
        ("", &[("user-agent", "Wget/1")][..], true),
        ("/a", &[("user-agent", "kubectl/v1")][..], false),
    ] {
        let (_, kind, bytes) = text(&cluster, &format!("GET {MAPS}{path}"), headers, "").await;
        assert_eq!((kind.as_str(), bytes.starts_with(b"{\n  \"")), ("application/json", pretty), "{path} {headers:?}");
    }
    assert!(text(&cluster, "GET /version", &[], "").await.2.starts_with(b"{\n  \"buildDate\""));
    let large = json!({"metadata": {"name": "large"}, "data": {"x": "y".repeat(200 << 10)}});
    cluster.check(&format!("POST {MAPS}"), large.clone(), 201).await;
    let line = format!("GET {MAPS}?pretty=true");
    let response = cluster.send(&line, &[("accept-encoding", "gzip")], "").await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let (mut plain, bytes) = (String::new(), response.into_body().collect().await.unwrap().to_bytes());
    GzDecoder::new(&bytes[..]).read_to_string(&mut plain).unwrap();
    let list: Value = serde_json::from_str(&plain).unwrap();
    assert!(plain.starts_with("{\n") && list["items"][1]["data"] == large["data"]);
}

fn unwrapped<M: Message + Default>(kind: &str, bytes: &[u8]) -> M {
    let unknown = Unknown::decode(bytes.strip_prefix(b"k8s\0").expect("an envelope")).unwrap();
    assert_eq!(unknown.type_meta.unwrap().kind(), kind);
    M::decode(unknown.raw.unwrap().as_slice()).unwrap()
}

#[tokio::test]
async fn discovery_comes_in_protobuf() {
    let cluster = Cluster::new().await;
    let ask = async |path: &str| {
        let (code, kind, bytes) = text(&cluster, &format!("GET {path}"), &[("accept", PROTOBUF)], "").await;
        assert_eq!((code, kind.as_str()), (200, PROTOBUF), "{path}");
        bytes
    };
    let versions: meta::APIVersions = unwrapped("APIVersions", &ask("/api").await);
    assert_eq!(versions.versions, ["v1"]);
    assert_eq!(versions.server_address_by_client_cid_rs[0].client_cidr(), "0.0.0.0/0");
    let groups: meta::APIGroupList = unwrapped("APIGroupList", &ask("/apis").await);
    let apps = groups.groups.iter().find(|group| group.name() == "apps").unwrap();
    assert_eq!(apps.preferred_version.as_ref().unwrap().group_version(), "apps/v1");
    assert_eq!(unwrapped::<meta::APIGroup>("APIGroup", &ask("/apis/apps").await).versions.len(), 1);
    let list: meta::APIResourceList = unwrapped("APIResourceList", &ask("/api/v1").await);
    let json = cluster.check("GET /api/v1", Value::Null, 200).await;
    assert_eq!((list.group_version(), list.resources.len()), ("v1", json["resources"].as_array().unwrap().len()));
    let pods = list.resources.iter().find(|resource| resource.name() == "pods").unwrap();
    assert!(pods.namespaced() && pods.short_names == ["po"] && pods.categories == ["all"]);
    assert!(pods.verbs.as_ref().unwrap().items.contains(&"watch".to_owned()));

    let aggregated = format!("{PROTOBUF};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,{PROTOBUF}");
    let (_, kind, bytes) = text(&cluster, "GET /apis", &[("accept", &aggregated)], "").await;
    assert_eq!(kind, format!("{PROTOBUF};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"));
    let found: k8s_pb::api::apidiscovery::v2::APIGroupDiscoveryList = unwrapped("APIGroupDiscoveryList", &bytes);
    assert_eq!(found.items.len(), groups.groups.len());
    let apps = found.items.iter().find(|group| group.metadata.as_ref().unwrap().name() == "apps").unwrap();
    let sets = apps.versions[0].resources.iter().find(|resource| resource.resource() == "daemonsets").unwrap();
    assert_eq!((sets.scope(), sets.response_kind.as_ref().unwrap().kind()), ("Namespaced", "DaemonSet"));
    assert_eq!(sets.subresources[0].subresource(), "status");
}

/// Every kind that is served, in every form of lists that there is.
#[tokio::test]
async fn every_kind_has_tables_and_metadata() {
    let cluster = Cluster::new().await;
    for row in garrison_api::resource::resources().iter().filter(|row| row.verbs.contains(&"list")) {
        let root = if row.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/{}", row.group, row.version) };
        let line = format!("GET {root}/{}", row.plural);
        for version in ["v1", "v1beta1"] {
            let form = |of: &str, kind: &str| format!("{of};as={kind};g=meta.k8s.io;v={version}");
            let (code, table) = read(cluster.send(&line, &[("accept", &form("application/json", "Table"))], "").await).await;
            assert_eq!((code, &table["kind"]), (200, &json!("Table")), "{line}");
            let columns = table["columnDefinitions"].as_array().unwrap();
            assert!(columns.iter().any(|column| column["name"] == "Name"), "{line}: {columns:?}");
            for row in table["rows"].as_array().unwrap() {
                assert_eq!(row["cells"].as_array().unwrap().len(), columns.len(), "{line}: {row}");
                assert_eq!(row["object"]["kind"], "PartialObjectMetadata", "{line}");
            }
            let list = form("application/json", "PartialObjectMetadataList");
            let (code, metadata) = read(cluster.send(&line, &[("accept", &list)], "").await).await;
            assert_eq!((code, &metadata["kind"]), (200, &json!("PartialObjectMetadataList")), "{line}");
            let list = form(PROTOBUF, "PartialObjectMetadataList");
            let (code, _, bytes) = text(&cluster, &line, &[("accept", &list)], "").await;
            assert_eq!(code, 200, "{line}");
            let partial: meta::PartialObjectMetadataList = unwrapped("PartialObjectMetadataList", &bytes);
            assert_eq!(partial.items.len(), metadata["items"].as_array().unwrap().len(), "{line}");
        }
        let (code, _, bytes) = text(&cluster, &line, &[("accept", PROTOBUF)], "").await;
        assert!(!row.has_messages() || code == 200 && bytes.starts_with(b"k8s\0"), "{line}");
        assert_eq!(yaml(&cluster, &line, YAML, "").await.1["kind"], format!("{}List", row.kind));
    }
}
