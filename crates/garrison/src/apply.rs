//! Manifests to a cluster, as `kubectl apply` does it: create what is missing, patch what differs.

use anyhow::{Context, Result, bail};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Under this name the objects are owned.
const MANAGER: &str = "garrison-up";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A client for the cluster of a kubeconfig.
pub(crate) async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    let text = Kubeconfig::read_from(kubeconfig).with_context(|| format!("reading {}", kubeconfig.display()))?;
    let config =
        kube::Config::from_custom_kubeconfig(text, &KubeConfigOptions::default()).await.context("reading the kubeconfig")?;
    kube::Client::try_from(config).context("making a client")
}

/// The objects of manifest files (YAML with several documents, or JSON), in order.
///
/// # Errors
/// Naming the file and the document that cannot be read.
pub(crate) fn read_files(files: &[PathBuf]) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        objects.extend(parse(&text).with_context(|| format!("in {}", file.display()))?);
    }
    Ok(objects)
}

/// The objects of one manifest text.
pub(crate) fn parse(text: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for (index, document) in serde_norway::Deserializer::from_str(text).enumerate() {
        let object = Value::deserialize(document).with_context(|| format!("document {} is no YAML", index + 1))?;
        if object.is_null() {
            continue;
        }
        for field in ["/apiVersion", "/kind", "/metadata/name"] {
            if object.pointer(field).and_then(Value::as_str).is_none() {
                bail!("document {} has no {}", index + 1, field[1..].replace('/', "."));
            }
        }
        objects.push(object);
    }
    Ok(objects)
}

/// Applies objects in order.
///
/// # Errors
/// With the server's words, naming the object.
pub(crate) async fn apply(client: &kube::Client, objects: &[Value]) -> Result<()> {
    for object in objects {
        let name = format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"));
        apply_one(client, object).await.with_context(|| format!("applying {name}"))?;
    }
    Ok(())
}

async fn apply_one(client: &kube::Client, object: &Value) -> Result<()> {
    let api = api_for(client, object)?;
    let mut wanted = object.clone();
    let annotations = &mut wanted["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = Value::Object(serde_json::Map::new());
    }
    // So that a later `kubectl apply` knows what was asked for.
    annotations[LAST_APPLIED] = format!("{object}\n").into();
    let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    let created = api.create(&parameters, &serde_json::from_value(wanted.clone())?).await;
    match created {
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
            api.patch(text(object, "/metadata/name"), &parameters, &Patch::Strategic(wanted)).await?;
        }
        other => drop(other?),
    }
    Ok(())
}

fn api_for(client: &kube::Client, object: &Value) -> Result<Api<DynamicObject>> {
    let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let row = garrison_api::resource::by_kind(api_version, kind)
        .with_context(|| format!("this server does not serve {kind} of {api_version}"))?;
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), row.plural);
    if !row.namespaced {
        return Ok(Api::all_with(client.clone(), &resource));
    }
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
    Ok(Api::namespaced_with(client.clone(), namespace, &resource))
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read_and_faults_named() {
        let two =
            "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n# nothing\n---\napiVersion: v1\nkind: B\nmetadata: {name: b}\n";
        assert_eq!(parse(two).expect("reads").len(), 2);
        let check = |text: &str, fault: &str| {
            let error = format!("{:#}", parse(text).expect_err("is refused"));
            assert!(error.contains(fault), "{error}");
        };
        check("kind: A\nmetadata: {name: a}", "document 1 has no apiVersion");
        check("apiVersion: v1\nkind: A\nmetadata: {}", "document 1 has no metadata.name");
        check("a: [", "document 1 is no YAML");
    }
}
