use http::HeaderValue;
use serde_json::json;

use super::*;
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

#[tokio::test]
async fn only_masters_act_as_others() {
    let Room { authenticator, token } = room().await;
    let admin = certificate(Some("garrison-admin"), &[MASTERS]);
    let become_ann = [("impersonate-user", "ann"), ("impersonate-group", "dev"), ("impersonate-extra-scopes", "view")];
    let user = authenticator.authenticate(&headers(&become_ann), Some(&admin)).await.unwrap();
    assert_eq!((user.name.as_str(), user.groups.as_slice()), ("ann", ["dev".into(), AUTHENTICATED.into()].as_slice()));
    assert_eq!(user.extra["scopes"], ["view"]);

    let account = headers(&[("impersonate-user", "system:serviceaccount:a:app")]);
    let user = authenticator.authenticate(&account, Some(&admin)).await.unwrap();
    assert!(user.is_in("system:serviceaccounts:a") && user.is_in(AUTHENTICATED) && !user.is_in(MASTERS), "{user:?}");

    let bearer = format!("Bearer {token}");
    let refused = headers(&[("authorization", &bearer), ("impersonate-user", "garrison-admin")]);
    let status = authenticator.authenticate(&refused, None).await.unwrap_err();
    assert_eq!(
        status.message,
        r#"users "garrison-admin" is forbidden: User "system:serviceaccount:a:app" cannot impersonate resource "users" in API group "" at the cluster scope"#
    );
    let nobody = headers(&[("impersonate-group", MASTERS)]);
    assert_eq!(authenticator.authenticate(&nobody, Some(&admin)).await.unwrap_err().code, 400);
}
