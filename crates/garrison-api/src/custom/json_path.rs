//! The JSONPath of printer columns, in kubectl's dialect: fields, indices, wildcards, slices and filters that compare.

use serde_json::Value;
use std::collections::HashSet;

/// How deep filters may stand in filters: each of them looks at all that is below what the outer ones look at.
const DEEPEST: usize = 2;

/// A path, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    /// All fields or elements.
    All,
    /// All of that name at any depth.
    Deep(String),
    Slice(Option<i64>, Option<i64>),
    Index(i64),
    /// Elements for which a part compares with a value; without a comparison, those that have the part.
    Filter(JsonPath, Option<(Comparison, Value)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// Reads a path such as `.status.conditions[?(@.type=="Ready")].status`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::within(text, DEEPEST)
    }

    /// Reads a path in which filters may nest so deep.
    fn within(text: &str, filters: usize) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text.trim().trim_start_matches('{').trim_end_matches('}');
        rest = rest.strip_prefix('$').unwrap_or(rest);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("..") {
                let (name, after) = word(after);
                steps.push(Step::Deep(name));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('.') {
                let (name, after) = word(after);
                match name.as_str() {
                    "" if after.starts_with('[') || after.is_empty() => {}
                    "" => return None,
                    "*" => steps.push(Step::All),
                    _ => steps.push(Step::Field(name)),
                }
                rest = after;
            } else {
                let after = rest.strip_prefix('[')?;
                let end = closing(after)?;
                steps.push(bracket(after[..end].trim(), filters)?);
                rest = &after[end + 1..];
            }
        }
        Some(Self(steps))
    }

    /// Everything that the path leads to.
    pub(super) fn find<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![object];
        for step in &self.0 {
            let mut seen = HashSet::new();
            found = match step {
                Step::Deep(name) => found.into_iter().flat_map(|value| deep(name, value, &mut seen)).collect(),
                step => found.into_iter().flat_map(|value| step.from(value)).collect(),
            };
            if found.is_empty() {
                break;
            }
        }
        found
    }
}

/// The name of a field up to the next step; a backslash takes the meaning from what follows.
fn word(text: &str) -> (String, &str) {
    let (mut name, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
            '.' | '[' => return (name, &text[at..]),
            letter => name.push(letter),
        }
    }
    (name, "")
}

/// Where the bracket closes, those in quotes and inner ones left out.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(letter),
            ('[', None) => depth += 1,
            (']', None) if depth == 0 => return Some(at),
            (']', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(text: &str, filters: usize) -> Option<Step> {
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return filter_of(filter.trim(), filters.checked_sub(1)?);
    }
    if let Some(name) = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)) {
        return Some(Step::Field(name.replace("\\.", ".")));
    }
    if let Some((from, to)) = text.split_once(':') {
        let bound = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        return Some(Step::Slice(bound(from)?, bound(to)?));
    }
    text.parse().ok().map(Step::Index)
}

fn filter_of(text: &str, filters: usize) -> Option<Step> {
    let operators = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let path = |text: &str| JsonPath::within(text.trim().strip_prefix('@')?, filters);
    let found = operators.iter().find_map(|(sign, comparison)| Some((text.split_once(sign)?, *comparison)));
    let Some(((left, right), comparison)) = found else { return Some(Step::Filter(path(text)?, None)) };
    let right = right.trim();
    let quoted = ['\'', '"'].iter().find_map(|quote| right.strip_prefix(*quote)?.strip_suffix(*quote));
    let value = quoted.map_or_else(|| serde_json::from_str(right).ok(), |text| Some(Value::from(text)))?;
    Some(Step::Filter(path(left)?, Some((comparison, value))))
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::All => match value {
                Value::Array(list) => list.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Self::Deep(name) => deep(name, value, &mut HashSet::new()),
            Self::Index(index) => place(*index, value).and_then(|at| value.get(at)).into_iter().collect(),
            Self::Slice(from, to) => {
                let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let bound = |bound: Option<i64>, otherwise: usize| match bound {
                    None => otherwise,
                    Some(index) => place(index, value).unwrap_or(0).min(list.len()),
                };
                list.get(bound(*from, 0)..bound(*to, list.len())).unwrap_or_default().iter().collect()
            }
            Self::Filter(path, wanted) => {
                Self::All.from(value).into_iter().filter(|element| fits(path, wanted.as_ref(), element)).collect()
            }
        }
    }
}

