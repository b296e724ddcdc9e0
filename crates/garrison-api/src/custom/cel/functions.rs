//! Functions on lists, maps, times, amounts and optional values; those on texts and addresses have rooms of their own.

use super::{
    eval::{Outcome, fault},
    network, text,
    value::{Val, compare, equal},
};
use crate::quantity::Quantity;
use jiff::{Timestamp, tz::TimeZone};
use std::cmp::Ordering;

/// Calls a function; the value that a method is called on comes first.
pub(super) fn call<'a>(name: &str, method: bool, values: &[Val<'a>]) -> Outcome<'a> {
    let outcome = match values {
        [Val::Str(_), ..] if method => text::method(name, values),
        [Val::Ip(_) | Val::Cidr(..) | Val::Url(_), ..] if method => network::method(name, values),
        [Val::Timestamp(_) | Val::Duration(_), ..] if method => time(name, values),
        [Val::Quantity(_), ..] if method => amount(name, values),
        [Val::Optional(inner), rest @ ..] if method => optional(name, inner.as_deref(), rest),
        [Val::Format(format), Val::Str(value)] if method && name == "validate" => Some(text::validate(format, value)),
        [list, rest @ ..] if method => list_method(name, list, rest),
        _ => None,
    };
    let outcome = outcome
        .or_else(|| global(name, values))
        .or_else(|| text::function(name, values))
        .or_else(|| network::function(name, values));
    outcome.unwrap_or_else(|| {
        let types: Vec<&str> = values.iter().map(Val::type_name).collect();
        fault(format!("no such overload: {name}({})", types.join(", ")))
    })
}

fn global<'a>(name: &str, values: &[Val<'a>]) -> Option<Outcome<'a>> {
    Some(match (name, values) {
        ("size", [value]) => Ok(Val::Int(value.size()? as i64)),
        ("quantity", [Val::Str(text)]) => Quantity::parse(text)
            .map(Val::Quantity)
            .or_else(|_| fault(format!("quantities must match the regular expression: {:?}", &**text))),
        ("isQuantity", [Val::Str(text)]) => Ok(Val::Bool(Quantity::parse(text).is_ok())),
        ("optional.of", [value]) => Ok(Val::some(value.clone())),
        ("optional.none", []) => Ok(Val::Optional(None)),
        ("optional.ofNonZeroValue", [value]) => Ok(if is_zero(value) { Val::Optional(None) } else { Val::some(value.clone()) }),
        ("sets.contains", [all, some]) => {
            let (all, some) = (all.elements()?, some.elements()?);
            Ok(Val::Bool(some.iter().all(|item| all.iter().any(|own| equal(own, item)))))
        }
        ("sets.intersects", [one, other]) => {
            let (one, other) = (one.elements()?, other.elements()?);
            Ok(Val::Bool(one.iter().any(|item| other.iter().any(|own| equal(own, item)))))
        }
        ("sets.equivalent", [one, other]) => {
            let (one, other) = (one.elements()?, other.elements()?);
            let within = |some: &[Val<'a>], all: &[Val<'a>]| some.iter().all(|item| all.iter().any(|own| equal(own, item)));
            Ok(Val::Bool(within(&one, &other) && within(&other, &one)))
        }
        _ => return None,
    })
}

fn is_zero(value: &Val<'_>) -> bool {
    match value {
        Val::Null | Val::Bool(false) | Val::Int(0) | Val::UInt(0) => true,
        Val::Double(value) => *value == 0.0,
        other => other.size() == Some(0),
    }
}

