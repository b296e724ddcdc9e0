//! Forms of texts and numbers: ports, keys, paths, counts.

use super::fault::{At, Faults};

/// Why a text is no port name (an IANA service name); `None` when it is one.
pub(super) fn port_name_fault(text: &str) -> Option<String> {
    let why = if text.len() > 15 {
        "must be no more than 15 characters"
    } else if !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') || text.is_empty() {
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    } else if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        "must contain at least one letter (a-z)"
    } else if text.contains("--") {
        "must not contain consecutive hyphens"
    } else if text.starts_with('-') || text.ends_with('-') {
        "must not begin or end with a hyphen"
    } else {
        return None;
    };
    Some(why.into())
}

/// A port by number or by name; an absent one is number 0.
pub(super) fn port_or_name(at: &At<'_>, faults: &mut Faults) {
    match at.value.as_str() {
        Some(name) => faults.invalid_if(at, port_name_fault(name)),
        None => faults.between(at, 1, 65_535),
    }
}

/// Why a text is no key of a ConfigMap or Secret; `None` when it is one.
pub(super) fn data_key_fault(text: &str) -> Option<String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let why = if text.len() > 253 {
        "must be no more than 253 characters"
    } else if text.is_empty() || !text.bytes().all(inner) {
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', \
         regex used for validation is '[-._a-zA-Z0-9]+')"
    } else if text == "." {
        "must not be '.'"
    } else if text == ".." {
        "must not be '..'"
    } else if text.starts_with("..") {
        "must not start with '..'"
    } else {
        return None;
    };
    Some(why.into())
}

/// Why a text cannot name an environment variable; `None` when it can.
pub(super) fn variable_name_fault(text: &str) -> Option<String> {
    let fine = text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    (!fine).then(|| "a valid environment variable name must consist only of printable ASCII characters other than '='".into())
}

/// Why a path leads out of where it starts; `None` when it does not.
pub(super) fn descending_path_fault(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return Some("must be a relative path".into());
    }
    steps_back_fault(path)
}

/// Why a path steps back; `None` when it does not.
pub(super) fn steps_back_fault(path: &str) -> Option<String> {
    path.split('/').any(|step| step == "..").then(|| "must not contain '..'".into())
}

/// A path of a file inside a volume that the node writes: names beginning with `..` are the node's own.
pub(super) fn volume_file(at: &At<'_>, faults: &mut Faults) {
    if at.is_empty() {
        return faults.required(at, "");
    }
    let path = at.text();
    let reserved = path.starts_with("..") && !path.starts_with("../");
    faults.invalid_if(at, descending_path_fault(path).or_else(|| reserved.then(|| "must not start with '..'".into())));
}

/// Permission bits of a file, when set.
pub(super) fn file_mode(at: &At<'_>, faults: &mut Faults) {
    if !(0..=0o777).contains(&at.number()) {
        faults.invalid(at, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

/// The number of a count, or of a percentage.
pub(super) fn amount(at: &At<'_>) -> i64 {
    let text = at.text();
    at.value.as_i64().or_else(|| text.strip_suffix('%').unwrap_or(text).parse().ok()).unwrap_or_default()
}

/// A count or a percentage; those over 100% are fine.
pub(super) fn count_or_percent(at: &At<'_>, faults: &mut Faults) {
    percent(at, faults);
}

/// A count or a percentage of at most all.
pub(super) fn count_or_part(at: &At<'_>, faults: &mut Faults) {
    // More digits than a number holds are more than 100, too.
    if percent(at, faults).is_some_and(|digits| !digits.parse::<u64>().is_ok_and(|percent| percent <= 100)) {
        faults.invalid(at, "must not be greater than 100%");
    }
}

/// The digits of a percentage, when it is one.
fn percent<'a>(at: &At<'a>, faults: &mut Faults) -> Option<&'a str> {
    let Some(text) = at.value.as_str() else {
        faults.non_negative(at);
        return None;
    };
    let digits = text.strip_suffix('%').filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if digits.is_none() {
        faults.invalid(
            at,
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation \
             is '[0-9]+%')",
        );
    }
    digits
}
