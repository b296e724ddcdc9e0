//! The objects that every cluster has from the first moment.

use crate::{
    Server,
    identity::User,
    kubernetes_service,
    request::{Call, Target},
    storage::{self, Unwritten},
    write,
};
use futures::{StreamExt, TryStreamExt, stream};
use garrison_api::{
    Resource, Status,
    access::bootstrap::{self, Reconciled},
    api_service,
};
use serde_json::{Value, json};

/// Roles and bindings that are looked after at once: they share commits.
const AT_ONCE: usize = 64;

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
    for service in api_service::own() {
        make(server, "/apis/apiregistration.k8s.io/v1/apiservices", service).await?;
    }
    let roles = bootstrap::objects().into_iter().map(|(resource, object)| reconcile(server, resource, object));
    stream::iter(roles).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    kubernetes_service::keep(server).await
}

/// Makes a role or binding, or adds what is missing of one that is there.
async fn reconcile(server: &Server, resource: &'static Resource, wanted: Value) -> Result<(), Status> {
    let (namespace, name) = (wanted["metadata"]["namespace"].as_str(), write::text(&wanted, "name"));
    let within = namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
    let collection = format!("/apis/{}{within}/{}", resource.api_version(), resource.plural);
    let Some(there) = server.storage().find(resource, namespace, name).await? else {
        return make(server, &collection, wanted).await;
    };
    let old = there.record.value();
    match bootstrap::reconcile(&old, &wanted) {
        Reconciled::Unchanged => Ok(()),
        Reconciled::Changed(new) => {
            let record = storage::StoredObject::new(resource, &new).map_err(Status::internal)?;
            settled(server.storage().replace(&there, record).await)
        }
        Reconciled::Replaced => {
            settled(server.storage().remove(&there).await)?;
            make(server, &collection, wanted).await
        }
    }
}

/// Another server of the cluster that starts at the same time does the same.
fn settled<T>(outcome: Result<T, Unwritten>) -> Result<(), Status> {
    match outcome {
        Err(Unwritten::Refused(status)) => Err(status),
        Ok(_) | Err(Unwritten::Raced) => Ok(()),
    }
}

/// Makes an object unless it is there.
async fn make(server: &Server, path: &str, object: Value) -> Result<(), Status> {
    let request = http::Request::post(path).header(http::header::USER_AGENT, "garrison-server");
    let (request, ()) = request.body(()).map_err(Status::internal)?.into_parts();
    let call = Call::new(server.custom(), User::controllers(), &request)?;
    let target = call.target.clone().ok_or_else(Status::no_such_path)?;
    let named = Target { name: object["metadata"]["name"].as_str().map(str::to_owned), ..target.clone() };
    if server.storage().find(named.resource(), named.namespace(), named.name()?).await?.is_some() {
        return Ok(());
    }
    match write::create_object(server, &call, &target, object, false).await {
        // Another server of the cluster was faster.
        Err(status) if status.reason == "AlreadyExists" => Ok(()),
        made => made.map(drop),
    }
}
