//! The requests that are measured: those that daemons, agents and controllers send most.

use anyhow::Result;
use http::{Method, Request, header};
use serde_json::{Value, json};

/// The nodes that pods are spread over; no object of that name exists.
const NODES: usize = 100;

/// The kinds of load, in the order in which they are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    CreatePod,
    GetPod,
    PatchStatus,
    CreateLease,
    RenewLease,
    ListNode,
    ListAll,
    ListMessages,
}

impl Action {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::CreatePod => "create pod",
            Self::GetPod => "get pod",
            Self::PatchStatus => "patch pod status",
            Self::CreateLease => "create lease",
            Self::RenewLease => "renew lease",
            Self::ListNode => "list pods of a node",
            Self::ListAll => "list all pods",
            Self::ListMessages => "list all in protobuf",
        }
    }
}

/// What all requests of one run have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requests {
    /// How many pods there are.
    pub(super) objects: usize,
    /// About how many bytes one has in JSON.
    pub(super) size: usize,
}

impl Requests {
    /// The request number `number` of this kind of load.
    pub(super) fn make(self, action: Action, number: usize) -> Result<Request<Vec<u8>>> {
        let pods = "/api/v1/namespaces/default/pods";
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        // Spread, so that neighbours in time are none in the store.
        let pod = pod_name(number * 7919 % self.objects);
        let (method, path, media_type, body) = match action {
            Action::CreatePod => (Method::POST, pods.to_owned(), "application/json", self.pod(number)),
            Action::GetPod => (Method::GET, format!("{pods}/{pod}"), "", Value::Null),
            Action::PatchStatus => {
                (Method::PATCH, format!("{pods}/{pod}/status"), "application/merge-patch+json", status(number))
            }
            Action::CreateLease => (Method::POST, leases.to_owned(), "application/json", lease(number, 0)),
            Action::RenewLease => {
                let node = number % self.objects;
                (Method::PATCH, format!("{leases}/node-{node}"), "application/merge-patch+json", lease(node, 1 + number))
            }
            Action::ListNode => {
                (Method::GET, format!("{pods}?fieldSelector=spec.nodeName%3Dnode-{}", number % NODES), "", Value::Null)
            }
            Action::ListAll | Action::ListMessages => (Method::GET, pods.to_owned(), "", Value::Null),
        };
        let accept = match action {
            Action::ListMessages => "application/vnd.kubernetes.protobuf",
            _ => "application/json",
        };
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT, accept);
        let request = if media_type.is_empty() { request } else { request.header(header::CONTENT_TYPE, media_type) };
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body)? };
        Ok(request.body(body)?)
    }

    /// A daemon's pod as the DaemonSet controller would make it, filled up to the wanted size.
    fn pod(self, number: usize) -> Value {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod_name(number), "labels": {"app": "bench", "controller-revision-hash": "7d9c5b9d5c"}, "annotations": {}},
            "spec": {
                "nodeName": format!("node-{}", number % NODES),
                "containers": [{"name": "main", "image": "example.com/daemon:1", "args": ["--verbose"],
                    "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}, "limits": {"memory": "200Mi"}},
                    "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                    "volumeMounts": [{"name": "log", "mountPath": "/var/log"}]}],
                "tolerations": [{"operator": "Exists"}],
                "volumes": [{"name": "log", "hostPath": {"path": "/var/log"}}],
            },
        });
        let missing = self.size.saturating_sub(pod.to_string().len());
        pod["metadata"]["annotations"]["bench.garrison.dev/filling"] = "x".repeat(missing).into();
        pod
    }
}

/// The name of a pod.
fn pod_name(number: usize) -> String {
    format!("daemon-{number:06}")
}

/// A change of a pod's status that differs from every other.
pub(super) fn status(number: usize) -> Value {
    let condition = json!({"type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:00Z",
        "message": format!("look {number}")});
    json!({"status": {"phase": "Running", "conditions": [condition]}})
}

fn lease(node: usize, renewal: usize) -> Value {
    let time =
        format!("2026-01-01T00:{:02}:{:02}.{:06}Z", renewal / 60_000_000 % 60, renewal / 1_000_000 % 60, renewal % 1_000_000);
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": format!("node-{node}"), "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": format!("node-{node}"), "leaseDurationSeconds": 40, "renewTime": time}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_have_the_wanted_size() {
        let requests = Requests { objects: 10, size: 6000 };
        let body = requests.make(Action::CreatePod, 3).expect("a request").into_body();
        assert!((6000..6100).contains(&body.len()), "{}", body.len());
    }

    #[test]
    fn every_write_changes_something() {
        let requests = Requests { objects: 10, size: 100 };
        for action in [Action::PatchStatus, Action::RenewLease] {
            let body = |number| requests.make(action, number).expect("a request").into_body();
            assert_ne!(body(1), body(11), "{action:?}");
        }
    }
}
