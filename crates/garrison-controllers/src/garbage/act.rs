//! Carrying out what was decided about an object. Every write names the version that the decision was about, so one that
//! comes too late is refused and the object is looked at again.

use super::{Collector, kinds::Kind};
use crate::written::Written;
use futures::{StreamExt, stream};
use garrison_plan::garbage::graph::{Decision, FOREGROUND, ORPHAN, Object, Owner, Propagation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy},
};
use serde_json::{Value, json};
use std::time::Duration;

/// A refused write is planned anew after this: the watch has brought the newer version by then.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);
/// A kind that is not served may be served later.
const UNKNOWN_KIND: Duration = Duration::from_secs(60);
/// Dependents freed at once.
const AT_ONCE: usize = 20;

/// Why an object has to be looked at again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// An owner could not be asked for.
    #[error("asking for owner {kind} {name}")]
    Ask {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// The object could not be deleted.
    #[error("deleting {kind} {name}")]
    Delete {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// Owners or finalizers could not be changed.
    #[error("changing {kind} {name}")]
    Change {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
}

fn api(collector: &Collector, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
    let client = collector.client.clone();
    if kind.namespaced { Api::namespaced_with(client, namespace, &kind.resource) } else { Api::all_with(client, &kind.resource) }
}

/// Asks the API itself for an owner, where the object says it is. A kind that nobody serves is no proof that the owner is
/// gone, and neither is one that cannot own the object.
pub(super) async fn ask(collector: &Collector, object: &Object, owner: &OwnerReference) -> Result<Owner, Error> {
    let kind = collector.kind(&owner.api_version, &owner.kind);
    let Some(kind) = kind.filter(|kind| !kind.namespaced || !object.namespace.is_empty()) else {
        tracing::debug!(owner = owner.kind, of = object.name, "nobody can tell whether the owner is there");
        return Ok(Owner::There);
    };
    let found = api(collector, &kind, &object.namespace).get_metadata_opt(&owner.name).await;
    let found = found.map_err(|source| Error::Ask { kind: owner.kind.clone(), name: owner.name.clone(), source })?;
    let found = found.filter(|found| found.metadata.uid.as_ref() == Some(&owner.uid));
    Ok(match found.map(|found| Object::of(&owner.api_version, &owner.kind, &found.metadata)) {
        None => Owner::Gone,
        Some(found) if found.awaits_dependents() => Owner::Awaiting,
        Some(_) => Owner::There,
    })
}

/// Does what was decided; says when to look again if that did not come to its end.
pub(super) async fn carry_out(collector: &Collector, object: &Object, decision: Decision) -> Result<Option<Duration>, Error> {
    let done = match decision {
        Decision::Keep | Decision::Ask(_) => return Ok(None),
        Decision::Await(dependents) => {
            dependents.into_iter().for_each(|uid| collector.queue.add(uid));
            return Ok(None);
        }
        Decision::Delete(propagation) => delete(collector, object, propagation).await?,
        Decision::SetOwners(owners) => change(collector, object, json!({ "ownerReferences": list(&owners) })).await?,
        Decision::Finish => take_off(collector, object, FOREGROUND).await?,
        Decision::Orphan(dependents) => match free(collector, object, dependents).await? {
            Some(Written::Done) => take_off(collector, object, ORPHAN).await?,
            conflict => conflict,
        },
    };
    Ok(match done {
        Some(Written::Done) => None,
        Some(Written::Conflict) => Some(AFTER_CONFLICT),
        None => Some(UNKNOWN_KIND),
    })
}

async fn delete(collector: &Collector, object: &Object, propagation: Propagation) -> Result<Option<Written>, Error> {
    let Some(kind) = collector.kind(&object.api_version, &object.kind) else { return Ok(None) };
    let only_this = Preconditions { uid: Some(object.uid.clone()), resource_version: Some(object.version.clone()) };
    let policy = match propagation {
        Propagation::Background => PropagationPolicy::Background,
        Propagation::Foreground => PropagationPolicy::Foreground,
        Propagation::Orphan => PropagationPolicy::Orphan,
    };
    let params = DeleteParams { propagation_policy: Some(policy), preconditions: Some(only_this), ..DeleteParams::default() };
    tracing::debug!(kind = object.kind, namespace = object.namespace, name = object.name, "its owners are gone, deleting it");
    let outcome = Written::of(api(collector, &kind, &object.namespace).delete(&object.name, &params).await);
    outcome.map(Some).map_err(|source| Error::Delete { kind: object.kind.clone(), name: object.name.clone(), source })
}

/// Takes an object from each of its dependents. What they are is told by the graph at this moment, not by the decision.
async fn free(collector: &Collector, owner: &Object, dependents: Vec<String>) -> Result<Option<Written>, Error> {
    let known: Vec<Object> = {
        let graph = collector.graph.lock();
        dependents.iter().filter_map(|uid| graph.get(uid).cloned()).collect()
    };
    let freed = stream::iter(known).map(async |dependent| {
        let rest: Vec<OwnerReference> = dependent.owners.iter().filter(|other| other.uid != owner.uid).cloned().collect();
        change(collector, &dependent, json!({ "ownerReferences": list(&rest) })).await
    });
    let freed: Vec<_> = freed.buffer_unordered(AT_ONCE).collect().await;
    let freed: Vec<Option<Written>> = freed.into_iter().collect::<Result<_, _>>()?;
    Ok(freed.into_iter().find(|one| *one != Some(Written::Done)).unwrap_or(Some(Written::Done)))
}

async fn take_off(collector: &Collector, object: &Object, finalizer: &str) -> Result<Option<Written>, Error> {
    change(collector, object, json!({ "finalizers": list(&object.finalizers_without(finalizer)) })).await
}

/// A merge patch, which every kind understands, of the whole list: the version makes sure that it is the list we saw.
async fn change(collector: &Collector, object: &Object, mut metadata: Value) -> Result<Option<Written>, Error> {
    let Some(kind) = collector.kind(&object.api_version, &object.kind) else { return Ok(None) };
    metadata["uid"] = object.uid.clone().into();
    metadata["resourceVersion"] = object.version.clone().into();
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let outcome =
        Written::of(api(collector, &kind, &object.namespace).patch(&object.name, &PatchParams::default(), &patch).await);
    outcome.map(Some).map_err(|source| Error::Change { kind: object.kind.clone(), name: object.name.clone(), source })
}

/// An empty list is left out.
fn list<T: serde::Serialize>(items: &[T]) -> Value {
    if items.is_empty() { Value::Null } else { json!(items) }
}
