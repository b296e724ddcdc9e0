//! Strategic merge: maps merge, null deletes, lists merge by the graph's keys; directives say otherwise
//! (upstream `apimachinery/pkg/util/strategicpatch`).

use crate::schema::{Field, Type};
use serde_json::{Map, Value};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

/// Why a patch is malformed.
type Result<T> = std::result::Result<T, String>;

/// Merges `patch` into `current`. Without a type, lists are replaced and maps merged.
pub(super) fn merge(described: Option<&Type>, current: &mut Value, patch: Value) -> Result<()> {
    let Value::Object(mut patch) = patch else {
        *current = patch;
        return Ok(());
    };
    match directive(&mut patch)?.as_deref() {
        Some("replace") => {
            *current = without_directives(Value::Object(patch));
            return Ok(());
        }
        Some("delete") => {
            *current = Value::Object(Map::new());
            return Ok(());
        }
        _ => {}
    }
    if !current.is_object() {
        *current = Value::Object(Map::new());
    }
    let Value::Object(map) = current else { return Ok(()) };
    retain_keys(map, &mut patch)?;
    let (special, plain): (Vec<_>, Vec<_>) = patch.into_iter().partition(|(name, _)| name.starts_with('$'));
    let orders: Map<String, Value> =
        special.iter().filter_map(|(name, order)| Some((name.strip_prefix(ELEMENT_ORDER)?.into(), order.clone()))).collect();
    for (name, list) in &special {
        match name.strip_prefix(DELETE_FROM) {
            Some(field) => delete_from(map, field, list)?,
            None if name.starts_with(ELEMENT_ORDER) => {}
            None => return Err(format!("unknown directive {name}")),
        }
    }
    for name in orders.keys().filter(|name| !plain.iter().any(|(field, _)| field == *name)) {
        let field = described.and_then(|described| described.fields.get(name.as_str()));
        if let (Some(field), Some(Value::Array(list))) = (field, map.get_mut(name)) {
            let original = list.clone();
            reorder(list, &original, order_of(&orders, name)?, field.merge_key.as_deref());
        }
    }
    for (name, value) in plain {
        let field = described.and_then(|described| described.fields.get(&name));
        let order = orders.contains_key(&name).then(|| order_of(&orders, &name)).transpose()?;
        merge_field(field, map, name, value, order)?;
    }
    Ok(())
}

fn order_of<'a>(orders: &'a Map<String, Value>, name: &str) -> Result<&'a [Value]> {
    orders.get(name).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| format!("{ELEMENT_ORDER}{name} is no list"))
}

fn merge_field(
    field: Option<&Field>,
    map: &mut Map<String, Value>,
    name: String,
    value: Value,
    order: Option<&[Value]>,
) -> Result<()> {
    match value {
        Value::Null => {
            map.remove(&name);
        }
        Value::Object(patch) => {
            let directive_delete = patch.get(PATCH).is_some_and(|word| word == "delete");
            if directive_delete {
                map.remove(&name);
                return Ok(());
            }
            // Elements of a map have the field's type, too, but the map itself has none.
            let described = field.filter(|field| !field.map).and_then(Field::referred);
            let current = map.entry(name).or_insert(Value::Null);
            if field.is_some_and(|field| field.map)
                && field.and_then(Field::referred).is_some_and(|element| element.scalar.is_none())
            {
                return merge_map_of_objects(field.and_then(Field::referred), current, patch);
            }
            merge(described, current, Value::Object(patch))?;
        }
        Value::Array(patch) => {
            let mergeable = field.filter(|field| field.list && field.merges());
            let Some(field) = mergeable else {
                map.insert(name, without_directives(Value::Array(patch)));
                return Ok(());
            };
            let current = map.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let mut list = current.as_array().cloned().unwrap_or_default();
            match &field.merge_key {
                Some(key) => merge_objects(field, key, &mut list, patch, order)?,
                None => merge_primitives(&mut list, &patch, order)?,
            }
            *current = Value::Array(list);
        }
        scalar => drop(map.insert(name, scalar)),
    }
    Ok(())
}

fn merge_map_of_objects(described: Option<&Type>, current: &mut Value, patch: Map<String, Value>) -> Result<()> {
    if !current.is_object() {
        *current = Value::Object(Map::new());
    }
    let Some(map) = current.as_object_mut() else { return Ok(()) };
    for (key, value) in patch {
        if value.is_null() {
            map.remove(&key);
        } else {
            merge(described, map.entry(key).or_insert(Value::Null), value)?;
        }
    }
    Ok(())
}

