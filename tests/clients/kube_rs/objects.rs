//! Discovery, and what is done to one object.

use super::{Kube, NAMESPACE, Operation, eventually, pick, refusal};
use crate::kubectl::at;
use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::GroupVersionKind;
use kube::discovery::{Discovery, Scope, pinned_kind};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("version", |kube| version(kube).boxed_local()),
    ("groups", |kube| groups(kube).boxed_local()),
    ("resources", |kube| resources(kube).boxed_local()),
    ("namespace-create", |kube| namespace_create(kube).boxed_local()),
    ("configmap-create", |kube| configmap_create(kube).boxed_local()),
    ("configmap-get", |kube| async { Ok(json!({"data": kube.config_maps().get("settings").await?.data})) }.boxed_local()),
    ("configmap-replace", |kube| configmap_replace(kube).boxed_local()),
    ("generate-name", |kube| generate_name(kube).boxed_local()),
    ("already-exists", |kube| already_exists(kube).boxed_local()),
    ("not-found", |kube| async { refusal(kube.config_maps().get("missing").await) }.boxed_local()),
    ("conflict", |kube| conflict(kube).boxed_local()),
    ("invalid", |kube| invalid(kube).boxed_local()),
    ("dry-run", |kube| dry_run(kube).boxed_local()),
    ("delete", |kube| delete(kube).boxed_local()),
    ("delete-precondition", |kube| delete_precondition(kube).boxed_local()),
    ("secret-binary", |kube| secret_binary(kube).boxed_local()),
    ("secret-string-data", |kube| secret_string_data(kube).boxed_local()),
    ("daemonset-defaults", |kube| daemonset_defaults(kube).boxed_local()),
    ("daemonset-generation", |kube| daemonset_generation(kube).boxed_local()),
    ("service", |kube| service(kube).boxed_local()),
    ("untyped", |kube| untyped(kube).boxed_local()),
    ("lease", |kube| lease(kube).boxed_local()),
];

/// What leaves nothing behind.
pub(super) const LAST: &[Operation] = &[("namespace-delete", |kube| namespace_delete(kube).boxed_local())];

async fn version(kube: &Kube) -> Result<Value> {
    let found = kube.client.apiserver_version().await?;
    Ok(json!({"major": found.major, "minor": found.minor}))
}

async fn groups(kube: &Kube) -> Result<Value> {
    let found = Discovery::new(kube.client.clone()).run_aggregated().await?;
    // The older way takes a request for each group, and comes to the same.
    let one_by_one = Discovery::new(kube.client.clone()).run().await?;
    let names =
        |discovery: &Discovery| discovery.groups_alphabetical().iter().map(|group| group.name().to_owned()).collect::<Vec<_>>();
    ensure!(names(&found) == names(&one_by_one), "{:?}, but one by one {:?}", names(&found), names(&one_by_one));
    let wanted = ["apps", "batch", "coordination.k8s.io", "rbac.authorization.k8s.io"];
    let version = |name: &str| found.get(name).and_then(|group| group.preferred_version().map(str::to_owned));
    Ok(wanted.into_iter().map(|name| (name.to_owned(), json!(version(name)))).collect::<serde_json::Map<_, _>>().into())
}

async fn resources(kube: &Kube) -> Result<Value> {
    let (resource, can) = pinned_kind(&kube.client, &GroupVersionKind::gvk("apps", "v1", "DaemonSet")).await?;
    let mut verbs = can.operations;
    verbs.sort_unstable();
    Ok(json!({"kind": resource.kind, "namespaced": can.scope == Scope::Namespaced, "verbs": verbs}))
}

async fn namespace_create(kube: &Kube) -> Result<Value> {
    let namespaces: Api<Namespace> = Api::all(kube.client.clone());
    let made =
        namespaces.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?).await?;
    Ok(json!({"name": made.name_any(), "phase": made.status.and_then(|status| status.phase)}))
}

