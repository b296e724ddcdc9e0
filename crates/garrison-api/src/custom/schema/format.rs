//! Formats of texts. A format that is not known holds nobody to anything.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp, civil::Date};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The formats that are checked; others are ignored, and said so to who writes the schema.
pub(crate) const KNOWN: [&str; 32] = [
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "date-time",
    "datetime",
    "double",
    "duration",
    "email",
    "float",
    "hexcolor",
    "hostname",
    "int32",
    "int64",
    "ipv4",
    "ipv6",
    "isbn",
    "isbn10",
    "isbn13",
    "k8s-long-name",
    "k8s-short-name",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uint32",
    "uint64",
    "uri",
    "uuid",
    "uuid3",
    "uuid4",
];

/// Whether a text is of that format.
pub(crate) fn fits(format: &str, text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    match format {
        "bsonobjectid" => text.len() == 24 && hex(text),
        "uri" => url::Url::parse(text).is_ok() || text.starts_with('/'),
        "email" => text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && is_hostname(host) && !text.contains(' ')),
        "hostname" => is_hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => {
            let parts: Vec<&str> = text.split([':', '-']).collect();
            matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(|part| part.len() == 2 && hex(part))
        }
        "uuid" | "uuid3" | "uuid4" | "uuid5" => is_uuid(format, text),
        "isbn" | "isbn10" | "isbn13" => {
            let plain = text.replace(['-', ' '], "");
            let ten =
                plain.len() == 10 && digits(&plain[..9], 9) && plain.ends_with(|last: char| last.is_ascii_digit() || last == 'X');
            (format != "isbn13" && ten) || (format != "isbn10" && digits(&plain, 13))
        }
        "creditcard" => {
            let plain = text.replace(['-', ' '], "");
            (13..=19).contains(&plain.len()) && plain.bytes().all(|byte| byte.is_ascii_digit())
        }
        "ssn" => {
            let parts: Vec<&str> = text.split(['-', ' ']).collect();
            parts.len() == 3 && digits(parts[0], 3) && digits(parts[1], 2) && digits(parts[2], 4)
        }
        "hexcolor" => {
            let plain = text.strip_prefix('#').unwrap_or(text);
            matches!(plain.len(), 3 | 6) && hex(plain)
        }
        "rgbcolor" => is_rgb(text),
        "byte" => STANDARD.decode(text).is_ok(),
        "date" => text.len() == 10 && text.parse::<Date>().is_ok(),
        "date-time" | "datetime" => text.parse::<Timestamp>().is_ok(),
        "duration" => go_duration(text).is_some() || worded_duration(text),
        "k8s-short-name" => crate::names::dns_label_fault(text).is_none(),
        "k8s-long-name" => crate::names::dns_subdomain_fault(text).is_none(),
        _ => true,
    }
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !text.is_empty() && text.len() <= 255 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let Ok(length) = length.parse::<u8>() else { return false };
    (address.parse::<Ipv4Addr>().is_ok() && length <= 32) || (address.parse::<Ipv6Addr>().is_ok() && length <= 128)
}

fn is_uuid(format: &str, text: &str) -> bool {
    let plain: String = text.chars().filter(|letter| *letter != '-').collect();
    let dashes = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    let version = match format {
        "uuid3" => Some(b'3'),
        "uuid4" => Some(b'4'),
        "uuid5" => Some(b'5'),
        _ => None,
    };
    plain.len() == 32
        && (dashes || text.len() == 32)
        && plain.bytes().all(|byte| byte.is_ascii_hexdigit())
        && version.is_none_or(|version| plain.as_bytes()[12] == version)
}

fn is_rgb(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')'));
    inner.is_some_and(|inner| {
        let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
        parts.len() == 3 && parts.iter().all(|part| part.parse::<u8>().is_ok())
    })
}

/// `3 days`, as the library upstream uses takes it.
fn worded_duration(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (Some(number), Some(unit), None) = (words.next(), words.next(), words.next()) else { return false };
    let units = [
        "ns", "us", "ms", "s", "m", "h", "second", "minute", "hour", "day", "week", "seconds", "minutes", "hours", "days",
        "weeks",
    ];
    number.parse::<u32>().is_ok() && units.contains(&unit)
}

/// A duration as Go writes it, such as `1h30m`, `-1.5s`.
pub(crate) fn go_duration(text: &str) -> Option<SignedDuration> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = rest;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let units = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let (unit, seconds) = units.into_iter().find(|(unit, _)| {
            rest.strip_prefix(unit)
                .is_some_and(|after| after.is_empty() || after.starts_with(|next: char| next.is_ascii_digit() || next == '.'))
        })?;
        rest = &rest[unit.len()..];
        // Go holds no more than 292 years.
        let part = Duration::try_from_secs_f64(number * seconds).ok().filter(|part| part.as_secs() < 9_223_372_036)?;
        total = total.checked_add(part)?;
    }
    let total = SignedDuration::try_from(total).ok()?;
    Some(if negative { -total } else { total })
}
