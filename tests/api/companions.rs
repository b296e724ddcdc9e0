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
    ensure!(text(&applied.stdout).contains("daemonset.apps/shipper created"), "{}", text(&applied.stdout));
    for told in [
        "Warning: roles are stored and grant nothing",
        "Warning: role bindings are stored and grant nothing",
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
    let left = server.kubectl(&["get", "services,deployments,jobs,rolebindings,pdb,netpol,quota", "-A", "-o", "name"])?;
    ensure!(left.trim() == "service/kubernetes", "the namespace is gone, and of these only one should be left: {left}");
    server.stop()
}
