//! One line of a log as the runtime writes it: `2026-11-24T10:15:00.123456789Z stdout F text`.

/// A line taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// When it was written, RFC 3339.
    pub(super) time: &'a str,
    /// Whether what the container wrote goes on in the next line.
    pub(super) partial: bool,
    /// What the container wrote, without line end.
    pub(super) text: &'a [u8],
}

/// Takes a line apart, given without its line end; `None` if it is not of the format.
pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = str::from_utf8(parts.next()?).ok()?;
    if !matches!(parts.next()?, b"stdout" | b"stderr") {
        return None;
    }
    // Further tags may follow the first.
    let partial = match parts.next()?.split(|byte| *byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    Some(Line { time, partial, text: parts.next().unwrap_or_default() })
}
