//! What one has and another may not take: an address, a lock, a field, the pods that a budget guards.

use super::{Kube, NAMESPACE, Operation, eventually, pick, refusal};
use crate::kubectl::at;
use anyhow::{Context, Result};
use futures::FutureExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("service-address", |kube| service_address(kube).boxed_local()),
    ("lease-lock", |kube| lease_lock(kube).boxed_local()),
    ("apply-status-conflict", |kube| apply_status_conflict(kube).boxed_local()),
    ("disruption-budget", |kube| disruption_budget(kube).boxed_local()),
];

async fn service(kube: &Kube, name: &str, address: Option<&str>) -> Result<kube::Result<Service>> {
    let wanted = json!({"metadata": {"name": name}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}});
    Ok(kube.api().create(&PostParams::default(), &serde_json::from_value(wanted)?).await)
}

async fn service_address(kube: &Kube) -> Result<Value> {
    let spec = service(kube, "housed", None).await??.spec.context("a specification")?;
    let address = spec.cluster_ip.context("an address")?;
    let taken = refusal(service(kube, "squatter", Some(&address)).await?)?;
    kube.api::<Service>().delete("housed", &DeleteParams::default()).await?;
    let moved = service(kube, "squatter", Some(&address)).await??.spec.and_then(|spec| spec.cluster_ip);
    let given = spec.cluster_ips.is_some_and(|all| all == [address.as_str()]);
    Ok(json!({"given": given, "freed": moved == Some(address), "taken": pick(taken, &["code", "reason", "fields"])}))
}

async fn lease_lock(kube: &Kube) -> Result<Value> {
    let leases: Api<Lease> = kube.api();
    let lock = json!({"metadata": {"name": "lock"}, "spec": {"leaseDurationSeconds": 15}});
    leases.create(&PostParams::default(), &serde_json::from_value(lock)?).await?;
    let seen = leases.get("lock").await?;
    let held = |holder: &str| {
        let mut lease = seen.clone();
        lease.spec.get_or_insert_default().holder_identity = Some(holder.into());
        lease
    };
    leases.replace("lock", &PostParams::default(), &held("one")).await?;
    let late = refusal(leases.replace("lock", &PostParams::default(), &held("other")).await)?;
    Ok(json!({"late": late, "holder": leases.get("lock").await?.spec.and_then(|spec| spec.holder_identity)}))
}

async fn apply_status_conflict(kube: &Kube) -> Result<Value> {
    kube.make_pod("claimed").await?;
    let claim = async |manager: &str, phase: &str| {
        let wanted = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "claimed"}, "status": {"phase": phase}});
        kube.api::<Pod>().patch_status("claimed", &PatchParams::apply(manager), &Patch::Apply(wanted)).await
    };
    claim("first", "Running").await?;
    refusal(claim("second", "Failed").await)
}

/// A client that hears of a refusal at once, instead of trying again by itself.
fn impatient(kube: &Kube) -> Result<Client> {
    let mut config = kube.config.clone();
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

async fn disruption_budget(kube: &Kube) -> Result<Value> {
    let (budgets, pods): (Api<PodDisruptionBudget>, Api<Pod>) = (kube.api(), kube.api());
    let spec = json!({"minAvailable": 1, "selector": {"matchLabels": {"guarded": "yes"}}});
    let budget = serde_json::from_value(json!({"metadata": {"name": "guard"}, "spec": spec}))?;
    budgets.create(&PostParams::default(), &budget).await?;
    kube.make_pod("guarded").await?;
    let labels = Patch::Merge(json!({"metadata": {"labels": {"guarded": "yes"}}}));
    pods.patch("guarded", &PatchParams::default(), &labels).await?;
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    pods.patch_status("guarded", &PatchParams::default(), &Patch::Merge(ready)).await?;
    eventually(async || Ok(budgets.get("guard").await?.status.is_some_and(|status| status.current_healthy == Some(1)))).await?;
    let pods: Api<Pod> = Api::namespaced(impatient(kube)?, NAMESPACE);
    let refused = refusal(pods.evict("guarded", &EvictParams::default()).await)?;
    let less = Patch::Merge(json!({"spec": {"minAvailable": 0}}));
    budgets.patch("guard", &PatchParams::default(), &less).await?;
    let allowed = eventually(async || match pods.evict("guarded", &EvictParams::default()).await {
        Err(error) => (*at(&refusal::<()>(Err(error))?, "/code") == 429).then_some(false).context("another refusal"),
        Ok(_) => Ok(true),
    });
    Ok(json!({"refused": refused, "allowed": allowed.await?}))
}
