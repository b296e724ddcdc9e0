use super::*;
use serde_json::{Value, json};

fn pod() -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "ns", "uid": "u1", "labels": {"a": "1", "b": "x\"y"}},
        "spec": {"nodeName": "n1", "containers": []},
        "status": {"podIP": "10.0.0.9", "hostIPs": [{"ip": "1.1.1.1"}, {"ip": "::1"}]},
    }))
    .unwrap()
}

fn referred() -> Referred {
    let config = json!({"metadata": {}, "data": {"k": "from-config", "l": "m"}});
    let secret = json!({"metadata": {}, "data": {"k": "c2VjcmV0"}});
    Referred {
        config_maps: [("cm".to_owned(), serde_json::from_value(config).unwrap())].into(),
        secrets: [("s".to_owned(), serde_json::from_value(secret).unwrap())].into(),
    }
}

/// The variables a container gets, those of the cluster left out.
fn check(container: Value, expected: Result<&[(&str, &str)], &str>) {
    let mut container = container;
    container["name"] = "c".into();
    let container: Container = serde_json::from_value(container).unwrap();
    let pod = pod();
    let allocatable = BTreeMap::from([("cpu".to_owned(), Quantity("2".into()))]);
    let sources = Sources { pod: &pod, allocatable: &allocatable, cluster: ("10.0.0.1", "6443") };
    let found = variables(sources, &container, &referred()).map_err(|error| error.to_string());
    let found = found.map(|list| list.into_iter().filter(|(name, _)| !name.starts_with("KUBERNETES_")).collect::<Vec<_>>());
    let expected = expected.map(|list| list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    assert_eq!(found, expected.map_err(ToOwned::to_owned));
}

#[test]
fn plain_values_see_those_before_them() {
    let env = json!([
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(C)-$$(A)-$(KUBERNETES_SERVICE_PORT)"},
        {"name": "C", "value": "3"},
    ]);
    check(json!({"env": env}), Ok(&[("A", "1"), ("B", "1-$(C)-$(A)-6443"), ("C", "3")]));
}

#[test]
fn fields() {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let env = json!([
        field("NODE", "spec.nodeName"), field("IP", "status.podIP"), field("HOSTS", "status.hostIPs"),
        field("L", "metadata.labels['b']"), field("ALL", "metadata.labels"), field("NONE", "metadata.annotations['x']"),
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]);
    let expected = [
        ("NODE", "n1"),
        ("IP", "10.0.0.9"),
        ("HOSTS", "1.1.1.1,::1"),
        ("L", "x\"y"),
        ("ALL", "a=\"1\"\nb=\"x\\\"y\""),
        ("NONE", ""),
        ("CPU", "2"),
    ];
    check(json!({"env": env}), Ok(&expected));
    check(json!({"env": [field("X", "spec.hostname")]}), Err("unsupported fieldPath: spec.hostname"));
}

#[test]
fn objects() {
    let from = json!([{"configMapRef": {"name": "cm"}, "prefix": "P_"}, {"secretRef": {"name": "gone", "optional": true}}]);
    let key = |kind: &str, name: &str, key: &str, optional: bool| json!({"name": "X", "valueFrom": {kind: {"name": name, "key": key, "optional": optional}}});
    check(json!({"envFrom": from}), Ok(&[("P_k", "from-config"), ("P_l", "m")]));
    check(json!({"env": [key("configMapKeyRef", "cm", "k", false)]}), Ok(&[("X", "from-config")]));
    check(json!({"env": [key("secretKeyRef", "s", "k", false)]}), Ok(&[("X", "secret")]));
    check(json!({"env": [key("secretKeyRef", "s", "z", true)]}), Ok(&[]));
    let message = "couldn't find key z in ConfigMap ns/cm";
    check(json!({"env": [key("configMapKeyRef", "cm", "z", false)]}), Err(message));
}

#[test]
fn a_reference_is_optional_only_if_all_who_use_it_say_so() {
    let container: Container = serde_json::from_value(json!({
        "name": "c",
        "envFrom": [{"configMapRef": {"name": "a", "optional": true}}, {"configMapRef": {"name": "b", "optional": true}}],
        "env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}],
    }))
    .unwrap();
    let (config_maps, secrets) = references(&container);
    assert_eq!(config_maps, [("a".to_owned(), false), ("b".to_owned(), true)].into());
    assert!(secrets.is_empty());
}

#[test]
fn dollars() {
    let variables = [("A".to_owned(), "1".to_owned())];
    for (text, expected) in [("$(A)", "1"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(A", "$(A"), ("$", "$"), ("é$(A)$$", "é1$")] {
        assert_eq!(expand(text, &variables), expected, "{text}");
    }
}
