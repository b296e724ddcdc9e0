//! Operators and conversions.

use super::{
    eval::{Outcome, fault},
    value::{Val, compare, equal},
};
use crate::custom::schema::go_duration;
use cel::common::ast::operators::{
    ADD, DIVIDE, EQUALS, GREATER, GREATER_EQUALS, IN, LESS, LESS_EQUALS, LOGICAL_NOT, MODULO, MULTIPLY, NEGATE, NOT_EQUALS,
    SUBSTRACT,
};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Ordering;

/// The outcome, if the function is one of these.
pub(super) fn call<'a>(name: &str, values: &[Val<'a>]) -> Option<Outcome<'a>> {
    Some(match (name, values) {
        (EQUALS, [a, b]) => Ok(Val::Bool(equal(a, b))),
        (NOT_EQUALS, [a, b]) => Ok(Val::Bool(!equal(a, b))),
        (LESS, [a, b]) => ordered(a, b, Ordering::is_lt),
        (LESS_EQUALS, [a, b]) => ordered(a, b, Ordering::is_le),
        (GREATER, [a, b]) => ordered(a, b, Ordering::is_gt),
        (GREATER_EQUALS, [a, b]) => ordered(a, b, Ordering::is_ge),
        (ADD, [a, b]) => add(a, b),
        (SUBSTRACT | MULTIPLY | DIVIDE | MODULO, [a, b]) => compute(name, a, b),
        (LOGICAL_NOT, [Val::Bool(value)]) => Ok(Val::Bool(!value)),
        (NEGATE, [Val::Int(value)]) => value.checked_neg().map_or_else(overflow, |value| Ok(Val::Int(value))),
        (NEGATE, [Val::Double(value)]) => Ok(Val::Double(-value)),
        (IN, [item, container]) => contains(item, container),
        ("int", [value]) => to_int(value),
        ("uint", [value]) => to_uint(value),
        ("double", [value]) => to_double(value),
        ("string", [value]) => to_string(value),
        ("bytes", [Val::Str(text)]) => Ok(Val::Bytes(text.as_bytes().into())),
        ("bytes", [Val::Bytes(bytes)]) => Ok(Val::Bytes(bytes.clone())),
        ("bool", [Val::Bool(value)]) => Ok(Val::Bool(*value)),
        ("bool", [Val::Str(text)]) => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Val::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Val::Bool(false)),
            _ => fault(format!("type conversion error from 'string' to 'bool': {:?}", &**text)),
        },
        ("timestamp", [Val::Timestamp(time)]) => Ok(Val::Timestamp(*time)),
        ("timestamp", [Val::Str(text)]) => {
            text.parse().map(Val::Timestamp).or_else(|_| fault(format!("invalid timestamp: {:?}", &**text)))
        }
        ("timestamp", [Val::Int(seconds)]) => {
            Timestamp::from_second(*seconds).map(Val::Timestamp).or_else(|_| fault("timestamp out of range"))
        }
        ("duration", [Val::Duration(time)]) => Ok(Val::Duration(*time)),
        ("duration", [Val::Str(text)]) => {
            go_duration(text).map_or_else(|| fault(format!("invalid duration: {:?}", &**text)), |time| Ok(Val::Duration(time)))
        }
        ("dyn", [value]) => Ok(value.clone()),
        ("type", [value]) => Ok(Val::Type(value.type_name())),
        _ => return None,
    })
}

fn overflow<'a>() -> Outcome<'a> {
    fault("return error for overflow")
}

fn ordered<'a>(a: &Val<'a>, b: &Val<'a>, holds: fn(Ordering) -> bool) -> Outcome<'a> {
    match compare(a, b) {
        Some(order) => Ok(Val::Bool(holds(order))),
        None if matches!((a, b), (Val::Double(_), _) | (_, Val::Double(_))) => Ok(Val::Bool(false)),
        None => no_overload("comparison", a, b),
    }
}

