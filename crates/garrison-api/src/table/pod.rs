//! The cells of a pod (upstream `printPod`).

use super::{duration, or_none, text};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn cells(pod: &Value, age: String, now: Timestamp) -> Value {
    let statuses = list(&pod["status"]["containerStatuses"]);
    let total = list(&pod["spec"]["containers"]).len();
    let ready =
        statuses.iter().filter(|container| container["ready"] == true && container["state"]["running"].is_object()).count();
    let ip = pod.pointer("/status/podIPs/0/ip").and_then(Value::as_str).unwrap_or_else(|| text(pod, "/status/podIP"));
    json!([
        text(pod, "/metadata/name"),
        format!("{ready}/{total}"),
        reason(pod),
        restarts(pod, now),
        age,
        or_none(ip),
        or_none(text(pod, "/spec/nodeName")),
        or_none(text(pod, "/status/nominatedNodeName")),
        gates(pod),
    ])
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn condition_is(pod: &Value, kind: &str, status: &str) -> bool {
    list(&pod["status"]["conditions"]).iter().any(|condition| condition["type"] == kind && condition["status"] == status)
}

/// The STATUS column: the first thing that keeps the pod from running, or its phase.
fn reason(pod: &Value) -> String {
    let phase = text(pod, "/status/phase");
    let own = text(pod, "/status/reason");
    let mut reason = if own.is_empty() { phase.to_string() } else { own.to_string() };
    if list(&pod["status"]["conditions"]).iter().any(|c| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated") {
        reason = "SchedulingGated".into();
    }
    match initializing(pod) {
        Some(initializing) => reason = initializing,
        None => {
            let mut running = false;
            for container in list(&pod["status"]["containerStatuses"]).iter().rev() {
                match waiting_or_ended(container) {
                    Some(why) => reason = why,
                    None => running |= container["ready"] == true && container["state"]["running"].is_object(),
                }
            }
            if reason == "Completed" && running {
                reason = if condition_is(pod, "Ready", "True") { "Running" } else { "NotReady" }.into();
            }
        }
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return match own {
            "NodeLost" => "Unknown".into(),
            _ if matches!(phase, "Failed" | "Succeeded") => reason,
            _ => "Terminating".into(),
        };
    }
    reason
}

/// Why a container does not run: waiting for a reason, or ended.
fn waiting_or_ended(container: &Value) -> Option<String> {
    let waiting = text(container, "/state/waiting/reason");
    if !waiting.is_empty() {
        return Some(waiting.into());
    }
    let ended = container["state"]["terminated"].as_object()?;
    match ended.get("reason").and_then(Value::as_str).filter(|reason| !reason.is_empty()) {
        Some(reason) => Some(reason.into()),
        None => Some(match ended.get("signal").and_then(Value::as_i64).filter(|signal| *signal != 0) {
            Some(signal) => format!("Signal:{signal}"),
            None => format!("ExitCode:{}", ended.get("exitCode").and_then(Value::as_i64).unwrap_or(0)),
        }),
    }
}

/// `Init:…` while init containers are at work; sidecars that have started do not count.
fn initializing(pod: &Value) -> Option<String> {
    let specs = list(&pod["spec"]["initContainers"]);
    let total = specs.len();
    for (index, container) in list(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
        let terminated = &container["state"]["terminated"];
        if terminated.is_object() && terminated["exitCode"].as_i64().unwrap_or(0) == 0 {
            continue;
        }
        let sidecar = specs.iter().any(|spec| spec["name"] == container["name"] && spec["restartPolicy"] == "Always");
        if sidecar && container["started"] == true {
            continue;
        }
        if terminated.is_object() {
            return waiting_or_ended(container).map(|why| format!("Init:{why}"));
        }
        let waiting = text(container, "/state/waiting/reason");
        return Some(if waiting.is_empty() || waiting == "PodInitializing" {
            format!("Init:{index}/{total}")
        } else {
            format!("Init:{waiting}")
        });
    }
    None
}

/// `3 (5m ago)`, or `0`.
fn restarts(pod: &Value, now: Timestamp) -> String {
    let containers = list(&pod["status"]["containerStatuses"]);
    let count: i64 = containers.iter().filter_map(|container| container["restartCount"].as_i64()).sum();
    let last = containers
        .iter()
        .filter_map(|container| text(container, "/lastState/terminated/finishedAt").parse::<Timestamp>().ok())
        .max();
    match last.filter(|_| count != 0) {
        Some(last) => format!("{count} ({} ago)", duration::human(now.duration_since(last).as_secs())),
        None => count.to_string(),
    }
}

fn gates(pod: &Value) -> String {
    let gates = list(&pod["spec"]["readinessGates"]);
    let open = gates.iter().filter(|gate| condition_is(pod, gate["conditionType"].as_str().unwrap_or_default(), "True")).count();
    if gates.is_empty() { "<none>".into() } else { format!("{open}/{}", gates.len()) }
}
