//! The text forms of selectors.

use super::{Operator, Requirement};
use crate::names;

/// Parses a label selector (upstream `labels.Parse`).
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut found = Vec::new();
    if text.trim().is_empty() {
        return Ok(found);
    }
    for part in split_outside_parentheses(text) {
        let requirement =
            requirement(part.trim()).ok_or_else(|| format!("found '{}', expected: a label selector requirement", part.trim()))?;
        if let Some(fault) = names::qualified_name_fault(&requirement.key) {
            return Err(format!("<nil>: Invalid value: \"{}\": {fault}", requirement.key));
        }
        let numeric = matches!(requirement.operator, Operator::Gt | Operator::Lt);
        for value in &requirement.values {
            if numeric && value.parse::<i64>().is_err() {
                return Err("values[0]: Invalid value: for 'Gt', 'Lt' operators, the value must be an integer".into());
            }
            if let Some(fault) = names::label_value_fault(value) {
                return Err(format!("values[0][{}]: Invalid value: \"{value}\": {fault}", requirement.key));
            }
        }
        found.push(requirement);
    }
    Ok(found)
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (index, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(text: &str) -> Option<Requirement> {
    let new = |key: &str, operator, values: Vec<String>| Requirement { key: key.trim().into(), operator, values };
    if let Some(key) = text.strip_prefix('!') {
        return Some(new(key, Operator::DoesNotExist, vec![]));
    }
    if let Some((head, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let values = values.split(',').map(|value| value.trim().to_string()).collect();
        let mut words = head.split_whitespace();
        let (key, word, end) = (words.next()?, words.next()?, words.next());
        let operator = match word {
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            _ => return None,
        };
        return end.is_none().then(|| new(key, operator, values));
    }
    for (sign, operator) in
        [("!=", Operator::NotIn), ("==", Operator::In), ("=", Operator::In), (">", Operator::Gt), ("<", Operator::Lt)]
    {
        if let Some((key, value)) = text.split_once(sign) {
            return Some(new(key, operator, vec![value.trim().into()]));
        }
    }
    (!text.is_empty() && !text.contains(char::is_whitespace)).then(|| new(text, Operator::Exists, vec![]))
}

/// Splits at commas that no backslash precedes; escapes are kept.
pub(super) fn split_unescaped(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        if c == ',' && !escaped {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(part);
    parts
}

/// `label=value`, `label==value`, `label!=value`.
pub(super) fn field_term(term: &str) -> Option<(String, bool, String)> {
    let unescape = |text: &str| text.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\");
    let at = term.find('=')?;
    let (label, value) = (&term[..at], &term[at + 1..]);
    if let Some(label) = label.strip_suffix('!') {
        return Some((label.into(), false, unescape(value)));
    }
    Some((label.into(), true, unescape(value.strip_prefix('=').unwrap_or(value))))
}
