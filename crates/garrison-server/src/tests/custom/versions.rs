//! Several versions of one kind, changed definitions, and a server that starts with both in its store.

use super::*;
use crate::tests::config;

const NEXT: &str = "/apis/example.com/v2/namespaces/default/widgets";

/// Widgets in a second version, which is the one stored, with a default of its own.
fn with_second_version() -> Value {
    let mut definition = widgets();
    let mut second = definition["spec"]["versions"][0].clone();
    second["name"] = "v2".into();
    second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"] =
        json!({"type": "string", "default": "small"});
    definition["spec"]["versions"][0]["storage"] = false.into();
    definition["spec"]["versions"][0]["deprecated"] = true.into();
    definition["spec"]["versions"].as_array_mut().unwrap().push(second);
    definition
}

#[tokio::test]
async fn all_versions_show_the_same_objects() {
    let followed = Followed::new().await;
    let cluster = &followed.cluster;
    followed.define(with_second_version()).await;
    let response = cluster.send(&format!("POST {WIDGETS}"), &[], widget("a", "red").to_string()).await;
    assert_eq!(warnings(response.headers()), [r#"299 - "example.com/v1 Widget is deprecated""#]);
    let made = read(response).await.1;
    assert_eq!((&made["apiVersion"], &made["spec"]["size"]), (&json!("example.com/v1"), &Value::Null));
    let newer = cluster.check(&format!("GET {NEXT}/a"), Value::Null, 200).await;
    assert_eq!((&newer["apiVersion"], &newer["spec"]["size"]), (&json!("example.com/v2"), &json!("small")));
    assert_eq!(newer["metadata"], made["metadata"]);
    cluster.check(&format!("PATCH {NEXT}/a"), json!({"spec": {"size": "large"}}), 200).await;
    let older = cluster.check(&format!("GET {WIDGETS}"), Value::Null, 200).await;
    assert_eq!((&older["items"][0]["apiVersion"], &older["items"][0]["spec"]["size"]), (&json!("example.com/v1"), &Value::Null));
    let group = cluster.check("GET /apis/example.com", Value::Null, 200).await;
    assert_eq!(group["preferredVersion"]["version"], "v2");
    let watch = cluster.send(&format!("GET {WIDGETS}?watch=1&timeoutSeconds=1"), &[], "").await;
    let told = http_body_util::BodyExt::collect(watch.into_body()).await.unwrap().to_bytes();
    let events = told.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let versions: Vec<Value> =
        events.map(|line| serde_json::from_slice::<Value>(line).unwrap()["object"]["apiVersion"].take()).collect();
    assert_eq!(versions, ["example.com/v1"]);
    let refused =
        cluster.check(&format!("POST {WIDGETS}"), json!({"apiVersion": "example.com/v2", "metadata": {"name": "b"}}), 400).await;
    let message = "the API version in the data (example.com/v2) does not match the expected API version (example.com/v1)";
    assert_eq!(refused["message"], message);
}

#[tokio::test]
async fn a_changed_schema_counts_for_what_is_stored_already() {
    let followed = Followed::new().await;
    let cluster = &followed.cluster;
    followed.define(widgets()).await;
    cluster.check(&format!("POST {WIDGETS}"), widget("a", "red"), 201).await;
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let mut definition = cluster.check(&format!("GET {path}"), Value::Null, 200).await;
    let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    schema["new"] = json!({"type": "string", "default": "filled in"});
    schema.as_object_mut().unwrap().remove("max");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        .as_object_mut()
        .unwrap()
        .remove("x-kubernetes-validations");
    cluster.check(&format!("PUT {path}"), definition, 200).await;
    let read = followed.until(&format!("{WIDGETS}/a"), |found| found["spec"]["new"] == "filled in").await;
    assert_eq!(read["spec"], json!({"color": "red", "replicas": 1, "new": "filled in"}));
    let list = cluster.check(&format!("GET {WIDGETS}"), Value::Null, 200).await;
    assert_eq!(list["items"][0]["spec"], read["spec"]);
    let established = cluster.check(&format!("GET {path}"), Value::Null, 200).await;
    assert_eq!((condition(&established, "Established"), &established["metadata"]["generation"]), ("True", &json!(2)));
}

#[tokio::test]
async fn kinds_are_served_at_once_after_a_restart() {
    let followed = Followed::new().await;
    followed.define(with_second_version()).await;
    followed.cluster.check(&format!("POST {WIDGETS}"), widget("a", "red"), 201).await;
    followed.cluster.server.storage().store().close().await;
    let Followed { cluster, .. } = &followed;
    let dir = cluster.dir.path().to_owned();
    let server = crate::Server::open(config(&dir)).await.unwrap();
    let again = Cluster { server, dir: tempfile::tempdir().unwrap() };
    let found = again.check(&format!("GET {WIDGETS}/a"), Value::Null, 200).await;
    assert_eq!((&found["apiVersion"], &found["spec"]["replicas"]), (&json!("example.com/v1"), &json!(1)));
    assert_eq!(names(&again.check("GET /apis/example.com/v2/widgets", Value::Null, 200).await), ["a"]);
}
