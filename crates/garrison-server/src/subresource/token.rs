//! `serviceaccounts/token`: a token with which a program proves to be a service account.

use crate::{
    Server,
    accept::Encoding,
    request::{Call, Target, WriteOptions},
    respond::{self, Response},
    write::content_type,
};
use bytes::Bytes;
use garrison_api::{Status, decode};
use http::StatusCode;
use jiff::Timestamp;

/// Answers a POST of a `TokenRequest`.
pub(crate) async fn request_token(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&call.query)?;
    let request = decode::decode("authentication.k8s.io/v1", "TokenRequest", content_type(call), body, options.validation)?;
    let account = server.storage().get(target.resource(), target.namespace(), target.name()?).await?;
    let issued =
        server.tokens().issue(&call.user, &account.record.shown(), &request.object, server.storage(), Timestamp::now()).await?;
    let mut response = respond::object(StatusCode::CREATED, Encoding::plain(&call.headers), &issued);
    respond::warn(&mut response, &request.warnings);
    Ok(response)
}
