//! Environment variables, and the references by which variables and volumes draw on other objects.

use super::fault::{At, Faults};
use super::{form, labels};
use crate::names;
use serde_json::Value;

/// Fields of the pod that a variable may show.
const VARIABLE_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of the pod that a volume may show.
pub(super) const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Sources of a variable's value.
const SOURCES: [&str; 4] = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"];
const RESOURCES: [&str; 6] =
    ["limits.cpu", "limits.memory", "limits.ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage"];

/// `env` of a container.
pub(super) fn variables(at: &At<'_>, faults: &mut Faults) {
    for variable in at.items() {
        faults.named(&variable.field("name"), form::variable_name_fault);
        if let Some(from) = variable.present("valueFrom") {
            value_from(&variable, &from, faults);
        }
    }
}

fn value_from(variable: &At<'_>, from: &At<'_>, faults: &mut Faults) {
    if let Some(field) = from.present("fieldRef") {
        field_reference(&field, &VARIABLE_FIELDS, faults);
    }
    if let Some(resource) = from.present("resourceFieldRef") {
        resource_reference(&resource, false, faults);
    }
    for reference in ["configMapKeyRef", "secretKeyRef"].iter().filter_map(|name| from.present(name)) {
        faults.invalid_if(&reference.field("name"), names::dns_subdomain_fault(reference.text_of("name")));
        faults.named(&reference.field("key"), form::data_key_fault);
    }
    let nothing = Value::from("");
    match SOURCES.iter().filter(|name| from.present(name).is_some()).count() {
        0 => {
            let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
            faults.invalid_value(from, &nothing, why);
        }
        _ if !variable.text_of("value").is_empty() => {
            faults.invalid_value(from, &nothing, "may not be specified when `value` is not empty");
        }
        1 => {}
        _ => faults.invalid_value(from, &nothing, "may not have more than one field specified at a time"),
    }
}

/// `envFrom` of a container. Counting faults name the list, as upstream's do.
pub(super) fn variables_from(at: &At<'_>, faults: &mut Faults) {
    for source in at.items() {
        let prefix = source.field("prefix");
        faults.invalid_if(&prefix, form::variable_name_fault(prefix.text()));
        let references: Vec<_> = ["configMapRef", "secretRef"].iter().filter_map(|name| source.present(name)).collect();
        for reference in &references {
            faults.named(&reference.field("name"), names::dns_subdomain_fault);
        }
        match references.len() {
            0 => faults.invalid_value(at, &"".into(), "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => faults.invalid_value(at, &"".into(), "may not have more than one field specified at a time"),
        }
    }
}

/// `fieldRef`: a field of the pod out of a few, or one label or annotation.
pub(super) fn field_reference(at: &At<'_>, supported: &[&str], faults: &mut Faults) {
    for field in ["apiVersion", "fieldPath"].map(|name| at.field(name)) {
        if field.is_empty() {
            return faults.required(&field, "");
        }
    }
    let field = at.field("fieldPath");
    let path = field.text();
    if let Some((map, rest)) = path.split_once("['") {
        let Some(key) = rest.strip_suffix("']") else { return unknown_field(&field, faults) };
        match map {
            "metadata.labels" => labels::label_name(&At { path: at.path.clone(), value: &key.into() }, faults),
            "metadata.annotations" => {
                if let Some(why) = names::qualified_name_fault(&key.to_lowercase()) {
                    faults.invalid_value(at, &key.into(), &why);
                }
            }
            _ => unknown_field(&field, faults),
        }
    } else if !VARIABLE_FIELDS.contains(&path) && !VOLUME_FIELDS.contains(&path) {
        unknown_field(&field, faults);
    } else if !supported.contains(&path) {
        faults.not_supported(&field, supported);
    }
}

fn unknown_field(field: &At<'_>, faults: &mut Faults) {
    faults.invalid(field, &format!("error converting fieldPath: field label not supported: {}", field.text()));
}

/// `resourceFieldRef`: a request or limit; in a volume the container must be named.
pub(super) fn resource_reference(at: &At<'_>, in_volume: bool, faults: &mut Faults) {
    let resource = at.field("resource");
    if in_volume && at.field("containerName").is_empty() {
        faults.required(&at.field("containerName"), "");
    } else if !resource.text().contains("hugepages-") {
        faults.one_of(&resource, &RESOURCES);
    }
    divisor(&resource, &at.field("divisor"), faults);
}

fn divisor(resource: &At<'_>, at: &At<'_>, faults: &mut Faults) {
    const AMOUNTS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let text = at.value.as_str().map_or_else(|| at.value.to_string(), str::to_owned);
    if at.is_empty() || text == "0" {
        return;
    }
    let (supported, kind): (&[&str], _) = match resource.text().split_once('.') {
        Some((_, "cpu")) => (&["1m", "1"], "cpu"),
        Some((_, "memory")) => (&AMOUNTS, "memory"),
        Some((_, "ephemeral-storage")) => (&AMOUNTS, "local ephemeral storage"),
        _ => return,
    };
    if !supported.contains(&text.as_str()) {
        let values = if kind == "cpu" { "1m and 1".into() } else { AMOUNTS.join(", ") };
        faults.invalid_value(
            at,
            resource.value,
            &format!("only divisor's values {values} are supported with the {kind} resource"),
        );
    }
}
