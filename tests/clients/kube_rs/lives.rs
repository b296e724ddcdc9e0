//! Lives and deaths: finalizers, owners, grace, and what happens to an object by its subresources.

use super::{Kube, Operation, PATIENCE, eventually};
use crate::kubectl::at;
use anyhow::{Context, Result};
use futures::FutureExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::finalizer::finalizer;
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;

pub(super) const ALL: &[Operation] = &[
    ("finalizer", |kube| finalized(kube).boxed_local()),
    ("graceful-deletion", |kube| graceful_deletion(kube).boxed_local()),
    ("propagation-background", |kube| propagation_background(kube).boxed_local()),
    ("propagation-orphan", |kube| propagation_orphan(kube).boxed_local()),
    ("propagation-foreground", |kube| propagation_foreground(kube).boxed_local()),
    ("status-subresource", |kube| status_subresource(kube).boxed_local()),
    ("scale", |kube| scale(kube).boxed_local()),
    ("eviction", |kube| eviction(kube).boxed_local()),
    ("wait-condition", |kube| wait_condition(kube).boxed_local()),
];

async fn is_gone(maps: &Api<ConfigMap>, name: &str) -> Result<bool> {
    Ok(maps.get_opt(name).await?.is_none())
}

/// One look of a controller at the object, which adds or removes its finalizer.
async fn look(maps: &Api<ConfigMap>) -> Result<ConfigMap> {
    let object = maps.get("held").await?;
    finalizer(maps, "clients.test/hold", Arc::new(object.clone()), |_| async { Ok::<_, Infallible>(Action::await_change()) })
        .await?;
    Ok(object)
}

async fn finalized(kube: &Kube) -> Result<Value> {
    let maps = kube.config_maps();
    kube.make("held", Value::Null).await?;
    look(&maps).await?;
    maps.delete("held", &DeleteParams::default()).await?;
    let marked = look(&maps).await?.metadata.deletion_timestamp.is_some();
    Ok(json!({"marked": marked, "gone": is_gone(&maps, "held").await?}))
}

async fn graceful_deletion(kube: &Kube) -> Result<Value> {
    let pods: Api<Pod> = kube.api();
    kube.make_pod("graceful").await?;
    pods.delete("graceful", &DeleteParams::default().grace_period(30)).await?;
    let found = pods.get("graceful").await?.metadata;
    pods.delete("graceful", &DeleteParams::default().grace_period(0)).await?;
    let gone = pods.get_opt("graceful").await?.is_none();
    Ok(json!({"seconds": found.deletion_grace_period_seconds, "marked": found.deletion_timestamp.is_some(), "gone": gone}))
}

async fn family(kube: &Kube, owner: &str, child: &str, blocking: bool) -> Result<()> {
    let uid = kube.make(owner, Value::Null).await?.uid();
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "blockOwnerDeletion": blocking});
    let finalizers = if blocking { json!(["clients.test/hold"]) } else { json!([]) };
    kube.make_of(json!({"metadata": {"name": child, "ownerReferences": [reference], "finalizers": finalizers}})).await?;
    Ok(())
}

async fn propagation_background(kube: &Kube) -> Result<Value> {
    let maps = kube.config_maps();
    family(kube, "background-owner", "background-child", false).await?;
    maps.delete("background-owner", &DeleteParams::background()).await?;
    let owner = is_gone(&maps, "background-owner").await?;
    Ok(json!({"owner": owner, "child": eventually(async || is_gone(&maps, "background-child").await).await?}))
}

async fn propagation_orphan(kube: &Kube) -> Result<Value> {
    let maps = kube.config_maps();
    family(kube, "orphan-owner", "orphan-child", false).await?;
    maps.delete("orphan-owner", &DeleteParams::orphan()).await?;
    eventually(async || is_gone(&maps, "orphan-owner").await).await?;
    Ok(json!({"owners": maps.get("orphan-child").await?.owner_references()}))
}

async fn propagation_foreground(kube: &Kube) -> Result<Value> {
    let maps = kube.config_maps();
    family(kube, "foreground-owner", "foreground-child", true).await?;
    maps.delete("foreground-owner", &DeleteParams::foreground()).await?;
    let waiting = maps.get("foreground-owner").await?.metadata.finalizers;
    eventually(async || Ok(maps.get("foreground-child").await?.metadata.deletion_timestamp.is_some())).await?;
    kube.change("foreground-child", json!({"metadata": {"finalizers": null}})).await?;
    Ok(json!({"finalizers": waiting, "gone": eventually(async || is_gone(&maps, "foreground-owner").await).await?}))
}

async fn status_subresource(kube: &Kube) -> Result<Value> {
    kube.make_pod("reporting").await?;
    let change = Patch::Merge(json!({"spec": {"activeDeadlineSeconds": 9}, "status": {"phase": "Running"}}));
    let found = kube.api::<Pod>().patch_status("reporting", &PatchParams::default(), &change).await?;
    let deadline = found.spec.and_then(|spec| spec.active_deadline_seconds);
    Ok(json!({"phase": found.status.and_then(|status| status.phase), "deadline": deadline}))
}

async fn scale(kube: &Kube) -> Result<Value> {
    let deployments: Api<Deployment> = kube.api();
    let template =
        json!({"metadata": {"labels": {"app": "scaled"}}, "spec": {"containers": [{"name": "main", "image": "pause"}]}});
    let wanted =
        json!({"metadata": {"name": "scaled"}, "spec": {"selector": {"matchLabels": {"app": "scaled"}}, "template": template}});
    deployments.create(&PostParams::default(), &serde_json::from_value(wanted)?).await?;
    let found = serde_json::to_value(deployments.get_scale("scaled").await?)?;
    let change = Patch::Merge(json!({"spec": {"replicas": 3}}));
    deployments.patch_scale("scaled", &PatchParams::default(), &change).await?;
    let after = deployments.get("scaled").await?.spec.and_then(|spec| spec.replicas);
    Ok(json!({"kind": found["kind"], "before": at(&found, "/spec/replicas"), "after": after}))
}

async fn eviction(kube: &Kube) -> Result<Value> {
    let pods: Api<Pod> = kube.api();
    kube.make_pod("evicted").await?;
    let told = pods.evict("evicted", &EvictParams::default()).await?;
    let marked = pods.get("evicted").await?.metadata.deletion_timestamp.is_some();
    Ok(json!({"status": told.status, "marked": marked}))
}

async fn wait_condition(kube: &Kube) -> Result<Value> {
    let pods: Api<Pod> = kube.api();
    kube.make_pod("awaited").await?;
    let is_ready = |pod: Option<&Pod>| {
        let conditions = pod.and_then(|pod| pod.status.as_ref()).and_then(|status| status.conditions.as_ref());
        conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
    };
    let ready = Patch::Strategic(json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
    let waiting = tokio::time::timeout(PATIENCE, await_condition(pods.clone(), "awaited", is_ready));
    let parameters = PatchParams::default();
    let (met, patched) = tokio::join!(waiting, pods.patch_status("awaited", &parameters, &ready));
    patched?;
    Ok(json!({"met": met.context("in time")??.is_some()}))
}
