//! Binding a pod, or telling why it cannot be bound.

use super::Scheduler;
use crate::event::{Kind, reference};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Binding, ObjectReference, Pod, PodCondition},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Why a pod has to be looked at again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The binding was refused.
    #[error("binding to node {node}")]
    Bind {
        /// The node.
        node: String,
        /// Cause.
        source: kube::Error,
    },
    /// The condition could not be written.
    #[error("writing the PodScheduled condition")]
    Condition(#[source] kube::Error),
}

/// Binds a pod to a node.
pub(super) async fn bind(scheduler: &Scheduler, pod: &Pod, node: &str) -> Result<(), Error> {
    let meta = &pod.metadata;
    let name = meta.name.clone().unwrap_or_default();
    let binding = Binding {
        // The UID makes the server refuse it for a namesake made meanwhile.
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            ..ObjectMeta::default()
        },
        target: ObjectReference { kind: Some("Node".to_owned()), name: Some(node.to_owned()), ..ObjectReference::default() },
    };
    match api(scheduler, pod).create_subresource::<_, Value>("binding", &name, &PostParams::default(), &binding).await {
        Ok(_) => {
            let namespace = meta.namespace.as_deref().unwrap_or_default();
            let message = format!("Successfully assigned {namespace}/{name} to {node}");
            scheduler.recorder.record(&reference(pod), Kind::Normal, "Scheduled", message);
            Ok(())
        }
        Err(source) => Err(Error::Bind { node: node.to_owned(), source }),
    }
}

/// Reports why no node takes a pod: in an event each time, in the pod's condition when that says something new.
pub(super) async fn report(scheduler: &Scheduler, pod: &Pod, message: &str) -> Result<(), Error> {
    scheduler.recorder.record(&reference(pod), Kind::Warning, "FailedScheduling", message);
    let Some(condition) = refused(pod, message, Timestamp::now()) else { return Ok(()) };
    let patch = json!({ "metadata": { "uid": pod.metadata.uid }, "status": { "conditions": [condition] } });
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    match api(scheduler, pod).patch_status(name, &PatchParams::default(), &Patch::Strategic(patch)).await {
        // Gone, or another one by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(()),
        Err(source) => Err(Error::Condition(source)),
        Ok(_) => Ok(()),
    }
}

/// The condition to write, unless the pod has it already.
fn refused(pod: &Pod, message: &str, now: Timestamp) -> Option<PodCondition> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let present = conditions.iter().find(|condition| condition.type_ == "PodScheduled");
    let still = present.filter(|condition| condition.status == "False");
    if still.is_some_and(|condition| {
        condition.message.as_deref() == Some(message) && condition.reason.as_deref() == Some("Unschedulable")
    }) {
        return None;
    }
    Some(PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: still.and_then(|condition| condition.last_transition_time.clone()).or(Some(Time(now))),
        ..PodCondition::default()
    })
}

fn api(scheduler: &Scheduler, pod: &Pod) -> Api<Pod> {
    Api::namespaced(scheduler.context.client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(conditions: Value, message: &str, expected: Option<&str>) {
        let pod: Pod = serde_json::from_value(json!({"status": {"conditions": conditions}})).unwrap();
        let since = |condition: PodCondition| condition.last_transition_time.unwrap().0.to_string();
        let found = refused(&pod, message, "2026-01-02T00:00:00Z".parse().unwrap()).map(since);
        assert_eq!(found.as_deref(), expected, "{conditions}");
    }

    #[test]
    fn the_condition_is_written_when_it_says_something_new() {
        let condition = |status: &str, reason: &str, message: &str| {
            json!([{"type": "PodScheduled", "status": status, "reason": reason, "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z"}])
        };
        check(json!([]), "m", Some("2026-01-02T00:00:00Z"));
        check(condition("False", "Unschedulable", "m"), "m", None);
        check(condition("False", "Unschedulable", "old"), "m", Some("2026-01-01T00:00:00Z"));
        check(condition("False", "Other", "m"), "m", Some("2026-01-01T00:00:00Z"));
        check(condition("True", "Unschedulable", "m"), "m", Some("2026-01-02T00:00:00Z"));
    }
}
