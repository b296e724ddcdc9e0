//! Lists: revisions, pages, selectors.

use super::{Cluster, names, pod, read, revision};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn list(cluster: &Cluster, query: &str) -> Value {
    cluster.check(&format!("GET {MAPS}?{query}"), Value::Null, 200).await
}

#[tokio::test]
async fn an_empty_list_has_items_and_a_revision() {
    let cluster = Cluster::new().await;
    let empty = list(&cluster, "").await;
    assert_eq!((&empty["kind"], &empty["items"]), (&json!("ConfigMapList"), &json!([])));
    assert!(revision(&empty) > 0);
}

#[tokio::test]
async fn every_form_of_resource_version_is_understood() {
    let cluster = Cluster::new().await;
    let a = revision(&cluster.config_map("a", json!({})).await);
    let b = revision(&cluster.config_map("b", json!({})).await);
    let exactly = format!("resourceVersion={a}&resourceVersionMatch=Exact");
    for (query, expected) in [
        (String::new(), vec!["a", "b"]),
        ("resourceVersion=0".into(), vec!["a", "b"]),
        (format!("resourceVersion={a}"), vec!["a", "b"]),
        (format!("resourceVersion={a}&resourceVersionMatch=NotOlderThan"), vec!["a", "b"]),
        (exactly.clone(), vec!["a"]),
        (format!("resourceVersion={a}&limit=5"), vec!["a"]),
        (format!("resourceVersion={a}&limit=5&resourceVersionMatch=NotOlderThan"), vec!["a", "b"]),
        ("resourceVersion=0&limit=1".into(), vec!["a", "b"]),
    ] {
        let found = list(&cluster, &query).await;
        assert_eq!(names(&found), expected, "{query}");
        assert_eq!(revision(&found), if expected.len() == 1 && !query.contains("=0") { a } else { b }, "{query}");
    }
    let future = cluster.check(&format!("GET {MAPS}?resourceVersion={}", b + 100), Value::Null, 504).await;
    assert_eq!(
        (&future["reason"], &future["details"]["causes"][0]["reason"]),
        (&json!("Timeout"), &json!("ResourceVersionTooLarge"))
    );
    cluster.server.storage().store().compact(b).await.unwrap();
    let gone = cluster.check(&format!("GET {MAPS}?{exactly}"), Value::Null, 410).await;
    assert_eq!(gone["reason"], "Expired");
}

#[tokio::test]
async fn pages_are_of_one_revision() {
    let cluster = Cluster::new().await;
    for n in 0..7 {
        cluster.config_map(&format!("m{n}"), json!({"odd": (n % 2).to_string()})).await;
    }
    let mut page = list(&cluster, "limit=2").await;
    let first = revision(&page);
    assert_eq!(page["metadata"]["remainingItemCount"], 5);
    let mut all = names(&page);
    while let Some(token) = page["metadata"]["continue"].as_str().map(str::to_owned) {
        // What happens between the pages is not on them.
        cluster.ask(&format!("DELETE {MAPS}/m{}", all.len()), Value::Null).await;
        cluster.config_map(&format!("m{}x", all.len()), json!({})).await;
        page = list(&cluster, &format!("limit=2&continue={token}")).await;
        assert_eq!(revision(&page), first);
        all.extend(names(&page));
    }
    assert_eq!(all, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    let selected = list(&cluster, "limit=1&labelSelector=odd%3D1").await;
    assert!(selected["metadata"].get("remainingItemCount").is_none() && selected["metadata"]["continue"].is_string());
}

#[tokio::test]
async fn a_page_that_came_too_late_can_be_continued_with_what_there_is() {
    let cluster = Cluster::new().await;
    for name in ["a", "b", "c"] {
        cluster.config_map(name, json!({})).await;
    }
    let page = list(&cluster, "limit=1").await;
    let token = page["metadata"]["continue"].as_str().unwrap();
    cluster.config_map("b2", json!({})).await;
    let newest = cluster.server.storage().revision().await.unwrap();
    cluster.server.storage().store().compact(newest).await.unwrap();
    let expired = cluster.check(&format!("GET {MAPS}?limit=9&continue={token}"), Value::Null, 410).await;
    let rest = list(&cluster, &format!("limit=9&continue={}", expired["metadata"]["continue"].as_str().unwrap())).await;
    assert_eq!(names(&rest), ["b", "b2", "c"]);
    cluster.check(&format!("GET {MAPS}?continue=garbage"), Value::Null, 400).await;
}

#[tokio::test]
async fn selectors_select() {
    let cluster = Cluster::new().await;
    for (name, node) in [("a", Some("n1")), ("b", Some("n2")), ("c", None), ("d", Some("n1"))] {
        cluster.pod(&format!("other-{name}")).await;
        let mut object = pod(name);
        object["metadata"]["labels"] = json!({"tier": if node.is_some() { "bound" } else { "free" }});
        if let Some(node) = node {
            object["spec"]["nodeName"] = node.into();
        }
        cluster.check("POST /api/v1/namespaces/default/pods", object, 201).await;
    }
    for (query, expected) in [
        ("fieldSelector=spec.nodeName%3Dn1", vec!["a", "d"]),
        ("fieldSelector=spec.nodeName%3Dn1,metadata.name!%3Da", vec!["d"]),
        ("fieldSelector=spec.nodeName%3Dn1,metadata.namespace%3Dother", vec![]),
        ("fieldSelector=metadata.name%3Dc", vec!["c"]),
        ("labelSelector=tier", vec!["a", "b", "c", "d"]),
        ("labelSelector=tier+in+(free)", vec!["c"]),
        ("labelSelector=tier%3Dbound&fieldSelector=spec.nodeName!%3Dn1", vec!["b"]),
        ("labelSelector=tier&fieldSelector=spec.nodeName%3D", vec!["c"]),
    ] {
        let found = cluster.check(&format!("GET /api/v1/pods?{query}"), Value::Null, 200).await;
        assert_eq!(names(&found), expected, "{query}");
    }
    cluster.check("GET /api/v1/pods?fieldSelector=spec.bogus%3Dx", Value::Null, 400).await;
}

#[tokio::test]
async fn a_long_list_is_compressed() {
    let cluster = Cluster::new().await;
    for n in 0..30 {
        let object = json!({"metadata": {"name": format!("m{n:02}")}, "data": {"k": "x".repeat(10_000)}});
        cluster.check(&format!("POST {MAPS}"), object, 201).await;
    }
    let plain = list(&cluster, "").await;
    let response = cluster.send(&format!("GET {MAPS}"), &[("accept-encoding", "gzip")], "").await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let unpacked: Value = serde_json::from_reader(flate2::read::GzDecoder::new(&bytes[..])).unwrap();
    assert_eq!(unpacked, plain);
    let (_, small) = read(cluster.send(&format!("GET {MAPS}/m00"), &[("accept-encoding", "gzip")], "").await).await;
    assert_eq!(small["metadata"]["name"], "m00");
}
