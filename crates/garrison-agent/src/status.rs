//! Pod status on its way to the API: the newest wish is written, nothing is written twice, others' conditions stay.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};

/// A server that does not answer by then is asked again.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// The conditions that the agent writes; others belong to controllers and to readiness gates.
const OWN: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// The fields of a status that the agent writes. One that is not set is removed in the API.
const FIELDS: [&str; 12] = [
    "phase",
    "reason",
    "message",
    "hostIP",
    "hostIPs",
    "podIP",
    "podIPs",
    "startTime",
    "qosClass",
    "observedGeneration",
    "containerStatuses",
    "initContainerStatuses",
];

/// What should stand in the API.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The pod as last seen in the API.
    pub pod: Arc<Pod>,
    /// Its status as it should be.
    pub status: PodStatus,
}

/// Writes the newest wanted status of one pod, for as long as someone may want one. Sends what the API then has.
pub async fn write_loop(client: Client, mut wanted: watch::Receiver<Option<Wanted>>, written: mpsc::UnboundedSender<Pod>) {
    let mut newest: Option<Arc<Pod>> = None;
    let mut last: Option<(Value, Value)> = None;
    let mut pause = RETRY;
    loop {
        let Some(next) = wanted.borrow_and_update().clone() else {
            if wanted.changed().await.is_err() {
                return;
            }
            continue;
        };
        let base = newer(newest.take(), Arc::clone(&next.pod));
        let (ours, theirs) = (own_fields(&next.status), own_fields(base.status.as_ref().unwrap_or(&PodStatus::default())));
        // A server that stores something else than it was told is told once.
        let said = last.as_ref().is_some_and(|(said, answer)| *said == ours && *answer == theirs);
        if ours == theirs || said {
            newest = Some(base);
            if wanted.changed().await.is_err() {
                return;
            }
            continue;
        }
        match tokio::time::timeout(PATIENCE, write(&client, &base, &next.status)).await {
            Ok(Ok(pod)) => {
                pause = RETRY;
                last = Some((ours, own_fields(pod.status.as_ref().unwrap_or(&PodStatus::default()))));
                newest = Some(Arc::new(pod.clone()));
                if written.send(pod).is_err() {
                    return;
                }
            }
            Ok(Err(WriteError::Changed)) => {
                newest = read(&client, &base).await.map(Arc::new);
                if newest.is_none() {
                    tokio::time::sleep(pause).await;
                }
            }
            Ok(Err(WriteError::Gone)) => {
                if wanted.changed().await.is_err() {
                    return;
                }
            }
            Ok(Err(WriteError::Failed)) | Err(_) => {
                newest = Some(base);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_RETRY);
            }
        }
    }
}

enum WriteError {
    /// Somebody else wrote in between.
    Changed,
    /// The pod is not there any more, or another one of its name is.
    Gone,
    /// Worth another try.
    Failed,
}

async fn write(client: &Client, pod: &Pod, status: &PodStatus) -> Result<Pod, WriteError> {
    let metadata = &pod.metadata;
    let (namespace, name) = (metadata.namespace.as_deref().unwrap_or("default"), metadata.name.as_deref().unwrap_or_default());
    let body = serde_json::json!({
        "metadata": { "uid": metadata.uid, "resourceVersion": metadata.resource_version },
        "status": patch_of(pod, status),
    });
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    match pods.patch_status(name, &PatchParams::default(), &Patch::Merge(body)).await {
        Ok(pod) => Ok(pod),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(WriteError::Gone),
        Err(kube::Error::Api(status)) if status.code == 409 => Err(WriteError::Changed),
        Err(error) => {
            tracing::debug!(pod = name, error = crate::join::chain(&error), "cannot write a pod's status");
            Err(WriteError::Failed)
        }
    }
}

