//! What the server said, read back from what kubectl makes of it.

use anyhow::{Result, bail};
use serde_json::{Value, json};

/// Words of its own that kubectl puts before the server's.
const OWN: &[&str] = &[
    "error when creating \"STDIN\": ",
    "error when replacing \"STDIN\": ",
    "field selector \"data.a=b\": ",
    "field selector \"spec.size=1\": ",
];

pub(super) fn read(told: &str) -> Result<Value> {
    let told = told.trim();
    if let Some((reason, message)) = told.strip_prefix("Error from server (").and_then(|rest| rest.split_once("): ")) {
        let message = OWN.iter().fold(message, |message, own| message.split_once(own).map_or(message, |(_, rest)| rest));
        return Ok(json!({"reason": reason, "message": message}));
    }
    if let Some(conflict) = told.strip_prefix("error: Apply failed") {
        let message = conflict.lines().next().unwrap_or_default();
        let field = message.rsplit(": ").next().unwrap_or_default();
        return Ok(json!({"reason": "Conflict", "message": format!("Apply failed{message}"), "fields": [field]}));
    }
    // Older ones leave out why.
    let invalid = told.split_once("is invalid: ").or_else(|| Some((told.strip_suffix("is invalid")?, "")));
    let Some((_, causes)) = invalid else { bail!("kubectl says {told}") };
    let mut fields: Vec<&str> =
        causes.lines().filter_map(|line| line.trim_start_matches("* ").split_once(": ")).map(|it| it.0).collect();
    fields.sort_unstable();
    Ok(json!({"reason": "Invalid", "fields": fields}))
}

#[test]
fn the_server_is_heard_through_kubectl() {
    let read = |told: &str| read(told).unwrap();
    let exists = "configmaps \"a\" already exists";
    let told = format!("Error from server (AlreadyExists): error when creating \"STDIN\": {exists}\n");
    assert_eq!(read(&told), json!({"reason": "AlreadyExists", "message": exists}));
    let told = "The DaemonSet \"a\" is invalid: \n* spec.b: Required value\n* spec.a: Invalid value: \"x\": no";
    assert_eq!(read(told), json!({"reason": "Invalid", "fields": ["spec.a", "spec.b"]}));
    let told = "error: Apply failed with 1 conflict: conflict with \"first\": .data.a\nPlease review";
    assert_eq!(at(&read(told), "/fields/0"), ".data.a");
    assert!(super::refusal::read("error: no such thing").is_err());
}

#[cfg(test)]
use super::at;
