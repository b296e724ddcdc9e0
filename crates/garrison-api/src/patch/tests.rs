use super::*;
use proptest::prelude::*;
use serde_json::json;

fn strategic(current: &Value, patch: &Value) -> Value {
    let body = serde_json::to_vec(patch).expect("encodes");
    apply("apps/v1", "DaemonSet", current, "application/strategic-merge-patch+json", &body).expect("patches")
}

fn set(containers: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "s"}, "spec": {"template": {"spec": {"containers": containers}}}})
}

fn containers(patched: &Value) -> &Value {
    &patched["spec"]["template"]["spec"]["containers"]
}

#[test]
fn lists_merge_by_their_keys() {
    let current = set(&json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
    let check = |patch: Value, wanted: Value| assert_eq!(containers(&strategic(&current, &set(&patch))), &wanted, "{patch}");
    check(json!([{"name": "b", "image": "2"}]), json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]));
    check(json!([{"name": "a", "$patch": "delete"}]), json!([{"name": "b", "image": "1"}]));
    check(json!([{"$patch": "replace"}, {"name": "c"}]), json!([{"name": "c"}]));
    check(json!([{"name": "a", "image": null}]), json!([{"name": "a"}, {"name": "b", "image": "1"}]));
    check(
        json!([{"name": "a", "ports": [{"containerPort": 80}], "env": [{"name": "E", "value": "1"}]}]),
        json!([{"name": "a", "image": "1", "ports": [{"containerPort": 80}], "env": [{"name": "E", "value": "1"}]}, {"name": "b", "image": "1"}]),
    );
}

#[test]
fn directives_do_what_they_say() {
    let current = set(&json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
    let reordered = strategic(
        &current,
        &json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}}}),
    );
    assert_eq!(containers(&reordered), &json!([{"name": "b", "image": "1"}, {"name": "a", "image": "1"}]));
    // What `kubectl rollout undo` sends.
    let replaced =
        strategic(&current, &json!({"spec": {"template": {"$patch": "replace", "spec": {"containers": [{"name": "z"}]}}}}));
    assert_eq!(replaced["spec"]["template"], json!({"spec": {"containers": [{"name": "z"}]}}));
    let volumes = json!({"spec": {"template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}}});
    let retained = strategic(
        &volumes,
        &json!({"spec": {"template": {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}}}}),
    );
    assert_eq!(retained["spec"]["template"]["spec"]["volumes"], json!([{"name": "v", "hostPath": {"path": "/x"}}]));
    let finalizers = json!({"metadata": {"finalizers": ["a", "b"]}});
    assert_eq!(
        strategic(&finalizers, &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}))["metadata"]["finalizers"],
        json!(["b"])
    );
    assert_eq!(
        strategic(&finalizers, &json!({"metadata": {"finalizers": ["c"]}}))["metadata"]["finalizers"],
        json!(["c", "a", "b"])
    );
    // How a pod is released: the reference with our uid goes.
    let owned = json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "x"}, {"uid": "2", "name": "y"}]}});
    let released = strategic(&owned, &json!({"metadata": {"uid": "p", "ownerReferences": [{"$patch": "delete", "uid": "1"}]}}));
    assert_eq!(released["metadata"]["ownerReferences"], json!([{"uid": "2", "name": "y"}]));
}

#[test]
fn atomic_lists_and_maps() {
    let current = json!({"spec": {"template": {"spec": {"tolerations": [{"key": "a"}], "nodeSelector": {"a": "1", "b": "2"}}}}});
    let patched = strategic(
        &current,
        &json!({"spec": {"template": {"spec": {"tolerations": [{"key": "c"}], "nodeSelector": {"a": null, "c": "3"}}}}}),
    );
    assert_eq!(patched["spec"]["template"]["spec"], json!({"tolerations": [{"key": "c"}], "nodeSelector": {"b": "2", "c": "3"}}));
}