/// All of that name in a value at any depth. What was looked at already has nothing new: without that, there would be ever more
/// with each such step.
fn deep<'a>(name: &str, value: &'a Value, seen: &mut HashSet<*const Value>) -> Vec<&'a Value> {
    let (mut found, mut open) = (Vec::new(), vec![value]);
    while let Some(value) = open.pop() {
        if seen.insert(std::ptr::from_ref(value)) {
            found.extend(value.get(name));
            open.extend(Step::All.from(value).into_iter().rev());
        }
    }
    found
}

/// An index from the front, or, negative, from the end.
fn place(index: i64, list: &Value) -> Option<usize> {
    let length = i64::try_from(list.as_array()?.len()).ok()?;
    usize::try_from(if index < 0 { index + length } else { index }).ok()
}

fn fits(path: &JsonPath, wanted: Option<&(Comparison, Value)>, element: &Value) -> bool {
    let found = path.find(element);
    let (Some(have), Some((comparison, wanted))) = (found.first(), wanted) else { return !found.is_empty() && wanted.is_none() };
    let order = match (have.as_f64(), wanted.as_f64()) {
        (Some(have), Some(wanted)) => have.partial_cmp(&wanted),
        _ => have.as_str().zip(wanted.as_str()).map(|(have, wanted)| have.cmp(wanted)),
    };
    match comparison {
        Comparison::Equal => order.map_or(*have == wanted, |order| order.is_eq()),
        Comparison::NotEqual => order.map_or(*have != wanted, |order| order.is_ne()),
        Comparison::Less => order.is_some_and(|order| order.is_lt()),
        Comparison::LessOrEqual => order.is_some_and(|order| order.is_le()),
        Comparison::Greater => order.is_some_and(|order| order.is_gt()),
        Comparison::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_of_printer_columns_lead_where_kubectl_goes() {
        let object = json!({
            "metadata": {"labels": {"a.b/c": "dotted"}},
            "spec": {"replicas": 3, "ports": [{"name": "x", "port": 80}, {"name": "y", "port": 443}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Stalled", "status": "False"}]},
        });
        for (path, wanted) in [
            (".spec.replicas", json!([3])),
            ("{.spec.replicas}", json!([3])),
            (".spec.nothing.at.all", json!([])),
            (".spec.ports[*].port", json!([80, 443])),
            (".spec.ports[0].name", json!(["x"])),
            (".spec.ports[-1].name", json!(["y"])),
            (".spec.ports[0:1].port", json!([80])),
            (".spec.ports[1:].port", json!([443])),
            (".spec.ports[?(@.port>100)].name", json!(["y"])),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"])),
            (".status.conditions[?(@.type == 'Stalled')].status", json!(["False"])),
            (r#".status.conditions[?(@.type!="Ready")].type"#, json!(["Stalled"])),
            (r".metadata.labels.a\.b/c", json!(["dotted"])),
            (".metadata.labels['a.b/c']", json!(["dotted"])),
            ("..port", json!([80, 443])),
        ] {
            let found = JsonPath::parse(path).map(|path| path.find(&object).into_iter().cloned().collect::<Value>());
            assert_eq!(found, Some(wanted), "{path}");
        }
        for bad in ["spec", ".spec[", ".spec[x]", ".a[?(b)]", ".a..", ".a.[?(@.b==)]"] {
            let parsed = JsonPath::parse(bad);
            assert!(parsed.is_none() || bad == ".a..", "{bad}: {parsed:?}");
        }
    }
    #[test]
    fn paths_cost_no_more_than_the_object_is_large() {
        let object = (0..100).fold(json!(1), |inner, _| json!({"a": inner}));
        let found = |path: &str| JsonPath::parse(path).map(|path| path.find(&object).len());
        assert_eq!(found("..a..a"), Some(99));
        assert_eq!(found(&"..a".repeat(60)), Some(41));
        assert_eq!(found("[?(@[?(@.a)])]"), Some(1));
        assert_eq!(found(&format!("{}{}", "[?(@".repeat(100_000), ")]".repeat(100_000))), None);
    }
}
