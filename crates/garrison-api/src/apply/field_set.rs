//! The paths that a value has.

use super::path::Element;
use super::set::Set;
use super::structure::{Form, Structure};
use serde_json::Value;
use std::collections::BTreeMap;

/// All paths that whoever applies the value says something about.
pub(super) fn field_set(structure: &Structure, value: &Value) -> Set {
    let mut walk = Walk { set: Set::default(), path: Vec::new() };
    walk.value(structure, value);
    walk.set
}

struct Walk {
    set: Set,
    path: Vec<Element>,
}

impl Walk {
    fn own(&mut self) {
        self.set.insert(&self.path);
    }

    fn value(&mut self, structure: &Structure, value: &Value) {
        match structure.form(value) {
            Form::Leaf => self.own(),
            Form::List(list) => self.list(list, value),
            Form::Fields(map) => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    self.path.push(Element::field(name));
                    if let Some(structure) = map.field(name) {
                        self.value(structure, value);
                    }
                    let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                    if empty || !map.names(name) {
                        self.own();
                    }
                    self.path.pop();
                }
            }
        }
    }

    /// Elements that are told apart by nothing are owned together.
    fn list(&mut self, list: &Structure, value: &Value) {
        let elements = value.as_array().into_iter().flatten();
        let mut by_step: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
        for element in elements {
            if let Ok(step) = list.step_to(element) {
                by_step.entry(step).or_default().push(element);
            }
        }
        for (step, alike) in by_step {
            self.path.push(step);
            if let [one] = alike.as_slice() {
                self.value(list.element(), one);
            }
            self.own();
            self.path.pop();
        }
    }
}
