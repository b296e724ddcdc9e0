//! The columns that `kubectl get` prints of a custom kind (`additionalPrinterColumns`).

use super::json_path::JsonPath;
use crate::table;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A column beside the name.
#[derive(Debug, Clone)]
pub struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    path: Option<JsonPath>,
}

impl Column {
    /// The columns of a version; one without any shows the age.
    pub fn of_version(version: &Value) -> Vec<Self> {
        let columns: Vec<Self> = version["additionalPrinterColumns"].as_array().into_iter().flatten().map(Self::read).collect();
        if columns.is_empty() {
            let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": AGE});
            return vec![Self::read(&age)];
        }
        columns
    }

    fn read(column: &Value) -> Self {
        let text = |name: &str| column[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            kind: text("type"),
            format: text("format"),
            description: text("description"),
            priority: column["priority"].as_i64().unwrap_or(0),
            path: JsonPath::parse(&text("jsonPath")),
        }
    }

    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let found = self.path.as_ref().map(|path| path.find(object)).unwrap_or_default();
        let Some(first) = found.first() else { return Value::Null };
        match self.kind.as_str() {
            "string" => found.iter().map(|value| shown(value)).collect::<Vec<_>>().join(" ").into(),
            "date" => first.as_str().map_or(Value::Null, |time| match time.parse::<Timestamp>() {
                Ok(_) => table::age(time, now).into(),
                Err(_) => "<invalid>".into(),
            }),
            "integer" => first.as_i64().or_else(|| first.as_f64().map(|float| float as i64)).map_or(Value::Null, Into::into),
            "number" if first.is_number() => (*first).clone(),
            "boolean" if first.is_boolean() => (*first).clone(),
            _ => Value::Null,
        }
    }
}

const NAME: &str = "Name must be unique within a namespace. It is how people and clients refer to the object.";
const AGE: &str = "The time at which the server made the object.";

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".into(),
        other => other.to_string(),
    }
}

/// Definitions of all columns.
pub fn definitions(columns: &[Column]) -> Value {
    let name = json!({"name": "Name", "type": "string", "format": "name", "description": NAME, "priority": 0});
    let others = columns.iter().map(|column| {
        json!({
            "name": column.name, "type": column.kind, "format": column.format, "description": column.description,
            "priority": column.priority,
        })
    });
    std::iter::once(name).chain(others).collect()
}

/// The cells of an object's row.
pub fn cells(columns: &[Column], object: &Value, now: Timestamp) -> Value {
    let name = object["metadata"]["name"].clone();
    std::iter::once(name).chain(columns.iter().map(|column| column.cell(object, now))).collect()
}

/// Whether a path of a column can be read.
pub(crate) fn is_readable(path: &str) -> bool {
    path.starts_with('.') && JsonPath::parse(path).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_of_the_types_of_their_columns() {
        let version = json!({"additionalPrinterColumns": [
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Ratio", "type": "number", "jsonPath": ".spec.ratio", "priority": 1},
            {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
            {"name": "Ports", "type": "string", "jsonPath": ".spec.ports[*]"},
            {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
            {"name": "Last", "type": "date", "jsonPath": ".status.last"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ]});
        let columns = Column::of_version(&version);
        let object = json!({
            "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"replicas": 3, "ratio": 0.5, "ports": [80, "x"], "on": "no boolean"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "last": "never"},
        });
        let now = "2026-01-01T00:00:45Z".parse().expect("a time");
        assert_eq!(cells(&columns, &object, now), json!(["a", 3, 0.5, "True", "80 x", null, "<invalid>", "45s"]));
        let definitions = definitions(&columns);
        assert_eq!((&definitions[0]["format"], &definitions[2]["priority"]), (&json!("name"), &json!(1)));
        let empty = json!({"metadata": {"name": "b"}});
        assert_eq!(cells(&columns, &empty, now), json!(["b", null, null, null, null, null, null, null]));
        assert_eq!(Column::of_version(&json!({})).len(), 1);
    }
}
