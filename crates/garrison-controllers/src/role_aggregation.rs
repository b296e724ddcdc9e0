//! Aggregated ClusterRoles: each holds the rules of all that its selectors choose, and no others.

#[cfg(test)]
mod tests;

use crate::{Context, cache::Key, queue::Queue};
use garrison_plan::aggregation;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Roles written at once.
const WORKERS: usize = 4;
/// A refused write is made anew after this: the watch has brought the newer role by then.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// A role does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("writing the rules of ClusterRole {0}")]
struct Error(String, #[source] kube::Error);

/// Runs until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    if shutdown.run_until_cancelled(context.cluster_roles.synced()).await.is_none() {
        return;
    }
    let queue: Queue<String> = Queue::default();
    let (listening, all) = (queue.clone(), Arc::downgrade(&context));
    // Which roles one belongs to changes with its labels and theirs. There are few that gather: all look again.
    context.cluster_roles.subscribe(move |_| {
        let roles = all.upgrade().map(|context| context.cluster_roles.list()).unwrap_or_default();
        let gathering = roles.iter().filter(|role| role.aggregation_rule.is_some());
        gathering.for_each(|role| listening.add(Key::of(&**role).name));
    });
    queue.work("cluster role", WORKERS, &shutdown, |name| look_at(&context, name)).await;
}

async fn look_at(context: &Context, name: String) -> Result<Option<Duration>, Error> {
    let Some(role) = context.cluster_roles.get(&Key::new("", name.clone())) else { return Ok(None) };
    let all = context.cluster_roles.list();
    let Some(rules) = aggregation::rules(&role, all.iter().map(|role| &**role)) else { return Ok(None) };
    let version = json!({"uid": role.metadata.uid, "resourceVersion": role.metadata.resource_version});
    let patch = Patch::Merge(json!({"metadata": version, "rules": rules}));
    let roles: Api<ClusterRole> = Api::all(context.client.clone());
    match roles.patch(&name, &PatchParams::default(), &patch).await {
        // It is gone, and the watch says so.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Some(AFTER_CONFLICT)),
        written => written.map(|_| None).map_err(|error| Error(name, error)),
    }
}
