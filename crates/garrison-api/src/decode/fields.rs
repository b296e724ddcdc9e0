//! Holds an object to the type graph: unknown fields are taken out and named, wrong JSON types are refused, nulls go,
//! times get their one stored form.

use super::path::Path;
use super::scalar;
use crate::schema::{Field, JSON_SCHEMA, Scalar, Type, graph};
use serde_json::{Map, Value, json};

/// Why a value is refused, for a person.
pub(super) type Fault = String;

/// Checks an object of the type of that full name; the unknown fields, as upstream words them.
pub(super) fn check(type_name: &str, object: &mut Value) -> Result<Vec<String>, Fault> {
    let Some(described) = graph().get(type_name) else { return Ok(Vec::new()) };
    let Value::Object(map) = object else {
        return Err(format!("json: cannot unmarshal {} into Go value of type {}", json_type(object), go_name(type_name)));
    };
    let mut walk = Walk { unknown: Vec::new() };
    walk.object(type_name, described, map, &Path::Root)?;
    Ok(walk.unknown)
}

/// Checks the metadata of a whole object, which stands at `path` in another.
pub(super) fn check_metadata(metadata: &mut Value, path: &Path<'_>) -> Result<Vec<String>, Fault> {
    const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    let mut walk = Walk { unknown: Vec::new() };
    match (graph().get(METADATA), metadata) {
        (Some(described), Value::Object(map)) => walk.object(METADATA, described, map, path)?,
        (_, other) => return Err(format!("json: cannot unmarshal {} into Go value of type v1.ObjectMeta", json_type(other))),
    }
    Ok(walk.unknown)
}

/// A value's place, and the type whose field it is in.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    owner: &'a str,
    pub(super) path: &'a Path<'a>,
}

impl Place<'_> {
    /// The refusal of a value of another JSON type than its own, in the words of Go's decoder.
    pub(super) fn wrong(&self, value: &Value, wanted: &str) -> Result<(), Fault> {
        let owner = self.owner.rsplit('.').next().unwrap_or_default();
        // Go repeats a number that does not fit a number; where no number belongs it only says so.
        let found = match value {
            Value::Number(number) if matches!(wanted, "int32" | "int64") => format!("number {number}"),
            other => json_type(other).into(),
        };
        Err(format!("json: cannot unmarshal {found} into Go struct field {owner}.{} of type {wanted}", self.path.fields()))
    }
}

struct Walk {
    unknown: Vec<String>,
}

impl Walk {
    fn object(&mut self, owner: &str, described: &Type, map: &mut Map<String, Value>, path: &Path<'_>) -> Result<(), Fault> {
        let mut fault = None;
        map.retain(|name, value| {
            let path = Path::Field(path, name);
            let Some(field) = described.fields.get(name) else {
                self.unknown.push(format!("unknown field \"{path}\""));
                return false;
            };
            if fault.is_none() && !value.is_null() {
                fault = self.field(field, value, &Place { owner, path: &path }).err();
            }
            !value.is_null()
        });
        fault.map_or(Ok(()), Err)
    }

    fn field(&mut self, field: &Field, value: &mut Value, place: &Place<'_>) -> Result<(), Fault> {
        if !field.map {
            return self.element(field, value, place);
        }
        let Value::Object(map) = value else { return place.wrong(value, &go_type(field)) };
        for (key, value) in map.iter_mut() {
            let path = Path::Key(place.path, key);
            self.element(field, zero_for_null(field, value), &Place { path: &path, ..*place })?;
        }
        Ok(())
    }

    /// The field itself or one entry of a map: a list, or one value.
    fn element(&mut self, field: &Field, value: &mut Value, place: &Place<'_>) -> Result<(), Fault> {
        if !field.list {
            return self.one(field, value, place);
        }
        let Value::Array(list) = value else { return place.wrong(value, &go_type(field)) };
        for (index, value) in list.iter_mut().enumerate() {
            let path = Path::Element(place.path, index);
            self.one(field, zero_for_null(field, value), &Place { path: &path, ..*place })?;
        }
        Ok(())
    }

