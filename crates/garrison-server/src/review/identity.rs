//! Who somebody is: the caller himself, or whoever a token stands for.

use super::texts;
use crate::{Server, identity::User, request::Call, service_account_token::Refusal};
use garrison_api::Status;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Fills in a `SelfSubjectReview`.
pub(super) fn of_caller(call: &Call, review: &mut Value) {
    let now = Timestamp::now();
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    review["metadata"]["creationTimestamp"] = second.to_string().into();
    review["status"] = json!({"userInfo": shown(&call.user)});
}

/// Fills in a `TokenReview`. Only tokens by which requests are authenticated count: with that of a node to be, one joins.
pub(super) async fn of_token(server: &Server, review: &mut Value) -> Result<(), Status> {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let audiences = texts(&review["spec"]["audiences"]);
    review["status"] = match server.authenticator().review(token, &audiences).await {
        Ok((user, meant_for)) => json!({"authenticated": true, "user": shown(&user), "audiences": meant_for}),
        Err(refusal) => json!({"user": {}, "error": told(&refusal)}),
    };
    Ok(())
}

/// Why a token is not accepted; of one that is not ours, there is nothing to say.
fn told(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Malformed | Refusal::Signature => "invalid bearer token".into(),
        other => format!("[invalid bearer token, {other}]"),
    }
}

fn shown(user: &User) -> Value {
    let mut shown = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        shown["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        shown["extra"] = json!(user.extra);
    }
    shown
}
