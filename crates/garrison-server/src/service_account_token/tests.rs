use super::*;
use crate::identity::tests::Fixed;
use crate::identity::{AUTHENTICATED, NODES};

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn authority() -> TokenAuthority {
    TokenAuthority::new(rcgen::KeyPair::generate().unwrap().serialized_der()).unwrap()
}

fn account() -> Value {
    json!({"metadata": {"name": "app", "namespace": "a", "uid": "account-uid"}})
}

fn objects() -> Fixed {
    let pod = json!({"metadata": {"name": "p", "namespace": "a", "uid": "pod-uid"}, "spec": {"serviceAccountName": "app", "nodeName": "n1"}});
    let other = json!({"metadata": {"name": "q", "namespace": "a", "uid": "q-uid"}, "spec": {"serviceAccountName": "default", "nodeName": "n1"}});
    let node = json!({"metadata": {"name": "n1", "uid": "node-uid"}});
    Fixed::default().with("pods", pod).with("pods", other).with("nodes", node).with("serviceaccounts", account())
}

fn admin() -> User {
    User::controllers()
}

fn node(name: &str) -> User {
    User::new(&format!("system:node:{name}"), [NODES, AUTHENTICATED])
}

fn bound_to(kind: &str, name: &str, uid: &str) -> Value {
    json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}}})
}

/// The user behind a token that is meant for this API.
async fn reviewed(authority: &TokenAuthority, token: &str, objects: &Fixed, now: Timestamp) -> Result<User, Refusal> {
    authority.review(token, &[ISSUER.to_owned()], objects, now).await.map(|(user, _)| user)
}

async fn token(authority: &TokenAuthority, user: &User, request: &Value) -> Result<String, Status> {
    let answer = authority.issue(user, &account(), request, &objects(), at(NOW)).await?;
    Ok(answer["status"]["token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_proves_the_service_account_and_its_pod() {
    let authority = authority();
    let request = bound_to("Pod", "p", "pod-uid");
    let token = token(&authority, &node("n1"), &request).await.unwrap();
    let user = reviewed(&authority, &token, &objects(), at(NOW + 3599)).await.unwrap();
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("system:serviceaccount:a:app", "account-uid"));
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]);
    for (key, value) in [("pod-name", "p"), ("pod-uid", "pod-uid"), ("node-name", "n1"), ("node-uid", "node-uid")] {
        assert_eq!(user.extra[&format!("authentication.kubernetes.io/{key}")], [value]);
    }
}

#[tokio::test]
async fn the_answer_repeats_the_request_and_tells_the_end() {
    let request = json!({"spec": {"audiences": ["vault"], "expirationSeconds": 600}});
    let answer = authority().issue(&admin(), &account(), &request, &objects(), at(NOW)).await.unwrap();
    assert_eq!(answer["kind"], "TokenRequest");
    assert_eq!(answer["metadata"]["namespace"], "a");
    assert_eq!(answer["spec"], json!({"audiences": ["vault"], "expirationSeconds": 600}));
    assert_eq!(answer["status"]["expirationTimestamp"], "2027-01-15T08:10:00Z");

    let defaults = authority().issue(&admin(), &account(), &json!({}), &objects(), at(NOW)).await.unwrap();
    assert_eq!(defaults["spec"], json!({"audiences": [ISSUER], "expirationSeconds": 3600}));
}

