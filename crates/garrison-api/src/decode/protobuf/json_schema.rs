//! What may stand in the place of a JSON schema in a definition: a boolean, schemas or texts.

use super::{Result, message, wire::Reader};
use crate::schema::{self, Scalar};
use serde_json::Value;

/// Reads the message of such a value.
pub(super) fn read(scalar: Scalar, bytes: &[u8], depth: usize) -> Result<Value> {
    let described = schema::graph().get(schema::JSON_SCHEMA).ok_or("its schemas are not known here")?;
    let (mut allows, mut whole, mut several) = (false, None, Vec::new());
    let mut reader = Reader::new(bytes);
    while let Some((tag, value)) = reader.next()? {
        match (scalar, tag) {
            (Scalar::SchemaOrBool, 1) => allows = value.varint()? != 0,
            (Scalar::SchemaOrBool, 2) | (Scalar::SchemaOrArray | Scalar::SchemaOrStringArray, 1) => {
                whole = Some(message(described, value.bytes()?, depth + 1)?);
            }
            (Scalar::SchemaOrArray, 2) => several.push(message(described, value.bytes()?, depth + 1)?),
            (Scalar::SchemaOrStringArray, 2) => several.push(value.text()?.into()),
            _ => {}
        }
    }
    Ok(match (scalar, whole) {
        _ if !several.is_empty() => several.into(),
        (_, Some(schema)) => schema,
        (Scalar::SchemaOrBool, None) => allows.into(),
        (_, None) => Value::Null,
    })
}
