//! Reviews: questions about users and tokens, in every encoding, never stored.

use super::{Cluster, read};
use crate::identity::User;
use garrison_api::{decode, encode};
use serde_json::{Value, json};

const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";
const AUTHENTICATION: &str = "/apis/authentication.k8s.io/v1";

fn pods(verb: &str) -> Value {
    json!({"verb": verb, "resource": "pods", "namespace": "default"})
}

#[tokio::test]
async fn what_others_may_do_is_asked_of_the_authorizer() {
    let cluster = Cluster::new().await;
    let allowed = async |spec: Value| {
        let review = cluster.check(&format!("POST {AUTHORIZATION}/subjectaccessreviews"), json!({"spec": spec}), 201).await;
        assert_eq!((&review["kind"], &review["spec"]), (&json!("SubjectAccessReview"), &spec));
        review["status"].clone()
    };
    assert_eq!(allowed(json!({"user": "u", "resourceAttributes": pods("list")})).await, json!({"allowed": false}));
    let masters = json!({"groups": ["system:masters"], "resourceAttributes": pods("list")});
    assert_eq!(allowed(masters).await, json!({"allowed": true}));
    let reason = r#"RBAC: allowed by ClusterRoleBinding "system:public-info-viewer" of ClusterRole "system:public-info-viewer" to Group "system:unauthenticated""#;
    let path =
        json!({"user": "u", "groups": ["system:unauthenticated"], "nonResourceAttributes": {"verb": "get", "path": "/version"}});
    assert_eq!(allowed(path).await, json!({"allowed": true, "reason": reason}));
    let node = |fields: Value| json!({"user": "system:node:n1", "groups": ["system:nodes"], "resourceAttributes": {"verb": "list", "resource": "pods", "fieldSelector": fields}});
    assert_eq!(allowed(node(json!({"rawSelector": "spec.nodeName=n1"}))).await["allowed"], true);
    let own = json!({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n1"]}]});
    assert_eq!(allowed(node(own)).await["allowed"], true);
    let strange = json!({"requirements": [{"key": "spec.nodeName", "operator": "Near", "values": ["n1"]}]});
    let unread = "spec.resourceAttributes.fieldSelector ignored due to parse error";
    assert_eq!(allowed(node(strange)).await["evaluationError"], unread);
    let refused = allowed(node(json!({"rawSelector": "spec.nodeName=n2"}))).await;
    assert_eq!(refused, json!({"allowed": false, "reason": "can only list/watch pods with spec.nodeName field selector"}));
    for spec in [json!({}), json!({"user": "u"}), json!({"resourceAttributes": pods("get")})] {
        let refusal = cluster.check(&format!("POST {AUTHORIZATION}/subjectaccessreviews"), json!({"spec": spec}), 422).await;
        assert_eq!(refusal["details"]["kind"], "SubjectAccessReview", "{refusal}");
    }
}

#[tokio::test]
async fn a_local_review_is_of_its_namespace() {
    let cluster = Cluster::new().await;
    // The namespace need not exist: that would tell of it.
    let reviews = |namespace: &str| format!("POST {AUTHORIZATION}/namespaces/{namespace}/localsubjectaccessreviews");
    let spec = json!({"user": "u", "resourceAttributes": pods("get")});
    let review = cluster.check(&reviews("default"), json!({"spec": spec}), 201).await;
    assert_eq!((&review["metadata"]["namespace"], &review["status"]["allowed"]), (&json!("default"), &json!(false)));
    cluster.check(&reviews("nowhere"), json!({"spec": spec}), 422).await;
    cluster.check(&reviews("default"), json!({"metadata": {"namespace": "other"}, "spec": spec}), 400).await;
    cluster.check(&format!("POST {AUTHORIZATION}/localsubjectaccessreviews"), json!({"spec": spec}), 405).await;
    cluster.check(&format!("POST {AUTHORIZATION}/namespaces/default/subjectaccessreviews"), json!({"spec": spec}), 404).await;
}

#[tokio::test]
async fn everybody_may_ask_about_himself() {
    let cluster = Cluster::new().await;
    let ann = || User {
        uid: "7".into(),
        extra: [("a/b".into(), vec!["c".into()])].into(),
        ..User::new("ann", ["dev", "system:authenticated"])
    };
    let ask = async |user: User, path: &str, body: Value| {
        read(cluster.send_as(user, &format!("POST {path}"), &[("content-type", "application/json")], body.to_string()).await)
            .await
    };
    let access = format!("{AUTHORIZATION}/selfsubjectaccessreviews");
    let (code, review) = ask(ann(), &access, json!({"spec": {"resourceAttributes": pods("list")}})).await;
    assert_eq!((code, &review["status"]), (201, &json!({"allowed": false})));
    for version in ["v1", "v1beta1"] {
        let path = format!("/apis/authentication.k8s.io/{version}/selfsubjectreviews");
        let (code, review) = ask(ann(), &path, json!({})).await;
        let info = json!({"username": "ann", "uid": "7", "groups": ["dev", "system:authenticated"], "extra": {"a/b": ["c"]}});
        assert_eq!((code, &review["status"]["userInfo"]), (201, &info));
        assert_eq!(review["apiVersion"], format!("authentication.k8s.io/{version}"));
        assert!(review["metadata"]["creationTimestamp"].is_string(), "{review}");
        assert_eq!(ask(User::anonymous(), &path, json!({})).await.0, 403);
    }
    assert_eq!(ask(User::anonymous(), &access, json!({})).await.0, 403);
    // Asking about others takes more.
    let others = format!("{AUTHORIZATION}/subjectaccessreviews");
    assert_eq!(ask(ann(), &others, json!({"spec": {"user": "u", "resourceAttributes": pods("get")}})).await.0, 403);

    let rules = format!("{AUTHORIZATION}/selfsubjectrulesreviews");
    let (_, review) = ask(ann(), &rules, json!({"spec": {"namespace": "default"}})).await;
    let own = json!([
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
    ]);
    let status = &review["status"];
    assert_eq!((&status["resourceRules"], &status["incomplete"], &review["spec"]), (&own, &json!(false), &json!({})));
    let paths: Vec<&str> =
        status["nonResourceRules"].as_array().unwrap().iter().map(|rule| rule["nonResourceURLs"][0].as_str().unwrap()).collect();
    assert_eq!(paths, ["/api", "/healthz"]);
    assert_eq!(ask(ann(), &rules, json!({"spec": {}})).await.0, 400);
    let node = User::new("system:node:n1", ["system:nodes", "system:authenticated"]);
    let (_, review) = ask(node, &rules, json!({"spec": {"namespace": "default"}})).await;
    assert_eq!(review["status"]["incomplete"], true);
    let (_, review) = ask(User::controllers(), &rules, json!({"spec": {"namespace": "default"}})).await;
    assert_eq!(review["status"]["resourceRules"][0], json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
}

#[tokio::test]
async fn tokens_are_reviewed_for_their_audiences() {
    let cluster = Cluster::new().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let account = cluster.check(&format!("POST {accounts}"), json!({"metadata": {"name": "robot"}}), 201).await;
    let issue = async |audiences: Value| {
        let request = json!({"spec": {"audiences": audiences, "expirationSeconds": 3600}});
        cluster.check(&format!("POST {accounts}/robot/token"), request, 201).await["status"]["token"].clone()
    };
    let review = async |token: &Value, audiences: Value| {
        let body = json!({"spec": {"token": token, "audiences": audiences}});
        cluster.check(&format!("POST {AUTHENTICATION}/tokenreviews"), body, 201).await["status"].clone()
    };
    let api = "https://kubernetes.default.svc.cluster.local";
    let (own, vault) = (issue(json!([])).await, issue(json!(["vault", "a"])).await);
    let status = review(&own, json!([])).await;
    assert_eq!((&status["authenticated"], &status["audiences"]), (&json!(true), &json!([api])));
    let user = &status["user"];
    assert_eq!((&user["username"], &user["uid"]), (&json!("system:serviceaccount:default:robot"), &account["metadata"]["uid"]));
    assert_eq!(user["groups"], json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]));
    assert!(user["extra"]["authentication.kubernetes.io/credential-id"][0].as_str().unwrap().starts_with("JTI="));
    assert_eq!(review(&vault, json!(["x", "vault"])).await["audiences"], json!(["vault"]));
    let foreign = json!({"user": {}, "error": "[invalid bearer token, the token is for other audiences]"});
    assert_eq!(review(&vault, json!([])).await, foreign);
    assert_eq!(review(&own, json!(["vault"])).await, foreign);
    let unknown = json!({"user": {}, "error": "invalid bearer token"});
    assert_eq!(review(&json!("nonsense"), json!([])).await, unknown);
    assert_eq!(review(&json!(cluster.server.join_token()), json!([])).await, unknown, "with this one joins");
    cluster.check(&format!("POST {AUTHENTICATION}/tokenreviews"), json!({"spec": {}}), 400).await;
    cluster.check(&format!("DELETE {accounts}/robot"), Value::Null, 200).await;
    let gone = review(&own, json!([])).await;
    assert_eq!(gone, json!({"user": {}, "error": "[invalid bearer token, serviceaccounts \"robot\" is gone]"}));
}

#[tokio::test]
async fn reviews_come_in_all_encodings_and_are_only_created() {
    let cluster = Cluster::new().await;
    let path = format!("{AUTHORIZATION}/selfsubjectaccessreviews");
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": pods("get")}});
    let message = encode::body(&review).unwrap();
    let headers = [("content-type", encode::PROTOBUF), ("accept", encode::PROTOBUF)];
    let (_, answer) = {
        let response = cluster.send(&format!("POST {path}?dryRun=All&fieldManager=kubectl"), &headers, message).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (201, &http::HeaderValue::from_static(encode::PROTOBUF))
        );
        let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        let decoded = decode::decode(
            "authorization.k8s.io/v1",
            "SelfSubjectAccessReview",
            encode::PROTOBUF,
            &bytes,
            decode::FieldValidation::Strict,
        );
        (201, decoded.unwrap().object)
    };
    assert_eq!((&answer["status"]["allowed"], &answer["spec"]), (&json!(true), &review["spec"]));
    let yaml = "apiVersion: authorization.k8s.io/v1\nkind: SelfSubjectAccessReview\nspec:\n  nonResourceAttributes: {verb: get, path: /}\n  more: x\n";
    let yaml_type = [("content-type", "application/yaml")];
    let response = cluster.send(&format!("POST {path}"), &yaml_type, yaml).await;
    assert_eq!(
        (response.status().as_u16(), super::warnings(response.headers())),
        (201, vec!["299 - \"unknown field \\\"spec.more\\\"\"".to_owned()])
    );
    assert_eq!(cluster.send(&format!("POST {path}?fieldValidation=Strict"), &yaml_type, yaml).await.status(), 400);
    for line in [
        format!("GET {path}"),
        format!("DELETE {path}"),
        format!("GET {path}?watch=1"),
        format!("GET {path}/x"),
        format!("PUT {path}/x"),
    ] {
        cluster.check(&line, json!({}), 405).await;
    }
    let listed = cluster.check(&format!("GET {AUTHORIZATION}"), Value::Null, 200).await;
    let verbs = listed["resources"].as_array().unwrap().iter().map(|row| (row["name"].as_str().unwrap(), row["verbs"].clone()));
    let create = json!(["create"]);
    let wanted = ["localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"];
    assert_eq!(verbs.collect::<Vec<_>>(), wanted.map(|name| (name, create.clone())));
    let group = cluster.check("GET /apis/authentication.k8s.io", Value::Null, 200).await;
    assert_eq!((&group["preferredVersion"]["version"], &group["versions"][1]["version"]), (&json!("v1"), &json!("v1beta1")));
}
