//! Writing: create, update and patch. Deletion is [`crate::delete`].

mod apply;
mod ownership;

pub(crate) use apply::{Configuration, MEDIA_TYPE as APPLY};
pub(crate) use ownership::{Ownership, Writer, put as put_owned, structure_of, take as take_owned};

use crate::{
    Server,
    accept::JSON,
    admission,
    authorize::{escalation, restrict_node},
    form::{Form, Shape},
    read::restrict_node_to,
    request::{Call, Target, WriteOptions},
    respond::{self, Response},
    services,
    storage::{self, Stored, StoredObject, Unwritten},
};
use bytes::Bytes;
use garrison_api::{
    Status,
    apply::same_but_times,
    decode, face, patch,
    prepare::{self, Prepared},
    status_error::Cause,
};
use garrison_store::Record as _;
use http::{StatusCode, header};
use jiff::Timestamp;
use rand::random;
use serde_json::Value;
use uuid::Uuid;

/// How often a name is generated anew because it is taken.
const NAMES: usize = 8;
/// How often a change is made anew because somebody else was faster.
pub(crate) const RACES: usize = 64;

/// The outcome of a write.
pub(crate) struct Written {
    /// The object as stored, or as it would be.
    pub(crate) object: StoredObject,
    pub(crate) warnings: Vec<String>,
}

/// A proposed new state of an object.
pub(crate) struct Proposal {
    pub(crate) object: Value,
    pub(crate) warnings: Vec<String>,
}

/// Answers a POST of an object.
pub(crate) async fn create(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let form = Form::negotiate(target.resource(), &call.headers, &call.query, Shape::One)?;
    let options = WriteOptions::parse(&call.query)?;
    let resource = target.resource();
    let decoded = decode::object(resource, content_type(call), body, options.validation)?;
    let object = face::kept(resource, decoded.object);
    let mut written = create_object(server, call, target, object, options.dry_run).await?;
    written.warnings.splice(0..0, decoded.warnings);
    Ok(answer(StatusCode::CREATED, form, target, &written))
}

/// Creates an object as decoded.
pub(crate) async fn create_object(
    server: &Server,
    call: &Call,
    target: &Target,
    mut object: Value,
    dry_run: bool,
) -> Result<Written, Status> {
    if !text(&object, "resourceVersion").is_empty() {
        return Err(Status::internal("resourceVersion should not be set on objects to be created"));
    }
    let owned = ownership::created(call, target, &mut object)?;
    create_owned(server, call, target, object, owned, dry_run).await
}

/// Creates an object of which it is known who owns what.
async fn create_owned(
    server: &Server,
    call: &Call,
    target: &Target,
    object: Value,
    owned: Value,
    dry_run: bool,
) -> Result<Written, Status> {
    let resource = target.resource();
    escalation::check(server, call, target, &object, None)?;
    let admitted = admission::with_requester(&call.user, resource, admission::create(server, target, object).await?);
    let generates = text(&admitted, "name").is_empty();
    let uid = Uuid::new_v4().to_string();
    let mut attempts = if generates { NAMES } else { 1 };
    loop {
        let Prepared { mut object, warnings } = prepare::create(&write(target, &uid), admitted.clone())?;
        ownership::put(&mut object, owned.clone());
        let _claim = services::claim(server, resource, None, &mut object).await?;
        restrict_node(&call.attributes(), &object)?;
        let name = text(&object, "name").to_owned();
        let record = StoredObject::new(resource, &object).map_err(Status::internal)?;
        let key = storage::key(resource, target.namespace(), &name);
        attempts -= 1;
        let outcome = match dry_run {
            true if server.storage().find(resource, target.namespace(), &name).await?.is_none() => {
                return Ok(Written { object: record, warnings });
            }
            true => Err(Unwritten::Raced),
            false => server.storage().create(key, record).await,
        };
        match outcome {
            Ok(stored) => return Ok(Written { object: stored.record.clone(), warnings }),
            Err(Unwritten::Refused(status)) => return Err(status),
            Err(Unwritten::Raced) if attempts > 0 => {}
            Err(Unwritten::Raced) => {
                let kept = resource.kept_as().unwrap_or(resource);
                return Err(Status::already_exists(kept.group, kept.plural, &name));
            }
        }
    }
}

