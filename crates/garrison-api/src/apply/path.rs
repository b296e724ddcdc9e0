//! One step of a path into an object, as upstream writes, orders and prints it.

use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// One step of a path.
#[derive(Debug, Clone)]
pub enum Element {
    /// A field of an object or a key of a map.
    Field(Box<str>),
    /// An element of a list of objects, by its keys in the order of their names.
    Key(Vec<(Box<str>, Value)>),
    /// An element of a set, by itself.
    Value(Value),
    /// An element of a list, by its place. No structure of today makes any.
    Index(i64),
}

/// Why a text is no step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoElement {
    /// Its kind is not known; a newer program may know it.
    Unknown,
    /// It is malformed.
    Malformed(String),
}

impl Element {
    /// A field.
    pub fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// The step as it is written in `fieldsV1`.
    pub fn text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let mut text = String::from("k:{");
                for (place, (name, value)) in keys.iter().enumerate() {
                    let comma = if place > 0 { "," } else { "" };
                    let _ = write!(text, "{comma}{}:{}", go_json(&Value::from(&**name)), go_json(value));
                }
                text.push('}');
                text
            }
            Self::Value(value) => format!("v:{}", go_json(value)),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads a step.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NoElement> {
        let malformed = |why: &dyn fmt::Display| NoElement::Malformed(format!("parsing key as path element: {why}"));
        let (kind, rest) = match (text.get(..2), text.get(2..)) {
            (Some(kind), Some(rest)) if kind.ends_with(':') => (kind, rest),
            _ if text.len() < 2 => return Err(malformed(&"key must be 2 characters long:")),
            _ => return Err(malformed(&format!("missing colon: {text}"))),
        };
        match kind {
            "f:" => Ok(Self::field(rest)),
            "v:" => serde_json::from_str(rest).map(Self::Value).map_err(|error| malformed(&error)),
            "k:" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).map_err(|error| malformed(&error))?;
                Ok(Self::Key(keys.into_iter().map(|(name, value)| (name.into(), value)).collect()))
            }
            "i:" => rest.parse().map(Self::Index).map_err(|error| malformed(&error)),
            _ => Err(NoElement::Unknown),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                f.write_char('[')?;
                for (place, (name, value)) in keys.iter().enumerate() {
                    let comma = if place > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_char(']')
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let pairs = a.iter().zip(b).map(|((a, left), (b, right))| a.cmp(b).then_with(|| compare(left, right)));
                pairs.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element {}

/// Upstream's order of values: numbers, texts, booleans, lists, maps, null.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            a.iter().zip(b).map(|(a, b)| compare(a, b)).fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let pairs = a.iter().zip(b).map(|((a, left), (b, right))| a.cmp(b).then_with(|| compare(left, right)));
            pairs.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// Whether two values are one: numbers by what they count, all else literally.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    a == b || compare(a, b).is_eq()
}

/// JSON as Go's encoder writes it: characters that mean something in HTML are escaped.
pub(super) fn go_json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out
}

/// A path as messages show it.
pub(super) fn path_text(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn steps_are_written_as_upstream_writes_them() {
        let key = Element::Key(vec![("containerPort".into(), json!(80)), ("protocol".into(), json!("TCP"))]);
        for (element, text, shown) in [
            (Element::field("a.b/c"), "f:a.b/c", ".a.b/c"),
            (key, r#"k:{"containerPort":80,"protocol":"TCP"}"#, r#"[containerPort=80,protocol="TCP"]"#),
            (Element::Value(json!("x<y")), r#"v:"x\u003cy""#, r#"[="x<y"]"#),
            (Element::Value(json!(true)), "v:true", "[=true]"),
            (Element::Index(3), "i:3", "[3]"),
        ] {
            assert_eq!((element.text().as_str(), element.to_string().as_str()), (text, shown));
            assert_eq!(Element::parse(text), Ok(element));
        }
        assert_eq!(Element::parse("z:1"), Err(NoElement::Unknown));
        for bad in ["", "f", "fx", "v:{", "k:1", "i:x", "ü"] {
            assert!(matches!(Element::parse(bad), Err(NoElement::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn fields_come_before_keys_and_keys_are_ordered_by_what_they_are() {
        let port = |number: i64| Element::Key(vec![("port".into(), json!(number))]);
        let mut steps = vec![
            Element::Index(1),
            Element::Value(json!(false)),
            Element::Value(json!("a")),
            Element::Value(json!(2)),
            Element::Value(json!(1.5)),
            port(443),
            port(80),
            Element::field("b"),
            Element::field("a"),
        ];
        steps.sort();
        let texts: Vec<String> = steps.iter().map(Element::text).collect();
        assert_eq!(texts, ["f:a", "f:b", r#"k:{"port":80}"#, r#"k:{"port":443}"#, "v:1.5", "v:2", "v:\"a\"", "v:false", "i:1"]);
    }
}
