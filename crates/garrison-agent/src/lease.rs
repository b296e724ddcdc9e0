//! The node's heartbeat: a Lease in `kube-node-lease` of 40 s, renewed every 10 s.

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use std::time::Duration;

const NAMESPACE: &str = "kube-node-lease";
const LASTS: i32 = 40;
const RENEW: Duration = Duration::from_secs(10);
/// After a failure: soon, for three missed renewals make the node NotReady.
const RETRY: Duration = Duration::from_secs(1);
/// One renewal must leave time for the next.
const PATIENCE: Duration = Duration::from_secs(5);

/// Renews the lease for ever.
pub async fn keep(client: Client, node: String, uid: String) {
    let leases: Api<Lease> = Api::namespaced(client, NAMESPACE);
    let mut failing = false;
    loop {
        let renewed = tokio::time::timeout(PATIENCE, renew(&leases, &node, &uid)).await;
        let wait = match renewed {
            Ok(Ok(())) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("the node's lease is renewed again");
                }
                RENEW
            }
            failure => {
                if !std::mem::replace(&mut failing, true) {
                    let why = failure.map_or("no answer in time".to_owned(), |error| format!("{error:?}"));
                    tracing::warn!(why, "cannot renew the node's lease");
                }
                RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn renew(leases: &Api<Lease>, node: &str, uid: &str) -> kube::Result<()> {
    let spec = LeaseSpec {
        holder_identity: Some(node.into()),
        lease_duration_seconds: Some(LASTS),
        renew_time: Some(MicroTime(Timestamp::now())),
        ..LeaseSpec::default()
    };
    let patch = Patch::Merge(serde_json::json!({ "spec": spec }));
    match leases.patch(node, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => return other.map(drop),
    }
    let owner = OwnerReference {
        api_version: "v1".into(),
        kind: "Node".into(),
        name: node.into(),
        uid: uid.into(),
        ..OwnerReference::default()
    };
    let metadata = ObjectMeta { name: Some(node.into()), owner_references: Some(vec![owner]), ..ObjectMeta::default() };
    leases.create(&PostParams::default(), &Lease { metadata, spec: Some(spec) }).await.map(drop)
}
