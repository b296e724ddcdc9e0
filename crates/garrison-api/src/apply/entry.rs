//! `metadata.managedFields`: who owns what, as objects tell it.

use super::set::Set;
use serde_json::{Value, json};

/// How a manager came to own what it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// It applied a configuration.
    Apply,
    /// It wrote the object.
    Update,
}

impl Operation {
    /// The word in an entry.
    pub fn word(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who owns. One who applies is the same whatever version it applies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// Its name.
    pub name: String,
    /// How it owns.
    pub operation: Operation,
    /// The version it wrote; empty for one who applies.
    pub api_version: String,
    /// The subresource it wrote.
    pub subresource: String,
}

impl Manager {
    /// The manager as a conflict shows it.
    pub fn shown(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text = format!("{text} with subresource {:?}", self.subresource);
        }
        match self.operation {
            Operation::Apply => text,
            Operation::Update => format!("{text} using {}", self.api_version),
        }
    }
}

/// What one manager owns.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Who.
    pub manager: Manager,
    /// In the terms of which version.
    pub api_version: String,
    /// Since when, in RFC 3339.
    pub time: Option<String>,
    /// What.
    pub fields: Set,
}

/// What an entry's manager is, read from the object.
///
/// # Errors
/// When it does not say.
pub(super) fn manager(entry: &Value) -> Result<Manager, String> {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let operation = match entry["operation"].as_str() {
        Some("Apply") => Operation::Apply,
        Some("Update") => Operation::Update,
        _ => return Err("operation must be `Apply` or `Update`".into()),
    };
    let api_version = text("apiVersion");
    if api_version.is_empty() {
        return Err("apiVersion must not be empty".into());
    }
    let api_version = if operation == Operation::Apply { String::new() } else { api_version };
    Ok(Manager { name: text("manager"), operation, api_version, subresource: text("subresource") })
}

/// Reads the entries of an object; none when there are none.
///
/// # Errors
/// When one cannot be read.
pub(super) fn decode(entries: &Value) -> Result<Vec<Entry>, String> {
    let mut found: Vec<Entry> = Vec::new();
    for (place, entry) in entries.as_array().into_iter().flatten().enumerate() {
        let manager = manager(entry)?;
        match entry["fieldsType"].as_str().unwrap_or_default() {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {place}")),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {place}")),
        }
        let read = Entry {
            api_version: entry["apiVersion"].as_str().unwrap_or_default().into(),
            time: entry["time"].as_str().map(str::to_owned),
            fields: Set::from_value(&entry["fieldsV1"]).map_err(|why| format!("error decoding set: {why}"))?,
            manager,
        };
        match found.iter_mut().find(|entry| entry.manager == read.manager) {
            Some(same) => *same = read,
            None => found.push(read),
        }
    }
    Ok(found)
}

/// An entry as an object holds it.
pub(super) fn encode_one(entry: &Entry) -> Value {
    let mut value = json!({
        "operation": entry.manager.operation.word(), "apiVersion": entry.api_version,
        "fieldsType": "FieldsV1", "fieldsV1": entry.fields.to_value(),
    });
    for (name, text) in [("manager", &entry.manager.name), ("subresource", &entry.manager.subresource)] {
        if !text.is_empty() {
            value[name] = text.as_str().into();
        }
    }
    if let Some(time) = &entry.time {
        value["time"] = time.as_str().into();
    }
    value
}

/// The entries as an object holds them; null when there are none.
pub(super) fn encode(entries: &[Entry]) -> Value {
    if entries.is_empty() {
        return Value::Null;
    }
    let mut values: Vec<Value> = entries.iter().map(encode_one).collect();
    sort(&mut values);
    values.into()
}

/// Upstream's order: those who applied first, then by time, name, version and subresource.
pub(super) fn sort(entries: &mut [Value]) {
    fn key(entry: &Value) -> [&str; 5] {
        ["operation", "time", "manager", "apiVersion", "subresource"].map(|name| entry[name].as_str().unwrap_or_default())
    }
    entries.sort_by(|a, b| key(a).cmp(&key(b)));
}

/// Whether two lists of entries differ in their times at most.
pub fn same_but_times(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_array(), b.as_array()) else { return a == b };
    let same = |(a, b): (&Value, &Value)| match (a.as_object(), b.as_object()) {
        (Some(a), Some(b)) => {
            let untimed = |entry: &serde_json::Map<String, Value>| entry.len() - usize::from(entry.contains_key("time"));
            untimed(a) == untimed(b) && a.iter().all(|(name, value)| name == "time" || b.get(name) == Some(value))
        }
        _ => a == b,
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// Whether a writer wants all entries gone: an empty list, or one with one empty entry.
pub(super) fn resets(sent: &Value) -> bool {
    match sent.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => one.as_object().is_some_and(|entry| entry.values().all(|value| value.is_null() || value == "")),
        _ => false,
    }
}
