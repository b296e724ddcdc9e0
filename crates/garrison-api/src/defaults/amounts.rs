//! Amounts in the one form that is stored, so that `1000m` and `1` are no change (upstream: how a `Quantity` encodes).

use super::part;
use crate::quantity;
use serde_json::Value;

/// Every amount of a map field, such as `limits`.
pub(super) fn list(object: &mut Value, field: &str) {
    if let Some(Value::Object(amounts)) = part(object, field) {
        amounts.values_mut().for_each(one);
    }
}

/// `requests` and `limits`.
pub(super) fn requirements(object: &mut Value, field: &str) {
    if let Some(resources) = part(object, field) {
        list(resources, "requests");
        list(resources, "limits");
    }
}

/// One amount, which may also be a bare number. What is none stays as it is, for validation to name.
pub(super) fn one(amount: &mut Value) {
    let text = match &*amount {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    if let Ok(canonical) = quantity::canonical(&text) {
        *amount = canonical.into();
    }
}
