//! Holds an object to the type graph: unknown fields are taken out and named, wrong JSON types are refused.

use crate::schema::{Field, Scalar, Type};
use serde_json::Value;

/// Checks an object of a kind; the unknown fields, as upstream words them.
pub(super) fn check(described: &Type, kind: &str, object: &mut Value) -> Result<Vec<String>, String> {
    let mut walk = Walk { kind, unknown: Vec::new() };
    walk.object(described, object, "")?;
    Ok(walk.unknown)
}

struct Walk<'a> {
    kind: &'a str,
    unknown: Vec<String>,
}

impl Walk<'_> {
    fn object(&mut self, described: &Type, value: &mut Value, path: &str) -> Result<(), String> {
        let Value::Object(map) = value else { return self.wrong(value, path, "object") };
        let names: Vec<String> = map.keys().cloned().collect();
        for name in names {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match described.fields.get(&name) {
                Some(field) => {
                    if let Some(value) = map.get_mut(&name).filter(|value| !value.is_null()) {
                        self.field(field, value, &below)?;
                    }
                }
                None => {
                    map.remove(&name);
                    self.unknown.push(format!("unknown field \"{below}\""));
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, value: &mut Value, path: &str) -> Result<(), String> {
        if field.list {
            let Value::Array(list) = value else { return self.wrong(value, path, &format!("[]{}", short(&field.type_name))) };
            for (index, element) in list.iter_mut().enumerate() {
                self.one(field, element, &format!("{path}[{index}]"))?;
            }
            return Ok(());
        }
        if field.map {
            let Value::Object(map) = value else {
                return self.wrong(value, path, &format!("map[string]{}", short(&field.type_name)));
            };
            for (key, element) in map.iter_mut().filter(|(_, element)| !element.is_null()) {
                self.one(field, element, &format!("{path}.{key}"))?;
            }
            return Ok(());
        }
        self.one(field, value, path)
    }

    fn one(&mut self, field: &Field, value: &mut Value, path: &str) -> Result<(), String> {
        if let Some(described) = field.referred() {
            return match described.scalar {
                None => self.object(described, value, path),
                Some(scalar) => self.scalar(scalar, value, path),
            };
        }
        let fits = match field.type_name.as_str() {
            "string" | "bytes" => value.is_string(),
            "time" => return self.scalar(Scalar::Time, value, path),
            "bool" => value.is_boolean(),
            "int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "int64" => value.is_i64() || value.is_u64(),
            "double" => value.is_number(),
            _ => true,
        };
        if fits { Ok(()) } else { self.wrong(value, path, &field.type_name) }
    }

    fn scalar(&mut self, scalar: Scalar, value: &mut Value, path: &str) -> Result<(), String> {
        match scalar {
            Scalar::Any => Ok(()),
            Scalar::IntOrString if value.is_string() || value.is_i64() => Ok(()),
            Scalar::IntOrString => self.wrong(value, path, "intstr.IntOrString"),
            Scalar::Quantity => {
                // `cpu: 1` in YAML is a number; the stored form of an amount is always a string.
                if value.is_number() {
                    *value = value.to_string().into();
                }
                let parsed = value.as_str().map(crate::quantity::Quantity::parse);
                match parsed {
                    Some(Ok(_)) => Ok(()),
                    Some(Err(fault)) => Err(format!("{fault} (field {path})")),
                    None => self.wrong(value, path, "resource.Quantity"),
                }
            }
            Scalar::Time | Scalar::MicroTime => match value.as_str().map(str::parse::<jiff::Timestamp>) {
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) => Err(format!("parsing time {value} as RFC 3339 (field {path})")),
                None => self.wrong(value, path, "Time"),
            },
        }
    }

    fn wrong(&self, value: &Value, path: &str, wanted: &str) -> Result<(), String> {
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Err(format!("json: cannot unmarshal {is} into Go struct field {}.{path} of type {}", self.kind, short(wanted)))
    }
}

/// The last part of a type's name.
fn short(name: &str) -> &str {
    if name.starts_with("io.k8s") { name.rsplit('.').next().unwrap_or(name) } else { name }
}
