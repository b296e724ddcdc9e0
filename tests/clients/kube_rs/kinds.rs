//! Kinds of one's own: their definition, and dynamic objects of them.

use super::patches::managers;
use super::{Kube, NAMESPACE, Operation, PATIENCE, pick, refusal};
use crate::kubectl::at;
use anyhow::{Context, Result};
use futures::{FutureExt, StreamExt, TryStreamExt};
use http::{Request, header};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("crd-create", |kube| crd_create(kube).boxed_local()),
    ("custom-objects", |kube| custom_objects(kube).boxed_local()),
    ("custom-invalid", |kube| custom_invalid(kube).boxed_local()),
    ("custom-status", |kube| custom_status(kube).boxed_local()),
    ("custom-apply", |kube| custom_apply(kube).boxed_local()),
    ("custom-columns", |kube| custom_columns(kube).boxed_local()),
    ("custom-versions", |kube| custom_versions(kube).boxed_local()),
    ("custom-rule", |kube| custom_rule(kube).boxed_local()),
    ("custom-selectable", |kube| custom_selectable(kube).boxed_local()),
    ("custom-watch", |kube| custom_watch(kube).boxed_local()),
];

async fn crd_create(kube: &Kube) -> Result<Value> {
    let definitions: Api<CustomResourceDefinition> = Api::all(kube.client.clone());
    definitions.create(&PostParams::default(), &serde_json::from_str(crate::surroundings::WIDGETS)?).await?;
    let established = await_condition(definitions, "widgets.clients.test", conditions::is_crd_established());
    Ok(json!({"established": tokio::time::timeout(PATIENCE, established).await.context("in time")??.is_some()}))
}

fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("clients.test", "v1", "Widget"))
}

fn widgets(kube: &Kube) -> Api<DynamicObject> {
    Api::namespaced_with(kube.client.clone(), NAMESPACE, &resource())
}

fn widget(name: &str, size: Value) -> DynamicObject {
    DynamicObject::new(name, &resource()).data(json!({"spec": {"size": size}}))
}

async fn make(kube: &Kube, name: &str) -> Result<DynamicObject> {
    Ok(widgets(kube).create(&PostParams::default(), &widget(name, 1.into())).await?)
}

async fn resize(kube: &Kube, name: &str) -> Result<DynamicObject> {
    let change = Patch::Merge(json!({"spec": {"size": 2}}));
    Ok(widgets(kube).patch(name, &PatchParams::default(), &change).await?)
}

async fn custom_objects(kube: &Kube) -> Result<Value> {
    let made = make(kube, "w").await?;
    let changed = resize(kube, "w").await?;
    let listed = widgets(kube).list(&ListParams::default()).await?;
    let names: Vec<String> = listed.items.iter().map(ResourceExt::name_any).collect();
    widgets(kube).delete("w", &DeleteParams::default()).await?;
    Ok(json!({"color": at(&made.data, "/spec/color"), "size": at(&changed.data, "/spec/size"),
        "generation": changed.metadata.generation, "names": names, "gone": widgets(kube).get_opt("w").await?.is_none()}))
}

async fn custom_invalid(kube: &Kube) -> Result<Value> {
    let told = refusal(widgets(kube).create(&PostParams::default(), &widget("wrong", "big".into())).await)?;
    Ok(pick(told, &["code", "reason", "fields"]))
}

async fn custom_status(kube: &Kube) -> Result<Value> {
    make(kube, "reporting").await?;
    let change = Patch::Merge(json!({"spec": {"size": 9}, "status": {"ready": true}}));
    let changed = widgets(kube).patch_status("reporting", &PatchParams::default(), &change).await?;
    Ok(json!({"size": at(&changed.data, "/spec/size"), "ready": at(&changed.data, "/status/ready"),
        "generation": changed.metadata.generation}))
}

async fn custom_apply(kube: &Kube) -> Result<Value> {
    let wanted = Patch::Apply(widget("applied", 3.into()));
    let applied = widgets(kube).patch("applied", &PatchParams::apply("first"), &wanted).await?;
    let managers = managers(&applied.metadata);
    Ok(json!({"size": at(&applied.data, "/spec/size"), "color": at(&applied.data, "/spec/color"), "managers": managers}))
}

