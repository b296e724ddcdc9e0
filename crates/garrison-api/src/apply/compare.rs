//! What is different between two states of an object.

use super::path::{Element, same};
use super::set::Set;
use super::structure::{Form, Structure};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The paths in which two states differ.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// The newer has them, and the older has them not, or with another value.
    pub written: Set,
    /// Only the older has them.
    pub removed: Set,
}

impl Comparison {
    /// Whether the states are the same.
    pub fn is_same(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }
}

/// Compares two states.
pub fn compare(structure: &Structure, old: &Value, new: &Value) -> Comparison {
    let mut walk = Walk { found: Comparison::default(), path: Vec::new() };
    walk.value(structure, Some(old), Some(new));
    walk.found
}

struct Walk {
    found: Comparison,
    path: Vec<Element>,
}

impl Walk {
    fn value(&mut self, structure: &Structure, old: Option<&Value>, new: Option<&Value>) {
        let forms = match (old, new) {
            (None, None) => return,
            // What is equal as a whole is equal in all its parts.
            (Some(old), Some(new)) if old == new => return,
            (Some(one), None) | (None, Some(one)) => (structure.form(one), None),
            (Some(old), Some(new)) => (structure.form(old), Some(structure.form(new))),
        };
        let whole = match forms {
            (Form::Leaf, None | Some(Form::Leaf)) => true,
            // One state is told by its parts, the other is one value.
            (Form::Leaf, Some(parts)) => {
                self.leaf(old, new);
                self.parts(parts, None, new)
            }
            (parts, Some(Form::Leaf)) => {
                self.leaf(old, new);
                self.parts(parts, old, None)
            }
            (parts, _) => self.parts(parts, old, new),
        };
        if whole {
            self.leaf(old, new);
        } else if old.is_none() {
            self.found.written.insert(&self.path);
        } else if new.is_none() {
            self.found.removed.insert(&self.path);
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) {
        let set = match (old, new) {
            (_, None) => &mut self.found.removed,
            (Some(old), Some(new)) if same(old, new) => return,
            _ => &mut self.found.written,
        };
        set.insert(&self.path);
    }

    /// Compares the parts; `true` if there are none on either side, and what is empty counts as one value.
    fn parts(&mut self, form: Form<'_>, old: Option<&Value>, new: Option<&Value>) -> bool {
        match form {
            Form::Leaf => true,
            Form::Fields(map) => {
                let empty = Map::new();
                let fields =
                    |value: Option<&'_ Value>| value.and_then(Value::as_object).filter(|fields| !fields.is_empty()).is_some();
                if !fields(old) && !fields(new) {
                    return true;
                }
                let old = old.and_then(Value::as_object).unwrap_or(&empty);
                let new = new.and_then(Value::as_object).unwrap_or(&empty);
                for (name, value) in old {
                    self.field(map, name, Some(value), new.get(name));
                }
                for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                    self.field(map, name, None, Some(value));
                }
                false
            }
            Form::List(list) => {
                let old = old.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let new = new.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                if old.is_empty() && new.is_empty() {
                    return true;
                }
                self.list(list, old, new);
                false
            }
        }
    }

    fn field(&mut self, map: &Structure, name: &str, old: Option<&Value>, new: Option<&Value>) {
        if old == new {
            return;
        }
        // A field that nobody knows is nobody's.
        let Some(structure) = map.field(name) else { return };
        self.path.push(Element::field(name));
        self.value(structure, old, new);
        self.path.pop();
    }

    fn list(&mut self, list: &Structure, old: &[Value], new: &[Value]) {
        let mut steps: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for element in old {
            if let Ok(step) = list.step_to(element) {
                steps.entry(step).or_default().0.push(element);
            }
        }
        for element in new {
            if let Ok(step) = list.step_to(element) {
                steps.entry(step).or_default().1.push(element);
            }
        }
        for (step, (old, new)) in steps {
            self.path.push(step);
            match (old.as_slice(), new.as_slice()) {
                ([] | [_], [] | [_]) => self.value(list.element(), old.first().copied(), new.first().copied()),
                // Elements that are told apart by nothing count as one.
                ([_, _, ..], [_, _, ..]) => {
                    if old != new {
                        self.found.written.insert(&self.path);
                    }
                }
                ([_, _, ..], _) => {
                    self.value(list.element(), None, new.first().copied());
                    self.found.removed.insert(&self.path);
                }
                _ => {
                    self.value(list.element(), old.first().copied(), None);
                    self.found.written.insert(&self.path);
                }
            }
            self.path.pop();
        }
    }
}
