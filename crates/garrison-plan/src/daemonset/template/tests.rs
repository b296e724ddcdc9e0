use super::*;
use serde_json::{Value, json};

fn set(spec: Value) -> DaemonSet {
    serde_json::from_value(json!({
        "metadata": {"namespace": "ns", "name": "d", "uid": "u",
            "annotations": {"deprecated.daemonset.template.generation": "3"}},
        "spec": {"selector": {}, "template": {
            "metadata": {"labels": {"app": "d"}, "annotations": {"note": "x"}, "finalizers": ["f/f"], "name": "ignored"},
            "spec": spec}},
    }))
    .unwrap()
}

fn spec(value: Value) -> PodSpec {
    serde_json::from_value(value).unwrap()
}

fn shown(toleration: &Toleration) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let seconds = toleration.toleration_seconds.map(|seconds| format!("/{seconds}")).unwrap_or_default();
    let key = part(&toleration.key);
    format!(
        "{} {} {}{seconds}",
        key.trim_start_matches("node.kubernetes.io/"),
        part(&toleration.operator),
        part(&toleration.effect)
    )
}

fn check_tolerations(value: Value, expected: &[&str]) {
    let found: Vec<String> = tolerations(&spec(value)).iter().map(shown).collect();
    assert_eq!(found, expected);
}

const ALWAYS: [&str; 6] = [
    "not-ready Exists NoExecute",
    "unreachable Exists NoExecute",
    "disk-pressure Exists NoSchedule",
    "memory-pressure Exists NoSchedule",
    "pid-pressure Exists NoSchedule",
    "unschedulable Exists NoSchedule",
];

/// Conformance: U5, U22
#[test]
fn automatic_tolerations() {
    check_tolerations(json!({}), &ALWAYS);
    let host = ["network-unavailable Exists NoSchedule", "not-ready Exists NoSchedule"];
    check_tolerations(json!({"hostNetwork": true}), &[&ALWAYS[..], &host[..]].concat());
    let own = json!({"tolerations": [{"key": "mine", "operator": "Exists", "effect": "NoSchedule"}]});
    check_tolerations(own, &[&["mine Exists NoSchedule"][..], &ALWAYS[..]].concat());
}

/// Conformance: U22
#[test]
fn an_identical_toleration_is_replaced_in_place() {
    let not_ready = |operator: &str, value: &str| json!({"key": "node.kubernetes.io/not-ready", "operator": operator, "effect": "NoExecute", "value": value, "tolerationSeconds": 9});
    let own = json!({"tolerations": [not_ready("Exists", ""), {"key": "mine"}, not_ready("Exists", "")]});
    check_tolerations(own, &[&[ALWAYS[0], "mine  ", ALWAYS[0]][..], &ALWAYS[1..]].concat());
    let other = json!({"tolerations": [not_ready("Equal", "x")]});
    check_tolerations(other, &[&["not-ready Equal NoExecute/9"][..], &ALWAYS[..]].concat());
}

/// Conformance: U2, U22
#[test]
fn the_affinity_is_rewritten_for_the_node() {
    let by_name = json!({"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]});
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": by_name});
    let preferred = json!([{"weight": 1, "preference": {}}]);
    let pods = json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]});
    let users = json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"matchFields": []}]});
    for (template, expected) in [
        (Value::Null, json!({"nodeAffinity": required})),
        (json!({"podAffinity": pods}), json!({"nodeAffinity": required, "podAffinity": pods})),
        (json!({"podAntiAffinity": pods}), json!({"nodeAffinity": required, "podAntiAffinity": pods})),
        (
            json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}),
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": by_name,
                "preferredDuringSchedulingIgnoredDuringExecution": preferred}}),
        ),
        (
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": users,
                "preferredDuringSchedulingIgnoredDuringExecution": preferred}}),
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": by_name,
                "preferredDuringSchedulingIgnoredDuringExecution": preferred}}),
        ),
    ] {
        let made = pod(&set(json!({"affinity": template, "nodeSelector": {"a": "b"}})), "n", "h", "name".into());
        assert_eq!(target_node(&made), Some("n"));
        let value = serde_json::to_value(made.spec).unwrap();
        assert_eq!(value["affinity"], expected);
        assert_eq!((&value["nodeSelector"], &value["nodeName"]), (&json!({"a": "b"}), &Value::Null));
    }
}

/// Conformance: U22
#[test]
fn the_pods_metadata() {
    let made = pod(&set(json!({})), "n", "h", "d-xyz".into());
    assert_eq!(
        serde_json::to_value(made.metadata).unwrap(),
        json!({
            "namespace": "ns", "name": "d-xyz", "generateName": "d-",
            "labels": {"app": "d", "controller-revision-hash": "h", "pod-template-generation": "3"},
            "annotations": {"note": "x"}, "finalizers": ["f/f"],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u",
                "controller": true, "blockOwnerDeletion": true}],
        })
    );
    let mut odd = set(json!({}));
    odd.metadata.annotations = serde_json::from_value(json!({"deprecated.daemonset.template.generation": "x"})).unwrap();
    let labels = pod(&odd, "n", "", "name".into()).metadata.labels;
    assert_eq!(serde_json::to_value(labels).unwrap(), json!({"app": "d"}));
}

/// Conformance: U23
#[test]
fn names_are_those_of_the_server_and_the_same_for_the_same_seed() {
    let set = set(json!({}));
    assert_eq!(name(&set, 7), name(&set, 7));
    assert_ne!(name(&set, 7), name(&set, 8));
    assert!(name(&set, 7).starts_with("d-") && name(&set, 7).len() == 7);
    let mut long = set;
    long.metadata.name = Some("a".repeat(253));
    assert_eq!(pod(&long, "n", "h", String::new()).metadata.generate_name, long.metadata.name);
}

/// Conformance: U22
#[test]
fn the_target_of_a_pod() {
    let field = |operator: &str, values: &[&str]| json!({"key": "metadata.name", "operator": operator, "values": values});
    let terms = |terms: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}});
    for (spec, expected) in [
        (json!({"nodeName": "n"}), Some("n")),
        (json!({"nodeName": ""}), None),
        (json!({}), None),
        (terms(json!([{"matchFields": [field("In", &["n"])]}])), Some("n")),
        (terms(json!([{}, {"matchFields": [field("In", &["n"])]}])), Some("n")),
        (terms(json!([{"matchFields": [field("NotIn", &["m"]), field("In", &["n"])]}])), Some("n")),
        (terms(json!([{"matchFields": [field("In", &["n", "m"])]}])), None),
        (terms(json!([{"matchFields": [field("NotIn", &["n"])]}])), None),
        (terms(json!([{"matchExpressions": [field("In", &["n"])]}])), None),
    ] {
        let pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        assert_eq!(target_node(&pod), expected, "{spec}");
    }
}