async fn custom_columns(kube: &Kube) -> Result<Value> {
    widgets(kube).create(&PostParams::default(), &widget("tabled", 7.into())).await?;
    let path = format!("/apis/clients.test/v1/namespaces/{NAMESPACE}/widgets/tabled");
    let request = Request::get(path).header(header::ACCEPT, "application/json;as=Table;v=v1;g=meta.k8s.io");
    let table: Value = kube.client.request(request.body(Vec::new())?).await?;
    let columns = at(&table, "/columnDefinitions").as_array().context("columns")?;
    let cells = at(&table, "/rows/0/cells").as_array().context("cells")?;
    let shown = columns.iter().zip(cells).filter(|(column, _)| column["priority"] == 0);
    let shown = shown.map(|(column, cell)| (column["name"].as_str().unwrap_or_default().to_uppercase(), word(cell)));
    let (columns, row): (Vec<_>, Vec<_>) = shown.unzip();
    Ok(json!({"columns": columns, "row": row}))
}

fn word(cell: &Value) -> String {
    cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)
}

async fn custom_versions(kube: &Kube) -> Result<Value> {
    let older = ApiResource::from_gvk(&GroupVersionKind::gvk("clients.test", "v1beta1", "Widget"));
    let dated = DynamicObject::new("dated", &older).data(json!({"spec": {"size": 1}}));
    let made = Api::<DynamicObject>::namespaced_with(kube.client.clone(), NAMESPACE, &older);
    let made = made.create(&PostParams::default(), &dated).await?;
    let found = widgets(kube).get("dated").await?;
    let version = |object: &DynamicObject| object.types.as_ref().map(|types| types.api_version.clone());
    let groups = kube.client.list_api_groups().await?.groups;
    let group = groups.into_iter().find(|group| group.name == "clients.test").context("the group")?;
    Ok(json!({"made": version(&made), "read": version(&found), "color": at(&found.data, "/spec/color"),
        "preferred": group.preferred_version.map(|preferred| preferred.version)}))
}

async fn custom_rule(kube: &Kube) -> Result<Value> {
    make(kube, "ruled").await?;
    let size = refusal(widgets(kube).create(&PostParams::default(), &widget("large", 100.into())).await)?;
    let repaint = Patch::Merge(json!({"spec": {"color": "blue"}}));
    let color = refusal(widgets(kube).patch("ruled", &PatchParams::default(), &repaint).await)?;
    let told = ["code", "reason", "fields"];
    Ok(json!({"size": pick(size, &told), "color": pick(color, &told)}))
}

async fn custom_selectable(kube: &Kube) -> Result<Value> {
    let mut blue = widget("blue", 1.into());
    blue.data["spec"]["color"] = "blue".into();
    widgets(kube).create(&PostParams::default(), &blue).await?;
    let selected = async |fields: &str| widgets(kube).list(&ListParams::default().fields(fields)).await;
    let names: Vec<String> = selected("spec.color=blue").await?.items.iter().map(ResourceExt::name_any).collect();
    Ok(json!({"names": names, "refused": refusal(selected("spec.size=1").await)?}))
}

async fn custom_watch(kube: &Kube) -> Result<Value> {
    let start = widgets(kube).list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    make(kube, "seen").await?;
    resize(kube, "seen").await?;
    widgets(kube).delete("seen", &DeleteParams::default()).await?;
    let stream = widgets(kube).watch(&WatchParams::default().timeout(20), &start).await?;
    let told: Vec<String> = stream
        .take(3)
        .map_ok(|event| match event {
            WatchEvent::Added(object) => format!("ADDED {}", object.name_any()),
            WatchEvent::Modified(object) => format!("MODIFIED {}", object.name_any()),
            WatchEvent::Deleted(object) => format!("DELETED {}", object.name_any()),
            WatchEvent::Bookmark(_) | WatchEvent::Error(_) => "something else".into(),
        })
        .try_collect()
        .await?;
    Ok(json!({"events": told}))
}