fn optional<'a>(name: &str, inner: Option<&Val<'a>>, rest: &[Val<'a>]) -> Option<Outcome<'a>> {
    Some(match (name, rest) {
        ("hasValue", []) => Ok(Val::Bool(inner.is_some())),
        ("value", []) => inner.map_or_else(|| fault("optional.none() dereference"), |inner| Ok(inner.clone())),
        ("orValue", [other]) => Ok(inner.unwrap_or(other).clone()),
        ("or", [other]) => Ok(inner.map_or_else(|| other.clone(), |inner| Val::some(inner.clone()))),
        _ => return None,
    })
}

fn list_method<'a>(name: &str, list: &Val<'a>, rest: &[Val<'a>]) -> Option<Outcome<'a>> {
    let items = list.elements()?;
    let best = |wanted: Ordering| {
        let mut best = items.first()?;
        for item in &items {
            if compare(item, best)? == wanted {
                best = item;
            }
        }
        Some(best.clone())
    };
    let place = |found: Option<usize>| Ok(Val::Int(found.map_or(-1, |index| index as i64)));
    Some(match (name, rest) {
        ("isSorted", []) => Ok(Val::Bool(items.windows(2).all(|pair| compare(&pair[0], &pair[1]).is_some_and(Ordering::is_le)))),
        ("sum", []) => {
            let mut sum = match items.first() {
                None | Some(Val::Int(_)) => Val::Int(0),
                Some(Val::UInt(_)) => Val::UInt(0),
                Some(Val::Double(_)) => Val::Double(0.0),
                Some(Val::Duration(_)) => Val::Duration(jiff::SignedDuration::ZERO),
                Some(_) => return None,
            };
            for item in items {
                match super::arithmetic::call(cel::common::ast::operators::ADD, &[sum, item])? {
                    Ok(next) => sum = next,
                    refused => return Some(refused),
                }
            }
            Ok(sum)
        }
        ("min" | "max", []) if items.is_empty() => fault(format!("{name} called on empty list")),
        ("min", []) => Ok(best(Ordering::Less)?),
        ("max", []) => Ok(best(Ordering::Greater)?),
        ("indexOf", [item]) => place(items.iter().position(|own| equal(own, item))),
        ("lastIndexOf", [item]) => place(items.iter().rposition(|own| equal(own, item))),
        ("join", separator @ ([] | [Val::Str(_)])) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| if let Val::Str(text) = item { Some(text.to_string()) } else { None }).collect();
            let between = if let [Val::Str(text)] = separator { text.to_string() } else { String::new() };
            Ok(texts?.join(&between).into())
        }
        ("reverse", []) => Ok(Val::list(items.into_iter().rev().collect())),
        ("first", []) => Ok(Val::Optional(items.first().cloned().map(Into::into))),
        ("last", []) => Ok(Val::Optional(items.last().cloned().map(Into::into))),
        ("slice", [Val::Int(from), Val::Int(to)]) => {
            let range = usize::try_from(*from).ok()?..usize::try_from(*to).ok()?;
            items.get(range).map_or_else(|| fault("slice out of range"), |part| Ok(Val::list(part.to_vec())))
        }
        ("distinct", []) => {
            let mut found: Vec<Val<'a>> = Vec::new();
            for item in items {
                if !found.iter().any(|own| equal(own, &item)) {
                    found.push(item);
                }
            }
            Ok(Val::list(found))
        }
        ("sort", []) => {
            let mut sorted = items;
            sorted.sort_by(|one, other| compare(one, other).unwrap_or(Ordering::Equal));
            Ok(Val::list(sorted))
        }
        _ => return None,
    })
}

fn amount<'a>(name: &str, values: &[Val<'a>]) -> Option<Outcome<'a>> {
    let [Val::Quantity(own), rest @ ..] = values else { return None };
    let milli = own.milli_value();
    Some(match (name, rest) {
        ("isGreaterThan", [Val::Quantity(other)]) => Ok(Val::Bool(own > other)),
        ("isLessThan", [Val::Quantity(other)]) => Ok(Val::Bool(own < other)),
        ("compareTo", [Val::Quantity(other)]) => Ok(Val::Int(own.cmp(other) as i64)),
        ("sign", []) => Ok(Val::Int(milli.signum())),
        ("isInteger", []) => Ok(Val::Bool(milli % 1000 == 0)),
        ("asInteger", []) if milli % 1000 == 0 => Ok(Val::Int(own.value())),
        ("asInteger", []) => fault("cannot convert value to integer"),
        ("asApproximateFloat", []) => Ok(Val::Double(milli as f64 / 1000.0)),
        ("add" | "sub", [other]) => {
            let other = match other {
                Val::Quantity(other) => other.milli_value(),
                Val::Int(units) => units.checked_mul(1000)?,
                _ => return None,
            };
            let sum = if name == "add" { milli.checked_add(other) } else { milli.checked_sub(other) };
            sum.map_or_else(|| fault("return error for overflow"), |sum| Ok(Val::Quantity(Quantity::from_milli(sum))))
        }
        _ => return None,
    })
}

fn time<'a>(name: &str, values: &[Val<'a>]) -> Option<Outcome<'a>> {
    let whole = |value: i64| Some(Ok(Val::Int(value)));
    match values {
        [Val::Duration(span)] => match name {
            "getHours" => whole(span.as_hours()),
            "getMinutes" => whole(span.as_mins()),
            "getSeconds" => whole(span.as_secs()),
            "getMilliseconds" => whole(i64::from(span.subsec_millis())),
            _ => None,
        },
        [Val::Timestamp(time)] => calendar(name, *time, TimeZone::UTC),
        [Val::Timestamp(time), Val::Str(zone)] => match TimeZone::get(zone) {
            Ok(zone) => calendar(name, *time, zone),
            Err(_) => Some(fault(format!("unknown time zone {}", &**zone))),
        },
        _ => None,
    }
}

fn calendar<'a>(name: &str, time: Timestamp, zone: TimeZone) -> Option<Outcome<'a>> {
    let time = time.to_zoned(zone);
    let value = match name {
        "getFullYear" => i64::from(time.year()),
        "getMonth" => i64::from(time.month()) - 1,
        "getDate" => i64::from(time.day()),
        "getDayOfMonth" => i64::from(time.day()) - 1,
        "getDayOfWeek" => i64::from(time.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(time.day_of_year()) - 1,
        "getHours" => i64::from(time.hour()),
        "getMinutes" => i64::from(time.minute()),
        "getSeconds" => i64::from(time.second()),
        "getMilliseconds" => i64::from(time.millisecond()),
        _ => return None,
    };
    Some(Ok(Val::Int(value)))
}
