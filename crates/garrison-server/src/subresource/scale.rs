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
    Resource, Status, apply,
    custom::scale::Paths,
    decode::{self, FieldValidation},
    patch, scale,
};
use http::StatusCode;
use serde_json::Value;

/// Where a kind has its numbers of replicas.
enum Numbers {
    /// Where all built-in kinds have them.
    Usual,
    /// Where its definition says.
    At(Paths),
}

impl Numbers {
    fn of(resource: &Resource) -> Result<Self, Status> {
        let Some(slot) = resource.custom else { return Ok(Self::Usual) };
        slot.version().and_then(|version| version.scale.clone()).map(Self::At).ok_or_else(Status::no_such_path)
    }

    /// The scale of an object.
    fn shown(&self, object: &Value) -> Result<Value, Status> {
        match self {
            Self::Usual => Ok(scale::of(object)),
            Self::At(paths) => paths.scale(object),
        }
    }

    /// The scale that a writer changes: one that is not there counts as zero.
    fn present(&self, object: &Value) -> Value {
        match self {
            Self::Usual => scale::of(object),
            Self::At(paths) => paths.scale_or_zero(object),
        }
    }

    fn apply(&self, wanted: &Value, resource: &Resource, object: &mut Value) -> Result<(), Status> {
        match self {
            Self::Usual => scale::apply(wanted, resource.group, resource.plural, object),
            Self::At(paths) => paths.apply(wanted, resource.group, resource.plural, object),
        }
    }

    /// The path of the wanted number.
    fn wanted(&self) -> Vec<&str> {
        match self {
            Self::Usual => apply::REPLICAS.to_vec(),
            Self::At(paths) => paths.wanted().iter().map(String::as_str).collect(),
        }
    }
}

/// Answers a GET of a `Scale`.
pub(crate) async fn read_scale(server: &Server, target: &Target) -> Result<Response, Status> {
    let stored = server.storage().get(target.resource(), target.namespace(), target.name()?).await?;
    Ok(respond::json(StatusCode::OK, &Numbers::of(target.resource())?.shown(&stored.record.shown())?))
}

/// Answers a PUT or PATCH of a `Scale`.
pub(crate) async fn write_scale(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&call.query)?;
    let (resource, media_type) = (target.resource(), content_type(call));
    let numbers = Numbers::of(resource)?;
    let config = match write::is_apply(call) {
        true => Some(Configuration::read(call, target, scale::API_VERSION, scale::KIND, body)?),
        false => None,
    };
    let writer = Writer::new(call, target, config.is_some())?;
    let propose = |old: &Stored| {
        let mut object = old.record.shown();
        let owned = write::take_owned(&mut object);
        let (shown, shown_owned) = (numbers.present(&object), apply::to_scale(&owned, &numbers.wanted()));
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
        numbers.apply(&proposed.object, resource, &mut object)?;
        if config.is_none() {
            let structure = write::structure_of(resource, &shown);
            let write = writer.of(scale::API_VERSION);
            now_owned = apply::update(&structure, &write, &shown, &shown_owned, &numbers.present(&object), Value::Null);
        }
        let entries = apply::to_parent(&owned, &now_owned, &resource.api_version(), &numbers.wanted());
        write::put_owned(&mut object, entries);
        Ok(Proposal { object, warnings: proposed.warnings })
    };
    let written = write::modify_as(server, call, target, options.dry_run, Ownership::Settled, propose).await?;
    let mut response = respond::json(StatusCode::OK, &numbers.shown(&written.object.shown())?);
    respond::warn(&mut response, &written.warnings);
    Ok(response)
}
