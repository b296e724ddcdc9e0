//! `pods/eviction`: a deletion that a disruption budget may forbid.

mod budget;

use crate::{
    Server,
    accept::Encoding,
    delete,
    read::restrict_node_to,
    request::{Call, Target, WriteOptions},
    respond::{self, Response},
    storage::{Stored, StoredObject, Unwritten},
    subresource::condition,
    write::{self, RACES, content_type},
};
use budget::Verdict;
use bytes::Bytes;
use garrison_api::{
    Status, decode,
    prepare::{self, DeleteOptions},
};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

/// Answers a POST of an `Eviction`.
pub(crate) async fn evict(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&call.query)?;
    let eviction = decode::decode("policy/v1", "Eviction", content_type(call), body, options.validation)?.object;
    if write::text(&eviction, "name") != target.name()? {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut deletion = match eviction.get("deleteOptions") {
        Some(options) => DeleteOptions::from_value(options)?,
        None => DeleteOptions::default(),
    };
    deletion.dry_run |= options.dry_run;
    let Eviction::Asked(pod) = unasked(server, call, target, &deletion).await? else { return Ok(done(call)) };
    match budget::ask(server, target, &pod, deletion.dry_run).await? {
        Verdict::Granted => mark_and_delete(server, call, target, &deletion).await?,
        Verdict::Unhealthy { budget } => {
            // It must not have become ready meanwhile: then it would count.
            let own = deletion.resource_version.is_none();
            let exactly = DeleteOptions { resource_version: Some(pod.revision.to_string()), ..deletion };
            mark_and_delete(server, call, target, &exactly).await.map_err(|status| match status.code {
                409 if own => budget::still_processed(&budget),
                _ => status,
            })?;
        }
    }
    Ok(done(call))
}

/// What became of an eviction that may need nobody's leave.
enum Eviction {
    /// The pod is deleted.
    Done,
    /// This pod runs: its budget is to be asked.
    Asked(Stored),
}

/// Deletes a pod that has ended, never began or is going already: that disrupts nothing.
async fn unasked(server: &Server, call: &Call, target: &Target, deletion: &DeleteOptions) -> Result<Eviction, Status> {
    for _ in 0..RACES {
        let pod = server.storage().get(target.resource(), target.namespace(), target.name()?).await?;
        restrict_node_to(call, &pod)?;
        let shown = pod.record.shown();
        let phase = shown["status"]["phase"].as_str().unwrap_or_default();
        let over = matches!(phase, "Succeeded" | "Failed") || shown["metadata"]["deletionTimestamp"].is_string();
        if !over && phase != "Pending" {
            return Ok(Eviction::Asked(pod));
        }
        let own = deletion.resource_version.is_none();
        // One that is pending must not begin to run meanwhile.
        let exactly = (!over && own).then(|| pod.revision.to_string());
        let options = DeleteOptions { resource_version: exactly.or(deletion.resource_version.clone()), ..deletion.clone() };
        match mark_and_delete(server, call, target, &options).await {
            Err(status) if status.code == 409 && own => {}
            outcome => return outcome.map(|()| Eviction::Done),
        }
    }
    Err(Status::modified("", "pods", target.name()?))
}

/// Says in the pod why it goes, and deletes it.
async fn mark_and_delete(server: &Server, call: &Call, target: &Target, deletion: &DeleteOptions) -> Result<(), Status> {
    let mut deletion = deletion.clone();
    if !deletion.dry_run {
        let marked = mark(server, target, &deletion).await?;
        // The condition is our own change.
        deletion.resource_version = deletion.resource_version.and(Some(marked.to_string()));
    }
    delete::delete_object(server, call, target, &deletion).await.map(drop)
}

/// The revision at which the pod says why it goes.
async fn mark(server: &Server, target: &Target, deletion: &DeleteOptions) -> Result<u64, Status> {
    for _ in 0..RACES {
        let old = server.storage().get(target.resource(), target.namespace(), target.name()?).await?;
        // The preconditions are about the pod as it was.
        prepare::delete(&write::write(target, ""), &old.record.shown(), deletion)?;
        let before: Value = old.record.value();
        let mut pod = before.clone();
        condition::set(&mut pod, "DisruptionTarget", "EvictionByEvictionAPI", "Eviction API: evicting", Timestamp::now());
        if pod == before {
            return Ok(old.revision);
        }
        let record = StoredObject::new(target.resource(), &pod).map_err(Status::internal)?;
        match server.storage().replace(&old, record).await {
            Ok(stored) => return Ok(stored.revision),
            Err(Unwritten::Raced) => {}
            Err(Unwritten::Refused(status)) => return Err(status),
        }
    }
    Err(Status::modified("", "pods", target.name()?))
}

fn done(call: &Call) -> Response {
    respond::success(StatusCode::CREATED, Encoding::plain(&call.headers), None)
}
