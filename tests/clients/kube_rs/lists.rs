//! Selectors, pages, collections, and the forms of an answer.

use super::{Kube, NAMESPACE, Operation, refusal};
use anyhow::{Context, Result};
use futures::FutureExt;
use http::{Request, header};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, ObjectList, VersionMatch};
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) const ALL: &[Operation] = &[
    ("label-selector", |kube| label_selector(kube).boxed_local()),
    ("field-selector", |kube| field_selector(kube).boxed_local()),
    ("paging", |kube| paging(kube).boxed_local()),
    ("list-exact", |kube| list_exact(kube).boxed_local()),
    ("delete-collection", |kube| delete_collection(kube).boxed_local()),
];

/// In what form the server answers.
pub(super) const FORMS: &[Operation] = &[
    ("table", |kube| table(kube).boxed_local()),
    ("metadata-only", |kube| metadata_only(kube).boxed_local()),
    ("yaml", |kube| yaml(kube).boxed_local()),
    ("protobuf", |kube| protobuf(kube).boxed_local()),
];

fn names(list: &ObjectList<ConfigMap>) -> Vec<String> {
    let mut names: Vec<String> = list.items.iter().map(ResourceExt::name_any).collect();
    names.sort();
    names
}

async fn label_selector(kube: &Kube) -> Result<Value> {
    for (name, tier) in [("tier-one", "gold"), ("tier-two", "silver"), ("tier-three", "bronze")] {
        kube.make(name, json!({"tier": tier, "set": "tiers"})).await?;
    }
    let maps = kube.config_maps();
    let listed = async |selector: &str| maps.list(&ListParams::default().labels(selector)).await.map(|list| names(&list));
    Ok(json!({"equal": listed("tier=gold").await?, "in": listed("tier in (gold,silver)").await?,
        "not": listed("set=tiers,tier!=gold").await?, "absent": listed("set,!tier").await?}))
}

async fn field_selector(kube: &Kube) -> Result<Value> {
    let maps = kube.config_maps();
    let listed = maps.list(&ListParams::default().fields("metadata.name=settings")).await?;
    let refused = refusal(maps.list(&ListParams::default().fields("data.a=b")).await)?;
    Ok(json!({"names": names(&listed), "refused": refused}))
}

async fn paging(kube: &Kube) -> Result<Value> {
    for number in 0..25 {
        kube.make(&format!("page-{number:02}"), json!({"page": "yes"})).await?;
    }
    let (mut sizes, mut remaining, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut parameters = ListParams::default().labels("page=yes").limit(10);
    loop {
        let page = kube.config_maps().list(&parameters).await?;
        sizes.push(page.items.len());
        remaining.push(page.metadata.remaining_item_count);
        seen.extend(names(&page));
        let Some(token) = page.metadata.continue_.filter(|token| !token.is_empty()) else { break };
        parameters = parameters.continue_token(&token);
    }
    let plain = kube.api::<Secret>().list(&ListParams::default().limit(1)).await?.metadata.remaining_item_count;
    Ok(json!({"sizes": sizes, "seen": seen.len(), "remaining": remaining, "unselected": plain}))
}

async fn list_exact(kube: &Kube) -> Result<Value> {
    kube.make("exact-old", json!({"exact": "yes"})).await?;
    let (maps, now) = (kube.config_maps(), ListParams::default().labels("exact=yes"));
    let version = maps.list(&now).await?.metadata.resource_version.context("a version")?;
    kube.make("exact-new", json!({"exact": "yes"})).await?;
    let then = now.clone().matching(VersionMatch::Exact).at(&version);
    Ok(json!({"then": names(&maps.list(&then).await?), "now": names(&maps.list(&now).await?)}))
}

async fn delete_collection(kube: &Kube) -> Result<Value> {
    let (maps, selected) = (kube.config_maps(), ListParams::default().labels("page=yes"));
    maps.delete_collection(&DeleteParams::default(), &selected).await?;
    Ok(json!({"left": maps.list(&selected).await?.items.len(), "others": maps.get_opt("settings").await?.is_some()}))
}

fn request<B>(accept: &str, body: B) -> Result<Request<B>> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/settings");
    Request::get(path).header(header::ACCEPT, accept).body(body).context("a request")
}

async fn table(kube: &Kube) -> Result<Value> {
    let told: Value = kube.client.request(request("application/json;as=Table;v=v1;g=meta.k8s.io", Vec::new())?).await?;
    let columns = told["columnDefinitions"].as_array().context("columns")?;
    let names = columns.iter().filter_map(|column| Some(column["name"].as_str()?.to_uppercase()));
    Ok(json!({"columns": names.collect::<Vec<_>>()}))
}

async fn metadata_only(kube: &Kube) -> Result<Value> {
    let found = serde_json::to_value(kube.config_maps().get_metadata("settings").await?)?;
    Ok(json!({"kind": found["kind"], "data": found.get("data").is_some(), "name": found["metadata"]["name"]}))
}

async fn yaml(kube: &Kube) -> Result<Value> {
    let answer = kube.client.send(request("application/yaml", Body::empty())?).await?;
    let form = answer.headers().get(header::CONTENT_TYPE).context("a type")?.to_str()?.to_owned();
    let body = answer.into_body().collect().await?.to_bytes();
    let starts: String = std::str::from_utf8(&body)?.split_inclusive('\n').take(2).collect();
    Ok(json!({"type": form, "starts": starts}))
}

async fn protobuf(kube: &Kube) -> Result<Value> {
    let answer = kube.client.send(request("application/vnd.kubernetes.protobuf", Body::empty())?).await?;
    let form = answer.headers().get(header::CONTENT_TYPE).context("a type")?.to_str()?.to_owned();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(json!({"type": form, "magic": body.get(..3).map(String::from_utf8_lossy)}))
}
