//! What each operation comes to, by the conventions of the Kubernetes API, whichever client asks.

use crate::client::{Client, Kind};
use serde_json::{Value, json};

/// Operations that are known not to work yet, as `operation` or `operation@client`. One that works must leave this list.
pub(crate) const PENDING: &[&str] = &[];

/// One operation of the script.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) result: Value,
    without: Vec<(Who, &'static str)>,
}

#[derive(Clone, Copy)]
enum Who {
    Any(Kind),
    /// kubectl before this minor version.
    KubectlBefore(u32),
}

use Kind::{KubeRs, Kubectl, Node, Python};
use Who::{Any, KubectlBefore};

impl Operation {
    fn without(mut self, who: Who, why: &'static str) -> Self {
        self.without.push((who, why));
        self
    }

    /// Why the client has no such operation.
    pub(crate) fn why_not(&self, client: &Client) -> Option<&'static str> {
        let meant = |who: &Who| match *who {
            Any(kind) => client.kind == kind,
            KubectlBefore(minor) => client.kind == Kubectl && client.minor < minor,
        };
        self.without.iter().find(|(who, _)| meant(who)).map(|(_, why)| *why)
    }

    /// What the client can tell of the result.
    pub(crate) fn seen_by(&self, client: &Client) -> Value {
        let mut result = self.result.clone();
        if let Value::Object(members) = &mut result {
            members.retain(|name, _| !client.kind.is_blind_to(name));
            for member in members.values_mut().filter_map(Value::as_object_mut) {
                member.retain(|name, _| !client.kind.is_blind_to(name));
            }
        }
        result
    }
}

fn op(name: &'static str, result: Value) -> Operation {
    Operation { name, result, without: Vec::new() }
}

fn refusal(code: u16, reason: &str, message: &str) -> Value {
    json!({"code": code, "reason": reason, "message": message})
}

/// The script, in its order.
pub(crate) fn script() -> Vec<Operation> {
    [discovery(), objects(), patches(), lists(), watches(), lives(), claims(), access(), kinds(), forms()]
        .into_iter()
        .flatten()
        .collect()
}

fn discovery() -> Vec<Operation> {
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    vec![
        op("version", json!({"major": "1", "minor": "36"})),
        op("groups", json!({"apps": "v1", "batch": "v1", "coordination.k8s.io": "v1", "rbac.authorization.k8s.io": "v1"})),
        op("resources", json!({"kind": "DaemonSet", "namespaced": true, "short": ["ds"], "verbs": verbs})),
    ]
}

fn objects() -> Vec<Operation> {
    let stale = "Operation cannot be fulfilled on configmaps \"contended\": the object has been modified; \
                 please apply your changes to the latest version and try again";
    let unknown = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"bogus\"";
    vec![
        op("namespace-create", json!({"name": "team", "phase": "Active"})),
        op("configmap-create", json!({"data": {"a": "b"}, "identified": true})),
        op("configmap-get", json!({"data": {"a": "b"}})),
        op("configmap-replace", json!({"data": {"a": "c"}})),
        op("generate-name", json!({"prefix": "made-", "length": 10})),
        op("already-exists", refusal(409, "AlreadyExists", "configmaps \"settings\" already exists")),
        op("not-found", refusal(404, "NotFound", "configmaps \"missing\" not found")),
        op("conflict", refusal(409, "Conflict", stale)),
        op(
            "invalid",
            json!({"code": 422, "reason": "Invalid",
                "fields": ["spec.template.metadata.labels", "spec.template.spec.containers[0].image"]}),
        ),
        op("strict-validation", refusal(400, "BadRequest", unknown))
            .without(KubectlBefore(25), "validates by itself")
            .without(Any(KubeRs), "asks for it in patches only")
            .without(Any(Node), "drops unknown fields itself"),
        op("validation-warning", json!({"warning": "unknown field \"bogus\""}))
            .without(KubectlBefore(25), "validates by itself")
            .without(Any(KubeRs), "asks for it in patches only")
            .without(Any(Node), "drops unknown fields itself"),
        op("dry-run", json!({"data": {"a": "b"}, "stored": false})),
        op("delete", json!({"answer": "Success", "gone": true})),
        op("delete-precondition", json!({"code": 409, "reason": "Conflict", "stored": true}))
            .without(Any(Kubectl), "has no flag for it"),
        op("secret-binary", json!({"same": true, "type": "Opaque"})),
        op("secret-string-data", json!({"data": {"key": "dmFsdWU="}})),
        op(
            "daemonset-defaults",
            json!({"strategy": "RollingUpdate", "unavailable": 1, "history": 10, "pull": "Always", "generation": 1}),
        ),
        op("daemonset-generation", json!({"generation": 2})),
        op("service", json!({"type": "ClusterIP", "affinity": "None", "protocol": "TCP", "target": 80})),
        op("untyped", json!({"data": {"u": "2"}, "names": ["untyped"], "gone": true}))
            .without(Any(Kubectl), "knows no types but by discovery anyway"),
        op("lease", json!({"holder": "you", "renewed": "2026-01-02T03:04:05.123456Z"})),
    ]
}

