//! `pods/eviction`: a deletion that a disruption budget could forbid. There are no such budgets yet, so none does.

use crate::{
    Server,
    accept::Encoding,
    delete,
    request::{Call, Target, WriteOptions},
    respond::{self, Response},
    write::content_type,
};
use bytes::Bytes;
use garrison_api::{Status, decode, prepare::DeleteOptions};
use http::StatusCode;

/// Answers a POST of an `Eviction`.
pub(crate) async fn evict(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&call.query)?;
    let eviction = decode::decode("policy/v1", "Eviction", content_type(call), body, options.validation)?.object;
    let named = crate::write::text(&eviction, "name");
    if !named.is_empty() && named != target.name()? {
        return Err(Status::bad_request(format!("name in URL does not match name in Eviction object: {named}")));
    }
    let mut deletion = match eviction.get("deleteOptions") {
        Some(options) => DeleteOptions::from_value(options)?,
        None => DeleteOptions::default(),
    };
    deletion.dry_run |= options.dry_run;
    delete::delete_object(server, call, target, &deletion).await?;
    Ok(respond::success(StatusCode::CREATED, Encoding::plain(&call.headers), None))
}