fn no_overload<'a>(what: &str, a: &Val<'a>, b: &Val<'a>) -> Outcome<'a> {
    fault(format!("no such overload: {what} of {} and {}", a.type_name(), b.type_name()))
}

fn add<'a>(a: &Val<'a>, b: &Val<'a>) -> Outcome<'a> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => a.checked_add(*b).map_or_else(overflow, |sum| Ok(Val::Int(sum))),
        (Val::UInt(a), Val::UInt(b)) => a.checked_add(*b).map_or_else(overflow, |sum| Ok(Val::UInt(sum))),
        (Val::Double(a), Val::Double(b)) => Ok(Val::Double(a + b)),
        (Val::Str(a), Val::Str(b)) => Ok(format!("{}{}", &**a, &**b).into()),
        (Val::Bytes(a), Val::Bytes(b)) => Ok(Val::Bytes([&**a, &**b].concat().into())),
        (Val::Timestamp(time), Val::Duration(span)) | (Val::Duration(span), Val::Timestamp(time)) => {
            time.checked_add(*span).map_or_else(|_| overflow(), |time| Ok(Val::Timestamp(time)))
        }
        (Val::Duration(a), Val::Duration(b)) => a.checked_add(*b).map_or_else(overflow, |sum| Ok(Val::Duration(sum))),
        _ => match (a.elements(), b.elements()) {
            (Some(mut all), Some(more)) => {
                all.extend(more);
                Ok(Val::list(all))
            }
            _ => no_overload("sum", a, b),
        },
    }
}

fn compute<'a>(name: &str, a: &Val<'a>, b: &Val<'a>) -> Outcome<'a> {
    if matches!((name, b), (DIVIDE | MODULO, Val::Int(0) | Val::UInt(0))) {
        return fault(if name == DIVIDE { "division by zero" } else { "modulus by zero" });
    }
    match (name, a, b) {
        (SUBSTRACT, Val::Int(a), Val::Int(b)) => a.checked_sub(*b).map_or_else(overflow, |value| Ok(Val::Int(value))),
        (MULTIPLY, Val::Int(a), Val::Int(b)) => a.checked_mul(*b).map_or_else(overflow, |value| Ok(Val::Int(value))),
        (DIVIDE, Val::Int(a), Val::Int(b)) => a.checked_div(*b).map_or_else(overflow, |value| Ok(Val::Int(value))),
        (MODULO, Val::Int(a), Val::Int(b)) => a.checked_rem(*b).map_or_else(overflow, |value| Ok(Val::Int(value))),
        (SUBSTRACT, Val::UInt(a), Val::UInt(b)) => a.checked_sub(*b).map_or_else(overflow, |value| Ok(Val::UInt(value))),
        (MULTIPLY, Val::UInt(a), Val::UInt(b)) => a.checked_mul(*b).map_or_else(overflow, |value| Ok(Val::UInt(value))),
        (DIVIDE, Val::UInt(a), Val::UInt(b)) => Ok(Val::UInt(a / b)),
        (MODULO, Val::UInt(a), Val::UInt(b)) => Ok(Val::UInt(a % b)),
        (SUBSTRACT, Val::Double(a), Val::Double(b)) => Ok(Val::Double(a - b)),
        (MULTIPLY, Val::Double(a), Val::Double(b)) => Ok(Val::Double(a * b)),
        (DIVIDE, Val::Double(a), Val::Double(b)) => Ok(Val::Double(a / b)),
        (SUBSTRACT, Val::Timestamp(a), Val::Timestamp(b)) => Ok(Val::Duration(a.duration_since(*b))),
        (SUBSTRACT, Val::Timestamp(time), Val::Duration(span)) => {
            time.checked_sub(*span).map_or_else(|_| overflow(), |time| Ok(Val::Timestamp(time)))
        }
        (SUBSTRACT, Val::Duration(a), Val::Duration(b)) => {
            a.checked_sub(*b).map_or_else(overflow, |span| Ok(Val::Duration(span)))
        }
        _ => no_overload(name, a, b),
    }
}