    fn one(&mut self, field: &Field, value: &mut Value, place: &Place<'_>) -> Result<(), Fault> {
        if let Some(described) = field.referred() {
            return match (described.scalar, value) {
                (Some(kind @ (Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStringArray)), value) => {
                    self.schema(kind, value, place)
                }
                (Some(kind), value) => scalar::check(kind, value, place),
                (None, Value::Object(map)) => self.object(&field.type_name, described, map, place.path),
                (None, other) => place.wrong(other, &go_name(&field.type_name)),
            };
        }
        let fits = match field.type_name.as_str() {
            "string" => value.is_string(),
            "bytes" => return scalar::bytes(value, place),
            "time" => return scalar::check(Scalar::Time, value, place),
            "bool" => value.is_boolean(),
            "int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "int64" => value.is_i64(),
            "double" => value.is_number(),
            _ => true,
        };
        if fits { Ok(()) } else { place.wrong(value, &go_name(&field.type_name)) }
    }
}

impl Walk {
    /// A schema, or what may stand in the place of one.
    fn schema(&mut self, kind: Scalar, value: &mut Value, place: &Place<'_>) -> Result<(), Fault> {
        match (kind, value) {
            (_, whole @ Value::Object(_)) => self.whole_schema(whole, place),
            (Scalar::SchemaOrBool, Value::Bool(_)) => Ok(()),
            (Scalar::SchemaOrBool, _) => Err("boolean or JSON schema expected".into()),
            (Scalar::SchemaOrArray, Value::Array(list)) => list.iter_mut().enumerate().try_for_each(|(index, value)| {
                let path = Path::Element(place.path, index);
                self.whole_schema(value, &Place { path: &path, ..*place })
            }),
            (_, Value::Array(list)) => match list.iter().find(|value| !value.is_string()) {
                Some(other) => place.wrong(other, "string"),
                None => Ok(()),
            },
            // Go passes over what is neither, and has nothing in its place.
            (_, other) => {
                *other = Value::Null;
                Ok(())
            }
        }
    }

    fn whole_schema(&mut self, value: &mut Value, place: &Place<'_>) -> Result<(), Fault> {
        match (graph().get(JSON_SCHEMA), value) {
            (Some(described), Value::Object(map)) => self.object(JSON_SCHEMA, described, map, place.path),
            (_, other) => place.wrong(other, "v1.JSONSchemaProps"),
        }
    }
}

/// Go takes a null in a list or a map for the zero of the element's type.
fn zero_for_null<'v>(field: &Field, value: &'v mut Value) -> &'v mut Value {
    if value.is_null() {
        *value = match (field.referred().map(|described| described.scalar), field.type_name.as_str()) {
            _ if field.map && field.list => json!([]),
            (Some(None), _) => json!({}),
            (Some(Some(Scalar::Quantity)), _) => "0".into(),
            (None, "string" | "bytes") => "".into(),
            (None, "bool") => false.into(),
            (None, "int32" | "int64" | "double") => 0.into(),
            _ => Value::Null,
        };
    }
    value
}

/// What Go's decoder calls a JSON value.
fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The Go type of a whole field.
fn go_type(field: &Field) -> String {
    let one = go_name(&field.type_name);
    match (field.map, field.list) {
        (true, _) if one == "resource.Quantity" => "v1.ResourceList".into(),
        (true, true) => format!("map[string][]{one}"),
        (true, false) => format!("map[string]{one}"),
        (false, true) => format!("[]{one}"),
        (false, false) => one,
    }
}

/// `v1.PodSpec` for `io.k8s.api.core.v1.PodSpec`.
fn go_name(type_name: &str) -> String {
    match type_name {
        "double" => "float64".into(),
        "bytes" => "[]uint8".into(),
        _ => {
            let parts: Vec<&str> = type_name.rsplitn(3, '.').collect();
            if let [name, package, _] = parts.as_slice() { format!("{package}.{name}") } else { type_name.into() }
        }
    }
}
