//! The structure of a custom resource, read from its structural schema.

use super::{DEDUCED, Key, Scalar, Structure, metadata};
use serde_json::Value;

/// The structure of objects of a custom resource whose version has that `openAPIV3Schema`.
///
/// Kind, version and metadata are those of every object, whatever the schema says of them.
pub fn of_resource(schema: &Value) -> Structure {
    let mut whole = of_schema(schema);
    if let Structure::Struct { fields, .. } = &mut whole {
        for name in ["apiVersion", "kind"] {
            fields.insert(name.into(), Structure::Scalar(Scalar::Text));
        }
        fields.insert("metadata".into(), metadata());
    }
    whole
}

/// The structure of values of a schema. Nodes with unknown fields keep them, and own them as they are.
pub fn of_schema(schema: &Value) -> Structure {
    if schema["x-kubernetes-int-or-string"] == true {
        return Structure::Scalar(Scalar::Any);
    }
    match schema["type"].as_str() {
        Some("integer" | "number") => Structure::Scalar(Scalar::Number),
        Some("string") => Structure::Scalar(Scalar::Text),
        Some("boolean") => Structure::Scalar(Scalar::Boolean),
        Some("array") => list(schema),
        Some("object") => object(schema),
        _ => DEDUCED.clone(),
    }
}

fn list(schema: &Value) -> Structure {
    let element = of_schema(&schema["items"]);
    let names: Vec<&str> =
        schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match schema["x-kubernetes-list-type"].as_str() {
        Some("map") if !names.is_empty() => {
            let default = |name: &str| schema["items"]["properties"][name].get("default").cloned();
            let keys = names.into_iter().map(|name| Key { name: name.into(), default: default(name) }).collect();
            Structure::keyed(keys, element)
        }
        Some("set") => Structure::Set(Box::new(element)),
        _ => Structure::Atomic(Box::new(Structure::Set(Box::new(element)))),
    }
}

fn object(schema: &Value) -> Structure {
    let atomic = schema["x-kubernetes-map-type"] == "atomic";
    let mut whole = granular(schema);
    if schema["x-kubernetes-embedded-resource"] == true
        && let Structure::Struct { fields, .. } = &mut whole
    {
        fields.insert("metadata".into(), metadata());
    }
    if atomic { Structure::Atomic(Box::new(whole)) } else { whole }
}

fn granular(schema: &Value) -> Structure {
    let properties = schema["properties"].as_object();
    let additional = match &schema["additionalProperties"] {
        Value::Object(_) => Some(of_schema(&schema["additionalProperties"])),
        Value::Bool(true) => Some(DEDUCED.clone()),
        _ => None,
    };
    let preserves = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match (properties, additional) {
        (None, Some(element)) => Structure::Map(Box::new(element)),
        (None, None) if preserves => Structure::Deduced,
        (properties, additional) => {
            let fields = properties.into_iter().flatten().map(|(name, schema)| (name.as_str().into(), of_schema(schema)));
            let others = additional.or_else(|| preserves.then(|| DEDUCED.clone())).map(Box::new);
            Structure::Struct { fields: fields.collect(), others }
        }
    }
}