/// Answers a PUT of an object or of its status.
pub(crate) async fn update(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let form = Form::negotiate(target.resource(), &call.headers, &call.query, Shape::One)?;
    let options = WriteOptions::parse(&call.query)?;
    let resource = target.resource();
    let decoded = decode::object(resource, content_type(call), body, options.validation)?;
    check_name(target, &decoded.object)?;
    if text(&decoded.object, "resourceVersion").is_empty() && !resource.unconditional_update {
        let message = "Invalid value: 0: must be specified for an update".to_owned();
        let cause = Cause { reason: "FieldValueInvalid".into(), message, field: "metadata.resourceVersion".into() };
        return Err(Status::invalid(resource.group, resource.kind, target.name()?, vec![cause]));
    }
    let propose = |_: &Stored| {
        let object = face::kept(resource, decoded.object.clone());
        Ok(Proposal { object, warnings: decoded.warnings.clone() })
    };
    let written = modify(server, call, target, options.dry_run, propose).await?;
    Ok(answer(StatusCode::OK, form, target, &written))
}

/// Answers a PATCH of an object or of its status.
pub(crate) async fn patch(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    if is_apply(call) {
        return apply::apply(server, call, target, body).await;
    }
    let resource = target.resource();
    let form = Form::negotiate(resource, &call.headers, &call.query, Shape::One)?;
    let options = WriteOptions::parse(&call.query)?;
    let media_type = content_type(call);
    // Entries that a patch does not speak of stay as they are, and need not be looked at.
    let speaks_of_entries = body.windows(ownership::ENTRIES.len()).any(|word| word == ownership::ENTRIES.as_bytes());
    let propose = |old: &Stored| {
        let mut current = old.record.seen_as(resource).shown();
        if !speaks_of_entries {
            ownership::take(&mut current);
        }
        let patched = patch::apply_to(resource, &current, media_type, body)?;
        if patched == current {
            return Ok(Proposal { object: face::kept(resource, patched), warnings: Vec::new() });
        }
        // What the patch brought in is held to the same rules as a body.
        let bytes = serde_json::to_vec(&patched).map_err(Status::internal)?;
        let decoded = decode::object(resource, JSON, &bytes, options.validation)?;
        check_name(target, &decoded.object)?;
        Ok(Proposal { object: face::kept(resource, decoded.object), warnings: decoded.warnings })
    };
    let written = modify(server, call, target, options.dry_run, propose).await?;
    Ok(answer(StatusCode::OK, form, target, &written))
}

/// Changes an object to what is proposed for its newest state; proposes anew when somebody else was faster.
///
/// A proposal with another `resourceVersion` than the newest is refused, so a writer who names one never overwrites.
pub(crate) async fn modify(
    server: &Server,
    call: &Call,
    target: &Target,
    dry_run: bool,
    propose: impl Fn(&Stored) -> Result<Proposal, Status>,
) -> Result<Written, Status> {
    modify_as(server, call, target, dry_run, Ownership::Tracked, propose).await
}

/// [`modify`], where it may be settled already who owns what.
pub(crate) async fn modify_as(
    server: &Server,
    call: &Call,
    target: &Target,
    dry_run: bool,
    ownership: Ownership,
    propose: impl Fn(&Stored) -> Result<Proposal, Status>,
) -> Result<Written, Status> {
    let resource = target.resource();
    for _ in 0..RACES {
        let old = server.storage().get(resource, target.namespace(), target.name()?).await?;
        restrict_node_to(call, &old)?;
        let proposal = propose(&old)?;
        match attempt(server, call, target, (dry_run, ownership), &old, proposal).await {
            Ok(written) => return Ok(written),
            Err(Unwritten::Raced) => {}
            Err(Unwritten::Refused(status)) => return Err(status),
        }
    }
    Err(Status::modified(resource.group, resource.plural, target.name()?))
}