fn patches() -> Vec<Operation> {
    let taken = "Apply failed with 1 conflict: conflict with \"first\": .data.a";
    vec![
        op("patch-json", json!({"data": {"a": "json"}})),
        op("patch-json-test", json!({"code": 422, "reason": "Invalid"})),
        op("patch-merge", json!({"data": {"c": "d", "e": "f"}})),
        op("patch-strategic", json!({"containers": ["side", "main"]})),
        op("apply-create", json!({"data": {"a": "1", "b": "2"}, "managers": ["first/Apply"]})),
        op("apply-remove", json!({"data": {"a": "1"}})),
        op("apply-conflict", json!({"code": 409, "reason": "Conflict", "message": taken, "fields": [".data.a"]})),
        op("apply-force", json!({"data": {"a": "2"}, "managers": ["second/Apply"]})),
    ]
}

fn lists() -> Vec<Operation> {
    let no_field = "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    vec![
        op(
            "label-selector",
            json!({"equal": ["tier-one"], "in": ["tier-one", "tier-two"], "not": ["tier-three", "tier-two"], "absent": []}),
        ),
        op("field-selector", json!({"names": ["settings"], "refused": refusal(400, "BadRequest", no_field)})),
        op("paging", json!({"sizes": [10, 10, 5], "seen": 25, "remaining": [null, null, null], "unselected": 1})),
        op("list-exact", json!({"then": ["exact-old"], "now": ["exact-new", "exact-old"]})),
        op("continue-expired", json!({"code": 410, "reason": "Expired", "rest": ["leaf-2"]})),
        op("delete-collection", json!({"left": 0, "others": true})),
    ]
}

fn watches() -> Vec<Operation> {
    let passing =
        |name: &str| json!({"events": [format!("ADDED {name}"), format!("MODIFIED {name}"), format!("DELETED {name}")]});
    let seen = "ADDED first,ADDED second,MODIFIED second,DELETED second".split(',').collect::<Vec<_>>();
    let no_cache = "keeps no cache";
    vec![
        op("watch-from-version", passing("passing")),
        op("watch-from-zero", json!({"events": ["ADDED zero"]})),
        op("watch-unset", json!({"events": ["ADDED unset"]})),
        op("watch-bookmarks", json!({"events": ["BOOKMARK"]})),
        op("streaming-list", json!({"events": ["ADDED", "BOOKMARK", "true"]})),
        op("watch-transition", passing("turning")),
        op("watch-expired", json!({"code": 410, "reason": "Expired"})),
        op("informer", json!({"events": seen})).without(Any(Kubectl), no_cache),
        op("informer-disconnect", json!({"cached": ["after-cut", "before-cut"]})).without(Any(Kubectl), no_cache),
        op("informer-expired", json!({"cached": ["before-restart", "meanwhile"]})).without(Any(Kubectl), no_cache),
        op("metadata-watch", passing("described"))
            .without(Any(Kubectl), no_cache)
            .without(Any(Python), "has no watch for metadata alone")
            .without(Any(Node), "has no watch for metadata alone"),
    ]
}

fn lives() -> Vec<Operation> {
    vec![
        op("finalizer", json!({"marked": true, "gone": true})),
        op("graceful-deletion", json!({"seconds": 30, "marked": true, "gone": true})),
        op("propagation-background", json!({"owner": true, "child": true})),
        op("propagation-orphan", json!({"owners": []})),
        op("propagation-foreground", json!({"finalizers": ["foregroundDeletion"], "gone": true})),
        op("status-subresource", json!({"phase": "Running", "deadline": null})).without(KubectlBefore(24), "has no flag for it"),
        op("scale", json!({"kind": "Scale", "before": 1, "after": 3})),
        op("eviction", json!({"status": "Success", "marked": true})),
        op("wait-condition", json!({"met": true}))
            .without(Any(Python), "waits for nothing")
            .without(Any(Node), "waits for nothing"),
    ]
}