#[test]
fn malformed_patches_are_refused() {
    let check = |media_type: &str, body: &str, code: u16| {
        let error = apply("apps/v1", "DaemonSet", &set(&json!([])), media_type, body.as_bytes()).expect_err(body);
        assert_eq!(error.code, code, "{body}: {error}");
    };
    check("application/strategic-merge-patch+json", "[]", 400);
    check("application/strategic-merge-patch+json", "{", 400);
    check("application/strategic-merge-patch+json", r#"{"$patch":"explode"}"#, 400);
    check("application/strategic-merge-patch+json", r#"{"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}}"#, 400);
    check("application/json-patch+json", r#"[{"op":"test","path":"/kind","value":"Pod"}]"#, 422);
    check("application/json-patch+json", r#"[{"op":"remove","path":"/nowhere"}]"#, 422);
    check("application/json-patch+json", "{}", 400);
    check("text/plain", "{}", 415);
}

#[test]
fn a_json_patch_replaces_what_is_there_or_left_out() {
    let check = |patch: Value, expected: Option<Value>| {
        let body = serde_json::to_vec(&patch).expect("encodes");
        let current = json!({"spec": {"a": 1, "list": [1, 2]}});
        let patched = apply("apps/v1", "DaemonSet", &current, "application/json-patch+json", &body);
        assert_eq!(patched.as_ref().ok(), expected.as_ref(), "{patch}: {patched:?}");
    };
    let one = |op: &str, path: &str| json!([{"op": op, "path": path, "value": 7}]);
    check(one("replace", "/spec/a"), Some(json!({"spec": {"a": 7, "list": [1, 2]}})));
    check(one("replace", "/spec/minReadySeconds"), Some(json!({"spec": {"a": 1, "list": [1, 2], "minReadySeconds": 7}})));
    check(one("replace", "/spec/list/1"), Some(json!({"spec": {"a": 1, "list": [1, 7]}})));
    check(one("replace", "/spec/list/2"), None);
    check(one("replace", "/nowhere/a"), None);
    check(one("test", "/spec/b"), None);
    let is_null = |path: &str| json!([{"op": "test", "path": path, "value": null}]);
    check(is_null("/spec/b"), Some(json!({"spec": {"a": 1, "list": [1, 2]}})));
    check(is_null("/spec/a"), None);
    check(is_null("/nowhere/a"), None);
    // All or nothing, each operation upon the one before.
    check(
        json!([{"op": "add", "path": "/spec/b", "value": 1}, {"op": "copy", "from": "/spec/b", "path": "/spec/c"}]),
        Some(json!({"spec": {"a": 1, "b": 1, "c": 1, "list": [1, 2]}})),
    );
    check(json!([{"op": "remove", "path": "/spec/a"}, {"op": "remove", "path": "/spec/a"}]), None);
}

/// Upstream's own library, where kubectl is at hand, on the same object and patch.
fn kubectl(current: &Value, patch: &Value) -> Option<Value> {
    let file = std::env::temp_dir().join(format!("garrison-patch-{}.json", std::process::id()));
    std::fs::write(&file, current.to_string()).ok()?;
    let mut command = std::process::Command::new("kubectl");
    command.args(["patch", "--local", "--type", "strategic", "-o", "json", "-p", &patch.to_string(), "-f"]).arg(&file);
    let output = command.output().ok()?;
    let _ = std::fs::remove_file(file);
    output.status.success().then(|| serde_json::from_slice(&output.stdout).ok())?
}

#[test]
fn upstream_comes_to_the_same() {
    let a = json!({"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]});
    let current = set(&json!([a, {"name": "b", "image": "1"}, {"name": "c", "image": "1"}]));
    let pods = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
    for patch in [
        pods(json!([{"name": "c", "image": "2"}, {"name": "a", "image": "2"}])),
        pods(json!([{"name": "n"}, {"name": "b", "image": "2"}])),
        pods(json!([{"name": "b", "$patch": "delete"}, {"name": "n"}])),
        pods(json!([{"name": "a", "env": [{"name": "Y", "$patch": "delete"}, {"name": "Z", "value": "3"}]}])),
        json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "a", "image": "9"}]}}}}),
        json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}}}}),
        json!({"metadata": {"labels": {"x": "y"}, "annotations": null}}),
    ] {
        let Some(wanted) = kubectl(&current, &patch) else { continue };
        let mut ours = strategic(&current, &patch);
        ours["metadata"].as_object_mut().expect("metadata").remove("annotations");
        let (ours, theirs) = (containers(&ours).clone(), containers(&wanted).clone());
        assert_eq!(ours, theirs, "{patch}");
    }
}

fn container() -> impl Strategy<Value = Value> {
    ("[a-c]", "[1-3]").prop_map(|(name, image)| json!({"name": name, "image": image}))
}

proptest! {
    /// Applying a patch twice changes nothing more, and every container of the patch is in the result.
    #[test]
    fn a_patch_is_idempotent(current in proptest::collection::vec(container(), 0..4), patch in proptest::collection::vec(container(), 0..4)) {
        let unique = |list: Vec<Value>| {
            let mut seen: Vec<Value> = Vec::new();
            for element in list {
                if !seen.iter().any(|there| there["name"] == element["name"]) {
                    seen.push(element);
                }
            }
            seen
        };
        let (current, patch) = (unique(current), unique(patch));
        let body = json!({"spec": {"template": {"spec": {"containers": patch}}}});
        let once = strategic(&set(&json!(current)), &body);
        prop_assert_eq!(&strategic(&once, &body), &once);
        for element in &patch {
            prop_assert!(containers(&once).as_array().expect("a list").contains(element));
        }
    }
}
