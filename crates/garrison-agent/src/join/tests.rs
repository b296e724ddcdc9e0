use super::*;

fn config(token: Option<&str>, data_dir: &Path) -> Config {
    Config {
        // The discard port: nobody listens there.
        server: "https://127.0.0.1:9".into(),
        token: token.map(Into::into),
        node_name: "n1".into(),
        data_dir: data_dir.into(),
        ..Config::default()
    }
}

fn identity_of(node: &str, days: (i64, i64)) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["n1".into()]).unwrap();
    let day = |offset: i64| {
        let at = Timestamp::now().as_second() + offset * 86400;
        std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(at.try_into().unwrap())
    };
    (params.not_before, params.not_after) = (day(days.0).into(), day(days.1).into());
    let certificate = params.self_signed(&key).unwrap().pem();
    Identity {
        node_name: node.into(),
        addresses: vec!["127.0.0.1".parse().unwrap()],
        ca: certificate.clone(),
        client_key: key.serialize_pem(),
        client_certificate: certificate.clone(),
        serving_key: key.serialize_pem(),
        serving_certificate: certificate,
    }
}

#[derive(PartialEq)]
enum Token {
    None,
    OfOurServer,
    OfAnotherServer,
}

/// Stores an identity, then asks for one with no server to ask; whether the stored one is used.
async fn check(stored: Identity, token: Token, used: bool) {
    let directory = tempfile::tempdir().unwrap();
    stored.store(directory.path()).unwrap();
    let text = match token {
        Token::None => None,
        Token::OfOurServer => Some(format!("garrison.{}.11", request::hash(&certificate(&stored.ca).unwrap()))),
        Token::OfAnotherServer => Some("garrison.00.11".to_owned()),
    };
    let config = config(text.as_deref(), directory.path());
    let answer = identity(&config, &stored.addresses);
    let answer = tokio::time::timeout(Duration::from_millis(500), answer).await;
    assert_eq!(matches!(&answer, Ok(Ok(identity)) if *identity == stored), used, "{answer:?}");
}

#[tokio::test]
async fn a_good_identity_is_used_again() {
    check(identity_of("n1", (-1, 9)), Token::OfOurServer, true).await;
    check(identity_of("n1", (-1, 9)), Token::None, true).await;
}

#[tokio::test]
async fn an_old_identity_serves_until_it_can_be_renewed() {
    check(identity_of("n1", (-9, 1)), Token::OfOurServer, true).await;
    check(identity_of("n1", (-9, 1)), Token::None, true).await;
}

#[tokio::test]
async fn the_identity_of_another_node_or_cluster_is_not_used() {
    check(identity_of("n1", (-1, 9)), Token::OfAnotherServer, false).await;
    check(identity_of("n2", (-1, 9)), Token::OfOurServer, false).await;
}

#[tokio::test]
async fn without_token_and_certificate_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let error = identity(&config(None, directory.path()), &[]).await.unwrap_err();
    assert!(matches!(error, JoinError::NoToken { .. }), "{error}");
    let error = identity(&config(Some("abc"), directory.path()), &[]).await.unwrap_err();
    assert!(matches!(error, JoinError::BadToken), "{error}");
}