async fn read(client: &Client, pod: &Pod) -> Option<Pod> {
    let metadata = &pod.metadata;
    let pods: Api<Pod> = Api::namespaced(client.clone(), metadata.namespace.as_deref()?);
    let read = tokio::time::timeout(PATIENCE, pods.get(metadata.name.as_deref()?)).await.ok()?.ok()?;
    (read.metadata.uid == metadata.uid).then_some(read)
}

/// The one of two states of a pod that is newer by the server's count; if that cannot be told, the second.
pub fn newer(known: Option<Arc<Pod>>, seen: Arc<Pod>) -> Arc<Pod> {
    let version = |pod: &Pod| pod.metadata.resource_version.as_deref().and_then(|version| version.parse::<u64>().ok());
    match known {
        Some(known) if version(&known).zip(version(&seen)).is_some_and(|(known, seen)| known > seen) => known,
        _ => seen,
    }
}

/// The agent's part of a status, in a form that compares.
fn own_fields(status: &PodStatus) -> Value {
    let mut fields = fields_of(status);
    let own: Vec<Value> = OWN
        .iter()
        .filter_map(|kind| status.conditions.iter().flatten().find(|condition| condition.type_ == *kind))
        .map(|condition| serde_json::to_value(condition).unwrap_or_default())
        .collect();
    fields.insert("conditions".into(), own.into());
    // The server sets it when the pod is made, and it never changes.
    fields.remove("qosClass");
    fields.into()
}

fn fields_of(status: &PodStatus) -> Map<String, Value> {
    let mut whole = serde_json::to_value(status).unwrap_or_default();
    let take = |field: &str| (field.to_owned(), whole.get_mut(field).map_or(Value::Null, Value::take));
    FIELDS.into_iter().map(take).collect()
}

/// The status as a merge patch: unset fields are removed, foreign conditions carried over.
fn patch_of(pod: &Pod, status: &PodStatus) -> Value {
    let mut patch = fields_of(status);
    let foreign = |condition: &&PodCondition| !OWN.contains(&condition.type_.as_str());
    let in_api = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ours = status.conditions.iter().flatten().filter(|condition| !foreign(condition));
    let all: Vec<&PodCondition> = ours.chain(in_api.iter().filter(foreign)).collect();
    patch.insert("conditions".into(), serde_json::to_value(all).unwrap_or_default());
    patch.into()
}

/// When a pod was made, for orders.
pub fn created(pod: &Pod) -> Timestamp {
    pod.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(version: &str, status: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p", "resourceVersion": version}, "status": status})).unwrap()
    }

    #[test]
    fn foreign_conditions_stay_and_unset_fields_go() {
        let in_api = json!({
            "phase": "Running", "podIP": "1.1.1.1",
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "DisruptionTarget", "status": "True"}],
        });
        let wanted = pod("1", json!({"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]}));
        let patch = patch_of(&pod("1", in_api), &wanted.status.unwrap());
        assert_eq!(patch["phase"], "Failed");
        assert_eq!(patch["podIP"], Value::Null);
        let kinds: Vec<_> = patch["conditions"].as_array().unwrap().iter().map(|c| (&c["type"], &c["status"])).collect();
        assert_eq!(kinds, [(&json!("Ready"), &json!("False")), (&json!("DisruptionTarget"), &json!("True"))]);
    }

    #[test]
    fn only_our_part_is_compared() {
        let one = pod("1", json!({"phase": "Running", "conditions": [{"type": "X", "status": "True"}]}));
        let other = pod("1", json!({"phase": "Running", "qosClass": "BestEffort", "nominatedNodeName": "n"}));
        assert_eq!(own_fields(&one.status.unwrap()), own_fields(&other.status.unwrap()));
    }

    #[test]
    fn older_states_do_not_replace_newer_ones() {
        let check = |known: &str, seen: &str, expected: &str| {
            let chosen = newer(Some(Arc::new(pod(known, json!({})))), Arc::new(pod(seen, json!({}))));
            assert_eq!(chosen.metadata.resource_version.as_deref(), Some(expected));
        };
        check("9", "10", "10");
        check("10", "9", "10");
        check("x", "9", "9");
    }
}