/// Merges a list of objects by their key.
fn merge_objects(field: &Field, key: &str, list: &mut Vec<Value>, patch: Vec<Value>, order: Option<&[Value]>) -> Result<()> {
    let original = list.clone();
    if patch.iter().any(|element| element.get(PATCH).is_some_and(|word| word == "replace")) {
        // The list becomes the patch's elements, those left out that only carry a directive.
        *list = patch.into_iter().filter(|element| element.get(PATCH).is_none()).map(without_directives).collect();
        return Ok(());
    }
    let mut patched = Vec::new();
    for mut element in patch {
        let Some(map) = element.as_object_mut() else { return Err(format!("an element of a list merged by {key} is no object")) };
        let Some(identity) = map.get(key).cloned() else {
            return Err(format!("map: {element} does not contain declared merge key: {key}"));
        };
        if directive(map)?.as_deref() == Some("delete") {
            list.retain(|there| there.get(key) != Some(&identity));
            continue;
        }
        match list.iter_mut().find(|there| there.get(key) == Some(&identity)) {
            Some(there) => merge(field.referred(), there, element)?,
            None => {
                let mut new = Value::Object(Map::new());
                merge(field.referred(), &mut new, element)?;
                list.push(new);
            }
        }
        let mut only_key = Map::new();
        only_key.insert(key.into(), identity);
        patched.push(Value::Object(only_key));
    }
    let order = match order {
        Some(order) => agreed(&patched, order, Some(key))?,
        None => &patched,
    };
    reorder(list, &original, order, Some(key));
    Ok(())
}

/// An order names every element that the patch brings, in the patch's own order.
fn agreed<'a>(patched: &[Value], order: &'a [Value], key: Option<&str>) -> Result<&'a [Value]> {
    let mut places = order.iter();
    let found = patched.iter().all(|element| places.any(|place| same(place, element, key)));
    // An empty order says nothing.
    if found || order.is_empty() {
        Ok(order)
    } else {
        Err(format!("the order in patch list doesn't match {ELEMENT_ORDER}list {}", Value::from(order)))
    }
}

/// Whether two elements are one: by their key, or as they are.
fn same(a: &Value, b: &Value, key: Option<&str>) -> bool {
    key.map_or(a == b, |key| a.get(key).is_some() && a.get(key) == b.get(key))
}

/// Merges a list of primitives as a set.
fn merge_primitives(list: &mut Vec<Value>, patch: &[Value], order: Option<&[Value]>) -> Result<()> {
    let original = list.clone();
    for element in patch {
        if !list.contains(element) {
            list.push(element.clone());
        }
    }
    let order = match order {
        Some(order) => agreed(patch, order, None)?,
        None => patch,
    };
    reorder(list, &original, order, None);
    Ok(())
}

/// Puts the elements that `order` names into its order, and the others, which only the server has, where they stood
/// relative to them.
fn reorder(list: &mut Vec<Value>, original: &[Value], order: &[Value], key: Option<&str>) {
    let place = |list: &[Value], element: &Value| list.iter().position(|there| same(there, element, key));
    let (mut ordered, mut others): (Vec<Value>, Vec<Value>) =
        std::mem::take(list).into_iter().partition(|element| place(order, element).is_some());
    ordered.sort_by_key(|element| place(order, element));
    // New ones, which an empty order does not name, come last.
    others.sort_by_key(|element| place(original, element).unwrap_or(usize::MAX));
    let (mut ordered, mut others) = (ordered.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), ordered.peek()) {
            (None, None) => return,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(next)) => match (place(original, other), place(original, next)) {
                (Some(other), Some(next)) => other < next,
                _ => false,
            },
        };
        list.extend(if other_first { others.next() } else { ordered.next() });
    }
}

/// Takes `$patch` out of a map.
fn directive(map: &mut Map<String, Value>) -> Result<Option<String>> {
    match map.remove(PATCH) {
        None => Ok(None),
        Some(Value::String(word)) if ["replace", "merge", "delete"].contains(&word.as_str()) => Ok(Some(word)),
        Some(other) => Err(format!("unknown {PATCH} value {other}")),
    }
}

/// `$retainKeys`: fields of the current object that are not named go.
fn retain_keys(map: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<()> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let keys = keys.as_array().ok_or_else(|| format!("{RETAIN_KEYS} is no list"))?.clone();
    if let Some(stray) = patch.keys().find(|name| !name.starts_with('$') && !keys.iter().any(|key| key == *name)) {
        return Err(format!("{RETAIN_KEYS} does not name {stray}, which the patch sets"));
    }
    map.retain(|name, _| keys.iter().any(|key| key == name));
    Ok(())
}

fn delete_from(map: &mut Map<String, Value>, field: &str, values: &Value) -> Result<()> {
    let values = values.as_array().ok_or_else(|| format!("{DELETE_FROM}{field} is no list"))?;
    if let Some(Value::Array(list)) = map.get_mut(field) {
        list.retain(|element| !values.contains(element));
    }
    Ok(())
}

/// A value that is stored whole must not carry directives, nor what they or nulls would have deleted.
fn without_directives(value: Value) -> Value {
    let deletes = |value: &Value| value.is_null() || value.get(PATCH).is_some_and(|word| word == "delete");
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(name, value)| !name.starts_with('$') && !deletes(value));
            Value::Object(kept.map(|(name, value)| (name, without_directives(value))).collect())
        }
        Value::Array(list) => {
            Value::Array(list.into_iter().filter(|element| element.get(PATCH).is_none()).map(without_directives).collect())
        }
        other => other,
    }
}
