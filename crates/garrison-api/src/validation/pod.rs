//! Pods: what holds for a whole pod, and the little of it that may change.

use super::fault::{At, Faults};
use super::{pod_spec, scheduling};
use serde_json::{Map, Value};

/// A pod about to be created.
pub(super) fn create(at: &At<'_>, faults: &mut Faults) {
    pod_spec::check(&at.field("spec"), true, faults);
    let ephemeral = at.field("spec").field("ephemeralContainers");
    if !ephemeral.is_empty() {
        faults.forbidden(&ephemeral, "cannot be set on create");
    }
}

/// An update of metadata and spec.
pub(super) fn update(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    for name in ["containers", "initContainers"] {
        let list = new.field(name);
        if list.items().count() != old.field(name).items().count() {
            return faults.forbidden(&list, "pod updates may not add or remove containers");
        }
        for image in list.items().map(|container| container.field("image")) {
            if image.is_empty() {
                faults.required(&image, "");
            } else if image.text().trim() != image.text() {
                faults.invalid(&image, "must not have leading or trailing whitespace");
            }
        }
    }
    deadline(&old.field("activeDeadlineSeconds"), &new.field("activeDeadlineSeconds"), faults);
    tolerations(&old.field("tolerations"), &new.field("tolerations"), faults);
    nothing_else(&old, &new, faults);
}

/// The deadline may come, and come sooner.
fn deadline(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    match (old.value.as_i64(), new.value.as_i64()) {
        (_, Some(seconds)) if !(0..=i64::from(i32::MAX)).contains(&seconds) => faults.between(new, 0, i64::from(i32::MAX)),
        (Some(before), Some(now)) if before < now => faults.invalid(new, "must be less than or equal to previous value"),
        (Some(_), None) => faults.invalid(new, "must not update from a positive integer to nil value"),
        _ => {}
    }
}

/// Tolerations may be added, and their seconds changed.
fn tolerations(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let timeless = |toleration: At<'_>| {
        let mut value = essence(toleration.value);
        value.as_object_mut().map(|map| map.remove("tolerationSeconds"));
        value
    };
    let kept: Vec<Value> = new.items().map(timeless).collect();
    if old.items().map(timeless).any(|before| !kept.contains(&before)) {
        return faults.forbidden(new, "existing toleration can not be modified except its tolerationSeconds");
    }
    scheduling::tolerations(new, faults);
}

fn nothing_else(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    const WORDS: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                         `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
                         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    let (before, now) = (fixed_part(old.value), fixed_part(new.value));
    let shortened =
        old.value["terminationGracePeriodSeconds"].as_i64() < Some(0) && new.value["terminationGracePeriodSeconds"] == 1;
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| before.get(*name) != now.get(*name) && !(shortened && *name == "terminationGracePeriodSeconds"));
    if !names.is_empty() {
        let changed: Vec<String> = names.iter().map(|name| format!("{}.{name}", new.path)).collect();
        faults.forbidden(new, &format!("{WORDS}\nchanged: {}", changed.join(", ")));
    }
}

/// What of a spec never changes, without what encoders may leave out.
fn fixed_part(spec: &Value) -> Map<String, Value> {
    let Value::Object(mut map) = essence(spec) else { return Map::new() };
    for name in ["activeDeadlineSeconds", "tolerations"] {
        map.remove(name);
    }
    for name in ["containers", "initContainers"] {
        for container in map.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            container.as_object_mut().map(|container| container.remove("image"));
        }
    }
    map
}

/// The value without zero values: typed clients leave them out where others write them.
fn essence(value: &Value) -> Value {
    let zero = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    match value {
        Value::Object(map) => {
            let kept = map.iter().map(|(name, value)| (name.clone(), essence(value))).filter(|(_, value)| !zero(value));
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(essence).collect()),
        other => other.clone(),
    }
}

/// A write of `/status`: a container that is over for good does not run again.
pub(super) fn status(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let policy = old.field("spec").text_of("restartPolicy");
    if policy == "Always" {
        return;
    }
    for container in new.field("status").field("containerStatuses").items() {
        let before = old.value["status"]["containerStatuses"].as_array().into_iter().flatten();
        let ended =
            before.filter(|status| status["name"] == container.value["name"]).map(|status| &status["state"]["terminated"]);
        let for_good =
            |ended: &Value| !ended.is_null() && (policy == "Never" || ended["exitCode"].as_i64().unwrap_or_default() == 0);
        let state = container.field("state");
        if ended.into_iter().any(for_good) && state.field("terminated").value.is_null() {
            faults.forbidden(&state, "may not be transitioned to non-terminated state");
        }
    }
}
