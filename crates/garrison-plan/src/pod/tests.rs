use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, PodStatus};
use serde_json::{Value, json};
use world::World;

mod admission;
mod ending;
mod probing;
mod properties;
mod restarting;
mod starting;
mod world;

/// A status in one line: phase, `/ready` if the pod is, and each container with what it does (`ready` if it runs and is),
/// its restarts and how it last ended.
fn shown(status: &PodStatus) -> String {
    let ready = status.conditions.iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let phase = status.phase.as_deref().unwrap_or("none");
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let containers: String = all.map(|container| format!(" {}", shown_container(container))).collect();
    let reason = status.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{phase}{}{reason}{containers}", if ready { "/ready" } else { "" })
}

fn shown_container(status: &ContainerStatus) -> String {
    let state = |state: &ContainerState| {
        let running = state.running.is_some().then(|| if status.ready { "ready".to_owned() } else { "running".to_owned() });
        let waiting = state.waiting.as_ref().map(|waiting| waiting.reason.clone().unwrap());
        let ended = state.terminated.as_ref().map(|ended| format!("{}({})", ended.reason.as_deref().unwrap(), ended.exit_code));
        running.or(waiting).or(ended).unwrap()
    };
    let restarts = if status.restart_count > 0 { format!("#{}", status.restart_count) } else { String::new() };
    let last = status.last_state.as_ref().map(|last| format!("<{}", state(last))).unwrap_or_default();
    format!("{}:{}{restarts}{last}", status.name, state(status.state.as_ref().unwrap()))
}

/// Lets so many seconds pass and compares what happens, as far as it has one of the marks.
#[track_caller]
fn check(world: &mut World, seconds: i64, marks: &str, expected: &[&str]) {
    assert_eq!(world.story(seconds, marks), expected);
}

/// A container of this name.
fn container(name: &str) -> Value {
    json!({"name": name, "image": "i"})
}

/// A pod with one container, `a`.
fn plain() -> Value {
    json!({"containers": [container("a")]})
}
