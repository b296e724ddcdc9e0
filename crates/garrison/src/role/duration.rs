//! Times on the command line: `40s`, `500ms`, `1m30s`, or plain seconds.

use std::time::Duration;

/// Reads a time.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text} is no time like 40s, 500ms or 1m30s");
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let length = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..length] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return Err(bad()),
        };
        let part = u32::try_from(number).ok().and_then(|number| unit.checked_mul(number));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(bad)?;
        rest = &rest[length..];
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_read() {
        for (text, wanted) in [
            ("40s", Some(40_000)),
            ("2m", Some(120_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("1h", Some(3_600_000)),
            ("7", Some(7_000)),
            ("", None),
            ("x", None),
            ("7x", None),
            ("5s3", None),
            ("-1s", None),
            ("99999999999h", None),
        ] {
            assert_eq!(super::duration(text).ok().map(|time| time.as_millis()), wanted, "{text}");
        }
    }
}
