use crate::decode::{FieldValidation, decode};
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::json;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Bodies that kubectl 1.32 sent, and what it writes for the same command as JSON, without its null timestamps.
#[test]
fn kubectls_own_bodies_come_out_as_its_json() {
    for (version, kind, body, mut wanted) in [
        (
            "v1",
            "Namespace",
            "azhzAAoPCgJ2MRIJTmFtZXNwYWNlEhoKEgoCa3QSABoAIgAqADIAOABCABIAGgIKABoAIgA=",
            json!({"metadata": {"name": "kt"}, "spec": {}, "status": {}}),
        ),
        (
            "v1",
            "ConfigMap",
            "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEiYKFQoDY20xEgAaAmt0IgAqADIAOABCABIGCgFhEgFiEgUKAWMSABoAIgA=",
            json!({"metadata": {"name": "cm1", "namespace": "kt"}, "data": {"a": "b", "c": ""}}),
        ),
        (
            "v1",
            "Secret",
            "azhzAAoMCgJ2MRIGU2VjcmV0EiAKFAoCczESABoCa3QiACoAMgA4AEIAEgYKAWESAWIaABoAIgA=",
            json!({"metadata": {"name": "s1", "namespace": "kt"}, "data": {"a": "Yg=="}}),
        ),
        (
            "v1",
            "ServiceAccount",
            "azhzAAoUCgJ2MRIOU2VydmljZUFjY291bnQSFwoVCgNzYTESABoCa3QiACoAMgA4AEIAGgAiAA==",
            json!({"metadata": {"name": "sa1", "namespace": "kt"}}),
        ),
        (
            "authentication.k8s.io/v1",
            "TokenRequest",
            "azhzAAooChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESDFRva2VuUmVxdWVzdBIgChAKABIAGgAiACoAMgA4AEIAEgYKAXggkBwaBAoAEgAaACIA",
            json!({"metadata": {}, "spec": {"audiences": ["x"], "expirationSeconds": 3600}, "status": {}}),
        ),
        (
            "authentication.k8s.io/v1",
            "SelfSubjectReview",
            "azhzAAotChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESEVNlbGZTdWJqZWN0UmV2aWV3EhoKEAoAEgAaACIAKgAyADgAQgASBgoECgASABoAIgA=",
            json!({"metadata": {}, "status": {"userInfo": {}}}),
        ),
        (
            "scheduling.k8s.io/v1",
            "PriorityClass",
            "azhzAAolChRzY2hlZHVsaW5nLms4cy5pby92MRINUHJpb3JpdHlDbGFzcxIyChMKA3BjMRIAGgAiACoAMgA4AEIAEAoYACIBZCoUUHJlZW1wdExvd2VyUHJpb3JpdHkaACIA",
            json!({"metadata": {"name": "pc1"}, "value": 10, "description": "d", "preemptionPolicy": "PreemptLowerPriority"}),
        ),
        (
            "v1",
            "ResourceQuota",
            "azhzAAoTCgJ2MRINUmVzb3VyY2VRdW90YRI4ChMKAXESABoCa3QiACoAMgA4AEIAEh8KCgoDY3B1EgMKATEKEQoGbWVtb3J5EgcKBTIwME1pGgAaACIA",
            json!({"metadata": {"name": "q", "namespace": "kt"}, "spec": {"hard": {"cpu": "1", "memory": "200Mi"}}, "status": {}}),
        ),
        (
            "v1",
            "Service",
            "azhzAAoNCgJ2MRIHU2VydmljZRJnCh8KAm5wEgAaAmt0IgAqADIAOABCAFoJCgNhcHASAm5wEkAKGwoHODAtODA4MBIDVENQGFAiBwgAEJA/GgAoABIJCgNhcHASAm5wGgAiCE5vZGVQb3J0OgBCAFIAWgBgAGgAGgIKABoAIgA=",
            json!({"metadata": {"name": "np", "namespace": "kt", "labels": {"app": "np"}}, "spec": {"ports": [{"name": "80-8080", "protocol": "TCP", "port": 80, "targetPort": 8080}], "selector": {"app": "np"}, "type": "NodePort"}, "status": {"loadBalancer": {}}}),
        ),
        (
            "apps/v1",
            "Deployment",
            "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50EroBCiEKA3dlYhIAGgJrdCIAKgAyADgAQgBaCgoDYXBwEgN3ZWIShgEIABIMCgoKA2FwcBIDd2ViGmwKHAoAEgAaACIAKgAyADgAQgBaCgoDYXBwEgN3ZWISTBIuCgVuZ2lueBIFbmdpbngqADIKCgAQABhQIgAqAEIAagByAIABAIgBAJABAKIBABoAMgBCAEoAUgBYAGAAaACCAQCKAQCaAQDCAQAiAgoAKAA4ABoMCAAQABgAIAAoADgAGgAiAA==",
            json!({"metadata": {"name": "web", "namespace": "kt", "labels": {"app": "web"}}, "status": {}, "spec": {
                "replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "strategy": {},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                    "containers": [{"name": "nginx", "image": "nginx", "ports": [{"containerPort": 80}], "resources": {}}]}}}}),
        ),
    ] {
        let body = STANDARD.decode(body).expect("base64");
        let read = decode(version, kind, PROTOBUF, &body, FieldValidation::Strict).expect(kind).object;
        (wanted["apiVersion"], wanted["kind"]) = (version.into(), kind.into());
        assert_eq!(read, wanted);
    }
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
    let read = |body: &[u8], version: &str, kind: &str| decode(version, kind, PROTOBUF, body, FieldValidation::Strict);
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
    let scratch = [field(1, b"e"), field(2, &field(2, b""))].concat();
    let raw = field(2, &[field(1, &volume), field(1, &scratch)].concat());
    let pod = read(&envelope("v1", "Pod", &raw), "v1", "Pod").expect("is decoded").object;
    assert_eq!(pod["spec"]["volumes"], json!([{"name": "v", "hostPath": {"path": "/x"}}, {"name": "e", "emptyDir": {}}]));
    // Maps of lists wrap each list in a message.
    let extra = field(5, &[field(1, b"scopes"), field(2, &[field(1, b"a"), field(1, b"b")].concat())].concat());
    let review = read(
        &envelope("authorization.k8s.io/v1", "SubjectAccessReview", &field(2, &extra)),
        "authorization.k8s.io/v1",
        "SubjectAccessReview",
    );
    assert_eq!(review.expect("is decoded").object["spec"]["extra"], json!({"scopes": ["a", "b"]}));
    // What an object refers to has a kind of its own.
    let raw = field(2, &[field(1, b"Node"), field(3, b"n1")].concat());
    let binding = read(&envelope("v1", "Binding", &raw), "v1", "Binding").expect("is decoded").object;
    assert_eq!(binding, json!({"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "n1"}}));
    for bad in [&b"json"[..], b"k8s\0\xff", &envelope("v1", "Nothing", b"")] {
        assert_eq!(read(bad, "v1", "Pod").expect_err("is refused").code, 400);
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..120), kind in "ConfigMap|Pod|Secret") {
        for body in [body.clone(), envelope("v1", &kind, &body)] {
            let _ = decode("v1", &kind, PROTOBUF, &body, FieldValidation::Warn);
        }
    }
}
