//! Reviews: who somebody is, and what he may do. They are answered at once and never stored.

mod access;
mod identity;

use crate::{
    Server,
    accept::Encoding,
    request::{Call, Target, WriteOptions},
    respond::{self, Response},
    write::{content_type, text},
};
use bytes::Bytes;
use garrison_api::{Status, decode, validation};
use http::StatusCode;
use serde_json::{Value, json};

/// Answers a POST of a review with its status filled in. A dry run is no different: nothing is stored anyway.
pub(crate) async fn create(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&call.query)?;
    let (kind, version) = (target.resource().kind, target.resource().api_version());
    let decoded = decode::decode(&version, kind, content_type(call), body, options.validation)?;
    let mut review = decoded.object;
    review["apiVersion"] = version.into();
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    place(target, &mut review)?;
    let faults = validation::review(kind, &review);
    if !faults.is_empty() {
        return Err(Status::invalid(target.resource().group, kind, text(&review, "name"), faults));
    }
    match kind {
        "SelfSubjectReview" => identity::of_caller(call, &mut review),
        "TokenReview" => identity::of_token(server, &mut review).await?,
        "SelfSubjectRulesReview" => access::rules(server, call, &mut review)?,
        "SelfSubjectAccessReview" => access::of_caller(server, call, &mut review),
        _ => access::of_others(server, &mut review),
    }
    let mut response = respond::object(StatusCode::CREATED, Encoding::plain(&call.headers), &review);
    respond::warn(&mut response, &decoded.warnings);
    Ok(response)
}

/// Holds the review's namespace to the one in the path, as that of any other object.
fn place(target: &Target, review: &mut Value) -> Result<(), Status> {
    match (target.namespace(), text(review, "namespace")) {
        (Some(within), "") => review["metadata"]["namespace"] = within.into(),
        (Some(within), said) if said != within => {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        _ => {}
    }
    Ok(())
}

/// A list of texts; empty if it is none.
fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}
