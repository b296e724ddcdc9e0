//! `scale` of workloads: reading and setting the number of replicas, whatever the kind.

use crate::{
    Server,
    request::{Call, Target, WriteOptions},
    respond::{self, Response},
    storage::Stored,
    write::{self, Configuration, Ownership, Proposal, Writer, content_type},
};
use bytes::Bytes;
use garrison_api::{
    Status, apply,
    decode::{self, FieldValidation},
    patch, scale,
};
use http::StatusCode;
use serde_json::Value;

/// Answers a GET of a `Scale`.
pub(crate) async fn read_scale(server: &Server, target: &Target) -> Result<Response, Status> {
    let stored = server.storage().get(target.resource(), target.namespace(), target.name()?).await?;
    Ok(respond::json(StatusCode::OK, &scale::of(&stored.record.shown())))
}

/// Answers a PUT or PATCH of a `Scale`.
pub(crate) async fn write_scale(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&call.query)?;
    let (resource, media_type) = (target.resource(), content_type(call));
    let config = match write::is_apply(call) {
        true => Some(Configuration::read(call, target, scale::API_VERSION, scale::KIND, body)?),
        false => None,
    };
    let writer = Writer::new(call, target, config.is_some())?;
    let propose = |old: &Stored| {
        let mut object = old.record.shown();
        let owned = write::take_owned(&mut object);
        let (shown, shown_owned) = (scale::of(&object), apply::to_scale(&owned, apply::REPLICAS));
        let mut now_owned = Value::Null;
        let proposed = match &config {
            Some(config) => {
                let applied = config.apply(scale::API_VERSION, &shown, &shown_owned)?;
                now_owned = applied.owned;
                decode::patched(scale::API_VERSION, scale::KIND, applied.object, body, FieldValidation::Ignore)?
            }
            None if call.verb() == "patch" => {
                let patched = patch::apply(scale::API_VERSION, scale::KIND, &shown, media_type, body)?;
                decode::patched(scale::API_VERSION, scale::KIND, patched, body, options.validation)?
            }
            None => decode::decode(scale::API_VERSION, scale::KIND, media_type, body, options.validation)?,
        };
        scale::apply(&proposed.object, resource.group, resource.plural, &mut object)?;
        if config.is_none() {
            let (structure, write) = (write::structure_of(&shown), writer.of(scale::API_VERSION));
            now_owned = apply::update(structure, &write, &shown, &shown_owned, &scale::of(&object), Value::Null);
        }
        write::put_owned(&mut object, apply::to_parent(&owned, &now_owned, &resource.api_version(), apply::REPLICAS));
        Ok(Proposal { object, warnings: proposed.warnings })
    };
    let written = write::modify_as(server, call, target, options.dry_run, Ownership::Settled, propose).await?;
    let mut response = respond::json(StatusCode::OK, &scale::of(&written.object.shown()));
    respond::warn(&mut response, &written.warnings);
    Ok(response)
}
