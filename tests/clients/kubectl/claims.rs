//! What one has and another may not take: an address, a lock, a field, the pods that a budget guards.

use super::{Kubectl, Operation, at, eventually};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

pub(super) const ALL: &[Operation] = &[
    ("service-address", service_address),
    ("lease-lock", lease_lock),
    ("apply-status-conflict", apply_status_conflict),
    ("disruption-budget", disruption_budget),
];

fn service(name: &str, address: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"clusterIP": address, "ports": [{"port": 80}]}})
}

fn service_address(kubectl: &Kubectl) -> Result<Value> {
    let made = kubectl.create(&service("housed", &Value::Null))?;
    let address = at(&made, "/spec/clusterIP");
    let taken = kubectl.refused(&["create", "-f", "-"], &service("squatter", address))?;
    kubectl.tell(&["delete", "service", "housed"])?;
    let moved = kubectl.create(&service("squatter", address))?;
    Ok(json!({"given": *at(&made, "/spec/clusterIPs") == json!([address]), "freed": at(&moved, "/spec/clusterIP") == address,
        "taken": taken}))
}

fn lease_lock(kubectl: &Kubectl) -> Result<Value> {
    let lock = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lock"},
        "spec": {"leaseDurationSeconds": 15}});
    let mut one = kubectl.create(&lock)?;
    let mut other = one.clone();
    one["spec"]["holderIdentity"] = "one".into();
    other["spec"]["holderIdentity"] = "other".into();
    kubectl.send(&["replace"], &one)?;
    let late = kubectl.refused(&["replace", "-f", "-"], &other)?;
    Ok(json!({"late": late, "holder": at(&kubectl.object(&["get", "lease", "lock"])?, "/spec/holderIdentity")}))
}

fn apply_status_conflict(kubectl: &Kubectl) -> Result<Value> {
    kubectl.make_pod("claimed")?;
    let claim =
        |phase: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "claimed"}, "status": {"phase": phase}});
    let apply = ["apply", "--server-side", "--subresource=status", "-f", "-"];
    kubectl.with(&[&apply[..], &["--field-manager=first"]].concat(), &claim("Running"))?;
    kubectl.refused(&[&apply[..], &["--field-manager=second"]].concat(), &claim("Failed"))
}

fn disruption_budget(kubectl: &Kubectl) -> Result<Value> {
    kubectl.create(&json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"guarded": "yes"}}}}))?;
    kubectl.make_pod("guarded")?;
    kubectl.tell(&["label", "pod", "guarded", "guarded=yes"])?;
    let mut pod = kubectl.object(&["get", "pod", "guarded"])?;
    pod["status"]["phase"] = "Running".into();
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    kubectl.with(&["replace", "--raw", "/api/v1/namespaces/team/pods/guarded/status", "-f", "-"], &pod)?;
    let path = "/apis/policy/v1/namespaces/team/poddisruptionbudgets/guard";
    eventually(|| Ok(*at(&kubectl.raw(path)?, "/status/currentHealthy") == 1))?;
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "guarded", "namespace": "team"}});
    let evict = ["create", "--raw", "/api/v1/namespaces/team/pods/guarded/eviction", "-f", "-"];
    let refused = kubectl.refused(&evict, &eviction)?;
    kubectl.tell(&["patch", "--type=merge", "pdb", "guard", "-p", "{\"spec\":{\"minAvailable\":0}}"])?;
    let allowed = eventually(|| {
        let output = kubectl.output(&evict, &eviction.to_string())?;
        let told = garrison_tests::server::text(&output.stderr);
        ensure!(output.status.success() || told.contains("(TooManyRequests)"), "{told}");
        Ok(output.status.success())
    })?;
    Ok(json!({"refused": refused, "allowed": allowed}))
}
