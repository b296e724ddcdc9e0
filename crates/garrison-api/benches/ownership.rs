//! What it costs to keep who owns what: the writes that fleets of nodes make all the time, with and without it.

use criterion::Criterion;
use garrison_api::{
    apply::{self, Set, structure},
    resource::{self, Resource},
};
use serde_json::{Value, json};
use std::hint::black_box;

/// A write of an object by its agent, which changes one thing and sends all.
struct Case {
    resource: &'static Resource,
    subresource: &'static str,
    bytes: Vec<u8>,
    next: Vec<u8>,
    owned_bytes: Vec<u8>,
    owned_next: Vec<u8>,
}

fn write<'a>(
    manager: &'a str,
    resource: &Resource,
    subresource: &'a str,
    version: &'a str,
    ignored: &'a Set,
) -> apply::Write<'a> {
    apply::Write {
        manager,
        api_version: version,
        subresource,
        now: "2026-01-01T00:00:00Z",
        ignored,
        by_value: apply::by_value(resource),
    }
}

impl Case {
    fn new(kind: (&str, &str), subresource: &'static str, created: &Value, written: &Value, next: &Value) -> Self {
        let resource = resource::by_kind(kind.0, kind.1).expect("is served");
        let (structure, none) = (structure::of_kind(kind.0, kind.1).expect("is known"), Set::default());
        let owned = apply::create(structure, &write("controller", resource, "", kind.0, &none), created, Value::Null);
        let by_agent = write("agent", resource, subresource, kind.0, &none);
        let owned = apply::update(structure, &by_agent, created, &owned, written, Value::Null);
        let with = |object: &Value| {
            let mut object = object.clone();
            object["metadata"]["managedFields"] = owned.clone();
            object.to_string().into_bytes()
        };
        Self {
            resource,
            subresource,
            bytes: written.to_string().into_bytes(),
            next: next.to_string().into_bytes(),
            owned_bytes: with(written),
            owned_next: with(next),
        }
    }

    /// Both states read, one written.
    fn plain(&self) -> Vec<u8> {
        let old: Value = serde_json::from_slice(&self.bytes).expect("JSON");
        let new: Value = serde_json::from_slice(&self.next).expect("JSON");
        assert!(old != new);
        new.to_string().into_bytes()
    }

    /// The same, and who owns what.
    fn owned(&self) -> Vec<u8> {
        let mut old: Value = serde_json::from_slice(&self.owned_bytes).expect("JSON");
        let mut new: Value = serde_json::from_slice(&self.owned_next).expect("JSON");
        let take = |object: &mut Value| object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields"));
        let (owned, sent) = (take(&mut old).unwrap_or_default(), take(&mut new).unwrap_or_default());
        let version = self.resource.api_version();
        let ignored = apply::ignored(self.resource, Some(self.subresource).filter(|name| !name.is_empty()));
        let by_agent = write("agent", self.resource, self.subresource, &version, &ignored);
        let structure = structure::of_kind(&version, self.resource.kind).expect("is known");
        let now = apply::update(structure, &by_agent, &old, &owned, &new, sent);
        assert!(old != new && now.as_array().is_some_and(|entries| entries.len() == 2), "{now}");
        new["metadata"]["managedFields"] = now;
        new.to_string().into_bytes()
    }
}

fn lease() -> Case {
    let created = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {
        "name": "node-1", "namespace": "kube-node-lease", "uid": "0f9e6b1c-9a1f-4d9b-8f0a-8a4e7c1f2b3d",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "5d0f4a4e-6a3c-4a55-9b1a-0e6f1f4a7c11"}],
    }, "spec": {"holderIdentity": "node-1", "leaseDurationSeconds": 40}});
    let (mut written, mut next) = (created.clone(), created.clone());
    written["spec"]["renewTime"] = "2026-01-01T00:00:10.000000Z".into();
    next["spec"]["renewTime"] = "2026-01-01T00:00:20.000000Z".into();
    Case::new(("coordination.k8s.io/v1", "Lease"), "", &created, &written, &next)
}

fn pod() -> Case {
    let manifest = include_str!("../../../examples/fluentd-elasticsearch.yaml");
    let set: Value = manifest
        .split("\n---")
        .filter_map(|document| serde_norway::from_str::<Value>(document).ok())
        .find(|object| object["kind"] == "DaemonSet")
        .expect("the example is a DaemonSet");
    let mut created = set["spec"]["template"].clone();
    (created["apiVersion"], created["kind"]) = ("v1".into(), "Pod".into());
    created["metadata"]["name"] = "fluentd-elasticsearch-x7k2p".into();
    let row = resource::by_kind("v1", "Pod").expect("pods are served");
    garrison_api::defaults::apply(row, &mut created);
    let condition = |kind: &str, at: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": format!("2026-01-01T00:00:{at}Z")});
    let status = |at: &str, restarts: u32| {
        let kinds = ["PodScheduled", "Initialized", "PodReadyToStartContainers", "ContainersReady", "Ready"];
        json!({"phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.1.0.7", "podIPs": [{"ip": "10.1.0.7"}],
            "startTime": "2026-01-01T00:00:00Z", "qosClass": "Burstable", "conditions": kinds.map(|kind| condition(kind, at)),
            "containerStatuses": [{"name": "c", "ready": true, "restartCount": restarts, "image": "i", "imageID": "sha256:0", "started": true,
                "state": {"running": {"startedAt": format!("2026-01-01T00:00:{at}Z")}}}]})
    };
    let (mut written, mut next) = (created.clone(), created.clone());
    (written["status"], next["status"]) = (status("01", 0), status("02", 1));
    Case::new(("v1", "Pod"), "status", &created, &written, &next)
}

fn ownership(criterion: &mut Criterion) {
    for (name, case) in [("lease", lease()), ("pod status", pod())] {
        println!("{name}: {} bytes, {} with entries", case.bytes.len(), case.owned_bytes.len());
        criterion.bench_function(&format!("{name}, plain"), |bencher| bencher.iter(|| black_box(case.plain())));
        criterion.bench_function(&format!("{name}, owned"), |bencher| bencher.iter(|| black_box(case.owned())));
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    ownership(&mut criterion);
    criterion.final_summary();
}
