//! What may stand in the place of a JSON schema in a definition: a boolean, schemas or texts.

use super::wire::Writer;
use crate::schema::{self, Scalar};
use serde_json::Value;

/// Writes the message of such a value.
pub(super) fn write(out: &mut Writer, scalar: Scalar, value: &Value) {
    match (scalar, value) {
        (Scalar::SchemaOrBool, Value::Bool(true)) => out.number(1, 1),
        (Scalar::SchemaOrBool, Value::Object(_)) => {
            out.number(1, 1);
            schema(out, 2, value);
        }
        (Scalar::SchemaOrArray | Scalar::SchemaOrStringArray, Value::Object(_)) => schema(out, 1, value),
        (Scalar::SchemaOrArray, Value::Array(schemas)) => schemas.iter().for_each(|one| schema(out, 2, one)),
        (Scalar::SchemaOrStringArray, Value::Array(texts)) => {
            texts.iter().filter_map(Value::as_str).for_each(|text| out.bytes(2, text.as_bytes()));
        }
        _ => {}
    }
}

fn schema(out: &mut Writer, tag: u32, value: &Value) {
    if let (Some(described), Value::Object(map)) = (schema::graph().get(schema::JSON_SCHEMA), value) {
        out.nested(tag, |out| super::fields(out, described, map));
    }
}
