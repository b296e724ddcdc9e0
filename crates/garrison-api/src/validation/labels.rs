//! Labels, annotations and label selectors.

use super::fault::{At, Faults};
use crate::names;
use crate::selector::Labels;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most bytes that all annotations of an object may have.
const ANNOTATIONS_LIMIT: usize = 256 << 10;

/// A map of labels: keys are qualified names, values are label values. Faults name the map, as upstream's do.
pub(super) fn labels(at: &At<'_>, faults: &mut Faults) {
    for (key, value) in at.entries() {
        key_of(at, key, faults);
        if let Some(why) = names::label_value_fault(value.text()) {
            faults.invalid_value(at, value.value, &why);
        }
    }
}

fn key_of(at: &At<'_>, key: &str, faults: &mut Faults) {
    if let Some(why) = names::qualified_name_fault(key) {
        faults.invalid_value(at, &Value::from(key), &why);
    }
}

/// A map of annotations: keys are qualified names in any case, and all together are not too long.
pub(super) fn annotations(at: &At<'_>, faults: &mut Faults) {
    let mut length = 0;
    for (key, value) in at.entries() {
        if let Some(why) = names::qualified_name_fault(&key.to_lowercase()) {
            faults.invalid_value(at, &Value::from(key), &why);
        }
        length += key.len() + value.text().len();
    }
    if length > ANNOTATIONS_LIMIT {
        faults.too_long(at, ANNOTATIONS_LIMIT);
    }
}

/// A `LabelSelector`. `lenient` passes bad values in expressions, as an update does when the stored selector has some.
pub(super) fn selector(at: &At<'_>, lenient: bool, faults: &mut Faults) {
    labels(&at.field("matchLabels"), faults);
    for expression in at.field("matchExpressions").items() {
        let values = expression.field("values");
        let operator = expression.field("operator");
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => {
                faults.required(&values, "must be specified when `operator` is 'In' or 'NotIn'")
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                faults.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => faults.invalid(&operator, "not a valid selector operator"),
        }
        label_name(&expression.field("key"), faults);
        if !lenient {
            values.items().for_each(|value| faults.invalid_if(&value, names::label_value_fault(value.text())));
        }
    }
}

/// A text that must be a label key.
pub(super) fn label_name(at: &At<'_>, faults: &mut Faults) {
    if let Some(why) = names::qualified_name_fault(at.text()) {
        faults.invalid_value(at, &Value::from(at.text()), &why);
    }
}

/// Whether some expression of a selector has a value that is no label value.
pub(super) fn has_bad_values(selector: &At<'_>) -> bool {
    let expressions = selector.field("matchExpressions");
    expressions.items().any(|one| one.field("values").items().any(|value| names::label_value_fault(value.text()).is_some()))
}

/// Whether a selector selects the labels; `None` when it makes no sense. An absent selector selects nothing.
pub(super) fn selects(selector: &At<'_>, labels: &At<'_>) -> Option<bool> {
    if selector.value.is_null() {
        return Some(false);
    }
    let mut faults = Faults::default();
    self::selector(selector, false, &mut faults);
    if !faults.into_causes().is_empty() {
        return None;
    }
    let selector = Labels::from_object(&serde_json::from_value(selector.value.clone()).ok()?).ok()?;
    let labels: BTreeMap<String, String> = labels.entries().map(|(key, value)| (key.into(), value.text().into())).collect();
    Some(selector.matches(&labels))
}
