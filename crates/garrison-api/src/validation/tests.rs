use super::*;
use crate::{defaults, resource};
use serde_json::json;

mod cluster;
mod companions;
mod pods;

/// Field and message of each fault, as the answer to a client joins them.
fn words(causes: &[Cause]) -> Vec<String> {
    causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

fn row(object: &Value) -> &'static Resource {
    let text = |field: &str| object[field].as_str().expect("a text");
    resource::by_kind(text("apiVersion"), text("kind")).expect("a kind that is served")
}

/// Faults of a create, after the defaults.
fn created(mut object: Value) -> Vec<String> {
    let row = row(&object);
    defaults::apply(row, &mut object);
    words(&create(row, &object))
}

/// Puts a value at a JSON pointer whose parent exists.
fn spoil(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a path");
    object.pointer_mut(parent).expect("the parent exists")[field] = value;
    object
}

/// Exactly one fault, beginning so.
#[track_caller]
fn check(faults: &[String], expected: &str) {
    assert!(faults.len() == 1 && faults[0].starts_with(expected), "{faults:?}\nexpected {expected}");
}

fn daemon_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}]}
            }
        }
    })
}

#[test]
fn a_right_daemon_set_has_no_faults() {
    assert_eq!(created(daemon_set()), Vec::<String>::new());
}