async fn attempt(
    server: &Server,
    call: &Call,
    target: &Target,
    (dry_run, ownership): (bool, Ownership),
    old: &Stored,
    proposal: Proposal,
) -> Result<Written, Unwritten> {
    let Proposal { mut object, mut warnings } = proposal;
    let resource = target.resource();
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let version = metadata.and_then(|metadata| metadata.remove("resourceVersion"));
    let version = version.as_ref().and_then(Value::as_str).unwrap_or_default();
    if !version.is_empty() && version != old.revision.to_string() {
        let stale = Status::modified(resource.group, resource.plural, target.name().unwrap_or_default());
        return Err(Unwritten::Refused(stale));
    }
    let mut before = old.record.value();
    escalation::check(server, call, target, &object, Some(&before)).map_err(Unwritten::Refused)?;
    let (owned, sent) = (ownership::take(&mut before), ownership::take(&mut object));
    let prepared = prepare::update(&write(target, ""), &before, object).map_err(Unwritten::Refused)?;
    warnings.extend(prepared.warnings);
    let mut object = prepared.object;
    restrict_node(&call.attributes(), &object).map_err(Unwritten::Refused)?;
    let finished = prepare::finished(resource, &object);
    let owned_now = match ownership {
        Ownership::Settled => sent,
        Ownership::Tracked => ownership::updated(call, target, (&before, &owned), &object, sent).map_err(Unwritten::Refused)?,
    };
    // What the cluster gives is nobody's.
    let _claim = match target.subresource {
        None => services::claim(server, resource, Some(&before), &mut object).await.map_err(Unwritten::Refused)?,
        Some(_) => None,
    };
    // That somebody was here and changed nothing is not worth a revision.
    if object == before && !finished && same_but_times(&owned, &owned_now) {
        return Ok(Written { object: old.record.clone(), warnings });
    }
    ownership::put(&mut object, owned_now);
    let record = StoredObject::new(resource, &object).map_err(|why| Unwritten::Refused(Status::internal(why)))?;
    let object = match (dry_run, finished) {
        (true, _) => record.stamped(old.revision),
        (false, true) => record.stamped(server.storage().remove(old).await?.revision),
        (false, false) => server.storage().replace(old, record).await?.record.clone(),
    };
    Ok(Written { object, warnings })
}

/// What the server knows of a write besides its body.
pub(crate) fn write<'a>(target: &'a Target, uid: &'a str) -> prepare::Write<'a> {
    prepare::Write {
        resource: target.resource(),
        subresource: target.subresource.as_deref(),
        namespace: target.namespace(),
        now: Timestamp::now(),
        uid,
        random: random(),
    }
}

/// An answer that shows the object and prints the warnings.
pub(crate) fn answer(code: StatusCode, form: Form, target: &Target, written: &Written) -> Response {
    let seen = written.object.seen_as(target.resource());
    let mut response = respond::bytes(code, form.encoding().media_type(), form.object(&seen, Timestamp::now()));
    respond::warn(&mut response, &written.warnings);
    response
}

/// The body's media type; a client that does not say sends JSON.
pub(crate) fn content_type(call: &Call) -> &str {
    match call.header(header::CONTENT_TYPE) {
        "" => JSON,
        named => named,
    }
}

/// Whether a PATCH brings a configuration to apply.
pub(crate) fn is_apply(call: &Call) -> bool {
    call.verb() == "patch" && content_type(call).split(';').next().is_some_and(|media_type| media_type.trim() == APPLY)
}

/// The object in the body must be the one in the path.
fn check_name(target: &Target, object: &Value) -> Result<(), Status> {
    let (found, wanted) = (text(object, "name"), target.name()?);
    if found == wanted {
        return Ok(());
    }
    Err(Status::bad_request(match found {
        "" => "name must be provided".to_owned(),
        _ => format!("the name of the object ({found}) does not match the name on the URL ({wanted})"),
    }))
}

/// A text in the object's metadata; empty if it is absent.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}
