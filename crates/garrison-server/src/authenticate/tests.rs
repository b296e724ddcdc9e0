use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::authorize::{Authorizer, roles::Roles};
use crate::identity::tests::Fixed;
use crate::identity::{NODES, UNAUTHENTICATED};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (key, value) in pairs {
        map.append(*key, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn certificate(common_name: Option<&str>, organizations: &[&str]) -> Vec<u8> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = common_name {
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
    }
    for organization in organizations {
        params.distinguished_name.push(rcgen::DnType::OrganizationName, *organization);
    }
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

struct Room {
    authenticator: Authenticator,
    token: String,
}

async fn room() -> Room {
    let key = rcgen::KeyPair::generate().unwrap();
    let tokens = Arc::new(TokenAuthority::new(key.serialized_der()).unwrap());
    let account = json!({"metadata": {"name": "app", "namespace": "a", "uid": "u"}});
    let objects = Arc::new(Fixed::default().with("serviceaccounts", account.clone()));
    let now = Timestamp::now();
    let answer = tokens.issue(&User::controllers(), &account, &json!({}), objects.as_ref(), now).await.unwrap();
    let token = answer["status"]["token"].as_str().unwrap().to_owned();
    Room { authenticator: Authenticator::new(tokens, objects).with_admin_token(Some("hush".into())), token }
}

#[tokio::test]
async fn each_kind_of_credentials_names_its_user() {
    let Room { authenticator, token } = room().await;
    let node = certificate(Some("system:node:n1"), &[NODES]);
    let bearer = format!("Bearer {token}");
    for (pairs, certificate, name, group) in [
        (vec![], None, "system:anonymous", UNAUTHENTICATED),
        (vec![("authorization", "Basic eDp5")], None, "system:anonymous", UNAUTHENTICATED),
        (vec![], Some(&node), "system:node:n1", NODES),
        (vec![], Some(&node), "system:node:n1", AUTHENTICATED),
        (vec![("authorization", bearer.as_str())], None, "system:serviceaccount:a:app", "system:serviceaccounts:a"),
        (vec![("authorization", bearer.as_str())], Some(&node), "system:node:n1", NODES),
        (vec![("authorization", "bearer hush")], None, "garrison-admin", MASTERS),
    ] {
        let user = authenticator.authenticate(&headers(&pairs), certificate.map(Vec::as_slice)).await.unwrap();
        assert!(user.name == name && user.is_in(group), "{user:?}, expected {name} in {group}");
    }
}

#[tokio::test]
async fn invalid_credentials_are_not_anonymous() {
    let Room { authenticator, .. } = room().await;
    let nameless = certificate(None, &[MASTERS]);
    for (pairs, certificate) in [
        (vec![("authorization", "Bearer hushh")], None),
        (vec![("authorization", "Bearer a.b.c")], None),
        (vec![], Some(b"nonsense".as_slice())),
        (vec![], Some(nameless.as_slice())),
    ] {
        let status = authenticator.authenticate(&headers(&pairs), certificate).await.unwrap_err();
        assert_eq!(status, Status::unauthorized());
    }
}

/// As whom the user acts when he sends these headers.
fn acting(user: &User, pairs: &[(&'static str, &str)]) -> Result<User, Status> {
    let rule = |verbs: &[&str], group: &str, resource: &str, names: &[&str]| json!({"verbs": verbs, "apiGroups": [group], "resources": [resource], "resourceNames": names});
    let (act, own) = (&["impersonate"], "authentication.k8s.io");
    let role = json!({"kind": "ClusterRole", "metadata": {"name": "act"}, "rules": [
        rule(act, "", "users", &["ann"]), rule(act, "", "groups", &["dev"]), rule(act, own, "uids", &["7"]),
        rule(act, own, "userextras/scopes", &["view"]), rule(&["get"], "", "users", &[]),
    ]});
    let account =
        json!({"kind": "Role", "metadata": {"namespace": "a", "name": "act"}, "rules": [rule(act, "", "serviceaccounts", &[])]});
    let binding = |kind: &str, role: &str| {
        let metadata = json!({"namespace": "a", "name": "act"});
        json!({"kind": kind, "metadata": metadata, "roleRef": {"kind": role, "name": "act"}, "subjects": [{"kind": "User", "name": "actor"}]})
    };
    let cluster = json!({"kind": "ClusterRoleBinding", "metadata": {"name": "act"}, "roleRef": {"kind": "ClusterRole", "name": "act"}, "subjects": [{"kind": "User", "name": "actor"}]});
    let roles = Roles::of([role, account, binding("RoleBinding", "Role"), cluster]);
    impersonation::apply(&headers(pairs), user.clone(), &Authorizer::new(roles))
}

#[test]
fn who_acts_as_others_becomes_them() {
    let admin = User::new("garrison-admin", [MASTERS, AUTHENTICATED]);
    let become_ann = [
        ("impersonate-user", "ann"),
        ("impersonate-group", "dev"),
        ("impersonate-extra-scopes", "view"),
        ("impersonate-extra-a.b%2fc", "d"),
        ("impersonate-uid", "7"),
    ];
    let user = acting(&admin, &become_ann).unwrap();
    assert_eq!((user.name.as_str(), user.groups.as_slice()), ("ann", ["dev".into(), AUTHENTICATED.into()].as_slice()));
    assert_eq!((&user.extra["scopes"], &user.extra["a.b/c"], user.uid.as_str()), (&vec!["view".into()], &vec!["d".into()], "7"));
    assert_eq!(acting(&admin, &[]).unwrap(), admin);
    let user = acting(&admin, &[("impersonate-user", "system:serviceaccount:a:app")]).unwrap();
    assert!(user.is_in("system:serviceaccounts:a") && user.is_in(AUTHENTICATED) && !user.is_in(MASTERS), "{user:?}");
    for (name, group, groups) in [
        ("system:anonymous", None, vec![UNAUTHENTICATED]),
        ("ann", Some(UNAUTHENTICATED), vec![UNAUTHENTICATED]),
        ("ann", Some(AUTHENTICATED), vec![AUTHENTICATED]),
        ("ann", None, vec![AUTHENTICATED]),
    ] {
        let pairs: Vec<_> =
            [("impersonate-user", name)].into_iter().chain(group.map(|group| ("impersonate-group", group))).collect();
        assert_eq!(acting(&admin, &pairs).unwrap().groups, groups, "{pairs:?}");
    }
    assert_eq!(acting(&admin, &[("impersonate-group", MASTERS)]).unwrap_err().code, 500);
}

#[test]
fn acting_as_others_takes_the_right_to_all_that_they_are() {
    let actor = User::new("actor", [AUTHENTICATED]);
    let ann = ("impersonate-user", "ann");
    for allowed in [
        &[ann][..],
        &[ann, ("impersonate-group", "dev"), ("impersonate-extra-scopes", "view"), ("impersonate-uid", "7")],
        &[("impersonate-user", "system:serviceaccount:a:app")],
    ] {
        acting(&actor, allowed).unwrap();
        assert_eq!(acting(&User::new("ann", [AUTHENTICATED]), allowed).unwrap_err().code, 403);
    }
    for (refused, message) in [
        (
            &[("impersonate-user", "bob")][..],
            r#"users "bob" is forbidden: User "actor" cannot impersonate resource "users" in API group "" at the cluster scope"#,
        ),
        (
            &[ann, ("impersonate-group", "dev"), ("impersonate-group", MASTERS)],
            r#"groups "system:masters" is forbidden: User "actor" cannot impersonate resource "groups" in API group "" at the cluster scope"#,
        ),
        (
            &[ann, ("impersonate-extra-scopes", "all")],
            r#"userextras.authentication.k8s.io "all" is forbidden: User "actor" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope"#,
        ),
        (
            &[ann, ("impersonate-uid", "8")],
            r#"uids.authentication.k8s.io "8" is forbidden: User "actor" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope"#,
        ),
        (
            &[("impersonate-user", "system:serviceaccount:b:app")],
            r#"serviceaccounts "app" is forbidden: User "actor" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "b""#,
        ),
    ] {
        assert_eq!(acting(&actor, refused).unwrap_err().message, message);
    }
}
