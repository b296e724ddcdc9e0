//! Functions on texts: CEL's own, its extensions for strings, regular expressions and named formats.

use super::{
    arithmetic::plain,
    eval::{Outcome, fault},
    value::Val,
};
use crate::names;
use regex::{Regex, RegexBuilder};

/// Longest text that `replace` and the like may make at once; the count of steps bounds all of them together.
const LONGEST: usize = 1 << 20;

/// Bytes that a compiled pattern of a rule may have.
const LARGEST_PATTERN: usize = 512 << 10;

/// Methods of texts.
pub(super) fn method<'a>(name: &str, values: &[Val<'a>]) -> Option<Outcome<'a>> {
    let [Val::Str(own), rest @ ..] = values else { return None };
    let letters = || own.chars().collect::<Vec<char>>();
    Some(match (name, rest) {
        ("contains", [Val::Str(part)]) => Ok(Val::Bool(own.contains(&**part))),
        ("startsWith", [Val::Str(part)]) => Ok(Val::Bool(own.starts_with(&**part))),
        ("endsWith", [Val::Str(part)]) => Ok(Val::Bool(own.ends_with(&**part))),
        ("size", []) => Ok(Val::Int(own.chars().count() as i64)),
        ("lowerAscii", []) => Ok(own.to_ascii_lowercase().into()),
        ("upperAscii", []) => Ok(own.to_ascii_uppercase().into()),
        ("trim", []) => Ok(Val::text(own.trim())),
        ("reverse", []) => Ok(own.chars().rev().collect::<String>().into()),
        ("charAt", [Val::Int(at)]) => {
            let letters = letters();
            match usize::try_from(*at).ok().filter(|at| *at <= letters.len()) {
                Some(at) => Ok(letters.get(at).map(char::to_string).unwrap_or_default().into()),
                None => fault(format!("index out of range: {at}")),
            }
        }
        ("indexOf" | "lastIndexOf", [Val::Str(part), from @ ..]) => {
            let from = if let [Val::Int(from)] = from { Some(*from) } else { None };
            place(name == "lastIndexOf", &letters(), &part.chars().collect::<Vec<char>>(), from)
        }
        ("substring", [Val::Int(from)]) => part(&letters(), *from, None),
        ("substring", [Val::Int(from), Val::Int(to)]) => part(&letters(), *from, Some(*to)),
        ("replace", [Val::Str(old), Val::Str(new), count @ ..]) => {
            let most = if let [Val::Int(most)] = count { usize::try_from(*most).unwrap_or(usize::MAX) } else { usize::MAX };
            let hits = if old.is_empty() { own.chars().count() + 1 } else { own.matches(&**old).count() };
            if hits.min(most).saturating_mul(new.len()).saturating_add(own.len()) > LONGEST {
                return Some(fault("the text gets too long"));
            }
            Ok(own.replacen(&**old, new, most).into())
        }
        ("split", [Val::Str(separator), count @ ..]) => {
            let most = if let [Val::Int(most)] = count { *most } else { -1 };
            Ok(Val::list(split(own, separator, most)))
        }
        ("format", [list]) => return list.elements().map(|items| format(own, &items)),
        _ => return None,
    })
}

/// Functions that are no methods.
pub(super) fn function<'a>(name: &str, values: &[Val<'a>]) -> Option<Outcome<'a>> {
    Some(match (name, values) {
        ("strings.quote", [Val::Str(text)]) => Ok(format!("{:?}", &**text).into()),
        ("format.named", [Val::Str(name)]) => {
            let known = FORMATS.iter().find(|known| known.strip_prefix("format.") == Some(&**name));
            Ok(Val::Optional(known.map(|known| Val::Format(known).into())))
        }
        (format, []) => return FORMATS.iter().find(|known| **known == format).map(|known| Ok(Val::Format(known))),
        _ => return None,
    })
}

/// Formats that have a name.
pub(super) const FORMATS: [&str; 13] = [
    "format.dns1123Label",
    "format.dns1123Subdomain",
    "format.dns1035Label",
    "format.dns1123LabelPrefix",
    "format.dns1123SubdomainPrefix",
    "format.dns1035LabelPrefix",
    "format.qualifiedName",
    "format.labelValue",
    "format.uri",
    "format.uuid",
    "format.byte",
    "format.date",
    "format.datetime",
];

/// What is wrong with a text by a named format, as an optional list.
pub(super) fn validate<'a>(format: &str, text: &str) -> Outcome<'a> {
    let of_prefix = |text: &str| text.strip_suffix('-').map_or_else(|| text.to_owned(), |rest| format!("{rest}a"));
    let schema_format = |name: &str| (!crate::custom::schema::fits_format(name, text)).then(|| format!("must be a {name}"));
    let why = match format {
        "format.dns1123Label" => names::dns_label_fault(text),
        "format.dns1123Subdomain" => names::dns_subdomain_fault(text),
        "format.dns1035Label" => names::dns_1035_label_fault(text),
        "format.dns1123LabelPrefix" => names::dns_label_fault(&of_prefix(text)),
        "format.dns1123SubdomainPrefix" => names::dns_subdomain_fault(&of_prefix(text)),
        "format.dns1035LabelPrefix" => names::dns_1035_label_fault(&of_prefix(text)),
        "format.qualifiedName" => names::qualified_name_fault(text),
        "format.labelValue" => names::label_value_fault(text),
        "format.datetime" => schema_format("date-time"),
        other => schema_format(other.trim_start_matches("format.")),
    };
    Ok(why.map_or(Val::Optional(None), |why| Val::some(Val::list(vec![why.into()]))))
}

