//! Every kind of path and method, and what it is answered.

use super::{Cluster, read};
use serde_json::json;

const LOST: &str = "404 page not found\n";
const NOTHING: &str = "the server could not find the requested resource";
const METHOD: &str = "the server does not allow this method on the requested resource";

#[tokio::test]
async fn paths_and_methods_are_answered_as_clients_know_them() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let maps = "/api/v1/namespaces/default/configmaps";
    for (line, code, expected) in [
        ("GET /", 200, ""),
        ("GET /api", 200, ""),
        ("GET /api/", 200, ""),
        ("GET /apis/", 200, ""),
        ("GET /apis/apps/", 200, ""),
        ("GET /apis/apps/v1/", 200, ""),
        ("GET /version", 200, ""),
        ("GET /version/", 200, ""),
        ("GET /version/openid", 404, NOTHING),
        ("GET /openid/v1/jwks", 200, ""),
        ("GET /.well-known/openid-configuration", 200, ""),
        ("GET /nothing", 404, LOST),
        ("GET /healthz/nothing", 404, LOST),
        ("GET /openapi/v3/apis/nothing/v1", 404, LOST),
        ("GET /api/v2", 404, NOTHING),
        ("GET /api/v1/nothings", 404, NOTHING),
        ("GET /api/v1/namespaces/default/configmaps/a/nothing", 404, NOTHING),
        ("GET /apis/apps/v2", 404, NOTHING),
        ("GET /apis/apps/v1/nothings", 404, NOTHING),
        ("GET /apis/nothing.example.org", 404, LOST),
        ("GET /apis/nothing.example.org/v1", 404, LOST),
        ("GET /apis/nothing.example.org/v1/nothings", 404, LOST),
        ("PATCH /api/v1/configmaps", 405, METHOD),
        ("PUT /api/v1/namespaces/default/configmaps", 405, METHOD),
        ("POST /api/v1/namespaces/default/configmaps/a", 405, METHOD),
        ("OPTIONS /api/v1/namespaces/default/configmaps/a", 405, METHOD),
        ("POST /version", 405, METHOD),
        ("HEAD /api/v1/namespaces/default/configmaps/a", 200, ""),
        ("HEAD /healthz", 200, ""),
        ("GET /api/v1/namespaces/default/configmaps/%61", 200, ""),
        ("GET /api/v1/namespaces/default/configmaps/b%2Fc", 404, "configmaps \"b/c\" not found"),
    ] {
        let (answered, body) = read(cluster.send(line, &[], "").await).await;
        let text = body["message"].as_str().or(body.as_str()).unwrap_or_default();
        assert_eq!(answered, code, "{line}: {body}");
        assert!(expected.is_empty() || text == expected, "{line}: {body}");
        if body["kind"] == "Status" && expected != NOTHING && code == 405 {
            assert_eq!((&body["details"], &body["reason"]), (&json!({}), &json!("MethodNotAllowed")), "{line}");
        }
    }
    let page = cluster.send("GET /nothing", &[("accept", "application/vnd.kubernetes.protobuf")], "").await;
    assert_eq!(page.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(cluster.send(&format!("GET {maps}/a"), &[], "").await.headers()["cache-control"], "no-cache, private");
}

/// The index of documents names each with a hash: who asks for it so may keep the answer for ever.
#[tokio::test]
async fn documents_of_the_api_are_cached_by_their_hash() {
    let cluster = Cluster::new().await;
    let index = cluster.check("GET /openapi/v3", serde_json::Value::Null, 200).await;
    for (path, place) in index["paths"].as_object().unwrap() {
        let url = place["serverRelativeURL"].as_str().unwrap();
        let response = cluster.send(&format!("GET {url}"), &[("user-agent", "curl/8"), ("accept-encoding", "gzip")], "").await;
        assert_eq!(response.headers()["cache-control"], "public, immutable, max-age=31536000", "{path}");
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        let again = cluster.send(&format!("GET {url}"), &[("if-none-match", &tag)], "").await;
        assert_eq!((again.status().as_u16(), &again.headers()["etag"]), (304, &http::HeaderValue::from_str(&tag).unwrap()));
    }
}
