//! Names: what is a valid one, and how the server makes one from `generateName`.

/// Characters of generated suffixes: no vowels and no look-alikes, so that no words appear (upstream `util/rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Longest prefix kept, in bytes; with the suffix a name fits a DNS label (upstream `names/generate.go`).
const LONGEST_PREFIX: usize = 58;

/// The name for a `generateName` prefix: cut to 58 bytes, five characters of `bcdfghjklmnpqrstvwxz2456789` from `random`.
pub fn generate(prefix: &str, random: u64) -> String {
    let mut cut = prefix.len().min(LONGEST_PREFIX);
    while !prefix.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{}", &prefix[..cut], suffix(random, 5))
}

/// `length` characters of the safe alphabet from `random`.
pub fn suffix(random: u64, length: usize) -> String {
    let base = ALPHABET.len() as u64;
    let mut rest = random;
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        text.push(char::from(ALPHABET[(rest % base) as usize]));
        rest /= base;
    }
    text
}

/// Why a text is no DNS-1123 label; `None` when it is one.
pub fn dns_label_fault(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some("must be no more than 63 bytes".into());
    }
    let fine = is_label(text);
    (!fine).then(|| {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an \
         alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            .into()
    })
}

/// Why a text is no DNS-1123 subdomain; `None` when it is one.
pub fn dns_subdomain_fault(text: &str) -> Option<String> {
    if text.len() > 253 {
        return Some("must be no more than 253 bytes".into());
    }
    let fine = !text.is_empty() && text.split('.').all(is_label);
    (!fine).then(|| {
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with \
         an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .into()
    })
}

/// Why a text is no DNS-1035 label, which begins with a letter; `None` when it is one.
pub fn dns_1035_label_fault(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some("must be no more than 63 bytes".into());
    }
    let fine = is_label(text) && text.starts_with(|first: char| first.is_ascii_lowercase());
    (!fine).then(|| {
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end \
         with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
            .into()
    })
}

/// Why a text cannot be a segment of a URL's path; `None` when it can. Roles have names with colons.
pub fn path_segment_fault(text: &str) -> Option<String> {
    if matches!(text, "." | "..") {
        return Some(format!("may not be '{text}'"));
    }
    ["/", "%"].iter().find(|part| text.contains(**part)).map(|part| format!("may not contain '{part}'"))
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A name part as label keys, label values and annotation keys use it: alphanumerics, `-`, `_`, `.` inside.
fn is_qualified_part(text: &str) -> bool {
    let outer = |byte: u8| byte.is_ascii_alphanumeric();
    let inner = |byte: u8| outer(byte) || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    !bytes.is_empty() && outer(bytes[0]) && outer(bytes[bytes.len() - 1]) && bytes.iter().all(|byte| inner(*byte))
}

/// Why a text is no qualified name (`prefix/name`, as label keys are); `None` when it is one.
pub fn qualified_name_fault(text: &str) -> Option<String> {
    const FORM: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
                        (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let (prefix, name) = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => (None, *name),
        [prefix, name] => (Some(*prefix), *name),
        _ => {
            return Some(format!(
                "a qualified name {FORM} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
    };
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty".into());
        }
        if let Some(fault) = dns_subdomain_fault(prefix) {
            return Some(format!("prefix part {fault}"));
        }
    }
    if name.is_empty() {
        return Some("name part must be non-empty".into());
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 bytes".into());
    }
    (!is_qualified_part(name)).then(|| format!("name part {FORM}"))
}

/// Why a text is no label value; `None` when it is one. Empty is one.
pub fn label_value_fault(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some("must be no more than 63 bytes".into());
    }
    (!text.is_empty() && !is_qualified_part(text)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
         '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_fit_a_label_and_differ_with_the_random_bits() {
        assert_eq!(generate("fluentd-", 0), "fluentd-bbbbb");
        assert_ne!(generate("a-", 1), generate("a-", 2));
        assert_eq!(generate(&"x".repeat(80), 5).len(), 63);
        assert_eq!(generate(&"é".repeat(40), 5).chars().count(), 29 + 5);
    }

    #[test]
    fn names_are_checked() {
        for (text, label, subdomain) in [
            ("a", true, true),
            ("a-b", true, true),
            ("a.b", false, true),
            ("", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("A", false, false),
            ("a..b", false, false),
        ] {
            assert_eq!(dns_label_fault(text).is_none(), label, "{text}");
            assert_eq!(dns_subdomain_fault(text).is_none(), subdomain, "{text}");
        }
        for (text, good) in [
            ("a", true),
            ("A_b.c", true),
            ("x.io/y", true),
            ("/y", false),
            ("x/", false),
            ("a/b/c", false),
            ("-a", false),
            ("a b", false),
        ] {
            assert_eq!(qualified_name_fault(text).is_none(), good, "{text}");
        }
        for (text, label, segment) in
            [("a-1", true, true), ("1a", false, true), ("system:node", false, true), ("..", false, false), ("a/b", false, false)]
        {
            assert_eq!(dns_1035_label_fault(text).is_none(), label, "{text}");
            assert_eq!(path_segment_fault(text).is_none(), segment, "{text}");
        }
        for (text, good) in [("", true), ("Yes", true), ("a b", false), ("-", false), ("1.2", true)] {
            assert_eq!(label_value_fault(text).is_none(), good, "{text}");
        }
    }
}
