use super::*;
use crate::custom::Registry;

#[track_caller]
fn check(method: &str, uri: &str, verb: &str, parts: [&str; 4]) {
    let (request, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
    let call = Call::new(&Registry::new(), User::default(), &request).unwrap();
    let attributes = call.attributes();
    let found = [attributes.resource, attributes.namespace, attributes.name, attributes.subresource];
    assert_eq!((attributes.verb, found), (verb, parts), "{method} {uri}");
}

#[test]
fn paths_name_resources() {
    check("GET", "/api/v1/pods", "list", ["pods", "", "", ""]);
    check("GET", "/api/v1/pods?watch=1", "watch", ["pods", "", "", ""]);
    check("GET", "/api/v1/pods?watch=false", "list", ["pods", "", "", ""]);
    check("GET", "/api/v1/namespaces/a/pods?watch=true", "watch", ["pods", "a", "", ""]);
    check("GET", "/api/v1/watch/pods", "watch", ["pods", "", "", ""]);
    check("GET", "/api/v1/watch/namespaces/a/pods/b", "watch", ["pods", "a", "b", ""]);
    check("POST", "/api/v1/namespaces/a/pods", "create", ["pods", "a", "", ""]);
    check("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", ["pods", "a", "", ""]);
    check("DELETE", "/api/v1/namespaces/a/pods/b", "delete", ["pods", "a", "b", ""]);
    check("PUT", "/api/v1/namespaces/a/pods/b/status", "update", ["pods", "a", "b", "status"]);
    check("PATCH", "/apis/apps/v1/namespaces/a/daemonsets/b", "patch", ["daemonsets", "a", "b", ""]);
    check("GET", "/api/v1/namespaces", "list", ["namespaces", "", "", ""]);
    check("GET", "/api/v1/namespaces/a", "get", ["namespaces", "a", "a", ""]);
    check("PUT", "/api/v1/namespaces/a/finalize", "update", ["namespaces", "a", "a", "finalize"]);
    check("GET", "/api/v1/nodes/n%31/", "get", ["nodes", "", "n1", ""]);
    check("GET", "/api/v1/pods?fieldSelector=metadata.name%3Db", "list", ["pods", "", "b", ""]);
    check("GET", "/api/v1/pods?watch=1&fieldSelector=a!%3Dc,metadata.name%3D%3Db", "watch", ["pods", "", "b", ""]);
    check("GET", "/api/v1/pods?fieldSelector=metadata.name!%3Db", "list", ["pods", "", "", ""]);
    check("GET", "/healthz", "get", ["", "", "", ""]);
    check("POST", "/garrison/v1/join", "post", ["", "", "", ""]);
    check("GET", "/apis/apps/v1", "get", ["", "", "", ""]);
}

#[test]
fn paths_that_name_nothing_are_404() {
    for uri in [
        "/api/v1/nothings",
        "/api/v2/pods",
        "/apis/apps/v1/pods",
        "/api/v1/pods/a",
        "/api/v1/namespaces/a/nodes",
        "/api/v1/namespaces/a/pods/b/nothing",
        "/api/v1/namespaces/a/pods/b/status/c",
    ] {
        let (request, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        assert_eq!(
            Call::new(&Registry::new(), User::default(), &request).map(drop).map_err(|status| status.code),
            Err(404),
            "{uri}"
        );
    }
}

#[test]
fn queries_are_decoded() {
    let query = Query::parse("a=b%3Dc&a=d+e&f&g=%zz&=h");
    assert_eq!(query.all("a").collect::<Vec<_>>(), ["b=c", "d e"]);
    assert_eq!((query.get("f"), query.get("g"), query.get("x")), (Some(""), Some("%zz"), None));
    assert_eq!((query.flag("f"), query.switch("x")), (true, None));
}

#[track_caller]
fn options(query: &str) -> Result<ListOptions, u16> {
    let target = Target::parse(&Registry::new(), "/api/v1/pods").unwrap().unwrap();
    ListOptions::parse(&target, &Query::parse(query)).map_err(|status| status.code)
}

#[test]
fn list_options_that_have_no_meaning_are_refused() {
    for (query, code) in [
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422),
        ("resourceVersionMatch=Some&resourceVersion=1", 422),
        ("resourceVersionMatch=NotOlderThan&resourceVersion=0&continue=x", 422),
        ("resourceVersion=7&continue=x", 400),
        ("resourceVersion=x", 400),
        ("limit=x", 400),
        ("timeoutSeconds=x", 400),
        ("watch=1&resourceVersion=x", 422),
        ("resourceVersion=%2B1", 400),
        ("sendInitialEvents=true", 422),
        ("watch=1&resourceVersionMatch=NotOlderThan", 422),
        ("watch=1&sendInitialEvents=true", 422),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1", 422),
        ("fieldSelector=spec.unknown%3Da", 400),
        ("labelSelector=a%3D%3D%3Db", 400),
    ] {
        assert_eq!(options(query).map(drop), Err(code), "{query}");
    }
    assert!(options("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true").is_ok());
    assert!(options("resourceVersionMatch=NotOlderThan&resourceVersion=0&limit=5").is_ok());
    assert_eq!(options("limit=-1").map(|options| options.limit), Ok(0));
    let longest = options("watch=1&timeoutSeconds=9223372036854775807").unwrap().timeout.unwrap();
    assert!(tokio::time::Instant::now().checked_add(longest).is_some());
    assert_eq!(options("timeoutSeconds=-1").map(|options| options.timeout), Ok(Some(std::time::Duration::ZERO)));
}

#[test]
fn refusals_of_options_say_all_that_is_wrong() {
    let target = Target::parse(&Registry::new(), "/api/v1/pods").unwrap().unwrap();
    let message = |query: &str| ListOptions::parse(&target, &Query::parse(query)).unwrap_err().message;
    for (query, expected) in [
        (
            "resourceVersionMatch=Some&continue=x",
            "[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, \
             resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided, \
             resourceVersionMatch: Unsupported value: \"Some\": supported values: \"Exact\", \"NotOlderThan\", \"\"]",
        ),
        (
            "watch=1&resourceVersionMatch=Exact",
            "[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided, \
             resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"]",
        ),
        (
            "watch=1&sendInitialEvents=false",
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
    ] {
        assert_eq!(message(query), format!("ListOptions.meta.k8s.io \"\" is invalid: {expected}"));
    }
}

#[test]
fn a_watch_listens_as_narrowly_as_its_selectors_allow() {
    let scope = |path: &str, fields: &str| {
        let target = Target::parse(&Registry::new(), path).unwrap().unwrap();
        Selection::parse(&target, None, Some(fields).filter(|text| !text.is_empty())).unwrap().scope()
    };
    use garrison_store::Scope::{Key, Prefix, Term};
    assert_eq!(scope("/api/v1/pods", ""), Prefix("pods/".into()));
    assert_eq!(scope("/api/v1/pods", "metadata.namespace=a"), Prefix("pods/a/".into()));
    assert_eq!(scope("/api/v1/pods", "metadata.name=b"), Prefix("pods/".into()));
    assert_eq!(scope("/api/v1/pods", "spec.nodeName=n"), Term { collection: "pods".into(), term: "n".into() });
    assert_eq!(scope("/api/v1/pods", "spec.nodeName!=n"), Prefix("pods/".into()));
    assert_eq!(scope("/api/v1/namespaces/a/pods", "metadata.name=b"), Key("pods/a/b".into()));
    assert_eq!(scope("/api/v1/nodes", "metadata.name=b"), Key("nodes/b".into()));
    assert_eq!(scope("/apis/apps/v1/namespaces/a/daemonsets", ""), Prefix("daemonsets.apps/a/".into()));
}
