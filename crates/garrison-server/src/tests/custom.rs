//! Custom kinds, from their definition to their end.

mod definitions;
mod versions;

use super::{Cluster, names, read, warnings};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{task::AbortHandle, time::timeout};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster whose definitions are followed, as when it is served.
struct Followed {
    cluster: Cluster,
    task: AbortHandle,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Followed {
    async fn new() -> Self {
        let cluster = Cluster::new().await;
        let server = cluster.server.clone();
        let task = tokio::spawn(async move { crate::custom::run(&server).await }).abort_handle();
        Self { cluster, task }
    }

    /// Makes a definition and waits until its kind is served.
    async fn define(&self, definition: Value) -> Value {
        let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
        self.cluster.check(&format!("POST {DEFINITIONS}"), definition, 201).await;
        self.until(&format!("{DEFINITIONS}/{name}"), |found| condition(found, "Established") == "True").await
    }

    /// Reads until what is read is as wanted.
    async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let outcome = timeout(PATIENCE, async {
            loop {
                last = self.cluster.ask(&format!("GET {path}"), Value::Null).await.1;
                if holds(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(outcome.await.is_ok(), "{path} stays {last}");
        last
    }
}

fn condition<'a>(definition: &'a Value, kind: &str) -> &'a str {
    let conditions = definition["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|own| own["type"] == kind).and_then(|own| own["status"].as_str()).unwrap_or_default()
}

/// A namespaced kind with a schema, a status, a scale and columns.
fn widgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}},
                "additionalPrinterColumns": [{"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"}],
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "schema": {"openAPIV3Schema": {
                    "type": "object", "description": "A widget.",
                    "properties": {
                        "spec": {
                            "type": "object", "required": ["color"], "description": "What is wanted.",
                            "x-kubernetes-validations": [
                                {"rule": "self.replicas <= self.max", "message": "too many replicas"},
                                {"rule": "self.color == oldSelf.color", "message": "color is immutable"},
                            ],
                            "properties": {
                                "color": {"type": "string", "enum": ["red", "blue"]},
                                "replicas": {"type": "integer", "default": 1, "minimum": 0},
                                "max": {"type": "integer", "default": 10},
                            },
                        },
                        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}},
                    },
                }},
            }],
        },
    })
}

fn widget(name: &str, color: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"color": color}})
}

