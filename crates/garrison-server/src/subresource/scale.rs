//! `scale` of workloads: reading and setting the number of replicas, whatever the kind.

use crate::{
    Server,
    request::{Call, Target, WriteOptions},
    respond::{self, Response},
    storage::Stored,
    write::{self, Proposal, content_type},
};
use bytes::Bytes;
use garrison_api::{
    Resource, Status,
    custom::{Slot, scale::Paths},
    decode, patch, scale,
};
use http::StatusCode;
use serde_json::Value;

/// Answers a GET of a `Scale`.
pub(crate) async fn read_scale(server: &Server, target: &Target) -> Result<Response, Status> {
    let stored = server.storage().get(target.resource(), target.namespace(), target.name()?).await?;
    Ok(respond::json(StatusCode::OK, &shown(target.resource(), &stored.record.shown())?))
}

/// The scale of an object; its definition says where a custom kind has the numbers.
fn shown(resource: &Resource, object: &Value) -> Result<Value, Status> {
    match resource.custom {
        None => Ok(scale::of(object)),
        Some(slot) => paths(slot)?.scale(object),
    }
}

fn paths(slot: &Slot) -> Result<Paths, Status> {
    slot.version().and_then(|version| version.scale.clone()).ok_or_else(Status::no_such_path)
}

/// Answers a PUT or PATCH of a `Scale`.
pub(crate) async fn write_scale(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&call.query)?;
    let (resource, media_type) = (target.resource(), content_type(call));
    let propose = |old: &Stored| {
        let mut object = old.record.shown();
        let decoded = if call.verb() == "patch" {
            let current = match resource.custom {
                None => scale::of(&object),
                Some(slot) => paths(slot)?.scale_or_zero(&object),
            };
            let patched = patch::apply(scale::API_VERSION, scale::KIND, &current, media_type, body)?;
            decode::patched(scale::API_VERSION, scale::KIND, patched, body, options.validation)?
        } else {
            decode::decode(scale::API_VERSION, scale::KIND, media_type, body, options.validation)?
        };
        match resource.custom {
            None => scale::apply(&decoded.object, resource.group, resource.plural, &mut object)?,
            Some(slot) => paths(slot)?.apply(&decoded.object, resource.group, resource.plural, &mut object)?,
        }
        Ok(Proposal { object, warnings: decoded.warnings })
    };
    let written = write::modify(server, call, target, options.dry_run, propose).await?;
    let mut response = respond::json(StatusCode::OK, &shown(resource, &written.object.shown())?);
    respond::warn(&mut response, &written.warnings);
    Ok(response)
}
