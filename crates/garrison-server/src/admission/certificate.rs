//! Certificate signing requests say who asks: the one who made them, whatever they say themselves.

use crate::identity::User;
use garrison_api::Resource;
use serde_json::{Value, json};

/// A request with its requester; objects of other kinds as they are.
pub(crate) fn with_requester(user: &User, resource: &Resource, mut object: Value) -> Value {
    if resource.kind != "CertificateSigningRequest" || !object.is_object() {
        return object;
    }
    if !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    let fields =
        [("username", json!(user.name)), ("uid", json!(user.uid)), ("groups", json!(user.groups)), ("extra", json!(user.extra))];
    let is_empty = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    for (field, value) in fields {
        object["spec"][field] = if is_empty(&value) { Value::Null } else { value };
    }
    object
}
