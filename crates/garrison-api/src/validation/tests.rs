use super::*;
use crate::{defaults, resource};
use serde_json::json;

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
fn dying_objects_take_no_new_finalizers() {
    let mut old = daemon_set();
    defaults::apply(row(&old), &mut old);
    old["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    old["metadata"]["finalizers"] = json!(["a.io/b"]);
    let new = spoil(old.clone(), "/metadata/finalizers", json!(["a.io/b", "a.io/c"]));
    check(&words(&update(row(&old), None, &old, &new)), "metadata.finalizers: Forbidden: no new finalizers can be added");
    assert!(update(row(&old), None, &new, &old).is_empty());
}
