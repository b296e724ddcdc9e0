//! A daemon's manifest with all that comes along with it: every object is taken, and what nothing acts on is named.

use crate::server::{Server, text};
use anyhow::{Result, ensure};

const MANIFEST: &str = r#"---
{apiVersion: v1, kind: Namespace, metadata: {name: logs}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: shipper, namespace: logs}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "logs:shipper"}
rules: [{apiGroups: [""], resources: [pods, namespaces], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "logs:shipper"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "logs:shipper"}
subjects: [{kind: ServiceAccount, name: shipper, namespace: logs}]
---
apiVersion: v1
kind: Service
metadata: {name: shipper, namespace: logs}
spec: {selector: {app: shipper}, ports: [{name: metrics, port: 2020, targetPort: metrics}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shipper, namespace: logs}
spec: {maxUnavailable: 10%, selector: {matchLabels: {app: shipper}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shipper, namespace: logs}
spec: {podSelector: {matchLabels: {app: shipper}}, ingress: [{ports: [{port: metrics, protocol: TCP}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: collector, namespace: logs}
spec:
  selector: {matchLabels: {app: collector}}
  template:
    metadata: {labels: {app: collector}}
    spec: {containers: [{name: c, image: "collector:1"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: shipper, namespace: logs}
spec:
  selector: {matchLabels: {app: shipper}}
  template:
    metadata: {labels: {app: shipper}}
    spec: {serviceAccountName: shipper, containers: [{name: c, image: "shipper:1"}]}
"#;

#[test]
fn a_manifest_is_applied_to_its_end_and_goes_with_its_namespace() -> Result<()> {
    let server = Server::start()?;
    let applied = server.kubectl_with(&["apply", "-f", "-"], MANIFEST)?;
    ensure!(applied.status.success(), "{}", text(&applied.stderr));
    ensure!(!text(&applied.stderr).contains("role"), "roles are more than stored: {}", text(&applied.stderr));
    server.kubectl(&["get", "pods", "--all-namespaces", "--as=system:serviceaccount:logs:shipper"])?;
    ensure!(text(&applied.stdout).contains("daemonset.apps/shipper created"), "{}", text(&applied.stdout));
    for told in [
        "Warning: services get their addresses, and nothing forwards traffic to them yet",
        "Warning: deployments are stored, no controller acts on them",
    ] {
        ensure!(text(&applied.stderr).contains(told), "{told}: {}", text(&applied.stderr));
    }
    let again = server.kubectl_with(&["apply", "-f", "-"], MANIFEST)?;
    let unchanged = text(&again.stdout).lines().filter(|line| line.ends_with("unchanged")).count();
    // A newer kubectl sends a budget's selector always, since its list of changes replaces it as a whole.
    ensure!(unchanged >= 8, "{}\n{}", text(&again.stdout), text(&again.stderr));

    let all = server.kubectl(&["-n", "logs", "get", "all"])?;
    for row in ["service/shipper   ClusterIP   10.96.", "daemonset.apps/shipper", "deployment.apps/collector   0/1"] {
        ensure!(all.contains(row), "{row}: {all}");
    }
    server.kubectl(&["-n", "logs", "scale", "deployment", "collector", "--replicas=3"])?;
    let described = server.kubectl(&["-n", "logs", "describe", "deployment", "collector"])?;
    ensure!(described.contains("3 desired"), "{described}");

    // Bodies in the form that newer clients send.
    server.kubectl(&["-n", "logs", "create", "role", "r", "--verb=get", "--resource=pods"])?;
    server.kubectl(&["-n", "logs", "create", "rolebinding", "b", "--role=r", "--serviceaccount=logs:shipper"])?;
    server.kubectl(&["-n", "logs", "create", "service", "clusterip", "s", "--tcp=80:8080"])?;
    server.kubectl(&["-n", "logs", "create", "deployment", "d", "--image=i", "--replicas=2"])?;
    server.kubectl(&["-n", "logs", "create", "job", "j", "--image=i"])?;
    server.kubectl(&["-n", "logs", "create", "quota", "q", "--hard=pods=5"])?;
    // An older one makes these in versions that are no longer served.
    if crate::daemon_sets::minor_version(&server)? >= 22 {
        server.kubectl(&["-n", "logs", "create", "cronjob", "c", "--image=i", "--schedule=@daily"])?;
        server.kubectl(&["-n", "logs", "create", "pdb", "p", "--min-available=1", "--selector=a=b"])?;
    }
    let role = server.kubectl(&["-n", "logs", "get", "rolebinding", "b", "-o", "wide", "--no-headers"])?;
    ensure!(role.contains("Role/r") && role.contains("logs/shipper"), "{role}");

    server.kubectl(&["delete", "namespace", "logs", "--timeout=60s"])?;
    let left = server.kubectl(&["get", "services,deployments,jobs,rolebindings,pdb,netpol,quota", "-n", "logs", "-o", "name"])?;
    ensure!(left.is_empty(), "the namespace is gone, these are not: {left}");
    server.stop()
}

/// What daemons of five trades bring along, each as one manifest.
const MANIFESTS: [(&str, &str); 5] = [
    ("network plugin", include_str!("manifests/network_plugin.yaml")),
    ("storage driver", include_str!("manifests/storage_driver.yaml")),
    ("log collector", include_str!("manifests/log_collector.yaml")),
    ("node exporter", include_str!("manifests/node_exporter.yaml")),
    ("device plugin", include_str!("manifests/device_plugin.yaml")),
];

/// Kinds that kubectl sends again though nothing has changed, and the minor version from which it does not.
const AS_A_WHOLE: [(&str, u32); 3] =
    [("poddisruptionbudget.policy/", u32::MAX), ("statefulset.apps/", u32::MAX), ("cronjob.batch/", 21)];

#[test]
fn manifests_of_every_trade_are_taken_to_their_end_and_are_no_change_the_second_time() -> Result<()> {
    let server = Server::start()?;
    let minor = crate::daemon_sets::minor_version(&server)?;
    let strict = if minor >= 25 { "--validate=strict" } else { "--validate=true" };
    for (trade, manifest) in MANIFESTS {
        let objects = manifest.lines().filter(|line| line.starts_with("kind: ")).count();
        let apply = || server.kubectl_with(&["apply", strict, "-f", "-"], manifest);
        let made = apply()?;
        let (out, told) = (text(&made.stdout), text(&made.stderr));
        ensure!(made.status.success(), "{trade}: {told}");
        ensure!(out.lines().filter(|line| line.ends_with(" created")).count() == objects, "{trade}: {out}{told}");
        ensure!(told.lines().all(|line| line.starts_with("Warning: ")), "{trade}: {told}");
        let again = apply()?;
        let out = text(&again.stdout);
        // kubectl replaces these as a whole, and so always sends them: a budget's selector, and templates of claims.
        let as_a_whole = |line: &&str| AS_A_WHOLE.iter().any(|(kind, before)| minor < *before && line.starts_with(kind));
        let changed: Vec<&str> =
            out.lines().filter(|line| !line.ends_with(" unchanged")).filter(|line| !as_a_whole(line)).collect();
        ensure!(again.status.success() && changed.is_empty(), "{trade}: {changed:?} {}", text(&again.stderr));
        ensure!(out.lines().count() == objects, "{trade}: {out}");
    }

    for (arguments, wanted) in [
        (&["-n", "logging", "get", "ing"][..], "logs edge logs.example.com,*.logs.example.com 80, 443"),
        (&["-n", "logging", "get", "hpa"], "aggregator Deployment/aggregator cpu: <unknown>/70%, <unknown>/1k 2 10 0"),
        (&["-n", "monitoring", "get", "rc"], "gateway 1 0 0"),
        (&["get", "apiservices"], "v1beta1.metrics.example.com"),
        (&["get", "apiservices", "v1.apps"], "Local True"),
        (&["get", "flowschemas"], "netplug"),
        (&["-n", "gpu", "get", "resourceclaims"], "large pending"),
        (&["get", "api-extensions", "-o", "name"], "validatingadmissionpolicy.admissionregistration.k8s.io/gpu-limits"),
        (&["get", "resourceslices", "--field-selector=spec.driver=gpu.example.com", "-o", "name"], "n1-gpu"),
        (&["-n", "logging", "describe", "ingress", "logs"], "logs.example.com"),
        (&["-n", "logging", "describe", "hpa", "aggregator"], "Max replicas"),
    ] {
        let shown = server.kubectl(arguments)?;
        let plain = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(plain.contains(wanted), "{wanted:?} is not in the answer to {arguments:?}: {shown}");
    }
    server.stop()
}
