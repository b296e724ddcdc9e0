//! Services: their addresses and node ports, and the one that leads to the server itself.

use super::{Cluster, config, names, revision};
use crate::Server;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::HashSet;

const SERVICES: &str = "/api/v1/namespaces/default/services";

fn service(name: &str, spec: Value) -> Value {
    let mut object = json!({"metadata": {"name": name}, "spec": spec});
    if object["spec"]["ports"].is_null() && object["spec"]["type"] != "ExternalName" {
        object["spec"]["ports"] = json!([{"port": 80}]);
    }
    object
}

async fn make(cluster: &Cluster, name: &str, spec: Value) -> Value {
    cluster.check(&format!("POST {SERVICES}"), service(name, spec), 201).await
}

async fn refused(cluster: &Cluster, spec: Value) -> String {
    let answer = cluster.check(&format!("POST {SERVICES}"), service("x", spec), 422).await;
    answer["details"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| format!("{}: {}", cause["field"].as_str().unwrap(), cause["message"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_server_is_found_by_its_service() {
    let cluster = Cluster::new().await;
    let port = cluster.server.address().port();
    let found = cluster.check(&format!("GET {SERVICES}/kubernetes"), Value::Null, 200).await;
    assert_eq!(found["metadata"]["labels"], json!({"component": "apiserver", "provider": "kubernetes"}));
    assert_eq!((&found["spec"]["clusterIP"], &found["spec"]["type"]), (&json!("10.96.0.1"), &json!("ClusterIP")));
    let ports = json!([{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}]);
    assert_eq!(found["spec"]["ports"], ports);
    let endpoints = cluster.check("GET /api/v1/namespaces/default/endpoints/kubernetes", Value::Null, 200).await;
    let ports = json!([{"name": "https", "port": port, "protocol": "TCP"}]);
    assert_eq!(endpoints["subsets"], json!([{"addresses": [{"ip": "127.0.0.1"}], "ports": ports}]));
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let slice = cluster.check(&format!("GET {slices}/kubernetes"), Value::Null, 200).await;
    assert_eq!(slice["metadata"]["labels"], json!({"kubernetes.io/service-name": "kubernetes"}));
    assert_eq!((&slice["endpoints"][0]["addresses"], &slice["ports"]), (&json!(["127.0.0.1"]), &ports));

    // What is gone or was changed comes back, and what is right is left alone.
    let before = cluster.server.storage().revision().await.unwrap();
    crate::kubernetes_service::keep(&cluster.server).await.unwrap();
    assert_eq!(cluster.server.storage().revision().await.unwrap(), before);
    cluster.check(&format!("DELETE {SERVICES}/kubernetes"), Value::Null, 200).await;
    cluster.check(&format!("PATCH {slices}/kubernetes"), json!({"ports": [], "endpoints": []}), 200).await;
    cluster.check("PATCH /api/v1/namespaces/default/endpoints/kubernetes", json!({"subsets": null}), 200).await;
    crate::kubernetes_service::keep(&cluster.server).await.unwrap();
    let again = cluster.check(&format!("GET {SERVICES}/kubernetes"), Value::Null, 200).await;
    assert_eq!(again["spec"]["clusterIP"], "10.96.0.1");
    let right = cluster.check(&format!("GET {slices}/kubernetes"), Value::Null, 200).await;
    assert_eq!((&right["endpoints"], &right["ports"]), (&slice["endpoints"], &slice["ports"]));
    let right = cluster.check("GET /api/v1/namespaces/default/endpoints/kubernetes", Value::Null, 200).await;
    assert_eq!(right["subsets"], endpoints["subsets"]);
}

#[tokio::test]
async fn a_service_gets_an_address_of_its_own() {
    let cluster = Cluster::new().await;
    let a = make(&cluster, "a", json!({})).await;
    let spec = &a["spec"];
    assert_eq!(spec["clusterIPs"], json!([spec["clusterIP"]]));
    assert!(spec["clusterIP"].as_str().unwrap().starts_with("10.96."), "{spec}");
    assert_eq!((&spec["ipFamilies"], &spec["ipFamilyPolicy"]), (&json!(["IPv4"]), &json!("SingleStack")));
    let named = make(&cluster, "named", json!({"clusterIP": "10.96.0.9"})).await;
    assert_eq!(named["spec"]["clusterIPs"], json!(["10.96.0.9"]));
    let preferred = make(&cluster, "preferred", json!({"ipFamilyPolicy": "PreferDualStack"})).await;
    assert_eq!(
        (&preferred["spec"]["ipFamilies"], &preferred["spec"]["ipFamilyPolicy"]),
        (&json!(["IPv4"]), &json!("PreferDualStack"))
    );
    let headless = make(&cluster, "headless", json!({"clusterIP": "None", "selector": {"a": "b"}})).await;
    assert_eq!((&headless["spec"]["clusterIPs"], &headless["spec"]["ipFamilies"]), (&json!(["None"]), &json!(["IPv4"])));
    let open = make(&cluster, "open", json!({"clusterIP": "None"})).await;
    assert_eq!(
        (&open["spec"]["ipFamilies"], &open["spec"]["ipFamilyPolicy"]),
        (&json!(["IPv4", "IPv6"]), &json!("RequireDualStack"))
    );
    let external = make(&cluster, "external", json!({"type": "ExternalName", "externalName": "a.example.com"})).await;
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        assert_eq!(external["spec"].get(field), None, "{field}");
    }
    for (spec, expected) in [
        (
            json!({"clusterIP": "10.96.0.9"}),
            "spec.clusterIPs: Invalid value: [\"10.96.0.9\"]: failed to allocate IP 10.96.0.9: provided IP is already allocated",
        ),
        (
            json!({"clusterIP": "10.0.0.9"}),
            "spec.clusterIPs: Invalid value: [\"10.0.0.9\"]: failed to allocate IP 10.0.0.9: the provided IP (10.0.0.9) is not in the \
             valid range. The range of valid IPs is 10.96.0.0/16",
        ),
        (
            json!({"ipFamilyPolicy": "RequireDualStack"}),
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
        ),
        (json!({"ipFamilies": ["IPv6"]}), "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"),
        (
            json!({"clusterIP": "fd00::9"}),
            "spec.clusterIPs[0]: Invalid value: [\"fd00::9\"]: IPv6 is not configured on this cluster",
        ),
    ] {
        assert!(refused(&cluster, spec.clone()).await.starts_with(expected), "{spec}: {}", refused(&cluster, spec.clone()).await);
    }
    // An address is free again with its service, and a dry run takes none.
    cluster.check(&format!("DELETE {SERVICES}/named"), Value::Null, 200).await;
    let dry = cluster.check(&format!("POST {SERVICES}?dryRun=All"), service("dry", json!({"clusterIP": "10.96.0.9"})), 201).await;
    assert_eq!(dry["spec"]["clusterIP"], "10.96.0.9");
    make(&cluster, "other", json!({"clusterIP": "10.96.0.9"})).await;
}

#[tokio::test]
async fn ports_on_the_nodes_are_given_and_kept() {
    let cluster = Cluster::new().await;
    let ports = json!([{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 53}, {"name": "c", "port": 53, "protocol": "UDP"}]);
    let made = make(&cluster, "n", json!({"type": "NodePort", "ports": ports})).await;
    let given = |service: &Value, index: usize| service["spec"]["ports"][index]["nodePort"].as_u64().unwrap_or(0);
    assert_eq!(given(&made, 0), 30080);
    assert!((30_000..=32_767).contains(&given(&made, 1)) && given(&made, 1) == given(&made, 2), "{made}");
    let taken = json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30080}]});
    assert_eq!(
        refused(&cluster, taken).await,
        "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"
    );
    let outside = json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 80}]});
    let told = "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767";
    assert_eq!(refused(&cluster, outside).await, told);
    let balanced = make(&cluster, "l", json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"})).await;
    let health = balanced["spec"]["healthCheckNodePort"].as_u64().unwrap();
    assert!(given(&balanced, 0) >= 30_000 && health >= 30_000 && health != given(&balanced, 0), "{balanced}");
    let without = make(&cluster, "w", json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false})).await;
    assert_eq!(given(&without, 0), 0);

    // A manifest that speaks of none of it changes none of it.
    let silent = service("n", json!({"type": "NodePort", "ports": [{"name": "b", "port": 54}, {"name": "a", "port": 80}]}));
    let kept = cluster.check(&format!("PUT {SERVICES}/n"), silent, 200).await;
    assert_eq!((given(&kept, 0), given(&kept, 1)), (given(&made, 1), 30080));
    assert_eq!(kept["spec"]["clusterIPs"], made["spec"]["clusterIPs"]);
    let mut plain = kept.clone();
    plain["spec"]["type"] = "ClusterIP".into();
    let plain = cluster.check(&format!("PUT {SERVICES}/n"), plain, 200).await;
    assert_eq!((given(&plain, 0), plain["spec"].get("externalTrafficPolicy")), (0, None));
    make(&cluster, "again", json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30080}]})).await;
    let mut external = plain.clone();
    external["spec"]["type"] = "ExternalName".into();
    external["spec"]["externalName"] = "a.example.com".into();
    external["spec"].as_object_mut().unwrap().remove("internalTrafficPolicy");
    let external = cluster.check(&format!("PUT {SERVICES}/n"), external, 200).await;
    assert_eq!((external["spec"].get("clusterIP"), external["spec"].get("ipFamilies")), (None, None));
    let back = json!({"spec": {"type": "NodePort", "externalName": null}});
    let back = cluster.check(&format!("PATCH {SERVICES}/n"), back, 200).await;
    assert!(back["spec"]["clusterIP"].is_string() && given(&back, 0) >= 30_000, "{back}");
    let unchanged = cluster.check(&format!("PUT {SERVICES}/n"), back.clone(), 200).await;
    assert_eq!(revision(&unchanged), revision(&back));
}

