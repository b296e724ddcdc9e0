use super::*;
use proptest::prelude::*;
use serde_json::json;

fn strict(kind: &str, body: &str) -> Result<Value, String> {
    let version = if kind == "DaemonSet" { "apps/v1" } else { "v1" };
    let decoded = decode(version, kind, "application/json", body.as_bytes(), FieldValidation::Strict);
    decoded.map(|decoded| decoded.object).map_err(|status| status.message)
}

#[test]
fn unknown_and_duplicate_fields_are_named() {
    for (body, named) in [
        (r#"{"spec":{"bogus":1}}"#, "strict decoding error: unknown field \"spec.bogus\""),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"bogus":1}]}}}}"#,
            "unknown field \"spec.template.spec.containers[0].bogus\"",
        ),
        (r#"{"metadata":{"name":"a","name":"b"}}"#, "duplicate field \"metadata.name\""),
        (r#"{"a":1,"b":2}"#, "unknown field \"a\", unknown field \"b\""),
    ] {
        let message = strict("DaemonSet", body).expect_err(body);
        assert!(message.contains(named), "{message}");
    }
    let warned = decode("apps/v1", "DaemonSet", "application/json", br#"{"spec":{"bogus":1}}"#, FieldValidation::Warn)
        .expect("is decoded");
    assert_eq!(warned.warnings, ["unknown field \"spec.bogus\""]);
    assert_eq!(warned.object, json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "spec": {}}));
}

#[test]
fn wrong_types_are_refused_in_upstreams_words() {
    let check = |body: &str, why: &str| {
        let message = strict("DaemonSet", body).expect_err(body);
        assert_eq!(message, format!("DaemonSet in version \"v1\" cannot be handled as a DaemonSet: {why}"));
    };
    let cannot = |what: &str| format!("json: cannot unmarshal {what}");
    let in_pod = |spec: &str| format!(r#"{{"spec":{{"template":{{"spec":{spec}}}}}}}"#);
    check(
        r#"{"spec":{"minReadySeconds":"5"}}"#,
        &cannot("string into Go struct field DaemonSetSpec.spec.minReadySeconds of type int32"),
    );
    check(
        r#"{"spec":{"minReadySeconds":5.5}}"#,
        &cannot("number 5.5 into Go struct field DaemonSetSpec.spec.minReadySeconds of type int32"),
    );
    check(
        r#"{"spec":{"minReadySeconds":3000000000}}"#,
        &cannot("number 3000000000 into Go struct field DaemonSetSpec.spec.minReadySeconds of type int32"),
    );
    check(
        r#"{"metadata":{"generation":9223372036854775808}}"#,
        &cannot("number 9223372036854775808 into Go struct field ObjectMeta.metadata.generation of type int64"),
    );
    check(
        r#"{"metadata":{"labels":{"y":true}}}"#,
        &cannot("bool into Go struct field ObjectMeta.metadata.labels of type string"),
    );
    check(
        r#"{"metadata":{"labels":[]}}"#,
        &cannot("array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
    );
    check(r#"{"spec":[]}"#, &cannot("array into Go struct field DaemonSet.spec of type v1.DaemonSetSpec"));
    check(
        &in_pod(r#"{"containers":{}}"#),
        &cannot("object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"),
    );
    check(
        &in_pod(r#"{"containers":["x"]}"#),
        &cannot("string into Go struct field PodSpec.spec.template.spec.containers of type v1.Container"),
    );
    check(
        &in_pod(r#"{"containers":[{"env":[{"value":1}]}]}"#),
        &cannot("number 1 into Go struct field EnvVar.spec.template.spec.containers.env.value of type string")
            .replace("number 1", "number"),
    );
    check(
        &in_pod(r#"{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}"#),
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' (field spec.template.spec.containers[0].resources.limits.cpu)",
    );
}

#[test]
fn bodies_of_another_form_are_refused() {
    for (body, code, named) in [
        (r#"{"kind":"Pod"}"#, 400, "no kind \"Pod\" is registered for version \"apps/v1\""),
        (r#"{"kind":"Deployment"}"#, 400, "Deployment in version \"v1\" cannot be handled as a DaemonSet"),
        (r#"{"apiVersion":"extensions/v1beta1"}"#, 400, "no kind \"DaemonSet\" is registered for version \"extensions/v1beta1\""),
        (r#"{"kind":5}"#, 400, "kind is no string"),
        ("[]", 400, "the object provided is unrecognized (must be of type DaemonSet)"),
        ("{", 400, "json parse error"),
        ("{} x", 400, "json parse error"),
        (&"[".repeat(100_000), 400, "recursion limit"),
        (&format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200)), 400, "recursion limit"),
        (&" ".repeat(LARGEST + 1), 413, "too large"),
    ] {
        let status =
            decode("apps/v1", "DaemonSet", "application/json", body.as_bytes(), FieldValidation::Ignore).expect_err("is refused");
        assert_eq!(status.code, code);
        assert!(status.message.contains(named), "{:.80}: {}", body, status.message);
    }
    let old_event =
        decode("events.k8s.io/v1", "Event", "", br#"{"apiVersion":"v1"}"#, FieldValidation::Ignore).expect_err("is refused");
    assert_eq!(old_event.message, "the API version in the data (v1) does not match the expected API version (events.k8s.io/v1)");
    assert_eq!(decode("v1", "Pod", "text/plain", b"", FieldValidation::Warn).expect_err("is refused").code, 415);
}

#[test]
fn values_get_their_stored_form() {
    let body = r#"{"metadata":{"name":"s","labels":{"a":null},"annotations":null,"finalizers":["a",null],"creationTimestamp":"2026-01-02T03:04:05.6+01:00"},"data":{"k":"AP8="}}"#;
    let secret = strict("Secret", body).expect("is decoded");
    let metadata =
        json!({"name": "s", "labels": {"a": ""}, "finalizers": ["a", ""], "creationTimestamp": "2026-01-02T02:04:05Z"});
    assert_eq!(secret, json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"k": "AP8="}}));
    assert!(
        strict("Secret", r#"{"data":{"k":"%"}}"#)
            .expect_err("is refused")
            .contains("illegal base64 data at input byte 0 (field data.k)")
    );
    assert!(
        strict("Secret", r#"{"metadata":{"creationTimestamp":"today"}}"#)
            .expect_err("is refused")
            .contains("parsing time \"today\"")
    );
    let lease = decode(
        "coordination.k8s.io/v1",
        "Lease",
        "",
        br#"{"spec":{"renewTime":"2026-01-02T03:04:05.000001Z"}}"#,
        FieldValidation::Strict,
    );
    assert_eq!(lease.expect("is decoded").object["spec"]["renewTime"], "2026-01-02T03:04:05.000001Z");
    let review = br#"{"spec":{"extra":{"scopes":["a","b"]}}}"#;
    let review =
        decode("authorization.k8s.io/v1", "SubjectAccessReview", "", review, FieldValidation::Strict).expect("is decoded");
    assert_eq!(review.object["spec"]["extra"]["scopes"], json!(["a", "b"]));
}

#[test]
fn kinds_beyond_the_graph_pass_untouched() {
    let body = br#"{"apiVersion":"example.com/v1","kind":"Fleet","spec":{"anything":null}}"#;
    let fleet = decode("example.com/v1", "Fleet", "", body, FieldValidation::Strict).expect("is decoded").object;
    assert_eq!(fleet["spec"], json!({"anything": null}));
}

#[test]
fn patched_objects_are_held_to_the_same_rules() {
    let object = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "spec": {"bogus": 1}});
    let status = patched("apps/v1", "DaemonSet", object.clone(), br#"{"spec":{"bogus":1}}"#, FieldValidation::Strict)
        .expect_err("is refused");
    let wanted =
        r#" "" is invalid: patch: Invalid value: "{\"spec\":{\"bogus\":1}}": strict decoding error: unknown field "spec.bogus""#;
    assert_eq!((status.code, status.message.as_str()), (422, wanted));
    let warned = patched("apps/v1", "DaemonSet", object, b"", FieldValidation::Warn).expect("is taken");
    assert_eq!((warned.object["spec"].clone(), warned.warnings), (json!({}), vec!["unknown field \"spec.bogus\"".to_string()]));
}

#[test]
fn good_bodies_come_through() {
    let set = strict(
        "DaemonSet",
        r#"{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":"10%"}},"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":1}}}]}}}}"#,
    );
    let set = set.expect("is decoded");
    assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"], "1");
    let yaml = decode("v1", "ConfigMap", "application/yaml; charset=utf-8", b"data:\n  a: 'b'\n", FieldValidation::Strict)
        .expect("is decoded");
    assert_eq!(yaml.object["data"], json!({"a": "b"}));
    let revision = r#"{"data":{"anything":{"goes":[1,null]}},"revision":1}"#;
    let revision = decode("apps/v1", "ControllerRevision", "application/json", revision.as_bytes(), FieldValidation::Strict)
        .expect("is decoded");
    assert_eq!(revision.object["data"]["anything"]["goes"][0], 1);
    let bare_keys = decode("v1", "ConfigMap", "application/yaml", b"data: {1: x}", FieldValidation::Strict).expect("is decoded");
    assert_eq!(bare_keys.object["data"], json!({"1": "x"}));
}

proptest! {
    #[test]
    fn no_text_panics(body in ".{0,200}", kind in "ConfigMap|Pod|Secret") {
        for media_type in ["application/json", "application/yaml"] {
            let _ = decode("v1", &kind, media_type, body.as_bytes(), FieldValidation::Warn);
        }
    }
}

#[test]
fn evictions_of_the_version_of_old_are_taken() {
    let evict = |version: &str| {
        let body = json!({"apiVersion": version, "kind": "Eviction", "metadata": {"name": "p"}}).to_string();
        decode("policy/v1", "Eviction", "application/json", body.as_bytes(), FieldValidation::Strict)
    };
    for version in ["policy/v1", "policy/v1beta1"] {
        assert_eq!(evict(version).expect(version).object["metadata"]["name"], "p");
    }
    assert!(evict("policy/v2").is_err());
}
