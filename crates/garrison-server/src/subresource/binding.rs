//! `pods/binding`: a scheduler says on which node a pod is to run.

use crate::{
    Server,
    accept::Encoding,
    request::{Call, Target, WriteOptions},
    respond::{self, Response},
    storage::{Stored, StoredObject, Unwritten},
    subresource::condition,
    write::{RACES, content_type},
};
use bytes::Bytes;
use garrison_api::{Status, decode, status_error::Cause};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

/// Answers a POST of a `Binding`.
pub(crate) async fn bind(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&call.query)?;
    let binding = decode::decode("v1", "Binding", content_type(call), body, options.validation)?.object;
    let node = binding["target"]["name"].as_str().unwrap_or_default();
    let kind = binding["target"]["kind"].as_str().unwrap_or_default();
    let fault = match (kind, node) {
        ("" | "Node", "") => Some(("FieldValueRequired", "Required value", "target.name")),
        ("" | "Node", _) => None,
        _ => Some(("FieldValueNotSupported", "Unsupported value: supported values: \"Node\"", "target.kind")),
    };
    if let Some((reason, message, field)) = fault {
        let cause = Cause { reason: reason.into(), message: message.into(), field: field.into() };
        return Err(Status::invalid("", "Binding", target.name()?, vec![cause]));
    }
    for _ in 0..RACES {
        let old = server.storage().get(target.resource(), target.namespace(), target.name()?).await?;
        let bound = bound(&old, target.name()?, &binding, node)?;
        if options.dry_run {
            break;
        }
        let record = StoredObject::new(target.resource(), &bound).map_err(Status::internal)?;
        match server.storage().replace(&old, record).await {
            Ok(_) => break,
            Err(Unwritten::Raced) => {}
            Err(Unwritten::Refused(status)) => return Err(status),
        }
    }
    Ok(respond::success(StatusCode::CREATED, Encoding::plain(&call.headers), None))
}

/// The pod on its node; 409 if it has one already, is on its way out, or is another than meant.
fn bound(old: &Stored, name: &str, binding: &Value, node: &str) -> Result<Value, Status> {
    let mut pod = old.record.value();
    let conflict = |why: String| Err(Status::conflict("", "pods/binding", name, &why));
    let wanted = &binding["metadata"]["uid"];
    if wanted.as_str().is_some_and(|uid| !uid.is_empty() && pod["metadata"]["uid"] != uid) {
        return conflict(format!(
            "Precondition failed: UID in precondition: {wanted}, UID in object meta: {}",
            pod["metadata"]["uid"]
        ));
    }
    if pod["metadata"].get("deletionTimestamp").is_some_and(|at| !at.is_null()) {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if let Some(assigned) = pod["spec"]["nodeName"].as_str().filter(|assigned| !assigned.is_empty()) {
        return conflict(format!("pod {name} is already assigned to node \"{assigned}\""));
    }
    pod["spec"]["nodeName"] = node.into();
    for (key, value) in binding["metadata"]["annotations"].as_object().into_iter().flatten() {
        pod["metadata"]["annotations"][key] = value.clone();
    }
    condition::set(&mut pod, "PodScheduled", "", "", Timestamp::now());
    Ok(pod)
}
