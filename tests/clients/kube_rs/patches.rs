//! The four kinds of patches.

use super::objects::daemon_set;
use super::{Kube, Operation, refusal};
use anyhow::{Context, Result};
use futures::FutureExt;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("patch-json", |kube| patch_json(kube).boxed_local()),
    ("patch-json-test", |kube| patch_json_test(kube).boxed_local()),
    ("patch-merge", |kube| patch_merge(kube).boxed_local()),
    ("patch-strategic", |kube| patch_strategic(kube).boxed_local()),
    ("apply-create", |kube| apply_create(kube).boxed_local()),
    ("apply-remove", |kube| {
        async { Ok(json!({"data": apply(kube, "first", json!({"a": "1"}), false).await?.data})) }.boxed_local()
    }),
    ("apply-conflict", |kube| async { refusal(apply(kube, "second", json!({"a": "2"}), false).await) }.boxed_local()),
    ("apply-force", |kube| apply_force(kube).boxed_local()),
];

fn operations(patch: Value) -> Result<Patch<()>> {
    Ok(Patch::Json(serde_json::from_value(patch)?))
}

async fn patch_json(kube: &Kube) -> Result<Value> {
    kube.make_of(json!({"metadata": {"name": "patched"}, "data": {"a": "b"}})).await?;
    let patch = operations(json!([{"op": "replace", "path": "/data/a", "value": "json"}]))?;
    Ok(json!({"data": kube.config_maps().patch("patched", &PatchParams::default(), &patch).await?.data}))
}

async fn patch_json_test(kube: &Kube) -> Result<Value> {
    let patch = operations(json!([{"op": "test", "path": "/data/a", "value": "no"}]))?;
    let told = refusal(kube.config_maps().patch("settings", &PatchParams::default(), &patch).await)?;
    Ok(json!({"code": told["code"], "reason": told["reason"]}))
}

async fn patch_merge(kube: &Kube) -> Result<Value> {
    kube.make_of(json!({"metadata": {"name": "merged"}, "data": {"a": "b", "c": "d"}})).await?;
    Ok(json!({"data": kube.change("merged", json!({"data": {"a": null, "e": "f"}})).await?.data}))
}

async fn patch_strategic(kube: &Kube) -> Result<Value> {
    let sets: kube::Api<DaemonSet> = kube.api();
    sets.create(&PostParams::default(), &serde_json::from_value(daemon_set("strategic"))?).await?;
    let side = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "pause"}]}}}}));
    let changed = sets.patch("strategic", &PatchParams::default(), &side).await?;
    let template = changed.spec.and_then(|spec| spec.template.spec).context("a template")?;
    Ok(json!({"containers": template.containers.into_iter().map(|container| container.name).collect::<Vec<_>>()}))
}

async fn apply(kube: &Kube, manager: &str, data: Value, force: bool) -> kube::Result<ConfigMap> {
    let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data});
    let parameters = PatchParams { force, ..PatchParams::apply(manager) };
    kube.config_maps().patch("applied", &parameters, &Patch::Apply(wanted)).await
}

/// Who owns fields of an object, and by what sort of request.
pub(super) fn managers(metadata: &ObjectMeta) -> Vec<String> {
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    let entries = metadata.managed_fields.iter().flatten();
    let mut managers: Vec<String> = entries.map(|entry| format!("{}/{}", word(&entry.manager), word(&entry.operation))).collect();
    managers.sort();
    managers
}

async fn apply_create(kube: &Kube) -> Result<Value> {
    let made = apply(kube, "first", json!({"a": "1", "b": "2"}), false).await?;
    Ok(json!({"data": made.data, "managers": managers(&made.metadata)}))
}

async fn apply_force(kube: &Kube) -> Result<Value> {
    let changed = apply(kube, "second", json!({"a": "2"}), true).await?;
    Ok(json!({"data": changed.data, "managers": managers(&changed.metadata)}))
}
