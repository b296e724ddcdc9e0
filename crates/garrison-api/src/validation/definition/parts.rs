//! Subresources, columns and selectable fields of a version.

use super::super::fault::{At, Faults};
use crate::custom::{columns, path};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where the numbers of a scale stand.
pub(super) fn subresources(at: &At<'_>, faults: &mut Faults) {
    let Some(scale) = at.present("scale") else { return };
    for (name, above, needed) in
        [("specReplicasPath", ".spec", true), ("statusReplicasPath", ".status", true), ("labelSelectorPath", "", false)]
    {
        let field = scale.field(name);
        if field.is_empty() {
            if needed {
                faults.required(&field, "");
            }
            continue;
        }
        let text = field.text();
        if !text.starts_with('.') {
            faults.invalid(&field, "must be a simple json path starting with .");
        } else if path::parse(text).is_none() || text.contains('[') {
            faults.invalid(&field, "must be a json path in the dot notation");
        } else if name == "labelSelectorPath" {
            if !text.starts_with(".spec.") && !text.starts_with(".status.") {
                faults.invalid(&field, "should be a json path under either .spec or .status");
            }
        } else if !text.starts_with(&format!("{above}.")) {
            faults.invalid(&field, &format!("should be a json path under {above}"));
        }
    }
}

/// What `kubectl get` prints.
pub(super) fn columns(at: &At<'_>, faults: &mut Faults) {
    for column in at.items() {
        let (name, kind, format, path) =
            (column.field("name"), column.field("type"), column.field("format"), column.field("jsonPath"));
        if name.is_empty() {
            faults.required(&name, "");
        }
        if kind.is_empty() {
            faults.required(&kind, "must be one of boolean,date,integer,number,string");
        } else if !["integer", "number", "string", "boolean", "date"].contains(&kind.text()) {
            faults.invalid(&kind, "must be one of boolean,date,integer,number,string");
        }
        let formats = ["int32", "int64", "float", "double", "byte", "date", "date-time", "password"];
        if !format.is_empty() && !formats.contains(&format.text()) {
            faults.invalid(&format, "must be one of byte,date,date-time,double,float,int32,int64,password");
        }
        if path.is_empty() {
            faults.required(&path, "");
        } else if !columns::is_readable(path.text()) {
            faults.invalid(&path, "must be a JSONPath of fields, indices, wildcards and filters that starts with .");
        }
    }
}

/// Fields that selectors may name.
pub(super) fn selectable_fields(at: &At<'_>, schema: &Value, faults: &mut Faults) {
    const MOST: usize = 8;
    let count = at.value.as_array().map_or(0, Vec::len);
    if count > MOST {
        faults.too_many(at, count, MOST);
    }
    let mut seen = BTreeSet::new();
    for field in at.items() {
        let text = field.field("jsonPath");
        if text.is_empty() {
            faults.required(&text, "");
            continue;
        }
        let steps = path::parse(text.text()).filter(|_| text.text().starts_with('.') && !text.text().contains('['));
        let Some(steps) = steps else {
            faults.invalid(&text, "must be a simple json path starting with .");
            continue;
        };
        if steps[0] == "metadata" {
            faults.invalid(&text, "must not point to fields in metadata");
            continue;
        }
        let found = steps.iter().try_fold(schema, |schema, step| schema["properties"].get(step));
        match found.map(|part| part["type"].as_str().unwrap_or_default()) {
            None => faults.invalid(&text, "does not refer to a valid field"),
            Some("string" | "boolean" | "integer") => {}
            Some(_) => faults.invalid(&text, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."),
        }
        faults.unique(&text, &mut seen);
    }
}

/// What users of a version are told.
pub(super) fn deprecation(version: &At<'_>, faults: &mut Faults) {
    let warning = version.field("deprecationWarning");
    if version.value["deprecated"] != true {
        faults.invalid(&warning, "can only be set for deprecated versions");
    } else if warning.is_empty() {
        faults.invalid(&warning, "must be non-empty if specified");
    } else if warning.text().len() > 256 {
        faults.invalid(&warning, "must be <= 256 UTF-8 bytes");
    } else if warning.text().chars().any(char::is_control) {
        faults.invalid(&warning, "must only contain printable UTF-8 characters; non-printable characters found");
    }
}
