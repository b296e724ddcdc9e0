//! Kinds that hold data of others: ConfigMap, Secret, ControllerRevision.

use super::fault::{At, Faults};
use super::form;
use serde_json::Value;

/// Most bytes that a ConfigMap or Secret may hold.
const LIMIT: usize = 1 << 20;
const FROZEN: &str = "field is immutable when `immutable` is set";

/// A ConfigMap.
pub(super) fn config_map(at: &At<'_>, faults: &mut Faults) {
    let (texts, bytes) = (at.field("data"), at.field("binaryData"));
    for (key, value) in texts.entries().chain(bytes.entries()) {
        keyed(&value, key, faults);
    }
    for (key, value) in texts.entries().filter(|(key, _)| bytes.value.get(key).is_some()) {
        faults.invalid_value(&value, &key.into(), "duplicate of key present in binaryData");
    }
    let length: usize =
        texts.entries().map(|(_, value)| value.text().len()).chain(bytes.entries().map(|(_, value)| decoded(&value))).sum();
    if length > LIMIT {
        faults.too_long(&texts.renamed(""), LIMIT);
    }
}

/// A Secret: some types must hold certain keys.
pub(super) fn secret(at: &At<'_>, faults: &mut Faults) {
    let data = at.field("data");
    data.entries().for_each(|(key, value)| keyed(&value, key, faults));
    if data.entries().map(|(_, value)| decoded(&value)).sum::<usize>() > LIMIT {
        faults.too_long(&data, LIMIT);
    }
    let needed: &[&str] = match at.text_of("type") {
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/basic-auth" if ["username", "password"].iter().all(|key| data.value.get(key).is_none()) => {
            &["username", "password"]
        }
        "kubernetes.io/service-account-token" => return account_named(at, faults),
        _ => return,
    };
    for key in needed.iter().filter(|key| data.value.get(key).is_none()) {
        faults.required(&data.renamed(format!("data[{key}]")), "");
    }
}

fn account_named(at: &At<'_>, faults: &mut Faults) {
    const ACCOUNT: &str = "kubernetes.io/service-account.name";
    let annotations = at.field("metadata").field("annotations");
    if annotations.text_of(ACCOUNT).is_empty() {
        faults.required(&annotations.renamed(format!("metadata.annotations[{ACCOUNT}]")), "");
    }
}

fn keyed(at: &At<'_>, key: &str, faults: &mut Faults) {
    if let Some(why) = form::data_key_fault(key) {
        faults.invalid_value(at, &key.into(), &why);
    }
}

/// How many bytes a base64 text stands for.
fn decoded(at: &At<'_>) -> usize {
    at.text().trim_end_matches('=').len() * 3 / 4
}

/// An update of a ConfigMap or Secret, which may have been frozen.
pub(super) fn frozen(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    if old.value["immutable"] != true {
        return;
    }
    let immutable = new.field("immutable");
    if immutable.value != true {
        faults.forbidden(&immutable, FROZEN);
    }
    for name in ["data", "binaryData"] {
        let (before, now) = (old.field(name), new.field(name));
        if before.value != now.value && !(before.is_empty() && now.is_empty()) {
            faults.forbidden(&now, FROZEN);
        }
    }
}

/// A ControllerRevision.
pub(super) fn revision(at: &At<'_>, faults: &mut Faults) {
    let data = at.field("data");
    match data.value {
        Value::Null => faults.required(&data, "data is mandatory"),
        Value::Object(_) => {}
        _ => faults.required(&data, "data must be a valid JSON object"),
    }
    faults.non_negative(&at.field("revision"));
}
