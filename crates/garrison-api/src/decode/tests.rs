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
fn wrong_types_are_refused_with_their_path() {
    for (body, named) in [
        (
            r#"{"spec":{"minReadySeconds":"5"}}"#,
            "cannot unmarshal string into Go struct field DaemonSet.spec.minReadySeconds of type int32",
        ),
        (
            r#"{"metadata":{"labels":{"y":true}}}"#,
            "cannot unmarshal bool into Go struct field DaemonSet.metadata.labels.y of type string",
        ),
        (r#"{"spec":{"template":{"spec":{"containers":{}}}}}"#, "cannot unmarshal object"),
        (r#"{"spec":[]}"#, "cannot unmarshal array"),
        (r#"{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}}}"#, "quantities must match"),
        (r#"{"kind":"Pod"}"#, "cannot be handled as a DaemonSet"),
        ("[]", "no JSON object"),
        ("{", "unrecognized"),
        ("{} x", "unrecognized"),
    ] {
        let message = strict("DaemonSet", body).expect_err(body);
        assert!(message.contains(named), "{body}: {message}");
    }
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
    assert_eq!(decode("v1", "Pod", "text/plain", b"", FieldValidation::Warn).expect_err("is refused").code, 415);
}

/// A field in the wire format: tag and length-delimited content.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2, u8::try_from(content.len()).expect("a short content")];
    bytes.extend_from_slice(content);
    bytes
}

fn envelope(version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &meta), field(2, raw)].concat()
}

#[test]
fn protobuf_is_read_by_the_graph() {
    let read = |body: &[u8], version: &str, kind: &str| {
        decode(version, kind, "application/vnd.kubernetes.protobuf", body, FieldValidation::Strict)
    };
    // As `kubectl create configmap settings --from-literal=a=b` sends it.
    let raw = [field(1, &field(1, b"settings")), field(2, &[field(1, b"a"), field(2, b"b")].concat())].concat();
    let map = read(&envelope("v1", "ConfigMap", &raw), "v1", "ConfigMap").expect("is decoded").object;
    assert_eq!(map, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}));
    let raw =
        [field(1, &field(1, b"s")), field(2, &[field(1, b"k"), field(2, &[0, 255])].concat()), field(3, b"Opaque")].concat();
    let secret = read(&envelope("v1", "Secret", &raw), "v1", "Secret").expect("is decoded").object;
    assert_eq!((&secret["data"]["k"], &secret["type"]), (&json!("AP8="), &json!("Opaque")));
    // A hostPath volume lies in an embedded message.
    let volume = [field(1, b"v"), field(2, &field(1, &field(1, b"/x")))].concat();
    let raw = field(2, &field(1, &volume));
    let pod = read(&envelope("v1", "Pod", &raw), "v1", "Pod").expect("is decoded").object;
    assert_eq!(pod["spec"]["volumes"], json!([{"name": "v", "hostPath": {"path": "/x"}}]));
    for bad in [&b"json"[..], b"k8s\0\xff", &envelope("v1", "Nothing", b"")] {
        assert_eq!(read(bad, "v1", "Pod").expect_err("is refused").code, 400);
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200), kind in "ConfigMap|Pod|Secret") {
        for media_type in ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"] {
            let _ = decode("v1", &kind, media_type, &body, FieldValidation::Warn);
            let _ = decode("v1", &kind, media_type, &envelope_of(&kind, &body), FieldValidation::Warn);
        }
    }
}

fn envelope_of(kind: &str, body: &[u8]) -> Vec<u8> {
    envelope("v1", kind, &body[..body.len().min(120)])
}
