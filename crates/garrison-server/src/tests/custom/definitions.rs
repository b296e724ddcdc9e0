//! Definitions: what is refused, whose names count, how they end.

use super::*;
use crate::tests::protobuf;
use garrison_api::{
    decode::{FieldValidation, decode},
    encode,
};
use http_body_util::BodyExt;
use k8s_pb::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionList;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

#[tokio::test]
async fn a_definition_is_completed_and_established() {
    let followed = Followed::new().await;
    let made = followed.define(widgets()).await;
    assert_eq!(made["spec"]["names"]["singular"], "widget");
    assert_eq!(
        (&made["spec"]["names"]["listKind"], &made["spec"]["conversion"]),
        (&json!("WidgetList"), &json!({"strategy": "None"}))
    );
    assert_eq!((&made["status"]["storedVersions"], &made["status"]["acceptedNames"]), (&json!(["v1"]), &made["spec"]["names"]));
    assert_eq!((condition(&made, "NamesAccepted"), &made["metadata"]["generation"]), ("True", &json!(1)));
}

#[tokio::test]
async fn definitions_that_could_not_be_served_are_refused() {
    let cluster = Cluster::new().await;
    let schema = "/spec/versions/0/schema/openAPIV3Schema";
    for (pointer, value, wanted) in [
        (
            "/metadata/name",
            json!("gadgets.example.com"),
            "metadata.name: Invalid value: \"gadgets.example.com\": must be spec.names.plural+\".\"+spec.group",
        ),
        (
            "/spec/scope",
            json!("World"),
            "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"",
        ),
        ("/spec/versions/0/storage", json!(false), "must have exactly one version marked as storage version"),
        ("/spec/versions/0/schema", Value::Null, "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"),
        (
            &format!("{schema}/properties/spec/type"),
            json!(""),
            "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
        ),
        (
            &format!("{schema}/properties/spec/x-kubernetes-validations/0/rule"),
            json!("self.nothing > 1"),
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: \"self.nothing > 1\": compilation failed",
        ),
        (
            &format!("{schema}/properties/spec/properties/replicas/default"),
            json!("one"),
            "spec.validation.openAPIV3Schema.properties[spec].properties[replicas].default: Invalid value: \"string\"",
        ),
        (&format!("{schema}/type"), json!("array"), "must be object at the root"),
        (
            "/spec/conversion",
            json!({"strategy": "Webhook"}),
            "spec.conversion.strategy: Forbidden: conversion by webhooks is not served here",
        ),
        ("/spec/versions/0/subresources/scale/specReplicasPath", json!(".status.x"), "should be a json path under .spec"),
        ("/spec/versions/0/additionalPrinterColumns/0/type", json!("text"), "must be one of boolean,date,integer,number,string"),
        ("/spec/versions/0/selectableFields/0/jsonPath", json!(".spec.none"), "does not refer to a valid field"),
        ("/spec/preserveUnknownFields", json!(true), "spec.preserveUnknownFields: Invalid value: true"),
    ] {
        let mut definition = widgets();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        definition.pointer_mut(parent).unwrap()[field] = value;
        let refused = cluster.check(&format!("POST {DEFINITIONS}"), definition, 422).await;
        assert!(refused["message"].as_str().unwrap().contains(wanted), "{wanted}\n{}", refused["message"]);
    }
    let mut unknown = widgets();
    unknown.pointer_mut(schema).unwrap()["properties"]["spec"]["properties"]["list"] =
        json!({"type": "array", "items": {"type": "string", "bogus": 1}});
    let refused = cluster.check(&format!("POST {DEFINITIONS}?fieldValidation=Strict"), unknown, 400).await;
    assert!(refused["message"].as_str().unwrap().contains("list.items.bogus\""), "{refused}");
}

#[tokio::test]
async fn names_that_another_definition_holds_are_not_served() {
    let followed = Followed::new().await;
    followed.define(widgets()).await;
    let mut other = widgets();
    other["metadata"]["name"] = "others.example.com".into();
    other["spec"]["names"] = json!({"plural": "others", "kind": "Other", "shortNames": ["wd"]});
    followed.cluster.check(&format!("POST {DEFINITIONS}"), other, 201).await;
    let path = format!("{DEFINITIONS}/others.example.com");
    let refused = followed.until(&path, |found| condition(found, "NamesAccepted") == "False").await;
    assert_eq!(condition(&refused, "Established"), "False");
    followed.cluster.check("GET /apis/example.com/v1/others", Value::Null, 404).await;
    // The name is free once its holder is gone.
    followed.cluster.check(&format!("DELETE {DEFINITIONS}/widgets.example.com"), Value::Null, 200).await;
    followed.until(&path, |found| condition(found, "Established") == "True").await;
    followed.cluster.check("GET /apis/example.com/v1/others", Value::Null, 200).await;
}

