//! Answers to applied configurations.

use super::{
    Proposal, RACES, Written, answer, check_name, create_owned, modify_as,
    ownership::{self, Ownership, Writer},
    text,
};
use crate::{
    Server,
    accept::JSON,
    authorize::Attributes,
    form::{Form, Shape},
    request::{Call, Target, WriteOptions},
    respond::Response,
    storage::Stored,
};
use bytes::Bytes;
use garrison_api::{
    Resource, Status,
    apply::{self, Applied, Live},
    decode::{self, Decoded, FieldValidation},
    face,
};
use http::StatusCode;
use serde_json::{Value, json};

/// The media type of configurations.
pub(crate) const MEDIA_TYPE: &str = "application/apply-patch+yaml";

/// A configuration that somebody applies to a target.
pub(crate) struct Configuration<'a> {
    /// What it says, and what its reader is warned of.
    pub(crate) decoded: Decoded,
    /// Who applies.
    pub(crate) writer: Writer,
    body: &'a Bytes,
    force: bool,
    resource: &'static Resource,
}

impl<'a> Configuration<'a> {
    /// Reads the configuration of an object of that version and kind.
    ///
    /// # Errors
    /// 400 for what cannot be read or is of another kind, 422 for bad options.
    pub(crate) fn read(call: &Call, target: &Target, api_version: &str, kind: &str, body: &'a Bytes) -> Result<Self, Status> {
        let options = WriteOptions::parse(&call.query)?;
        let writer = Writer::new(call, target, true)?;
        let decoded = decode::configuration(body, options.validation)?;
        if (&decoded.object["apiVersion"], &decoded.object["kind"]) != (&json!(api_version), &json!(kind)) {
            return Err(Status::bad_request(format!("invalid object type: {}", apply::kind_text(&decoded.object))));
        }
        let decoded = Decoded { object: face::kept(target.resource(), decoded.object), ..decoded };
        Ok(Self { decoded, writer, body, force: call.query.flag("force"), resource: target.resource() })
    }

    /// What it makes of an object.
    ///
    /// # Errors
    /// 409 for conflicts, 500 for what does not fit the kind.
    pub(crate) fn apply(&self, api_version: &str, object: &Value, owned: &Value) -> Result<Applied, Status> {
        let structure = ownership::structure_of(self.resource, &self.decoded.object);
        apply::apply(&structure, &self.writer.of(api_version), Live { object, owned }, &self.decoded.object, self.force)
    }
}

/// Answers a PATCH with a configuration: it changes the object, or makes it.
pub(super) async fn apply(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let form = Form::negotiate(target.resource(), &call.headers, &call.query, Shape::One)?;
    let dry_run = WriteOptions::parse(&call.query)?.dry_run;
    let resource = target.resource();
    let config = Configuration::read(call, target, &resource.api_version(), resource.kind, body)?;
    for _ in 0..RACES {
        let is_there = server.storage().find(resource, target.namespace(), target.name()?).await?.is_some();
        let (code, outcome) = match is_there {
            true => {
                let propose = |old: &Stored| changed(target, &config, old);
                (StatusCode::OK, modify_as(server, call, target, dry_run, Ownership::Settled, propose).await)
            }
            false if target.subresource.is_some() => {
                return Err(Status::not_found(resource.group, resource.plural, target.name()?));
            }
            false => (StatusCode::CREATED, create(server, call, target, &config, dry_run).await),
        };
        match outcome {
            // Somebody else has made it or removed it meanwhile.
            Err(status) if is_there && status.code == 404 => {}
            Err(status) if !is_there && status.reason == "AlreadyExists" => {}
            Err(status) => return Err(status),
            Ok(mut written) => {
                written.warnings.splice(0..0, config.decoded.warnings);
                return Ok(answer(code, form, target, &written));
            }
        }
    }
    Err(Status::modified(resource.group, resource.plural, target.name()?))
}

fn changed(target: &Target, config: &Configuration<'_>, old: &Stored) -> Result<Proposal, Status> {
    let mut live = old.record.value();
    let owned = ownership::take(&mut live);
    let applied = config.apply(&kept_as(target).api_version(), &live, &owned)?;
    settled(target, config, applied)
}

/// The kind under which the target's objects are kept.
fn kept_as(target: &Target) -> &'static Resource {
    target.resource().kept_as().unwrap_or(target.resource())
}

/// The applied object, held to the same rules as a body.
fn settled(target: &Target, config: &Configuration<'_>, applied: Applied) -> Result<Proposal, Status> {
    let resource = kept_as(target);
    let Applied { object, owned } = applied;
    let decoded = match resource.custom {
        None => decode::patched(&resource.api_version(), resource.kind, object, config.body, FieldValidation::Ignore)?,
        Some(_) => decode::object(resource, JSON, object.to_string().as_bytes(), FieldValidation::Ignore)?,
    };
    let mut object = decoded.object;
    check_name(target, &object)?;
    ownership::put(&mut object, owned);
    Ok(Proposal { object, warnings: decoded.warnings })
}

async fn create(
    server: &Server,
    call: &Call,
    target: &Target,
    config: &Configuration<'_>,
    dry_run: bool,
) -> Result<Written, Status> {
    let resource = target.resource();
    server.authorizer().authorize(&Attributes { verb: "create", ..call.attributes() })?;
    let applied = config.apply(&kept_as(target).api_version(), &json!({}), &Value::Null)?;
    let mut object = settled(target, config, applied)?.object;
    let uid = text(&object, "uid");
    if !uid.is_empty() {
        let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
        return Err(Status::conflict(resource.group, resource.plural, target.name()?, &why));
    }
    let owned = ownership::take(&mut object);
    create_owned(server, call, target, object, owned, dry_run).await
}
