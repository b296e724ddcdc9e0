//! The metrics of a HorizontalPodAutoscaler, as the annotations of `autoscaling/v1` hold them.

use serde_json::{Map, Value, json};

/// What a metric is to have, or has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Target,
    Current,
}

/// A field: its name in the annotation, the path to it in `autoscaling/v2`, and how it is written.
type Field = (&'static str, &'static str, Form);

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// An amount that is always written.
    Amount,
    /// An object that is referred to.
    Reference,
    Selector,
}

use Form::{Amount, Plain, Reference, Selector};

/// Sources of metrics with the fields of their targets, in the order in which they are written.
const TARGETS: [(&str, &[Field]); 5] = [
    (
        "object",
        &[
            ("target", "/describedObject", Reference),
            ("metricName", "/metric/name", Plain),
            ("targetValue", "/target/value", Amount),
            ("selector", "/metric/selector", Selector),
            ("averageValue", "/target/averageValue", Plain),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "/metric/name", Plain),
            ("targetAverageValue", "/target/averageValue", Amount),
            ("selector", "/metric/selector", Selector),
        ],
    ),
    (
        "resource",
        &[
            ("name", "/name", Plain),
            ("targetAverageUtilization", "/target/averageUtilization", Plain),
            ("targetAverageValue", "/target/averageValue", Plain),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "/name", Plain),
            ("targetAverageUtilization", "/target/averageUtilization", Plain),
            ("targetAverageValue", "/target/averageValue", Plain),
            ("container", "/container", Plain),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "/metric/name", Plain),
            ("metricSelector", "/metric/selector", Selector),
            ("targetValue", "/target/value", Plain),
            ("targetAverageValue", "/target/averageValue", Plain),
        ],
    ),
];
/// The same with what they have.
const CURRENTS: [(&str, &[Field]); 5] = [
    (
        "object",
        &[
            ("target", "/describedObject", Reference),
            ("metricName", "/metric/name", Plain),
            ("currentValue", "/current/value", Amount),
            ("selector", "/metric/selector", Selector),
            ("averageValue", "/current/averageValue", Plain),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "/metric/name", Plain),
            ("currentAverageValue", "/current/averageValue", Amount),
            ("selector", "/metric/selector", Selector),
        ],
    ),
    (
        "resource",
        &[
            ("name", "/name", Plain),
            ("currentAverageUtilization", "/current/averageUtilization", Plain),
            ("currentAverageValue", "/current/averageValue", Amount),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "/name", Plain),
            ("currentAverageUtilization", "/current/averageUtilization", Plain),
            ("currentAverageValue", "/current/averageValue", Amount),
            ("container", "/container", Plain),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "/metric/name", Plain),
            ("metricSelector", "/metric/selector", Selector),
            ("currentValue", "/current/value", Amount),
            ("currentAverageValue", "/current/averageValue", Plain),
        ],
    ),
];

fn sources(part: Part) -> &'static [(&'static str, &'static [Field]); 5] {
    match part {
        Part::Target => &TARGETS,
        Part::Current => &CURRENTS,
    }
}

/// The text of the annotation.
pub(super) fn old<'a>(part: Part, metrics: impl Iterator<Item = &'a Value>) -> String {
    let one = |metric: &Value| {
        let of_source = sources(part).iter().map(|(source, fields)| {
            let said = metric.get(source).filter(|said| said.is_object());
            ((*source).to_owned(), said.map(|said| written(fields.iter().map(|field| (field.0.into(), old_field(field, said))))))
        });
        written(std::iter::once(("type".into(), Some(metric["type"].to_string()))).chain(of_source))
    };
    format!("[{}]", metrics.map(one).collect::<Vec<_>>().join(","))
}

fn old_field((_, path, form): &Field, said: &Value) -> Option<String> {
    let value = said.pointer(path).filter(|value| !value.is_null());
    let parts = |value: &Value, names: &[&str]| {
        written(names.iter().map(|name| ((*name).to_owned(), value.get(name).filter(|value| *value != "").map(Value::to_string))))
    };
    match form {
        Plain => value.map(Value::to_string),
        Amount => Some(value.map_or_else(|| "\"0\"".into(), Value::to_string)),
        Reference => value.map(|value| parts(value, &["kind", "name", "apiVersion"])),
        Selector => value.map(|value| parts(value, &["matchLabels", "matchExpressions"])),
    }
}

/// The metrics in an annotation; `None` if it holds no list of objects.
pub(super) fn new(part: Part, metrics: &Value) -> Option<Value> {
    metrics.as_array()?.iter().map(|metric| one_new(part, metric.as_object()?)).collect()
}

fn one_new(part: Part, metric: &Map<String, Value>) -> Option<Value> {
    let mut found = json!({"type": metric.get("type")});
    for (source, fields) in sources(part) {
        let said = match metric.get(*source) {
            None | Some(Value::Null) => continue,
            Some(said) => said.as_object()?,
        };
        let mut made = json!({});
        for (name, path, form) in *fields {
            let value = said.get(*name).filter(|value| !value.is_null()).cloned();
            let Some(value) = value.or_else(|| (*form == Amount).then(|| "0".into())) else { continue };
            match path[1..].split_once('/') {
                Some((outer, inner)) => made[outer][inner] = value,
                None => made[&path[1..]] = value,
            }
        }
        if part == Part::Target {
            made["target"]["type"] = kind_of_target(source, &made["target"]).into();
        }
        found[*source] = made;
    }
    Some(found)
}

/// Which of the amounts of a target counts. The older version does not say.
fn kind_of_target(source: &str, target: &Value) -> &'static str {
    match source {
        "resource" | "containerResource" if target["averageUtilization"].is_number() => "Utilization",
        "object" if target["averageValue"].is_null() => "Value",
        "external" if !target["value"].is_null() => "Value",
        _ => "AverageValue",
    }
}

/// An object whose fields are written in this order, as Go does; those that are not there are left out.
pub(super) fn written(fields: impl Iterator<Item = (String, Option<String>)>) -> String {
    let fields = fields.filter_map(|(name, value)| Some(format!("{}:{}", Value::from(name), value?)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}
