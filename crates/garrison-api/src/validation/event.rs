//! Events: what holds for all, and more for those that came through `events.k8s.io/v1`. Fields bear the names of `v1`.

use super::fault::{At, Faults};
use crate::names;
use serde_json::Value;

/// How long the texts may be that say who did what and why.
const WORD: usize = 128;
/// How long the text for people may be.
const NOTE: usize = 1024;

/// What holds for every event.
pub(super) fn check(at: &At<'_>, faults: &mut Faults) {
    namespace(at, faults);
    if !at.field("eventTime").is_empty() {
        reported(at, faults);
    }
}

/// An event lives in the namespace of what it is about; one about the cluster lives in `default`.
fn namespace(at: &At<'_>, faults: &mut Faults) {
    let (own, about) = (at.field("metadata").text_of("namespace"), at.field("involvedObject").field("namespace"));
    let old_style = at.field("eventTime").is_empty();
    let fine = match about.text() {
        "" if old_style => ["", "default"].contains(&own),
        "" => ["default", "kube-system"].contains(&own),
        // Who says when it happened may keep it elsewhere.
        about => about == own || !old_style,
    };
    if !fine {
        faults.invalid_value(&about, &about.text().into(), "does not match event.namespace");
    }
}

/// An event that says when it happened says who reports it, and what was done.
fn reported(at: &At<'_>, faults: &mut Faults) {
    // Upstream calls the field as the newer version does.
    let controller = at.field("reportingComponent").renamed("reportingController");
    if controller.is_empty() {
        faults.required(&controller, "");
    }
    faults.invalid_if(&controller_or_empty(&controller), names::qualified_name_fault(controller.text()));
    for name in ["reportingInstance", "action", "reason"] {
        let word = at.field(name);
        if word.is_empty() {
            faults.required(&word, "");
        }
        no_longer_than(&word, WORD, faults);
    }
    no_longer_than(&at.field("message"), NOTE, faults);
}

fn controller_or_empty<'a>(controller: &At<'a>) -> At<'a> {
    static EMPTY: Value = Value::String(String::new());
    if controller.value.is_null() { At { path: controller.path.clone(), value: &EMPTY } } else { controller.clone() }
}

fn no_longer_than(at: &At<'_>, most: usize, faults: &mut Faults) {
    if at.text().len() > most {
        faults.invalid_value(at, &"".into(), &format!("can have at most {most} characters"));
    }
}

/// An event that is created through `events.k8s.io/v1`: the fields of old are not for it.
pub(super) fn new_style(at: &At<'_>, faults: &mut Faults) {
    series(at, faults);
    let time = at.field("eventTime");
    if time.is_empty() {
        faults.required(&time, "");
    }
    let kind = at.field("type");
    if !["Normal", "Warning"].contains(&kind.text()) {
        faults.invalid_value(&kind, &"".into(), &format!("has invalid value: {}", kind.text()));
    }
    let source = at.field("source");
    let stale = [
        ("firstTimestamp", !at.field("firstTimestamp").is_empty()),
        ("lastTimestamp", !at.field("lastTimestamp").is_empty()),
        ("count", at.field("count").number() != 0),
        ("source", ["component", "host"].iter().any(|name| !source.text_of(name).is_empty())),
    ];
    for (name, _) in stale.iter().filter(|(_, set)| *set) {
        faults.invalid_value(&at.field(name), &"".into(), "needs to be unset");
    }
}

/// A series is of two events or more.
fn series(at: &At<'_>, faults: &mut Faults) {
    let Some(series) = at.present("series") else { return };
    let (count, last) = (series.field("count"), series.field("lastObservedTime"));
    if count.number() < 2 {
        faults.invalid_value(&count, &"".into(), "should be at least 2");
    }
    if last.is_empty() {
        faults.required(&last, "");
    }
}

/// A change through `events.k8s.io/v1`: nothing but the series and the metadata.
pub(super) fn kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    const FIELDS: [&str; 13] = [
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingComponent",
        "reportingInstance",
    ];
    if old.value["series"] != new.value["series"] {
        series(new, faults);
    }
    for name in FIELDS {
        let shown = if name == "reportingComponent" { "reportingController" } else { name };
        faults.immutable(&old.field(name), &new.field(name).renamed(shown));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{create, update};
    use crate::{resource, status_error::Cause};
    use serde_json::{Value, json};

    fn event() -> Value {
        json!({
            "metadata": {"name": "e", "namespace": "default", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "eventTime": "2026-01-01T00:00:00.000001Z", "reportingComponent": "x.org/c", "reportingInstance": "c-0", "action": "Did",
            "reason": "R", "message": "n", "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "type": "Normal",
        })
    }

    fn fields(causes: Vec<Cause>) -> Vec<String> {
        causes.into_iter().map(|cause| cause.field).collect()
    }

    #[track_caller]
    fn check(group: &str, changes: Value, expected: &[&str]) {
        let (mut event, resource) = (event(), resource::find(group, "v1", "events").unwrap());
        for (name, value) in changes.as_object().unwrap() {
            event[name] = value.clone();
        }
        assert_eq!(fields(create(resource, &event)), expected, "{group} {changes}");
    }

    #[test]
    fn events_of_both_faces_are_held_to_their_rules() {
        const NEW: &str = "events.k8s.io";
        let word = "x".repeat(129);
        for group in ["", NEW] {
            check(group, json!({}), &[]);
            check(group, json!({"reportingComponent": null}), &["reportingController", "reportingController"]);
            check(group, json!({"reportingComponent": "a b"}), &["reportingController"]);
            check(
                group,
                json!({"reportingInstance": "", "action": word, "reason": null}),
                &["reportingInstance", "action", "reason"],
            );
            check(group, json!({"message": "x".repeat(1025)}), &["message"]);
            check(group, json!({"involvedObject": {"namespace": "other"}}), &[]);
        }
        check("", json!({"eventTime": null, "type": "Any", "count": 1, "action": ""}), &[]);
        check("", json!({"eventTime": null, "involvedObject": {"namespace": "other"}}), &["involvedObject.namespace"]);
        check(NEW, json!({"eventTime": null, "action": ""}), &["eventTime"]);
        check(NEW, json!({"type": "Any"}), &["type"]);
        check(NEW, json!({"count": 1, "source": {"component": "c"}}), &["count", "source"]);
        check(
            NEW,
            json!({"lastTimestamp": "2026-01-01T00:00:00Z", "series": {"count": 1}}),
            &["series.count", "series.lastObservedTime", "lastTimestamp"],
        );
        check("", json!({"series": {"count": 1}}), &[]);
    }

    #[test]
    fn through_the_newer_face_only_the_series_changes() {
        let (old, mut new) = (event(), event());
        new["series"] = json!({"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"});
        let resource = |group| resource::find(group, "v1", "events").unwrap();
        assert!(update(resource("events.k8s.io"), None, &old, &new).is_empty());
        new["reason"] = "Other".into();
        new["reportingComponent"] = "other".into();
        assert_eq!(fields(update(resource("events.k8s.io"), None, &old, &new)), ["reason", "reportingController"]);
        assert!(update(resource(""), None, &old, &new).is_empty());
    }
}
