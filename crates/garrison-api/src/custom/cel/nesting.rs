//! How deep an expression nests, told from its text: the parser recurses on some of it, and what it makes is freed by recursion.

use super::compile::DEEPEST;

/// Whether the text alone shows that it nests too deep. The parser counts neither brackets nor chains such as `a.b().c[0] + d + e`.
pub(super) fn is_too_deep(source: &str) -> bool {
    let bytes = source.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(b' ');
    // The links of the chain of the moment, for each open bracket.
    let mut links = vec![0_u16];
    let (mut at, mut run, mut branches, mut last) = (0, 0_u16, 0_u16, b'(');
    while at < bytes.len() {
        let now = byte(at);
        if let Some(end) = end_of_text(bytes, at) {
            (at, last, run) = (end, b'\'', 0);
            continue;
        }
        if now.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        run = if matches!(now, b'!' | b'-') { run + 1 } else { 0 };
        let after_operand = last.is_ascii_alphanumeric() || matches!(last, b'_' | b')' | b']' | b'}' | b'\'' | b'`');
        let is_link = match now {
            b'(' | b'[' | b'{' => true,
            b'.' => !(byte(at.wrapping_sub(1)).is_ascii_digit() && byte(at + 1).is_ascii_digit()),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' => after_operand,
            b'i' => byte(at + 1) == b'n' && !is_of_word(byte(at.wrapping_sub(1))) && !is_of_word(byte(at + 2)),
            _ => false,
        };
        let nested = links.len();
        let Some(level) = links.last_mut() else { return true };
        *level += u16::from(is_link);
        if *level > DEEPEST {
            return true;
        }
        match now {
            b'(' | b'[' | b'{' => links.push(0),
            b')' | b']' | b'}' if nested > 1 => drop(links.pop()),
            b',' | b':' | b'&' | b'|' => *level = 0,
            b'?' => (*level, branches) = (0, branches + 1),
            _ => {}
        }
        if links.len() > usize::from(DEEPEST) || run > DEEPEST || branches > DEEPEST {
            return true;
        }
        (at, last) = (at + 1, now);
    }
    false
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the text or the comment ends that begins here, if one does.
fn end_of_text(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return Some(rest.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end));
    }
    let quote = rest.first().filter(|byte| matches!(byte, b'\'' | b'"'))?;
    let word: Vec<u8> = bytes[..at].iter().rev().copied().take_while(|byte| is_of_word(*byte)).take(3).collect();
    let is_raw = matches!(word.as_slice(), [b'r' | b'R'] | [b'r' | b'R', b'b' | b'B'] | [b'b' | b'B', b'r' | b'R']);
    let close = if rest.starts_with(&[*quote; 3]) { vec![*quote; 3] } else { vec![*quote] };
    let mut end = at + close.len();
    while end < bytes.len() {
        match bytes[end] {
            b'\\' if !is_raw => end += 2,
            _ if bytes[end..].starts_with(&close) => return Some(end + close.len()),
            _ => end += 1,
        }
    }
    Some(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_brackets_are_counted_and_texts_are_not() {
        for (deep, times) in [(".a", 101), ("[0]", 101), (".f('x')", 60), ("+1", 101), (" in a", 101), (" == 1", 101)] {
            assert!(is_too_deep(&format!("a{}", deep.repeat(times))), "{deep}");
            assert!(!is_too_deep(&format!("a{}", deep.repeat(times / 3))), "{deep}");
        }
        for deep in ["(", "[", "{1:", "!", "-", "a?b:"] {
            assert!(is_too_deep(&deep.repeat(101)), "{deep}");
        }
        for text in [
            format!("self.matches('{}')", "[.+]".repeat(200)),
            format!(r"self.matches(r'\') && '{}' == self", ".(".repeat(200)),
            format!("a == '''{}'''", "'.'(".repeat(200)),
            format!("true // {}", "((.".repeat(200)),
            ["self.a.b == 1"; 500].join(" && "),
            ["1.5"; 500].join(", "),
            ["-1.5"; 80].join(" + "),
        ] {
            assert!(!is_too_deep(&text), "{text}");
        }
        assert!(is_too_deep(&format!(r"'\'' + '' + a{}", ".b".repeat(101))));
    }
}
