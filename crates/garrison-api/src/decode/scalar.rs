//! Values with a grammar of their own: amounts, times, bytes.

use super::fields::{Fault, Place};
use crate::quantity::Quantity;
use crate::schema::Scalar;
use base64::{DecodeError, Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::Value;

/// Holds a value to its grammar. Times are brought to UTC in upstream's form, amounts become strings.
pub(super) fn check(scalar: Scalar, value: &mut Value, place: &Place<'_>) -> Result<(), Fault> {
    match scalar {
        Scalar::Any | Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStringArray => Ok(()),
        Scalar::IntOrString if value.is_string() || value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => Ok(()),
        Scalar::IntOrString => place.wrong(value, "intstr.IntOrString"),
        Scalar::Quantity => {
            // `cpu: 1` is a number; the stored form of an amount is always a string.
            if value.is_number() {
                *value = value.to_string().into();
            }
            match value.as_str().map(Quantity::parse) {
                Some(Ok(_)) => Ok(()),
                Some(Err(fault)) => Err(format!("{fault} (field {})", place.path)),
                None => place.wrong(value, "resource.Quantity"),
            }
        }
        Scalar::Time | Scalar::MicroTime => {
            let Some(text) = value.as_str() else {
                return place.wrong(value, if scalar == Scalar::Time { "v1.Time" } else { "v1.MicroTime" });
            };
            let time: Timestamp = text.parse().map_err(|_| {
                format!("parsing time {value} as \"2006-01-02T15:04:05Z07:00\": it is none (field {})", place.path)
            })?;
            *value = written(scalar, time).into();
            Ok(())
        }
    }
}

/// RFC 3339 in UTC: whole seconds, or microseconds for [`Scalar::MicroTime`].
pub(super) fn written(scalar: Scalar, time: Timestamp) -> String {
    let form = if scalar == Scalar::MicroTime { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    time.strftime(form).to_string()
}

/// Holds a value to base64.
pub(super) fn bytes(value: &Value, place: &Place<'_>) -> Result<(), Fault> {
    let Some(text) = value.as_str() else { return place.wrong(value, "[]uint8") };
    STANDARD.decode(text).map(drop).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len(),
        };
        format!("illegal base64 data at input byte {at} (field {})", place.path)
    })
}
