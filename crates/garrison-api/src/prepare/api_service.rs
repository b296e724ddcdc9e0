//! API services: those of this server are available from the first moment, those of others never are.

use super::metadata;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The status that one is born with.
pub(super) fn born(object: &mut Value, now: Timestamp) {
    let (status, reason, message) = match object["spec"]["service"].is_object() {
        false => ("True", "Local", "Local APIServices are always available"),
        true => ("False", "NotAggregated", "this server does not pass requests on to the API servers of others"),
    };
    let since = metadata::seconds(now);
    let available =
        json!({"type": "Available", "status": status, "reason": reason, "message": message, "lastTransitionTime": since});
    object["status"] = json!({"conditions": [available]});
}
