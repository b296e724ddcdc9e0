//! The objects that every cluster has from the first moment.

use crate::{
    Server,
    identity::User,
    request::{Call, Target},
    write,
};
use garrison_api::Status;
use serde_json::{Value, json};

/// Makes what is missing of the first objects.
pub(crate) async fn run(server: &Server) -> Result<(), Status> {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        make(server, "/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    }
    for (name, value, what) in [
        (
            "system-cluster-critical",
            2_000_000_000_u32,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        ("system-node-critical", 2_000_001_000, "Used for system critical pods that must not be moved from their current node."),
    ] {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value, "description": what,
        });
        make(server, "/apis/scheduling.k8s.io/v1/priorityclasses", class).await?;
    }
    Ok(())
}

/// Makes an object unless it is there.
async fn make(server: &Server, path: &str, object: Value) -> Result<(), Status> {
    let (request, ()) = http::Request::post(path).body(()).map_err(Status::internal)?.into_parts();
    let call = Call::new(server.custom(), User::controllers(), &request)?;
    let target = call.target.clone().ok_or_else(Status::no_such_path)?;
    let named = Target { name: object["metadata"]["name"].as_str().map(str::to_owned), ..target.clone() };
    if server.storage().find(named.resource(), None, named.name()?).await?.is_some() {
        return Ok(());
    }
    write::create_object(server, &call, &target, object, false).await.map(drop)
}
