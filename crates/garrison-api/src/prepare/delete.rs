//! What a delete comes to: removed at once, or marked to wait for a grace period or finalizers (behaviour reference §14.4, §15).

use super::Write;
use super::metadata::seconds;
use crate::custom::definition;
use crate::resource::Resource;
use crate::status_error::{Cause, Status};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// The fields of `DeleteOptions` that decide.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeleteOptions {
    /// Seconds; `None` takes the object's own.
    pub grace_period_seconds: Option<i64>,
    /// `Background`, `Foreground` or `Orphan`.
    pub propagation_policy: Option<String>,
    /// Precondition on `metadata.uid`.
    pub uid: Option<String>,
    /// Precondition on `metadata.resourceVersion`.
    pub resource_version: Option<String>,
    /// Whether to change nothing.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads a decoded `DeleteOptions` object (body), to which query parameters may have been merged.
    ///
    /// # Errors
    /// 400 or 422 for bad values.
    pub fn from_value(value: &Value) -> Result<Self, Status> {
        let refuse = |reason: &str, message: String, field: &str| {
            let cause = Cause { reason: reason.into(), message, field: field.into() };
            Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]))
        };
        let text =
            |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(String::from);
        let said = text("/propagationPolicy");
        let orphan = value["orphanDependents"].as_bool();
        if let Some(said) = said.as_deref().filter(|_| orphan.is_some()) {
            let message = format!("Invalid value: {said:?}: orphanDependents and deletionPropagation cannot be both set");
            return refuse("FieldValueInvalid", message, "propagationPolicy");
        }
        if let Some(other) = said.as_deref().filter(|policy| !["Background", "Foreground", "Orphan"].contains(policy)) {
            let message =
                format!("Unsupported value: {other:?}: supported values: \"Background\", \"Foreground\", \"Orphan\", \"nil\"");
            return refuse("FieldValueNotSupported", message, "propagationPolicy");
        }
        let runs = &value["dryRun"];
        if runs.as_array().into_iter().flatten().any(|run| run != "All") {
            return refuse("FieldValueNotSupported", format!("Unsupported value: {runs}: supported values: \"All\""), "dryRun");
        }
        let old_style = orphan.map(|orphan| if orphan { "Orphan" } else { "Background" }.to_string());
        Ok(Self {
            grace_period_seconds: value["gracePeriodSeconds"].as_i64(),
            propagation_policy: said.or(old_style),
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            dry_run: value["dryRun"].as_array().is_some_and(|list| !list.is_empty()),
        })
    }
}

/// What a delete comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Deletion {
    /// Take the object out of the store.
    Remove,
    /// Keep it, marked: grace period or finalizers are to be waited for.
    Mark(Box<Value>),
    /// Already marked, nothing new.
    Unchanged,
}

/// Decides a delete of `old` (behaviour reference §14.4, §15).
///
/// # Errors
/// 409 when a precondition does not hold.
pub fn delete(write: &Write<'_>, old: &Value, options: &DeleteOptions) -> Result<Deletion, Status> {
    preconditions(write, old, options)?;
    let mut new = old.clone();
    if let Some(metadata) = new["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    let before = new.clone();
    // Nobody collects what belongs to an event.
    if write.resource.kind != "Event" || write.resource.custom.is_some() {
        set_propagation(&mut new, options.propagation_policy.as_deref());
    }
    let grace = grace(write.resource, old, options);
    if write.resource.group == definition::GROUP {
        super::custom::before_deletion(&mut new, write.now);
    }
    mark(write, &mut new, grace, options.grace_period_seconds.is_some());
    if finished(write.resource, &new) {
        return Ok(Deletion::Remove);
    }
    Ok(if new == before { Deletion::Unchanged } else { Deletion::Mark(Box::new(new)) })
}

fn preconditions(write: &Write<'_>, old: &Value, options: &DeleteOptions) -> Result<(), Status> {
    let metadata = &old["metadata"];
    let checks = [
        ("UID", "uid", &options.uid, "The object might have been deleted and then recreated"),
        ("ResourceVersion", "resourceVersion", &options.resource_version, "The object might have been modified"),
    ];
    for (what, field, wanted, guess) in checks {
        let is = metadata[field].as_str().unwrap_or_default();
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != is) {
            let why = format!("the {what} in the precondition ({wanted}) does not match the {what} in record ({is}). {guess}");
            let name = metadata["name"].as_str().unwrap_or_default();
            return Err(Status::conflict(write.resource.group, write.resource.plural, name, &why));
        }
    }
    Ok(())
}

/// An explicit policy overrides the collector's finalizers already there; without one they stay.
fn set_propagation(object: &mut Value, policy: Option<&str>) {
    let Some(policy) = policy else { return };
    let wanted = match policy {
        "Foreground" => Some(FOREGROUND),
        "Orphan" => Some(ORPHAN),
        _ => None,
    };
    let current = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let mut finalizers: Vec<Value> = current
        .into_iter()
        .filter(|name| (name != FOREGROUND && name != ORPHAN) || wanted.is_some_and(|wanted| name == wanted))
        .collect();
    if let Some(wanted) = wanted.filter(|wanted| !finalizers.iter().any(|name| name == wanted)) {
        finalizers.push(wanted.into());
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if finalizers.is_empty() {
            metadata.remove("finalizers")
        } else {
            metadata.insert("finalizers".into(), finalizers.into())
        };
    }
}

/// Seconds that a pod may take to end; other kinds take none. Nobody waits for a pod that runs nowhere or has ended.
fn grace(resource: &Resource, old: &Value, options: &DeleteOptions) -> i64 {
    if resource.kind != "Pod" || resource.custom.is_some() {
        return 0;
    }
    let bound = old["spec"]["nodeName"].as_str().is_some_and(|name| !name.is_empty());
    let ended = matches!(old["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
    if !bound || ended {
        return 0;
    }
    let own = || old["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    // A negative grace period means one second (upstream `pod/strategy.go`).
    match options.grace_period_seconds.unwrap_or_else(own) {
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}

/// Sets the marks of deletion. A second delete may only shorten the wait, and only when it says how long.
fn mark(write: &Write<'_>, object: &mut Value, grace: i64, explicit: bool) {
    let metadata = &mut object["metadata"];
    let marked = metadata["deletionTimestamp"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(planned) = marked else {
        metadata["deletionTimestamp"] = seconds(write.now + SignedDuration::from_secs(grace)).into();
        metadata["deletionGracePeriodSeconds"] = grace.into();
        if let Some(generation) = metadata["generation"].as_i64() {
            metadata["generation"] = (generation + 1).into();
        }
        if write.resource.kind == "Namespace" && write.resource.custom.is_none() {
            // Its conditions tell what it waits for.
            object["status"]["phase"] = "Terminating".into();
        }
        return;
    };
    let current = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    let ended = grace == 0 && write.resource.kind == "Pod" && write.resource.custom.is_none();
    if (explicit || ended) && grace < current {
        metadata["deletionTimestamp"] =
            seconds(planned - SignedDuration::from_secs(current) + SignedDuration::from_secs(grace)).into();
        metadata["deletionGracePeriodSeconds"] = grace.into();
    }
}

/// Whether an object, as just prepared by an update, is to be removed now: marked, no finalizer left, no grace to wait for.
pub fn finished(resource: &Resource, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let held = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    let namespace_held = resource.kind == "Namespace" && resource.custom.is_none() && held(&object["spec"]["finalizers"]);
    metadata["deletionTimestamp"].is_string()
        && !held(&metadata["finalizers"])
        && !namespace_held
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
}
