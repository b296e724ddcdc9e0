use super::*;
use crate::identity::{AUTHENTICATED, NODES};
use garrison_api::access::bootstrap;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// With the roles that every cluster has, and those of a team in namespace `a`.
static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(|| {
    let role = |name: &str, rules: Value| json!({"kind": "Role", "metadata": {"namespace": "a", "name": name}, "rules": rules});
    let binding = |kind: &str, name: &str, user: &str| {
        let role = json!({"kind": kind, "name": name});
        let metadata = json!({"namespace": "a", "name": format!("{name}-{user}")});
        json!({"kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": [{"kind": "User", "name": user}]})
    };
    let rule = |verbs: &[&str], resource: &str, names: &[&str]| json!({"verbs": verbs, "apiGroups": [""], "resources": [resource], "resourceNames": names});
    let team = [
        role("pods", json!([rule(&["get", "list"], "pods", &[]), rule(&["get", "list"], "secrets", &["s"])])),
        binding("Role", "pods", "ann"),
        binding("ClusterRole", "system:aggregate-to-view", "ann"),
        binding("Role", "gone", "bob"),
    ];
    let common = bootstrap::objects().into_iter().map(|(_, object)| object);
    Authorizer::new(Roles::of(common.chain(team)))
});

/// A request in one line: `verb resource[.group][/subresource] [in=namespace] [name=object] [fields=selector]`, or `verb /path`.
fn attributes<'a>(user: &'a User, line: &'a str) -> Attributes<'a> {
    let mut words = line.split(' ');
    let (verb, what) = (words.next().unwrap(), words.next().unwrap());
    let empty = Attributes {
        user,
        verb,
        group: "",
        resource: "",
        subresource: "",
        namespace: "",
        name: "",
        path: "",
        field_selector: "",
    };
    if what.starts_with('/') {
        return Attributes { path: what, ..empty };
    }
    let (what, subresource) = what.split_once('/').unwrap_or((what, ""));
    let (resource, group) = what.split_once('.').unwrap_or((what, ""));
    let mut request = Attributes { group, resource, subresource, ..empty };
    for word in words {
        match word.split_once('=').unwrap() {
            ("in", namespace) => request.namespace = namespace,
            ("name", name) => request.name = name,
            ("fields", selector) => request.field_selector = selector,
            other => panic!("{other:?}"),
        }
    }
    request
}

#[track_caller]
fn check(user: &User, line: &str, expected: bool) {
    assert_eq!(AUTHORIZER.allows(&attributes(user, line)), expected, "{}: {line}", user.name);
}

fn node() -> User {
    User::new("system:node:n1", [NODES, AUTHENTICATED])
}

#[test]
fn masters_may_do_everything() {
    let admin = User::new("garrison-admin", [MASTERS, AUTHENTICATED]);
    for line in ["delete nodes name=n1", "get /metrics", "deletecollection pods in=a", "create pods/exec in=a name=p"] {
        check(&admin, line, true);
    }
}

#[test]
fn anonymous_reaches_health_and_version_only() {
    let user = User::anonymous();
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        check(&user, &format!("get {path}"), true);
        check(&user, &format!("post {path}"), false);
    }
    for line in
        ["get /", "get /api", "get /apis/apps/v1", "get /metrics", "get /openapi/v3", "get /healthz/ping", "list pods in=default"]
    {
        check(&user, line, false);
    }
    check(&user, "create selfsubjectreviews.authentication.k8s.io", false);
}

#[test]
fn the_known_may_discover_the_api_and_review_themselves() {
    let user = User::service_account("default", "app", "u");
    for line in ["get /api", "get /apis/apps/v1", "get /openapi/v3", "get /version", "get /livez", "get /openid/v1/jwks"] {
        check(&user, line, true);
    }
    check(&user, "create selfsubjectaccessreviews.authorization.k8s.io", true);
    check(&User::new("ann", [AUTHENTICATED]), "get /openid/v1/jwks", false);
    for line in [
        "get /metrics",
        "get /livez/ping",
        "head /version",
        "get /apisx",
        "post /api",
        "get pods in=default name=p",
        "list nodes",
    ] {
        check(&user, line, false);
    }
}

#[test]
fn roles_give_what_bindings_in_their_namespace_say() {
    let ann = User::new("ann", [AUTHENTICATED]);
    for line in [
        "list pods in=a",
        "get pods in=a name=p",
        "get secrets in=a name=s",
        "list secrets in=a name=s",
        "get namespaces in=a name=a",
        "watch daemonsets.apps in=a",
        "get pods/log in=a name=p",
    ] {
        check(&ann, line, true);
    }
    for line in [
        "list pods",
        "list pods in=b",
        "create pods in=a",
        "get secrets in=a name=t",
        "list secrets in=a",
        "get namespaces in=b name=b",
        "list namespaces",
        "patch daemonsets.apps in=a name=d",
        "create pods/exec in=a name=p",
    ] {
        check(&ann, line, false);
        check(&User::new("system:masters", ["ann"]), line, false);
    }
    let monitor = User::new("m", ["system:monitoring", AUTHENTICATED]);
    check(&monitor, "get /metrics", true);
    check(&monitor, "get /livez/ping", true);
    check(&User::new("system:kube-scheduler", [AUTHENTICATED]), "create pods/binding in=b name=p", true);
}