async fn namespace_delete(kube: &Kube) -> Result<Value> {
    kube.api::<Pod>().delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default()).await?;
    let namespaces: Api<Namespace> = Api::all(kube.client.clone());
    namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
    Ok(json!({"gone": eventually(async || Ok(namespaces.get_opt(NAMESPACE).await?.is_none())).await?}))
}

async fn configmap_create(kube: &Kube) -> Result<Value> {
    let made = kube.make_of(json!({"metadata": {"name": "settings"}, "data": {"a": "b"}})).await?;
    Ok(json!({"data": made.data, "identified": made.uid().is_some() && made.resource_version().is_some()}))
}

async fn configmap_replace(kube: &Kube) -> Result<Value> {
    let mut found = kube.config_maps().get("settings").await?;
    found.data.get_or_insert_default().insert("a".into(), "c".into());
    Ok(json!({"data": kube.config_maps().replace("settings", &PostParams::default(), &found).await?.data}))
}

async fn generate_name(kube: &Kube) -> Result<Value> {
    let name = kube.make_of(json!({"metadata": {"generateName": "made-"}})).await?.name_any();
    Ok(json!({"prefix": name.get(..5), "length": name.len()}))
}

fn named(name: &str) -> ConfigMap {
    ConfigMap { metadata: kube::core::ObjectMeta { name: Some(name.into()), ..Default::default() }, ..Default::default() }
}

async fn already_exists(kube: &Kube) -> Result<Value> {
    refusal(kube.config_maps().create(&PostParams::default(), &named("settings")).await)
}

async fn conflict(kube: &Kube) -> Result<Value> {
    let stale = kube.make("contended", Value::Null).await?;
    kube.change("contended", json!({"data": {"a": "2"}})).await?;
    refusal(kube.config_maps().replace("contended", &PostParams::default(), &stale).await)
}

pub(super) fn daemon_set(name: &str) -> Value {
    let spec = json!({"nodeSelector": {"no": "node"}, "containers": [{"name": "main", "image": "pause"}]});
    let template = json!({"metadata": {"labels": {"app": name}}, "spec": spec});
    json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}})
}

