//! An object and a configuration, merged: what the configuration says holds, all else stays.

use super::path::Element;
use super::structure::{Form, Structure};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Merges a configuration into an object; `None` when nothing is left.
///
/// # Errors
/// When a list of the configuration has elements without identity, or alike.
pub(super) fn merge(structure: &Structure, live: Option<&Value>, config: Option<&Value>) -> Result<Option<Value>, String> {
    let Some(config_value) = config else { return Ok(live.cloned()) };
    let form = structure.form(config_value);
    // A null says nothing about parts; it is the object's own value that tells how they are held.
    let form = match (config_value, live) {
        (Value::Null, Some(live)) => structure.form(live),
        _ => form,
    };
    match form {
        Form::Leaf => Ok(Some(config_value.clone())),
        Form::Fields(map) => {
            let (own, said) = (live.and_then(Value::as_object), config_value.as_object());
            if own.is_none_or(Map::is_empty) && said.is_none_or(Map::is_empty) {
                return Ok(Some(config_value.clone()));
            }
            fields(map, own, said)
        }
        Form::List(list) => {
            let own = live.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let said = config_value.as_array().map_or(&[][..], Vec::as_slice);
            if own.is_empty() && said.is_empty() {
                return Ok(Some(config_value.clone()));
            }
            elements(list, own, said)
        }
    }
}

fn fields(map: &Structure, own: Option<&Map<String, Value>>, said: Option<&Map<String, Value>>) -> Result<Option<Value>, String> {
    let mut out = own.cloned().unwrap_or_default();
    for (name, value) in said.into_iter().flatten() {
        let Some(structure) = map.field(name) else { continue };
        match merge(structure, own.and_then(|own| own.get(name)), Some(value))? {
            Some(merged) => out.insert(name.clone(), merged),
            None => out.remove(name),
        };
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

/// The elements of a list: their steps in order, and each by its step. Those that are alike are no one element.
struct Index<'v> {
    order: Vec<Element>,
    by_step: BTreeMap<Element, Option<&'v Value>>,
}

impl<'v> Index<'v> {
    fn of(list: &Structure, elements: &'v [Value], may_repeat: bool) -> Result<Self, String> {
        let mut index = Self { order: Vec::with_capacity(elements.len()), by_step: BTreeMap::new() };
        for (place, element) in elements.iter().enumerate() {
            let step = list.step_to(element).map_err(|why| format!("element {place}: {why}"))?;
            let repeats = index.by_step.contains_key(&step);
            if repeats && !may_repeat {
                return Err(format!("duplicate entries for key {step}"));
            }
            index.by_step.insert(step.clone(), (!repeats).then_some(element));
            index.order.push(step);
        }
        Ok(index)
    }
}

/// Merges lists. The configuration's order holds among what it lists; what it does not list stays where it was.
fn elements(list: &Structure, own: &[Value], said: &[Value]) -> Result<Option<Value>, String> {
    let Index { order: said_order, by_step: said_by_step } = Index::of(list, said, false)?;
    let Index { order: own_order, by_step: own_by_step } = Index::of(list, own, true)?;
    let mut shared = said_order.iter().filter(|step| own_by_step.contains_key(*step));
    let mut next_shared = shared.next();
    let mut merged: BTreeSet<&Element> = BTreeSet::new();
    let mut out = Vec::with_capacity(own.len().max(said.len()));
    let take = |step: &Element, out: &mut Vec<Value>| -> Result<(), String> {
        let own = own_by_step.get(step).copied().flatten();
        let said = said_by_step.get(step).copied().flatten();
        out.extend(merge(list.element(), own, said)?);
        Ok(())
    };
    let (mut left, mut right) = (0, 0);
    while left < own_order.len() || right < said_order.len() {
        if let (Some(step), Some(wanted)) = (own_order.get(left), said_order.get(right)) {
            if step == wanted {
                merged.insert(step);
                take(step, &mut out)?;
                (left, right) = (left + 1, right + 1);
                next_shared = shared.next();
                continue;
            }
            // Both have it, and it is not its turn.
            if said_by_step.contains_key(step) && next_shared.is_some_and(|next| next != step) {
                left += 1;
                continue;
            }
        }
        if let Some(step) = own_order.get(left) {
            if !said_by_step.contains_key(step) {
                out.push(own[left].clone());
                left += 1;
                continue;
            }
            if merged.contains(step) {
                left += 1;
            }
        }
        if let Some(step) = said_order.get(right) {
            merged.insert(step);
            take(step, &mut out)?;
            right += 1;
            if next_shared == Some(step) {
                next_shared = shared.next();
            }
        }
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}