#[test]
fn what_allows_a_request_can_be_told() {
    let told = |user: &User, line: &str| AUTHORIZER.decide(&attributes(user, line));
    let ann = User::new("ann", [AUTHENTICATED]);
    let reason = r#"RBAC: allowed by RoleBinding "pods-ann/a" of Role "pods" to User "ann""#;
    assert_eq!(told(&ann, "list pods in=a"), Decision::Allowed(reason.into()));
    let reason = r#"RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated""#;
    assert_eq!(told(&ann, "get /api"), Decision::Allowed(reason.into()));
    assert_eq!(told(&ann, "list pods"), Decision::Unknown(String::new()));
    assert_eq!(told(&User::new("x", [MASTERS]), "list pods"), Decision::Allowed(String::new()));
}

#[test]
fn a_node_reaches_what_is_its_own() {
    let node = node();
    for line in [
        "create nodes",
        "get nodes name=n1",
        "watch nodes fields=metadata.name=n1",
        "patch nodes/status name=n1",
        "create leases.coordination.k8s.io in=kube-node-lease",
        "update leases.coordination.k8s.io in=kube-node-lease name=n1",
        "list pods fields=spec.nodeName=n1",
        "watch pods fields=status.phase!=Failed,spec.nodeName==n1",
        "get pods in=a name=p",
        "delete pods in=a name=p",
        "patch pods/status in=a name=p",
        "get secrets in=a name=s",
        "get configmaps in=a name=c",
        "create serviceaccounts/token in=a name=default",
        "create events in=a",
        "patch events in=a name=e",
        "create tokenreviews.authentication.k8s.io",
        "create subjectaccessreviews.authorization.k8s.io",
        "get /api",
    ] {
        check(&node, line, true);
    }
}

#[test]
fn a_node_does_not_reach_what_is_not() {
    let node = node();
    for line in [
        "get nodes name=n2",
        "list nodes",
        "list nodes fields=metadata.name!=n1",
        "update nodes name=n2",
        "delete nodes name=n1",
        "patch nodes/status name=n2",
        "update leases.coordination.k8s.io in=kube-node-lease name=n2",
        "update leases.coordination.k8s.io in=kube-system name=n1",
        "list pods",
        "list pods fields=spec.nodeName=n2",
        "watch pods fields=spec.nodeName!=n1",
        "deletecollection pods in=a fields=spec.nodeName=n1",
        "create pods in=a",
        "update pods in=a name=p",
        "create pods/exec in=a name=p",
        "create pods/binding in=a name=p",
        "list secrets in=a",
        "watch secrets in=a fields=metadata.name=s",
        "watch configmaps in=a fields=metadata.name=c",
        "update secrets in=a name=s",
        "delete events in=a name=e",
        "list daemonsets.apps",
    ] {
        check(&node, line, false);
    }
}

#[track_caller]
fn check_restriction(line: &str, object: &Value, expected: Result<(), &str>) {
    let node = node();
    let outcome = restrict_node(&attributes(&node, line), object).map_err(|status| status.message);
    assert_eq!(outcome.as_ref().copied().map_err(String::as_str), expected, "{line}");
}

#[test]
fn a_node_is_held_to_the_objects_that_are_its_own() {
    let pod = |node: &str| json!({"metadata": {"name": "p"}, "spec": {"nodeName": node}});
    let named = |name: &str| json!({"metadata": {"name": name}});
    check_restriction("get pods in=a name=p", &pod("n1"), Ok(()));
    let foreign = Err(r#"pods "p" is forbidden: node "n1" can only access pods with spec.nodeName set to itself"#);
    check_restriction("patch pods/status in=a name=p", &pod("n2"), foreign);
    check_restriction("delete pods in=a name=p", &named("p"), foreign);
    check_restriction("create nodes", &named("n1"), Ok(()));
    check_restriction("create nodes", &named("n2"), Err(r#"nodes is forbidden: node "n1" is not allowed to access other nodes"#));
    let lease = "create leases.coordination.k8s.io in=kube-node-lease";
    check_restriction(lease, &named("n1"), Ok(()));
    let other_lease = Err(r#"leases.coordination.k8s.io is forbidden: node "n1" can only access its own lease"#);
    check_restriction(lease, &named("n2"), other_lease);
    check_restriction("create events in=a", &named("x"), Ok(()));

    let admin = User::new("garrison-admin", [MASTERS]);
    assert!(restrict_node(&attributes(&admin, "delete pods in=a name=p"), &pod("n2")).is_ok());
}

#[test]
fn refusals_are_worded_as_upstream_words_them() {
    #[track_caller]
    fn check(user: &User, line: &str, message: &str) {
        let status = AUTHORIZER.authorize(&attributes(user, line)).unwrap_err();
        assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
        assert_eq!(status.message, message);
    }
    let app = User::service_account("y", "x", "u");
    check(
        &app,
        "list pods in=y",
        r#"pods is forbidden: User "system:serviceaccount:y:x" cannot list resource "pods" in API group "" in the namespace "y""#,
    );
    check(
        &app,
        "patch daemonsets.apps/status in=y name=d",
        r#"daemonsets.apps "d" is forbidden: User "system:serviceaccount:y:x" cannot patch resource "daemonsets/status" in API group "apps" in the namespace "y""#,
    );
    check(
        &node(),
        "list pods",
        r#"pods is forbidden: User "system:node:n1" cannot list resource "pods" in API group "" at the cluster scope: can only list/watch pods with spec.nodeName field selector"#,
    );
    check(
        &User::new("bob", [AUTHENTICATED]),
        "list pods in=a",
        r#"pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "a": RBAC: role.rbac.authorization.k8s.io "gone" not found"#,
    );
    check(&User::anonymous(), "get /metrics", r#"forbidden: User "system:anonymous" cannot get path "/metrics""#);
}