#[test]
fn metadata_is_checked() {
    for (pointer, value, expected) in [
        (
            "/metadata/name",
            json!("Not_A_Name"),
            "metadata.name: Invalid value: \"Not_A_Name\": a lowercase RFC 1123 subdomain must",
        ),
        ("/metadata/name", json!(""), "metadata.name: Required value: name or generateName is required"),
        ("/metadata/namespace", json!(""), "metadata.namespace: Required value"),
        ("/metadata/labels", json!({"-bad": "x"}), "metadata.labels: Invalid value: \"-bad\": name part must consist of"),
        ("/metadata/labels", json!({"a": "b c"}), "metadata.labels: Invalid value: \"b c\": a valid label must be"),
        ("/metadata/annotations", json!({"a b": "x"}), "metadata.annotations: Invalid value: \"a b\": name part must"),
        (
            "/metadata/annotations",
            json!({"a": "x".repeat(300_000)}),
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        ("/metadata/finalizers", json!(["mine"]), "metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard"),
        (
            "/metadata/ownerReferences",
            json!([{"apiVersion": "v1", "kind": "Pod", "name": "p"}]),
            "metadata.ownerReferences.uid: Invalid value: \"\": uid must not be empty",
        ),
        (
            "/metadata/ownerReferences",
            json!([{"apiVersion": "v1", "kind": "Event", "name": "p", "uid": "u"}]),
            "metadata.ownerReferences: Invalid value: {",
        ),
    ] {
        check(&created(spoil(daemon_set(), pointer, value)), expected);
    }
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    check(&created(namespace("a.b")), "metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label must");
    check(
        &created(spoil(namespace("a"), "/metadata/namespace", json!("b"))),
        "metadata.namespace: Forbidden: not allowed on this type",
    );
}

/// Conformance: U24
#[test]
fn daemon_sets_are_checked() {
    let spec = "/spec/template/spec";
    for (pointer, value, expected) in [
        ("/spec/selector", json!({}), "spec.selector: Invalid value: {}: empty selector is invalid for daemonset"),
        (
            "/spec/selector/matchLabels",
            json!({"app": "other"}),
            "spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match template `labels`",
        ),
        (
            "/spec/selector/matchExpressions",
            json!([{"key": "app", "operator": "Exists", "values": ["a"]}]),
            "spec.selector.matchExpressions[0].values: Forbidden",
        ),
        (
            "/spec/selector/matchLabels",
            json!({"app": "a b"}),
            "spec.selector.matchLabels: Invalid value: \"a b\": a valid label must be",
        ),
        (
            "/spec/selector/matchExpressions",
            json!([{"key": "app", "operator": "In"}]),
            "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        ),
        (
            "/spec/updateStrategy",
            json!({"rollingUpdate": {"maxUnavailable": 0}}),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
        ),
        (
            "/spec/selector/matchExpressions",
            json!([{"key": "app", "operator": "Like"}]),
            "spec.selector.matchExpressions[0].operator: Invalid value: \"Like\": not a valid selector operator",
        ),
        ("/spec/template/metadata/labels", json!({"app": "a", "b": "c d"}), "spec.template.labels: Invalid value: \"c d\""),
        ("/spec/template/metadata/annotations", json!({"a b": ""}), "spec.template.annotations: Invalid value: \"a b\""),
        (
            &format!("{spec}/restartPolicy"),
            json!("Never"),
            "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
        ),
        (
            &format!("{spec}/activeDeadlineSeconds"),
            json!(5),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet",
        ),
        ("/spec/minReadySeconds", json!(-1), "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"),
        ("/spec/revisionHistoryLimit", json!(-1), "spec.revisionHistoryLimit: Invalid value: -1"),
        (
            "/spec/updateStrategy",
            json!({"type": "Recreate"}),
            "spec.updateStrategy: Unsupported value: {\"type\":\"Recreate\"}: supported values: \"OnDelete\", \"RollingUpdate\"",
        ),
        (
            "/spec/updateStrategy",
            json!({"rollingUpdate": {"maxUnavailable": "5"}}),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"5\": a valid percent string must be",
        ),
        (
            "/spec/updateStrategy",
            json!({"rollingUpdate": {"maxUnavailable": -1}}),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: -1",
        ),
        (
            "/spec/updateStrategy",
            json!({"rollingUpdate": {"maxUnavailable": "101%"}}),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
        ),
        (
            "/spec/updateStrategy",
            json!({"rollingUpdate": {"maxSurge": 1}}),
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
        ),
        (
            "/spec/updateStrategy",
            json!({"rollingUpdate": {"maxUnavailable": "0%"}}),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
        ),
    ] {
        check(&created(spoil(daemon_set(), pointer, value)), expected);
    }
}

/// Conformance: U24
#[test]
fn updates_of_daemon_sets_keep_the_selector() {
    let mut old = daemon_set();
    defaults::apply(row(&old), &mut old);
    let updated = |new: &Value, part| words(&update(row(&old), part, &old, new));
    let relabelled = spoil(old.clone(), "/spec/template/metadata/labels", json!({"app": "a", "more": "b"}));
    assert_eq!(updated(&relabelled, None), Vec::<String>::new());
    let expressions = spoil(old.clone(), "/spec/selector/matchExpressions", json!([{"key": "app", "operator": "Exists"}]));
    check(&updated(&expressions, None), "spec.selector: Invalid value: {");
    let mut counted = old.clone();
    counted["status"] = json!({"numberReady": -1});
    check(&updated(&counted, Some("status")), "status.numberReady: Invalid value: -1");
    check(
        &updated(&spoil(old.clone(), "/metadata/name", json!("e")), None),
        "metadata.name: Invalid value: \"e\": field is immutable",
    );
    let mut collided = old.clone();
    collided["status"] = json!({"collisionCount": 2});
    let faults = words(&update(row(&old), Some("status"), &collided, &old));
    check(&faults, "status.collisionCount: Invalid value: 0: cannot be decremented");
}

#[test]
fn a_prefix_of_names_may_be_as_long_as_a_name_and_end_in_a_dash() {
    let prefixed = |prefix: &str| {
        let mut object = daemon_set();
        object["metadata"]["generateName"] = json!(prefix);
        created(object)
    };
    for prefix in ["d".repeat(253), format!("{}-", "d".repeat(252)), format!("{}-", "d".repeat(253)), "d-".into(), "d.-".into()] {
        assert_eq!(prefixed(&prefix), Vec::<String>::new(), "{prefix}");
    }
    for prefix in ["d".repeat(254), "-".into(), "d.".into(), "-d-".into(), "Dd-".into()] {
        check(&prefixed(&prefix), &format!("metadata.generateName: Invalid value: \"{prefix}\""));
    }
}

/// Conformance: U24
#[test]
fn a_bad_label_value_that_was_stored_long_ago_stays_updatable() {
    let bad = json!([{"key": "app", "operator": "NotIn", "values": ["no good!"]}]);
    let mut old = spoil(daemon_set(), "/spec/selector/matchExpressions", bad);
    let values = "spec.selector.matchExpressions[0].values[0]: Invalid value: \"no good!\"";
    check(&created(old.clone()), values);
    defaults::apply(row(&old), &mut old);
    let new = spoil(old.clone(), "/spec/minReadySeconds", json!(5));
    assert_eq!(words(&update(row(&old), None, &old, &new)), Vec::<String>::new());
}

#[test]
fn dying_objects_take_no_new_finalizers() {
    let mut old = daemon_set();
    defaults::apply(row(&old), &mut old);
    old["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    old["metadata"]["finalizers"] = json!(["a.io/b"]);
    let new = spoil(old.clone(), "/metadata/finalizers", json!(["a.io/b", "a.io/c"]));
    check(&words(&update(row(&old), None, &old, &new)), "metadata.finalizers: Forbidden: no new finalizers can be added");
    assert!(update(row(&old), None, &new, &old).is_empty());
}

/// Conformance: U24
#[test]
fn other_kinds_are_checked() {
    let object = |api: &str, kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}});
        if row(&object).namespaced {
            object["metadata"]["namespace"] = json!("default");
        }
        for (name, value) in rest.as_object().expect("fields") {
            object[name] = value.clone();
        }
        object
    };
    for (api, kind, rest, expected) in [
        ("v1", "ConfigMap", json!({"data": {"a/b": ""}}), "data[a/b]: Invalid value: \"a/b\": a valid config key"),
        ("v1", "ConfigMap", json!({"data": {"..": ""}}), "data[..]: Invalid value: \"..\": must not be '..'"),
        (
            "v1",
            "ConfigMap",
            json!({"data": {"a": "b"}, "binaryData": {"a": "Yg=="}}),
            "data[a]: Invalid value: \"a\": duplicate of key",
        ),
        ("v1", "ConfigMap", json!({"data": {"a": "b".repeat(1 << 21)}}), ": Too long: may not be more than 1048576 bytes"),
        ("v1", "Secret", json!({"type": "kubernetes.io/dockerconfigjson"}), "data[.dockerconfigjson]: Required value"),
        (
            "v1",
            "Node",
            json!({"spec": {"taints": [{"key": "a", "effect": "Never"}]}}),
            "spec.taints[0].effect: Unsupported value: \"Never\"",
        ),
        ("v1", "Node", json!({"spec": {"podCIDRs": ["10.0.0.0/33"]}}), "spec.podCIDRs[0]: Invalid value: \"10.0.0.0/33\""),
        (
            "v1",
            "Node",
            json!({"status": {"capacity": {"cpu": "-1"}, "allocatable": {}}}),
            "status.capacity[cpu]: Invalid value: \"-1\"",
        ),
        (
            "v1",
            "Event",
            json!({"involvedObject": {"namespace": "other"}}),
            "involvedObject.namespace: Invalid value: \"other\": does not match",
        ),
        ("apps/v1", "ControllerRevision", json!({"revision": 1}), "data: Required value: data is mandatory"),
        ("apps/v1", "ControllerRevision", json!({"data": {}, "revision": -1}), "revision: Invalid value: -1"),
        ("apps/v1", "ControllerRevision", json!({"data": null, "revision": 1}), "data: Required value: data is mandatory"),
        (
            "apps/v1",
            "ControllerRevision",
            json!({"data": [1], "revision": 1}),
            "data: Required value: data must be a valid JSON object",
        ),
        (
            "coordination.k8s.io/v1",
            "Lease",
            json!({"spec": {"leaseDurationSeconds": 0}}),
            "spec.leaseDurationSeconds: Invalid value: 0: must be",
        ),
        ("scheduling.k8s.io/v1", "PriorityClass", json!({"value": 1_000_000_001}), "value: Forbidden: maximum allowed value"),
    ] {
        check(&created(object(api, kind, rest)), expected);
    }
    let updated = |old: &Value, pointer: &str, value| words(&update(row(old), None, old, &spoil(old.clone(), pointer, value)));
    let frozen = object("v1", "ConfigMap", json!({"immutable": true, "data": {"a": "b"}}));
    check(&updated(&frozen, "/data", json!({"a": "c"})), "data: Forbidden: field is immutable when `immutable` is set");
    check(&updated(&frozen, "/immutable", json!(false)), "immutable: Forbidden: field is immutable when `immutable` is set");
    let node = object("v1", "Node", json!({"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}}));
    check(&updated(&node, "/spec/podCIDR", json!("10.0.1.0/24")), "spec.podCIDR: Forbidden: node updates may not change podCIDR");
    let revision = object("apps/v1", "ControllerRevision", json!({"data": {"a": 1}, "revision": 1}));
    check(&updated(&revision, "/data", json!({"a": 2})), "data: Invalid value: {\"a\":2}: field is immutable");
    assert_eq!(updated(&revision, "/revision", json!(2)), Vec::<String>::new());
    let class = object("scheduling.k8s.io/v1", "PriorityClass", json!({"value": 5}));
    check(&updated(&class, "/value", json!(6)), "value: Forbidden: may not be changed in an update.");
}