#[tokio::test]
async fn a_token_is_refused_outside_its_time_audience_and_key() {
    let authority = authority();
    let good = token(&authority, &admin(), &json!({})).await.unwrap();
    let foreign = token(&authority, &admin(), &json!({"spec": {"audiences": ["vault"]}})).await.unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let (other_head, _) = foreign.rsplit_once('.').unwrap();
    let unsigned = format!("{}.{}.", claims::encode(r#"{"alg":"none"}"#), head.split_once('.').unwrap().1);
    for (token, second, expected) in [
        (good.clone(), NOW + 3600, Refusal::Time),
        (good.clone(), NOW - 61, Refusal::Time),
        (foreign.clone(), NOW, Refusal::Audience),
        (format!("{other_head}.{signature}"), NOW, Refusal::Signature),
        (unsigned, NOW, Refusal::Malformed),
        (format!("{header}.e30.{signature}"), NOW, Refusal::Signature),
        (head.to_owned(), NOW, Refusal::Malformed),
        ("nonsense".to_owned(), NOW, Refusal::Malformed),
        (String::new(), NOW, Refusal::Malformed),
    ] {
        assert_eq!(reviewed(&authority, &token, &objects(), at(second)).await, Err(expected), "{token} at {second}");
    }
    assert_eq!(reviewed(&self::authority(), &good, &objects(), at(NOW)).await, Err(Refusal::Signature));
}

#[tokio::test]
async fn a_token_dies_with_what_it_is_bound_to() {
    let authority = authority();
    let token = token(&authority, &admin(), &bound_to("Pod", "p", "")).await.unwrap();
    let account_again = json!({"metadata": {"name": "app", "namespace": "a", "uid": "another"}});
    let pod_again = json!({"metadata": {"name": "p", "namespace": "a", "uid": "another"}});
    for (objects, gone) in [
        (objects().with("serviceaccounts", account_again), "serviceaccounts \"app\""),
        (objects().with("pods", pod_again), "pods \"p\""),
        (Fixed::default().with("serviceaccounts", account()), "pods \"p\""),
    ] {
        assert_eq!(reviewed(&authority, &token, &objects, at(NOW)).await, Err(Refusal::Gone(gone.into())));
    }
    // The node is not what the token is bound to: it may be gone before the pod.
    let mut without_node = objects();
    without_node.0.retain(|key, _| key.0 != "nodes");
    reviewed(&authority, &token, &without_node, at(NOW)).await.unwrap();
}

#[tokio::test]
async fn impossible_requests_are_refused() {
    let seconds = |seconds: i64| json!({"spec": {"expirationSeconds": seconds}});
    for (user, request, code, message) in [
        (
            admin(),
            seconds(599),
            422,
            r#"TokenRequest.authentication.k8s.io "app" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes"#,
        ),
        (admin(), seconds(-1), 422, "less than 10 minutes"),
        (admin(), seconds((1 << 32) + 1), 422, "larger than 2^32 seconds"),
        (admin(), bound_to("Pod", "gone", ""), 404, r#"pods "gone" not found"#),
        (admin(), bound_to("Pod", "p", "old"), 409, "the UID in the bound object reference (old) does not match"),
        (admin(), bound_to("Pod", "q", ""), 400, "pod running with different serviceaccount name."),
        (admin(), bound_to("Job", "j", ""), 400, "cannot bind token to object of type v1, Kind=Job"),
        (node("n1"), json!({}), 403, "node requested token not bound to a pod"),
        (node("n1"), bound_to("Node", "n1", ""), 403, "node requested token not bound to a pod"),
        (node("n2"), bound_to("Pod", "p", ""), 403, "node requested token bound to a pod scheduled on a different node"),
    ] {
        let status = token(&authority(), &user, &request).await.unwrap_err();
        assert_eq!(status.code, code, "{}", status.message);
        assert!(status.message.contains(message), "{}", status.message);
    }
}

#[tokio::test]
async fn others_can_verify_with_the_published_key() {
    let authority = authority();
    let token = token(&authority, &admin(), &json!({})).await.unwrap();
    let key = &authority.jwks()["keys"][0];
    let (text, signature) = token.rsplit_once('.').unwrap();
    let header: Value = claims::decode(text.split_once('.').unwrap().0).unwrap();
    assert_eq!(header["kid"], key["kid"]);
    let coordinate = |name: &str| claims::decode_bytes(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signature = claims::decode_bytes(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(text.as_bytes(), &signature).unwrap();
    assert_eq!(TokenAuthority::discovery("https://h:1/")["jwks_uri"], "https://h:1/openid/v1/jwks");
}