fn contains<'a>(item: &Val<'a>, container: &Val<'a>) -> Outcome<'a> {
    match container.elements() {
        Some(items) => Ok(Val::Bool(items.iter().any(|own| equal(own, item)))),
        None if container.entries().is_some() => Ok(Val::Bool(container.get(item).is_some())),
        None => no_overload("in", item, container),
    }
}

fn to_int<'a>(value: &Val<'a>) -> Outcome<'a> {
    match value {
        Val::Int(value) => Ok(Val::Int(*value)),
        Val::UInt(value) => i64::try_from(*value).map_or_else(|_| overflow(), |value| Ok(Val::Int(value))),
        Val::Double(value) if value.abs() < 9.2e18 => Ok(Val::Int(*value as i64)),
        Val::Double(_) => overflow(),
        Val::Str(text) => {
            text.parse().map(Val::Int).or_else(|_| fault(format!("type conversion error from 'string' to 'int': {:?}", &**text)))
        }
        Val::Timestamp(time) => Ok(Val::Int(time.as_second())),
        Val::Duration(span) => Ok(Val::Int(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))),
        other => fault(format!("no such overload: int({})", other.type_name())),
    }
}

fn to_uint<'a>(value: &Val<'a>) -> Outcome<'a> {
    match value {
        Val::UInt(value) => Ok(Val::UInt(*value)),
        Val::Int(value) => u64::try_from(*value).map_or_else(|_| overflow(), |value| Ok(Val::UInt(value))),
        Val::Double(value) if (0.0..1.8e19).contains(value) => Ok(Val::UInt(*value as u64)),
        Val::Double(_) => overflow(),
        Val::Str(text) => text
            .parse()
            .map(Val::UInt)
            .or_else(|_| fault(format!("type conversion error from 'string' to 'uint': {:?}", &**text))),
        other => fault(format!("no such overload: uint({})", other.type_name())),
    }
}

fn to_double<'a>(value: &Val<'a>) -> Outcome<'a> {
    match value {
        Val::Double(value) => Ok(Val::Double(*value)),
        Val::Int(value) => Ok(Val::Double(*value as f64)),
        Val::UInt(value) => Ok(Val::Double(*value as f64)),
        Val::Str(text) => text
            .parse()
            .map(Val::Double)
            .or_else(|_| fault(format!("type conversion error from 'string' to 'double': {:?}", &**text))),
        other => fault(format!("no such overload: double({})", other.type_name())),
    }
}

fn to_string<'a>(value: &Val<'a>) -> Outcome<'a> {
    match value {
        Val::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Val::text(text)),
            Err(_) => fault("invalid UTF-8 in bytes"),
        },
        Val::Str(_) => Ok(value.clone()),
        other => {
            plain(other).map_or_else(|| fault(format!("no such overload: string({})", other.type_name())), |text| Ok(text.into()))
        }
    }
}

/// A value without parts as a text.
pub(super) fn plain(value: &Val<'_>) -> Option<String> {
    Some(match value {
        Val::Null => "null".into(),
        Val::Bool(value) => value.to_string(),
        Val::Int(value) => value.to_string(),
        Val::UInt(value) => value.to_string(),
        Val::Double(value) => value.to_string(),
        Val::Str(text) => text.to_string(),
        Val::Timestamp(time) => time.to_string(),
        Val::Duration(span) => seconds(*span),
        Val::Type(name) => (*name).into(),
        Val::Ip(address) => address.to_string(),
        Val::Cidr(address, length) => format!("{address}/{length}"),
        Val::Url(url) => url.to_string(),
        _ => return None,
    })
}

/// `1.5s`.
fn seconds(span: SignedDuration) -> String {
    let nanos = span.subsec_nanos().unsigned_abs();
    let sign = if span.is_negative() { "-" } else { "" };
    let whole = span.as_secs().unsigned_abs();
    let part = format!("{nanos:09}");
    let part = part.trim_end_matches('0');
    if part.is_empty() { format!("{sign}{whole}s") } else { format!("{sign}{whole}.{part}s") }
}
