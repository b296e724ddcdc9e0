use serde_json::json;

use super::*;
use crate::identity::NODES;

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
    assert_eq!(authorize(&attributes(user, line)).is_ok(), expected, "{}: {line}", user.name);
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
fn anonymous_reaches_health_version_and_joining_only() {
    let user = User::anonymous();
    for path in ["/healthz", "/livez", "/readyz", "/version", "/garrison/v1/ca"] {
        check(&user, &format!("get {path}"), true);
        check(&user, &format!("post {path}"), false);
    }
    check(&user, "post /garrison/v1/join", true);
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
    for line in ["get /api", "get /apis/apps/v1", "get /openapi/v3", "head /version", "get /livez/ping", "get /openid/v1/jwks"] {
        check(&user, line, true);
    }
    check(&user, "create selfsubjectaccessreviews.authorization.k8s.io", true);
    for line in ["get /metrics", "get /apisx", "post /api", "get pods in=default name=p", "list nodes"] {
        check(&user, line, false);
    }
}

#[test]
fn the_network_agent_reads_nodes_and_nothing_else() {
    let user = User::service_account("kube-system", "garrison-network-agent", "u");
    for line in ["get nodes name=n1", "list nodes", "watch nodes"] {
        check(&user, line, true);
    }
    for line in ["patch nodes name=n1", "get nodes/status name=n1", "list pods", "list nodes.apps"] {
        check(&user, line, false);
    }
    // The name alone is not enough: it must have come with valid credentials.
    check(&User::new(&user.name, []), "list nodes", false);
    check(&User::service_account("default", "garrison-network-agent", "u"), "list nodes", false);
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
        let status = authorize(&attributes(user, line)).unwrap_err();
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
    check(&User::anonymous(), "get /metrics", r#"forbidden: User "system:anonymous" cannot get path "/metrics""#);
}
