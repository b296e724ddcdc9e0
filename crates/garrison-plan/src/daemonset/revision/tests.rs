use super::*;
use std::collections::BTreeSet;

fn set(template: Value, rest: Value) -> DaemonSet {
    let mut value = json!({
        "metadata": {"namespace": "ns", "name": "d", "uid": "u", "annotations": {"kubernetes.io/change-cause": "because"}},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template},
    });
    if let Value::Object(rest) = rest {
        rest.into_iter().for_each(|(key, part)| value[key] = part);
    }
    serde_json::from_value(value).unwrap()
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image, "resources": {}}]}})
}

/// A revision of the set, made from the image.
fn stored(name: &str, image: &str, number: i64, rest: Value) -> Arc<ControllerRevision> {
    let mut value = json!({
        "metadata": {"namespace": "ns", "name": name, "uid": format!("uid-{name}"), "labels": {"app": "d", "controller-revision-hash": name},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true}]},
        "data": data(&set(template(image), Value::Null)),
        "revision": number,
    });
    if let Value::Object(rest) = rest {
        rest.into_iter().for_each(|(key, part)| value["metadata"][key] = part);
    }
    Arc::new(serde_json::from_value(value).unwrap())
}

fn work_out(set: &DaemonSet, revisions: &[Arc<ControllerRevision>]) -> History {
    history(set, &Labels::from_object(&set.spec.as_ref().unwrap().selector).unwrap(), revisions)
}

fn shown(history: &History) -> String {
    let change = |change: &RevisionChange| match change {
        RevisionChange::Create(revision) => format!("create {}", revision.revision),
        RevisionChange::Renumber { name, revision } => format!("{name}={revision}"),
        RevisionChange::Label { name, hash } => format!("label {name} {hash}"),
    };
    let mut parts: Vec<String> = history.changes.iter().map(change).collect();
    parts.extend(history.duplicates.iter().map(|duplicate| format!("drop {}", duplicate.name)));
    parts.join(", ")
}

/// Revisions are (name, image, number); the set is at image `b`.
fn check(revisions: &[(&str, &str, i64)], expected: &str, hash: Option<&str>) {
    let revisions: Vec<_> = revisions.iter().map(|(name, image, number)| stored(name, image, *number, Value::Null)).collect();
    let history = work_out(&set(template("b"), Value::Null), &revisions);
    assert_eq!(shown(&history), expected);
    if let Some(hash) = hash {
        assert_eq!(history.hash, hash);
    }
}

/// Conformance: U22
#[test]
fn the_current_revision_is_found_by_its_content() {
    check(&[], "create 1", None);
    check(&[("x", "a", 3)], "create 4", None);
    check(&[("x", "b", 1)], "", Some("x"));
    check(&[("x", "a", 1), ("y", "b", 2)], "", Some("y"));
    // A rollback makes the old revision the newest.
    check(&[("x", "b", 1), ("y", "a", 2)], "x=3", Some("x"));
    check(&[("x", "b", 1), ("y", "b", 2), ("z", "a", 5)], "y=6, drop x", Some("y"));
    // The last of equals wins.
    check(&[("x", "b", 2), ("y", "b", 2)], "drop x", Some("y"));
}

#[test]
fn what_another_version_wrote_as_null_is_no_other_template() {
    let check = |one: Value, other: Value, expected: bool| {
        assert_eq!((same(&one, &other), same(&other, &one)), (expected, expected), "{one} {other}");
    };
    check(json!({"metadata": {"creationTimestamp": null, "labels": {}}}), json!({"metadata": {"labels": {}}}), true);
    check(json!([{"a": null}, 1]), json!([{}, 1]), true);
    check(json!([null]), json!([]), false);
    check(json!({"a": {}}), json!({}), false);
    check(json!({"a": 1, "b": null}), json!({"a": 2}), false);
    check(json!({"a": 1}), json!({"b": 1}), false);
}

/// Conformance: U22
#[test]
fn owners_of_revisions() {
    let orphan = stored("x", "b", 1, json!({"ownerReferences": []}));
    let foreign = stored("y", "b", 1, json!({"ownerReferences": [{"uid": "other", "controller": true}]}));
    let strange = stored("z", "b", 1, json!({"labels": {"app": "x"}}));
    let history = work_out(&set(template("b"), Value::Null), &[orphan, foreign, strange]);
    let names = |changes: &[OwnerChange]| changes.iter().map(|change| change.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&history.adopt), names(&history.release)), (vec!["x".to_owned()], vec!["z".to_owned()]));
    assert_eq!(history.hash, "x");
}

