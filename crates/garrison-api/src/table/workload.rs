//! The cells of workloads and their budgets: DaemonSet, Deployment, ReplicaSet, StatefulSet, Job, CronJob and the like; what scales and spares them.

use super::{duration, or_none, pairs, selector, selector_text, text};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn daemon_set(object: &Value, age: String) -> Value {
    let count = |field: &str| status(object, field);
    let [names, images] = containers(object, "/spec/template/spec/containers");
    json!([
        text(object, "/metadata/name"),
        count("desiredNumberScheduled"),
        count("currentNumberScheduled"),
        count("numberReady"),
        count("updatedNumberScheduled"),
        count("numberAvailable"),
        pairs(&object["spec"]["template"]["spec"]["nodeSelector"]),
        age,
        names,
        images,
        selector(&object["spec"]["selector"]),
    ])
}

pub(super) fn deployment(object: &Value, age: String) -> Value {
    let [names, images] = containers(object, "/spec/template/spec/containers");
    json!([
        text(object, "/metadata/name"),
        format!("{}/{}", status(object, "readyReplicas"), replicas(object)),
        status(object, "updatedReplicas"),
        status(object, "availableReplicas"),
        age,
        names,
        images,
        selector_text(&object["spec"]["selector"]).unwrap_or_default(),
    ])
}

pub(super) fn replica_set(object: &Value, age: String) -> Value {
    let [names, images] = containers(object, "/spec/template/spec/containers");
    json!([
        text(object, "/metadata/name"),
        replicas(object),
        status(object, "replicas"),
        status(object, "readyReplicas"),
        age,
        names,
        images,
        selector(&object["spec"]["selector"]),
    ])
}

pub(super) fn stateful_set(object: &Value, age: String) -> Value {
    let [names, images] = containers(object, "/spec/template/spec/containers");
    let ready = format!("{}/{}", status(object, "readyReplicas"), replicas(object));
    json!([text(object, "/metadata/name"), ready, age, names, images])
}

