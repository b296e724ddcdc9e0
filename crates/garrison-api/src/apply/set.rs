//! Sets of paths: what a manager owns, what a write changed.

use super::path::{Element, NoElement};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A set of paths. The order of its steps is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Set(BTreeMap<Element, Node>);

/// What a set says of one step: whether the path that ends here belongs to it, and which longer ones do.
///
/// A node of a set says at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    member: bool,
    children: Set,
}

impl Set {
    /// The set of those paths.
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p [Element]>) -> Self {
        let mut set = Self::default();
        paths.into_iter().for_each(|path| set.insert(path));
        set
    }

    /// The set of paths of fields.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Vec<Element> = path.iter().map(|name| Element::field(name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Whether no path belongs to it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a path. That of the whole object is no member of any set.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        let node = self.0.entry(first.clone()).or_default();
        match rest {
            [] => node.member = true,
            _ => node.children.insert(rest),
        }
    }

    /// Whether the path of that one step belongs to it.
    pub fn has_step(&self, element: &Element) -> bool {
        self.0.get(element).is_some_and(|node| node.member)
    }

    /// Whether the path belongs to it.
    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.has_step(last),
            [first, rest @ ..] => self.below(first).is_some_and(|set| set.has(rest)),
        }
    }

    /// What of it lies below a step; `None` if nothing does.
    pub fn below(&self, element: &Element) -> Option<&Self> {
        self.0.get(element).map(|node| &node.children).filter(|children| !children.is_empty())
    }

    /// The paths in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(Node { member: a.member || b.member, children: a.children.union(&b.children) }),
            (one, other) => one.or(other).cloned(),
        })
    }

    /// The paths in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| {
            let (a, b) = (a?, b?);
            Some(Node { member: a.member && b.member, children: a.children.intersection(&b.children) })
        })
    }

    /// The paths of `self` that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| {
            let a = a?;
            let Some(b) = b else { return Some(a.clone()) };
            Some(Node { member: a.member && !b.member, children: a.children.difference(&b.children) })
        })
    }

    /// The paths of `self` that are neither in `other` nor below one that is.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.zip(other, |a, b| {
            let a = a?;
            match b {
                None => Some(a.clone()),
                Some(b) if b.member => None,
                Some(b) => Some(Node { member: a.member, children: a.children.without(&b.children) }),
            }
        })
    }

    /// Walks both in order; what `decide` leaves empty is left out.
    fn zip(&self, other: &Self, decide: impl Fn(Option<&Node>, Option<&Node>) -> Option<Node>) -> Self {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut out = Vec::with_capacity(self.0.len());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Self(out.into_iter().collect()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let a = if order.is_le() { left.next() } else { None };
            let b = if order.is_ge() { right.next() } else { None };
            let node = decide(a.map(|(_, node)| node), b.map(|(_, node)| node));
            let element = a.or(b).map(|(element, _)| element);
            if let (Some(element), Some(node)) = (element, node)
                && (node.member || !node.children.is_empty())
            {
                out.push((element.clone(), node));
            }
        }
    }

    /// Every path, those that end here before those that go on.
    pub fn paths(&self) -> Vec<Vec<Element>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Vec<Element>, paths: &mut Vec<Vec<Element>>) {
        for (element, _) in self.0.iter().filter(|(_, node)| node.member) {
            paths.push(prefix.iter().chain([element]).cloned().collect());
        }
        for (element, node) in &self.0 {
            prefix.push(element.clone());
            node.children.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// Makes each step a member for which `named` says so, and everything below likewise.
    ///
    /// `named` gets the way to the step's parent and the step.
    pub(super) fn with_members<S: Copy>(&self, at: S, named: &impl Fn(S, &Element) -> (bool, S)) -> Self {
        let step = |(element, node): (&Element, &Node)| {
            let (member, below) = named(at, element);
            let children = node.children.with_members(below, named);
            (element.clone(), Node { member: node.member || (member && !children.is_empty()), children })
        };
        Self(self.0.iter().map(step).collect())
    }

    /// The set in the form of `fieldsV1`.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.iter().map(|(element, node)| (element.text(), node.to_value())).collect())
    }

    /// Reads `fieldsV1`. Steps of unknown kinds are left out.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn from_value(fields: &Value) -> Result<Self, String> {
        Ok(Node::from_value(fields)?.children)
    }

    /// Removes the paths of another set.
    pub(super) fn remove(&mut self, other: &Self) {
        self.remove_as(other, false);
    }

    /// Removes the paths of another set, and all that is below them.
    pub(super) fn remove_trees(&mut self, other: &Self) {
        self.remove_as(other, true);
    }

    fn remove_as(&mut self, other: &Self, trees: bool) {
        if other.is_empty() {
            return;
        }
        self.0.retain(|element, node| {
            let Some(with) = other.0.get(element) else { return true };
            if with.member && trees {
                return false;
            }
            node.member &= !with.member;
            node.children.remove_as(&with.children, trees);
            node.member || !node.children.is_empty()
        });
    }
}

/// Whether two `fieldsV1`, as [`Set::to_value`] writes them, have a path in common.
pub(super) fn overlap(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return false };
    let both = a.iter().filter(|(text, _)| *text != ".").filter_map(|(text, a)| Some((a, b.get(text)?)));
    both.into_iter().any(|(a, b)| (is_member(a) && is_member(b)) || overlap(a, b))
}

/// Whether all paths of a `fieldsV1` are in another, both as [`Set::to_value`] writes them.
pub(super) fn is_within(a: &Value, b: &Value) -> bool {
    let Some(a) = a.as_object() else { return true };
    let within = |a: &Value, b: &Value| (!is_member(a) || is_member(b)) && is_within(a, b);
    a.iter().filter(|(text, _)| *text != ".").all(|(text, a)| b.get(text).is_some_and(|b| within(a, b)))
}

/// Whether the path to this part of a `fieldsV1` belongs to the set.
fn is_member(fields: &Value) -> bool {
    fields.as_object().is_none_or(Map::is_empty) || fields.get(".").is_some()
}

impl Node {
    fn to_value(&self) -> Value {
        let mut value = self.children.to_value();
        if self.member && !self.children.is_empty() {
            value["."] = json!({});
        }
        value
    }

    fn from_value(fields: &Value) -> Result<Self, String> {
        let mut node = Self::default();
        let empty = Map::new();
        let fields = match fields {
            Value::Object(fields) => fields,
            Value::Null => &empty,
            other => return Err(format!("expected a map of fields, got {other}")),
        };
        for (text, value) in fields {
            if text == "." {
                node.member = true;
                continue;
            }
            match Element::parse(text) {
                Ok(element) => {
                    node.children.0.insert(element, Self::from_value(value)?);
                }
                Err(NoElement::Unknown) => {}
                Err(NoElement::Malformed(why)) => return Err(why),
            }
        }
        node.member |= node.children.is_empty();
        Ok(node)
    }
}

#[cfg(test)]
mod tests;
