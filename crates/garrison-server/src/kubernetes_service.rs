//! The service `kubernetes`, by which the API server itself is found, and what is behind it.

use crate::{
    Server,
    identity::User,
    request::{Call, Target},
    write::{self, Proposal},
};
use garrison_api::Status;
use serde_json::{Value, json};
use std::{net::IpAddr, time::Duration};

/// How often it is looked at whether they are still as they should be.
const EVERY: Duration = Duration::from_secs(10);

/// Keeps them, for ever.
pub(crate) async fn run(server: &Server) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = keep(server).await {
            tracing::warn!(%error, "the service kubernetes is not as it should be");
        }
    }
}

/// Makes the service and its endpoints, or puts them right.
pub(crate) async fn keep(server: &Server) -> Result<(), Status> {
    let port = server.address().port();
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP", "clusterIP": server.services().ranges().addresses.first().to_string(), "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
        },
    });
    ensure(server, "/api/v1/namespaces/default/services", service, "/spec/ports").await?;
    // A name leads nowhere by itself.
    let Ok(address) = server.advertise_address().parse::<IpAddr>() else { return Ok(()) };
    let ports = json!([{"name": "https", "port": port, "protocol": "TCP"}]);
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": address.to_string()}], "ports": ports}],
    });
    ensure(server, "/api/v1/namespaces/default/endpoints", endpoints, "/subsets").await?;
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{"addresses": [address.to_string()], "conditions": {"ready": true}}], "ports": ports,
    });
    for part in ["/endpoints", "/ports"] {
        ensure(server, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice.clone(), part).await?;
    }
    Ok(())
}

/// Makes an object unless it is there; there, its labels and one part of it are put right.
async fn ensure(server: &Server, path: &str, object: Value, part: &str) -> Result<(), Status> {
    let (request, ()) = http::Request::post(path).body(()).map_err(Status::internal)?.into_parts();
    let call = Call::new(server.custom(), User::controllers(), &request)?;
    let target = call.target.clone().ok_or_else(Status::no_such_path)?;
    let named = Target { name: object["metadata"]["name"].as_str().map(str::to_owned), ..target.clone() };
    let Some(found) = server.storage().find(named.resource(), named.namespace(), named.name()?).await? else {
        return write::create_object(server, &call, &target, object, false).await.map(drop);
    };
    if is_right(&found.record.shown(), &object, part) {
        return Ok(());
    }
    let propose = |old: &crate::storage::Stored| {
        let mut put_right = old.record.value();
        put_right["metadata"]["labels"] = object["metadata"]["labels"].clone();
        if let (Some(there), Some(wanted)) = (put_right.pointer_mut(part), object.pointer(part)) {
            *there = wanted.clone();
        } else if let Some(wanted) = object.pointer(part) {
            put_right[part.trim_start_matches('/')] = wanted.clone();
        }
        Ok(Proposal { object: put_right, warnings: Vec::new() })
    };
    write::modify(server, &call, &named, false, propose).await.map(drop)
}

fn is_right(found: &Value, wanted: &Value, part: &str) -> bool {
    found.pointer(part) == wanted.pointer(part) && found["metadata"]["labels"] == wanted["metadata"]["labels"]
}
