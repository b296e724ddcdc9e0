//! JSON values as YAML, for clients that ask for it.
//!
//! Written here because readers of YAML 1.1, which Go's and Python's are, take `on`, `1:30` and dates for something else
//! than text: every text that is not plainly a word is quoted, as JSON quotes it, which YAML reads as well.

use serde_json::Value;
use std::fmt::Write as _;

/// What readers of one version of YAML or another take for no text.
const RESERVED: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];

/// A value as a YAML document; maps are in the order of their keys.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(_) | Value::Array(_) if !is_empty(value) => block(&mut out, value, 0),
        _ => scalar(&mut out, value),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.is_empty()) || value.as_array().is_some_and(Vec::is_empty)
}

/// The lines of a map or list. The first begins where `out` ends, the others are indented.
fn block(out: &mut String, value: &Value, indent: usize) {
    let mut first = true;
    let mut begin = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
    };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                begin(out);
                text(out, key);
                out.push(':');
                match value {
                    Value::Object(_) if !is_empty(value) => {
                        out.push('\n');
                        out.extend(std::iter::repeat_n(' ', indent + 2));
                        block(out, value, indent + 2);
                    }
                    // The items of a list stand below its key.
                    Value::Array(_) if !is_empty(value) => {
                        out.push('\n');
                        out.extend(std::iter::repeat_n(' ', indent));
                        block(out, value, indent);
                    }
                    _ => {
                        out.push(' ');
                        scalar(out, value);
                    }
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                begin(out);
                out.push_str("- ");
                match value {
                    Value::Object(_) | Value::Array(_) if !is_empty(value) => block(out, value, indent + 2),
                    _ => scalar(out, value),
                }
            }
        }
        _ => scalar(out, value),
    }
}

/// What stands on one line, and its end.
fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::String(string) => text(out, string),
        // Numbers, truth values and what is empty look as in JSON. Writing into a text cannot fail.
        _ => drop(write!(out, "{value}")),
    }
    out.push('\n');
}

fn text(out: &mut String, text: &str) {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'))
        && !RESERVED.iter().any(|reserved| text.eq_ignore_ascii_case(reserved));
    match is_word {
        true => out.push_str(text),
        false => Value::from(text).to_string().chars().for_each(|c| quoted(out, c)),
    }
}

/// A character of a quoted text. YAML takes more of them for line breaks, or for nothing to print, than JSON escapes.
fn quoted(out: &mut String, c: char) {
    match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn documents_look_like_those_of_kubernetes() {
        let object = json!({
            "apiVersion": "apps/v1", "data": {}, "items": [], "list": [1, "a", {"name": "x", "ports": [{"port": 80}]}, [2, 3]],
            "metadata": {"labels": {"app.kubernetes.io/name": "on"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "none": null, "size": "1:30", "text": "a: b\n# c\t\"", "true": true,
        });
        let expected = "apiVersion: apps/v1\ndata: {}\nitems: []\nlist:\n- 1\n- a\n- name: x\n  ports:\n  - port: 80\n- - 2\n  - 3\n\
                        metadata:\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n  labels:\n    app.kubernetes.io/name: \"on\"\n\
                        none: null\nsize: \"1:30\"\ntext: \"a: b\\n# c\\t\\\"\"\n\"true\": true\n";
        assert_eq!(yaml(&object), expected);
        assert_eq!((yaml(&json!({})), yaml(&json!([])), yaml(&json!("a"))), ("{}\n".into(), "[]\n".into(), "a\n".into()));
    }

    fn a_value() -> impl Strategy<Value = Value> {
        let words = prop::sample::select(vec![
            "y", "On", "null", "~", "0x1f", "1e3", "-", "a:", "- a", "#", "=", "<<", "012", "é", "", "\u{2028}", "a\u{85}b",
            "\u{feff}",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            words.prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
            "[ -~\n\t\r]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,12}", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in a_value()) {
            let text = yaml(&value);
            let read: Value = serde_norway::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