pub(super) fn job(object: &Value, age: String, now: Timestamp) -> Value {
    let succeeded = status(object, "succeeded");
    let completions = match (object["spec"]["completions"].as_i64(), object["spec"]["parallelism"].as_i64()) {
        (Some(all), _) => format!("{succeeded}/{all}"),
        (None, Some(side_by_side)) if side_by_side > 1 => format!("{succeeded}/1 of {side_by_side}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let start = text(object, "/status/startTime");
    let end = text(object, "/status/completionTime").parse().unwrap_or(now);
    let took = if start.is_empty() { String::new() } else { duration::since(start, end) };
    let [names, images] = containers(object, "/spec/template/spec/containers");
    let chosen = selector(&object["spec"]["selector"]);
    json!([text(object, "/metadata/name"), job_state(object), completions, took, age, names, images, chosen])
}

fn job_state(object: &Value) -> &'static str {
    let holds = |kind: &str| {
        let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        conditions.find(|condition| condition["type"] == kind).is_some_and(|condition| condition["status"] == "True")
    };
    match object["metadata"]["deletionTimestamp"].is_string() {
        _ if holds("Complete") => "Complete",
        _ if holds("Failed") => "Failed",
        true => "Terminating",
        _ => ["Suspended", "FailureTarget"].into_iter().find(|kind| holds(kind)).unwrap_or("Running"),
    }
}

pub(super) fn cron_job(object: &Value, age: String, now: Timestamp) -> Value {
    let suspended = object["spec"]["suspend"].as_bool().map_or("<unset>", |truth| if truth { "True" } else { "False" });
    let last = match text(object, "/status/lastScheduleTime") {
        "" => "<none>".into(),
        time => duration::since(time, now),
    };
    let [names, images] = containers(object, "/spec/jobTemplate/spec/template/spec/containers");
    json!([
        text(object, "/metadata/name"),
        text(object, "/spec/schedule"),
        or_none(text(object, "/spec/timeZone")),
        suspended,
        object["status"]["active"].as_array().map_or(0, Vec::len),
        last,
        age,
        names,
        images,
        selector(&object["spec"]["jobTemplate"]["spec"]["selector"]),
    ])
}

pub(super) fn replication_controller(object: &Value, age: String) -> Value {
    let [names, images] = containers(object, "/spec/template/spec/containers");
    let (current, ready) = (status(object, "replicas"), status(object, "readyReplicas"));
    let chosen = pairs(&object["spec"]["selector"]);
    json!([text(object, "/metadata/name"), replicas(object), current, ready, age, names, images, chosen])
}

pub(super) fn template(object: &Value) -> Value {
    let [names, images] = containers(object, "/template/spec/containers");
    json!([text(object, "/metadata/name"), names, images, pairs(&object["template"]["metadata"]["labels"])])
}

/// What is scaled, each metric as it is and as it is to be, and within which bounds.
pub(super) fn autoscaler(object: &Value, age: String) -> Value {
    let scaled = format!("{}/{}", text(object, "/spec/scaleTargetRef/kind"), text(object, "/spec/scaleTargetRef/name"));
    let least = object["spec"]["minReplicas"].as_i64().map_or_else(|| "<unset>".into(), |least| least.to_string());
    json!([
        text(object, "/metadata/name"),
        scaled,
        targets(object),
        least,
        object["spec"]["maxReplicas"].as_i64().unwrap_or(0),
        status(object, "currentReplicas"),
        age,
    ])
}

/// How many metrics are shown; of more only the number.
const METRICS: usize = 2;

fn targets(object: &Value) -> String {
    let metrics = object["spec"]["metrics"].as_array().map(Vec::as_slice).unwrap_or_default();
    let all: Vec<String> =
        metrics.iter().enumerate().map(|(index, metric)| target(metric, &object["status"]["currentMetrics"][index])).collect();
    match all.len() {
        0 => "<none>".into(),
        count if count > METRICS => format!("{} + {} more...", all[..METRICS].join(", "), count - METRICS),
        _ => all.join(", "),
    }
}

fn target(metric: &Value, status: &Value) -> String {
    let (field, named) = match text(metric, "/type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".into(),
    };
    let (wanted, has) = (&metric[field]["target"], &status[field]["current"]);
    let amount = |of: &Value, name: &str| of[name].as_str().map(str::to_owned);
    let average = wanted["averageValue"].is_string();
    let (goal, is) = match (named, average || field == "pods") {
        (_, true) => (amount(wanted, "averageValue"), amount(has, "averageValue")),
        (true, false) => {
            let percent = |of: &Value| of["averageUtilization"].as_i64().map(|percent| format!("{percent}%"));
            (Some(percent(wanted).unwrap_or_else(|| "<auto>".into())), percent(has))
        }
        (false, false) => (amount(wanted, "value"), amount(has, "value")),
    };
    let name = if named { format!("{}: ", text(metric, &format!("/{field}/name"))) } else { String::new() };
    let per_pod = if average && matches!(field, "external" | "object") { " (avg)" } else { "" };
    let (is, goal) = (is.unwrap_or_else(|| "<unknown>".into()), goal.unwrap_or_else(|| "<nil>".into()));
    format!("{name}{is}/{goal}{per_pod}")
}

pub(super) fn budget(object: &Value, age: String) -> Value {
    let bound = |field: &str| match &object["spec"][field] {
        Value::Null => "N/A".to_string(),
        Value::String(percent) => percent.clone(),
        number => number.to_string(),
    };
    let allowed = status(object, "disruptionsAllowed");
    json!([text(object, "/metadata/name"), bound("minAvailable"), bound("maxUnavailable"), allowed, age])
}

fn status(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or(0)
}

fn replicas(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(0)
}

/// Names and images of the containers at a pointer.
fn containers(object: &Value, pointer: &str) -> [String; 2] {
    let containers = object.pointer(pointer).and_then(Value::as_array);
    ["name", "image"].map(|field| {
        let words: Vec<&str> = containers.into_iter().flatten().filter_map(|container| container[field].as_str()).collect();
        words.join(",")
    })
}