/// A pattern of a rule. What would take long to compile is refused.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(LARGEST_PATTERN).dfa_size_limit(LARGEST_PATTERN).build();
    built.map_err(|_| format!("error parsing regexp: {text:?}"))
}

/// Whether a call is one that [`search`] answers.
pub(super) fn is_search(name: &str) -> bool {
    matches!(name, "matches" | "find" | "findAll")
}

/// Looks for a pattern in a text.
pub(super) fn search<'a>(name: &str, text: &str, pattern: &Regex, limit: &[Val<'a>]) -> Val<'a> {
    let most = if let [Val::Int(most)] = limit { usize::try_from(*most).unwrap_or(usize::MAX) } else { usize::MAX };
    match name {
        "matches" => Val::Bool(pattern.is_match(text)),
        "find" => Val::text(pattern.find(text).map_or("", |found| found.as_str())),
        _ => Val::list(pattern.find_iter(text).take(most).map(|found| Val::text(found.as_str())).collect()),
    }
}

fn place<'a>(last: bool, own: &[char], part: &[char], from: Option<i64>) -> Outcome<'a> {
    let Ok(start) = usize::try_from(from.unwrap_or(if last { own.len() as i64 } else { 0 })) else {
        return fault("index out of range");
    };
    if start > own.len() {
        return fault(format!("index out of range: {start}"));
    }
    let fits = |at: usize| own[at..].starts_with(part);
    let found = if last {
        (0..=start.min(own.len().saturating_sub(part.len()))).rev().find(|at| fits(*at))
    } else {
        (start..=own.len()).find(|at| fits(*at))
    };
    Ok(Val::Int(found.map_or(-1, |at| at as i64)))
}

fn part<'a>(own: &[char], from: i64, to: Option<i64>) -> Outcome<'a> {
    let to = to.unwrap_or(own.len() as i64);
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    match range.and_then(|(from, to)| own.get(from..to)) {
        Some(letters) => Ok(letters.iter().collect::<String>().into()),
        None => fault(format!("invalid substring range. start: {from}, end: {to}")),
    }
}

fn split<'a>(own: &str, separator: &str, most: i64) -> Vec<Val<'a>> {
    let limit = match most {
        0 => return Vec::new(),
        negative if negative < 0 => usize::MAX,
        positive => usize::try_from(positive).unwrap_or(usize::MAX),
    };
    if separator.is_empty() {
        let letters: Vec<String> = own.chars().map(String::from).collect();
        let (first, rest) = letters.split_at(letters.len().min(limit.saturating_sub(1)));
        let rest = rest.concat();
        let rest = (!rest.is_empty()).then_some(rest);
        return first.iter().cloned().chain(rest).map(Val::from).collect();
    }
    own.splitn(limit, separator).map(Val::text).collect()
}

/// `"%s has %d".format([...])`.
fn format<'a>(pattern: &str, items: &[Val<'a>]) -> Outcome<'a> {
    let (mut out, mut letters, mut items) = (String::new(), pattern.chars().peekable(), items.iter());
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut precision = None;
        if letters.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            precision = digits.parse::<usize>().ok().filter(|digits| *digits <= 100);
        }
        let verb = letters.next();
        if verb == Some('%') {
            out.push('%');
            continue;
        }
        let Some(item) = items.next() else { return fault("index out of range: too few arguments of format") };
        let text = match (verb, item) {
            (Some('s'), item) => shown(item),
            (Some('d'), Val::Int(_) | Val::UInt(_)) => plain(item),
            (Some('f'), item) => number(item).map(|value| format!("{value:.*}", precision.unwrap_or(6))),
            (Some('e'), item) => number(item).map(|value| format!("{value:.*e}", precision.unwrap_or(6))),
            (Some('x'), Val::Int(value)) => Some(format!("{value:x}")),
            (Some('X'), Val::Int(value)) => Some(format!("{value:X}")),
            (Some('o'), Val::Int(value)) => Some(format!("{value:o}")),
            (Some('b'), Val::Int(value)) => Some(format!("{value:b}")),
            (Some('b'), Val::Bool(value)) => Some(u8::from(*value).to_string()),
            _ => None,
        };
        let Some(text) = text else { return fault(format!("could not format a {}", item.type_name())) };
        out.push_str(&text);
        if out.len() > LONGEST {
            return fault("the text gets too long");
        }
    }
    Ok(out.into())
}

fn number(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Int(value) => Some(*value as f64),
        Val::UInt(value) => Some(*value as f64),
        Val::Double(value) => Some(*value),
        _ => None,
    }
}

/// Any value, as `%s` writes it.
fn shown(value: &Val<'_>) -> Option<String> {
    if let Some(text) = plain(value) {
        return Some(text);
    }
    if let Some(items) = value.elements() {
        let items: Option<Vec<String>> = items.iter().map(shown).collect();
        return Some(format!("[{}]", items?.join(", ")));
    }
    let entries: Option<Vec<String>> =
        value.entries()?.iter().map(|(key, value)| Some(format!("{}: {}", shown(key)?, shown(value)?))).collect();
    Some(format!("{{{}}}", entries?.join(", ")))
}
