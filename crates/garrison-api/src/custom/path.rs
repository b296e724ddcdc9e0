//! Paths of fields, as definitions write them: `.spec.replicas`, `.metadata.labels['a.b']`.

use serde_json::Value;

/// As many steps as a path may have: nothing that is read from a body nests deeper.
const LONGEST: usize = 120;

/// The fields that a path names one after the other; `None` when it is no such path.
pub(crate) fn parse(text: &str) -> Option<Vec<String>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            steps.push(after[..end].to_owned());
            rest = &after[end..];
        } else {
            let after = rest.strip_prefix("['")?;
            let end = after.find("']")?;
            steps.push(after[..end].replace("\\'", "'"));
            rest = &after[end + 2..];
        }
    }
    (1..=LONGEST).contains(&steps.len()).then_some(steps)
}

/// What stands at the end of a path.
pub(crate) fn get<'a>(object: &'a Value, steps: &[String]) -> Option<&'a Value> {
    steps.iter().try_fold(object, |value, step| value.get(step))
}

/// Puts a value at the end of a path, making the objects on the way.
pub(crate) fn set(object: &mut Value, steps: &[String], value: Value) {
    let mut at = object;
    for step in steps {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        at = &mut at[step.as_str()];
    }
    *at = value;
}

/// The field that a selector of a custom kind names, as a text.
pub(crate) fn selectable(object: &Value, label: &str) -> String {
    let found = parse(&format!(".{label}")).and_then(|steps| get(object, &steps).cloned());
    match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    }
}