fn claims() -> Vec<Operation> {
    let late = "Operation cannot be fulfilled on leases.coordination.k8s.io \"lock\": the object has been modified; \
                please apply your changes to the latest version and try again";
    let taken = "Apply failed with 1 conflict: conflict with \"first\" with subresource \"status\": .status.phase";
    let guarded = "Cannot evict pod as it would violate the pod's disruption budget.";
    vec![
        op(
            "service-address",
            json!({"given": true, "freed": true, "taken": {"code": 422, "reason": "Invalid", "fields": ["spec.clusterIPs"]}}),
        ),
        op("lease-lock", json!({"late": refusal(409, "Conflict", late), "holder": "one"})),
        op("apply-status-conflict", json!({"code": 409, "reason": "Conflict", "message": taken, "fields": [".status.phase"]}))
            .without(KubectlBefore(32), "has no flag for it"),
        op(
            "disruption-budget",
            json!({"allowed": true,
                "refused": {"code": 429, "reason": "TooManyRequests", "message": guarded, "cause": "DisruptionBudget"}}),
        ),
    ]
}

fn access() -> Vec<Operation> {
    let other = "users \"somebody\" is forbidden: User \"system:serviceaccount:team:default\" cannot impersonate resource \
                 \"users\" in API group \"\" at the cluster scope";
    let denied = "configmaps is forbidden: User \"nobody\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"team\"";
    vec![
        op("token-request", json!({"subject": "system:serviceaccount:team:default"}))
            .without(KubectlBefore(24), "has no command for it"),
        op("token-review", json!({"authenticated": true, "user": "system:serviceaccount:team:default"}))
            .without(KubectlBefore(24), "has no command for tokens"),
        op("access-review", json!({"own": true, "other": false})),
        op("self-subject-review", json!({"master": true})).without(KubectlBefore(28), "has no command for it"),
        op("impersonation", refusal(403, "Forbidden", denied)),
        op("role-binding", json!({"get": true, "delete": "Forbidden"})),
        op("rules-review", json!({"configmaps": [["get"]], "incomplete": false})),
        op("role-aggregation", json!({"rules": ["get configmaps"]})),
        op("impersonation-denied", refusal(403, "Forbidden", other)).without(KubectlBefore(24), "has no command for tokens"),
        op("event-core", json!({"names": ["told"], "type": "Normal"})),
        op("event-v1", json!({"message": "n", "about": "settings"})),
    ]
}

fn kinds() -> Vec<Operation> {
    let no_field = "field label not supported: spec.size";
    let unknown = "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.bogus\"";
    vec![
        op("crd-create", json!({"established": true})),
        op("custom-objects", json!({"color": "red", "size": 2, "generation": 2, "names": ["w"], "gone": true})),
        op("custom-invalid", json!({"code": 422, "reason": "Invalid", "fields": ["spec.size"]})),
        op("custom-status", json!({"size": 1, "ready": true, "generation": 1})).without(KubectlBefore(24), "has no flag for it"),
        op("custom-apply", json!({"size": 3, "color": "red", "managers": ["first/Apply"]})),
        op("custom-strict", refusal(400, "BadRequest", unknown))
            .without(KubectlBefore(25), "validates by itself")
            .without(Any(KubeRs), "asks for it in patches only"),
        op("custom-columns", json!({"columns": ["NAME", "SIZE"], "row": ["tabled", "7"]})),
        op(
            "custom-versions",
            json!({"made": "clients.test/v1beta1", "read": "clients.test/v1", "color": "red", "preferred": "v1"}),
        ),
        op(
            "custom-rule",
            json!({"size": {"code": 422, "reason": "Invalid", "fields": ["spec"]},
                "color": {"code": 422, "reason": "Invalid", "fields": ["spec.color"]}}),
        ),
        op("custom-selectable", json!({"names": ["blue"], "refused": refusal(400, "BadRequest", no_field)})),
        op("custom-watch", json!({"events": ["ADDED seen", "MODIFIED seen", "DELETED seen"]})),
    ]
}

fn forms() -> Vec<Operation> {
    vec![
        op("table", json!({"columns": ["NAME", "DATA", "AGE"]})),
        op("metadata-only", json!({"kind": "PartialObjectMetadata", "data": false, "name": "settings"}))
            .without(Any(Kubectl), "never asks for it"),
        op("protobuf", json!({"type": "application/vnd.kubernetes.protobuf", "magic": "k8s"}))
            .without(Any(Kubectl), "does not tell; newer ones send it for every typed create"),
        op("yaml", json!({"type": "application/yaml", "starts": "apiVersion: v1\ndata:\n"}))
            .without(Any(Kubectl), "makes it from JSON itself"),
        op("http2", json!({"version": "HTTP/2.0"}))
            .without(Any(KubeRs), "speaks HTTP/1.1 unless it is given a connector of one's own")
            .without(Any(Python), "speaks HTTP/1.1")
            .without(Any(Node), "speaks HTTP/1.1"),
        op("namespace-delete", json!({"gone": true})),
    ]
}
