//! `allOf`, `anyOf`, `oneOf` and `not`.

use super::{
    Checks, Correlation, Schema,
    validate::{Faults, node, shown_path},
};
use serde_json::Value;

/// Adds what the junctors of a schema have against a value.
pub(super) fn check(checks: &Checks, value: &Value, path: &str, faults: &mut Faults) {
    if !checks.all_of.is_empty() {
        let before = faults.0.len();
        let fitting = checks.all_of.iter().filter(|one| attempt(one, value, path, faults)).count();
        if fitting < checks.all_of.len() && faults.0.len() > before {
            let none = if fitting == 0 { ". None validated" } else { "" };
            junctor(path, &format!("must validate all the schemas (allOf){none}"), faults);
        }
    }
    if !checks.any_of.is_empty() {
        let outcomes: Vec<Faults> = checks.any_of.iter().map(|one| alone(one, value, path)).collect();
        if outcomes.iter().all(|outcome| !outcome.is_empty()) {
            junctor(path, "must validate at least one schema (anyOf)", faults);
            show_nearest(outcomes, faults);
        }
    }
    if !checks.one_of.is_empty() {
        let outcomes: Vec<Faults> = checks.one_of.iter().map(|one| alone(one, value, path)).collect();
        match outcomes.iter().filter(|outcome| outcome.is_empty()).count() {
            1 => {}
            0 => {
                junctor(path, "must validate one and only one schema (oneOf). Found none valid", faults);
                show_nearest(outcomes, faults);
            }
            several => {
                let why = format!("must validate one and only one schema (oneOf). Found {several} valid alternatives");
                junctor(path, &why, faults);
            }
        }
    }
    if checks.not.as_ref().is_some_and(|not| alone(not, value, path).is_empty()) {
        junctor(path, "must not validate the schema (not)", faults);
    }
}

fn alone(schema: &Schema, value: &Value, path: &str) -> Faults {
    let mut faults = Faults::default();
    node(schema, value, path, Correlation::root(None), &mut faults);
    faults
}

fn attempt(schema: &Schema, value: &Value, path: &str, faults: &mut Faults) -> bool {
    let own = alone(schema, value, path);
    let fits = own.is_empty();
    own.0.into_iter().for_each(|cause| faults.add(&cause.reason, cause.field, cause.message));
    fits
}

/// Of several alternatives that all do not fit, what the first of the nearest lacks.
fn show_nearest(outcomes: Vec<Faults>, faults: &mut Faults) {
    let nearest = outcomes.into_iter().min_by_key(|outcome| outcome.0.len());
    nearest.into_iter().flat_map(|outcome| outcome.0).for_each(|cause| faults.add(&cause.reason, cause.field, cause.message));
}

fn junctor(path: &str, why: &str, faults: &mut Faults) {
    faults.add("FieldValueInvalid", shown_path(path), format!("Invalid value: \"\": {path:?} {why}"));
}