async fn invalid(kube: &Kube) -> Result<Value> {
    let mut wrong = daemon_set("wrong");
    wrong["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    wrong["spec"]["template"]["spec"]["containers"] = json!([{"name": "main"}]);
    let told = refusal(kube.api::<DaemonSet>().create(&PostParams::default(), &serde_json::from_value(wrong)?).await)?;
    Ok(pick(told, &["code", "reason", "fields"]))
}

async fn dry_run(kube: &Kube) -> Result<Value> {
    let mut wanted = named("dry");
    wanted.data = Some([("a".to_owned(), "b".to_owned())].into());
    let made = kube.config_maps().create(&PostParams { dry_run: true, ..PostParams::default() }, &wanted).await?;
    Ok(json!({"data": made.data, "stored": kube.config_maps().get_opt("dry").await?.is_some()}))
}

async fn delete(kube: &Kube) -> Result<Value> {
    kube.make("shortlived", Value::Null).await?;
    let told = kube.config_maps().delete("shortlived", &DeleteParams::default()).await?.right().context("a status")?;
    Ok(json!({"answer": told.status, "gone": kube.config_maps().get_opt("shortlived").await?.is_none()}))
}

async fn delete_precondition(kube: &Kube) -> Result<Value> {
    kube.make("kept", Value::Null).await?;
    let other = Preconditions { uid: Some("00000000-0000-0000-0000-000000000000".into()), ..Preconditions::default() };
    let told = refusal(kube.config_maps().delete("kept", &DeleteParams::default().preconditions(other)).await)?;
    let stored = kube.config_maps().get_opt("kept").await?.is_some();
    Ok(json!({"code": told["code"], "reason": told["reason"], "stored": stored}))
}

async fn secret_binary(kube: &Kube) -> Result<Value> {
    let bytes: Vec<u8> = (0..=255).collect();
    let metadata = named("binary").metadata;
    let secret = Secret { metadata, data: Some([("key".to_owned(), ByteString(bytes.clone()))].into()), ..Secret::default() };
    let secrets: Api<Secret> = kube.api();
    secrets.create(&PostParams::default(), &secret).await?;
    let found = secrets.get("binary").await?;
    let same = found.data.is_some_and(|data| data.get("key").is_some_and(|value| value.0 == bytes));
    Ok(json!({"same": same, "type": found.type_}))
}

async fn secret_string_data(kube: &Kube) -> Result<Value> {
    let secret = serde_json::from_value(json!({"metadata": {"name": "strings"}, "stringData": {"key": "value"}}))?;
    Ok(json!({"data": kube.api::<Secret>().create(&PostParams::default(), &secret).await?.data}))
}

async fn daemonset_defaults(kube: &Kube) -> Result<Value> {
    let wanted: DaemonSet = serde_json::from_value(daemon_set("agent"))?;
    let made = serde_json::to_value(kube.api().create(&PostParams::default(), &wanted).await?)?;
    let strategy = at(&made, "/spec/updateStrategy");
    Ok(json!({"strategy": at(strategy, "/type"), "unavailable": at(strategy, "/rollingUpdate/maxUnavailable"),
        "history": at(&made, "/spec/revisionHistoryLimit"), "generation": at(&made, "/metadata/generation"),
        "pull": at(&made, "/spec/template/spec/containers/0/imagePullPolicy")}))
}

async fn daemonset_generation(kube: &Kube) -> Result<Value> {
    let change = Patch::Strategic(json!({"spec": {"minReadySeconds": 1}}));
    let changed = kube.api::<DaemonSet>().patch("agent", &PatchParams::default(), &change).await?;
    Ok(json!({"generation": changed.metadata.generation}))
}

async fn service(kube: &Kube) -> Result<Value> {
    let services: Api<Service> = kube.api();
    let wanted = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}});
    services.create(&PostParams::default(), &serde_json::from_value(wanted)?).await?;
    let spec = serde_json::to_value(services.get("web").await?.spec)?;
    services.delete("web", &DeleteParams::default()).await?;
    Ok(json!({"type": spec["type"], "affinity": spec["sessionAffinity"],
        "protocol": at(&spec, "/ports/0/protocol"), "target": at(&spec, "/ports/0/targetPort")}))
}

/// Dynamic objects, of kinds that are known by discovery alone.
async fn untyped(kube: &Kube) -> Result<Value> {
    let (resource, _) = pinned_kind(&kube.client, &GroupVersionKind::gvk("", "v1", "ConfigMap")).await?;
    let maps: Api<DynamicObject> = Api::namespaced_with(kube.client.clone(), NAMESPACE, &resource);
    let mut wanted = DynamicObject::new("untyped", &resource).data(json!({"data": {"u": "1"}}));
    wanted.labels_mut().insert("untyped".into(), "yes".into());
    maps.create(&PostParams::default(), &wanted).await?;
    let change = Patch::Merge(json!({"data": {"u": "2"}}));
    let changed = maps.patch("untyped", &PatchParams::default(), &change).await?;
    let listed = maps.list(&ListParams::default().labels("untyped=yes")).await?;
    let names: Vec<String> = listed.items.iter().map(ResourceExt::name_any).collect();
    maps.delete("untyped", &DeleteParams::default()).await?;
    Ok(json!({"data": changed.data["data"], "names": names, "gone": maps.get_opt("untyped").await?.is_none()}))
}

async fn lease(kube: &Kube) -> Result<Value> {
    let leases: Api<Lease> = kube.api();
    let spec = json!({"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.123456Z"});
    leases.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": "turn"}, "spec": spec}))?).await?;
    let mut found = leases.get("turn").await?;
    found.spec.get_or_insert_default().holder_identity = Some("you".into());
    let changed = serde_json::to_value(leases.replace("turn", &PostParams::default(), &found).await?.spec)?;
    Ok(json!({"holder": changed["holderIdentity"], "renewed": changed["renewTime"]}))
}
