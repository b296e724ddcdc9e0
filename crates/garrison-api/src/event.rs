//! The two faces of events: `v1`, as which they are kept, and `events.k8s.io/v1`, which names most fields otherwise.

use crate::resource::Resource;
use serde_json::{Map, Value, json};

const GROUP: &str = "events.k8s.io";

/// What both faces call a field: in `events.k8s.io/v1`, and in `v1`.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// Whether the kind is the newer face of events.
pub fn is_new_face(resource: &Resource) -> bool {
    resource.group == GROUP && resource.kind == "Event"
}

/// An object of the kind as it is kept.
pub fn kept(resource: &Resource, object: Value) -> Value {
    if is_new_face(resource) { renamed(object, "v1", |name| new_to_old(name).unwrap_or(name)) } else { object }
}

/// A kept object as clients of the kind see it.
pub fn shown(resource: &Resource, object: Value) -> Value {
    if !is_new_face(resource) {
        return object;
    }
    let mut event =
        renamed(object, &resource.api_version(), |name| NAMES.iter().find(|(_, old)| *old == name).map_or(name, |(new, _)| new));
    if let Some(fields) = event.as_object_mut() {
        // Only the older face shows empty reporters.
        for name in ["reportingController", "reportingInstance"] {
            if fields.get(name).is_some_and(|value| value == "") {
                fields.remove(name);
            }
        }
        fields.entry("regarding").or_insert_with(|| json!({}));
    }
    event
}

/// The label of a field selector, as the older face calls it: there are but those fields in the index.
pub fn kept_label(label: &str) -> String {
    let (first, rest) = label.split_once('.').map_or((label, None), |(first, rest)| (first, Some(rest)));
    let first = new_to_old(first).unwrap_or(first);
    rest.map_or_else(|| first.to_owned(), |rest| format!("{first}.{rest}"))
}

fn new_to_old(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(new, _)| *new == name).map(|(_, old)| *old)
}

fn renamed(object: Value, version: &str, name: impl Fn(&str) -> &str) -> Value {
    let Value::Object(fields) = object else { return object };
    let mut fields: Map<String, Value> = fields.into_iter().map(|(field, value)| (name(&field).to_owned(), value)).collect();
    fields.insert("apiVersion".into(), version.into());
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{resource, schema};

    fn faces() -> (&'static Resource, &'static Resource) {
        (resource::find(GROUP, "v1", "events").unwrap(), resource::find("", "v1", "events").unwrap())
    }

    #[test]
    fn every_field_of_one_face_has_its_place_in_the_other() {
        let (new, old) = faces();
        let fields = |resource: &Resource| schema::of_kind(&resource.api_version(), "Event").unwrap().fields.keys().cloned();
        for name in fields(new) {
            assert!(fields(old).any(|known| known == kept_label(&name)), "{name}");
        }
        assert_eq!(fields(new).count(), fields(old).count());
        let labels: Vec<String> = new.selectable_fields.iter().map(|label| kept_label(label)).collect();
        assert!(labels.iter().all(|label| old.selectable_fields.contains(&label.as_str())), "{labels:?}");
    }

    #[test]
    fn an_event_goes_to_the_other_face_and_comes_back() {
        let (new, old) = faces();
        let event = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
            "eventTime": "2026-01-01T00:00:00.000001Z", "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"},
            "reportingController": "x.org/c", "reportingInstance": "c-0", "action": "Did", "reason": "R", "note": "n",
            "regarding": {"kind": "Pod", "name": "p"}, "related": {"kind": "Node", "name": "n"}, "type": "Normal",
            "deprecatedSource": {"component": "c"}, "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z",
            "deprecatedLastTimestamp": "2026-01-01T00:00:00Z", "deprecatedCount": 3,
        });
        let core = kept(new, event.clone());
        assert_eq!(core["apiVersion"], "v1");
        assert_eq!((&core["involvedObject"]["name"], &core["message"], &core["count"]), (&json!("p"), &json!("n"), &json!(3)));
        assert_eq!((&core["reportingComponent"], &core["source"]["component"]), (&json!("x.org/c"), &json!("c")));
        assert_eq!(shown(new, core.clone()), event);
        assert_eq!(shown(old, core.clone()), core);
        let bare =
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {}, "reportingComponent": "", "reportingInstance": ""});
        assert_eq!(shown(new, bare), json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {}, "regarding": {}}));
    }
}