#[test]
fn a_revision_without_hash_gets_its_name() {
    let old = stored("d-1", "b", 1, json!({"labels": {"app": "d"}}));
    let history = work_out(&set(template("b"), Value::Null), &[old]);
    assert_eq!((shown(&history).as_str(), history.hash.as_str()), ("label d-1 d-1", "d-1"));
}

#[test]
fn the_data_is_the_template_as_kubectl_writes_it() {
    let template = json!({
        "metadata": {"labels": {"z": "1", "app": "d"}},
        "spec": {
            "restartPolicy": "Always",
            "containers": [{"name": "c", "image": "b", "resources": {}, "command": ["sh", "-c", "a < b && c > d"]}],
        },
    });
    assert_eq!(
        bytes(&data(&set(template, Value::Null))),
        r#"{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"d","z":"1"}},"spec":{"containers":[{"command":["sh","-c","a \u003c b \u0026\u0026 c \u003e d"],"image":"b","name":"c","resources":{}}],"restartPolicy":"Always"}}}}"#
    );
}

/// Conformance: U23
#[test]
fn hashes_are_safe_short_and_depend_on_template_and_collisions() {
    let of = |image: &str, collisions: Option<i32>| hash(&data(&set(template(image), Value::Null)), collisions);
    let all = [of("a", None), of("b", None), of("a", Some(0)), of("a", Some(1)), of("a", Some(2))];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    assert_eq!(of("a", Some(1)), of("a", Some(1)));
    for hash in all {
        assert!(hash.len() <= 10 && hash.bytes().all(|byte| ALPHABET.contains(&byte)), "{hash}");
    }
}

#[test]
fn a_new_revision() {
    let set = set(template("b"), Value::Null);
    let history = work_out(&set, &[]);
    let [RevisionChange::Create(revision)] = history.changes.as_slice() else { panic!("{:?}", history.changes) };
    let value = serde_json::to_value(revision).unwrap();
    assert_eq!(value["metadata"]["name"], format!("d-{}", history.hash));
    assert_eq!(value["metadata"]["namespace"], "ns");
    assert_eq!(value["metadata"]["labels"], json!({"app": "d", "controller-revision-hash": history.hash}));
    assert_eq!(value["metadata"]["annotations"], json!({"kubernetes.io/change-cause": "because"}));
    assert_eq!(value["metadata"]["ownerReferences"][0]["blockOwnerDeletion"], true);
    assert_eq!(value["data"], data(&set));
}

/// Conformance: W22
#[test]
fn names_fit() {
    let long = format!("{}.{}", "a".repeat(241), "b".repeat(11));
    for (name, expected) in [
        ("d".to_owned(), "d-hash".to_owned()),
        ("a".repeat(253), format!("{}-hash", "a".repeat(248))),
        (long, format!("{}.{}-hash", "a".repeat(241), "b".repeat(6))),
        (format!("{}.b", "a".repeat(247)), format!("{}-hash", "a".repeat(247))),
    ] {
        let found = revision_name(&name, "hash");
        assert_eq!(found, expected);
        assert!(found.len() <= LONGEST_NAME);
    }
}

#[test]
fn old_revisions_beyond_the_limit_go() {
    let revisions: Vec<_> =
        (1..=4).map(|number| stored(&format!("r{number}"), &format!("old{number}"), number, Value::Null)).collect();
    for (limit, live, expected) in [
        (json!(10), vec![], ""),
        (json!(4), vec![], ""),
        (json!(2), vec![], "r1 r2"),
        (json!(2), vec!["r1"], "r2 r3"),
        (json!(0), vec![], "r1 r2 r3 r4"),
        (json!(0), vec!["r2", "r3"], "r1 r4"),
        (Value::Null, vec![], ""),
    ] {
        let mut set = set(template("b"), Value::Null);
        set.spec.as_mut().unwrap().revision_history_limit = serde_json::from_value(limit.clone()).unwrap();
        let live: BTreeSet<String> = live.into_iter().map(Into::into).collect();
        let names: Vec<String> = work_out(&set, &revisions)
            .truncated(&set, |hash| live.contains(hash))
            .into_iter()
            .map(|revision| revision.name)
            .collect();
        assert_eq!(names.join(" "), expected, "limit {limit}, live {live:?}");
    }
}
