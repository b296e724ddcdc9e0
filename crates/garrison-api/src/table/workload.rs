//! The cells of workloads and their budgets: DaemonSet, Deployment, ReplicaSet, StatefulSet, Job, CronJob, PodDisruptionBudget.

use super::{duration, or_none, pairs, selector, text};
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
        selector(&object["spec"]["selector"]),
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
        let conditions = object["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    match object["metadata"]["deletionTimestamp"].is_string() {
        _ if holds("Complete") => "Complete",
        _ if holds("Failed") => "Failed",
        true => "Terminating",
        _ => ["Suspended", "FailureTarget", "SuccessCriteriaMet"].into_iter().find(|kind| holds(kind)).unwrap_or("Running"),
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
