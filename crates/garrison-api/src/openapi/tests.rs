use super::*;

fn document(path: &str) -> Value {
    serde_json::from_slice(Documents::default().v3_document(path).expect("a document")).expect("JSON")
}

/// Every reference in the document names one of its schemas.
fn references_resolve(document: &Value, prefix: &str, schemas: &Value) {
    let text = document.to_string();
    let mut count = 0;
    for name in text.split(prefix).skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(schemas[name].is_object(), "{name}");
        count += 1;
    }
    assert!(count > 10, "only {count} references");
    assert!(!text.contains("strategic-merge-patch"), "kubectl would compute patches from our schema");
}

#[test]
fn every_group_version_has_a_document_whose_references_resolve() {
    let index = Documents::default().v3_index();
    let paths = index["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), resources().iter().map(base).collect::<BTreeSet<_>>().len());
    for path in paths.keys() {
        let document = document(path);
        references_resolve(&document, "#/components/schemas/", &document["components"]["schemas"]);
    }
    let v2 = Documents::default().v2_json();
    references_resolve(&v2, "#/definitions/", &v2["definitions"]);
    assert!(Documents::default().v3_document("apis/none/v1").is_none());
}

#[test]
fn kubectl_finds_what_it_validates_by() {
    let apps = document("apis/apps/v1");
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"], json!({"group": "apps", "version": "v1", "kind": "DaemonSet"}));
    let names: Vec<&str> =
        patch["parameters"].as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    assert_eq!(Documents::default().v2_protobuf()[..5], [10, 3, b'2', b'.', b'0']);
}

#[test]
fn schemas_carry_what_merging_needs() {
    let core = document("api/v1");
    let property = |kind: &str, field: &str| {
        core["components"]["schemas"][format!("io.k8s.api.core.v1.{kind}")]["properties"][field].clone()
    };
    let containers = property("PodSpec", "containers");
    assert_eq!(
        (&containers["x-kubernetes-list-type"], &containers["x-kubernetes-patch-merge-key"]),
        (&json!("map"), &json!("name"))
    );
    assert_eq!(property("Container", "ports")["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
    assert_eq!(property("PodSpec", "tolerations")["x-kubernetes-list-type"], "atomic");
    assert_eq!(
        core["components"]["schemas"]["io.k8s.api.core.v1.PodList"]["x-kubernetes-group-version-kind"][0]["kind"],
        "PodList"
    );
    assert!(core["components"]["schemas"]["io.k8s.api.core.v1.Pod"]["required"].is_null());
}

#[test]
fn what_may_be_of_any_type_says_none() {
    let extensions = document("apis/apiextensions.k8s.io/v1");
    let v2 = Documents::default().v2_json();
    for (schemas, dialect) in [(&extensions["components"]["schemas"], "v3"), (&v2["definitions"], "v2")] {
        let kind = |name: &str| {
            let schema = &schemas[format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{name}")];
            assert!(schema.is_object(), "{name} in {dialect}");
            schema["type"].clone()
        };
        for name in ["JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"] {
            assert_eq!(kind(name), Value::Null, "{name} in {dialect}");
        }
        assert_eq!(kind("JSONSchemaProps"), "object", "{dialect}");
    }
}

#[test]
fn operations_are_those_of_the_table() {
    let core = document("api/v1");
    let methods = |path: &str| -> Vec<String> {
        core["paths"][path].as_object().expect(path).keys().filter(|key| *key != "parameters").cloned().collect()
    };
    assert_eq!(methods("/api/v1/pods"), ["get"]);
    assert_eq!(methods("/api/v1/namespaces/{namespace}/pods"), ["delete", "get", "post"]);
    assert_eq!(methods("/api/v1/namespaces/{namespace}/pods/{name}"), ["delete", "get", "patch", "put"]);
    assert_eq!(methods("/api/v1/namespaces/{namespace}/pods/{name}/status"), ["get", "patch", "put"]);
    let eviction = &core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/eviction"]["post"]["requestBody"]["content"]["application/json"];
    assert_eq!(eviction["schema"]["$ref"], "#/components/schemas/io.k8s.api.policy.v1.Eviction");
}
