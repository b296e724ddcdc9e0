//! Pods: service account, priority, and how long they stay on a node in trouble.

use super::{list, priority, service_account};
use crate::storage::Storage;
use garrison_api::Status;
use serde_json::{Value, json};

/// Seconds that a pod stays on a node that is not ready or not reachable, unless it says otherwise.
const PATIENCE: i64 = 300;

pub(super) async fn admit(storage: &Storage, namespace: &str, mut pod: Value) -> Result<Value, Status> {
    if !pod["spec"].is_object() {
        // Refused by validation, which says so better.
        return Ok(pod);
    }
    service_account::admit(storage, namespace, &mut pod).await?;
    priority::admit(storage, &mut pod).await?;
    tolerate_trouble(&mut pod);
    Ok(pod)
}

/// Adds the tolerations for nodes in trouble that the pod does not have itself.
fn tolerate_trouble(pod: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerations = list(&mut pod["spec"], "tolerations");
        let absent = |value: &Value| value.as_str().unwrap_or_default().is_empty();
        let covers = |toleration: &Value| {
            (toleration["key"] == key || absent(&toleration["key"]))
                && (toleration["effect"] == "NoExecute" || absent(&toleration["effect"]))
        };
        if !tolerations.iter().any(covers) {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": PATIENCE}));
        }
    }
}
