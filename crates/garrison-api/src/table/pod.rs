//! The cells of a pod (upstream `printPod`).

use super::{duration, or_none, text};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn cells(pod: &Value, age: String, now: Timestamp) -> Value {
    let seen = Seen::of(pod);
    let ip = pod.pointer("/status/podIPs/0/ip").and_then(Value::as_str).unwrap_or_else(|| text(pod, "/status/podIP"));
    json!([
        text(pod, "/metadata/name"),
        format!("{}/{}", seen.ready, seen.total),
        reason(pod, seen.reason),
        restarts(&seen.restarted, now),
        age,
        or_none(ip),
        or_none(text(pod, "/spec/nodeName")),
        or_none(text(pod, "/status/nominatedNodeName")),
        gates(pod),
    ])
}

/// What a row says beside its cells: that the pod is over.
pub(super) fn conditions(pod: &Value) -> Option<Value> {
    let (reason, message) = match text(pod, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn condition_is(pod: &Value, kind: &str, status: &str) -> bool {
    list(&pod["status"]["conditions"]).iter().any(|condition| condition["type"] == kind && condition["status"] == status)
}

/// What the containers of a pod come to.
struct Seen<'a> {
    /// Containers that are to run all the time: the main ones and the sidecars.
    total: usize,
    ready: usize,
    /// What the containers say of the pod; its phase or its own reason if nothing.
    reason: String,
    /// The containers whose restarts count.
    restarted: Vec<&'a Value>,
}

impl<'a> Seen<'a> {
    fn of(pod: &'a Value) -> Self {
        let (main, init) = (list(&pod["status"]["containerStatuses"]), list(&pod["status"]["initContainerStatuses"]));
        let sidecars: Vec<&Value> =
            list(&pod["spec"]["initContainers"]).iter().filter(|one| one["restartPolicy"] == "Always").collect();
        let is_sidecar = |container: &Value| sidecars.iter().any(|sidecar| sidecar["name"] == container["name"]);
        let initializing = initializing(pod, &is_sidecar);
        let over = initializing.is_none() || condition_is(pod, "Initialized", "True");
        // Once the pod is initialized, the restarts of what has ended are of no interest.
        let restarted = match over {
            true => init.iter().filter(|container| is_sidecar(container)).chain(main).collect(),
            false => init.iter().take(initializing.as_ref().map_or(init.len(), |(at, _)| at + 1)).collect(),
        };
        let begun = initializing.as_ref().map_or(init.len(), |(at, _)| *at);
        let sidecars_ready =
            init[..begun].iter().filter(|one| is_sidecar(one) && one["started"] == true && one["ready"] == true && !ended(one));
        let mut seen = Self {
            total: list(&pod["spec"]["containers"]).len() + sidecars.len(),
            ready: sidecars_ready.count(),
            reason: initializing.map_or_else(|| of_pod(pod), |(_, why)| why),
            restarted,
        };
        if over {
            seen.add_main(pod, main);
        }
        seen
    }

    /// The first container that does not run says why; a pod of which some still run is not over.
    fn add_main(&mut self, pod: &Value, containers: &[Value]) {
        let mut running = 0;
        for container in containers.iter().rev() {
            match waiting_or_ended(container) {
                Some(why) => self.reason = why,
                None => running += usize::from(container["ready"] == true && container["state"]["running"].is_object()),
            }
        }
        self.ready += running;
        if self.reason == "Completed" && running > 0 {
            self.reason = if condition_is(pod, "Ready", "True") { "Running" } else { "NotReady" }.into();
        }
    }
}

/// What a pod says of itself.
fn of_pod(pod: &Value) -> String {
    if list(&pod["status"]["conditions"]).iter().any(|c| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated") {
        return "SchedulingGated".into();
    }
    match text(pod, "/status/reason") {
        "" => text(pod, "/status/phase").into(),
        own => own.into(),
    }
}

/// The STATUS column: what its containers say of it, or that it is on its way out.
fn reason(pod: &Value, seen: String) -> String {
    let phase = text(pod, "/status/phase");
    match (pod["metadata"]["deletionTimestamp"].is_string(), text(pod, "/status/reason")) {
        (true, "NodeLost") => "Unknown".into(),
        (true, _) if !matches!(phase, "Failed" | "Succeeded") => "Terminating".into(),
        _ => seen,
    }
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

/// Whether a container has done its work.
fn ended(container: &Value) -> bool {
    let terminated = &container["state"]["terminated"];
    terminated.is_object() && terminated["exitCode"].as_i64().unwrap_or(0) == 0
}

/// `Init:…` while init containers are at work, and which one is; sidecars that have started do not count.
fn initializing(pod: &Value, is_sidecar: &dyn Fn(&Value) -> bool) -> Option<(usize, String)> {
    let total = list(&pod["spec"]["initContainers"]).len();
    let done = |container: &Value| ended(container) || (is_sidecar(container) && container["started"] == true);
    let (index, container) =
        list(&pod["status"]["initContainerStatuses"]).iter().enumerate().find(|(_, container)| !done(container))?;
    let why = match waiting_or_ended(container) {
        Some(why) if why != "PodInitializing" => format!("Init:{why}"),
        _ => format!("Init:{index}/{total}"),
    };
    Some((index, why))
}

/// `3 (5m ago)`, or `0`.
fn restarts(containers: &[&Value], now: Timestamp) -> String {
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