#[tokio::test]
async fn objects_of_a_custom_kind_are_pruned_defaulted_and_validated() {
    let followed = Followed::new().await;
    let cluster = &followed.cluster;
    cluster.check(&format!("GET {WIDGETS}"), Value::Null, 404).await;
    followed.define(widgets()).await;
    let mut sent = widget("a", "red");
    (sent["spec"]["unknown"], sent["status"]) = (1.into(), json!({"replicas": 7}));
    let response = cluster.send(&format!("POST {WIDGETS}"), &[("content-type", "application/json")], sent.to_string()).await;
    assert_eq!(warnings(response.headers()), [r#"299 - "unknown field \"spec.unknown\"""#]);
    let (code, made) = read(response).await;
    assert_eq!((code, &made["spec"]), (201, &json!({"color": "red", "replicas": 1, "max": 10})));
    assert_eq!((&made["status"], &made["metadata"]["generation"]), (&Value::Null, &json!(1)));
    let strict = format!("POST {WIDGETS}?fieldValidation=Strict");
    let refused = cluster.check(&strict, json!({"metadata": {"name": "b"}, "spec": {"color": "red", "x": 1}}), 400).await;
    let message = r#"Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.x""#;
    assert_eq!(refused["message"], message);
    let refused = cluster.check(&format!("POST {WIDGETS}"), widget("b", "green"), 422).await;
    let message = r#"Widget.example.com "b" is invalid: spec.color: Unsupported value: "green": supported values: "red", "blue""#;
    assert_eq!(refused["message"], message);
    let patch = json!({"spec": {"replicas": 11}});
    let refused = cluster.check(&format!("PATCH {WIDGETS}/a"), patch, 422).await;
    assert_eq!(refused["message"], r#"Widget.example.com "a" is invalid: spec: Invalid value: "object": too many replicas"#);
    let refused = cluster.check(&format!("PATCH {WIDGETS}/a"), json!({"spec": {"color": "blue"}}), 422).await;
    assert!(refused["message"].as_str().unwrap().ends_with("color is immutable"), "{refused}");
    let patched = cluster.check(&format!("PATCH {WIDGETS}/a"), json!({"spec": {"replicas": 3}}), 200).await;
    assert_eq!(patched["metadata"]["generation"], 2);
    let again = cluster.check(&format!("PATCH {WIDGETS}/a"), json!({"spec": {"replicas": 3}}), 200).await;
    assert_eq!(again["metadata"]["resourceVersion"], patched["metadata"]["resourceVersion"]);
    for headers in
        [[("content-type", "application/strategic-merge-patch+json")], [("content-type", "application/vnd.kubernetes.protobuf")]]
    {
        let line = if headers[0].1.contains("patch") { format!("PATCH {WIDGETS}/a") } else { format!("POST {WIDGETS}") };
        assert_eq!(cluster.send(&line, &headers, "{}").await.status(), 415, "{headers:?}");
    }
    // A write that names no version does not overwrite.
    assert_eq!(cluster.ask(&format!("PUT {WIDGETS}/a"), widget("a", "red")).await.0, 422);
}

#[tokio::test]
async fn status_and_scale_are_written_by_themselves() {
    let followed = Followed::new().await;
    let cluster = &followed.cluster;
    followed.define(widgets()).await;
    cluster.check(&format!("POST {WIDGETS}"), widget("a", "red"), 201).await;
    let status =
        json!({"metadata": {"labels": {"no": "label"}}, "spec": {"replicas": 9}, "status": {"replicas": 2, "selector": "a=b"}});
    let written = cluster.check(&format!("PATCH {WIDGETS}/a/status"), status, 200).await;
    assert_eq!((&written["spec"]["replicas"], &written["status"]["replicas"]), (&json!(1), &json!(2)));
    assert_eq!((&written["metadata"]["generation"], &written["metadata"]["labels"]), (&json!(1), &Value::Null));
    let scale = cluster.check(&format!("GET {WIDGETS}/a/scale"), Value::Null, 200).await;
    assert_eq!((&scale["spec"], &scale["status"]), (&json!({"replicas": 1}), &json!({"replicas": 2, "selector": "a=b"})));
    cluster.check(&format!("PATCH {WIDGETS}/a/scale"), json!({"spec": {"replicas": 4}}), 200).await;
    let object = cluster.check(&format!("GET {WIDGETS}/a"), Value::Null, 200).await;
    assert_eq!((&object["spec"]["replicas"], &object["metadata"]["generation"]), (&json!(4), &json!(2)));
    let refused = cluster.check(&format!("PATCH {WIDGETS}/a/scale"), json!({"spec": {"replicas": 40}}), 422).await;
    assert!(refused["message"].as_str().unwrap().contains("too many replicas"), "{refused}");
}

#[tokio::test]
async fn they_are_shown_in_every_form_but_whole_in_protobuf() {
    let followed = Followed::new().await;
    let cluster = &followed.cluster;
    followed.define(widgets()).await;
    for (name, color) in [("a", "red"), ("b", "blue")] {
        cluster.check(&format!("POST {WIDGETS}"), widget(name, color), 201).await;
    }
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let (_, table) = read(cluster.send(&format!("GET {WIDGETS}"), &table, "").await).await;
    assert_eq!((&table["columnDefinitions"][1]["name"], &table["rows"][1]["cells"]), (&json!("Replicas"), &json!(["b", 1])));
    let metadata = [("accept", "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")];
    assert_eq!(cluster.send(&format!("GET {WIDGETS}"), &metadata, "").await.status(), 200);
    let whole = [("accept", "application/vnd.kubernetes.protobuf")];
    assert_eq!(cluster.send(&format!("GET {WIDGETS}"), &whole, "").await.status(), 406);
    let either = [("accept", "application/vnd.kubernetes.protobuf,application/json")];
    assert_eq!(read(cluster.send(&format!("GET {WIDGETS}/a"), &either, "").await).await.1["kind"], "Widget");
    let list = cluster.check(&format!("GET {WIDGETS}?fieldSelector=spec.color%3Dblue"), Value::Null, 200).await;
    assert_eq!((names(&list), &list["kind"]), (vec!["b".to_owned()], &json!("WidgetList")));
    cluster.check(&format!("GET {WIDGETS}?fieldSelector=spec.max%3D1"), Value::Null, 400).await;
    let found = cluster.check("GET /apis/example.com/v1", Value::Null, 200).await;
    assert_eq!((&found["resources"][0]["shortNames"], &found["resources"][0]["categories"]), (&json!(["wd"]), &json!(["all"])));
    let group = cluster.check("GET /apis/example.com", Value::Null, 200).await;
    assert_eq!(group["preferredVersion"]["version"], "v1");
    let document = cluster.check("GET /openapi/v3/apis/example.com/v1", Value::Null, 200).await;
    let schema = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(
        (&schema["description"], &schema["properties"]["spec"]["properties"]["max"]["default"]),
        (&json!("A widget."), &json!(10))
    );
    assert_eq!(schema["x-kubernetes-group-version-kind"], json!([{"group": "example.com", "version": "v1", "kind": "Widget"}]));
    let index = cluster.check("GET /openapi/v3", Value::Null, 200).await;
    assert!(index["paths"]["apis/example.com/v1"]["serverRelativeURL"].is_string() && index["paths"]["apis/apps/v1"].is_object());
    let v2 = cluster.check("GET /openapi/v2", Value::Null, 200).await;
    assert!(v2["definitions"]["com.example.v1.Widget"].is_object() && v2["definitions"]["com.example.v1.WidgetList"].is_object());
}