#[tokio::test]
async fn of_those_made_at_once_no_two_get_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = config(dir.path());
    small.services.addresses = "10.1.0.0/26".parse().unwrap();
    small.services.node_ports = "30000-30099".parse().unwrap();
    let cluster = Cluster { server: Server::open(small.clone()).await.unwrap(), dir };
    let one = |name: String| {
        let object = service(&name, json!({"type": "NodePort"}));
        let cluster = &cluster;
        async move { cluster.ask(&format!("POST {SERVICES}"), object).await }
    };
    // 62 addresses, of which the server itself has one.
    let answers = join_all((0..70).map(|n| one(format!("s{n}")))).await;
    let made: Vec<&Value> = answers.iter().filter(|(code, _)| *code == 201).map(|(_, made)| made).collect();
    let distinct =
        |pointer: &str| made.iter().map(|made| made.pointer(pointer).unwrap().to_string()).collect::<HashSet<_>>().len();
    assert_eq!((made.len(), distinct("/spec/clusterIP"), distinct("/spec/ports/0/nodePort")), (61, 61, 61));
    let full = answers.iter().find(|(code, _)| *code != 201).unwrap();
    assert_eq!(
        (full.0, full.1["message"].as_str().unwrap().ends_with("failed to allocate a serviceIP: range is full")),
        (500, true)
    );
    // Who asks for the same one at once: one gets it.
    let freed = made[0]["metadata"]["name"].as_str().unwrap();
    let address = made[0]["spec"]["clusterIP"].clone();
    cluster.check(&format!("DELETE {SERVICES}/{freed}"), Value::Null, 200).await;
    let same = |n: usize| {
        let (cluster, object) = (&cluster, service(&format!("t{n}"), json!({"clusterIP": address})));
        async move { cluster.ask(&format!("POST {SERVICES}"), object).await.0 }
    };
    let codes = join_all((0..8).map(same)).await;
    assert_eq!(codes.iter().filter(|code| **code == 201).count(), 1, "{codes:?}");
    // A server that starts anew knows what was given.
    cluster.server.storage().store().close().await;
    let Cluster { server, dir } = cluster;
    drop(server);
    let cluster = Cluster { server: Server::open(small).await.unwrap(), dir };
    let (code, _) = cluster.ask(&format!("POST {SERVICES}"), service("late", json!({}))).await;
    assert_eq!(code, 500, "all are taken");
    assert_eq!(names(&cluster.check(&format!("GET {SERVICES}"), Value::Null, 200).await).len(), 62);
}