#[tokio::test]
async fn a_definition_takes_its_instances_along() {
    let followed = Followed::new().await;
    let cluster = &followed.cluster;
    followed.define(widgets()).await;
    for name in ["a", "b"] {
        cluster.check(&format!("POST {WIDGETS}"), widget(name, "red"), 201).await;
    }
    let mut held = widget("held", "red");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.check(&format!("POST {WIDGETS}"), held, 201).await;
    let watch = cluster.send(&format!("GET {WIDGETS}?watch=1"), &[], "").await;
    let marked = cluster.check(&format!("DELETE {DEFINITIONS}/widgets.example.com"), Value::Null, 200).await;
    assert_eq!(marked["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    let left = followed.until(WIDGETS, |list| list["items"].as_array().is_some_and(|items| items.len() == 1)).await;
    assert_eq!(names(&left), ["held"]);
    let refused = cluster.check(&format!("POST {WIDGETS}"), widget("c", "red"), 405).await;
    assert_eq!(refused["message"], "create not allowed while custom resource definition is terminating");
    cluster.check(&format!("PATCH {WIDGETS}/held"), json!({"metadata": {"finalizers": null}}), 200).await;
    followed.until(&format!("{DEFINITIONS}/widgets.example.com"), |found| found["code"] == 404).await;
    // Nobody knows the group any more.
    followed.until(WIDGETS, |found| found == "404 page not found\n").await;
    let told = timeout(PATIENCE, watch.into_body().collect()).await.expect("the watch ends").unwrap().to_bytes();
    assert_eq!(String::from_utf8_lossy(&told).matches("\"DELETED\"").count(), 3);
    // A new one of that name begins anew.
    followed.define(widgets()).await;
    assert_eq!(names(&cluster.check(&format!("GET {WIDGETS}"), Value::Null, 200).await), [""; 0]);
}

#[tokio::test]
async fn definitions_are_written_and_read_in_protobuf() {
    let followed = Followed::new().await;
    let cluster = &followed.cluster;
    let mut sent = widgets();
    let spec = &mut sent["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    spec["properties"]["tags"] =
        json!({"type": "object", "additionalProperties": {"type": "string", "default": "x", "maxLength": 3}});
    spec["properties"]["list"] = json!({"type": "array", "items": {"type": "number", "maximum": 1.5}, "default": [1, 0.5]});
    let headers = [("content-type", PROTOBUF), ("accept", PROTOBUF)];
    let body = encode::body(&sent).unwrap();
    let (code, body) = protobuf::read(cluster.send(&format!("POST {DEFINITIONS}"), &headers, body).await).await;
    assert_eq!(code, 201);
    let made =
        decode("apiextensions.k8s.io/v1", "CustomResourceDefinition", PROTOBUF, &body, FieldValidation::Strict).unwrap().object;
    let path = format!("{DEFINITIONS}/widgets.example.com");
    followed.until(&path, |found| condition(found, "Established") == "True").await;
    let found = cluster.check(&format!("GET {path}"), Value::Null, 200).await;
    for object in [&made, &found] {
        assert_eq!(object["spec"]["versions"], sent["spec"]["versions"]);
    }
    let (_, body) = protobuf::read(cluster.send(&format!("GET {DEFINITIONS}"), &headers, "").await).await;
    let list: CustomResourceDefinitionList = protobuf::open(&body, "apiextensions.k8s.io/v1", "CustomResourceDefinitionList");
    let schema = list.items[0].spec.as_ref().unwrap().versions[0].schema.as_ref().unwrap().open_apiv3_schema.as_ref().unwrap();
    let properties = &schema.properties["spec"].properties;
    assert_eq!(properties["replicas"].default.as_ref().unwrap().raw.as_deref(), Some(&b"1"[..]));
    let tags = properties["tags"].additional_properties.as_ref().unwrap();
    assert_eq!((tags.allows, tags.schema.as_ref().unwrap().max_length), (Some(true), Some(3)));
    assert_eq!(properties["list"].items.as_ref().unwrap().schema.as_ref().unwrap().maximum, Some(1.5));
}
