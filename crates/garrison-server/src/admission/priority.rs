//! Priority classes: a pod names one, the server fills in what it means.

use crate::{
    storage::{self, Storage},
    write::text,
};
use garrison_api::{Resource, Status, resource};
use garrison_store::Range;
use serde_json::Value;

fn classes() -> Result<&'static Resource, Status> {
    resource::find("scheduling.k8s.io", "v1", "priorityclasses")
        .ok_or_else(|| Status::internal("priority classes are not served"))
}

/// Fills in the priority that the pod's class means, or that of the default class.
pub(super) async fn admit(storage: &Storage, pod: &mut Value) -> Result<(), Status> {
    let name = pod["spec"]["priorityClassName"].as_str().unwrap_or_default().to_owned();
    let class = if name.is_empty() { default_class(storage).await? } else { Some(named(storage, pod, &name).await?) };
    let value = class.as_ref().and_then(|class| class["value"].as_i64()).unwrap_or(0);
    let policy = class.as_ref().and_then(|class| class["preemptionPolicy"].as_str()).unwrap_or("PreemptLowerPriority").to_owned();
    if let Some(given) = pod["spec"]["priority"].as_i64().filter(|given| *given != value) {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
        );
        return Err(Status::forbidden("", "pods", text(pod, "name"), &why));
    }
    if let Some(given) = pod["spec"]["preemptionPolicy"].as_str().filter(|given| *given != policy) {
        let why = format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
        );
        return Err(Status::forbidden("", "pods", text(pod, "name"), &why));
    }
    if let Some(class) = class {
        pod["spec"]["priorityClassName"] = class["metadata"]["name"].clone();
    }
    pod["spec"]["priority"] = value.into();
    pod["spec"]["preemptionPolicy"] = policy.into();
    Ok(())
}

async fn named(storage: &Storage, pod: &Value, name: &str) -> Result<Value, Status> {
    let found = storage.find(classes()?, None, name).await?;
    let why = || format!("no PriorityClass with name {name} was found");
    Ok(found.ok_or_else(|| Status::forbidden("", "pods", text(pod, "name"), &why()))?.record.shown())
}

/// The class of pods that name none. If there are several, the lowest: priority should not be had by accident.
async fn default_class(storage: &Storage) -> Result<Option<Value>, Status> {
    let prefix = storage::prefix(classes()?, None);
    let page = storage.range(Range { prefix: &prefix, term: None, start: "", filter: None, limit: 0, at: None }).await?;
    let classes = page.entries.iter().map(|entry| entry.record.shown());
    Ok(classes.filter(|class| class["globalDefault"] == true).min_by_key(|class| class["value"].as_i64()))
}

/// Only one class can be that of pods that name none.
pub(super) async fn require_one_default(storage: &Storage, class: Value) -> Result<Value, Status> {
    if class["globalDefault"] == true
        && let Some(other) = default_class(storage).await?
    {
        let why = format!("PriorityClass {} is already marked as default. Only one default can exist", text(&other, "name"));
        return Err(Status::forbidden("scheduling.k8s.io", "priorityclasses", text(&class, "name"), &why));
    }
    Ok(class)
}
