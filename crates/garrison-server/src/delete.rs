//! Deletion of one object, and of all that are selected.

use crate::{
    Server,
    accept::JSON,
    form::{Form, Shape},
    read::{self, restrict_node_to},
    request::{Call, FieldValidation, ListOptions, Target, WriteOptions},
    respond::{self, Response},
    storage::{Stored, StoredObject, Unwritten},
    write::{self, RACES, Written},
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use garrison_api::{
    Resource, Status, decode,
    prepare::{self, DeleteOptions, Deletion},
};
use garrison_store::Record as _;
use http::StatusCode;
use serde_json::{Value, json};

/// Namespaces that a cluster cannot be without.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

/// How many objects of a collection are deleted at a time: they share commits.
const AT_ONCE: usize = 64;

/// What a deletion came to.
pub(crate) enum Deleted {
    /// The object is gone; this is how it went.
    Gone(StoredObject),
    /// It stays until its finalizers or its grace period are done with.
    Marked(StoredObject),
}

/// Answers a DELETE of an object.
pub(crate) async fn delete(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let form = Form::negotiate(target.resource(), &call.headers, &call.query, Shape::One)?;
    let options = options(call, body)?;
    let deleted = delete_object(server, call, target, &options).await?;
    let resource = target.resource();
    Ok(match deleted {
        Deleted::Gone(object) if !returns_object(resource) => {
            let uid = write::text(&object.shown(), "uid").to_owned();
            let details = json!({"name": target.name()?, "group": resource.group, "kind": resource.plural, "uid": uid});
            respond::success(StatusCode::OK, form.encoding(), Some(details))
        }
        Deleted::Gone(object) | Deleted::Marked(object) => {
            write::answer(StatusCode::OK, form, target, &Written { object, warnings: Vec::new() })
        }
    })
}

/// Kinds whose deletion answers with the object even when it is gone at once, as clients have come to expect.
fn returns_object(resource: &Resource) -> bool {
    resource.group.is_empty() && matches!(resource.plural, "pods" | "serviceaccounts")
}

/// Deletes an object, or marks it for deletion.
pub(crate) async fn delete_object(
    server: &Server,
    call: &Call,
    target: &Target,
    options: &DeleteOptions,
) -> Result<Deleted, Status> {
    let (resource, name) = (target.resource(), target.name()?);
    if resource.group.is_empty() && resource.plural == "namespaces" && IMMORTAL.contains(&name) {
        return Err(Status::forbidden("", "namespaces", name, "this namespace may not be deleted"));
    }
    for _ in 0..RACES {
        let old = server.storage().get(resource, target.namespace(), name).await?;
        restrict_node_to(call, &old)?;
        match attempt(server, target, options, &old).await {
            Ok(deleted) => return Ok(deleted),
            Err(Unwritten::Raced) => {}
            Err(Unwritten::Refused(status)) => return Err(status),
        }
    }
    Err(Status::modified(resource.group, resource.plural, name))
}

async fn attempt(server: &Server, target: &Target, options: &DeleteOptions, old: &Stored) -> Result<Deleted, Unwritten> {
    // Preconditions may name the resource version, so the decision sees it.
    let decision = prepare::delete(&write::write(target, ""), &old.record.shown(), options).map_err(Unwritten::Refused)?;
    match decision {
        Deletion::Unchanged => Ok(Deleted::Marked(old.record.clone())),
        Deletion::Remove if options.dry_run => Ok(Deleted::Gone(old.record.clone())),
        Deletion::Remove => {
            let event = server.storage().remove(old).await?;
            Ok(Deleted::Gone(old.record.stamped(event.revision)))
        }
        Deletion::Mark(object) => {
            let record =
                StoredObject::new(target.resource(), &object).map_err(|why| Unwritten::Refused(Status::internal(why)))?;
            if options.dry_run {
                return Ok(Deleted::Marked(record.stamped(old.revision)));
            }
            Ok(Deleted::Marked(server.storage().replace(old, record).await?.record.clone()))
        }
    }
}

/// Answers a DELETE of a collection with the objects that it was about.
pub(crate) async fn delete_collection(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let form = Form::negotiate(target.resource(), &call.headers, &call.query, Shape::List)?;
    let selected = ListOptions::parse(target, &call.query)?;
    let options = options(call, body)?;
    let place = read::place(server, &selected).await?;
    let page = read::page(server, &selected, &place).await?;
    let deletions = page.entries.clone().into_iter().map(|entry| delete_selected(server, call, target, &options, entry));
    stream::iter(deletions).buffered(AT_ONCE).try_collect::<()>().await?;
    let metadata = json!({"resourceVersion": server.storage().revision().await?.to_string()});
    Ok(read::list_of(call, form, target.resource(), &metadata, page.entries).await)
}

/// Deletes one object of a collection; that somebody else was faster is as good.
async fn delete_selected(
    server: &Server,
    call: &Call,
    target: &Target,
    options: &DeleteOptions,
    entry: Stored,
) -> Result<(), Status> {
    let one = Target { name: entry.key.rsplit('/').next().map(str::to_owned), ..target.clone() };
    match delete_object(server, call, &one, options).await {
        Err(status) if status.code != 404 => Err(status),
        _ => Ok(()),
    }
}

/// The options of a deletion: from the body, and from the query where the body says nothing.
pub(crate) fn options(call: &Call, body: &Bytes) -> Result<DeleteOptions, Status> {
    let mut value = match body.is_empty() {
        true => json!({}),
        false => {
            decode::decode("v1", "DeleteOptions", write::content_type(call), &in_core_group(call, body), FieldValidation::Ignore)?
                .object
        }
    };
    for name in ["gracePeriodSeconds", "propagationPolicy", "orphanDependents"] {
        let Some(text) = call.query.get(name).filter(|text| !text.is_empty()) else { continue };
        if value.get(name).is_none() {
            value[name] = match name {
                "propagationPolicy" => text.into(),
                _ => serde_json::from_str(text).map_err(|_| Status::bad_request(format!("{name}: Invalid value: {text:?}")))?,
            };
        }
    }
    let mut options = DeleteOptions::from_value(&value)?;
    options.dry_run |= WriteOptions::parse(&call.query)?.dry_run;
    Ok(options)
}

/// Clients send `DeleteOptions` in whatever group version they work with; all mean the same.
fn in_core_group(call: &Call, body: &Bytes) -> Bytes {
    if !write::content_type(call).starts_with(JSON) {
        return body.clone();
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut fields)) => {
            fields.remove("apiVersion");
            Value::Object(fields).to_string().into()
        }
        // What is wrong with it is said by who decodes it.
        _ => body.clone(),
    }
}
